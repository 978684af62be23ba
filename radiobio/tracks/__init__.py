"""Particles that hit the nucleus of a lymphocyte in radioactive blood, and what they leave there.

`simulate_hits` draws the hits of a nuclide's electrons and alpha particles, `breaks_per_cell` turns
them into breaks or foci over cells, `specific_energy_distribution` into doses over nuclei.
"""

from radiobio.tracks.counts import CellCounts, breaks_per_cell, specific_energy_distribution
from radiobio.tracks.hits import (
    CELL_RADIUS_UM,
    NUCLEUS_RADIUS_UM,
    REGIONS,
    TRACK_ASSUMPTIONS,
    simulate_hits,
    simulate_particle_hits,
)
from radiobio.tracks.plots import plot_cell_counts, plot_event_sizes
from radiobio.tracks.spectrum import PARTICLES, HitSpectrum
from radiobio.tracks.stopping import alpha_range, alpha_stopping_power
from radiobio.tracks.yields import DSB_PER_GY, DSB_PER_GY_GBP, FOCI_PER_GY

__all__ = [
    "CELL_RADIUS_UM",
    "DSB_PER_GY",
    "DSB_PER_GY_GBP",
    "FOCI_PER_GY",
    "NUCLEUS_RADIUS_UM",
    "PARTICLES",
    "REGIONS",
    "TRACK_ASSUMPTIONS",
    "CellCounts",
    "HitSpectrum",
    "alpha_range",
    "alpha_stopping_power",
    "breaks_per_cell",
    "plot_cell_counts",
    "plot_event_sizes",
    "simulate_hits",
    "simulate_particle_hits",
    "specific_energy_distribution",
]
