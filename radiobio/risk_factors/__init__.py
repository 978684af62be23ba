"""Which patients will have severe toxicity: risk models honest at small numbers of patients."""

from radiobio.risk_factors.assessment import THRESHOLDS, RiskAssessment, assess_risk_factors
from radiobio.risk_factors.cross_validation import OutOfFold
from radiobio.risk_factors.data import risk_table
from radiobio.risk_factors.final_model import PredictedRisk, RiskModel, fit_risk_model
from radiobio.risk_factors.performance import (
    CalibrationCurve,
    DecisionCurve,
    Difference,
    Estimate,
)
from radiobio.risk_factors.plots import plot_risk_assessment
from radiobio.risk_factors.settings import FitSettings
from radiobio.risk_factors.simulated_cohort import GROENER, simulated_psma_cohort
from radiobio.risk_factors.store import model_from_dict, model_to_dict

__all__ = [
    "GROENER",
    "THRESHOLDS",
    "CalibrationCurve",
    "DecisionCurve",
    "Difference",
    "Estimate",
    "FitSettings",
    "OutOfFold",
    "PredictedRisk",
    "RiskAssessment",
    "RiskModel",
    "assess_risk_factors",
    "fit_risk_model",
    "model_from_dict",
    "model_to_dict",
    "plot_risk_assessment",
    "risk_table",
    "simulated_psma_cohort",
]
