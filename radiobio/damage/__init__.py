"""DNA damage under a dose rate: induction and repair of breaks, foci and alpha tracks."""

from radiobio.damage.alpha_tracks import (
    BETA_SHARE_RA223,
    alpha_tracks_per_cell,
    alpha_tracks_per_gy,
    specific_energy_per_track_gy,
    track_components,
)
from radiobio.damage.circulation import blood_exchange_per_h, foci_in_pools, irradiated_share
from radiobio.damage.cohort_foci import CohortFoci, cohort_foci
from radiobio.damage.dsb import (
    foci_after_irradiation,
    foci_per_cell,
    induction_from_apparent_slope,
    visible_clusters_per_cell,
)
from radiobio.damage.published_repair import DrawsByDose, alpha_track_repair_rate, persisting_share
from radiobio.damage.saturable_repair import saturable_foci_per_cell, saturable_repair_left

__all__ = [
    "BETA_SHARE_RA223",
    "CohortFoci",
    "DrawsByDose",
    "alpha_track_repair_rate",
    "alpha_tracks_per_cell",
    "alpha_tracks_per_gy",
    "blood_exchange_per_h",
    "cohort_foci",
    "foci_after_irradiation",
    "foci_in_pools",
    "foci_per_cell",
    "induction_from_apparent_slope",
    "irradiated_share",
    "persisting_share",
    "saturable_foci_per_cell",
    "saturable_repair_left",
    "specific_energy_per_track_gy",
    "track_components",
    "visible_clusters_per_cell",
]
