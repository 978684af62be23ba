"""How much energy lands where: absorbed dose to blood, red marrow, organs and tumours.

The dose of regions is here; its parts have packages of their own: `dosimetry.s_values` (tables of
any nuclide, readers of other programs' tables), `dosimetry.recovery` (partial volume),
`dosimetry.uncertainty` (propagation and budget), `dosimetry.transport` (Monte Carlo in
water), `dosimetry.voxels` (dose maps and histograms), `dosimetry.imaging` (NIfTI and DICOM).
"""

from dosimetry.anatomy import (
    REFERENCE_BLOOD_VOLUME_ML,
    REFERENCE_MASS_G,
    Anatomy,
    reference_anatomy,
)
from dosimetry.blood import (
    BloodDoseCoefficients,
    blood_dose,
    blood_dose_coefficients,
    photon_coefficient,
    whole_blood_from_plasma,
)
from dosimetry.blood_volume import BLOOD_VOLUME_FORMULAS, blood_volume_ml
from dosimetry.chains import ChainMember, DecayChain, daughter_curves, decay_chain
from dosimetry.cohort import CohortDoses, cohort_doses
from dosimetry.errors import DosimetryError
from dosimetry.image_blood import blood_points_from_image
from dosimetry.marrow import (
    marrow_dose_blood_method,
    marrow_dose_image_method,
    red_marrow_fraction,
    red_marrow_fraction_of_share,
)
from dosimetry.marrow_blood_ratio import RMBLR_MODELS, MarrowBloodRatio, rmblr
from dosimetry.marrow_two_component import marrow_dose_two_component
from dosimetry.measured_points import MeasuredPoints
from dosimetry.metastases import METASTASIS_MODELS, SkeletalMetastasis
from dosimetry.nuclides import Nuclide, nuclide, nuclide_names
from dosimetry.organs import SOLID_ORGANS, organ_dose, tumour_dose
from dosimetry.rbe import RbeWeightedDose, rbe_weighted
from dosimetry.results import AbsorbedDose, require_same_method
from dosimetry.s_values import (
    MARROW_MODELS,
    MarrowModelSpread,
    SValue,
    SValueTable,
    marrow_model_spread,
    s_value_table,
    scaled_self_s_value,
)
from dosimetry.spheres import SOFT_TISSUE_DENSITY_G_PER_ML, sphere_s_value
from dosimetry.uncertainty import RELATIVE_UNCERTAINTY, lognormal_factor, s_value_factor
from dosimetry.whole_body import (
    HAENSCHEID_BLOOD_SHARE,
    blood_dose_from_whole_body,
    whole_body_from_retention,
    whole_body_points,
)

__all__ = [
    "BLOOD_VOLUME_FORMULAS",
    "HAENSCHEID_BLOOD_SHARE",
    "MARROW_MODELS",
    "METASTASIS_MODELS",
    "REFERENCE_BLOOD_VOLUME_ML",
    "REFERENCE_MASS_G",
    "RELATIVE_UNCERTAINTY",
    "RMBLR_MODELS",
    "SOFT_TISSUE_DENSITY_G_PER_ML",
    "SOLID_ORGANS",
    "AbsorbedDose",
    "Anatomy",
    "BloodDoseCoefficients",
    "ChainMember",
    "CohortDoses",
    "DecayChain",
    "DosimetryError",
    "MarrowBloodRatio",
    "MarrowModelSpread",
    "MeasuredPoints",
    "Nuclide",
    "RbeWeightedDose",
    "SValue",
    "SValueTable",
    "SkeletalMetastasis",
    "blood_dose",
    "blood_dose_coefficients",
    "blood_dose_from_whole_body",
    "blood_points_from_image",
    "blood_volume_ml",
    "cohort_doses",
    "daughter_curves",
    "decay_chain",
    "lognormal_factor",
    "marrow_dose_blood_method",
    "marrow_dose_image_method",
    "marrow_dose_two_component",
    "marrow_model_spread",
    "nuclide",
    "nuclide_names",
    "organ_dose",
    "photon_coefficient",
    "rbe_weighted",
    "red_marrow_fraction",
    "red_marrow_fraction_of_share",
    "reference_anatomy",
    "require_same_method",
    "rmblr",
    "s_value_factor",
    "s_value_table",
    "scaled_self_s_value",
    "sphere_s_value",
    "tumour_dose",
    "whole_blood_from_plasma",
    "whole_body_from_retention",
    "whole_body_points",
]
