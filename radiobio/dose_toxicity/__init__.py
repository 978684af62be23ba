"""Dose-toxicity regression of patients: grades on marrow dose and covariates, with priors."""

from radiobio.dose_toxicity.cohort_table import (
    COHORT_COLUMNS,
    CohortTable,
    cohort_of_frame,
    join_cohorts,
    read_cohort_csv,
    write_cohort_template,
)
from radiobio.dose_toxicity.fit import fit_dose_toxicity
from radiobio.dose_toxicity.plots import plot_predictive_check
from radiobio.dose_toxicity.prediction import (
    DoseAtRisk,
    RiskPrediction,
    dose_at_risk,
    predict_risk,
)
from radiobio.dose_toxicity.predictive_check import PredictiveCheck, check_predictions
from radiobio.dose_toxicity.priors import DoseToxicityPriors
from radiobio.dose_toxicity.published_priors import published_priors
from radiobio.dose_toxicity.result import DoseToxicityFit
from radiobio.dose_toxicity.store import load_fit, save_fit

__all__ = [
    "COHORT_COLUMNS",
    "CohortTable",
    "DoseAtRisk",
    "DoseToxicityFit",
    "DoseToxicityPriors",
    "PredictiveCheck",
    "RiskPrediction",
    "check_predictions",
    "cohort_of_frame",
    "dose_at_risk",
    "fit_dose_toxicity",
    "join_cohorts",
    "load_fit",
    "plot_predictive_check",
    "predict_risk",
    "published_priors",
    "read_cohort_csv",
    "save_fit",
    "write_cohort_template",
]
