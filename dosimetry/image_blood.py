"""Blood concentration from images: a volume of interest in the aorta or the left ventricle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.measured_points import MeasuredPoints
from dosimetry.recovery import RecoveryCoefficient

_MOST_RECOVERY = 1.5  # more is per cent


def blood_points_from_image(
    time_h: npt.ArrayLike,
    voi_mbq_per_ml: npt.ArrayLike,
    *,
    recovery: RecoveryCoefficient,
    voi_sd_mbq_per_ml: npt.ArrayLike,
    surroundings_mbq_per_ml: npt.ArrayLike = 0.0,
    spill_in: float = 0.0,
    spill_in_sd: float = 0.0,
) -> MeasuredPoints:
    r"""Blood concentration at the scans, corrected for recovery and for spill-in.

    Parameters
    ----------
    time_h : array_like, shape (n_scans,)
        Time of each scan after the administration (h).
    voi_mbq_per_ml, voi_sd_mbq_per_ml : array_like, shape (n_scans,)
        Concentration in the volume of interest and its standard deviation (MBq/mL), not
        decay-corrected to the administration.
    recovery : RecoveryCoefficient
        Share of the blood's concentration that the volume of interest shows, up to 1.5, and its
        standard uncertainty: measured in a phantom of the vessel's size.
    surroundings_mbq_per_ml : array_like, broadcast to (n_scans,)
        Concentration in the myocardium or the tissue around the vessel (MBq/mL).
    spill_in, spill_in_sd : float
        Share of the surroundings' concentration that spills into the volume of interest.

    Returns
    -------
    MeasuredPoints
        Concentration in whole blood (MBq/mL): no haematocrit is needed. To be fitted by
        `kinetics.fit_patient` or `kinetics.fit_curve`.

    Notes
    -----
    :math:`C_b = (C_{VOI} - s\,C_{surr})/R`. Recovery and spill-in are the same at every scan, so
    the recovery makes a common error; the error of the spill-in is counted with the noise.

    Raises
    ------
    DosimetryError
        If a value is out of its range, or spill-in explains all of a measurement.

    Examples
    --------
    >>> aorta = RecoveryCoefficient(0.8, sd=0.04)
    >>> points = blood_points_from_image(
    ...     [4.0, 24.0], [0.08, 0.01], recovery=aorta, voi_sd_mbq_per_ml=0.001
    ... )
    >>> points.value.round(4).tolist(), round(points.common_cv, 3)
    ([0.1, 0.0125], 0.05)
    """
    time, voi, sd, around = _rows(
        time_h, voi_mbq_per_ml, voi_sd_mbq_per_ml, surroundings_mbq_per_ml
    )
    _require_range("recovery", recovery.value, high=_MOST_RECOVERY)
    for name, share in (
        ("the sd of recovery", recovery.sd),
        ("spill_in", spill_in),
        ("spill_in_sd", spill_in_sd),
    ):
        _require_range(name, share, high=1.0)
    blood = (voi - spill_in * around) / recovery.value
    if (blood <= 0).any():
        raise DosimetryError(
            f"spill-in leaves no blood at {time[blood <= 0].tolist()} h: a smaller spill_in, or "
            "surroundings_mbq_per_ml in the unit of voi_mbq_per_ml"
        )
    return MeasuredPoints(
        time_h=time,
        value=blood,
        noise_sd=np.hypot(sd, spill_in_sd * around) / recovery.value,
        common_cv=recovery.relative_sd,
        assumptions=(
            f"blood concentration from images: recovery {recovery.value:g} ± {recovery.sd:g}, "
            f"spill-in {spill_in:g} ± {spill_in_sd:g}",
            "ASSUMED: recovery and spill-in are the same at every scan",
        ),
    )


def _rows(*columns: npt.ArrayLike) -> list[npt.NDArray[np.float64]]:
    try:
        rows = np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, np.float64)) for c in columns))
    except ValueError:
        shapes = [np.shape(column) for column in columns]
        raise DosimetryError(f"one value per time is needed, got shapes {shapes}") from None
    if rows[0].ndim != 1 or not rows[0].size:
        raise DosimetryError(f"one value per time is needed, got shape {rows[0].shape}")
    if not all(np.isfinite(row).all() and (row >= 0).all() for row in rows):
        raise DosimetryError(
            "times, concentrations and standard deviations must be finite and >= 0"
        )
    return [np.array(row) for row in rows]


def _require_range(name: str, value: float, *, high: float) -> None:
    if not 0 <= value <= high:
        raise DosimetryError(f"{name} must lie in 0 to {high:g} (1 = 100 %), got {value!r}")
