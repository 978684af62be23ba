"""The progress bar: for who waits at a terminal, and nobody else."""

import io
import sys
import time

import pytest

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
