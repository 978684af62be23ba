"""Blood counts under a marrow dose rate: transit compartments with feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.curves import FloatArray
from radiobio.errors import RadiobioError
from radiobio.toxicity import ctcae_limits

Administration = tuple[float, SumOfExponentials]

_STEPS_AFTER_START_H = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 36.0, 48.0)
_LONGEST_STEP_H = 24.0
_MANY_COURSES = 200  # from here on threads are worth starting


@dataclass(frozen=True, eq=False)
class CountParameters:
    """Parameters of the chain from marrow to blood, one set per draw.

    Parameters
    ----------
    baseline : array_like, shape (...)
        Count without irradiation (1e9/L; haemoglobin g/L).
    mean_transit_time_h : array_like, shape (...)
        Mean time from the proliferating to the circulating pool (h); the rate constant of the
        chain is 4 over it.
    feedback_exponent : array_like, shape (...)
        Exponent of (baseline/count) that drives proliferation; zero is no feedback.
    kill_per_gy : array_like, shape (...)
        Log kill of proliferating cells per marrow dose (1/Gy), zero or positive.
    circulating_loss_per_h : array_like, shape (...), optional
        Loss rate of circulating cells (1/h); that of the chain by default.

    Raises
    ------
    RadiobioError
        If a value is not finite or not of the sign above, or the shapes do not broadcast.
    """

    baseline: FloatArray
    mean_transit_time_h: FloatArray
    feedback_exponent: FloatArray
    kill_per_gy: FloatArray
    circulating_loss_per_h: FloatArray | None = None

    def __post_init__(self) -> None:
        loss = self.circulating_loss_per_h
        if loss is None:
            with np.errstate(divide="ignore"):
                loss = 4.0 / np.asarray(self.mean_transit_time_h, dtype=np.float64)
        given = {
            "baseline": self.baseline,
            "mean_transit_time_h": self.mean_transit_time_h,
            "circulating_loss_per_h": loss,
            "feedback_exponent": self.feedback_exponent,
            "kill_per_gy": self.kill_per_gy,
        }
        try:
            arrays = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in given.values()))
        except ValueError:
            raise RadiobioError("the parameters' shapes do not broadcast") from None
        for name, array in zip(given, arrays, strict=True):
            zero_is_legal = name in ("feedback_exponent", "kill_per_gy")
            legal = array >= 0 if zero_is_legal else array > 0
            if not (np.isfinite(array).all() and legal.all()):
                bound = "zero or positive" if zero_is_legal else "above zero"
                raise RadiobioError(f"{name} must be finite and {bound}")
            object.__setattr__(self, name, array)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the leading axes (draws, patients)."""
        return self.baseline.shape

    def __getitem__(self, index: Any) -> CountParameters:
        """Parameter sets at `index` of the leading axes."""
        assert self.circulating_loss_per_h is not None
        return CountParameters(
            self.baseline[index],
            self.mean_transit_time_h[index],
            self.feedback_exponent[index],
            self.kill_per_gy[index],
            self.circulating_loss_per_h[index],
        )


@dataclass(frozen=True, eq=False)
class CountCourse:
    """Simulated counts.

    Attributes
    ----------
    day : ndarray, shape (n_days,)
        Days at which the counts stand.
    count : ndarray, shape (..., n_days)
        Counts (1e9/L; haemoglobin g/L).
    state : ndarray, shape (..., 5)
        Pools on the last day, relative to baseline: the logarithm of the proliferating pool,
        the three transit pools, the circulating pool.
    """

    day: FloatArray
    count: FloatArray
    state: FloatArray

    def nadir(self) -> FloatArray:
        """Lowest count of each course, shape (...)."""
        return np.asarray(self.count.min(-1))

    def nadir_day(self) -> FloatArray:
        """Day of the lowest count of each course, shape (...)."""
        return np.asarray(self.day[self.count.argmin(-1)])


def simulate_counts(
    parameters: CountParameters,
    dose_rates: Sequence[Administration],
    day: npt.ArrayLike,
    *,
    initial_state: npt.ArrayLike | None = None,
    initial_day: float | None = None,
) -> CountCourse:
    r"""Simulate blood counts after one or several administrations.

    Parameters
    ----------
    parameters : CountParameters, leading shape (...)
        One set per draw.
    dose_rates : sequence of (start_day, SumOfExponentials)
        Day of each administration and the marrow dose rate it causes (Gy/h), of leading shape
        () or one that broadcasts to that of the parameters. An administration before
        `initial_day` still counts with what is left of it.
    day : array_like, shape (n_days,)
        Days wanted, rising.
    initial_state : array_like, shape (..., 5), optional
        State to continue from, `CountCourse.state` of an earlier simulation; baseline without.
    initial_day : float, optional
        Day of the initial state. By default the first of `day` and of the administrations;
        required with `initial_state`.

    Returns
    -------
    CountCourse

    Raises
    ------
    RadiobioError
        If days do not rise or lie before `initial_day`, or shapes do not fit.

    Notes
    -----
    With pools relative to baseline and :math:`k = 4/\mathrm{MTT}`,

    .. math::
        \frac{d\ln P}{dt} &= k\,(C^{-\gamma} - 1) - \kappa\,\dot D(t) \\
        \dot T_1 &= k\,(P - T_1),\quad \dot T_2 = k\,(T_1 - T_2),\quad \dot T_3 = k\,(T_2 - T_3)\\
        \dot C &= k_c\,(T_3 - C)

    The structure is that of Friberg et al.; the drug effect is replaced by a first-order kill,
    so that a dose D leaves the share :math:`e^{-\kappa D}` of the proliferating pool however
    briefly it is given: bounded, never negative. The kill is integrated in closed form, the rest
    by Runge-Kutta with steps of half an hour after an administration, growing to one day.
    Feedback stops growing below 1 % of baseline (ASSUMED).

    References
    ----------
    Friberg LE et al. J Clin Oncol 2002;20:4713-4721, doi:10.1200/JCO.2002.02.140.

    Examples
    --------
    >>> chain = CountParameters(250.0, 444.0, 0.17, 1.0)
    >>> marrow = SumOfExponentials([0.006], [0.01155])
    >>> course = simulate_counts(chain, [(0.0, marrow)], [0.0, 28.0, 56.0])
    >>> course.count.round(0)
    array([250., 174., 199.])
    """
    from radiobio.counts._kernels import integrate_counts, integrate_counts_on_all_cores

    days = _rising_days(day)
    starts = [float(start) for start, _ in dose_rates]
    first = _first_day(days, starts, initial_day, initial_state is not None)
    shape = parameters.shape
    state = _flat_state(initial_state, shape)
    amplitude, rate, start_h = _terms(dose_rates, shape)
    node_h = _nodes_h(first, days, starts)
    wanted_h, position = np.unique(days * 24.0, return_inverse=True)
    output = np.empty((len(state), len(wanted_h)))
    if len(days):
        assert parameters.circulating_loss_per_h is not None
        many = len(state) >= _MANY_COURSES
        integrate = integrate_counts_on_all_cores if many else integrate_counts
        integrate(
            state,
            4.0 / parameters.mean_transit_time_h.ravel(),
            parameters.circulating_loss_per_h.ravel(),
            parameters.feedback_exponent.ravel(),
            parameters.kill_per_gy.ravel(),
            amplitude,
            rate,
            start_h,
            node_h,
            np.isin(node_h, wanted_h),
            output,
        )
    count = output[:, position].reshape(*shape, len(days)) * parameters.baseline[..., None]
    return CountCourse(days, count, state.reshape(*shape, 5))


def reaches_grade(course: CountCourse, lineage: str, *, grade: int = 3) -> npt.NDArray[np.bool_]:
    """Whether each simulated course falls to a CTCAE v5.0 grade or worse.

    Parameters
    ----------
    course : CountCourse, leading shape (...)
        Simulated counts; days a few apart or fewer, so that the nadir is not missed.
    lineage : str
        As in `radiobio.toxicity.ctcae_grade`.
    grade : int
        Grade 2 or above. Its probability is the mean of the result over the draws.

    Returns
    -------
    ndarray of bool, shape (...)

    Raises
    ------
    RadiobioError
        If a blood count alone cannot give that grade.
    """
    limits = ctcae_limits(lineage)
    if grade not in range(2, 2 + len(limits)):
        raise RadiobioError(f"grade must be 2 to {1 + len(limits)} for {lineage}, got {grade}")
    return np.asarray(course.nadir() < limits[grade - 2])


def _rising_days(day: npt.ArrayLike) -> FloatArray:
    days = np.asarray(day, dtype=np.float64)
    if days.ndim != 1 or not np.isfinite(days).all() or (np.diff(days) < 0).any():
        raise RadiobioError("day must be a one-dimensional array of finite days that rise")
    return days


def _first_day(
    days: FloatArray, starts: list[float], initial_day: float | None, continued: bool
) -> float:
    if initial_day is None:
        if continued:
            raise RadiobioError("initial_state needs initial_day, the day it belongs to")
        return min([*days[:1].tolist(), *starts], default=0.0)
    if len(days) and days[0] < initial_day:
        raise RadiobioError(f"day {days[0]:g} lies before initial_day {initial_day:g}")
    return float(initial_day)


def _flat_state(initial_state: npt.ArrayLike | None, shape: tuple[int, ...]) -> FloatArray:
    steady = np.array([0.0, 1.0, 1.0, 1.0, 1.0])
    state = np.asarray(steady if initial_state is None else initial_state, dtype=np.float64)
    try:
        return np.broadcast_to(state, (*shape, 5)).reshape(-1, 5).copy()
    except ValueError:
        raise RadiobioError(f"initial_state {state.shape} does not fit {(*shape, 5)}") from None


def _terms(
    dose_rates: Sequence[Administration], shape: tuple[int, ...]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Terms of all administrations side by side, sorted by start: (n, m), (n, m), (m,)."""
    ordered = sorted(dose_rates, key=lambda administration: administration[0])
    amplitude, rate, start_h = [], [], []
    for start, curve in ordered:
        full = (*shape, curve.n_terms)
        try:
            parts = [np.broadcast_to(x, full) for x in (curve.amplitude, curve.rate_per_h)]
        except ValueError:
            raise RadiobioError(
                f"a dose rate of shape {curve.shape} does not fit parameters of shape {shape}"
            ) from None
        amplitude.append(parts[0].reshape(-1, curve.n_terms))
        rate.append(parts[1].reshape(-1, curve.n_terms))
        start_h += [24.0 * start] * curve.n_terms
    if not ordered:
        n = int(np.prod(shape))
        return np.empty((n, 0)), np.empty((n, 0)), np.empty(0)
    return np.concatenate(amplitude, 1), np.concatenate(rate, 1), np.array(start_h)


def _nodes_h(first_day: float, days: FloatArray, starts: list[float]) -> FloatArray:
    """Step limits (h): days wanted, administrations and the short steps after them."""
    first, last = 24.0 * first_day, 24.0 * float(days.max(initial=first_day))
    fixed = np.concatenate(
        [
            [first],
            24.0 * days,
            *(24.0 * start + np.array([0.0, *_STEPS_AFTER_START_H]) for start in starts),
        ]
    )
    fixed = np.unique(fixed[(fixed >= first) & (fixed <= last)])
    pieces = [
        np.linspace(a, b, max(1, int(np.ceil((b - a) / _LONGEST_STEP_H - 1e-9))), endpoint=False)
        for a, b in pairwise(fixed)
    ]
    return np.concatenate([*pieces, fixed[-1:]])
