"""What the blood says about the dose: counted DNA-damage foci, calibrated and modelled."""

from foci.agreement import DoseAgreement, agreement
from foci.calibration import LinearCalibration, eberlein_2015, fit_linear_calibration
from foci.counts import (
    DispersionTest,
    ExcessFoci,
    FociSample,
    dispersion_test,
    excess_per_cell,
    log_likelihood,
    p_value_against_baseline,
)
from foci.errors import FociError
from foci.estimate import DosePrior, FociDoseEstimate, blood_dose_from_foci, predict_foci
from foci.inverse import InverseDose, dose_from_line
from foci.limits import DetectionLimits, detection_limits
from foci.repair import RepairDraws, RepairModel, draw_repair
from foci.update import FociUpdate, update_draws

__all__ = [
    "DetectionLimits",
    "DispersionTest",
    "DoseAgreement",
    "DosePrior",
    "ExcessFoci",
    "FociDoseEstimate",
    "FociError",
    "FociSample",
    "FociUpdate",
    "InverseDose",
    "LinearCalibration",
    "RepairDraws",
    "RepairModel",
    "agreement",
    "blood_dose_from_foci",
    "detection_limits",
    "dispersion_test",
    "dose_from_line",
    "draw_repair",
    "eberlein_2015",
    "excess_per_cell",
    "fit_linear_calibration",
    "log_likelihood",
    "p_value_against_baseline",
    "predict_foci",
    "update_draws",
]
