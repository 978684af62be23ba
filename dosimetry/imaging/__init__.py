"""Images in and out: NIfTI, DICOM images, segmentations, contours and dose maps."""

from dosimetry.imaging.dicom_images import DicomImage, read_dicom_image
from dosimetry.imaging.label_names import read_label_names
from dosimetry.imaging.masks import Masks, read_masks
from dosimetry.imaging.nifti import nifti_label_names, read_nifti, write_nifti
from dosimetry.imaging.phantom import Phantom, torso_phantom, write_phantom
from dosimetry.imaging.rtdose import read_rtdose, write_rtdose
from dosimetry.imaging.tables import write_table
from dosimetry.imaging.units import (
    ACTIVITY_UNITS,
    DENSITY_RELATIONS,
    density_from_hu,
    in_mbq_per_ml,
)

__all__ = [
    "ACTIVITY_UNITS",
    "DENSITY_RELATIONS",
    "DicomImage",
    "Masks",
    "Phantom",
    "density_from_hu",
    "in_mbq_per_ml",
    "nifti_label_names",
    "read_dicom_image",
    "read_label_names",
    "read_masks",
    "read_nifti",
    "read_rtdose",
    "torso_phantom",
    "write_nifti",
    "write_phantom",
    "write_rtdose",
    "write_table",
]
