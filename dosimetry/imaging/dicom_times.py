"""When a DICOM image was taken, and to what time its activity is decay-corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dosimetry.errors import DosimetryError
from dosimetry.imaging.safety import imaging_package, shown

_TERMS = ("START", "ADMIN", "NONE")


@dataclass(frozen=True)
class Timing:
    """Time of an image, and the factor that makes its values those present at that time.

    Attributes
    ----------
    time_h : float or None
        After the injection; None if the injection's date and time are not known.
    factor : float
        What the stored values are multiplied with.
    notes : tuple of str
        What was done, in words.
    """

    time_h: float | None
    factor: float
    notes: tuple[str, ...]


def timing(
    datasets: Sequence[Any],
    *,
    decay_correction: str | None = None,
    injected_at: datetime | None = None,
    half_life_h: float | None = None,
) -> Timing:
    """Time after injection and decay correction of the images of one series.

    START: values are those at the start of the acquisition; kept. ADMIN: values are corrected back
    to the injection; the correction is taken back. NONE: values are a mean over the acquisition
    and stand for its middle (PET, where the duration is known) or its start.

    Parameters
    ----------
    datasets : sequence of Dataset
        One a slice, or one for all.
    decay_correction : str, optional
        What holds if the files do not say it: START, ADMIN or NONE.
    injected_at : datetime, optional
        Overrides the files, which often hold the time of day alone.
    half_life_h : float, optional
        Of the nuclide; files with another one are refused.

    Raises
    ------
    DosimetryError
        If what is needed is missing or contradicts the arguments.
    """
    ds = datasets[0]
    term, notes = _decay_correction(datasets, decay_correction)
    life_h = _half_life_h(ds, half_life_h)
    starts = sorted({start for start in map(_acquired_at, datasets) if start is not None})
    injected = injected_at or _injected_at(ds)
    if injected is None:
        notes.append(
            "the files hold no date and time of the injection (a time of day alone is not enough)"
        )
    if term == "NONE" and len(starts) > 1:
        raise DosimetryError(
            f"DecayCorrection is NONE and the slices were taken at {len(starts)} times; correct "
            "the beds to one time first"
        )
    if not starts or injected is None:
        if term == "ADMIN":
            raise DosimetryError(
                "the values are decay-corrected to the injection (ADMIN): give the date and time "
                "of the injection, so that this can be taken back"
            )
        return Timing(None, 1.0, tuple(notes))
    reference = starts[0] + _half_duration(ds, term)
    time_h = (reference - injected).total_seconds() / 3600
    if time_h < 0:
        raise DosimetryError(f"the image ({reference}) was taken before the injection ({injected})")
    if term != "ADMIN":
        return Timing(time_h, 1.0, tuple(notes))
    if life_h is None:
        raise DosimetryError(
            "the values are decay-corrected to the injection (ADMIN): give the half-life of the "
            "nuclide"
        )
    notes.append(f"decay correction to the injection taken back ({time_h:.4g} h)")
    return Timing(time_h, float(2 ** (-time_h / life_h)), tuple(notes))


def _decay_correction(datasets: Sequence[Any], given: str | None) -> tuple[str, list[str]]:
    terms = {str(ds.get("DecayCorrection") or "") for ds in datasets}
    if len(terms) > 1:
        raise DosimetryError(f"the slices differ in DecayCorrection: {', '.join(sorted(terms))}")
    term = terms.pop()
    if not term and given is not None:
        term = given
    notes = []
    if not term:
        if datasets[0].get("Modality") == "PT":
            raise DosimetryError(
                "the PET files have no DecayCorrection; say what holds: START, ADMIN or NONE"
            )
        term = "NONE"
        notes.append("ASSUMED: not decay-corrected, the files have no DecayCorrection")
    if term not in _TERMS:
        raise DosimetryError(f"DecayCorrection is {shown(term)}, legal are {', '.join(_TERMS)}")
    return term, notes


def _drug(ds: Any) -> Any:
    sequence = ds.get("RadiopharmaceuticalInformationSequence") or []
    return sequence[0] if len(sequence) else {}


def _half_life_h(ds: Any, given: float | None) -> float | None:
    stored = _drug(ds).get("RadionuclideHalfLife")
    if not stored:
        return given
    life_h = float(stored) / 3600
    if given is not None and abs(life_h - given) > 0.02 * given:
        raise DosimetryError(
            f"the files are of a nuclide with a half-life of {life_h:.4g} h, given is one of "
            f"{given:.4g} h"
        )
    return life_h


def _half_duration(ds: Any, term: str) -> timedelta:
    if term != "NONE" or ds.get("Modality") != "PT":
        return timedelta(0)
    return timedelta(milliseconds=float(ds.get("ActualFrameDuration") or 0) / 2)


def _injected_at(ds: Any) -> datetime | None:
    return _date_time(_drug(ds).get("RadiopharmaceuticalStartDateTime"))


def _acquired_at(ds: Any) -> datetime | None:
    whole = _date_time(ds.get("AcquisitionDateTime"))
    if whole is not None:
        return whole
    date, time = ds.get("AcquisitionDate"), ds.get("AcquisitionTime")
    return _date_time(f"{date}{time}") if date and time else None


def _date_time(value: Any) -> datetime | None:
    """Read a DICOM date and time, as given on the local clock."""
    if not value:
        return None
    valuerep = imaging_package("pydicom.valuerep")
    try:
        moment = valuerep.DT(str(value))
    except ValueError:
        raise DosimetryError(f"{shown(value)} is no DICOM date and time") from None
    if len(str(value)) < len("YYYYMMDDHHMM"):
        return None
    return datetime.fromisoformat(moment.replace(tzinfo=None).isoformat())
