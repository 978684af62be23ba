"""Grades of haematological toxicity from laboratory values (CTCAE)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.errors import RadiobioError

# A value below the n-th number has at least grade n + 2; grade 1 begins at the laboratory's
# lower limit of normal. Haemoglobin (g/L) has no grade 4 that a laboratory value can give.
_LIMITS_V5: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "platelets": (75.0, 50.0, 25.0),
        "haemoglobin": (100.0, 80.0),
        "neutrophils": (1.5, 1.0, 0.5),
        "lymphocytes": (0.8, 0.5, 0.2),
        "leukocytes": (3.0, 2.0, 1.0),
    }
)
_VERSIONS = {"5.0": _LIMITS_V5}

GRADE3_LIMIT: Mapping[str, float] = MappingProxyType(
    {lineage: limits[1] for lineage, limits in _LIMITS_V5.items()}
)
"""Value below which a lineage has CTCAE v5.0 grade 3 or more (1e9/L, haemoglobin g/L)."""


def ctcae_grade(
    lineage: str,
    value: npt.ArrayLike,
    *,
    lower_limit_of_normal: npt.ArrayLike | None = None,
    version: str = "5.0",
) -> FloatArray:
    """CTCAE grade of blood counts.

    Parameters
    ----------
    lineage : {"platelets", "haemoglobin", "neutrophils", "lymphocytes", "leukocytes"}
        What was counted.
    value : array_like, shape (...)
        Counts (1e9/L), haemoglobin in g/L (not g/dL); ``nan`` is a missing value.
    lower_limit_of_normal : array_like, shape (...), optional
        The laboratory's lower limit of normal, same unit; it divides grade 0 from grade 1.
    version : str
        Version of the criteria; cut-offs differ between versions.

    Returns
    -------
    ndarray of float, shape (...)
        Grade 0 to 4 (haemoglobin at most 3: its grade 4 is a clinical judgement). ``nan`` means
        that no grade can be given: the value is missing, or it is above the limit of grade 2
        and the lower limit of normal is not known, so that it may be grade 0 or grade 1.

    Raises
    ------
    RadiobioError
        If the lineage or the version is not known, or a value is negative.

    Notes
    -----
    The lower bound of a grade belongs to it: 75, 50 and 25 platelets are grades 1, 2 and 3.

    References
    ----------
    Common Terminology Criteria for Adverse Events v5.0, US National Cancer Institute, 2017.

    Examples
    --------
    >>> ctcae_grade("platelets", [200.0, 75.0, 49.9], lower_limit_of_normal=150.0)
    array([0., 1., 3.])
    >>> ctcae_grade("platelets", [200.0, 49.9])
    array([nan,  3.])
    """
    limits = ctcae_limits(lineage, version=version)
    values = np.asarray(value, dtype=np.float64)
    if (values < 0).any():
        raise RadiobioError(f"a value of {lineage} is negative ({np.nanmin(values):g})")
    lower = np.asarray(
        np.nan if lower_limit_of_normal is None else lower_limit_of_normal, dtype=np.float64
    )
    grade = np.where(values < lower, 1.0, 0.0)
    grade = np.where(np.isnan(values) | np.isnan(lower), np.nan, grade)
    for grade_below, limit in enumerate(limits, start=2):
        grade = np.where(values < limit, float(grade_below), grade)
    return grade


def ctcae_limits(lineage: str, *, version: str = "5.0") -> tuple[float, ...]:
    """Values below which a lineage has grade 2, 3 and (where it exists) 4.

    Parameters
    ----------
    lineage, version
        As in `ctcae_grade`.

    Returns
    -------
    tuple of float
        Limits (1e9/L; haemoglobin g/L).

    Raises
    ------
    RadiobioError
        If the lineage or the version is not known.
    """
    if version not in _VERSIONS:
        raise RadiobioError(f"CTCAE version {version!r} is not known; known: {list(_VERSIONS)}")
    if lineage not in _VERSIONS[version]:
        raise RadiobioError(f"lineage {lineage!r} is not known; known: {list(_VERSIONS[version])}")
    return _VERSIONS[version][lineage]
