"""Activity maps to dose maps: voxel kernels, convolution, dose-volume histograms."""

from dosimetry.transport.voxel_kernel import VoxelKernel
from dosimetry.voxels.contours import contour_fractions
from dosimetry.voxels.convolution import convolve
from dosimetry.voxels.density import LEAST_DENSITY_G_PER_ML, density_scaled
from dosimetry.voxels.dose import dose_map, map_notes
from dosimetry.voxels.dvh import DoseVolumeHistogram, dose_volume_histogram
from dosimetry.voxels.grids import on_grid
from dosimetry.voxels.image import VoxelImage, require_same_grid
from dosimetry.voxels.kernel import voxel_kernel
from dosimetry.voxels.marrow_map import marrow_weighted_dose, red_marrow_map
from dosimetry.voxels.plots import plot_dvh, plot_slice
from dosimetry.voxels.regions import (
    RegionStatistics,
    region_masks,
    region_statistics,
    region_weights,
)
from dosimetry.voxels.tia_map import TIA_METHODS, tia_map
from dosimetry.voxels.tia_result import TIA_STATUS, TiaMap
from dosimetry.voxels.tia_scaled import shared_tia_map, single_time_tia_map
from dosimetry.voxels.vertebral_marrow import (
    VERTEBRA_MODELS,
    VertebralMarrowDose,
    vertebral_marrow_dose,
)

__all__ = [
    "LEAST_DENSITY_G_PER_ML",
    "TIA_METHODS",
    "TIA_STATUS",
    "VERTEBRA_MODELS",
    "DoseVolumeHistogram",
    "RegionStatistics",
    "TiaMap",
    "VertebralMarrowDose",
    "VoxelImage",
    "VoxelKernel",
    "contour_fractions",
    "convolve",
    "density_scaled",
    "dose_map",
    "dose_volume_histogram",
    "map_notes",
    "marrow_weighted_dose",
    "on_grid",
    "plot_dvh",
    "plot_slice",
    "red_marrow_map",
    "region_masks",
    "region_statistics",
    "region_weights",
    "require_same_grid",
    "shared_tia_map",
    "single_time_tia_map",
    "tia_map",
    "vertebral_marrow_dose",
    "voxel_kernel",
]
