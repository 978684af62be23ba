"""Central intervals of posterior draws of which only some are effective."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foci.checks import check_share, numbers
from foci.errors import FociError


def central_interval(
    draws: npt.ArrayLike, level: float, *, n_effective: float | None = None
) -> tuple[float, float]:
    r"""Interval with the same probability below and above, not too narrow for few draws.

    Parameters
    ----------
    draws : array_like, shape (n,)
        Equally weighted draws, some of them perhaps repeated.
    level : float
        Probability of the interval.
    n_effective : float, optional
        Effective number of distinct draws; by default that of the repetitions,
        :math:`n^2/\sum_i c_i^2` for :math:`c_i` copies of draw i.

    Notes
    -----
    Between the plain quantiles of k draws lies on average about :math:`(k-1)/(k+1)` of the level.
    The quantiles at :math:`((k+1)t - 1/2)/k` for a tail t, Weibull's plotting position, hold it on
    average.

    Examples
    --------
    >>> [round(x, 6) for x in central_interval(range(1, 40), 0.95)]
    [1.0, 39.0]
    """
    x = numbers(draws, "draws").ravel()
    if len(x) == 0 or np.isnan(x).any():
        raise FociError("an interval needs at least one draw, and none that is nan")
    check_share(level, "level")
    k = n_effective or effective_number(x)
    tail = max((k + 1) * (1 - level) / 2 - 0.5, 0.0) / k
    low, high = np.quantile(x, [tail, 1 - tail], method="hazen")
    return float(low), float(high)


def effective_number(draws: npt.ArrayLike) -> float:
    """Effective number of distinct draws, each weighted by how often it is repeated.

    Parameters
    ----------
    draws : array_like
        Draws, some of them perhaps repeated.

    Examples
    --------
    >>> effective_number([1.0, 2.0, 3.0, 3.0])
    2.6666666666666665
    """
    copies = np.unique(np.asarray(draws), return_counts=True)[1].astype(np.float64)
    return float(copies.sum() ** 2 / (copies**2).sum())
