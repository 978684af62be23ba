"""Maps of time-integrated activity, with what was done in each voxel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosimetry.voxels.image import VoxelImage

if TYPE_CHECKING:
    import pandas as pd

TIA_STATUS = {
    0: "outside of the mask",
    1: "fitted",
    2: "slowest rate allowed: the tail is physical decay",
    3: "fastest rate allowed: the samples tell no more",
    4: "not fitted (no positive amplitude): fallback rate, noise kept",
}
"""Meaning of the codes in a status map."""


@dataclass(frozen=True, eq=False)
class TiaMap:
    """Time-integrated activity of each voxel.

    Attributes
    ----------
    tia : VoxelImage
        Time-integrated activity concentration (MBq h/mL).
    standard_error : VoxelImage or None
        Standard error from the noise of the images (MBq h/mL); None without a noise model.
        Neighbours share noise: errors of voxels do not add in quadrature. Where a rate was
        held at a bound or taken as given, it counts as known.
    rate_per_h : VoxelImage or None
        Effective rate of the last phase (1/h); None where all voxels share a curve.
    status : VoxelImage
        Codes, see `TIA_STATUS`.
    method : str
        How the curves were integrated.
    assumptions, notes : tuple of str
        What was assumed, and what to know of the images.
    """

    tia: VoxelImage
    standard_error: VoxelImage | None
    rate_per_h: VoxelImage | None
    status: VoxelImage
    method: str
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row a status: code, meaning, number of voxels, their TIA (MBq h)."""
        import pandas as pd

        code = np.asarray(self.status.values).ravel().astype(np.int64)
        tia = np.asarray(self.tia.values).ravel().astype(np.float64) * self.tia.voxel_ml
        size = max(TIA_STATUS) + 1
        count = np.bincount(code, minlength=size)
        total = np.bincount(code, weights=tia, minlength=size)
        return pd.DataFrame(
            [
                {"code": c, "status": text, "n_voxels": int(count[c]), "tia_mbq_h": total[c]}
                for c, text in TIA_STATUS.items()
                if count[c]
            ]
        )
