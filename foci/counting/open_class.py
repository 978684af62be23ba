"""Samples whose last class is open ("6+"): how much less they say than cells counted out."""

from __future__ import annotations

from collections.abc import Iterable

from foci.counting.counts import FociSample
from foci.counting.distributions import fit_distribution


def open_cells(sample: FociSample) -> int:
    """Number of cells that were not counted to their number."""
    return sample.distribution[-1] if sample.open_last_class and sample.distribution else 0


def open_class_dispersion(sample: FociSample) -> float:
    r"""Variance over mean by which the total of a sample with an open class is to be widened.

    Parameters
    ----------
    sample : FociSample
        Its cells are taken as Poisson counts. ASSUMED.

    Returns
    -------
    float
        One or more: the variance of the maximum-likelihood mean of the censored counts over that
        of cells that were all counted, :math:`\mathrm{Var}(\hat\mu)\,n/\hat\mu`. One where no
        cell lies in an open class.

    Raises
    ------
    FociError
        If all cells lie in the open class.

    Examples
    --------
    >>> sample = FociSample(1, 2.0, 100, 170, (20, 30, 25, 25), open_last_class=True)
    >>> round(open_class_dispersion(sample), 2)
    1.11
    """
    if not open_cells(sample) or not sample.distribution:
        return 1.0
    fit = fit_distribution([sample.distribution], form="poisson", open_last_class=True)
    mean, sd = float(fit.mean_per_cell[0]), float(fit.mean_sd[0])
    return max(1.0, sd**2 * sample.cells / mean)


def open_class_words(samples: Iterable[FociSample]) -> tuple[str, ...]:
    """What is assumed of each sample with cells in an open class."""
    words = []
    for sample in samples:
        if open_cells(sample):
            words.append(
                f"cycle {sample.cycle}, {sample.time_h:g} h: {open_cells(sample)} cells lie in an "
                f"open last class: not all of the {sample.foci} foci were counted (cells Poisson "
                "ASSUMED)"
            )
    return tuple(words)
