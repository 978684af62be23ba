"""How much energy lands where: absorbed dose to blood, red marrow, organs and tumours."""

from dosimetry.anatomy import (
    REFERENCE_BLOOD_VOLUME_ML,
    REFERENCE_MASS_G,
    Anatomy,
    reference_anatomy,
)
from dosimetry.blood import blood_dose, photon_coefficient, whole_blood_from_plasma
from dosimetry.errors import DosimetryError
from dosimetry.marrow import (
    RMBLR_MODELS,
    MarrowBloodRatio,
    marrow_dose_blood_method,
    marrow_dose_image_method,
    rmblr,
)
from dosimetry.nuclides import Nuclide, nuclide
from dosimetry.organs import SOLID_ORGANS, organ_dose, tumour_dose
from dosimetry.results import AbsorbedDose, require_same_method
from dosimetry.s_values import (
    MARROW_MODELS,
    SValue,
    SValueTable,
    has_s_values,
    s_value_table,
    scaled_self_s_value,
)
from dosimetry.spheres import SOFT_TISSUE_DENSITY_G_PER_ML, csda_range, sphere_s_value
from dosimetry.uncertainty import RELATIVE_UNCERTAINTY, lognormal_factor, s_value_factor

__all__ = [
    "MARROW_MODELS",
    "REFERENCE_BLOOD_VOLUME_ML",
    "REFERENCE_MASS_G",
    "RELATIVE_UNCERTAINTY",
    "RMBLR_MODELS",
    "SOFT_TISSUE_DENSITY_G_PER_ML",
    "SOLID_ORGANS",
    "AbsorbedDose",
    "Anatomy",
    "DosimetryError",
    "MarrowBloodRatio",
    "Nuclide",
    "SValue",
    "SValueTable",
    "blood_dose",
    "csda_range",
    "has_s_values",
    "lognormal_factor",
    "marrow_dose_blood_method",
    "marrow_dose_image_method",
    "nuclide",
    "organ_dose",
    "photon_coefficient",
    "reference_anatomy",
    "require_same_method",
    "rmblr",
    "s_value_factor",
    "s_value_table",
    "scaled_self_s_value",
    "sphere_s_value",
    "tumour_dose",
    "whole_blood_from_plasma",
]
