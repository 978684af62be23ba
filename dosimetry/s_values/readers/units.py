"""Units of S values, converted where a file is read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dosimetry.errors import DosimetryError

_DOSE_GY = {"Gy": 1.0, "Sv": 1.0, "rad": 0.01, "rem": 0.01}
_ACTIVITY_MBQ = {"Bq": 1e-6, "Ci": 37_000.0}
_HOURS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0}
_PREFIX = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "c": 1e-2, "k": 1e3, "M": 1e6, "G": 1e9}
_UNIT = re.compile(
    r"(?P<dose_prefix>[numck]?)(?P<dose>Gy|Sv|rad|rem)/\(?"
    r"(?P<activity_prefix>[numkMG]?)(?P<activity>Bq|Ci)[-./ ]?(?P<time>s|min|h)\)?"
)
LEGAL_UNITS = "mGy/(MBq s), mSv/MBq-s, Gy/(Bq s), Sv/(Bq s), mGy/(MBq h), Gy/(MBq h), rad/(uCi h)"
"""Examples of what `s_value_unit` reads."""


@dataclass(frozen=True)
class SValueUnit:
    """A unit of S values.

    Attributes
    ----------
    gy_per_mbq_h : float
        Multiply a value by this to have Gy/(MBq h), or Sv/(MBq h) where `weighted`.
    weighted : bool
        Whether it is an equivalent dose (Sv, rem), so that alpha parts are multiplied by a
        radiation weighting factor.
    """

    gy_per_mbq_h: float
    weighted: bool


def s_value_unit(text: str) -> SValueUnit:
    """Read the unit of an S value; upper and lower case of prefixes matter (mGy, MBq).

    Parameters
    ----------
    text : str
        Such as ``mSv/MBq-s``, ``mGy/(MBq s)``, ``mGy/MBq/s``, ``Gy Bq-1 s-1``, ``rad/uCi-h``.

    Raises
    ------
    DosimetryError
        If this is no dose per activity and time.

    Examples
    --------
    >>> round(s_value_unit("mSv/MBq-s").gy_per_mbq_h, 12), s_value_unit("mSv/MBq-s").weighted
    (3.6, True)
    """
    match = _UNIT.fullmatch(_simplified(text))
    if match is None:
        raise DosimetryError(f"{text!r} is no unit of S values; legal are such as {LEGAL_UNITS}")
    dose = _PREFIX[match["dose_prefix"]] * _DOSE_GY[match["dose"]]
    activity = _PREFIX[match["activity_prefix"]] * _ACTIVITY_MBQ[match["activity"]]
    return SValueUnit(
        gy_per_mbq_h=dose / (activity * _HOURS[match["time"]]),
        weighted=match["dose"] in ("Sv", "rem"),
    )


def _simplified(text: str) -> str:
    """One spelling of the many: µ to u, ``X-1`` to ``/X``, ``per`` to ``/``."""
    text = text.strip().strip("[]").strip().translate(str.maketrans("µμ·×*−⁻¹", "uu...--1"))
    text = re.sub(r"\bper\b|(?<=[yv])per(?=[kMG]?Bq)", "/", text)
    text = re.sub(r"[ .]*([numkMG]?(?:Bq|Ci)|sec|s|min|hr|h)\^?\(?-1\)?", r"/\1", text)
    text = re.sub(r"(?<![a-z])sec\b", "s", text)
    text = re.sub(r"(?<![a-z])hr?\b", "h", text)
    return re.sub(r"\s*([/.()-])\s*", r"\1", text)
