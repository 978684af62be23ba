"""What the dose does: DNA damage, survival, blood counts and their toxicity grades.

The Monte Carlo of particle tracks in cell nuclei is `radiobio.tracks`, imported by its own name.
"""

from radiobio.count_fit import (
    CountPosterior,
    fit_counts,
)
from radiobio.damage import (
    BETA_SHARE_RA223,
    CohortFoci,
    DrawsByDose,
    alpha_track_repair_rate,
    alpha_tracks_per_cell,
    alpha_tracks_per_gy,
    blood_exchange_per_h,
    cohort_foci,
    foci_after_irradiation,
    foci_in_pools,
    foci_per_cell,
    induction_from_apparent_slope,
    irradiated_share,
    persisting_share,
    saturable_foci_per_cell,
    saturable_repair_left,
    specific_energy_per_track_gy,
    track_components,
    visible_clusters_per_cell,
)
from radiobio.errors import (
    RadiobioError,
)
from radiobio.hematopoiesis import (
    CountCourse,
    CountParameters,
    reaches_grade,
    simulate_counts,
)
from radiobio.lineage_priors import (
    LineagePrior,
    lineage_prior,
)
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
from radiobio.toxicity import (
    GRADE3_LIMIT,
    ctcae_grade,
    ctcae_limits,
)

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
