"""Errors of the hemadose package."""

from __future__ import annotations


class HemadoseError(ValueError):
    """Base class of all errors raised by `hemadose`: what was given, and what is legal."""


class StudyError(HemadoseError):
    """A study folder that cannot be read, said in one sentence.

    Parameters
    ----------
    message : str
        What was given and what is legal, without a full stop.
    file : str
        The file, as ``folder/name``.
    row : int, optional
        Line in the file, counted from 1 (the header of a table is row 1).
    column : str, optional
        Column of a table, or key of study.yaml such as ``patient.sex``.

    Examples
    --------
    >>> print(StudyError("got -3, legal is a number from 0", file="a.csv", row=2, column="time_h"))
    a.csv, row 2, column time_h: got -3, legal is a number from 0.
    """

    def __init__(
        self, message: str, *, file: str, row: int | None = None, column: str | None = None
    ) -> None:
        self.message = message
        self.file = file
        self.row = row
        self.column = column
        place = [file]
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"{'key' if file.endswith('.yaml') else 'column'} {column}")
        super().__init__(f"{', '.join(place)}: {message}.")
