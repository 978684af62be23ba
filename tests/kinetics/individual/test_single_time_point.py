import csv
from pathlib import Path

import numpy as np
import pytest

from kinetics import KineticsError
from kinetics.individual.model_selection import (
    joined,
    patient_with_population,
    select_population_model,
)
from kinetics.individual.posterior import individual_posterior, patient_data
from kinetics.individual.single_time_point import (
    haenscheid_ratio,
    haenscheid_tia,
    madsen_ratio,
    madsen_tia,
    population_tia,
)
from kinetics.individual.single_time_point_study import (
    assumed_dotatate_kidneys,
    single_time_point_study,
)
from kinetics.population import Parameter, PopulationModel, lognormal, proportional
from kinetics.structures.closed_forms import sum_of_exponentials

GOLDEN = Path(__file__).parents[2] / "reference" / "kinetics_haenscheid_ratio.csv"
DECAY = np.log(2) / 159.5


def test_bias_law_of_haenscheid():
    with GOLDEN.open() as file:
        for row in csv.DictReader(file):
            x, ratio = float(row["relative_time"]), float(row["ratio"])
            assert float(haenscheid_ratio(x)) == pytest.approx(ratio, abs=6e-7)
            half_life = 50.0
            truth = 100.0 * half_life / np.log(2)
            estimate = haenscheid_tia(100.0 * 2.0**-x, x * half_life)
            assert estimate.tia_mbq_h / truth == pytest.approx(ratio, abs=6e-7)


def test_madsen_is_exact_for_the_population_rate_and_biased_by_its_law_elsewhere():
    rate, time = 0.0139, 96.0
    for patient in (0.0139, 0.01, 0.02):
        estimate = madsen_tia(80.0 * np.exp(-patient * time), time, rate)
        ratio = float(madsen_ratio(patient / rate, rate * time))
        assert estimate.tia_mbq_h * patient / 80.0 == pytest.approx(ratio, rel=1e-12)
    assert float(madsen_ratio(1.0, 1.3)) == 1.0


@pytest.mark.parametrize("method", ["haenscheid", "madsen"])
def test_spread_agrees_with_simulation(method):
    rng = np.random.default_rng(4)
    n, time, half_life, spread, cv = 200_000, 96.0, 51.0, 0.25, 0.08
    rate = np.log(2) / half_life * np.exp(spread * rng.standard_normal(n))
    activity = 100.0 * np.exp(-rate * time)
    measured = activity * np.exp(np.sqrt(np.log1p(cv**2)) * rng.standard_normal(n))
    measured /= np.sqrt(1 + cv**2)
    truth = 100.0 / rate

    def estimate(value):
        options = dict(rate_log_sd=spread, measurement_cv=cv)
        if method == "madsen":
            return madsen_tia(value, time, np.log(2) / half_life, **options)
        return haenscheid_tia(value, time, effective_half_life_h=half_life, **options)

    one = estimate(1.0)
    error = measured * one.tia_mbq_h / truth - 1.0
    assert one.bias == pytest.approx(error.mean(), abs=0.003)
    assert one.sd_mbq_h / one.tia_mbq_h == pytest.approx(np.sqrt((error**2).mean()), rel=0.02)
    inside = (one.lower_mbq_h * measured <= truth) & (truth <= one.upper_mbq_h * measured)
    assert inside.mean() == pytest.approx(0.9, abs=0.005)


def test_formulas_say_what_they_do_not_know():
    bare = haenscheid_tia(50.0, 96.0)
    assert np.isnan(bare.sd_mbq_h)
    assert "spread" in bare.status
    early = haenscheid_tia(50.0, 24.0, effective_half_life_h=50.0, rate_log_sd=0.2)
    assert "0.48 effective half-lives" in early.status
    assert any("ASSUMED" in note for note in early.assumptions)


@pytest.mark.parametrize(
    "call",
    [
        lambda: haenscheid_tia(50.0, 0.0),
        lambda: haenscheid_tia(50.0, -3.0),
        lambda: haenscheid_tia(50.0, float("nan")),
        lambda: haenscheid_tia(-1.0, 96.0),
        lambda: haenscheid_tia(50.0, 96.0, effective_half_life_h=-2.0),
        lambda: haenscheid_tia(50.0, 96.0, rate_log_sd=-0.1),
        lambda: madsen_tia(50.0, 96.0, 0.0),
        lambda: madsen_tia(50.0, float("inf"), 0.01),
        lambda: madsen_tia(50.0, 96.0, 0.01, level=1.0),
        lambda: single_time_point_study(
            assumed_dotatate_kidneys(decay_per_h=DECAY), time_h=-1.0, decay_corrected=False,
            rng=np.random.default_rng(1),
        ),
    ],
)  # fmt: skip
def test_nonsense_is_refused(call):
    with pytest.raises(KineticsError):
        call()


def test_population_method_is_the_individual_posterior():
    model = assumed_dotatate_kidneys(decay_per_h=DECAY, measurement_cv=0.05)
    one = population_tia(
        model, 60.0, 72.0, administered_activity_mbq=7400.0, decay_corrected=False,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    same = individual_posterior(
        model, patient_data([72.0], [60.0], region="kidneys", activity_mbq=7400.0),
        decay_corrected=False, rng=np.random.default_rng(1), n_draws=2000,
    )  # fmt: skip
    assert np.array_equal(one.draws_mbq_h, same.tia())
    assert one.lower_mbq_h < one.tia_mbq_h < one.upper_mbq_h
    assert one.sd_mbq_h < 0.1 * one.tia_mbq_h


def test_simulated_study_ranks_the_methods():
    model = assumed_dotatate_kidneys(decay_per_h=DECAY, measurement_cv=0.02)
    study = single_time_point_study(
        model, time_h=96.0, decay_corrected=False, n_patients=1000, rng=np.random.default_rng(1)
    )
    table = study.to_frame()
    assert table["rmse_pct"].idxmin() == "population"
    assert 0.86 <= study.covered <= 0.93
    assert study.effective_rate_per_h == pytest.approx(
        np.log(2) / 75 * np.exp(0.3**2 / 2) + DECAY, rel=0.01
    )
    assert set(table.index) == {"population", "haenscheid", "madsen"}


@pytest.mark.slow
@pytest.mark.parametrize(("time", "cv"), [(24.0, 0.05), (72.0, 0.01), (96.0, 0.02), (120.0, 0.1)])
def test_population_intervals_cover(time, cv):
    study = single_time_point_study(
        assumed_dotatate_kidneys(decay_per_h=DECAY, measurement_cv=cv), time_h=time,
        decay_corrected=False, n_patients=4000, rng=np.random.default_rng(5),
    )  # fmt: skip
    assert study.covered == pytest.approx(0.9, abs=0.02)


def mono():
    return PopulationModel(
        sum_of_exponentials(1), {"a1": Parameter(12.0, sd=0.3), "l1": Parameter(0.02, sd=0.3)},
        {"blood": lognormal(0.1)},
    )  # fmt: skip


def bi():
    return PopulationModel(
        sum_of_exponentials(2),
        {
            "a1": Parameter(10.0, sd=0.3), "l1": Parameter(0.4, sd=0.2),
            "a2": Parameter(5.0, sd=0.3), "l2": Parameter(0.015, sd=0.25),
        },
        {"blood": lognormal(0.1)},
    )  # fmt: skip


def simulated_population(n, rng):
    time = np.array([0.5, 2.0, 5.0, 12.0, 24.0, 48.0, 96.0])
    prior = individual_posterior(
        bi(), patient_data([], [], region="blood"), decay_corrected=False, rng=rng, n_draws=n
    )
    values = prior.predict(time) * np.exp(0.1 * rng.standard_normal((n, len(time))))
    patients = [
        patient_data(time, value, region="blood", subject=f"p{k}") for k, value in enumerate(values)
    ]
    population = patients[0]
    for patient in patients[1:]:
        population = joined(population, patient)
    return population, prior


@pytest.fixture(scope="module")
def selection():
    population, _ = simulated_population(25, np.random.default_rng(6))
    return select_population_model({"mono": mono(), "bi": bi()}, population)


def test_population_chooses_the_function(selection):
    assert selection.best == "bi"
    table = selection.to_frame()
    assert table.index[0] == "bi"
    assert table.loc["bi", "weight"] > 0.99
    assert sum(c.weight for c in selection.candidates.values()) == pytest.approx(1.0)
    fit, n, k = selection.fit, 25 * 7, 9
    assert selection.candidates["bi"].aicc == pytest.approx(
        fit.minus_two_log_likelihood + 2 * k + 2 * k * (k + 1) / (n - k - 1)
    )


def test_candidates_that_fail_the_gates_are_not_chosen(selection):
    with pytest.raises(KineticsError, match="bi: a typical parameter has a CV"):
        select_population_model({"bi": bi()}, selection.fit.problem.data, largest_cv_pct=0.1)
    with pytest.raises(KineticsError, match="correlated"):
        select_population_model({"bi": bi()}, selection.fit.problem.data, largest_correlation=1e-3)
    with pytest.raises(KineticsError, match="no candidates"):
        select_population_model({}, selection.fit.problem.data)


def test_joint_and_fixed_population_agree_for_a_new_patient(selection):
    rng = np.random.default_rng(8)
    _, truth = simulated_population(2, rng)
    parameter = truth.parameter[0, 0]
    curve = bi().structure.curves(parameter)["blood"]
    sample = patient_data([36.0], curve([36.0]), region="blood")
    results = {
        variant: patient_with_population(
            selection.fit, sample, decay_corrected=False, variant=variant,
            rng=np.random.default_rng(9),
        )
        for variant in ("fixed", "joint")
    }  # fmt: skip
    means = {v: np.log(r.tia()).mean() for v, r in results.items()}
    spread = np.log(results["fixed"].tia()).std()
    assert means["joint"] == pytest.approx(means["fixed"], abs=0.5 * spread)
    assert abs(means["fixed"] - np.log(curve.integral())) < 3 * spread
    with pytest.raises(KineticsError, match="fixed, joint"):
        patient_with_population(
            selection.fit, sample, decay_corrected=False, rng=rng, variant="both"
        )


def test_joined_data_must_match():
    a = patient_data([1.0], [2.0], region="blood", covariates={"weight": 70.0})
    with pytest.raises(KineticsError, match="lacks covariate weight"):
        joined(a, patient_data([1.0], [2.0], region="blood"))
    with pytest.raises(KineticsError, match="region"):
        joined(a, patient_data([1.0], [2.0], region="liver", covariates={"weight": 70.0}))
    both = joined(a, patient_data([1, 2], [2, 1], region="blood", covariates={"weight": 60.0}))
    assert both.observation_start.tolist() == [0, 1, 3]
    assert both.dose_start.tolist() == [0, 1, 2]
    assert both.occasion_subject.tolist() == [0, 1]


def test_proportional_and_lognormal_errors_are_both_compared():
    # the likelihood of a log-normal error contains its Jacobian, so AICc is comparable
    population, _ = simulated_population(15, np.random.default_rng(16))
    wrong = PopulationModel(bi().structure, bi().parameters, {"blood": proportional(0.1)})
    chosen = select_population_model({"lognormal": bi(), "proportional": wrong}, population)
    difference = [c.aicc for c in chosen.candidates.values()]
    assert abs(difference[0] - difference[1]) < 20.0
