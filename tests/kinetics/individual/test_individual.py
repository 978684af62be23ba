import numpy as np
import pytest
from scipy.stats import norm

from kinetics import KineticsError
from kinetics.estimation import fit_population
from kinetics.individual.chains import sample_chains
from kinetics.individual.model_selection import joined
from kinetics.individual.posterior import individual_posterior, patient_data
from kinetics.population import Parameter, PopulationModel, additive, lognormal, proportional
from kinetics.structures.closed_forms import one_compartment, sum_of_exponentials

DECAY = np.log(2) / 159.5


def kidneys(error=None, *, decay=True, cycle_sd=0.15):
    parameters = {
        "a1": Parameter(0.0215, sd=0.45, cycle_sd=cycle_sd),
        "l1": Parameter(np.log(2) / 75, sd=0.3),
        "l_uptake": Parameter(0.7, sd=0.5),
    }
    if decay:
        parameters["decay_per_h"] = Parameter(DECAY)
    return PopulationModel(
        sum_of_exponentials(1, uptake=True, decay=decay, region="kidneys"),
        parameters,
        {"kidneys": error or proportional(0.1)},
        correlations={("a1", "l1"): -0.4},
        fixed=frozenset({"decay_per_h"} if decay else ()),
    )


def two_cycles():
    return patient_data(
        [4.0, 24.0, 96.0, 72.0], [130.0, 120.0, 60.0, 62.0],
        region="kidneys", activity_mbq=7400.0, occasion=[1, 1, 1, 2],
    )  # fmt: skip


def posterior(model, data, method="importance", seed=1, **options):
    return individual_posterior(
        model,
        data,
        decay_corrected=False,
        rng=np.random.default_rng(seed),
        method=method,
        **options,
    )


@pytest.mark.parametrize("method", ["laplace", "importance", "mcmc"])
def test_linear_gaussian_posterior_is_exact(method):
    # y = a exp(-0.05 t) + e, a ~ N(10, 2^2) between patients + N(0, 1) between cycles, e ~ N(0, 1)
    model = PopulationModel(
        sum_of_exponentials(1),
        {"a1": Parameter(10.0, sd=2.0, cycle_sd=1.0, transform="identity"), "l1": Parameter(0.05)},
        {"blood": additive(1.0)},
    )
    time, value = np.array([1.0, 10.0, 5.0]), np.array([11.0, 7.5, 11.0])
    data = patient_data(time, value, region="blood", occasion=[1, 1, 2])
    found = posterior(model, data, method, n_draws=4000)
    decay = np.exp(-0.05 * time)
    rows = np.array([[decay[0], 0], [decay[1], 0], [0, decay[2]]])  # amplitudes of the two cycles
    prior = np.array([[5.0, 4.0], [4.0, 5.0]])
    covariance = np.linalg.inv(np.linalg.inv(prior) + rows.T @ rows)
    mean = 10.0 + covariance @ rows.T @ (value - rows @ [10.0, 10.0])
    draws = found.parameter[:, :, 0]
    assert np.allclose(found.map_parameter[:, 0], mean, rtol=1e-6)
    error = 4.0 * np.sqrt(np.diag(covariance) / min(found.effective_sample_size, 4000))
    assert (np.abs(draws.mean(0) - mean) < error).all()
    assert np.allclose(np.cov(draws.T), covariance, atol=0.12 * covariance[0, 0])
    both = np.array([4.0, 4.0])  # covariance of the next cycle's amplitude with the two
    gain = np.linalg.solve(prior + np.linalg.inv(rows.T @ rows), both)
    next_sd = np.sqrt(5.0 - gain @ both)
    assert found.next_parameter[:, 0].std() == pytest.approx(next_sd, rel=0.06)


def test_posterior_of_a_rate_agrees_with_quadrature():
    model = PopulationModel(
        sum_of_exponentials(1),
        {"a1": Parameter(10.0), "l1": Parameter(0.02, sd=0.5)},
        {"blood": proportional(0.2)},
    )
    found = posterior(model, patient_data([40.0], [3.0], region="blood"), n_draws=20_000)
    eta = np.linspace(-5, 5, 20_001) * 0.5
    f = 10.0 * np.exp(-0.02 * np.exp(eta) * 40.0)
    weight = norm.pdf(eta, scale=0.5) * norm.pdf(3.0, f, 0.2 * f)
    weight /= weight.sum()
    tia = 10.0 / (0.02 * np.exp(eta))
    mean = (weight * tia).sum()
    sd = np.sqrt((weight * (tia - mean) ** 2).sum())
    assert found.tia().mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(10_000))
    assert found.tia().std() == pytest.approx(sd, rel=0.04)


def test_three_methods_agree():
    # correlated effects, two cycles, nonlinear: importance and chains are exact, Laplace is near
    moments = {}
    for method in ("laplace", "importance", "mcmc"):
        found = posterior(kidneys(), two_cycles(), method, n_draws=4000)
        assert found.status == "ok"
        log_tia = np.log([found.tia(occasion=o) for o in ("1", "2", "next")])
        moments[method] = log_tia.mean(1), log_tia.std(1)
    exact = moments["importance"]
    assert np.allclose(moments["mcmc"][0], exact[0], atol=0.01)
    assert np.allclose(moments["mcmc"][1], exact[1], rtol=0.08)
    assert np.allclose(moments["laplace"][0], exact[0], atol=0.05)
    assert np.allclose(moments["laplace"][1], exact[1], rtol=0.15)


def test_decay_corrected_data_give_the_same_integral():
    raw = two_cycles()
    corrected = patient_data(
        raw.time_h, raw.value * np.exp(DECAY * raw.time_h),
        region="kidneys", activity_mbq=7400.0, occasion=[1, 1, 1, 2],
    )  # fmt: skip
    with_decay = posterior(kidneys(lognormal(0.1)), raw)
    without = individual_posterior(
        kidneys(lognormal(0.1), decay=False), corrected, decay_corrected=True, decay_per_h=DECAY,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert without.tia().mean() == pytest.approx(with_decay.tia().mean(), rel=0.01)
    assert without.tia().std() == pytest.approx(with_decay.tia().std(), rel=0.1)
    assert np.allclose(
        without.predict([50.0]) * np.exp(-DECAY * 50.0), without.curves()([50.0]), rtol=1e-10
    )
    assert np.allclose(with_decay.predict([50.0]), with_decay.curves()([50.0]), rtol=1e-10)


def test_decay_cannot_be_forgotten_or_applied_twice():
    rng = np.random.default_rng(1)
    data = two_cycles()
    with pytest.raises(TypeError):
        individual_posterior(kidneys(), data, rng=rng)
    with pytest.raises(KineticsError, match="need decay_per_h"):
        individual_posterior(kidneys(decay=False), data, decay_corrected=True, rng=rng)
    with pytest.raises(KineticsError, match="not decay-corrected"):
        individual_posterior(kidneys(), data, decay_corrected=True, decay_per_h=DECAY, rng=rng)


def test_without_samples_it_is_the_population():
    found = posterior(kidneys(), patient_data([], [], region="kidneys"), n_draws=20_000)
    assert found.method == "population"
    for draws in (found.draws(), found.draws("next")):
        log = np.log(draws[:, :3])
        assert np.allclose(log.std(0), [np.hypot(0.45, 0.15), 0.3, 0.5], rtol=0.03)
        assert np.corrcoef(log[:, :2].T)[0, 1] == pytest.approx(
            -0.4 * 0.45 / np.hypot(0.45, 0.15), abs=0.03
        )
    assert np.allclose(found.map_parameter[0, :3], [0.0215, np.log(2) / 75, 0.7])


def test_an_earlier_cycle_informs_the_next_within_its_variability():
    none = posterior(kidneys(), patient_data([], [], region="kidneys"), n_draws=4000)
    spreads = [np.log(none.tia(occasion="next")).std()]
    for cycle_sd in (0.3, 0.05):
        found = posterior(kidneys(cycle_sd=cycle_sd), two_cycles(), n_draws=4000)
        spreads.append(np.log(found.tia(occasion="next")).std())
    assert spreads[0] > spreads[1] > spreads[2]


def test_a_value_below_the_limit_lowers_the_curve():
    common = dict(region="kidneys", activity_mbq=7400.0)
    prior = posterior(kidneys(), patient_data([], [], **common), n_draws=4000)
    low = posterior(
        kidneys(), patient_data([96.0], [20.0], below_limit=[True], **common), n_draws=4000
    )
    assert low.tia().mean() < 0.6 * prior.tia().mean()
    assert (low.predict([96.0]) < 25.0).mean() > 0.95


def test_uncertain_population_widens_the_posterior():
    rng = np.random.default_rng(3)
    truth = PopulationModel(
        sum_of_exponentials(1),
        {"a1": Parameter(10.0, sd=0.3), "l1": Parameter(0.02, sd=0.3)},
        {"blood": proportional(0.1)},
    )
    time = np.array([2.0, 24.0, 72.0])
    population = None
    for k in range(8):
        a, rate = (
            10.0 * np.exp(0.3 * rng.standard_normal()),
            0.02 * np.exp(0.3 * rng.standard_normal()),
        )
        value = a * np.exp(-rate * time) * (1 + 0.1 * rng.standard_normal(3))
        one = patient_data(time, value, region="blood", subject=f"s{k}")
        population = one if population is None else joined(population, one)
    fit = fit_population(truth, population)
    new = patient_data([24.0], [6.0], region="blood")
    known = posterior(fit, new, n_draws=2000)
    uncertain = posterior(fit, new, n_draws=2000, population_draws=40)
    assert np.log(uncertain.tia()).std() > np.log(known.tia()).std()
    assert uncertain.parameter.shape == known.parameter.shape
    assert "known" in known.assumptions[0]
    assert not uncertain.assumptions
    with pytest.raises(KineticsError, match="PopulationFit"):
        posterior(truth, new, population_draws=10)


def test_what_curves_cannot_express_is_refused():
    model = PopulationModel(
        one_compartment(), {"cl": Parameter(1.0, sd=0.3), "v": Parameter(10.0)},
        {"blood": proportional(0.1)},
    )  # fmt: skip
    data = patient_data([5.0], [6.0], region="blood", activity_mbq=100.0)
    data.doses[0, 3] = 50.0  # a two-hour infusion
    found = posterior(model, data)
    with pytest.raises(KineticsError, match="infusions"):
        found.curves()
    cl = found.draws()[:, 0]
    assert np.allclose(found.tia(), 100.0 / cl)
    assert found.predict([2.0, 5.0], occasion="next").shape == (1000, 2)
    data.doses[0, 2] = 1.0
    with pytest.raises(KineticsError, match="first compartment"):
        found.tia()
    with pytest.raises(KineticsError, match="no occasion"):
        found.tia(occasion="3")
    with pytest.raises(KineticsError, match="no region"):
        found.tia("liver")


def test_table_has_every_occasion_and_the_next():
    table = posterior(kidneys(), two_cycles()).to_frame(level=0.8)
    assert list(table.index) == [("1", "kidneys"), ("2", "kidneys"), ("next", "kidneys")]
    assert (table["lower"] < table["median"]).all()
    assert (table["median"] < table["upper"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(value=[1.0, 2.0]), "1 times but 2 values"),
        (dict(time_h=[-1.0]), "zero or positive"),
        (dict(occasion=2, activity_mbq={1: 5.0}), "no activity"),
    ],
)
def test_patient_data_are_checked(change, message):
    with pytest.raises(KineticsError, match=message):
        patient_data(**{"time_h": [1.0], "value": [1.0], "region": "blood", **change})


def test_occasions_without_samples_are_kept():
    data = patient_data(
        [3.0, 1.0], [1.0, 2.0], region="blood", occasion=3, activity_mbq={1: 5, 3: 7}
    )
    assert data.occasion_label == ("1", "3")
    assert data.observation_start.tolist() == [0, 0, 2]
    assert data.time_h.tolist() == [1.0, 3.0]
    assert data.value.tolist() == [2.0, 1.0]
    assert data.doses[:, 1].tolist() == [5.0, 7.0]


def test_arguments_are_checked():
    with pytest.raises(KineticsError, match="laplace, importance, mcmc"):
        posterior(kidneys(), two_cycles(), "gibbs")
    two = joined(two_cycles(), two_cycles())
    with pytest.raises(KineticsError, match="exactly one subject"):
        posterior(kidneys(), two)


def test_chains_draw_a_correlated_normal():
    rng = np.random.default_rng(2)
    covariance = np.array([[1.0, 0.9], [0.9, 1.0]])
    precision = np.linalg.inv(covariance)
    found = sample_chains(
        lambda x: -0.5 * np.einsum("ni,ij,nj->n", x, precision, x),
        5.0 * rng.standard_normal((50, 2)),
        rng=rng,
        n_draws=4000,
    )
    assert found.status == "ok"
    assert found.effective_sample_size > 1000
    assert np.allclose(np.cov(found.draws.T), covariance, atol=0.15)
    with pytest.raises(KineticsError, match="even number"):
        sample_chains(lambda x: x[:, 0], np.zeros((5, 1)), rng=rng)
    with pytest.raises(KineticsError, match="impossible"):
        sample_chains(lambda x: np.full(len(x), -np.inf), np.zeros((8, 1)), rng=rng)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "n"), [("laplace", 2000), ("importance", 1000), ("mcmc", 300)])
def test_intervals_cover(method, n):
    rng = np.random.default_rng(11)
    model = kidneys()
    covered = {"1": 0, "2": 0, "next": 0}
    times, cycle = np.array([24.0, 96.0, 48.0]), np.array([0, 0, 1])
    empty = patient_data([], [], region="kidneys", activity_mbq={1: 1.0, 2: 1.0, 3: 1.0})
    prior = posterior(model, empty, n_draws=n, seed=12)
    unit = model.structure.curves
    for truth in prior.parameter:
        curve = unit(truth)["kidneys"].scaled(7400.0)
        f = curve(times)[cycle, np.arange(3)]
        value = f * (1 + 0.1 * rng.standard_normal(3))
        data = patient_data(times, value, region="kidneys", activity_mbq=7400.0, occasion=cycle + 1)
        found = posterior(model, data, method, seed=int(rng.integers(2**31)), n_draws=400)
        for k, occasion in enumerate(covered):
            low, high = np.quantile(found.tia(occasion=occasion), [0.05, 0.95])
            covered[occasion] += low <= curve.integral()[k] <= high
    for count in covered.values():
        assert 0.85 <= count / n <= 0.95
