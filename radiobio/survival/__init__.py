"""Linear-quadratic survival: protraction, BED, EQD2, uniform doses, mixed fields and control."""

from radiobio.survival.effective_dose import bed_gy, eqd2_gy, repopulation_gy
from radiobio.survival.fraction import (
    isoeffective_dose_gy,
    log_survival,
    mixed_log_survival,
    rbe_weighted_dose_gy,
    tumour_control_probability,
)
from radiobio.survival.protraction import (
    lea_catcheside_g,
    lea_catcheside_g_constant_rate,
    protraction_matrix,
)
from radiobio.survival.uniform_dose import eud_gy, geud_gy

__all__ = [
    "bed_gy",
    "eqd2_gy",
    "eud_gy",
    "geud_gy",
    "isoeffective_dose_gy",
    "lea_catcheside_g",
    "lea_catcheside_g_constant_rate",
    "log_survival",
    "mixed_log_survival",
    "protraction_matrix",
    "rbe_weighted_dose_gy",
    "repopulation_gy",
    "tumour_control_probability",
]
