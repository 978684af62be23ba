"""Points of a time-activity curve as measured, with their two kinds of error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeasuredPoints:
    """Activity (MBq) or concentration (MBq/mL) at the times of measurement, ready to be fitted.

    Attributes
    ----------
    time_h : ndarray, shape (n_times,)
        Time after the administration (h).
    value : ndarray, shape (n_times,)
        Activity or concentration at that time, NOT decay-corrected.
    noise_sd : ndarray, shape (n_times,)
        Standard deviation of what differs from point to point: the weights of a fit.
    common_cv : float
        Relative standard deviation that all points share (recovery, calibration): multiply the
        fitted curve by one log-normal factor per draw.
    assumptions : tuple of str
        What was assumed, in words.
    """

    time_h: FloatArray
    value: FloatArray
    noise_sd: FloatArray
    common_cv: float
    assumptions: tuple[str, ...]

    @property
    def sd(self) -> FloatArray:
        """Standard deviation of each point by itself, noise and common error together."""
        return np.hypot(self.noise_sd, self.common_cv * self.value)

    def to_frame(self) -> pd.DataFrame:
        """Columns ``time_h``, ``value``, ``noise_sd``, ``sd``."""
        import pandas as pd

        columns = ("time_h", "value", "noise_sd", "sd")
        return pd.DataFrame({name: getattr(self, name) for name in columns})
