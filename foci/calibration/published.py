"""Calibration curves taken from papers."""

from __future__ import annotations

from foci.calibration.curve import CalibrationCurve, calibration_line
from foci.errors import FociError


def eberlein_2015(*, slope_cv: float = 0.10) -> CalibrationCurve:
    """Line of two-marker foci (gamma-H2AX and 53BP1) in lymphocytes, 131I and 177Lu in vitro.

    Parameters
    ----------
    slope_cv : float
        Relative standard deviation of the slope. ASSUMED 10 %: an independent ex vivo group of
        the same laboratory (0.72 foci per cell at 50.1 mGy, PMC8940852) agrees with the slope
        to 2 %; the rest allows for other counters.

    References
    ----------
    Eberlein U et al. PLoS ONE 2015;10:e0123174, doi:10.1371/journal.pone.0123174:
    0.0147 foci per cell and mGy after 1 h of irradiation.

    Examples
    --------
    >>> float(eberlein_2015().mean_per_cell(0.1).round(2))
    1.47
    """
    if slope_cv < 0:
        raise FociError(f"slope_cv must be zero or positive, got {slope_cv}")
    return calibration_line(
        slope_per_gy=14.7,
        slope_sd=14.7 * slope_cv,
        source="Eberlein 2015, PLoS ONE 10:e0123174",
        assumptions=(
            "calibration line of one laboratory (Eberlein 2015); lines of different laboratories "
            "differ by an order of magnitude",
            f"slope CV of {slope_cv:.0%} ASSUMED",
        ),
    )
