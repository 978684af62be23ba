"""Dose-volume histograms: how much of a region receives how much dose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.voxels.contours import contour_points, require_supersample
from dosimetry.voxels.image import FloatArray, VoxelImage
from dosimetry.voxels.regions import Mask, region_weights

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class DoseVolumeHistogram:
    """Doses of a region with the volume that receives each, without bins.

    Attributes
    ----------
    region : str
        Name of the region.
    dose_gy : ndarray, shape (n_points,)
        Doses in ascending order (Gy).
    point_ml : ndarray, shape (n_points,)
        Volume of each (mL).
    supersample : int
        Points along each axis of a voxel.

    Notes
    -----
    Figures are read from the sorted doses, not from a binned curve: a dose to 0.1 mL does not
    depend on the width of a bin, and no step of a small region is zero.
    """

    region: str
    dose_gy: FloatArray
    point_ml: FloatArray
    supersample: int

    @property
    def volume_ml(self) -> float:
        """Volume of the region (mL)."""
        return float(self.point_ml.sum())

    @property
    def mean_gy(self) -> float:
        """Mean dose (Gy)."""
        return float(self.dose_gy @ self.point_ml) / self.volume_ml

    @property
    def min_gy(self) -> float:
        """Lowest dose (Gy)."""
        return float(self.dose_gy[0])

    @property
    def max_gy(self) -> float:
        """Highest dose (Gy) of a point; `near_max_gy` is less prone to noise."""
        return float(self.dose_gy[-1])

    @property
    def near_max_gy(self) -> float:
        """Dose exceeded in 2 % of the volume, D2% (ICRU Report 83)."""
        return self.dose_to_hottest(pct=2.0)

    @property
    def near_min_gy(self) -> float:
        """Dose exceeded in 98 % of the volume, D98% (ICRU Report 83)."""
        return self.dose_to_hottest(pct=98.0)

    def dose_to_hottest(self, *, pct: float | None = None, ml: float | None = None) -> float:
        """Lowest dose of the hottest part of the region, D_x (Gy).

        Parameters
        ----------
        pct : float, optional
            The part in per cent of the volume, 0 to 100.
        ml : float, optional
            Or in mL.

        Raises
        ------
        DosimetryError
            If none or both are given, or the part is larger than the region.
        """
        if (pct is None) == (ml is None):
            raise DosimetryError("give the part of the volume as pct or as ml, one of them")
        whole = self.volume_ml
        part = float(ml) if ml is not None else float(pct or 0.0) / 100 * whole
        if not 0 <= part <= whole * (1 + 1e-9):
            asked = f"{ml:g} mL" if ml is not None else f"{pct:g} %"
            raise DosimetryError(
                f"{asked} is not a part of the region {self.region!r}, that has {whole:.4g} mL"
            )
        volume, dose = self.point_ml[::-1], self.dose_gy[::-1]
        middle = np.cumsum(volume) - 0.5 * volume
        return float(np.interp(part, middle, dose))

    def volume_above(self, dose_gy: npt.ArrayLike) -> FloatArray:
        """Volume that receives at least a dose, V_x (mL), shape of `dose_gy`."""
        below = np.concatenate([[0.0], np.cumsum(self.point_ml)])
        given = np.asarray(dose_gy, dtype=np.float64)
        return np.asarray(below[-1] - below[np.searchsorted(self.dose_gy, given, side="left")])

    def geud_gy(self, a: float) -> float:
        r"""Generalised equivalent uniform dose, :math:`(\sum_i v_i D_i^a)^{1/a}` (Gy).

        Parameters
        ----------
        a : float
            1 is the mean; large for serial organs, negative for tumours.

        References
        ----------
        Niemierko A. A generalized concept of equivalent uniform dose. Med Phys 1999;26:1100.

        Raises
        ------
        DosimetryError
            If `a` is zero or a dose is negative.
        """
        if not np.isfinite(a) or a == 0:
            raise DosimetryError(f"a must be finite and not zero, got {a!r}")
        if self.min_gy < 0:
            raise DosimetryError("the equivalent uniform dose of negative doses is not defined")
        if self.max_gy == 0 or (a < 0 and self.min_gy == 0):
            return 0.0
        scale = self.max_gy if a > 0 else self.min_gy
        share = self.point_ml / self.volume_ml
        return float(scale * (share @ (self.dose_gy / scale) ** a) ** (1 / a))

    def to_frame(self, n_bins: int = 200) -> pd.DataFrame:
        """Cumulative and differential histogram on even bins from zero to the highest dose.

        Returns
        -------
        pandas.DataFrame
            Columns ``dose_gy`` (lower edge), ``volume_ml`` (that receives at least it),
            ``volume_pct``, ``ml_per_gy`` (between this edge and the next).
        """
        import pandas as pd

        if n_bins < 1:
            raise DosimetryError(f"a histogram has one bin or more, got {n_bins!r}")
        top = max(self.max_gy * (1 + 1e-9), 1e-300)
        edges = np.linspace(min(0.0, self.min_gy), top, n_bins + 1)
        above = self.volume_above(edges)
        return pd.DataFrame(
            {
                "dose_gy": edges[:-1],
                "volume_ml": above[:-1],
                "volume_pct": 100 * above[:-1] / self.volume_ml,
                "ml_per_gy": (above[:-1] - above[1:]) / np.diff(edges),
            }
        )


def dose_volume_histogram(
    dose_gy: VoxelImage,
    region: Mask | Sequence[npt.ArrayLike],
    *,
    name: str = "region",
    supersample: int | None = None,
    slice_mm: float | None = None,
) -> DoseVolumeHistogram:
    """Dose-volume histogram of a region.

    Parameters
    ----------
    dose_gy : VoxelImage
        Dose (``"Gy"``).
    region : VoxelImage, ndarray, or list of array_like
        A mask (True and False, or shares of voxels), or a list of polygons of shape
        (n_points, 3) in mm, see `contour_fractions`.
    name : str
        Name of the region.
    supersample : int, optional
        Points along each axis of a voxel. If missing, 1 for a mask: its voxels as they are, so
        that the mean is that of `region_statistics`; for polygons as many as bring the region to
        some 50 000 points (3 to 24).
    slice_mm : float, optional
        Thickness of slices, for polygons.

    Returns
    -------
    DoseVolumeHistogram

    Raises
    ------
    DosimetryError
        If the unit is not Gy, the region is empty or leaves the map, or a dose is not finite.

    Notes
    -----
    With more than one point a voxel, doses between the centres of voxels are interpolated linearly
    along each axis: at a steep edge, that blends the doses on either side over one voxel. Past
    the outermost centres the last dose holds. A small region drawn on coarse voxels has its volume
    from the polygons, not from the voxels whose centre they hold. The end caps of a region are
    half a slice beyond its first and last contour.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.broadcast_to(np.arange(10.0)[:, None, None], (10, 10, 10))
    >>> dose = VoxelImage(ramp, np.diag([10.0, 10.0, 10.0, 1.0]), "Gy")
    >>> histogram = dose_volume_histogram(dose, np.ones((10, 10, 10), dtype=bool), supersample=1)
    >>> histogram.mean_gy, histogram.dose_to_hottest(pct=15.0)
    (4.5, 8.0)
    """
    if dose_gy.unit != "Gy":
        raise DosimetryError(f"a dose-volume histogram needs a map in 'Gy', got {dose_gy.unit!r}")
    if isinstance(region, (VoxelImage, np.ndarray)):
        index, volume, points = _mask_points(dose_gy, region, name, supersample)
    else:
        index, volume, points = contour_points(
            region, dose_gy, supersample=supersample, slice_mm=slice_mm
        )
    values = _at(dose_gy, index, interpolate=points > 1)
    if not np.isfinite(values).all():
        raise DosimetryError(f"the dose is not finite in part of the region {name!r}")
    order = np.argsort(values, kind="stable")
    return DoseVolumeHistogram(name, values[order], volume[order], points)


def _mask_points(
    dose: VoxelImage, mask: Mask, name: str, supersample: int | None
) -> tuple[FloatArray, FloatArray, int]:
    weights = region_weights(mask, dose, name)
    centres = np.argwhere(weights > 0).T.astype(np.float64)
    share = weights[weights > 0] * dose.voxel_ml
    fine = 1 if supersample is None else require_supersample(supersample)
    offset = (np.arange(fine) + 0.5) / fine - 0.5
    cube = np.stack(np.meshgrid(offset, offset, offset, indexing="ij")).reshape(3, -1)
    index = (centres[:, :, None] + cube[:, None, :]).reshape(3, -1)
    return index, np.repeat(share / fine**3, fine**3), fine


def _at(dose: VoxelImage, index: FloatArray, *, interpolate: bool) -> FloatArray:
    values = np.asarray(dose.values)
    if not interpolate:
        return np.asarray(values[tuple(np.rint(index).astype(np.int64))], dtype=np.float64)
    from scipy.ndimage import map_coordinates

    low = np.maximum(np.floor(index.min(axis=1)).astype(int), 0)
    high = np.minimum(np.ceil(index.max(axis=1)).astype(int) + 1, dose.shape)
    box = values[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(np.float64)
    return np.asarray(map_coordinates(box, index - low[:, None], order=1, mode="nearest"))
