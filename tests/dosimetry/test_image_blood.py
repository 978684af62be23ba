import numpy as np
import pytest

from dosimetry import (
    DosimetryError,
    blood_dose,
    lognormal_factor,
    nuclide,
    reference_anatomy,
)
from dosimetry.image_blood import blood_points_from_image
from dosimetry.recovery import RecoveryCoefficient
from kinetics import ActivitySample, SumOfExponentials, fit_patient, region_model

DECAY = nuclide("Lu-177").decay_per_h
TIMES = np.array([1.0, 4.0, 24.0, 72.0, 168.0])
BLOOD = SumOfExponentials([0.25, 0.02], [0.35, 0.012])
MYOCARDIUM = 0.4 * BLOOD(TIMES)
MAN = reference_anatomy("male")


def test_correction_undoes_recovery_and_spill_in():
    shown = 0.75 * BLOOD(TIMES) + 0.2 * MYOCARDIUM
    points = blood_points_from_image(
        TIMES,
        shown,
        recovery=RecoveryCoefficient(0.75),
        voi_sd_mbq_per_ml=0.01 * shown,
        surroundings_mbq_per_ml=MYOCARDIUM,
        spill_in=0.2,
    )
    np.testing.assert_allclose(points.value, BLOOD(TIMES))
    np.testing.assert_allclose(points.noise_sd, 0.01 * shown / 0.75)


def test_errors_against_monte_carlo():
    rng, n = np.random.default_rng(4), 200_000
    shown = 0.75 * BLOOD(TIMES) + 0.2 * MYOCARDIUM
    points = blood_points_from_image(
        TIMES,
        shown,
        recovery=RecoveryCoefficient(0.75, sd=0.03),
        voi_sd_mbq_per_ml=0.05 * shown,
        surroundings_mbq_per_ml=MYOCARDIUM,
        spill_in=0.2,
        spill_in_sd=0.05,
    )
    voi = shown + 0.05 * shown * rng.standard_normal((n, 5))
    spill = 0.2 + 0.05 * rng.standard_normal((n, 1))
    draws = (voi - spill * MYOCARDIUM) / (0.75 + 0.03 * rng.standard_normal((n, 1)))
    np.testing.assert_allclose(points.sd, draws.std(0), rtol=0.02)
    assert points.common_cv == pytest.approx(0.04)


def test_image_curve_feeds_the_blood_dose():
    """Five scans of the aorta, fitted by fit_patient, give the dose of the true curve."""
    rng = np.random.default_rng(12)
    shown = 0.75 * BLOOD(TIMES) * (1 + 0.03 * rng.standard_normal(5))
    recovery = RecoveryCoefficient(0.75, sd=0.03)
    points = blood_points_from_image(
        TIMES, shown, recovery=recovery, voi_sd_mbq_per_ml=0.03 * shown
    )
    samples = [
        ActivitySample(1, t, "blood", v, s, False)
        for t, v, s in zip(points.time_h, points.value, points.noise_sd, strict=True)
    ]
    model = region_model("DOTATATE", "blood", decay_per_h=DECAY)
    fit = fit_patient(
        model, samples, activity_mbq={1: 7400.0}, next_activity_mbq=7400.0, rng=rng, n_draws=400
    )
    common = lognormal_factor(1.0, points.common_cv, n_draws=400, rng=rng)
    found = blood_dose(fit.curves[1]["blood"].scaled(common), "Lu-177", anatomy=MAN).dose_gy
    true = blood_dose(BLOOD, "Lu-177", anatomy=MAN).dose_gy
    assert found.mean() == pytest.approx(true, rel=0.12)
    assert np.quantile(found, 0.01) < true < np.quantile(found, 0.99)
    assert found.std() / found.mean() > 0.035


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recovery": RecoveryCoefficient(75.0, sd=4.0)}, r"recovery must lie in 0 to 1\.5"),
        ({"recovery": RecoveryCoefficient(0.75, sd=4.0)}, "the sd of recovery"),
        ({"spill_in": -0.1}, "spill_in"),
        ({"spill_in_sd": -0.1}, "spill_in_sd"),
        ({"spill_in": 0.9, "surroundings_mbq_per_ml": 1000.0}, "leaves no blood"),
        ({"voi_mbq_per_ml": [0.1, 0.2, np.nan]}, "finite"),
        ({"voi_mbq_per_ml": [0.1, 0.2]}, "one value per time"),
        ({"time_h": [], "voi_mbq_per_ml": []}, "one value per time"),
        ({"voi_mbq_per_ml": [[0.2, 0.1, 0.02]]}, "one value per time"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    arguments = {
        "time_h": [1.0, 4.0, 24.0],
        "voi_mbq_per_ml": [0.2, 0.1, 0.02],
        "voi_sd_mbq_per_ml": 0.01,
        "recovery": RecoveryCoefficient(0.8),
    } | changes
    with pytest.raises(DosimetryError, match=message):
        blood_points_from_image(**arguments)
