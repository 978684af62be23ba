"""Options that the commands on counts share: the curve, the prior, lists of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from foci.errors import FociError
from hemadose.errors import HemadoseError

if TYPE_CHECKING:
    from foci import CalibrationCurve, DosePrior

EBERLEIN = "eberlein2015"
_PRIOR = "legal is as uniform,0,1000: a kind and two doses in mGy"


@contextmanager
def told_as(where: str = "") -> Iterator[None]:
    """Turn errors of foci into those of the commands, with the option or file before them."""
    try:
        yield
    except FociError as error:
        raise HemadoseError(f"{where}: {error}" if where else str(error)) from None


def read_calibration(text: str) -> CalibrationCurve:
    """Curve of a file that `hemadose foci calibrate` wrote, or ``eberlein2015``.

    Raises
    ------
    HemadoseError
        If there is no such file, or it holds no curve.
    """
    from foci import eberlein_2015, read_curve

    if text.lower() == EBERLEIN:
        return eberlein_2015()
    if not Path(text).is_file():
        raise HemadoseError(
            f"--calibration: there is no file {text}; legal is curve.json of `hemadose foci "
            f"calibrate`, or {EBERLEIN}"
        )
    with told_as("--calibration"):
        return read_curve(text)


def dose_prior(text: str | None) -> DosePrior | None:
    """Prior of the dose from ``uniform,0,1000`` (kind and two doses in mGy).

    Raises
    ------
    HemadoseError
        If the text is not of that form.
    """
    from foci import DosePrior

    if text is None:
        return None
    kind, *doses = (part.strip() for part in text.split(","))
    try:
        low, high = (float(dose) / 1000 for dose in doses)
    except ValueError:
        raise HemadoseError(f"--prior: got {text!r}, {_PRIOR}") from None
    with told_as(f"--prior: got {text!r} (a kind and two doses in mGy)"):
        return DosePrior(low, high, cast("Any", kind))  # it checks the kind


def whole_numbers(text: str, option: str) -> list[int]:
    """Rising whole numbers above zero of ``50,100``.

    Raises
    ------
    HemadoseError
        If one is not.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 0 < int(part) < 10**6 for part in parts):
        raise HemadoseError(
            f"{option}: got {text!r}, legal are whole numbers from 1 to 999999 with commas between"
        )
    return sorted({int(part) for part in parts})


def check_share(value: float, option: str) -> None:
    """Check that a probability lies between 0 and 1.

    Raises
    ------
    HemadoseError
        If not.
    """
    if not 0 < value < 1:
        raise HemadoseError(f"{option}: got {value:g}, legal is a number between 0 and 1")


def check_option_dispersion(value: float | None) -> None:
    """Check the variance over mean of counts.

    Raises
    ------
    HemadoseError
        If it is below one.
    """
    if value is not None and not 1 <= value < float("inf"):
        raise HemadoseError(
            f"--dispersion: got {value:g}, legal is a variance over mean of 1 (Poisson) or more"
        )
