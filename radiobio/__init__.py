"""What the dose does: DNA damage, survival, blood counts and their toxicity grades.

The Monte Carlo of particle tracks in cell nuclei is `radiobio.tracks`, imported by its own name.
"""

from radiobio.alpha_tracks import (
    BETA_SHARE_RA223,
    alpha_tracks_per_cell,
    alpha_tracks_per_gy,
    specific_energy_per_track_gy,
    track_components,
)
from radiobio.circulation import blood_exchange_per_h, foci_in_pools, irradiated_share
from radiobio.cohort_foci import CohortFoci, cohort_foci
from radiobio.count_fit import CountPosterior, fit_counts
from radiobio.dsb import (
    foci_after_irradiation,
    foci_per_cell,
    induction_from_apparent_slope,
    visible_clusters_per_cell,
)
from radiobio.errors import RadiobioError
from radiobio.hematopoiesis import CountCourse, CountParameters, reaches_grade, simulate_counts
from radiobio.lineage_priors import LineagePrior, lineage_prior
from radiobio.published_repair import DrawsByDose, alpha_track_repair_rate, persisting_share
from radiobio.saturable_repair import saturable_foci_per_cell, saturable_repair_left
from radiobio.survival import (
    bed_gy,
    eqd2_gy,
    eud_gy,
    geud_gy,
    isoeffective_dose_gy,
    lea_catcheside_g,
    lea_catcheside_g_constant_rate,
    log_survival,
    mixed_log_survival,
    protraction_matrix,
    rbe_weighted_dose_gy,
    repopulation_gy,
    tumour_control_probability,
)
from radiobio.toxicity import GRADE3_LIMIT, ctcae_grade, ctcae_limits

__all__ = [
    "BETA_SHARE_RA223",
    "GRADE3_LIMIT",
    "CohortFoci",
    "CountCourse",
    "CountParameters",
    "CountPosterior",
    "DrawsByDose",
    "LineagePrior",
    "RadiobioError",
    "alpha_track_repair_rate",
    "alpha_tracks_per_cell",
    "alpha_tracks_per_gy",
    "bed_gy",
    "blood_exchange_per_h",
    "cohort_foci",
    "ctcae_grade",
    "ctcae_limits",
    "eqd2_gy",
    "eud_gy",
    "fit_counts",
    "foci_after_irradiation",
    "foci_in_pools",
    "foci_per_cell",
    "geud_gy",
    "induction_from_apparent_slope",
    "irradiated_share",
    "isoeffective_dose_gy",
    "lea_catcheside_g",
    "lea_catcheside_g_constant_rate",
    "lineage_prior",
    "log_survival",
    "mixed_log_survival",
    "persisting_share",
    "protraction_matrix",
    "rbe_weighted_dose_gy",
    "reaches_grade",
    "repopulation_gy",
    "saturable_foci_per_cell",
    "saturable_repair_left",
    "simulate_counts",
    "specific_energy_per_track_gy",
    "track_components",
    "tumour_control_probability",
    "visible_clusters_per_cell",
]
