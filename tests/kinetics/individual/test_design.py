import csv
from pathlib import Path

import numpy as np
import pytest

from kinetics import KineticsError, published_model, region_model
from kinetics.individual.design import _exchanged, _pieces, when_to_sample
from kinetics.individual.population_design import (
    best_population_schedule,
    population_information,
    relative_efficiency,
)
from kinetics.individual.posterior import individual_posterior, patient_data
from kinetics.individual.single_time_point_study import assumed_dotatate_kidneys
from kinetics.individual.virtual_patients import residual_sd, virtual_population
from kinetics.individual.virtual_posteriors import proposal_draws, virtual_posteriors
from kinetics.population import (
    Parameter,
    PopulationModel,
    additive,
    combined1,
    combined2,
    known_sd,
    lognormal,
    power,
    proportional,
)
from kinetics.structures.closed_forms import one_compartment, sum_of_exponentials

GOLDEN = Path(__file__).parents[2] / "reference" / "kinetics_warfarin_design.csv"
DECAY = np.log(2) / 159.5
TIMES = np.arange(4.0, 196.0, 8.0)


def washout(release_per_h, *, sd=0.1, error=None):
    """Mono-exponential washout, physical decay in it."""
    return PopulationModel(
        sum_of_exponentials(1, decay=True, region="kidneys"),
        {
            "a1": Parameter(0.02, sd=0.4),
            "l1": Parameter(release_per_h, sd=sd),
            "decay_per_h": Parameter(DECAY),
        },
        {"kidneys": error or lognormal(0.1)},
    )


@pytest.mark.parametrize("release", [0.005, 0.0092, 0.0141, 0.03])
@pytest.mark.parametrize("noise", [0.05, 0.1, 0.3])
def test_one_sample_is_best_a_little_after_the_mean_effective_life(release, noise):
    # y = a - u r, log TIA = a - r with u = t (release + decay) and independent normal a and r:
    # the posterior variance is least at u = 1 + var(noise)/var(a), whatever the spread of r
    times = np.arange(1.0, 250.0, 0.5)
    model = washout(release, error=lognormal(noise))
    design = when_to_sample(model, times, decay_corrected=False)
    best = (1 + (noise / 0.4) ** 2) / (release + DECAY)
    assert design.best_h[0] == pytest.approx(best, abs=0.26)
    rate = (0.1 * release / (release + DECAY)) ** 2
    u, amplitude = design.schedules_h[:, 0] * (release + DECAY), 0.4**2
    variance = (
        amplitude + rate
        - (amplitude + u * rate) ** 2 / (amplitude + u**2 * rate + noise**2)
    )  # fmt: skip
    assert np.allclose(design.variance, variance, rtol=1e-6)


def test_linearised_variance_is_exact_when_the_model_is_linear():
    # additive error, normal amplitude, known rate: TIA = a / l, relative variance by conjugacy
    model = PopulationModel(
        sum_of_exponentials(1),
        {"a1": Parameter(10.0, sd=0.5, transform="identity"), "l1": Parameter(0.05)},
        {"blood": additive(0.3)},
    )
    design = when_to_sample(model, [5.0, 20.0], decay_corrected=False, n_samples=2)
    information = 1 / 0.5**2 + np.exp(-2 * 0.05 * np.array([5.0, 20.0])).sum() / 0.3**2
    assert design.variance[0] == pytest.approx(1 / information / 100.0, rel=1e-6)
    assert design.prior_variance == pytest.approx(0.05**2, rel=1e-6)


def test_simulated_agrees_with_linearised_where_the_spread_is_small():
    model = washout(0.0141, sd=0.05, error=proportional(0.03))
    common = dict(decay_corrected=False)
    linear = when_to_sample(model, TIMES, **common)
    exact = when_to_sample(
        model, TIMES, method="simulated", n_draws=128, rng=np.random.default_rng(1), **common
    )
    assert exact.status == "ok"
    assert np.allclose(exact.variance, linear.variance, rtol=0.05)
    assert np.array_equal(exact.schedules_h, linear.schedules_h)


def test_simulated_variance_is_the_error_that_patients_have():
    # Bayes: over patients from the prior, mean posterior variance equals the mean squared error
    population = virtual_population(
        assumed_dotatate_kidneys(decay_per_h=DECAY, measurement_cv=0.05), decay_corrected=False
    )
    rng = np.random.default_rng(3)
    truth = rng.standard_normal((3000, 3))
    for times in (np.array([24.0]), np.array([4.0, 96.0]), np.array([4.0, 24.0, 72.0, 168.0])):
        f = population.recorded(truth, times)
        y = population.measured(f, times, rng.standard_normal(f.shape))
        found = virtual_posteriors(population, y, times, *proposal_draws(3000, 64, 3, rng))
        square = (found.mean - population.log_tia(truth)) ** 2
        error = 4 * square.std() / np.sqrt(len(square))
        assert found.variance.mean() == pytest.approx(square.mean(), abs=error)
        assert np.quantile(found.effective_sample_size, 0.1) > 25
        covered = population.log_tia(truth) <= found.quantile(0.9)
        assert covered.mean() == pytest.approx(0.9, abs=0.03)


def test_array_posterior_agrees_with_that_of_one_patient():
    model = assumed_dotatate_kidneys(decay_per_h=DECAY, measurement_cv=0.1)
    population = virtual_population(model, decay_corrected=False, activity_mbq=7400.0)
    rng = np.random.default_rng(4)
    times, y = np.array([4.0, 72.0]), np.array([[150.0, 60.0]])
    many = virtual_posteriors(population, y, times, *proposal_draws(1, 4096, 3, rng))
    one = individual_posterior(
        model, patient_data(times, y[0], region="kidneys", activity_mbq=7400.0),
        decay_corrected=False, n_draws=4000, rng=rng,
    )  # fmt: skip
    log_tia = np.log(one.tia())
    assert many.mean[0] == pytest.approx(log_tia.mean(), abs=0.01)
    assert np.sqrt(many.variance[0]) == pytest.approx(log_tia.std(), rel=0.08)


def test_decay_corrected_models_give_the_same_design():
    with_decay = washout(0.0141)
    without = PopulationModel(
        sum_of_exponentials(1, region="kidneys"),
        {name: with_decay.parameters[name] for name in ("a1", "l1")},
        {"kidneys": lognormal(0.1)},
    )
    a = when_to_sample(with_decay, TIMES, decay_corrected=False)
    b = when_to_sample(without, TIMES, decay_corrected=True, decay_per_h=DECAY)
    assert np.allclose(a.variance, b.variance, rtol=1e-6)


@pytest.mark.parametrize("n", [2, 3])
def test_more_samples_are_better_and_exchange_finds_the_best(n):
    model = region_model("DOTATATE", "kidneys", decay_per_h=DECAY)
    fewer, more = (
        when_to_sample(model, TIMES, decay_corrected=False, n_samples=k) for k in (n - 1, n)
    )
    assert more.variance.min() < fewer.variance.min() < fewer.prior_variance
    population = virtual_population(model, decay_corrected=False)
    pieces = _pieces(population, TIMES)
    found = {
        tuple(TIMES[_exchanged(pieces, np.sort(np.random.default_rng(s).choice(24, n, False)))])
        for s in range(10)
    }
    assert more.best_h in found


def test_answers_of_the_field():
    # Hou 2021: about 72 h for DOTATATE, about 48 h for PSMA
    dotatate = region_model("DOTATATE", "kidneys", decay_per_h=DECAY)
    assert 64 <= when_to_sample(dotatate, TIMES, decay_corrected=False).best_h[0] <= 92
    # release of 177Lu-PSMA-617 from kidneys: Siebinga 2023, Table 2; its spread is ASSUMED
    psma = washout(0.0141, sd=0.3, error=proportional(0.15))
    assert 44 <= when_to_sample(psma, TIMES, decay_corrected=False).best_h[0] <= 60


def test_published_model_without_spread_of_the_release_prefers_late_samples():
    model = published_model("PSMA-617", decay_per_h=DECAY)
    design = when_to_sample(
        model, [24.0, 48.0, 168.0], decay_corrected=False, region="kidneys", activity_mbq=7400.0
    )
    assert design.best_h == (168.0,)
    assert design.cv_pct[1] - design.cv_pct[2] < 3.0  # but 48 h is hardly worse
    assert design.assumptions


def test_table_and_checks():
    model, rng = washout(0.0141), np.random.default_rng(1)
    table = when_to_sample(model, [24, 48, 96], decay_corrected=False, n_samples=2).to_frame()
    assert list(table.columns) == ["time_1_h", "time_2_h", "variance", "cv_pct"]
    assert len(table) == 3
    single = when_to_sample(model, [24, 48], decay_corrected=False).to_frame()
    assert single["time_h"].tolist() == [24.0, 48.0]
    for times, options in (
        ([0.0, 4.0], {}),
        ([4.0], dict(n_samples=2)),
        ([4.0], dict(method="guess")),
        ([4.0], dict(method="simulated")),
        ([4.0], dict(region="liver")),
        ([4.0], dict(decay_corrected=True)),
        (np.arange(1.0, 61.0), dict(n_samples=5)),
    ):
        with pytest.raises(KineticsError):
            when_to_sample(model, times, **{"decay_corrected": False, **options})
    many = when_to_sample(model, np.arange(1.0, 61.0), decay_corrected=False, n_samples=5, rng=rng)
    assert 1 <= len(many.variance) <= 10


def test_residual_errors_of_arrays():
    f = np.array([0.0, 4.0])
    assert residual_sd(additive(2.0), f).tolist() == [2.0, 2.0]
    assert residual_sd(proportional(0.5), f).tolist() == [0.0, 2.0]
    assert residual_sd(combined1(1.0, 0.5), f).tolist() == [1.0, 3.0]
    assert np.allclose(residual_sd(combined2(3.0, 1.0), f), [3.0, 5.0])
    assert residual_sd(power(0.5, 0.5), f).tolist() == [0.0, 1.0]
    assert residual_sd(lognormal(0.3), f).tolist() == [0.3, 0.3]
    with pytest.raises(KineticsError, match="each measurement"):
        residual_sd(known_sd(), f)


WARFARIN = PopulationModel(
    one_compartment(absorption=True),
    {
        "cl": Parameter(0.15, sd=np.sqrt(0.07)),
        "v": Parameter(8.0, sd=np.sqrt(0.02)),
        "ka": Parameter(1.0, sd=np.sqrt(0.6)),
    },
    {"blood": proportional(0.1)},
)
WARFARIN_TIMES = [0.5, 1.0, 2.0, 6.0, 24.0, 36.0, 72.0, 120.0]


@pytest.mark.parametrize(("approximation", "tolerance"), [("block", 1e-5), ("full", 0.05)])
def test_expected_standard_errors_of_warfarin(approximation, tolerance):
    with GOLDEN.open() as file:
        golden = [float(row[f"rse_{approximation}_pct"]) for row in csv.DictReader(file)]
    found = population_information(
        WARFARIN, [WARFARIN_TIMES], [32], activity_mbq=70.0, approximation=approximation
    ).to_frame()
    scale = np.array([1, 1, 1, 2, 2, 2, 2])  # the reference is of variances, ours of sds
    assert found["rse_pct"].to_numpy() * scale == pytest.approx(
        np.array(golden), abs=tolerance if approximation == "full" else None, rel=1e-5
    )


def test_groups_add_up_and_efficiency_is_a_ratio_of_subjects():
    def of(n):
        return population_information(WARFARIN, [WARFARIN_TIMES], [n], activity_mbq=70.0)

    both = population_information(WARFARIN, [WARFARIN_TIMES] * 2, [10, 22], activity_mbq=70.0)
    assert np.allclose(both.matrix, of(32).matrix)
    assert relative_efficiency(of(16), of(32)) == pytest.approx(0.5)


def test_exchange_improves_the_population_design():
    times = np.array([0.5, 1, 2, 6, 12, 24, 36, 48, 72, 96, 120])
    schedule, best = best_population_schedule(WARFARIN, times, 4, n_subjects=32, activity_mbq=70.0)
    assert len(schedule) == 4
    for other in ([0.5, 1, 2, 6], [0.5, 6, 36, 120], [24, 48, 72, 120]):
        reference = population_information(WARFARIN, [other], [32], activity_mbq=70.0)
        assert best.criterion >= reference.criterion * (1 - 1e-9)


def test_too_few_samples_leave_parameters_undetermined():
    poor = population_information(WARFARIN, [[24.0]], [32], activity_mbq=70.0)
    assert poor.to_frame()["se"].isna().all()
    with pytest.raises(KineticsError, match="undetermined"):
        relative_efficiency(poor, poor)
    for options in (
        dict(approximation="exact"),
        dict(region="liver"),
    ):
        with pytest.raises(KineticsError):
            population_information(WARFARIN, [[24.0]], [32], **options)
    with pytest.raises(KineticsError, match="groups"):
        population_information(WARFARIN, [[24.0]], [32, 3])
    with pytest.raises(KineticsError, match="nothing to estimate"):
        population_information(WARFARIN.fixing(), [[24.0]], [32])
