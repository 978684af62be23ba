"""Whether readers count alike: ratios between readers of the same or of different slides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from foci.counting.slides import SlideCounts
from foci.errors import FociError
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd

_MAX_STEPS = 50


@dataclass(frozen=True, eq=False)
class ReaderEffect:
    """Foci counted by each reader relative to the first.

    Attributes
    ----------
    readers : tuple of str
        Names, sorted; the first is the reference.
    ratio, log_sd : ndarray, shape (n_readers,)
        Ratio to the reference and the standard deviation of its logarithm (zero for it).
    p_value : float
        Test that all readers count alike.
    dispersion : float
        Variance over mean left after slides and readers, at least 1; the standard deviations and
        the test allow for it.
    paired : bool
        Whether slides read by several readers were compared with themselves.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    readers: tuple[str, ...]
    ratio: FloatArray
    log_sd: FloatArray
    p_value: float
    dispersion: float
    paired: bool
    status: str

    def to_frame(self) -> pd.DataFrame:
        """One row a reader."""
        import pandas as pd

        return pd.DataFrame({"reader": self.readers, "ratio": self.ratio, "log_sd": self.log_sd})


def reader_effect(slides: Sequence[SlideCounts]) -> ReaderEffect:
    r"""Compare readers by a log-linear model of the foci per cell.

    Parameters
    ----------
    slides : sequence of SlideCounts
        One entry for each reading; a slide may be read by several readers.

    Raises
    ------
    FociError
        With fewer than two readers, or a reader who found no focus.

    Notes
    -----
    :math:`\ln E x_{sr} = \ln n_{sr} + a_s + b_r` for foci x in n cells of slide s by reader r,
    quasi-Poisson. Where the readers are not linked through shared slides the slide terms are left
    out; the scatter between slides is then part of the dispersion. Test: drop in deviance, against
    chi-square where no dispersion was found, else over the dispersion against F. A difference
    between readers cancels from a dose only if sample, baseline and calibration were read by the
    same person.

    Examples
    --------
    >>> counts = {"KL": (30, 52, 25, 41), "MN": (41, 66, 37, 55)}
    >>> slides = [SlideCounts(str(i), name, 100, x)
    ...           for name, row in counts.items() for i, x in enumerate(row)]
    >>> effect = reader_effect(slides)
    >>> effect.readers, effect.ratio.round(2), effect.p_value < 0.05
    (('KL', 'MN'), array([1.  , 1.34]), True)
    """
    readers = tuple(sorted({s.reader for s in slides}))
    if len(readers) < 2:
        raise FociError(f"at least two readers are needed, got {len(readers)}")
    for name in readers:
        if sum(s.foci for s in slides if s.reader == name) == 0:
            raise FociError(f"reader {name} found no focus: a ratio cannot be told")
    used, slide_terms, paired = _slide_terms(slides)
    cells = np.array([s.cells for s in used], dtype=np.float64)
    foci = np.array([s.foci for s in used], dtype=np.float64)
    reader_terms = np.array([[s.reader == name for name in readers[1:]] for s in used], float)
    full, without = np.hstack([slide_terms, reader_terms]), slide_terms
    coefficients, covariance, deviance, pearson = _log_linear(full, cells, foci)
    freedom = len(used) - full.shape[1]
    dispersion, status = 1.0, "ok"
    if freedom > 0:
        dispersion = max(1.0, pearson / freedom)
    else:
        status = "no reading to spare: the dispersion cannot be told, Poisson counts ASSUMED"
    if not paired:
        status = "no slide links the readers: slides differ too, and only averages are compared"
    drop = (_log_linear(without, cells, foci)[2] - deviance) / dispersion
    n = len(readers) - 1
    log_sd = np.sqrt(dispersion * np.diag(covariance)[-n:])
    return ReaderEffect(
        readers=readers,
        ratio=np.concatenate([[1.0], np.exp(coefficients[-n:])]),
        log_sd=np.concatenate([[0.0], log_sd]),
        p_value=_p_value(drop, n, freedom if dispersion > 1 else 0),
        dispersion=dispersion,
        paired=paired,
        status=status,
    )


def _slide_terms(
    slides: Sequence[SlideCounts],
) -> tuple[list[SlideCounts], npt.NDArray[np.float64], bool]:
    """Readings used, columns of the slides (or of a mean), and whether slides link all readers."""
    by_slide: dict[str, list[SlideCounts]] = {}
    for slide in slides:
        by_slide.setdefault(slide.slide, []).append(slide)
    # a slide read once, or without a focus, tells nothing about readers next to its own term
    shared = {
        name: group
        for name, group in by_slide.items()
        if len(group) > 1 and sum(s.foci for s in group) > 0
    }
    linked: set[str] = set()
    for _ in shared:
        for group in shared.values():
            names = {s.reader for s in group}
            if not linked or linked & names:
                linked |= names
    if linked == {s.reader for s in slides}:
        used = [s for group in shared.values() for s in group]
        columns = np.array([[s.slide == name for name in shared] for s in used], dtype=np.float64)
        return used, columns, True
    return list(slides), np.ones((len(slides), 1)), False


def _p_value(drop: float, n: int, freedom: int) -> float:
    from scipy.stats import chi2, f

    if freedom < 1:  # no dispersion was estimated
        return float(chi2.sf(drop, n))
    return float(f.sf(drop / n, n, freedom))


def _log_linear(
    design: FloatArray, cells: FloatArray, foci: FloatArray
) -> tuple[FloatArray, FloatArray, float, float]:
    """Coefficients, Poisson covariance, deviance and Pearson's chi-square by Newton's method."""
    from scipy.special import xlogy

    beta = np.linalg.lstsq(design, np.log((foci + 0.5) / cells), rcond=None)[0]
    for _ in range(_MAX_STEPS):
        mean = cells * np.exp(design @ beta)
        step = np.linalg.solve(design.T @ (design * mean[:, None]), design.T @ (foci - mean))
        beta = beta + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-12:
            break
    mean = cells * np.exp(design @ beta)
    deviance = 2 * float((xlogy(foci, foci / mean) - (foci - mean)).sum())
    pearson = float(((foci - mean) ** 2 / mean).sum())
    covariance = np.asarray(np.linalg.inv(design.T @ (design * mean[:, None])))
    return np.asarray(beta), covariance, deviance, pearson
