"""Columns, regions and units of a study folder's tables."""

from __future__ import annotations

import re

from hemadose.study.tables import Column

REGIONS = ("blood", "whole_body", "kidneys", "liver", "spleen", "marrow")
TUMOUR_NAME = re.compile(r"tumour(_[A-Za-z0-9_]{1,40})?")
CONCENTRATIONS = ("blood", "marrow")
LINEAGES = ("platelets", "haemoglobin", "neutrophils", "lymphocytes", "leukocytes")
DOSE_METHODS = ("blood", "image")

_ACTIVITY_MBQ = {"MBq": 1.0, "kBq": 1e-3, "GBq": 1e3, "Bq": 1e-6}
_CONCENTRATION_MBQ_PER_ML = {"MBq/mL": 1.0, "kBq/mL": 1e-3, "Bq/mL": 1e-6, "MBq/L": 1e-3}
_PERCENT = {"%IA": 1e-2}
_PERCENT_PER_ML = {"%IA/mL": 1e-2, "%IA/L": 1e-5}
COUNT_RANGES = {
    "platelets": (0.0, 3000.0, "1e9/L", "this looks like cells per uL; divide by 1000"),
    "haemoglobin": (25.0, 250.0, "g/L", "this looks like g/dL; multiply by 10"),
    "neutrophils": (0.0, 300.0, "1e9/L", "this looks like cells per uL; divide by 1000"),
    "lymphocytes": (0.0, 500.0, "1e9/L", "this looks like cells per uL; divide by 1000"),
    "leukocytes": (0.0, 500.0, "1e9/L", "this looks like cells per uL; divide by 1000"),
}
ACTIVITY_COLUMNS = (
    Column("cycle", True, "the number of a cycle in study.yaml"),
    Column("time_h", True, "the time since the start of the cycle (h), 0 to 2000"),
    Column("region", True, f"the region: {', '.join(REGIONS)}, or a tumour of study.yaml"),
    Column("value", True, "the value in `unit`, above 0; with blq 1 the limit of quantification"),
    Column(
        "unit",
        True,
        f"the unit: {', '.join([*_ACTIVITY_MBQ, *_PERCENT])}; for blood and marrow "
        f"{', '.join([*_CONCENTRATION_MBQ_PER_ML, *_PERCENT_PER_ML])} (%IA: percent of the "
        "cycle's activity)",
    ),
    Column("sd", False, "the standard deviation of the value in `unit`; may be empty"),
    Column("blq", False, "1 if below the limit of quantification, otherwise 0 or empty"),
)
FOCI_COLUMNS = (
    Column("cycle", True, "the number of a cycle in study.yaml"),
    Column("time_h", True, "the time since the start of the cycle (h), -240 to 2000; below 0 is "
           "the baseline"),
    Column("cells", False, "the number of cells scored, 1 or more (needed without c0 to c6)"),
    Column("foci", False, "the number of foci in them (needed without c0 to c6)"),
    *(Column(f"c{k}", False, f"the number of cells with {k} foci{' or more' if k == 6 else ''}")
      for k in range(7)),
    Column("slide", False, "a name of the slide (text)"),
    Column("reader", False, "a pseudonym of the reader (text)"),
)  # fmt: skip
COUNT_COLUMNS = (
    Column("day", True, "the days since the start of cycle 1, -400 to 4000; fractions are legal"),
    *(Column(name, False, f"the {name} ({unit}), {low:g} to {high:g}; empty if not measured")
      for name, (low, high, unit, _) in COUNT_RANGES.items()),
)  # fmt: skip
DOSE_COLUMNS = (
    Column("cycle", True, "the number of a cycle in study.yaml"),
    Column("region", True, f"the region: {', '.join(REGIONS)}, or a tumour of study.yaml"),
    Column("dose_gy_per_gbq", True, "the absorbed dose per administered activity (Gy/GBq)"),
    Column("sd", False, "its standard deviation (Gy/GBq); may be empty"),
    Column("method", False, "blood or image; must be given for marrow, otherwise image (for "
           "blood: blood)"),
)  # fmt: skip


def legal_units(region: str, administered_mbq: float) -> dict[str, float]:
    """Return the legal units of a region and the factor of each to MBq or MBq/mL.

    Parameters
    ----------
    region : str
        Region.
    administered_mbq : float
        Administered activity (MBq), for the units in percent of it.

    Examples
    --------
    >>> legal_units("kidneys", 7400.0)["%IA"]
    74.0
    """
    concentration = region in CONCENTRATIONS
    plain = _CONCENTRATION_MBQ_PER_ML if concentration else _ACTIVITY_MBQ
    percent = _PERCENT_PER_ML if concentration else _PERCENT
    return plain | {unit: factor * administered_mbq for unit, factor in percent.items()}
