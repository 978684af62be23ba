"""Measurements: their moments, their common noise, and what never happens."""

import numpy as np
import pytest

from dosimetry import nuclide
from hemadose.errors import HemadoseError
from hemadose.trials.patients.cohorts import COHORTS, cohort
from hemadose.trials.patients.measured import measure_activity, measure_counts, measure_foci
from hemadose.trials.patients.truth import TruthSettings
from hemadose.trials.patients.virtual_patients import draw_patients

TIMES_H = [1.0, 24.0, 96.0]


@pytest.fixture(scope="module")
def patients():
    return {name: draw_patients(cohort(name), np.arange(600), seed=21) for name in COHORTS}


@pytest.mark.parametrize("region", ["blood", "kidneys", "tumour"])
@pytest.mark.parametrize("name", sorted(COHORTS))
def test_errors_of_activities_have_the_published_spread_about_the_truth(name, region, patients):
    own, made = patients[name], cohort(name)
    found = measure_activity(own, cycle=2, activity_gbq=7.4, region=region, times_h=TIMES_H)
    truth = made.curves(own.log_parameter[:, 1], activity_gbq=7.4, cycle=2)[region](TIMES_H)
    error = made.residual[region]
    decay = np.exp(-nuclide("Lu-177").decay_per_h * np.array(TIMES_H))
    cv = np.hypot(error.proportional, error.additive * decay / truth)
    z = np.log(found / truth) / np.sqrt(np.log1p(cv**2))
    assert (found > 0).all()
    assert z.mean() == pytest.approx(0.0, abs=4 / np.sqrt(z.size))
    assert z.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * z.size))


def test_cycle_effects_are_found_again_in_simulated_samples(patients):
    own = patients["PSMA-I&T"]
    sample = [
        measure_activity(own, cycle=c, activity_gbq=7.4, region="tumour", times_h=[24.0])[:, 0]
        for c in (1, 2, 3, 4)
    ]
    change = np.log(np.array(sample) / sample[0])
    made = cohort("PSMA-I&T")
    error = np.sqrt(2 * (made.log_sd_cycle**2).sum() + 2 * np.log1p(0.327**2))
    published = np.log([1.0, 0.731, 0.498, 0.436])
    np.testing.assert_allclose(change.mean(-1), published, atol=4 * error / np.sqrt(own.n))
    # variation between occasions (37.8 % of the uptake) and measurement error (32.7 %) add up
    spread = change[1].std(ddof=1)
    expected = np.sqrt(2 * (np.log1p(0.378**2) + np.log1p(0.327**2)))
    assert spread == pytest.approx(expected, rel=0.12)


def test_an_exact_laboratory_sees_the_truth():
    truth = TruthSettings(activity_residual_factor=0.0, count_residual_factor=0.0)
    own = draw_patients(cohort("PSMA-617"), [0, 1], seed=1, truth=truth)
    found = measure_activity(own, cycle=1, activity_gbq=5.0, region="kidneys", times_h=TIMES_H)
    expected = own.per_gbq["kidneys"][:, 0].scaled(5.0)(TIMES_H)
    np.testing.assert_array_equal(found, expected)
    counts = {"platelets": np.array([200.0, 90.0])}
    np.testing.assert_array_equal(measure_counts(own, counts, 3.0)["platelets"], [200.0, 90.0])


@pytest.mark.parametrize("dispersion", [1.0, 2.5])
def test_foci_have_the_mean_and_dispersion_of_their_samples(dispersion):
    truth = TruthSettings(foci_dispersion=dispersion, foci_laboratory_factor=1.2)
    made = cohort("DOTATATE")
    own = draw_patients(made, np.arange(1500), seed=2, truth=truth)
    found = measure_foci(own, cycle=1, activity_gbq=7.4, times_h=[-1.0, 2.0, 24.0], cells=200)
    induced = made.foci_per_cell(
        own.log_parameter[:, 0], activity_gbq=7.4, cycle=1, time_h=[2.0, 24.0]
    )
    mean = own.background_per_cell[:, None] + 1.2 * np.insert(induced, 0, 0.0, axis=1)
    z = (found - 200 * mean) / np.sqrt(200 * dispersion * mean)
    shown = 200 * mean > 5  # where a standardised count has moments to speak of
    assert (found >= 0).all()
    assert (found == np.round(found)).all()
    assert z[shown].mean() == pytest.approx(0.0, abs=4 / np.sqrt(shown.sum()))
    assert z[shown].var() == pytest.approx(1.0, rel=0.12)


def test_counts_scatter_with_their_cv_alike_on_a_day_and_anew_on_another(patients):
    own = patients["DOTATATE"]
    counts = {name: np.full(own.n, 100.0) for name in own.count_parameters}
    first, again, other = (measure_counts(own, counts, day) for day in (14.0, 14.4, 15.0))
    for name, cv in own.count_cv.items():
        z = np.log(first[name] / 100.0) / np.sqrt(np.log1p(cv**2))
        assert z.std() == pytest.approx(1.0, abs=0.12)
        assert abs(z.mean()) < 4 / np.sqrt(own.n)
        np.testing.assert_array_equal(first[name], again[name])
        assert abs(np.corrcoef(np.log(first[name]), np.log(other[name]))[0, 1]) < 0.17
    before = measure_counts(own, counts, np.full(own.n, -7.0))
    assert not (before["platelets"] == first["platelets"]).any()


def test_measurements_are_the_same_bits_in_any_company(patients):
    own = patients["PSMA-617"]
    alone = draw_patients(cohort("PSMA-617"), [41], seed=21)
    common = {"cycle": 3, "activity_gbq": 6.3, "times_h": TIMES_H}
    for measure, more in ((measure_activity, {"region": "blood"}), (measure_foci, {"cells": 50})):
        np.testing.assert_array_equal(
            measure(alone, **common, **more)[0], measure(own, **common, **more)[41]
        )


def test_only_those_asked_for_are_measured_each_in_its_cycle(patients):
    own = patients["DOTATATE"]
    mask, cycle = np.zeros(own.n, dtype=bool), np.ones(own.n, dtype=int)
    mask[[2, 5]], cycle[5] = True, 4
    common = {"activity_gbq": 7.4, "times_h": TIMES_H}
    found = measure_activity(own, cycle=cycle, region="blood", mask=mask, **common)
    foci = measure_foci(own, cycle=cycle, cells=100, mask=mask, **common)
    assert (np.isfinite(found).all(-1) == mask).all()
    assert (np.isfinite(foci).all(-1) == mask).all()
    fourth = measure_activity(own, cycle=4, region="blood", **common)
    np.testing.assert_array_equal(found[5], fourth[5])


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"region": "brain"}, "'brain' cannot be measured; legal are"),
        ({"region": "marrow"}, "'marrow' cannot be measured"),
        ({"times_h": np.arange(9.0)}, "at most 8"),
        ({"cycle": 0}, "cycle must be from 1 to 6"),
        ({"cycle": 7}, "cycle must be from 1 to 6"),
    ],
)
def test_what_cannot_be_measured(keywords, message, patients):
    given = {"cycle": 1, "activity_gbq": 7.4, "region": "blood", "times_h": TIMES_H} | keywords
    with pytest.raises(HemadoseError, match=message):
        measure_activity(patients["PSMA-617"], **given)


def test_half_a_cell_cannot_be_counted(patients):
    with pytest.raises(HemadoseError, match="cells must be a whole number"):
        measure_foci(patients["PSMA-617"], cycle=1, activity_gbq=7.4, times_h=[1.0], cells=0.5)
