"""Activity maps to dose maps: voxel kernels, convolution, dose-volume histograms."""

from dosimetry.recovery import (
    RECOVERY_FORMS,
    RecoveredActivity,
    RecoveryCurve,
    fit_recovery,
    plot_recovery,
    recovered_activity,
    sphere_peak_recovery,
    sphere_recovery,
    sphere_volume_ml,
)
from dosimetry.voxels.contours import contour_fractions
from dosimetry.voxels.convolution import convolve
from dosimetry.voxels.density import LEAST_DENSITY_G_PER_ML, density_scaled
from dosimetry.voxels.dose import dose_map, map_notes
from dosimetry.voxels.dvh import DoseVolumeHistogram, dose_volume_histogram
from dosimetry.voxels.image import VoxelImage, require_same_grid
from dosimetry.voxels.kernel import VoxelKernel, voxel_kernel
from dosimetry.voxels.marrow_map import (
    VERTEBRA_MODELS,
    VertebralMarrowDose,
    marrow_weighted_dose,
    red_marrow_map,
    vertebral_marrow_dose,
)
from dosimetry.voxels.plots import plot_dvh, plot_slice
from dosimetry.voxels.regions import (
    RegionStatistics,
    region_masks,
    region_statistics,
    region_weights,
    resample_mask,
)
from dosimetry.voxels.tia_map import TIA_METHODS, tia_map
from dosimetry.voxels.tia_result import TIA_STATUS, TiaMap
from dosimetry.voxels.tia_scaled import shared_tia_map, single_time_tia_map

__all__ = [
    "LEAST_DENSITY_G_PER_ML",
    "RECOVERY_FORMS",
    "TIA_METHODS",
    "TIA_STATUS",
    "VERTEBRA_MODELS",
    "DoseVolumeHistogram",
    "RecoveredActivity",
    "RecoveryCurve",
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
    "fit_recovery",
    "map_notes",
    "marrow_weighted_dose",
    "plot_dvh",
    "plot_recovery",
    "plot_slice",
    "recovered_activity",
    "red_marrow_map",
    "region_masks",
    "region_statistics",
    "region_weights",
    "require_same_grid",
    "resample_mask",
    "shared_tia_map",
    "single_time_tia_map",
    "sphere_peak_recovery",
    "sphere_recovery",
    "sphere_volume_ml",
    "tia_map",
    "vertebral_marrow_dose",
    "voxel_kernel",
]
