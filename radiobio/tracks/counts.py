"""From hits to what one sees in many cells: specific energy, breaks and foci, alpha tracks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from radiobio.checks import check_whole, number
from radiobio.errors import RadiobioError
from radiobio.tracks.spectrum import PARTICLES, HitSpectrum, checked_dose

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

_YIELD_ASSUMPTION = (
    "ASSUMED: breaks of one hit are Poisson with mean yield times z, whatever its LET within a "
    "kind of particle; published yields of other cells hold for lymphocytes"
)
_BINS = 2000
_LARGEST_COUNT = 100_000


@dataclass(frozen=True, eq=False)
class CellCounts:
    r"""Distribution of breaks (or foci) over cells at one dose.

    Attributes
    ----------
    probability : ndarray, shape (n,)
        Share of the cells with 0, 1, 2, ... breaks.
    mean_per_cell : float
        Breaks per cell: yield times dose, as in the linear model.
    dispersion : float
        Variance over mean, :math:`\phi = 1 + y\bar z_D` for one kind of particle with yield y:
        the same at each dose.
    hits_per_cell : float
        Mean number of particles that hit the nucleus.
    dose_gy : float
        Mean dose of the nuclei (Gy).
    status : str
        ``"ok"``, or what is wrong.
    assumptions : tuple of str
        In words.
    """

    probability: FloatArray
    mean_per_cell: float
    dispersion: float
    hits_per_cell: float
    dose_gy: float
    status: str
    assumptions: tuple[str, ...]

    @property
    def poisson(self) -> FloatArray:
        """Probabilities of a Poisson distribution with the same mean."""
        from scipy.stats import poisson

        return np.asarray(poisson.pmf(np.arange(len(self.probability)), self.mean_per_cell))

    @property
    def distance_to_poisson(self) -> float:
        """Share of the cells whose count a Poisson distribution misplaces (total variation)."""
        return float(0.5 * np.abs(self.probability - self.poisson).sum())

    def cells_to_see(self, u: float = 1.96) -> float:
        r"""Cells for which the dispersion test is expected at its limit.

        Parameters
        ----------
        u : float
            Limit of the test, :math:`u=(\phi-1)\sqrt{(N-1)/(2(1-1/X))}` with X breaks in N cells.
            The term 1/X is left out.

        Returns
        -------
        float
            With fewer cells the counts pass for Poisson; infinite where they are.
        """
        excess = self.dispersion - 1
        return float(1 + 2 * (u / excess) ** 2) if excess > 0 else float("inf")

    def to_frame(self) -> pd.DataFrame:
        """One row a count: its probability, and that of a Poisson distribution."""
        import pandas as pd

        count = np.arange(len(self.probability))
        return pd.DataFrame(
            {"count": count, "probability": self.probability, "poisson": self.poisson}
        )


def breaks_per_cell(
    hits: HitSpectrum,
    dose_gy: float,
    *,
    breaks_per_gy: float | Mapping[str, float],
    detected: float = 1.0,
) -> CellCounts:
    r"""Breaks per cell when hits are Poisson, and the breaks of each hit again.

    Parameters
    ----------
    hits : HitSpectrum
        Result of `simulate_hits`.
    dose_gy : float
        Mean dose of the nuclei (Gy).
    breaks_per_gy : float or mapping of str to float
        Mean breaks per cell and specific energy (1/Gy), of all hits or by kind of particle, such
        as `DSB_PER_GY`; `FOCI_PER_GY` for foci.
    detected : float
        Share of the breaks that is seen, each by itself.

    Returns
    -------
    CellCounts

    Raises
    ------
    RadiobioError
        If a dose or yield is negative, a kind of particle has no yield, the share is not from 0
        to 1, or more than 100 000 breaks per cell would have to be listed.

    Notes
    -----
    With hits of weight w_i (summing to one), yields y_i and specific energies z_i, the generating
    function is :math:`\exp\{\nu[\sum_i w_i e^{y_i z_i (s-1)} - 1]\}`, with
    :math:`\nu = D/\bar z_F`. Mean and variance follow:
    :math:`\nu\sum w yz` and :math:`\nu\sum w\,[yz + (yz)^2]`.

    Examples
    --------
    >>> from radiobio.tracks import simulate_hits
    >>> hits = simulate_hits("Lu-177", rng=np.random.default_rng(1), n_histories=20_000)
    >>> foci = breaks_per_cell(hits, 0.005, breaks_per_gy=14.7)
    >>> bool(foci.dispersion < 1.2)
    True
    """
    dose = float(checked_dose(number(dose_gy, "dose_gy")))
    if not 0 <= number(detected, "detected") <= 1:
        raise RadiobioError(f"detected must be a share from 0 to 1, got {detected!r}")
    size = _yield_by_hit(hits, breaks_per_gy) * detected * hits.z_gy
    share = hits.weight / hits.weight.sum()
    n_hits = dose / hits.z_f_gy
    first, second = float(share @ size), float(share @ size**2)
    mean = n_hits * first
    sd = np.sqrt(n_hits * (first + second))
    largest = float(size.max()) if len(size) and n_hits > 0 else 0.0
    reach = mean + 12 * sd + 2 * largest + 30
    if reach > _LARGEST_COUNT:
        raise RadiobioError(
            f"counts would reach {reach:.0f} per cell, more than {_LARGEST_COUNT}: lower the dose"
        )
    n = 2 ** int(np.ceil(np.log2(reach)))
    phase = np.exp(-2j * np.pi * np.arange(n // 2 + 1) / n)
    part, centre = _binned(size, share)
    single = np.array([part @ np.exp(centre * (s - 1)) for s in phase])
    probability = np.fft.irfft(np.exp(n_hits * (single - 1)), n).clip(0.0)
    kept = max(int(np.searchsorted(np.cumsum(probability), 1 - 1e-12)) + 1, 2)
    return CellCounts(
        probability[:kept], mean, 1 + second / first if first > 0 else 1.0, n_hits, dose,
        "ok" if first > 0 else "no breaks: the yield is zero",
        (*hits.assumptions, _YIELD_ASSUMPTION),
    )  # fmt: skip


def specific_energy_distribution(
    hits: HitSpectrum, dose_gy: float, *, n_bins: int = 4096
) -> tuple[FloatArray, FloatArray]:
    r"""Distribution f(z; D) of the specific energy over nuclei at one mean dose.

    Parameters
    ----------
    hits : HitSpectrum
        Result of `simulate_hits`.
    dose_gy : float
        Mean dose of the nuclei D (Gy), positive.
    n_bins : int
        Values of the specific energy.

    Returns
    -------
    z_gy : ndarray, shape (n_bins,)
        Specific energies on a uniform grid from 0 (Gy).
    probability : ndarray, shape (n_bins,)
        Share of the nuclei at each; the first contains those not hit.

    Raises
    ------
    RadiobioError
        If the dose is not positive or there are fewer than 16 bins.

    Notes
    -----
    Compound Poisson: the transform is :math:`\exp\{\nu[\hat f_1 - 1]\}`. Each hit is shared
    between the two nearest values so that the mean stays as it is.

    Examples
    --------
    >>> from radiobio.tracks import simulate_hits
    >>> hits = simulate_hits("Ra-223", rng=np.random.default_rng(1), n_histories=20_000)
    >>> z, share = specific_energy_distribution(hits.particle("alpha"), 0.1)
    >>> float((share @ z).round(3))
    0.1
    """
    dose = float(checked_dose(number(dose_gy, "dose_gy")))
    check_whole(n_bins, "n_bins", least=16)
    if dose == 0:
        raise RadiobioError("dose_gy must be positive: without dose no nucleus is hit")
    n_hits = dose / hits.z_f_gy
    top = dose + 10 * np.sqrt(dose * hits.z_d_gy) + 2 * float(hits.z_gy.max())
    grid = np.linspace(0.0, top, n_bins)
    place = hits.z_gy / grid[1]
    low = place.astype(int)
    part = hits.weight / hits.weight.sum()
    single = np.bincount(low, part * (1 - (place - low)), n_bins)
    single += np.bincount(low + 1, part * (place - low), n_bins)
    transform = np.exp(n_hits * (np.fft.rfft(single, 2 * n_bins) - 1))
    probability = np.fft.irfft(transform, 2 * n_bins)[:n_bins].clip(0.0)
    return grid, probability / probability.sum()


def _yield_by_hit(hits: HitSpectrum, breaks_per_gy: float | Mapping[str, float]) -> FloatArray:
    if not isinstance(breaks_per_gy, Mapping):
        breaks_per_gy = dict.fromkeys(PARTICLES, number(breaks_per_gy, "breaks_per_gy"))
    missing = {PARTICLES[index] for index in np.unique(hits.kind)} - set(breaks_per_gy)
    if missing:
        raise RadiobioError(f"breaks_per_gy lacks {sorted(missing)}, which {hits.source} emits")
    values = np.array([float(breaks_per_gy.get(kind, 0.0)) for kind in PARTICLES])
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise RadiobioError(f"breaks_per_gy must be finite and not negative, got {breaks_per_gy!r}")
    return np.asarray(values[hits.kind])


def _binned(size: FloatArray, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Hits in bins of the log of their mean breaks: share and mean of each bin."""
    positive = np.maximum(size, 1e-12)
    low, high = np.log(positive.min()), np.log(positive.max())
    index = ((np.log(positive) - low) / max(high - low, 1e-9) * (_BINS - 1)).astype(int)
    part = np.bincount(index, share, _BINS).astype(np.float64)
    kept = part > 0
    total = np.bincount(index, share * size, _BINS).astype(np.float64)
    return part[kept], total[kept] / part[kept]
