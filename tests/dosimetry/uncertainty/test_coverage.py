import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.special import erf

from dosimetry.recovery import recovery_curve
from dosimetry.uncertainty import DoseMeasurement, dose_uncertainty

S_VALUE_PER_G = 0.084  # Gy g/(MBq h); the dose is S / mass, so its exponent is one
FWHM_MM, FIT_SD, CALIBRATION_SD, VOI_SD = 9.0, 0.05, 0.03, 0.12
FWHM_RELATIVE_SD = 0.03
N = 2000


def counts_within(outline_mm, radius_mm, fwhm_mm):
    """Share of a blurred sphere's activity within an outline, by quadrature of its profile."""
    sigma = fwhm_mm / np.sqrt(8 * np.log(2))
    r = np.linspace(1e-6, outline_mm, 2001)
    root = np.sqrt(2) * sigma
    bell = [np.exp(-((r + sign * radius_mm) ** 2) / (2 * sigma**2)) for sign in (-1, 1)]
    profile = 0.5 * (erf((radius_mm + r) / root) + erf((radius_mm - r) / root))
    profile -= sigma / (np.sqrt(2 * np.pi) * r) * (bell[0] - bell[1])
    return trapezoid(3 * r**2 * profile, r) / radius_mm**3


@pytest.mark.slow
@pytest.mark.parametrize("volume_ml", [5.0, 20.0, 60.0])
def test_intervals_hold_the_dose_of_a_blurred_sphere(volume_ml):
    rng = np.random.default_rng(12)
    inside = 0
    radius_mm = np.cbrt(3e3 * volume_ml / (4 * np.pi))
    true_tia = 1000.0
    true_dose = true_tia * S_VALUE_PER_G / volume_ml
    for _ in range(N):
        outlined_ml = volume_ml * rng.lognormal(0, VOI_SD)
        counts = counts_within(radius_mm * np.cbrt(outlined_ml / volume_ml), radius_mm, FWHM_MM)
        counts *= rng.lognormal(0, FIT_SD) * rng.lognormal(0, CALIBRATION_SD)
        curve = recovery_curve(
            "gaussian_sphere",
            {"fwhm_mm": FWHM_MM * rng.lognormal(0, FWHM_RELATIVE_SD)},
            [[(FWHM_MM * FWHM_RELATIVE_SD) ** 2]],
            smallest_ml=1.0,
            largest_ml=200.0,
        )
        tia = true_tia * counts / float(curve(outlined_ml))
        found = dose_uncertainty(
            DoseMeasurement(
                tia_mbq_h=tia,
                tia_sd_mbq_h=FIT_SD * tia,
                s_value_gy_per_mbq_h=S_VALUE_PER_G / outlined_ml,
                volume_ml=outlined_ml,
                voi_relative_sd=VOI_SD,
                recovery=curve,
                calibration_relative_sd=CALIBRATION_SD,
                spect_fwhm_mm=FWHM_MM,
            )
        )
        error = found.dose_gy - true_dose
        inside += abs(error) < 1.645 * found.standard_uncertainty_gy
    # 0.90 within 4 binomial errors and 2 % for the first order
    assert inside / N == pytest.approx(0.90, abs=0.02 + 4 * np.sqrt(0.09 / N))
