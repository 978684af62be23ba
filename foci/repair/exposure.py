"""How cells were irradiated: by a decaying dose rate in the patient, or for a while ex vivo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from foci.checks import number, numbers
from foci.errors import FociError
from kinetics import SumOfExponentials
from kinetics.curves import FloatArray
from radiobio.damage.dsb import foci_after_irradiation


@dataclass(frozen=True, eq=False)
class ExVivoIrradiation:
    """Blood irradiated at constant rate for a known time, then left to repair.

    Parameters
    ----------
    dose_gy : array_like, scalar or shape (n_draws,)
        Absorbed dose of the whole irradiation (Gy).
    irradiation_h : float
        Its duration (h).
    counted_from : {"start", "end"}
        From when the times of the samples count. Negative times are baseline either way.

    Raises
    ------
    FociError
        If the dose is not positive or the duration negative.
    """

    dose_gy: npt.ArrayLike
    irradiation_h: float
    counted_from: Literal["start", "end"]

    def __post_init__(self) -> None:
        dose = numbers(self.dose_gy, "dose_gy")
        if dose.ndim > 1 or not dose.size or not (np.isfinite(dose).all() and (dose > 0).all()):
            raise FociError("dose_gy must be positive, a number or one value per draw")
        if not 0 <= number(self.irradiation_h, "irradiation_h") < np.inf:
            raise FociError(f"irradiation_h must be zero or positive, got {self.irradiation_h}")
        if self.counted_from not in ("start", "end"):
            raise FociError(f"counted_from must be 'start' or 'end', got {self.counted_from!r}")
        object.__setattr__(self, "dose_gy", dose)


Exposure = SumOfExponentials | ExVivoIrradiation


def foci_of_unit_induction(
    exposure: Exposure, time_h: FloatArray, repair_rate_per_h: FloatArray
) -> FloatArray:
    """Foci per cell above background at an induction of 1 per Gy, for single repair rates.

    Parameters
    ----------
    exposure : SumOfExponentials or ExVivoIrradiation
        Shape () or (n_draws,).
    time_h : ndarray, shape (n_times,)
        Times of the samples (h); zero foci at negative ones.
    repair_rate_per_h : ndarray, shape (n_rates,)
        Rates of the pool (1/h).

    Returns
    -------
    ndarray, shape (n_draws, n_rates, n_times); one draw where the exposure has none
    """
    after = np.maximum(time_h, 0.0)
    if isinstance(exposure, SumOfExponentials):
        foci = exposure[..., None, :].convolved(repair_rate_per_h, after)
    else:
        shift = exposure.irradiation_h if exposure.counted_from == "end" else 0.0
        foci = foci_after_irradiation(
            after + shift,
            dose_gy=np.asarray(exposure.dose_gy)[..., None],
            irradiation_h=exposure.irradiation_h,
            induction_per_gy=1.0,
            repair_rate_per_h=repair_rate_per_h[:, None],
        )
    foci = np.where(time_h < 0, 0.0, foci)
    return foci if foci.ndim == 3 else foci[None]
