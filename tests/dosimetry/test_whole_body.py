import numpy as np
import pytest

from dosimetry import Anatomy, DosimetryError, blood_dose, nuclide
from dosimetry.blood import blood_dose_coefficients
from dosimetry.whole_body import (
    blood_dose_from_whole_body,
    whole_body_from_retention,
    whole_body_points,
)
from kinetics import SumOfExponentials, fit_curve

DECAY = nuclide("I-131").decay_per_h
WOMAN = Anatomy("female", 64, 166)
TIMES = np.array([0.3, 6.0, 24.0, 48.0, 96.0])
BODY = SumOfExponentials([1000.0], [0.045])


def counts_of(body, sensitivity, thickness=1.5):
    """Anterior and posterior counts of activity that lies 0.4 of the way to the front."""
    attenuation = np.exp(-thickness * np.array([0.4, 0.6]))
    return (sensitivity * body(TIMES) * a for a in attenuation)


def test_geometric_mean_recovers_the_retained_activity():
    start = BODY.scaled(1.0)
    front, back = counts_of(start, 500.0)
    points = whole_body_points(
        TIMES, front + 900, back + 700, activity_mbq=1000.0, decay_per_h=DECAY,
        background_counts=(900.0, 700.0),
    )  # fmt: skip
    shape = BODY(TIMES) / BODY(TIMES[0])
    np.testing.assert_allclose(points.value, 1000 * np.exp(-DECAY * 0.3) * shape)


def test_decay_corrected_counts_give_the_same_activity():
    front, back = counts_of(BODY, 500.0)
    grown = np.exp(DECAY * TIMES)
    plain = whole_body_points(TIMES, front, back, activity_mbq=1000.0, decay_per_h=DECAY)
    corrected = whole_body_points(
        TIMES, front * grown, back * grown, activity_mbq=1000.0, decay_per_h=DECAY,
        decay_corrected=True,
    )  # fmt: skip
    np.testing.assert_allclose(plain.value, corrected.value)


def test_noise_is_that_of_poisson_counts():
    rng = np.random.default_rng(8)
    front, back = (np.asarray(c) for c in counts_of(BODY, 30.0))
    background = (300.0, 200.0)
    found = np.array(
        [
            whole_body_points(
                TIMES,
                rng.poisson(front + background[0]),
                rng.poisson(back + background[1]),
                activity_mbq=1000.0,
                decay_per_h=DECAY,
                background_counts=background,
            ).value
            for _ in range(3000)
        ]
    )
    points = whole_body_points(
        TIMES, front + background[0], back + background[1], activity_mbq=1000.0,
        decay_per_h=DECAY, background_counts=background,
    )  # fmt: skip
    # here the background is known exactly, so that the stated noise is a little above
    ratio = points.sd[1:-1] / found.std(0)[1:-1]
    assert ((ratio > 0.97) & (ratio < 1.25)).all()
    np.testing.assert_allclose(found.mean(0)[1:-1], points.value[1:-1], rtol=0.02)


def test_points_fit_to_the_curve_and_the_dose():
    front, back = counts_of(BODY, 500.0)
    points = whole_body_points(
        TIMES, front, back, activity_mbq=1000.0, decay_per_h=DECAY, administered_cv=0.03
    )
    weights = np.maximum(points.noise_sd, 0.01 * points.value)
    fit = fit_curve(points.time_h, points.value, weights, form="mono", decay_per_h=DECAY)
    assert fit.curve.integral() == pytest.approx(points.value[0] * np.exp(0.3 * 0.045) / 0.045)
    assert points.common_cv > 0.03
    assert list(points.to_frame()) == ["time_h", "value", "noise_sd", "sd"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time_h": [0.3, 6.0, 6.0]}, "rise"),
        ({"anterior_counts": [100.0, 90.0, 5.0]}, "exceed their background"),
        ({"anterior_counts": [100.0, 900.0, 50.0]}, "before voiding"),
        ({"anterior_counts": [100.0, 50.0]}, "one count per time"),
        ({"background_counts": (np.nan, 0.0)}, "exceed their background"),
        ({"time_h": []}, "list of finite numbers"),
        ({"time_h": [[0.3, 6.0, 24.0]]}, "list of finite numbers"),
        ({"activity_mbq": -1000.0}, "must be positive"),
        ({"activity_mbq": np.nan}, "must be positive"),
        ({"decay_per_h": np.nan, "decay_corrected": True}, "must be positive"),
        ({"administered_cv": -0.1}, "administered_cv"),
    ],
)
def test_counts_that_cannot_be(changes, message):
    arguments = {
        "time_h": [0.3, 6.0, 24.0],
        "anterior_counts": [100.0, 90.0, 50.0],
        "activity_mbq": 1000.0,
        "decay_per_h": DECAY,
        "background_counts": (10.0, 10.0),
    } | changes
    with pytest.raises(DosimetryError, match=message):
        whole_body_points(**arguments)


@pytest.mark.parametrize("retained", [0.02, 0.1, np.array([0.1, 0.2, 0.3])])
def test_residence_time_of_one_measurement(retained):
    body = whole_body_from_retention(retained, 48.0, activity_mbq=3700.0, decay_per_h=DECAY)
    np.testing.assert_allclose(body.integral() / 3700, -48 / np.log(retained))
    np.testing.assert_allclose(body(48.0), 3700 * np.asarray(retained))


@pytest.mark.parametrize("retained", [0.0, 0.9, 8.1])
def test_retention_that_cannot_be(retained):
    """0.9 after 48 h is more than physical decay leaves: a decay-corrected value."""
    with pytest.raises(DosimetryError, match="retained fraction"):
        whole_body_from_retention(retained, 48.0, activity_mbq=3700.0, decay_per_h=DECAY)


@pytest.mark.parametrize("decay_per_h", [-0.1, 0.0, np.nan])
def test_retention_needs_a_decay_rate(decay_per_h):
    """Without the check a retention of one and a rate of zero give an infinite residence time."""
    with pytest.raises(DosimetryError, match="decay must be positive"):
        whole_body_from_retention(1.0, 48.0, activity_mbq=3700.0, decay_per_h=decay_per_h)


def test_haenscheid_closed_form():
    """tau (0.14 * 108 / BV + 0.0188 w^(-2/3)) of Haenscheid 2009; 108 lies between the densities
    1 and 1.06."""
    volume = WOMAN.blood_volume_ml()
    body = whole_body_from_retention(0.09, 48.0, activity_mbq=1000.0, decay_per_h=DECAY)
    tau = -48 / np.log(0.09)
    published = tau * (0.14 * 108 / volume + 0.0188 * 64 ** (-2 / 3))
    dose = blood_dose_from_whole_body(body, "I-131", anatomy=WOMAN)
    assert dose.dose_gy == pytest.approx(published, rel=0.04)
    exact = blood_dose_coefficients("I-131", "female")
    own = tau * (
        0.14 * exact.electron_gy_ml_per_gbq_h / volume
        + exact.photon_gy_kg23_per_gbq_h * 64 ** (-2 / 3)
    )
    assert dose.dose_gy == pytest.approx(own)
    assert dose.method == "whole_body"
    assert any("14%" in note and "ASSUMED" in note for note in dose.assumptions)


def test_specific_blood_dose_of_the_method_is_of_the_published_size():
    """131I after thyroidectomy: 22.0 +- 3.8 h in the body of hypothyroid patients, 0.118 +- 0.025
    mGy/MBq to the blood; 14.3 +- 2.8 h and 0.080 to 0.087 with rhTSH (PMC5020787)."""
    for tau, low, high in ((21.97, 0.083, 0.172), (14.28, 0.057, 0.130)):
        body = SumOfExponentials([1.0], [1 / tau])
        dose = blood_dose_from_whole_body(body, "I-131", anatomy=WOMAN)
        assert low < 1000 * dose.dose_gy < high


def test_share_draws_and_formula():
    share = np.array([0.10, 0.14, 0.18])
    dose = blood_dose_from_whole_body(BODY, "I-131", anatomy=WOMAN, blood_share=share)
    own = dose.contribution_gy()["self_electrons"]
    np.testing.assert_allclose(own / own[1], share / 0.14)
    other = blood_dose_from_whole_body(BODY, "I-131", anatomy=WOMAN, formula="lemmens")
    ratio = WOMAN.blood_volume_ml() / WOMAN.blood_volume_ml(formula="lemmens")
    assert other.contribution_gy()["self_electrons"] == pytest.approx(own[1] * ratio)
    with pytest.raises(DosimetryError, match="blood_share"):
        blood_dose_from_whole_body(BODY, "I-131", anatomy=WOMAN, blood_share=14)


def test_it_equals_samples_that_hold_the_share():
    blood = BODY.scaled(0.14 / WOMAN.blood_volume_ml())
    samples = blood_dose(blood, "I-131", anatomy=WOMAN, whole_body_mbq=BODY)
    assert blood_dose_from_whole_body(BODY, "I-131", anatomy=WOMAN).dose_gy == pytest.approx(
        samples.dose_gy
    )
