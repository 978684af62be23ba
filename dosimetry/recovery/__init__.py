"""Partial volume: recovery curves, the blurred sphere behind them, corrected activities."""

from dosimetry.recovery.blurred_sphere import (
    counts_exponent,
    edge_share,
    sphere_diameter_mm,
    sphere_peak_recovery,
    sphere_recovery,
    sphere_volume_ml,
)
from dosimetry.recovery.corrected import RecoveredActivity, recovered_activity
from dosimetry.recovery.curve import (
    RECOVERY_FORMS,
    RecoveryCoefficient,
    RecoveryCurve,
    recovery_curve,
)
from dosimetry.recovery.fit import fit_recovery
from dosimetry.recovery.plots import plot_recovery

__all__ = [
    "RECOVERY_FORMS",
    "RecoveredActivity",
    "RecoveryCoefficient",
    "RecoveryCurve",
    "counts_exponent",
    "edge_share",
    "fit_recovery",
    "plot_recovery",
    "recovered_activity",
    "recovery_curve",
    "sphere_diameter_mm",
    "sphere_peak_recovery",
    "sphere_recovery",
    "sphere_volume_ml",
]
