"""Whether the physical dose and the dose from foci agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.checks import check_share, numbers
from foci.errors import FociError

_QUANTILES = 500  # each set of draws is represented by so many quantiles


@dataclass(frozen=True)
class DoseAgreement:
    """Comparison of two independent estimates of one dose.

    Attributes
    ----------
    ratio : float
        Median of foci dose over physical dose.
    interval : tuple of float
        Central interval of the ratio at `level`.
    level : float
        Coverage of the interval.
    p_value : float
        Two-sided tail probability of a ratio of one; small means conflict.
    status : str
        ``"consistent"`` or ``"conflict"``, with the direction, in words.
    """

    ratio: float
    interval: tuple[float, float]
    level: float
    p_value: float
    status: str

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return {
            "ratio": self.ratio,
            "interval": self.interval,
            "level": self.level,
            "p_value": self.p_value,
            "status": self.status,
        }


def agreement(
    physical_dose_gy: npt.ArrayLike,
    foci_dose_gy: npt.ArrayLike,
    *,
    level: float = 0.90,
    conflict_below: float = 0.05,
) -> DoseAgreement:
    r"""Compare the dose from activity measurements with the dose from foci.

    Parameters
    ----------
    physical_dose_gy : array_like, shape (n,)
        Draws of the dose from activity measurements.
    foci_dose_gy : array_like, shape (m,)
        Draws of the dose from foci alone (`blood_dose_from_foci`), with a wide prior; a prior
        taken from the physical dose would make the two agree by construction.
    level : float
        Coverage of the interval of the ratio.
    conflict_below : float
        p value below which the status says conflict.

    Notes
    -----
    The two sets are independent, so every pair is a draw of the ratio :math:`r`;
    :math:`p = 2\min(P(r<1), P(r>1))`, the ties shared.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> physical, foci = rng.lognormal(-3, 0.1, 2000), rng.lognormal(-2, 0.3, 2000)
    >>> result = agreement(physical, foci)
    >>> round(result.ratio, 1), result.status
    (2.7, 'conflict: the foci show more dose than was measured')
    """
    physical, foci = (_positive(draws) for draws in (physical_dose_gy, foci_dose_gy))
    check_share(level, "level")
    share = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    ratio = (np.quantile(foci, share)[:, None] / np.quantile(physical, share)).ravel()
    tail = (1 - level) / 2
    low, middle, high = np.quantile(ratio, [tail, 0.5, 1 - tail])
    ordered = np.sort(physical)
    below = np.searchsorted(ordered, foci, side="left") + np.searchsorted(ordered, foci, "right")
    above_one = float(below.mean() / (2 * len(ordered)))
    p_value = 2 * min(above_one, 1 - above_one)
    status = "consistent"
    if p_value < conflict_below:
        direction = "more" if above_one > 1 / 2 else "less"
        status = f"conflict: the foci show {direction} dose than was measured"
    return DoseAgreement(float(middle), (float(low), float(high)), level, p_value, status)


def _positive(draws: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = numbers(draws, "doses").ravel()
    if len(values) == 0 or not (np.isfinite(values).all() and (values > 0).all()):
        raise FociError("doses must be finite and positive, and at least one draw is needed")
    return values
