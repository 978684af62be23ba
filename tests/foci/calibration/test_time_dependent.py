from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, optimize

from foci.calibration import (
    CalibrationCurve,
    calibration_line,
    convert_curve,
    eberlein_2015,
    fit_slope_decay,
    unrepaired_share,
)
from foci.errors import FociError
from foci.repair.prior import RepairModel, draw_repair
from radiobio.damage.dsb import induction_from_apparent_slope

RATES = {"repair_rate_per_h": [0.97, 0.038], "fraction": [0.83, 0.17]}


@pytest.mark.parametrize(("irradiation_h", "repair_h"), [(1.0, 0.0), (1.0, 4.0), (3.0, 24.0)])
def test_share_against_an_integral(irradiation_h, repair_h):
    def left(start):
        age = irradiation_h + repair_h - start
        return 0.83 * np.exp(-0.97 * age) + 0.17 * np.exp(-0.038 * age)

    expected = integrate.quad(left, 0, irradiation_h)[0] / irradiation_h
    share = unrepaired_share(irradiation_h=irradiation_h, repair_h=repair_h, **RATES)
    assert share == pytest.approx(expected, rel=1e-10)


def test_published_means_of_samples_irradiated_for_an_hour():
    # 0.72, 0.26 and 0.04 foci per cell at 0, 4 and 24 h after 50.1 mGy, k = 0.25 /h (PMC8940852)
    line = calibration_line(0.72 / 0.0501, 0.1)
    for repair_h, foci, sd in ((4.0, 0.26, 0.09), (24.0, 0.04, 0.09)):
        later = convert_curve(line, irradiation_h=1.0, repair_h=repair_h, repair_rate_per_h=0.25)
        assert later.slope_per_gy * 0.0501 == pytest.approx(foci, abs=0.5 * sd)


def test_a_slope_is_corrected_once():
    line = eberlein_2015()
    acute = convert_curve(line, irradiation_h=0.0, repair_h=0.0, **RATES)
    again = convert_curve(acute, irradiation_h=0.0, repair_h=0.0, **RATES)
    assert again.slope_per_gy == acute.slope_per_gy
    back = convert_curve(again, irradiation_h=1.0, repair_h=0.0, **RATES)
    assert back.coefficients == pytest.approx(line.coefficients, rel=1e-12)
    assert back.covariance == pytest.approx(line.covariance, rel=1e-12)
    one_pool = convert_curve(line, irradiation_h=0.0, repair_h=0.0, repair_rate_per_h=0.25)
    induction = induction_from_apparent_slope(14.7, 0.25, 1.0)
    assert one_pool.slope_per_gy == pytest.approx(float(induction), rel=1e-12)
    # through a third protocol or straight: the same
    far = {"irradiation_h": 2.0, "repair_h": 24.0}
    direct, detour = convert_curve(line, **far, **RATES), convert_curve(acute, **far, **RATES)
    assert direct.slope_per_gy == pytest.approx(detour.slope_per_gy, rel=1e-12)
    assert any("ASSUMED" in words for words in direct.assumptions[2:])


def test_the_background_is_not_repaired():
    line = calibration_line(10.0, 1.0, intercept_per_cell=0.3, intercept_sd=0.05, covariance=-0.02)
    later = convert_curve(line, irradiation_h=1.0, repair_h=8.0, repair_rate_per_h=0.25)
    factor = later.slope_per_gy / 10.0
    assert later.intercept_per_cell == 0.3
    assert later.covariance == pytest.approx(
        np.array([[0.05**2, -0.02 * factor], [-0.02 * factor, factor**2]])
    )


def test_uncertain_rates_widen_the_slope():
    rate = np.random.default_rng(1).lognormal(np.log(0.25), 0.2, (50_000, 1))
    line = calibration_line(10.0, 1.0)
    later = convert_curve(line, irradiation_h=1.0, repair_h=4.0, repair_rate_per_h=rate)
    slope = np.random.default_rng(2).normal(10.0, 1.0, len(rate))
    simulated = slope * np.exp(-4 * rate[:, 0])
    assert later.slope_per_gy == pytest.approx(simulated.mean(), rel=0.01)
    assert later.slope_sd == pytest.approx(simulated.std(), rel=0.02)


def test_only_lines_are_converted():
    curve = CalibrationCurve(np.array([0.1, 1.0, 1.0]), np.eye(3) * 0.01)
    with pytest.raises(FociError, match="only a calibration line"):
        convert_curve(curve, irradiation_h=0.0, repair_h=0.0, repair_rate_per_h=0.25)
    with pytest.raises(FociError, match="no foci are left"):
        convert_curve(eberlein_2015(), irradiation_h=1.0, repair_h=1e5, repair_rate_per_h=0.25)


TIME = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 24.0, 48.0])
INDUCTION, FRACTION = 16.0, np.array([0.8, 0.2])
TRUE = {"repair_rate_per_h": [0.9, 0.03], "fraction": FRACTION}


def curves_at(time, rng=None, cv=0.03, irradiation_h=1.0):
    result = []
    for wait in time:
        slope = INDUCTION * float(
            unrepaired_share(irradiation_h=irradiation_h, repair_h=wait, **TRUE)
        )
        seen = slope if rng is None else rng.normal(slope, cv * slope)
        result.append(
            calibration_line(seen, cv * slope, irradiation_h=irradiation_h, repair_h=wait)
        )
    return result


def test_induction_and_repair_come_back_from_slopes_over_time():
    decay = fit_slope_decay(curves_at(TIME))
    assert decay.rate_per_h == pytest.approx([0.9, 0.03], rel=1e-6)
    assert decay.induction_per_gy == pytest.approx(INDUCTION, rel=1e-6)
    assert decay.fraction == pytest.approx(FRACTION, rel=1e-6)
    assert decay.status == "ok"
    # so the slope at any time is that of the repair model
    at = INDUCTION * unrepaired_share(irradiation_h=1.0, repair_h=6.0, **TRUE)
    assert decay.slope_per_gy(6.0) == pytest.approx(float(at), rel=1e-6)


def test_slope_decay_against_another_optimiser_and_its_spread():
    rng = np.random.default_rng(3)
    curves = curves_at(TIME, rng)
    decay = fit_slope_decay(curves)

    def slope(t, p1, p2, k1, k2):
        return p1 * np.exp(-k1 * t) + p2 * np.exp(-k2 * t)

    best, covariance = optimize.curve_fit(
        slope,
        TIME,
        [c.slope_per_gy for c in curves],
        [10, 3, 1, 0.05],
        [c.slope_sd for c in curves],
        absolute_sigma=True,
    )
    assert np.concatenate([decay.amplitude_per_gy, decay.rate_per_h]) == pytest.approx(
        best, rel=1e-4
    )
    gradient = np.array([np.exp(-best[2] * 6), np.exp(-best[3] * 6), 0, 0])
    gradient[2:] = -6 * best[:2] * gradient[:2]
    sd = np.sqrt(gradient @ covariance @ gradient)
    assert decay.slope_sd(6.0) == pytest.approx(sd, rel=1e-3)


def test_chi_square_of_the_decay_is_calibrated():
    rng = np.random.default_rng(4)
    p_values = [fit_slope_decay(curves_at(TIME, rng)).p_value for _ in range(60)]
    assert 0.35 < np.mean(p_values) < 0.65


def test_two_pools_that_the_times_do_not_tell_apart():
    time = np.array([0.0, 0.1, 0.2, 0.3])
    single = [calibration_line(10 * np.exp(-0.3 * t), 0.5, repair_h=t) for t in time]
    assert "do not identify" in fit_slope_decay(single).status
    assert fit_slope_decay(single, n_components=1).rate_per_h == pytest.approx([0.3], rel=1e-6)


def test_series_that_give_no_decay():
    curves = curves_at(TIME)
    with pytest.raises(FociError, match="4 different repair_h"):
        fit_slope_decay(curves[:3])
    with pytest.raises(FociError, match="1 or 2"):
        fit_slope_decay(curves, n_components=3)
    with pytest.raises(FociError, match="times of irradiation differ"):
        fit_slope_decay([*curves[:-1], replace(curves[-1], irradiation_h=2.0)])
    with pytest.raises(FociError, match="standard deviation"):
        fit_slope_decay([*curves, calibration_line(1.0, 0.0)])
    with pytest.raises(FociError, match="2 amplitudes"):
        fit_slope_decay(curves, start_rate_per_h=(0.5,))
    bent = CalibrationCurve(np.array([0.1, 1.0, 1.0]), np.eye(3) * 0.01)
    with pytest.raises(FociError, match="give lines"):
        fit_slope_decay([*curves, bent])


@pytest.mark.parametrize(("irradiation_h", "repair_h"), [(1.0, 0.0), (1.0, 4.0), (0.0, 2.0)])
def test_the_repair_model_undoes_the_protocol_of_the_curve_once(irradiation_h, repair_h):
    line = convert_curve(
        calibration_line(16.0, 0.0, irradiation_h=0.0),
        irradiation_h=irradiation_h,
        repair_h=repair_h,
        repair_rate_per_h=0.25,
    )
    prior = RepairModel(line, induction_cv=0.0, calibration_rate_sd_per_h=0.0)
    draws = draw_repair(prior, 3, np.random.default_rng(1))
    assert draws.induction_per_gy == pytest.approx(16.0, rel=1e-12)
