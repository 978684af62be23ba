"""Induction and repair rates of one patient, or of one ex vivo sample, from its time course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from foci.checks import check_share
from foci.counting.counts import FociSample, check_dispersion
from foci.counting.open_class import open_class_words
from foci.errors import FociError
from foci.repair.exposure import Exposure, ExVivoIrradiation
from foci.repair.likelihood import (
    NAMES,
    TimeCourse,
    global_maximum,
    information,
    limits,
    natural,
    profiles,
)
from foci.repair.result import PoolComparison, RepairFit
from kinetics import SumOfExponentials
from kinetics.curves import FloatArray

_RANK_BELOW = 1e-6  # of the largest eigenvalue of the information: a direction not seen
_FIRST_ORDER = "foci are induced in proportion to the dose rate and repaired at first order"


def fit_repair(
    samples: Sequence[FociSample],
    exposure: Exposure | Mapping[int, Exposure],
    *,
    pools: Literal[1, 2, "auto"] = "auto",
    dispersion: float = 1.0,
    level: float = 0.95,
) -> RepairFit:
    r"""Fit induction, repair rates and background to the counts of one time course.

    Parameters
    ----------
    samples : sequence of FociSample
        All samples of the patient, or of the blood irradiated ex vivo; baseline samples have
        negative times.
    exposure : SumOfExponentials or ExVivoIrradiation, or a mapping of them by cycle
        Absorbed dose rate to the cells (Gy/h), time zero at the administration, or the
        irradiation ex vivo. Leading shape () or (n_draws,): draws are uncertainty of the dose
        rate, and their likelihoods are averaged.
    pools : {1, 2, "auto"}
        Number of parallel repair rates. ``"auto"`` takes two only where the corrected Akaike
        criterion prefers them and the samples identify both rates.
    dispersion : float
        Variance over mean of the counts; 1 is Poisson, above it negative binomial.
    level : float
        Coverage of the profile-likelihood intervals.

    Returns
    -------
    RepairFit

    Raises
    ------
    FociError
        If samples are too few for the parameters, no sample follows an irradiation, a cycle has
        no exposure, or an option is not legal.

    Notes
    -----
    :math:`x_i \sim \mathrm{Poisson}(n_i\mu(t_i))`,
    :math:`\mu(t)=b+c\int_0^t\dot D(s)\sum_j f_je^{-k_j(t-s)}ds`. The model contains the repair
    during the irradiation, so the induction is corrected for it, once, by the fit itself; the
    apparent slope of a calibration is lower (`induction_from_apparent_slope`).

    Foci of an earlier cycle are taken as repaired when the next one begins.

    References
    ----------
    One compartment with induction and repair: Schumann S et al. Eur J Nucl Med Mol Imaging
    2019;46:1723-1732, doi:10.1007/s00259-019-04317-4. Corrected Akaike criterion: Hurvich CM,
    Tsai CL. Biometrika 1989;76:297-307, doi:10.1093/biomet/76.2.297.

    Examples
    --------
    >>> counts = [(-1.0, 61), (1.0, 296), (2.0, 348), (4.0, 303), (24.0, 122), (48.0, 96)]
    >>> samples = [FociSample(1, time, 500, foci) for time, foci in counts]
    >>> blood = SumOfExponentials([0.03, 0.003], [0.5, 0.03])
    >>> fit = fit_repair(samples, blood, pools=1)
    >>> fit.values.round(2), fit.intervals[2].round(2), fit.status
    (array([20.76,  0.15,  0.45]), array([0.32, 0.62]), 'ok')
    """
    check_dispersion(dispersion)
    check_share(level, "level")
    if pools not in (1, 2, "auto"):
        raise FociError(f"pools must be 1, 2 or 'auto', got {pools!r}")
    course = _course(samples, exposure, dispersion)
    n = len(course.foci)
    if n < len(NAMES[2 if pools == 2 else 1]):
        raise FociError(
            f"{n} samples cannot give {len(NAMES[2 if pools == 2 else 1])} parameters; count more "
            "samples, or update a prior (RepairModel) with those there are"
        )
    fit = _chosen(course, level) if pools == "auto" else _fitted(course, pools, level)
    return replace(fit, assumptions=(*fit.assumptions, *open_class_words(samples)))


def _chosen(course: TimeCourse, level: float) -> RepairFit:
    """One pool, unless two are preferred and identified."""
    n = len(course.foci)
    one = _fitted(course, 1, level)
    if n <= len(NAMES[2]) + 1:
        words = (
            f"{n} samples do not give two repair rates: {len(NAMES[2])} parameters need at least "
            f"{len(NAMES[2]) + 2}"
        )
        nothing = PoolComparison(
            float("nan"),
            float("nan"),
            (_aicc(one.log_likelihood, len(NAMES[1]), n), np.inf),
            1,
            words,
        )
        return replace(one, comparison=nothing)
    comparison = _compared(one, global_maximum(course, 2)[1])
    if comparison.chosen == 1:
        return replace(one, comparison=comparison)
    two = _fitted(course, 2, level)
    if two.status != "ok":
        comparison = replace(
            comparison,
            chosen=1,
            words=f"{comparison.words}, but the samples do not identify two rates ({two.status})",
        )
    return replace(two if comparison.chosen == 2 else one, comparison=comparison)


def _compared(one: RepairFit, two: float) -> PoolComparison:
    """Compare a fit of one pool with the log likelihood of two."""
    from scipy.stats import chi2

    gain = max(2 * (two - one.log_likelihood), 0.0)
    criteria = (
        _aicc(one.log_likelihood, len(NAMES[1]), one.n_samples),
        _aicc(two, len(NAMES[2]), one.n_samples),
    )
    chosen = 2 if criteria[1] < criteria[0] else 1
    p_value = float(chi2.sf(gain, 2))
    verdict = ("one repair rate is enough", "two repair rates describe the counts better")
    words = (
        f"{verdict[chosen - 1]} (AICc {criteria[0]:.1f} with one, {criteria[1]:.1f} with two; "
        f"p = {p_value:.2g})"
    )
    return PoolComparison(gain, p_value, criteria, chosen, words)


def _aicc(log_likelihood: float, n_parameters: int, n_samples: int) -> float:
    """Corrected Akaike criterion; infinite where the correction does not exist."""
    spare = n_samples - n_parameters - 1
    if spare < 1:
        return float("inf")
    return 2 * n_parameters - 2 * log_likelihood + 2 * n_parameters * (n_parameters + 1) / spare


def _course(
    samples: Sequence[FociSample],
    exposure: Exposure | Mapping[int, Exposure],
    dispersion: float,
) -> TimeCourse:
    """Arrays of the samples after the checks."""
    samples = sorted(samples, key=lambda s: (s.cycle, s.time_h))
    if not any(not s.is_baseline for s in samples):
        raise FociError("there is no sample after an irradiation; times below zero are baseline")
    cycles = sorted({s.cycle for s in samples if not s.is_baseline})
    if isinstance(exposure, SumOfExponentials | ExVivoIrradiation):
        if len(cycles) > 1:
            raise FociError(
                f"samples of cycles {cycles} need an exposure each: give a mapping by cycle"
            )
        exposure = {cycles[0]: exposure}
    missing = [cycle for cycle in cycles if cycle not in exposure]
    if missing:
        raise FociError(f"cycles {missing} have samples but no exposure; given: {list(exposure)}")
    for cycle in cycles:
        given = exposure[cycle]
        shape = given.shape if isinstance(given, SumOfExponentials) else np.shape(given.dose_gy)
        if len(shape) > 1:
            raise FociError(f"an exposure has shape () or (n_draws,), cycle {cycle} has {shape}")
    return TimeCourse(
        np.array([s.time_h for s in samples]),
        np.array([float(s.cells) for s in samples]),
        np.array([float(s.foci) for s in samples]),
        np.array([s.cycle for s in samples], dtype=np.int64),
        {cycle: exposure[cycle] for cycle in cycles},
        dispersion,
    )


def _fitted(course: TimeCourse, pools: int, level: float) -> RepairFit:
    """Maximum, information and profiles with a number of pools."""
    from scipy.stats import chi2

    names = NAMES[pools]
    found = profiles(course, pools, float(chi2.ppf(level, 1)) / 2)
    theta, ends = found.theta, found.ends
    matrix = information(theta, course)
    eigenvalue = np.linalg.eigvalsh(matrix)
    seen = bool(eigenvalue[0] > _RANK_BELOW * eigenvalue[-1] > 0)
    covariance = np.asarray(np.linalg.inv(matrix) if seen else np.full(matrix.shape, np.nan))
    values = natural(names, theta)
    slope = np.where(np.array(names) == "fast_fraction", values * (1 - values), values)
    with np.errstate(invalid="ignore"):
        sd = slope * np.sqrt(np.diag(covariance))
    return RepairFit(
        names=names,
        values=values,
        sd=sd,
        intervals=_intervals(names, ends),
        level=level,
        covariance=covariance,
        log_likelihood=found.value,
        n_samples=len(course.foci),
        condition_number=float(eigenvalue[-1] / eigenvalue[0]) if seen else float("inf"),
        comparison=None,
        status=_status(names, theta, ends, seen, level),
        assumptions=_assumptions(course, pools),
    )


def _intervals(names: tuple[str, ...], ends: list[list[float | None]]) -> FloatArray:
    """Limits of the profiles in the parameters' units, open ends filled in."""
    out = np.empty((len(names), 2))
    for i, name in enumerate(names):
        for j, end in enumerate(ends[i]):
            if end is None:
                out[i, j] = 0.0 if j == 0 else (1.0 if name == "fast_fraction" else np.inf)
            else:
                out[i, j] = natural((name,), np.array([end]))[0]
    return out


def _status(
    names: tuple[str, ...],
    theta: FloatArray,
    ends: list[list[float | None]],
    seen: bool,
    level: float,
) -> str:
    """Which parameters the samples do not identify, in words."""
    words = []
    bounds = limits(names)
    for name, estimate, end, bound in zip(names, theta, ends, bounds, strict=True):
        open_sides = [side for side, e in zip(("below", "above"), end, strict=True) if e is None]
        if name == "background_per_cell":
            # no spontaneous focus is a legal answer
            open_sides = [side for side in open_sides if side == "above"]
        if open_sides:
            words.append(
                f"{name} is not identified: its {level:.0%} interval is open "
                f"{' and '.join(open_sides)}"
            )
        elif name != "background_per_cell" and (np.abs(bound - estimate) < 1e-3).any():
            words.append(f"{name} ended at the limit of the range searched")
    if not seen and not words:
        words.append("the information matrix is singular: the parameters cannot be told apart")
    return "; ".join(words) or "ok"


def _assumptions(course: TimeCourse, pools: int) -> tuple[str, ...]:
    """What the fit takes for granted."""
    said = [f"ASSUMED: {_FIRST_ORDER}, {'in one pool' if pools == 1 else 'in two pools'}"]
    if not (course.time_h < 0).any():
        said.append("no baseline sample: the background rests on the late samples")
    if len(course.exposure) > 1:
        said.append("ASSUMED: foci of a cycle are repaired before the next one begins")
    if course.dispersion > 1:
        said.append(f"variance over mean of the counts {course.dispersion:g}, taken as known")
    return tuple(said)
