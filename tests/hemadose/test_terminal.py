"""The progress bar: for who waits at a terminal, and nobody else."""

import io
import sys
import time

import pytest
import typer

from hemadose import terminal


class Screen(io.StringIO):
    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "patience_s", "shown"),
    [(True, 0.0, True), (True, 9.0, False), (False, 0.0, False)],
)
def test_the_bar_is_for_those_who_wait_at_a_terminal(monkeypatch, is_terminal, patience_s, shown):
    screen = Screen(is_terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(terminal, "_PATIENCE_S", patience_s)
    with terminal.progress_bar(("kernel", "dose")) as advance:
        advance("kernel")
        time.sleep(0.3 if shown else 0.0)
        advance("dose")
    assert ("dose" in screen.getvalue()) == shown


def test_a_reader_that_leaves_is_no_bad_input(capsys):
    with pytest.raises(BrokenPipeError), terminal.bad_input_exits_with_2():
        raise BrokenPipeError(32, "Broken pipe")
    with pytest.raises(typer.Exit), terminal.bad_input_exits_with_2():
        raise FileNotFoundError(2, "No such file", "x")
    assert capsys.readouterr().err.count("hemadose:") == 1
