"""Simulated activities over time that know whether physical decay is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError

if TYPE_CHECKING:
    import pandas as pd

_PANELS = 18
_NODES = 6


@dataclass(frozen=True, eq=False)
class ActivityCurves:
    """Activity of some regions at some times.

    Many published models carry decay-corrected activities. Their integral is no number of
    decays, so `time_integrated_activity` refuses it until `decayed` was applied.

    Attributes
    ----------
    time_h : ndarray, shape (n_times,)
        Times after the administration (h).
    value : mapping of str to ndarray, shape (..., n_times)
        Activity of each region: MBq; blood and serum MBq/mL.
    decay_corrected : bool
        True: corrected to the time of administration, physical decay is not in the values.
    weight_h : ndarray, shape (n_times,), optional
        Quadrature weights of the times, where these are an integration grid.
    assumptions : tuple of str
        What is assumed rather than published.
    """

    time_h: FloatArray
    value: Mapping[str, FloatArray]
    decay_corrected: bool
    weight_h: FloatArray | None = None
    assumptions: tuple[str, ...] = ()

    def decayed(self, decay_per_h: float) -> ActivityCurves:
        """The activities present at each time: decay-corrected values times exp(-lambda t).

        Raises
        ------
        KineticsError
            If the values are not decay-corrected, or the constant is not positive.
        """
        if not self.decay_corrected:
            raise KineticsError("physical decay is already in these activities")
        if not decay_per_h > 0:
            raise KineticsError(f"decay_per_h must be positive, got {decay_per_h:g}")
        left = np.exp(-decay_per_h * self.time_h)
        value = {region: curve * left for region, curve in self.value.items()}
        return replace(self, value=value, decay_corrected=False)

    def time_integrated_activity(self) -> dict[str, FloatArray]:
        """Integral of each region over the integration grid, MBq h (blood, serum: MBq h/mL).

        Raises
        ------
        KineticsError
            If the values are decay-corrected, or not on an integration grid.
        """
        if self.decay_corrected:
            raise KineticsError(
                "these activities are decay-corrected; apply decayed(decay_per_h) before "
                "integrating them"
            )
        if self.weight_h is None:
            raise KineticsError("simulate without time_h to get times that can be integrated")
        return {region: np.asarray(curve @ self.weight_h) for region, curve in self.value.items()}

    def to_frame(self) -> pd.DataFrame:
        """Long table: draw (first leading axis, flattened), region, time_h, value."""
        import pandas as pd

        parts = []
        for region, curve in self.value.items():
            flat = curve.reshape(-1, len(self.time_h))
            parts.append(
                pd.DataFrame(
                    {
                        "draw": np.repeat(np.arange(len(flat)), len(self.time_h)),
                        "region": region,
                        "time_h": np.tile(self.time_h, len(flat)),
                        "value": flat.ravel(),
                        "decay_corrected": self.decay_corrected,
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)


def integration_grid(until_h: float) -> tuple[FloatArray, FloatArray]:
    """Times and weights (h) of a Gauss-Legendre quadrature on panels that grow geometrically.

    Examples
    --------
    >>> time_h, weight_h = integration_grid(4000.0)
    >>> float(round(np.exp(-0.01 * time_h) @ weight_h, 6))
    100.0
    """
    edges = np.concatenate([[0.0], np.geomspace(1e-5 * until_h, until_h, _PANELS)])
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    time = (middle[:, None] + half[:, None] * node).ravel()
    return time, (half[:, None] * weight).ravel()
