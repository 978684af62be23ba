"""S values of the reference adults for any nuclide, split by radiation, and how they scale."""

from dosimetry.s_values.absorbed_fractions import (
    MARROW_MODELS,
    saf_fit_error,
    specific_absorbed_fraction,
)
from dosimetry.s_values.reference import (
    MARROW_MODEL_NOTES,
    MarrowModelSpread,
    marrow_model_spread,
    s_value_table,
)
from dosimetry.s_values.table import (
    PHOTON_SCALINGS,
    SValue,
    SValueTable,
    Value,
    scaled_cross_s_value,
    scaled_self_s_value,
)

__all__ = [
    "MARROW_MODELS",
    "MARROW_MODEL_NOTES",
    "PHOTON_SCALINGS",
    "MarrowModelSpread",
    "SValue",
    "SValueTable",
    "Value",
    "marrow_model_spread",
    "s_value_table",
    "saf_fit_error",
    "scaled_cross_s_value",
    "scaled_self_s_value",
    "specific_absorbed_fraction",
]
