"""Grades of haematological toxicity and of creatinine from laboratory values (CTCAE)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import not_negative, numbers, together
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
_LIMITS_V6: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "platelets": (75.0, 50.0, 10.0),
        "haemoglobin": (100.0, 80.0),
        "neutrophils": (1.0, 0.5, 0.1),
        "leukocytes": (3.0, 2.0, 1.0),
    }
)
_VERSIONS = {"5.0": _LIMITS_V5, "6.0": _LIMITS_V6}
# lineages whose grade 1 begins at a fixed value instead of the lower limit of normal
_FIXED_GRADE_1: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {"5.0": MappingProxyType({}), "6.0": MappingProxyType({"neutrophils": 1.5})}
)
# lineages whose grades 3 and 4 also have a clinical criterion
_CLINICAL = {"5.0": ("haemoglobin",), "6.0": ("haemoglobin", "platelets")}

GRADE3_LIMIT: Mapping[str, float] = MappingProxyType(
    {lineage: limits[1] for lineage, limits in _LIMITS_V5.items()}
)
"""Value below which a lineage has CTCAE v5.0 grade 3 or more (1e9/L, haemoglobin g/L)."""


def ctcae_grade(
    lineage: str,
    value: npt.ArrayLike,
    *,
    lower_limit_of_normal: npt.ArrayLike | None = None,
    clinical_grade: npt.ArrayLike | None = None,
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
    clinical_grade : array_like, shape (...), optional
        3 where a transfusion is indicated, 4 where the consequences are life-threatening,
        ``nan`` where neither was judged; the worse of both grades counts. Legal for haemoglobin,
        and for platelets in version 6.0.
    version : {"5.0", "6.0"}
        Version of the criteria; cut-offs differ between versions.

    Returns
    -------
    ndarray of float, shape (...)
        Grade 0 to 4 (haemoglobin at most 3 from the laboratory value: its grade 4 is a clinical
        judgement). ``nan`` means that no grade can be given: the value is missing, or it is above
        the limit of grade 2 and the lower limit of normal is not known, so that it may be grade 0
        or grade 1.

    Raises
    ------
    RadiobioError
        If the lineage or the version is not known, a value is negative, or a clinical grade is
        not 3 or 4 or does not exist for the lineage.

    Notes
    -----
    The lower bound of a grade belongs to it: 75, 50 and 25 platelets are grades 1, 2 and 3.
    Version 6.0 changes platelets (grade 4 below 10 instead of 25) and neutrophils (1.5, 1.0, 0.5
    and 0.1 instead of the lower limit of normal, 1.5, 1.0 and 0.5, so that no limit of normal is
    needed); haemoglobin and leukocytes are the same. The source has no decrease of lymphocytes
    (other than CD4) in version 6.0, so that lymphocytes are not graded by it. No count has a rule
    for abnormal values at baseline in either version.

    References
    ----------
    Common Terminology Criteria for Adverse Events v5.0, US National Cancer Institute, 2017; v6.0
    as coded in github.com/pharmaverse/admiral at 10c06973 (`data-raw/adlb_grading/
    ncictcaev6.json`, Apache-2.0).

    Examples
    --------
    >>> ctcae_grade("platelets", [200.0, 75.0, 49.9], lower_limit_of_normal=150.0)
    array([0., 1., 3.])
    >>> ctcae_grade("platelets", [200.0, 49.9])
    array([nan,  3.])
    >>> ctcae_grade("neutrophils", [2.0, 0.9], version="6.0")
    array([0., 2.])
    """
    limits = ctcae_limits(lineage, version=version)
    values = np.asarray(value, dtype=np.float64)
    if (values < 0).any():
        raise RadiobioError(f"a value of {lineage} is negative ({np.nanmin(values):g})")
    lower = np.asarray(
        np.nan if lower_limit_of_normal is None else lower_limit_of_normal, dtype=np.float64
    )
    lower = np.asarray(_FIXED_GRADE_1[version].get(lineage, lower))
    grade = np.where(values < lower, 1.0, 0.0)
    grade = np.where(np.isnan(values) | np.isnan(lower), np.nan, grade)
    for grade_below, limit in enumerate(limits, start=2):
        grade = np.where(values < limit, float(grade_below), grade)
    if clinical_grade is None:
        return grade
    return np.fmax(grade, _clinical(lineage, clinical_grade, version))


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
    _check_version(version)
    if lineage not in _VERSIONS[version]:
        known = f"known in CTCAE {version}: {list(_VERSIONS[version])}"
        if lineage in _LIMITS_V5:
            raise RadiobioError(
                f"{lineage} have no criterion in the CTCAE {version} table; use version '5.0' for "
                f"them ({known})"
            )
        raise RadiobioError(f"lineage {lineage!r} is not known; {known}")
    return _VERSIONS[version][lineage]


def creatinine_grade(
    value: npt.ArrayLike,
    *,
    upper_limit_of_normal: npt.ArrayLike | None = None,
    lower_limit_of_normal: npt.ArrayLike | None = None,
    baseline: npt.ArrayLike | None = None,
    version: str = "5.0",
) -> FloatArray:
    """CTCAE grade of increased creatinine.

    Parameters
    ----------
    value : array_like, shape (...)
        Creatinine, any unit; ``nan`` is a missing value.
    upper_limit_of_normal, lower_limit_of_normal : array_like, shape (...), optional
        The laboratory's limits, same unit. The lower one is used by version 6.0 only.
    baseline : array_like, shape (...), optional
        The patient's creatinine before treatment, same unit.
    version : {"5.0", "6.0"}
        Version of the criteria.

    Returns
    -------
    ndarray of float, shape (...)
        Grade 0 to 4; ``nan`` where the value is missing, or the upper limit of normal is not
        known and the baseline gives no grade.

    Raises
    ------
    RadiobioError
        If the version is not known or a value is negative.

    Notes
    -----
    Grade 1 above the upper limit of normal U, 2 above 1.5 U, 3 above 3 U, 4 above 6 U. Version
    5.0: above 1.5 and 3 times the baseline are grades 2 and 3 too (whatever the baseline is).
    Version 6.0: 1.5 and 3 times the baseline take the place of 1.5 U and 3 U only where the
    baseline is below the lower limit of normal. What is not given is not used.

    References
    ----------
    As of `ctcae_grade` (`ncictcaev5.json` at 6eb5125a, `ncictcaev6.json` at 10c06973).

    Examples
    --------
    >>> creatinine_grade([90.0, 200.0], upper_limit_of_normal=110.0, baseline=60.0)
    array([0., 3.])
    """
    _check_version(version)
    given = {
        "value": value,
        "upper_limit_of_normal": upper_limit_of_normal,
        "lower_limit_of_normal": lower_limit_of_normal,
        "baseline": baseline,
    }
    arrays = {
        name: numbers(np.nan if array is None else array, name) for name, array in given.items()
    }
    for name, array in arrays.items():
        not_negative(np.nan_to_num(array), name)
    creatinine, upper, lower, before = together(**arrays)
    grade = np.where(np.isnan(upper), np.nan, np.where(creatinine > upper, 1.0, 0.0))
    low_baseline = before < lower
    for step, factor in ((2.0, 1.5), (3.0, 3.0)):
        by_limit, by_baseline = creatinine > factor * upper, creatinine > factor * before
        if version == "5.0":
            above = by_limit | by_baseline
        else:
            above = np.where(low_baseline, by_baseline, by_limit)
        grade = np.where(above, step, grade)
    grade = np.where(creatinine > 6.0 * upper, 4.0, grade)
    return np.where(np.isnan(creatinine), np.nan, grade)


def _check_version(version: str) -> None:
    if version not in _VERSIONS:
        raise RadiobioError(f"CTCAE version {version!r} is not known; known: {list(_VERSIONS)}")


def _clinical(lineage: str, clinical_grade: npt.ArrayLike, version: str) -> FloatArray:
    """Clinical grades as an array; RadiobioError where they are not legal."""
    grade = numbers(clinical_grade, "clinical_grade")
    if lineage not in _CLINICAL[version]:
        raise RadiobioError(
            f"{lineage} have no clinical criterion in CTCAE {version}; leave clinical_grade out "
            f"(it exists for {', '.join(_CLINICAL[version])})"
        )
    if not (np.isnan(grade) | np.isin(grade, (3, 4))).all():
        raise RadiobioError("clinical_grade must be 3, 4 or nan")
    return grade
