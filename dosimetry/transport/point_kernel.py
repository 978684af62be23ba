"""The type of every point kernel: energy around a point source in water, by distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PointKernel:
    """Energy absorbed in spherical shells around a point isotropic source in infinite water.

    Attributes
    ----------
    emission : str
        What is emitted: a nuclide, or such as ``"electron 0.5 MeV"``.
    energy_mev : float
        Mean energy emitted per history (per decay of a nuclide).
    edges_cm : ndarray, shape (n + 1,)
        Radii of the shells in water of 1 g/mL (cm), from 0 up.
    absorbed_mev : ndarray, shape (n,)
        Mean energy absorbed in each shell per history.
    standard_error_mev : ndarray, shape (n,)
        One standard error of it, from independent batches.
    outside_mev : float
        Mean energy absorbed beyond the last edge (or carried away) per history.
    """

    emission: str
    energy_mev: float
    edges_cm: FloatArray
    absorbed_mev: FloatArray
    standard_error_mev: FloatArray
    outside_mev: float
