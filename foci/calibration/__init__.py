"""Calibration curves: fitted, taken from papers, between laboratories and over time."""

from foci.calibration.check import CurveCheck, check_curve
from foci.calibration.curve import CalibrationCurve, calibration_line
from foci.calibration.fit import CalibrationFit, fit_calibration
from foci.calibration.laboratories import LaboratoryCurves, combine_laboratories
from foci.calibration.published import eberlein_2015
from foci.calibration.store import read_curve, write_curve
from foci.calibration.time_dependent import (
    SlopeDecay,
    convert_curve,
    fit_slope_decay,
    unrepaired_share,
)

__all__ = [
    "CalibrationCurve",
    "CalibrationFit",
    "CurveCheck",
    "LaboratoryCurves",
    "SlopeDecay",
    "calibration_line",
    "check_curve",
    "combine_laboratories",
    "convert_curve",
    "eberlein_2015",
    "fit_calibration",
    "fit_slope_decay",
    "read_curve",
    "unrepaired_share",
    "write_curve",
]
