"""Time-integrated activity from one measurement, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.estimation.result import PopulationFit
from kinetics.individual.posterior import individual_posterior, patient_data
from kinetics.individual.result import summary
from kinetics.population.model import PopulationModel

_LN2 = float(np.log(2.0))
_N_GRID = 401  # equally probable values of the population, and of the measurement


@dataclass(frozen=True, eq=False)
class SingleTimePointTia:
    """Time-integrated activity of one region from one sample.

    Attributes
    ----------
    method : str
        ``haenscheid``, ``madsen`` or ``population``.
    tia_mbq_h : float
        Estimate (MBq h); of the population method the posterior median.
    sd_mbq_h : float
        Standard deviation of the estimate's error, bias included for the two formulas; of the
        population method that of the posterior. NaN where the population's spread was not given.
    lower_mbq_h, upper_mbq_h : float
        Interval of the true value that holds `level`; NaN as above.
    level : float
        Probability of the interval.
    bias : float
        Expected relative error of the estimate over the population; NaN as above.
    draws_mbq_h : ndarray, shape (n_draws,)
        Posterior draws of the population method; empty otherwise.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What is assumed.
    """

    method: str
    tia_mbq_h: float
    sd_mbq_h: float
    lower_mbq_h: float
    upper_mbq_h: float
    level: float
    bias: float
    draws_mbq_h: FloatArray
    status: str
    assumptions: tuple[str, ...]


def haenscheid_ratio(relative_time: npt.ArrayLike) -> FloatArray:
    r"""Ratio of Haenscheid's estimate to the truth for a mono-exponential curve.

    :math:`x\,2^{1-x}` at x = t / effective half-life: 1 at x = 1 and x = 2, at most 1.0615.

    Parameters
    ----------
    relative_time : array_like
        Measurement time over effective half-life (no unit).

    Examples
    --------
    >>> haenscheid_ratio([0.5, 1.0, 2.0]).round(6)
    array([0.707107, 1.      , 1.      ])
    """
    x = np.asarray(relative_time, dtype=np.float64)
    return np.asarray(x * 2.0 ** (1.0 - x))


def madsen_ratio(rate_ratio: npt.ArrayLike, relative_time: npt.ArrayLike) -> FloatArray:
    r"""Ratio of Madsen's estimate to the truth for a mono-exponential curve.

    :math:`r\,e^{u(1-r)}` with r the patient's effective rate over the population's and u the
    measurement time in units of the population's mean effective life.

    Parameters
    ----------
    rate_ratio : array_like
        Effective rate of the patient over that of the population (no unit).
    relative_time : array_like
        Measurement time times the population's effective rate (no unit).
    """
    r, u = np.asarray(rate_ratio, dtype=np.float64), np.asarray(relative_time, dtype=np.float64)
    return np.asarray(r * np.exp(u * (1.0 - r)))


def haenscheid_tia(
    activity_mbq: float,
    time_h: float,
    *,
    effective_half_life_h: float | None = None,
    rate_log_sd: float = 0.0,
    measurement_cv: float = 0.0,
    level: float = 0.9,
) -> SingleTimePointTia:
    r"""Time-integrated activity from one late measurement without any assumed half-life.

    .. math:: \tilde A \approx A(t)\,\frac{2t}{\ln 2}

    For a mono-exponential curve the error depends only on x = t / effective half-life (see
    `haenscheid_ratio`). With the population's log-normal half-lives, the law of total variance
    gives the relative error's mean :math:`E[r] - 1` and mean square
    :math:`(1 + c^2) E[r^2] - 2 E[r] + 1`, c the coefficient of variation of the measurement.

    Parameters
    ----------
    activity_mbq : float
        Activity of the region at `time_h`, not decay-corrected (MBq).
    time_h : float
        Time after the administration (h).
    effective_half_life_h : float, optional
        Median effective half-life of the population (h); without it no uncertainty.
    rate_log_sd : float
        Standard deviation of the logarithm of the effective half-life (equally, rate).
    measurement_cv : float
        Coefficient of variation of the measurement (fraction).
    level : float
        Probability of the interval.

    Raises
    ------
    KineticsError
        If a value is not legal.

    References
    ----------
    Haenscheid H et al. J Nucl Med 2018;59:75-81, doi:10.2967/jnumed.117.193706.
    Log-normal effective half-lives: Hou X et al. J Nucl Med 2021;62:1006-1011.

    Examples
    --------
    >>> round(haenscheid_tia(50.0, 96.0).tia_mbq_h)
    13850
    """
    _check(activity_mbq, time_h, rate_log_sd, measurement_cv, level)
    tia = activity_mbq * 2.0 * time_h / _LN2
    if effective_half_life_h is None:
        return _without_spread("haenscheid", tia, level)
    _positive("effective_half_life_h", effective_half_life_h)
    relative = time_h / effective_half_life_h
    ratio = haenscheid_ratio(relative * np.exp(rate_log_sd * _normal_grid()))
    typical = float(haenscheid_ratio(relative))
    status = "ok"
    if abs(typical - 1.0) > 0.1:
        status = (
            f"{time_h:g} h is {relative:.2f} effective half-lives of the population: the formula "
            f"is off by {100 * (typical - 1):+.0f} % for the typical patient (within 10 % from "
            "0.77 to 2.44 half-lives)"
        )
    return _with_spread("haenscheid", tia, ratio, measurement_cv, level, status)


def madsen_tia(
    activity_mbq: float,
    time_h: float,
    effective_rate_per_h: float,
    *,
    rate_log_sd: float = 0.0,
    measurement_cv: float = 0.0,
    level: float = 0.9,
) -> SingleTimePointTia:
    r"""Time-integrated activity from one measurement and the population's mean effective rate.

    .. math:: \tilde A = A(t)\,e^{\lambda_e t}/\lambda_e

    Error for a mono-exponential curve of another rate: `madsen_ratio`; its moments over a
    log-normal population as in `haenscheid_tia`.

    Parameters
    ----------
    activity_mbq : float
        Activity of the region at `time_h`, not decay-corrected (MBq).
    time_h : float
        Time after the administration (h).
    effective_rate_per_h : float
        Mean effective rate of the population, physical decay included (1/h).
    rate_log_sd, measurement_cv, level
        As in `haenscheid_tia`; with both spreads zero there is no uncertainty.

    Raises
    ------
    KineticsError
        If a value is not legal.

    References
    ----------
    Madsen MT et al. Med Phys 2018;45:2318-2324, doi:10.1002/mp.12886.

    Examples
    --------
    >>> round(madsen_tia(50.0, 72.0, 0.0139).tia_mbq_h)
    9786
    """
    _check(activity_mbq, time_h, rate_log_sd, measurement_cv, level)
    _positive("effective_rate_per_h", effective_rate_per_h)
    tia = activity_mbq * float(np.exp(effective_rate_per_h * time_h)) / effective_rate_per_h
    if rate_log_sd == 0.0 and measurement_cv == 0.0:
        return _without_spread("madsen", tia, level)
    ratio = madsen_ratio(np.exp(rate_log_sd * _normal_grid()), effective_rate_per_h * time_h)
    return _with_spread("madsen", tia, ratio, measurement_cv, level, "ok")


def population_tia(
    model: PopulationModel | PopulationFit,
    activity_mbq: float,
    time_h: float,
    *,
    administered_activity_mbq: float,
    decay_corrected: bool,
    rng: np.random.Generator,
    decay_per_h: float | None = None,
    region: str | None = None,
    level: float = 0.9,
    n_draws: int = 2000,
    method: str = "importance",
    population_draws: int = 0,
) -> SingleTimePointTia:
    """Time-integrated activity from one measurement and a whole population model.

    The posterior of the patient's parameters given the sample, all of the population's shape and
    spread used; see `individual_posterior` for the arguments.

    Parameters
    ----------
    model : PopulationModel or PopulationFit
        The population.
    activity_mbq : float
        Measured activity of the region, decay-corrected or not as stated (MBq).
    time_h : float
        Time after the administration (h).
    administered_activity_mbq : float
        Administered activity (MBq).
    decay_corrected, decay_per_h, method, n_draws, population_draws, rng
        As in `individual_posterior`.
    region : str, optional
        Region of the model; the first with a residual error when missing.
    level : float
        Probability of the interval.

    Raises
    ------
    KineticsError
        If a value is not legal.

    References
    ----------
    Devasia TP et al. J Nucl Med 2021;62:1118-1125, doi:10.2967/jnumed.120.256255.
    """
    _check(activity_mbq, time_h, 0.0, 0.0, level)
    _positive("administered_activity_mbq", administered_activity_mbq)
    population = model.model if isinstance(model, PopulationFit) else model
    where = region or next(iter(population.residual))
    data = patient_data(
        [time_h], [activity_mbq], region=where, activity_mbq=administered_activity_mbq
    )
    posterior = individual_posterior(
        model, data, decay_corrected=decay_corrected, decay_per_h=decay_per_h, method=method,
        n_draws=n_draws, rng=rng, population_draws=population_draws,
    )  # fmt: skip
    draws = posterior.tia(where)
    found = summary(draws, level)
    return SingleTimePointTia(
        method="population",
        tia_mbq_h=found["median"],
        sd_mbq_h=found["sd"],
        lower_mbq_h=found["lower"],
        upper_mbq_h=found["upper"],
        level=level,
        bias=0.0,
        draws_mbq_h=draws,
        status=posterior.status,
        assumptions=posterior.assumptions,
    )


def _normal_grid() -> FloatArray:
    """Equally probable standard-normal values."""
    from scipy.special import ndtri

    return np.asarray(ndtri((np.arange(_N_GRID) + 0.5) / _N_GRID))


def _with_spread(
    method: str, tia: float, ratio: FloatArray, cv: float, level: float, status: str
) -> SingleTimePointTia:
    """Estimate with its error over a population of ratios of estimate to truth."""
    mean, square = float(ratio.mean()), float((ratio**2).mean())
    error = np.sqrt((1.0 + cv**2) * square - 2.0 * mean + 1.0)
    noise = np.exp(np.sqrt(np.log1p(cv**2)) * _normal_grid())
    truth = tia / np.outer(ratio, noise)
    tail = (1.0 - level) / 2.0
    lower, upper = np.quantile(truth, [tail, 1.0 - tail])
    return SingleTimePointTia(
        method=method,
        tia_mbq_h=tia,
        sd_mbq_h=float(tia * error),
        lower_mbq_h=float(lower),
        upper_mbq_h=float(upper),
        level=level,
        bias=mean - 1.0,
        draws_mbq_h=np.empty(0),
        status=status,
        assumptions=(
            "ASSUMED: mono-exponential from the time of administration",
            "ASSUMED: effective half-lives are log-normal in the population and independent of "
            "the activity",
        ),
    )


def _without_spread(method: str, tia: float, level: float) -> SingleTimePointTia:
    nan = float("nan")
    return SingleTimePointTia(
        method, tia, nan, nan, nan, level, nan, np.empty(0),
        "no uncertainty: the spread of the population was not given",
        ("ASSUMED: mono-exponential from the time of administration",),
    )  # fmt: skip


def _check(activity_mbq: float, time_h: float, rate_log_sd: float, cv: float, level: float) -> None:
    _positive("activity_mbq", activity_mbq)
    _positive("time_h", time_h)
    for name, value in (("rate_log_sd", rate_log_sd), ("measurement_cv", cv)):
        if not 0.0 <= value < np.inf:
            raise KineticsError(f"{name} must be zero or positive, not {value!r}")
    if not 0.0 < level < 1.0:
        raise KineticsError(f"level must be between 0 and 1, not {level!r}")


def _positive(name: str, value: float) -> None:
    if not 0.0 < value < np.inf:
        raise KineticsError(f"{name} must be positive and finite, not {value!r}")
