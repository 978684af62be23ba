"""Grades of haematological toxicity and of creatinine from laboratory values (CTCAE)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import numbers, together
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
_LEAST_HAEMOGLOBIN_LIMIT = 30.0  # g/L; a limit of normal below it was given in g/dL or mmol/L
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
        If the lineage or the version is not known, a value is negative or infinite, a limit of
        normal is not above zero or must be of another unit (haemoglobin below 30 in g/L), shapes
        do not broadcast, or a clinical grade is not 3 or 4 or does not exist for the lineage.

    Notes
    -----
    The lower bound of a grade belongs to it: 75, 50 and 25 platelets are grades 1, 2 and 3.
    Grades 2 to 4 are those fixed values also where the lower limit of normal lies below them: 70
    platelets are grade 2 in a laboratory whose lower limit is 60, which leaves no grade 1.
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
    values = _counted(value, f"a value of {lineage}")
    lower = _limit_of_normal(lower_limit_of_normal, "lower_limit_of_normal")
    if lineage == "haemoglobin" and (lower < _LEAST_HAEMOGLOBIN_LIMIT).any():
        raise RadiobioError(
            f"lower_limit_of_normal {np.nanmin(lower):g} of haemoglobin is not in g/L: give values "
            "and limit in g/L (10 times those in g/dL)"
        )
    clinical = np.asarray(np.nan)
    if clinical_grade is not None:
        clinical = _clinical(lineage, clinical_grade, version)
    together(value=values, lower_limit_of_normal=lower, clinical_grade=clinical)
    if lineage in _FIXED_GRADE_1[version]:
        lower = np.full_like(lower, _FIXED_GRADE_1[version][lineage])
    grade = np.where(values < lower, 1.0, 0.0)
    grade = np.where(np.isnan(values) | np.isnan(lower), np.nan, grade)
    for grade_below, limit in enumerate(limits, start=2):
        grade = np.where(values < limit, float(grade_below), grade)
    return np.asarray(np.fmax(grade, clinical))


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
    if not isinstance(lineage, str) or lineage not in _VERSIONS[version]:
        known = f"known in CTCAE {version}: {list(_VERSIONS[version])}"
        if isinstance(lineage, str) and lineage in _LIMITS_V5:
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
        If the version is not known, a value is negative or infinite, a limit or the baseline is
        not above zero, the lower limit is above the upper one, or shapes do not broadcast.

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
    creatinine, upper, lower, before = together(
        value=_counted(value, "a value of creatinine"),
        upper_limit_of_normal=_limit_of_normal(upper_limit_of_normal, "upper_limit_of_normal"),
        lower_limit_of_normal=_limit_of_normal(lower_limit_of_normal, "lower_limit_of_normal"),
        baseline=_limit_of_normal(baseline, "baseline"),
    )
    if (lower > upper).any():
        raise RadiobioError("lower_limit_of_normal is above upper_limit_of_normal")
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
    if not isinstance(version, str) or version not in _VERSIONS:
        raise RadiobioError(f"CTCAE version {version!r} is not known; known: {list(_VERSIONS)}")


def _counted(value: npt.ArrayLike, what: str) -> FloatArray:
    """Measured values as an array, ``nan`` for missing ones."""
    values = numbers(value, what)
    if (values < 0).any() or np.isinf(values).any():
        raise RadiobioError(
            f"{what} is {np.nanmin(values):g} or {np.nanmax(values):g}; legal are numbers of 0 or "
            "more, nan for a missing one"
        )
    return values


def _limit_of_normal(value: npt.ArrayLike | None, name: str) -> FloatArray:
    """A laboratory's limit as an array, ``nan`` where it is not known."""
    limit = numbers(np.nan if value is None else value, name)
    if (limit <= 0).any() or np.isinf(limit).any():
        raise RadiobioError(f"{name} must be above zero and finite, nan (or none) if not known")
    return limit


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
