"""Bayesian optimal interval design (BOIN): boundaries, and the next level."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from radiobio.checks import check_share, check_whole, numbers
from radiobio.dose_finding.checks import IntArray, check_counts, check_index
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    import pandas as pd

_MOST_PATIENTS = 1000
NEVER = np.iinfo(np.int64).max  # no number of toxicities reaches this


@dataclass(frozen=True)
class BoinBoundaries:
    """Numbers of toxicities that change the level.

    Attributes
    ----------
    target : float
        Targeted risk.
    escalate_below, deescalate_above : float
        Observed rates at or below which one escalates (lambda_e) and at or above which one
        de-escalates (lambda_d).
    escalate_at_most, deescalate_at_least, eliminate_at_least : ndarray of int, shape (n_max,)
        For 1, 2, ... n_max patients at the level. `NEVER` where no number eliminates.
    assumptions : tuple of str
        What the numbers rest on.
    """

    target: float
    escalate_below: float
    deescalate_above: float
    escalate_at_most: IntArray
    deescalate_at_least: IntArray
    eliminate_at_least: IntArray
    assumptions: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row for each number of patients; no number where none eliminates."""
        import pandas as pd

        eliminate = pd.Series(self.eliminate_at_least, dtype="Int64")
        columns = {
            "n": np.arange(1, self.escalate_at_most.size + 1),
            "escalate_at_most": self.escalate_at_most,
            "deescalate_at_least": self.deescalate_at_least,
            "eliminate_at_least": eliminate.mask(eliminate == NEVER),
        }
        return pd.DataFrame(columns)


def boin_boundaries(
    target: float,
    *,
    n_max: int = 18,
    underdose: float | None = None,
    overdose: float | None = None,
    eliminate_above: float = 0.95,
) -> BoinBoundaries:
    """Boundaries of the BOIN design.

    Parameters
    ----------
    target : float
        Targeted risk of a dose-limiting toxicity.
    n_max : int
        Most patients at one level, up to 1000.
    underdose, overdose : float, optional
        Highest risk that is too low and lowest that is too high; 0.6 and 1.4 times the target.
    eliminate_above : float
        A level and those above it are eliminated for good when three patients or more were
        treated there and P(risk > target) is above this (uniform prior).

    Returns
    -------
    BoinBoundaries

    Raises
    ------
    RadiobioError
        If the risks do not rise from underdose over target to overdose, or a number is not legal.

    Notes
    -----
    lambda_e = log((1 - u)/(1 - t)) / log(t (1 - u) / (u (1 - t))), and lambda_d with the
    overdose in place of the underdose. P(risk > t) of x toxicities in n is that of at most x
    successes in n + 1 trials with probability t.

    References
    ----------
    Liu S, Yuan Y. J R Stat Soc C 2015;64:507-523, doi:10.1111/rssc.12089.

    Examples
    --------
    >>> boundaries = boin_boundaries(0.3, n_max=6)
    >>> round(boundaries.escalate_below, 4), round(boundaries.deescalate_above, 4)
    (0.2365, 0.3585)
    >>> boundaries.deescalate_at_least
    array([1, 1, 2, 2, 2, 3])
    """
    t = check_share(target, "target")
    low = check_share(0.6 * t if underdose is None else underdose, "underdose")
    high = check_share(1.4 * t if overdose is None else overdose, "overdose")
    cutoff = check_share(eliminate_above, "eliminate_above")
    check_whole(n_max, "n_max")
    if n_max > _MOST_PATIENTS:
        raise RadiobioError(f"n_max must be 1 to {_MOST_PATIENTS}, got {n_max}")
    if not low < t < high:
        raise RadiobioError(f"underdose {low:g}, target {t:g} and overdose {high:g} must rise")
    escalate = np.log((1 - low) / (1 - t)) / np.log(t * (1 - low) / (low * (1 - t)))
    deescalate = np.log((1 - t) / (1 - high)) / np.log(high * (1 - t) / (t * (1 - high)))
    n = np.arange(1, int(n_max) + 1)
    eliminate = [_eliminate_at(int(i), t, cutoff) for i in n]
    return BoinBoundaries(
        target=t,
        escalate_below=float(escalate),
        deescalate_above=float(deescalate),
        escalate_at_most=np.floor(n * escalate + 1e-12).astype(np.int64),
        deescalate_at_least=np.ceil(n * deescalate - 1e-12).astype(np.int64),
        eliminate_at_least=np.array(eliminate, np.int64),
        assumptions=("non-informative prior of the three hypotheses of a level",),
    )


def boin_next(
    boundaries: BoinBoundaries,
    level_index: int,
    treated: npt.ArrayLike,
    toxic: npt.ArrayLike,
) -> int | None:
    """Index of the level for the next cohort.

    Parameters
    ----------
    boundaries : BoinBoundaries
        Of the design.
    level_index : int
        Level of the last cohort, from 0.
    treated, toxic : array_like of int, shape (n_levels,)
        Patients and toxicities at each level so far.

    Returns
    -------
    int or None
        The level, or None where the lowest level is too toxic and the trial ends.

    Raises
    ------
    RadiobioError
        If a level has more patients than the boundaries cover, or the level was not used.

    Examples
    --------
    >>> boin_next(boin_boundaries(0.3), 2, [3, 3, 3, 0], [0, 0, 2, 0])
    1
    """
    n_levels = numbers(treated, "treated").size
    n, y = check_counts(treated, toxic, n_levels)
    if n.max(initial=0) > boundaries.escalate_at_most.size:
        raise RadiobioError(
            f"{n.max()} patients at a level, but the boundaries end at "
            f"{boundaries.escalate_at_most.size}; raise n_max"
        )
    here = check_index(level_index, "level_index", n_levels)
    if n[here] == 0:
        raise RadiobioError(f"level_index must be one of the levels in use, got {level_index}")
    row = np.maximum(n, 1) - 1
    bad = np.flatnonzero((n > 0) & (y >= boundaries.eliminate_at_least[row]))
    left = int(bad[0]) if bad.size else n_levels  # this level and those above are eliminated
    if left == 0:
        return None
    step = int(y[here] <= boundaries.escalate_at_most[row[here]])
    step -= int(y[here] >= boundaries.deescalate_at_least[row[here]])
    return min(max(here + step, 0), left - 1)


def _eliminate_at(n: int, target: float, cutoff: float) -> int:
    """Smallest number of toxicities of n for which P(risk > target) is above the cutoff."""
    if n < 3:
        return int(NEVER)
    tail = 0.0
    for x in range(n + 1):
        tail += comb(n + 1, x) * target**x * (1 - target) ** (n + 1 - x)
        if tail > cutoff:
            return x
    return int(NEVER)
