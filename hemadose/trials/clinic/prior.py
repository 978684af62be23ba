"""What a clinic believes of kinetics, doses and measurements before it has seen a patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dosimetry import nuclide
from foci import RepairModel, eberlein_2015
from hemadose.planning.errors import HemadosePlanningError
from hemadose.trials.clinic.dose_observations import EffectPrior
from hemadose.trials.clinic.kinetic_surrogate import Schedule
from hemadose.trials.patients.cohort_model import Cohort

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClinicPrior:
    """How the clinic's beliefs differ from the cohort it treats; nothing by default.

    Parameters
    ----------
    log_shift : mapping of str to float
        Shift of the log median of kinetic, dose or foci parameters, by name.
    log_sd_factor : float
        Factor on all standard deviations between patients and between cycles.
    kill_factor : float
        Factor on the median kill per gray of all lineages.
    residual_cv_factor : float
        Factor on the errors of measurement.

    Raises
    ------
    HemadosePlanningError
        If a factor is not above zero.
    """

    log_shift: Mapping[str, float] = field(default_factory=dict)
    log_sd_factor: float = 1.0
    kill_factor: float = 1.0
    residual_cv_factor: float = 1.0

    def __post_init__(self) -> None:
        for name in ("log_sd_factor", "kill_factor", "residual_cv_factor"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise HemadosePlanningError(f"{name} must be above zero: {getattr(self, name)}")


def effect_prior(
    cohort: Cohort,
    covariates: Mapping[str, FloatArray],
    schedule: Schedule,
    prior: ClinicPrior,
) -> EffectPrior:
    """What the clinic believes of effects and measurements.

    Parameters
    ----------
    cohort : Cohort
        The population; the foci's slope also carries the uncertainty of the calibration.
    covariates : mapping of str to ndarray (n,)
        Known before treatment.
    schedule : Schedule
        What is measured.
    prior : ClinicPrior
        How the beliefs differ from the cohort.

    Raises
    ------
    HemadosePlanningError
        If a shifted parameter is not known.
    """
    from scipy.special import digamma, polygamma

    unknown = sorted(set(prior.log_shift) - set(cohort.parameters))
    if unknown:
        raise HemadosePlanningError(
            f"log_shift names {', '.join(unknown)}; {cohort.name} has "
            f"{', '.join(cohort.parameters)}"
        )
    repair = RepairModel(eberlein_2015())
    line, shape = repair.calibration, repair.background_shape
    sd_patient = cohort.log_sd_patient.copy()
    slope = cohort.index("foci_per_gy_factor")  # the calibration's slope is not known exactly
    sd_patient[slope] = np.hypot(
        sd_patient[slope], np.sqrt(np.log1p((line.slope_sd / line.slope_per_gy) ** 2))
    )
    shift = np.array([prior.log_shift.get(name, 0.0) for name in cohort.parameters])
    decay = nuclide(cohort.nuclide).decay_per_h
    errors = [
        (
            cohort.residual[region].proportional,
            cohort.residual[region].additive * np.exp(-decay * t),
        )
        for region, times in schedule.activity
        for t in times
    ]
    cv, sd = prior.residual_cv_factor * np.array(errors).reshape(-1, 2).T
    return EffectPrior(
        log_offset=cohort.offsets(covariates) + shift,
        log_sd_patient=sd_patient * prior.log_sd_factor,
        log_sd_cycle=cohort.log_sd_cycle * prior.log_sd_factor,
        sample_cv=cv,
        sample_sd=sd,
        foci_cells=schedule.foci_cells,
        background_log_mean=float(digamma(shape) + np.log(repair.background_mean_per_cell / shape)),
        background_log_sd=float(np.sqrt(polygamma(1, shape))),
    )
