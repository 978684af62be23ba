"""How the truth of a trial differs from what its clinic believes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from hemadose.errors import HemadoseError

_POSITIVE = (
    "kill_factor",
    "outlier_factor",
    "s_value_factor",
    "kidney_factor",
    "foci_laboratory_factor",
    "kidney_alpha_beta_gy",
    "kidney_repair_half_life_h",
)
_NOT_NEGATIVE = ("activity_residual_factor", "count_residual_factor")
_SHARES = ("outlier_share", "dropout_per_cycle", "kill_correlation")


@dataclass(frozen=True)
class TruthSettings:
    """What is true in a trial's patients beyond the published models.

    Without arguments, patients are drawn from what the clinic believes.

    Parameters
    ----------
    kill_factor : float
        True log kill per gray over that of the prior, in all lineages.
    kill_correlation : float
        Correlation of the log kill between lineages of a patient, 0 to 1 (ASSUMED 0.5).
    outlier_share, outlier_factor : float
        Share of radiosensitive patients, and what their kill is multiplied with.
    covariate_effects : bool
        Whether metastases, earlier treatment, age and renal function act on the kill, as the
        prior of the counts assumes.
    reserve_loss : bool
        Whether every cycle costs marrow reserve for good, as the prior of the counts assumes.
    s_value_factor, kidney_factor : float
        True marrow and kidney dose over that of the clinic's S values.
    kidney_alpha_beta_gy, kidney_repair_half_life_h : float
        True biology of the kidneys (Gy, h), for their BED.
    activity_residual_factor, count_residual_factor : float
        Measurement errors of activities and scatter of counts over the published or assumed ones.
    foci_dispersion : float
        Variance over mean of the foci counted in a sample; one is Poisson.
    foci_laboratory_factor : float, optional
        True slope of the laboratory's calibration over the one it uses; None draws it once per
        trial from the uncertainty of the line.
    log_shift : mapping of str to float
        Added to the median log parameters of the cohort, by name: patients unlike the prior.
    covariates : mapping of str to object
        Fields of `CovariateModel` that differ from the cohort's.
    dropout_per_cycle : float
        Probability that a patient leaves before the next cycle.

    Raises
    ------
    HemadoseError
        If a value is out of its range.
    """

    kill_factor: float = 1.0
    kill_correlation: float = 0.5
    outlier_share: float = 0.0
    outlier_factor: float = 3.0
    covariate_effects: bool = True
    reserve_loss: bool = False
    s_value_factor: float = 1.0
    kidney_factor: float = 1.0
    kidney_alpha_beta_gy: float = 2.6
    kidney_repair_half_life_h: float = 2.8
    activity_residual_factor: float = 1.0
    count_residual_factor: float = 1.0
    foci_dispersion: float = 1.0
    foci_laboratory_factor: float | None = 1.0
    log_shift: Mapping[str, float] = field(default_factory=dict)
    covariates: Mapping[str, object] = field(default_factory=dict)
    dropout_per_cycle: float = 0.0

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if isinstance(value, float | int) and not np.isfinite(value):
                raise HemadoseError(f"truth {name} must be finite, got {value}")
            if name in _POSITIVE and value is not None and value <= 0:
                raise HemadoseError(f"truth {name} must be above zero, got {value}")
            if name in _NOT_NEGATIVE and value < 0:
                raise HemadoseError(f"truth {name} must be zero or more, got {value}")
            if name in _SHARES and not 0 <= value <= 1:
                raise HemadoseError(f"truth {name} must be from 0 to 1, got {value}")
        if self.foci_dispersion < 1:
            raise HemadoseError(f"truth foci_dispersion must be 1 or more: {self.foci_dispersion}")

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is assumed of the truth, in words."""
        return (
            f"ASSUMED: log kill per gray of a patient's lineages correlated, "
            f"{self.kill_correlation:g}; no correlation with the foci",
            f"ASSUMED: kidneys with alpha/beta {self.kidney_alpha_beta_gy:g} Gy and a repair "
            f"half-life of {self.kidney_repair_half_life_h:g} h",
            f"ASSUMED: {self.dropout_per_cycle:.0%} of the patients leave before each later cycle",
        )
