"""Dicentrics, translocations and micronuclei: yields, doses and comparisons of laboratories."""

from foci.cytogenetics.counts import AberrationCounts, yield_table
from foci.cytogenetics.criticality import CriticalityDose, criticality_dose
from foci.cytogenetics.curves import curve_with_background, painted_curve, protracted_curve
from foci.cytogenetics.interlab import LaboratoryScores, laboratory_scores
from foci.cytogenetics.mixed_poisson import MixedDoses, mixed_poisson_doses
from foci.cytogenetics.partial_body import PartialBodyDose, partial_body_dose
from foci.cytogenetics.translocations import (
    BackgroundTranslocations,
    background_translocations,
    genome_factor,
    painted_fraction,
)
from foci.cytogenetics.whole_body import AberrationDose, whole_body_dose

__all__ = [
    "AberrationCounts",
    "AberrationDose",
    "BackgroundTranslocations",
    "CriticalityDose",
    "LaboratoryScores",
    "MixedDoses",
    "PartialBodyDose",
    "background_translocations",
    "criticality_dose",
    "curve_with_background",
    "genome_factor",
    "laboratory_scores",
    "mixed_poisson_doses",
    "painted_curve",
    "painted_fraction",
    "partial_body_dose",
    "protracted_curve",
    "whole_body_dose",
    "yield_table",
]
