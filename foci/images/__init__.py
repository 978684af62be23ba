"""Foci in microscope images: nuclei, spots, probabilities, and simulated images to test them."""

from foci.images.classify import FociModel, default_model
from foci.images.detect import (
    DetectedObjects,
    ImageCounts,
    Nucleus,
    count_foci,
)
from foci.images.image import NucleusImage
from foci.images.overlay import plot_overlay, write_overlay
from foci.images.pooling import foci_sample, recalibrate
from foci.images.quality import NucleusQuality, assess_nuclei
from foci.images.reading import read_image
from foci.images.segment import Segmentation, segment_nuclei
from foci.images.simulate import SimulatedImage, simulate_image
from foci.images.simulate_conditions import (
    Cells,
    Conditions,
    Microscope,
    Staining,
    random_conditions,
)

__all__ = [
    "Cells",
    "Conditions",
    "DetectedObjects",
    "FociModel",
    "ImageCounts",
    "Microscope",
    "Nucleus",
    "NucleusImage",
    "NucleusQuality",
    "Segmentation",
    "SimulatedImage",
    "Staining",
    "assess_nuclei",
    "count_foci",
    "default_model",
    "foci_sample",
    "plot_overlay",
    "random_conditions",
    "read_image",
    "recalibrate",
    "segment_nuclei",
    "simulate_image",
    "write_overlay",
]
