"""Results of a fit of induction and repair to one time course."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from foci.calibration.curve import CalibrationCurve, calibration_line
from foci.errors import FociError
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PoolComparison:
    """One repair rate against two.

    Attributes
    ----------
    likelihood_ratio : float
        Twice the gain in log likelihood of the second pool.
    p_value : float
        From chi-square with two degrees of freedom. Approximate: the slow rate does not exist
        where the fast pool is all.
    aicc : tuple of float
        Corrected Akaike criterion with one and two pools; infinite with too few samples.
    chosen : int
        Number of pools with the lower criterion.
    words : str
        The same in words.
    """

    likelihood_ratio: float
    p_value: float
    aicc: tuple[float, float]
    chosen: int
    words: str


@dataclass(frozen=True, eq=False)
class RepairFit:
    """Induction, background and repair rates of one time course.

    Attributes
    ----------
    names : tuple of str
        ``induction_per_gy`` (foci per cell and Gy before any repair), ``background_per_cell`` and
        ``repair_rate_per_h``; with two pools ``fast_rate_per_h``, ``slow_rate_per_h`` and
        ``fast_fraction``.
    values : ndarray, shape (n,)
        Maximum likelihood.
    sd : ndarray, shape (n,)
        Standard deviations from the observed information; NaN where it is singular.
    intervals : ndarray, shape (n, 2)
        Profile likelihood; open ends are 0, infinity, or 0 and 1 for the fraction.
    level : float
        Coverage of the intervals.
    covariance : ndarray, shape (n, n)
        Of the logarithms (the logit of the fraction).
    log_likelihood : float
        At the maximum.
    n_samples : int
        Samples fitted, baseline included.
    condition_number : float
        Ratio of the extreme eigenvalues of the information of the logarithms.
    comparison : PoolComparison or None
        One pool against two, where it was asked for.
    status : str
        ``"ok"``, or which parameters the samples do not identify.
    assumptions : tuple of str
        What was assumed.
    """

    names: tuple[str, ...]
    values: FloatArray
    sd: FloatArray
    intervals: FloatArray
    level: float
    covariance: FloatArray
    log_likelihood: float
    n_samples: int
    condition_number: float
    comparison: PoolComparison | None
    status: str
    assumptions: tuple[str, ...]

    @property
    def pools(self) -> int:
        """Number of repair rates."""
        return 1 if len(self.names) == 3 else 2

    def calibration(self) -> CalibrationCurve:
        """Induction as a line that is already free of repair.

        Its `irradiation_h` is zero: what corrects a calibration for the repair during its
        irradiation leaves this one as it is, so that no slope is corrected twice.
        """
        if not np.isfinite(self.sd[0]):
            raise FociError(f"the induction has no standard deviation: {self.status}")
        return calibration_line(
            float(self.values[0]),
            float(self.sd[0]),
            irradiation_h=0.0,
            source="fitted to a time course, repair taken out",
            status=self.status,
            assumptions=self.assumptions,
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per parameter: value, standard deviation and interval."""
        import pandas as pd

        return pd.DataFrame(
            {
                "parameter": self.names,
                "value": self.values,
                "sd": self.sd,
                "lower": self.intervals[:, 0],
                "upper": self.intervals[:, 1],
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words."""
        return {
            name: {"value": float(v), "sd": float(s), "interval": tuple(map(float, limit))}
            for name, v, s, limit in zip(
                self.names, self.values, self.sd, self.intervals, strict=True
            )
        } | {
            "level": self.level,
            "log_likelihood": self.log_likelihood,
            "n_samples": self.n_samples,
            "condition_number": self.condition_number,
            "comparison": None if self.comparison is None else self.comparison.words,
            "status": self.status,
            "assumptions": self.assumptions,
        }
