"""Foci counted in a blood sample: samples, baseline, dispersion and their likelihood."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from foci.checks import check_whole, number, numbers
from foci.errors import FociError
from kinetics.curves import FloatArray

Alternative = Literal["two-sided", "greater"]


@dataclass(frozen=True)
class FociSample:
    """Foci counted in the lymphocytes of one blood sample.

    Parameters
    ----------
    cycle : int
        Treatment cycle, counted from 1.
    time_h : float
        Time after the administration (h); negative for the baseline drawn before it.
    cells : int
        Number of nuclei scored.
    foci : int
        Foci in all of them together (radiation-induced and spontaneous).
    distribution : tuple of int, optional
        Number of cells with 0, 1, 2, ... foci; must agree with `cells` and `foci`.
    open_last_class : bool
        The last class of the distribution holds the cells with that many foci *or more* ("6+").
        `foci` may then be larger than the distribution tells, never smaller.

    Raises
    ------
    FociError
        If a number is impossible or the distribution disagrees with the totals.

    Examples
    --------
    >>> sample = FociSample.from_distribution((70, 22, 6, 2), cycle=1, time_h=2.0)
    >>> sample.cells, sample.foci, sample.per_cell
    (100, 40, 0.4)
    """

    cycle: int
    time_h: float
    cells: int
    foci: int
    distribution: tuple[int, ...] | None = None
    open_last_class: bool = False

    def __post_init__(self) -> None:
        check_whole(self.cycle, "cycle")
        if not np.isfinite(number(self.time_h, "time_h")):
            raise FociError(f"time_h must be finite, got {self.time_h}")
        check_counts(self.cells, self.foci)
        if self.distribution is None:
            if self.open_last_class:
                raise FociError("open_last_class says how to read a distribution: give one")
            return
        cells, foci = totals(self.distribution)
        short = self.foci >= foci if self.open_last_class else self.foci == foci
        if cells != self.cells or not short:
            raise FociError(
                f"the distribution holds {cells} cells and {foci} foci"
                f"{' or more' if self.open_last_class else ''}, but cells={self.cells} and "
                f"foci={self.foci} were given"
            )

    @classmethod
    def from_distribution(
        cls,
        distribution: Sequence[int],
        *,
        cycle: int,
        time_h: float,
        open_last_class: bool = False,
    ) -> FociSample:
        """Sample from the number of cells with 0, 1, 2, ... foci.

        With an open last class that holds cells, `foci` is the total that the maximum-likelihood
        mean of Poisson counts predicts, rounded, and a warning says so (`fit_distribution` does
        more).
        """
        cells, foci = totals(distribution)
        if open_last_class and distribution[-1] > 0:
            from foci.counting.distributions import fit_distribution

            fit = fit_distribution([distribution], form="poisson", open_last_class=True)
            lowest, foci = foci, max(foci, round(cells * float(fit.mean_per_cell[0])))
            warnings.warn(
                f"{distribution[-1]} of {cells} cells are in the open class of "
                f"{len(distribution) - 1} or more foci: at least {lowest} foci were seen, {foci} "
                "are taken (censored Poisson counts ASSUMED)",
                stacklevel=2,
            )
        counts = tuple(int(n) for n in distribution)
        return cls(cycle, time_h, cells, foci, counts, open_last_class)

    @property
    def is_baseline(self) -> bool:
        """Whether the sample was drawn before the administration."""
        return self.time_h < 0

    @property
    def per_cell(self) -> float:
        """Mean number of foci per cell."""
        return self.foci / self.cells


def check_counts(cells: int, foci: int, *, max_foci_per_cell: float | None = None) -> None:
    """Raise unless cells >= 1 and foci >= 0 are whole, finite and within the limit per cell."""
    for name, value in (("cells", cells), ("foci", foci)):
        if not np.isfinite(number(value, name)) or value % 1:
            raise FociError(f"{name} must be a whole number, got {value}: counts have no fractions")
    if cells < 1 or foci < 0:
        raise FociError(f"a sample needs cells >= 1 and foci >= 0, got {cells} and {foci}")
    if max_foci_per_cell is not None and foci > cells * max_foci_per_cell:
        raise FociError(
            f"{foci} foci in {cells} cells are more than max_foci_per_cell={max_foci_per_cell:g} "
            f"allows ({cells * max_foci_per_cell:g}): were cells and foci exchanged?"
        )


def totals(distribution: Sequence[int]) -> tuple[int, int]:
    """Cells and foci of a distribution; foci of an open last class are its fewest."""
    values = numbers(distribution, "distribution")
    legal = values.ndim == 1 and len(values) > 0 and bool(np.isfinite(values).all())
    if not legal or (values < 0).any() or (values != np.floor(values)).any():
        raise FociError(
            "distribution needs whole numbers of cells with 0, 1, ... foci, zero or more each, "
            f"got {distribution}"
        )
    return int(values.sum()), int(values @ np.arange(len(values)))


def pooled(samples: Iterable[FociSample]) -> tuple[int, int]:
    """Cells and foci of several samples together; ``(0, 0)`` for none."""
    samples = list(samples)
    return sum(s.cells for s in samples), sum(s.foci for s in samples)


def pooled_baseline(baselines: FociSample | Iterable[FociSample]) -> FociSample:
    """One sample from one or several drawn before the administration.

    Raises
    ------
    FociError
        Without a sample, or if one was drawn after the administration.
    """
    samples = [baselines] if isinstance(baselines, FociSample) else list(baselines)
    if not samples:
        raise FociError(
            "the baseline is missing: give at least one sample drawn before the administration"
        )
    late = [s.time_h for s in samples if not s.is_baseline]
    if late:
        raise FociError(f"a baseline needs time_h < 0 (before the administration), got {late[0]:g}")
    if len(samples) == 1:
        return samples[0]
    first = samples[0]
    return FociSample(first.cycle, max(s.time_h for s in samples), *pooled(samples))


@dataclass(frozen=True)
class ExcessFoci:
    """Foci per cell above the baseline, with standard deviation and a status in words."""

    per_cell: float
    sd: float
    status: str


def excess_per_cell(
    sample: FociSample, baseline: FociSample, *, dispersion: float = 1.0
) -> ExcessFoci:
    r"""Radiation-induced foci per cell: the sample minus the patient's own baseline.

    Parameters
    ----------
    sample, baseline : FociSample
        After and before the administration.
    dispersion : float
        Variance over mean of the counts, phi; 1 for Poisson.

    Notes
    -----
    :math:`x_1/n_1 - x_0/n_0` with variance :math:`\phi(x_1/n_1^2 + x_0/n_0^2)`.

    Examples
    --------
    >>> excess = excess_per_cell(FociSample(1, 2.0, 100, 45), FociSample(1, -1.0, 100, 20))
    >>> round(excess.per_cell, 3), round(excess.sd, 4)
    (0.25, 0.0806)
    """
    check_dispersion(dispersion)
    variance = dispersion * (sample.foci / sample.cells**2 + baseline.foci / baseline.cells**2)
    status = "ok"
    if sample.foci == 0 and baseline.foci == 0:
        status = "no focus in either sample: the SD of zero is not credible, use the exact test"
    return ExcessFoci(sample.per_cell - baseline.per_cell, float(np.sqrt(variance)), status)


def p_value_against_baseline(
    sample: FociSample, baseline: FociSample, *, alternative: Alternative = "two-sided"
) -> float:
    r"""Exact conditional test that the sample has the same mean as the baseline.

    Parameters
    ----------
    sample, baseline : FociSample
        After and before the administration; Poisson counts.
    alternative : {"two-sided", "greater"}
        Two-sided sums all outcomes that are no more likely than the one seen.

    Notes
    -----
    Given the sum, :math:`x_1 \sim \mathrm{Bin}(x_1+x_0,\ n_1/(n_1+n_0))`.

    References
    ----------
    Przyborowski J, Wilenski H. Biometrika 1940;31:313-323, doi:10.2307/2332612.

    Examples
    --------
    >>> case, control = FociSample(1, 1.0, 1000, 13), FociSample(1, -1.0, 1000, 1)
    >>> round(p_value_against_baseline(case, control), 7)
    0.0018311
    """
    from scipy.stats import binomtest

    total = sample.foci + baseline.foci
    if total == 0:
        return 1.0
    share = sample.cells / (sample.cells + baseline.cells)
    if alternative not in ("two-sided", "greater"):
        raise FociError(f"alternative must be 'two-sided' or 'greater', got {alternative!r}")
    return float(binomtest(sample.foci, total, share, alternative=alternative).pvalue)


def log_likelihood(
    foci: npt.ArrayLike,
    cells: npt.ArrayLike,
    mean_per_cell: npt.ArrayLike,
    *,
    dispersion: float = 1.0,
) -> FloatArray:
    r"""Log probability of the foci counted, one value for each sample and draw.

    Parameters
    ----------
    foci, cells : array_like of int, shape (n_samples,)
        Totals of each sample.
    mean_per_cell : array_like, shape (..., n_samples)
        Expected foci per cell, background included; a negative mean is impossible (``-inf``).
    dispersion : float
        Variance over mean, phi >= 1. One is Poisson; above one it is negative binomial.

    Returns
    -------
    ndarray, shape (..., n_samples)

    Notes
    -----
    With :math:`m = n\mu` the negative binomial has size :math:`r = m/(\phi-1)` and probability
    :math:`1/\phi` (the NB1 form: variance :math:`\phi m`), so that the sum over cells that are
    each NB1 is NB1 with the same :math:`\phi`.

    References
    ----------
    Cameron AC, Trivedi PK. J Appl Econom 1986;1:29-53, doi:10.1002/jae.3950010104.

    Examples
    --------
    >>> float(np.round(log_likelihood(40, 100, 0.4), 4))
    -2.7655
    """
    from scipy.special import betaln, gammaln, xlogy

    check_dispersion(dispersion)
    x, n, mean = (
        numbers(values, name)
        for values, name in (
            (foci, "foci"),
            (cells, "cells"),
            (mean_per_cell, "mean_per_cell"),
        )
    )
    try:
        np.broadcast_shapes(x.shape, n.shape, mean.shape)
    except ValueError:
        raise FociError(
            f"shapes do not fit: foci {x.shape}, cells {n.shape}, mean per cell {mean.shape}"
        ) from None
    if not ((x >= 0).all() and (n > 0).all()) or np.isnan(mean).any():
        raise FociError("foci must be zero or positive, cells positive, and no mean may be nan")
    mean = n * mean
    legal = np.where(mean >= 0, mean, 0.0)
    if dispersion == 1:
        value = xlogy(x, legal) - legal - gammaln(x + 1)
    else:
        size = legal / (dispersion - 1)
        # ln Gamma(x+r) - ln Gamma(r) - ln x! without cancellation for large r
        with np.errstate(divide="ignore"):
            choose = -np.log(np.maximum(x, 1)) - betaln(size, np.maximum(x, 1))
        value = np.where(x > 0, choose, 0.0) - size * np.log(dispersion)
        value = value + x * np.log1p(-1 / dispersion)
    result: FloatArray = np.where(mean >= 0, value, -np.inf)
    return result


def check_dispersion(dispersion: float) -> None:
    """Raise unless the variance over mean is one or more."""
    if not 1 <= number(dispersion, "dispersion") < np.inf:
        raise FociError(f"dispersion (variance over mean) must be 1 or more, got {dispersion}")
