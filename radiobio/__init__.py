"""What the dose does: DNA damage, survival, blood counts and their toxicity grades."""

from radiobio.count_fit import CountPosterior, fit_counts
from radiobio.dsb import foci_after_irradiation, foci_per_cell, induction_from_apparent_slope
from radiobio.errors import RadiobioError
from radiobio.hematopoiesis import CountCourse, CountParameters, reaches_grade, simulate_counts
from radiobio.lineage_priors import LineagePrior, lineage_prior
from radiobio.survival import bed_gy, eqd2_gy, lea_catcheside_g, lea_catcheside_g_constant_rate
from radiobio.toxicity import GRADE3_LIMIT, ctcae_grade, ctcae_limits

__all__ = [
    "GRADE3_LIMIT",
    "CountCourse",
    "CountParameters",
    "CountPosterior",
    "LineagePrior",
    "RadiobioError",
    "bed_gy",
    "ctcae_grade",
    "ctcae_limits",
    "eqd2_gy",
    "fit_counts",
    "foci_after_irradiation",
    "foci_per_cell",
    "induction_from_apparent_slope",
    "lea_catcheside_g",
    "lea_catcheside_g_constant_rate",
    "lineage_prior",
    "reaches_grade",
    "simulate_counts",
]
