"""Whether cells scatter like Poisson counts: the index test, exact where counts are small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log
from typing import Any, Literal

import numpy as np

from foci.counting.counts import totals
from foci.errors import FociError

Method = Literal["auto", "exact", "monte carlo", "chi-square"]
_EXACT_FOCI = 40  # 37,338 ways to share them out; 60 foci have a million
_CHUNK = 2_000_000
_TIE = 1e-9  # statistics closer than it are equal


@dataclass(frozen=True)
class DispersionTest:
    """Dispersion index (variance over mean), its u statistic, and whether |u| <= 1.96."""

    index: float
    u: float
    status: str


def dispersion_test(distribution: Sequence[int]) -> DispersionTest:
    r"""Dispersion index of the foci per cell and the u test of the Poisson distribution.

    Parameters
    ----------
    distribution : sequence of int
        Number of cells with 0, 1, 2, ... foci.

    Raises
    ------
    FociError
        With fewer than two cells or two foci, where the test does not exist.

    Notes
    -----
    :math:`u = (DI - 1)\sqrt{(N-1)/(2(1-1/X))}` for N cells with X foci.

    References
    ----------
    Papworth's u test as in IAEA, Cytogenetic Dosimetry, EPR-Biodosimetry 2011 (Vienna: IAEA).
    Example: Barquinero JF et al. Mutat Res 1995;326:65-69, doi:10.1016/0027-5107(94)00150-4.

    Examples
    --------
    >>> test = dispersion_test((1987, 20, 1))  # Barquinero 1995, 0.25 Gy
    >>> round(test.index, 6), round(test.u, 6), test.status
    (1.080491, 2.609803, 'not Poisson: overdispersed')
    """
    cells, foci = totals(distribution)
    if cells < 2 or foci < 2:
        raise FociError(f"the u test needs 2 cells and 2 foci, got {cells} and {foci}")
    number = np.arange(len(distribution))
    weight = np.asarray(distribution, dtype=np.float64)
    mean = foci / cells
    index = float((weight * (number - mean) ** 2).sum() / (cells - 1) / mean)
    u = float((index - 1) * np.sqrt((cells - 1) / (2 * (1 - 1 / foci))))
    status = "consistent with Poisson"
    if abs(u) > 1.96:  # two-sided 5 % point of the normal
        status = f"not Poisson: {'over' if u > 0 else 'under'}dispersed"
    return DispersionTest(index, u, status)


@dataclass(frozen=True)
class IndexTest:
    """Test of the dispersion index against the Poisson distribution.

    Attributes
    ----------
    index, u : float
        Variance over mean of the cells, and the u statistic of `dispersion_test`.
    p_over, p_under : float
        Probability, under Poisson, of an index at least as large, and at most as large.
    p_value : float
        Two-sided: twice the smaller, at most 1.
    method : str
        How the probabilities were found.
    status : str
        What the test says at 5 %, in words.
    """

    index: float
    u: float
    p_over: float
    p_under: float
    p_value: float
    method: str
    status: str

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def index_test(
    distribution: Sequence[int],
    *,
    method: Method = "auto",
    rng: np.random.Generator | None = None,
    n_simulations: int = 20_000,
) -> IndexTest:
    r"""Test the dispersion index of the foci per cell, without the normal approximation of u.

    Parameters
    ----------
    distribution : sequence of int
        Number of cells with 0, 1, 2, ... foci.
    method : {"auto", "exact", "monte carlo", "chi-square"}
        ``"exact"`` enumerates every way to share X foci among N cells (X up to 40);
        ``"monte carlo"`` draws them (`rng` needed); ``"chi-square"`` is the usual approximation.
        ``"auto"``: exact up to 40 foci, else chi-square.
    rng : numpy.random.Generator, optional
        Source of randomness of the Monte Carlo test.
    n_simulations : int
        Number of its draws.

    Raises
    ------
    FociError
        With fewer than two cells or two foci, more than 40 foci for the exact test, or a Monte
        Carlo test without `rng`.

    Notes
    -----
    :math:`(N-1) DI \sim \chi^2_{N-1}` approximately. Given their total X, Poisson counts are
    multinomial with equal probabilities: the test needs no mean, and is exact. The u statistic is
    skewed for the few foci of a low dose, where it finds overdispersion too often.

    References
    ----------
    Fisher RA, Thornton HG, Mackenzie WA. Ann Appl Biol 1922;9:325-359,
    doi:10.1111/j.1744-7348.1922.tb05962.x (the index of dispersion).

    Examples
    --------
    >>> test = index_test((1987, 20, 1))  # u = 2.61, one cell with two
    >>> test.method, round(test.p_over, 3), test.status
    ('exact', 0.109, 'consistent with Poisson')
    """
    given = dispersion_test(distribution)
    cells, foci = totals(distribution)
    if method == "auto":
        method = "exact" if foci <= _EXACT_FOCI else "chi-square"
    if method == "exact":
        over, under = _exact(distribution, cells, foci)
    elif method == "monte carlo":
        over, under = _monte_carlo(distribution, cells, foci, rng, n_simulations)
    elif method == "chi-square":
        from scipy.stats import chi2

        statistic = given.index * (cells - 1)
        over, under = float(chi2.sf(statistic, cells - 1)), float(chi2.cdf(statistic, cells - 1))
    else:
        raise FociError(
            f"method must be 'auto', 'exact', 'monte carlo' or 'chi-square', got {method!r}"
        )
    p_value = min(1.0, 2 * min(over, under))
    status = "consistent with Poisson"
    if p_value < 0.05:
        status = f"not Poisson: {'over' if over < under else 'under'}dispersed"
    return IndexTest(given.index, given.u, over, under, p_value, method, status)


def _squares(distribution: Sequence[int]) -> float:
    """Sum of the squared counts: with N and X fixed the index rises with it."""
    return float(np.asarray(distribution, dtype=np.float64) @ np.arange(len(distribution)) ** 2)


def _exact(distribution: Sequence[int], cells: int, foci: int) -> tuple[float, float]:
    """Tail probabilities by enumeration of the partitions of the foci into cells."""
    if foci > _EXACT_FOCI:
        raise FociError(
            f"the exact test is for up to {_EXACT_FOCI} foci, got {foci}; use method='monte carlo'"
        )
    seen = _squares(distribution)
    log_total = lgamma(cells + 1) + lgamma(foci + 1) - foci * log(cells)
    over = under = 0.0
    for parts in _partitions(foci, foci):
        if len(parts) > cells:
            continue
        empty = cells - len(parts)
        log_ways = lgamma(empty + 1)
        for size in set(parts):
            times = parts.count(size)
            log_ways += lgamma(times + 1) + times * lgamma(size + 1)
        probability = exp(log_total - log_ways)
        squares = sum(size * size for size in parts)
        over += probability * (squares >= seen - _TIE)
        under += probability * (squares <= seen + _TIE)
    return min(over, 1.0), min(under, 1.0)


def _partitions(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Ways to write a total as a sum of falling positive whole numbers."""
    if total == 0:
        yield ()
    for first in range(min(total, largest), 0, -1):
        for rest in _partitions(total - first, first):
            yield (first, *rest)


def _monte_carlo(
    distribution: Sequence[int],
    cells: int,
    foci: int,
    rng: np.random.Generator | None,
    n_simulations: int,
) -> tuple[float, float]:
    """Tail probabilities by drawing a cell for every focus; the sample counts as one draw."""
    if rng is None or n_simulations < 1:
        raise FociError("the Monte Carlo test needs an rng and n_simulations of 1 or more")
    seen = _squares(distribution)
    at_once = max(1, _CHUNK // max(cells, foci))
    over = under = 1
    for start in range(0, n_simulations, at_once):
        n = min(at_once, n_simulations - start)
        cell = rng.integers(cells, size=(n, foci)) + cells * np.arange(n)[:, None]
        counts = np.bincount(cell.ravel(), minlength=n * cells).reshape(n, cells)
        squares = (counts**2).sum(axis=1)
        over += int((squares >= seen).sum())
        under += int((squares <= seen).sum())
    return over / (n_simulations + 1), under / (n_simulations + 1)
