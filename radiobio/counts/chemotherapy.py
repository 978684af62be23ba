"""Blood counts under a cytotoxic drug: the transit model with an effect linear in concentration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from radiobio.checks import not_negative, numbers
from radiobio.counts.course import (
    Administration,
    CountCourse,
    CountParameters,
    simulate_driven,
)
from radiobio.errors import RadiobioError


def simulate_chemotherapy_counts(
    concentrations: Sequence[Administration],
    day: npt.ArrayLike,
    *,
    baseline: npt.ArrayLike,
    mean_transit_time_h: npt.ArrayLike,
    feedback_exponent: npt.ArrayLike,
    effect_per_concentration: npt.ArrayLike,
) -> CountCourse:
    r"""Simulate blood counts after one or several administrations of a drug.

    Parameters
    ----------
    concentrations : sequence of (start_day, SumOfExponentials)
        Day of each administration and the concentration it causes, leading shape (...).
    day : array_like, shape (n_days,)
        Days wanted, rising.
    baseline : array_like, shape (...)
        Count without the drug (1e9/L).
    mean_transit_time_h : array_like, shape (...)
        Mean time from the proliferating to the circulating pool (h).
    feedback_exponent : array_like, shape (...)
        Exponent of (baseline/count) that drives proliferation.
    effect_per_concentration : array_like, shape (...)
        Slope of the linear effect E, in the inverse unit of the concentrations; an effect of 1
        stops proliferation.

    Returns
    -------
    CountCourse

    Raises
    ------
    RadiobioError
        If a value is not legal or shapes do not fit.

    Notes
    -----
    .. math::
        \dot P = k P (1 - E(t)) (C_0/C)^\gamma - k P,\quad k = 4/\mathrm{MTT}

    and three transit pools, in the logarithm of P: an effect above 1, which makes the pool
    negative in solvers of the printed equation that take large steps, kills it exponentially
    instead. Feedback stops growing below 1 % of baseline (ASSUMED), which the printed equations
    do not have; above that they are solved within 1e-5.

    References
    ----------
    Friberg LE et al. J Clin Oncol 2002;20:4713-4721, doi:10.1200/JCO.2002.02.140.

    Examples
    --------
    Leukocytes after paclitaxel (umol/L) that falls with a half-life of ten hours:

    >>> from kinetics import SumOfExponentials
    >>> drug = SumOfExponentials([0.1], [0.0693])
    >>> course = simulate_chemotherapy_counts(
    ...     [(0.0, drug)], [0.0, 7.0, 21.0], baseline=7.21, mean_transit_time_h=124.0,
    ...     feedback_exponent=0.239, effect_per_concentration=28.9)
    >>> course.count.round(1)
    array([7.2, 3.3, 9.7])
    """
    effect = not_negative(effect_per_concentration, "effect_per_concentration")
    first = numbers(baseline, "baseline")
    transit_h = numbers(mean_transit_time_h, "mean_transit_time_h")
    feedback = numbers(feedback_exponent, "feedback_exponent")
    try:
        shape = np.broadcast_shapes(
            *(value.shape for value in (effect, first, transit_h, feedback)),
            *(curve.shape for _, curve in concentrations),
        )
    except ValueError:
        raise RadiobioError("parameters and concentrations do not broadcast") from None
    parameters = CountParameters(first, transit_h, feedback, np.zeros(shape))
    return simulate_driven(parameters, concentrations, day, effect=effect)
