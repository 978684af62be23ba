"""Calibration curves as JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from foci.calibration.curve import CalibrationCurve
from foci.errors import FociError

FORMAT = "foci calibration curve 1"
_NUMBERS = ("irradiation_h", "repair_h", "dispersion")
_WORDS = ("source", "status")
_REQUIRED = ("coefficients", "covariance", "irradiation_h", "repair_h")
_OPTIONAL = ("dispersion", "source", "status", "assumptions", "max_dose_gy")


def write_curve(curve: CalibrationCurve, path: Path | str) -> None:
    """Write a curve as JSON: its numbers to all digits, in named fields.

    Parameters
    ----------
    curve : CalibrationCurve
        The curve.
    path : path
        File to write; an existing one is replaced.

    Examples
    --------
    >>> import tempfile
    >>> from foci.calibration import eberlein_2015
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_curve(eberlein_2015(), Path(folder) / "line.json")
    ...     read_curve(Path(folder) / "line.json").slope_per_gy
    14.7
    """
    text = json.dumps({"format": FORMAT, **curve.to_dict()}, indent=2, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def read_curve(path: Path | str) -> CalibrationCurve:
    """Read a curve that `write_curve` wrote.

    Parameters
    ----------
    path : path
        JSON file.

    Returns
    -------
    CalibrationCurve

    Raises
    ------
    FociError
        If the file is missing, no such JSON, lacks a field or holds an impossible number; the
        message names the file and the field.
    """
    path = Path(path)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FociError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise FociError(f"{path}: no text file; a curve is stored as JSON") from error
    except json.JSONDecodeError as error:
        raise FociError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
        ) from error
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise FociError(f'{path}: no calibration curve; expected the field "format": "{FORMAT}"')
    fields = {name: value for name, value in stored.items() if name != "format"}
    _check_names(path, fields)
    try:
        return CalibrationCurve(**{name: _field(name, value) for name, value in fields.items()})
    except FociError as error:
        raise FociError(f"{path}: {error}") from error


def _check_names(path: Path, fields: dict[str, Any]) -> None:
    """Raise on a missing or unknown field."""
    missing = [name for name in _REQUIRED if name not in fields]
    unknown = sorted(set(fields) - {*_REQUIRED, *_OPTIONAL})
    if missing:
        raise FociError(f"{path}: fields missing: {', '.join(missing)}")
    if unknown:
        legal = ", ".join((*_REQUIRED, *_OPTIONAL))
        raise FociError(f"{path}: unknown fields {', '.join(unknown)}; legal are {legal}")


def _field(name: str, value: Any) -> Any:
    """One field in the type the curve needs."""
    try:
        if name in ("coefficients", "covariance"):
            return np.array(value, dtype=np.float64)
        if name in _NUMBERS or (name == "max_dose_gy" and value is not None):
            return _number(value)
    except (TypeError, ValueError) as error:
        raise FociError(f"field {name}: numbers expected, got {value!r}") from error
    if name in _WORDS and not isinstance(value, str):
        raise FociError(f"field {name}: text expected, got {value!r}")
    if name != "assumptions":
        return value
    if not (isinstance(value, list) and all(isinstance(words, str) for words in value)):
        raise FociError(f"field assumptions: a list of texts expected, got {value!r}")
    return tuple(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return float(value)
