"""Foci counted: samples, slides and readers, their dispersion and their likelihood."""

from foci.counting.counts import (
    ExcessFoci,
    FociSample,
    excess_per_cell,
    log_likelihood,
    p_value_against_baseline,
)
from foci.counting.dispersion import DispersionTest, IndexTest, dispersion_test, index_test
from foci.counting.distributions import DistributionFit, fit_distribution
from foci.counting.positive_cells import PositiveCells, positive_cells
from foci.counting.reader_effect import ReaderEffect, reader_effect
from foci.counting.reading_counts import CountRow, CountTable, read_counts
from foci.counting.slides import PooledSlides, SlideCounts, pool_slides

__all__ = [
    "CountRow",
    "CountTable",
    "DispersionTest",
    "DistributionFit",
    "ExcessFoci",
    "FociSample",
    "IndexTest",
    "PooledSlides",
    "PositiveCells",
    "ReaderEffect",
    "SlideCounts",
    "dispersion_test",
    "excess_per_cell",
    "fit_distribution",
    "index_test",
    "log_likelihood",
    "p_value_against_baseline",
    "pool_slides",
    "positive_cells",
    "read_counts",
    "reader_effect",
]
