"""The rows of a study folder's tables, in the units of the package."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ActivitySample:
    """A measured activity.

    Parameters
    ----------
    cycle : int
        Number of the cycle.
    time_h : float
        Time since the start of the cycle (h).
    region : str
        Region.
    value : float
        Activity (MBq), for blood and marrow concentration (MBq/mL), as present at `time_h`.
    sd : float or None
        Its standard deviation, same unit.
    blq : bool
        True if the sample is below `value`, the limit of quantification.
    line : int
        Line in the file.
    """

    cycle: int
    time_h: float
    region: str
    value: float
    sd: float | None
    blq: bool
    line: int


@dataclass(frozen=True)
class FociRow:
    """Foci counted in one sample.

    Parameters
    ----------
    cycle : int
        Number of the cycle.
    time_h : float
        Time since the start of the cycle (h); negative for the baseline.
    cells, foci : int
        Cells scored and foci found in them.
    distribution : tuple of int or None
        Cells with 0, 1, ... 5, and 6 or more foci.
    slide, reader : str
        Free text; empty where not given.
    line : int
        Line in the file.
    """

    cycle: int
    time_h: float
    cells: int
    foci: int
    distribution: tuple[int, ...] | None
    slide: str
    reader: str
    line: int


@dataclass(frozen=True)
class CountRow:
    """Blood counts of one day.

    Parameters
    ----------
    day : float
        Days since the start of cycle 1.
    values : dict of str to float
        Counts by lineage (1e9/L; haemoglobin g/L); what was not measured is absent.
    line : int
        Line in the file.
    """

    day: float
    values: dict[str, float]
    line: int


@dataclass(frozen=True)
class DoseRow:
    """A dose by the clinic's own dosimetry.

    Parameters
    ----------
    cycle : int
        Number of the cycle.
    region : str
        Region.
    dose_gy_per_gbq : float
        Absorbed dose per administered activity (Gy/GBq).
    sd : float or None
        Its standard deviation (Gy/GBq).
    method : str
        ``blood`` or ``image``.
    line : int
        Line in the file.
    """

    cycle: int
    region: str
    dose_gy_per_gbq: float
    sd: float | None
    method: str
    line: int


@dataclass(frozen=True)
class Tables:
    """The rows of a study's four tables; a missing table has none."""

    activity: tuple[ActivitySample, ...] = ()
    foci: tuple[FociRow, ...] = ()
    counts: tuple[CountRow, ...] = ()
    doses: tuple[DoseRow, ...] = ()

    @property
    def has_marrow_image(self) -> bool:
        """Tell whether there are marrow rows of images."""
        return any(sample.region == "marrow" for sample in self.activity) or any(
            row.region == "marrow" and row.method == "image" for row in self.doses
        )
