"""Dose finding: Bayesian logistic model with overdose control, CRM, TITE-CRM and BOIN.

Levels are of any unit (administered activity, absorbed dose). All posteriors are computed by
deterministic quadrature and carry their numerical error; decisions near a threshold are flagged.
"""

from radiobio.dose_finding.blrm import (
    TARGET_INTERVAL,
    BlrmPosterior,
    LogisticPrior,
    blrm_posterior,
)
from radiobio.dose_finding.boin import BoinBoundaries, boin_boundaries, boin_next
from radiobio.dose_finding.crm import CrmPosterior, crm_posterior
from radiobio.dose_finding.decisions import LevelDecision, choose_level, too_toxic
from radiobio.dose_finding.outcomes import count_outcomes, read_outcomes
from radiobio.dose_finding.penalty import cibp_loss

__all__ = [
    "TARGET_INTERVAL",
    "BlrmPosterior",
    "BoinBoundaries",
    "CrmPosterior",
    "LevelDecision",
    "LogisticPrior",
    "blrm_posterior",
    "boin_boundaries",
    "boin_next",
    "choose_level",
    "cibp_loss",
    "count_outcomes",
    "crm_posterior",
    "read_outcomes",
    "too_toxic",
]
