"""Errors and warnings about the data of a population."""

from __future__ import annotations

from kinetics.errors import KineticsError


class PopulationDataError(KineticsError):
    """Population data that cannot be read; nothing of it was.

    Parameters
    ----------
    problems : str
        What is wrong, one sentence each: file, row, column, what was given and what is legal.
    total : int, optional
        How many problems there are, if not all are listed.
    """

    def __init__(self, *problems: str, total: int | None = None) -> None:
        self.problems = problems
        self.total = len(problems) if total is None else total
        if self.total == 1:
            super().__init__(problems[0])
            return
        more = self.total - len(problems)
        lines = [f"{self.total} problems", *problems, *([f"and {more} more"] if more else [])]
        super().__init__("\n  ".join(lines))


class PopulationDataWarning(UserWarning):
    """Some of the data was left out."""
