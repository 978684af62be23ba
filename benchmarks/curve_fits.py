"""Least-squares fits of curves to single patients."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import curve_fit

from benchmarks.tasks import LU177_DECAY_PER_H, organ_curves
from benchmarks.timing import announce, optional, process_seconds, require, row
from kinetics.curve_fits.cohort_fit import fit_cohort
from kinetics.curve_fits.cohort_result import CohortFit

RELATIVE_SD = 0.05
N_BY_LOOP = 60  # patients where the rival takes one at a time
SAME = 1e-4  # relative difference of time-integrated activities
Function = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def fit_patients(form: str) -> CohortFit:
    """Our fits of all patients; without a decay constant, half-lives are effective ones."""
    data = organ_curves()
    y = data.washout if form == "mono" else data.uptake
    return fit_cohort(data.time_h, y, RELATIVE_SD * np.abs(y), form=form, decay_per_h=0.0)


def washout(theta: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Curves (n, times) and derivatives (n, times, 2) by log amplitude and log rate."""
    a, k = np.exp(theta)[..., None, :].transpose(2, 0, 1)
    f = a * np.exp(-k * t)
    return f, np.stack([f, -k * t * f], -1)


def uptake(theta: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Curves (n, times) and derivatives (n, times, 3) by logs: amplitude, clearance, uptake."""
    a, k, u = np.exp(theta)[..., None, :].transpose(2, 0, 1)
    down, up = a * np.exp(-k * t), a * np.exp(-u * t)
    return down - up, np.stack([down - up, -k * t * down, u * t * up], -1)


def batched_levenberg_marquardt(
    function: Function, theta: np.ndarray, t: np.ndarray, y: np.ndarray, sd: np.ndarray
) -> np.ndarray:
    """Fit all patients together in numpy: what a careful user would write. Returns theta."""
    theta = theta.copy()
    active = np.arange(len(y))
    damping = np.full(len(y), 1e-3)
    f, jacobian = function(theta, t)
    cost = (((f - y) / sd) ** 2).sum(1)
    for _ in range(100):
        weighted = jacobian / sd[active, :, None]
        residual = (f - y[active]) / sd[active]
        square = np.swapaxes(weighted, 1, 2) @ weighted
        gradient = (np.swapaxes(weighted, 1, 2) @ residual[..., None])[..., 0]
        diagonal = np.einsum("nii->ni", square)
        decrease = gradient**2 / diagonal
        diagonal *= 1 + damping[active, None]
        step = np.clip(-np.linalg.solve(square, gradient[..., None])[..., 0], -1.0, 1.0)
        trial = theta[active] + step
        f_new, jacobian_new = function(trial, t)
        cost_new = (((f_new - y[active]) / sd[active]) ** 2).sum(1)
        better = cost_new <= cost[active]
        taken = active[better]
        theta[taken], cost[taken] = trial[better], cost_new[better]
        damping[active] *= np.where(better, 0.1, 10.0)
        f, jacobian = (
            np.where(better[:, None], f_new, f),
            np.where(better[:, None, None], jacobian_new, jacobian),
        )
        going = (decrease.max(1) > 1e-13) & (damping[active] < 1e8)
        active, f, jacobian = active[going], f[going], jacobian[going]
        if not len(active):
            break
    return theta


def starts(form: str, t: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Log parameters from the last two samples, the uptake from a typical value."""
    rate = np.log(np.maximum(y[:, -2] / y[:, -1], 1.05)) / (t[-1] - t[-2])
    amplitude = y[:, -2] * np.exp(rate * t[-2])
    columns = [amplitude, rate] + [np.full(len(y), 0.15)] * (form == "uptake")
    return np.log(np.stack(columns, -1))


def cohort_rows() -> None:
    """10,000 patients with four samples each: two and three parameters."""
    for form, function, name in (
        ("mono", washout, "mono-exponential"),
        ("uptake", uptake, "uptake and clearance"),
    ):
        _cohort(form, function, f"{name} fit of 4 samples, one patient")


def _cohort(form: str, function: Function, task: str) -> None:
    data = organ_curves()
    t, y = data.time_h, data.washout if form == "mono" else data.uptake
    n, sd = len(y), RELATIVE_SD * np.abs(y)

    def by_numpy() -> np.ndarray:
        return batched_levenberg_marquardt(function, starts(form, t, y), t, y, sd)

    ours = fit_patients(form)
    theirs = by_numpy()
    rivals = {"numpy, batched LM": process_seconds(by_numpy) / n}
    note = _agreement(task, ours, _tia(theirs), (((function(theirs, t)[0] - y) / sd) ** 2).sum(1))
    rivals |= _one_by_one(task, function, t, y, sd, starts(form, t, y), ours)
    row(task, process_seconds(lambda: fit_patients(form)) / n, rivals, note)


def _tia(theta: np.ndarray) -> np.ndarray:
    """Time-integrated activity of either curve."""
    p = np.exp(theta)
    return p[..., 0] / p[..., 1] - (p[..., 0] / p[..., 2] if p.shape[-1] == 3 else 0.0)


def _agreement(task: str, ours: CohortFit, tia: np.ndarray, cost: np.ndarray) -> str:
    """Our sum of squares must be as low for every patient; where it is, the integrals agree."""
    same = np.abs(ours.deviance - cost) < 1e-6 * (1 + cost)
    above = float(np.nanmax(ours.deviance - cost - 1e-6 * (1 + cost)))
    require(
        bool(ours.fitted.all()) and above <= 0, f"{task}: our sum of squares is {above:.2g} higher"
    )
    require(same.mean() > 0.97, f"{task}: only {same.mean():.1%} of the patients agree")
    shift = np.abs(ours.tia[same] / tia[same] - 1).max()
    require(shift < 1e-2, f"{task}: integrals differ by {shift:.2g}")
    return f"same minimum in {same.mean():.2%}, ours lower in the rest; TIA within {shift:.1g}"


def _one_by_one(
    task: str,
    function: Function,
    t: np.ndarray,
    y: np.ndarray,
    sd: np.ndarray,
    begin: np.ndarray,
    ours: CohortFit,
) -> dict[str, float]:
    """Seconds of scipy and lmfit for one patient, their integrals checked."""

    def curve(t: np.ndarray, *theta: float) -> np.ndarray:
        return function(np.array([theta]), t)[0][0]

    def by_scipy() -> np.ndarray:
        return np.array(
            [curve_fit(curve, t, y[i], begin[i], sigma=sd[i])[0] for i in range(N_BY_LOOP)]
        )

    announce(f"{task}: scipy, lmfit")
    jobs: dict[str, Callable[[], np.ndarray]] = {"scipy curve_fit": by_scipy}
    lmfit = optional("lmfit")
    if lmfit is not None:
        jobs["lmfit"] = lambda: _by_lmfit(lmfit, curve, t, y, sd, begin)
    seconds = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits through as many points as parameters
        for name, job in jobs.items():
            shift = np.abs(_tia(job()) / ours.tia[:N_BY_LOOP] - 1)
            require(np.median(shift) < SAME, f"{task}: {name} differs by {np.median(shift):.2g}")
            seconds[name] = process_seconds(job, warm=True) / N_BY_LOOP
    return seconds


def _by_lmfit(
    lmfit: Any,
    curve: Callable[..., np.ndarray],
    t: np.ndarray,
    y: np.ndarray,
    sd: np.ndarray,
    begin: np.ndarray,
) -> np.ndarray:
    names = [f"p{j}" for j in range(begin.shape[1])]

    def residual(parameters: Any, values: np.ndarray, error: np.ndarray) -> np.ndarray:
        return (curve(t, *(parameters[name].value for name in names)) - values) / error

    out = np.empty((N_BY_LOOP, len(names)))
    for i in range(N_BY_LOOP):
        given = lmfit.create_params(**dict(zip(names, begin[i], strict=True)))
        found = lmfit.minimize(residual, given, args=(y[i], sd[i]))
        out[i] = [found.params[name].value for name in names]
    return out


def bi_exponential_rows() -> None:
    """A bi-exponential through nine samples: grid of half-lives against 30 random starts."""
    rng = np.random.default_rng(1)
    time_h = np.array([0.25, 0.5, 1, 2, 4, 24, 48, 72, 168])
    clean = 12 * np.exp(-0.7 * time_h) + 4 * np.exp(-0.03 * time_h)
    y = clean * (1 + 0.05 * rng.standard_normal(9))

    def model(t: np.ndarray, a: float, k: float, b: float, slow: float) -> np.ndarray:
        return np.exp(a - np.exp(k) * t) + np.exp(b - np.exp(slow) * t)

    begin = np.log([12, 0.7, 4, 0.03]) + rng.normal(0, 1.5, (30, 4))

    def other() -> np.ndarray:
        best, lowest = begin[0], np.inf
        for start in begin:
            try:
                found, *_ = curve_fit(model, time_h, y, start, sigma=0.05 * clean)
            except RuntimeError:
                continue
            cost = (((model(time_h, *found) - y) / clean) ** 2).sum()
            if cost < lowest:
                best, lowest = found, cost
        return best

    def ours() -> CohortFit:
        return fit_cohort(time_h, y, 0.05 * clean, form="bi", decay_per_h=LU177_DECAY_PER_H)

    with np.errstate(over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # starts that overflow or give no covariance
        a, k, b, slow = np.exp(other())
        np.testing.assert_allclose(ours().tia, a / k + b / slow, rtol=1e-4)
        row(
            "bi-exponential fit of 9 samples",
            process_seconds(ours),
            {"scipy curve_fit, 30 starts": process_seconds(other, warm=True)},
            "integrals within 1e-4",
        )
