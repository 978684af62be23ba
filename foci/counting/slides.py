"""Several slides of one blood sample: pooled counts and what scatters beyond Poisson."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from foci.counting.counts import FociSample, check_counts, totals
from foci.counting.likelihood_fit import maximise
from foci.errors import FociError
from kinetics.curves import FloatArray


@dataclass(frozen=True)
class SlideCounts:
    """What one reader counted on one slide.

    Parameters
    ----------
    slide, reader : str
        Names.
    cells, foci : int
        Nuclei scored and foci in them.
    distribution : tuple of int, optional
        Number of cells with 0, 1, 2, ... foci; must agree with `cells` and `foci`.

    Raises
    ------
    FociError
        If a number is impossible or the distribution disagrees with the totals.

    Examples
    --------
    >>> SlideCounts("A1", "KL", 100, 32).per_cell
    0.32
    """

    slide: str
    reader: str
    cells: int
    foci: int
    distribution: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_counts(self.cells, self.foci)
        if self.distribution is not None and totals(self.distribution) != (self.cells, self.foci):
            cells, foci = totals(self.distribution)
            raise FociError(
                f"slide {self.slide}: the distribution holds {cells} cells and {foci} foci, but "
                f"cells={self.cells} and foci={self.foci} were given"
            )

    @property
    def per_cell(self) -> float:
        """Mean number of foci per cell."""
        return self.foci / self.cells


@dataclass(frozen=True)
class PooledSlides:
    """One sample from several slides, with what they scatter.

    Attributes
    ----------
    sample : FociSample
        Cells and foci of all slides.
    dispersion : float
        Variance over mean of the pooled total, at least 1: within and between slides.
    within_dispersion : float
        Pooled dispersion index of the cells about the mean of their own slide, at least 1; 1
        where no distribution was given.
    slide_cv, slide_cv_sd : float
        Coefficient of variation of the slides' true means, and its standard deviation (NaN at
        the bound of zero, or for one slide).
    p_value : float
        Test that all slides have the same mean (chi-square, within-slide dispersion allowed for).
    method : str
        ``"moment"`` or ``"ml"``.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    sample: FociSample
    dispersion: float
    within_dispersion: float
    slide_cv: float
    slide_cv_sd: float
    p_value: float
    method: str
    status: str
    assumptions: tuple[str, ...] = ()

    @property
    def sd_per_cell(self) -> float:
        """Standard deviation of the pooled mean per cell."""
        return float(np.sqrt(self.dispersion * self.sample.foci) / self.sample.cells)

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def pool_slides(
    slides: Sequence[SlideCounts],
    *,
    cycle: int,
    time_h: float,
    method: Literal["moment", "ml"] = "moment",
) -> PooledSlides:
    r"""Pool the slides of one blood sample and find how much they differ beyond counting noise.

    Parameters
    ----------
    slides : sequence of SlideCounts
        Slides of one blood sample; a slide read twice belongs in `reader_effect`.
    cycle, time_h
        As in `FociSample`.
    method : {"moment", "ml"}
        Estimator of the CV between slides.

    Raises
    ------
    FociError
        Without a slide, or if a slide stands there twice.

    Notes
    -----
    Gamma-Poisson: slide i has the mean :math:`\mu g_i` with :math:`E g = 1` and
    :math:`\mathrm{Var}\,g = \tau^2`. The total of :math:`n_i` cells each then has variance over
    mean :math:`\phi = \phi_w + \mu \tau^2 \sum n_i^2 / \sum n_i`. Moments: with Pearson's
    :math:`Q = \sum_i (x_i - n_i\mu)^2/(n_i\mu)` of k slides,
    :math:`\tau^2 = (Q - (k-1)\phi_w) / (\mu(\sum n_i - \sum n_i^2/\sum n_i))`, not below zero.
    ML: negative binomial totals with :math:`\phi_w = 1`.

    Cells of different slides must not be thrown together before their dispersion is tested: the
    index then also holds the variance between slides and grows with every slide.

    References
    ----------
    Errington A et al. Int J Biostat 2021, doi:10.1515/ijb-2020-0079: dispersion of foci counts
    rises on aggregation over slides.
    Einbeck J et al. PLoS ONE 2018;13:e0207464, doi:10.1371/journal.pone.0207464.

    Examples
    --------
    >>> counts = [(100, 31), (100, 52), (100, 24), (100, 47)]
    >>> slides = [SlideCounts(str(i), "KL", *c) for i, c in enumerate(counts)]
    >>> pooled = pool_slides(slides, cycle=1, time_h=2.0)
    >>> pooled.sample.foci, round(pooled.dispersion, 2), round(pooled.slide_cv, 2)
    (154, 4.51, 0.3)
    """
    _check_slides(slides)
    cells = np.array([s.cells for s in slides], dtype=np.float64)
    foci = np.array([s.foci for s in slides], dtype=np.float64)
    mean = foci.sum() / cells.sum()
    within, assumptions = _within(slides)
    sample = FociSample(cycle, time_h, int(cells.sum()), int(foci.sum()))
    if len(slides) == 1 or foci.sum() == 0:
        words = "one slide" if len(slides) == 1 else "no focus"
        status = f"{words}: the scatter between slides cannot be told"
        nan = float("nan")
        return PooledSlides(sample, within, within, 0.0, nan, 1.0, method, status, assumptions)
    pearson = float(((foci - cells * mean) ** 2 / (cells * mean)).sum())
    tau, tau_sd, status = (
        _moments(cells, foci, pearson, within)
        if method == "moment"
        else _gamma_poisson(cells, foci)
    )
    from scipy.stats import chi2

    return PooledSlides(
        sample=sample,
        dispersion=within + float(mean * tau**2 * (cells**2).sum() / cells.sum()),
        within_dispersion=within,
        slide_cv=tau,
        slide_cv_sd=tau_sd,
        p_value=float(chi2.sf(pearson / within, len(slides) - 1)),
        method=method,
        status=status,
        assumptions=assumptions,
    )


def _check_slides(slides: Sequence[SlideCounts]) -> None:
    if len(slides) == 0:
        raise FociError("at least one slide is needed")
    names = [slide.slide for slide in slides]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FociError(
            f"slide {twice[0]} was given twice: the same cells must not be counted twice; compare "
            "its readers with reader_effect and pool one reading of each slide"
        )


def _within(slides: Sequence[SlideCounts]) -> tuple[float, tuple[str, ...]]:
    """Pooled index of the cells about the mean of their slide, and what was assumed."""
    squares = expected = 0.0
    for slide in slides:
        if slide.distribution is None or slide.cells < 2:
            continue
        number = np.arange(len(slide.distribution))
        squares += float(np.asarray(slide.distribution) @ (number - slide.per_cell) ** 2)
        expected += (slide.cells - 1) * slide.per_cell
    if expected == 0:
        return 1.0, ("foci of single cells Poisson within a slide ASSUMED (no distributions)",)
    return max(1.0, squares / expected), ()


def _moments(
    cells: FloatArray, foci: FloatArray, pearson: float, within: float
) -> tuple[float, float, str]:
    """CV between slides by moments, and its delta-method SD (Q as a scaled chi-square)."""
    mean, k = foci.sum() / cells.sum(), len(cells)
    weight = mean * (cells.sum() - (cells**2).sum() / cells.sum())
    variance = (pearson - (k - 1) * within) / weight
    if variance <= 0:
        return 0.0, float("nan"), "ok: no scatter between slides beyond counting noise"
    tau = float(np.sqrt(variance))
    spread = pearson * np.sqrt(2 / (k - 1)) / weight
    return tau, float(spread / (2 * tau)), _few(k)


def _few(n_slides: int) -> str:
    if n_slides >= 5:
        return "ok"
    return f"only {n_slides} slides: the CV between them is hardly known"


def _gamma_poisson(cells: FloatArray, foci: FloatArray) -> tuple[float, float, str]:
    """CV between slides by maximum likelihood."""
    from scipy.stats import nbinom, poisson

    def log_likelihood(z: FloatArray) -> float:
        mean, size = cells * np.exp(z[0]), np.exp(-2 * z[1])
        return float(nbinom.logpmf(foci, size, size / (size + mean)).sum())

    start = np.log(foci.sum() / cells.sum())
    best = maximise(log_likelihood, np.array([start, np.log(0.3)]), low=np.array([-np.inf, -9.0]))
    none = float(poisson.logpmf(foci, cells * np.exp(start)).sum())
    if best.value <= none + 1e-6:
        return 0.0, float("nan"), "ok: no scatter between slides beyond counting noise"
    tau = float(np.exp(best.position[1]))
    status = best.status if best.status != "ok" else _few(len(cells))
    return tau, float(tau * np.sqrt(best.covariance[1, 1])), status
