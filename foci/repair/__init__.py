"""Induction and repair of foci: known beforehand, or fitted to patients, groups, populations."""

from foci.repair.exposure import ExVivoIrradiation
from foci.repair.group_means import RepairMeansFit, fit_repair_means
from foci.repair.patient_fit import fit_repair
from foci.repair.population import RepairPopulation, fit_repair_population
from foci.repair.prior import RepairDraws, RepairModel, draw_repair
from foci.repair.result import PoolComparison, RepairFit

__all__ = [
    "ExVivoIrradiation",
    "PoolComparison",
    "RepairDraws",
    "RepairFit",
    "RepairMeansFit",
    "RepairModel",
    "RepairPopulation",
    "draw_repair",
    "fit_repair",
    "fit_repair_means",
    "fit_repair_population",
]
