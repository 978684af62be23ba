"""Where the search for a curve begins, and the bounds of its log parameters."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import numpy.typing as npt

from kinetics.curve_fits.forms import CurveForm
from kinetics.curves import FloatArray

_LOG_BOUNDS = {"amplitude": (-80.0, 80.0), "tia": (-80.0, 80.0), "half_life": (-12.0, 22.0),
               "odds": (-30.0, 30.0)}  # fmt: skip


def log_bounds(form: CurveForm) -> FloatArray:
    """Bounds of the log parameters, shape (p, 2)."""
    return np.array(
        [next(b for key, b in _LOG_BOUNDS.items() if key in name) for name in form.parameters]
    )


def grid_of_starts(form: CurveForm, time_h: FloatArray) -> FloatArray:
    """Log parameters of the grid, shape (n_starts, p), zero for what is linear."""
    low, high = (time_h.min(), time_h.max()) if len(time_h) else (1.0, 100.0)
    names = [name for i, name in enumerate(form.parameters) if i not in form.linear]
    n_lives = sum("half_life" in name for name in names)
    n_grid = {0: 1, 1: 36, 2: 20, 3: 10}[n_lives]
    lives = np.geomspace(0.3 * min(low, high / 4), 8.0 * high, n_grid)
    axes: Mapping[str, npt.ArrayLike] = {
        name: lives if "half_life" in name else [0.05, 0.5, 5.0] for name in names
    }
    points = np.array(list(product(*(np.asarray(axes[name]) for name in names)))).reshape(
        -1, len(names)
    )
    points = points[_sensible(form, points, names)]
    starts = np.zeros((len(points), form.n_parameters))
    starts[:, [form.parameters.index(name) for name in names]] = np.log(points)
    return starts


def _sensible(form: CurveForm, points: FloatArray, names: list[str]) -> npt.NDArray[np.bool_]:
    """Leave out what another start covers: phases out of order, uptake much slower than loss."""
    keep = np.ones(len(points), dtype=bool)
    if form.shape in ("washout", "split"):
        lives = points[:, [i for i, name in enumerate(names) if "half_life" in name]]
        keep &= (np.diff(lives, axis=1) > 0).all(1)
    elif {"half_life_h", "uptake_half_life_h"} <= set(names):
        loss = points[:, names.index("half_life_h")]
        keep &= points[:, names.index("uptake_half_life_h")] < 2 * loss
    return keep
