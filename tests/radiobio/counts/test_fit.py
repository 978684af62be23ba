import numpy as np
import pytest

from kinetics import SumOfExponentials
from radiobio import (
    CountParameters,
    RadiobioError,
    ctcae_grade,
    fit_counts,
    lineage_prior,
    simulate_counts,
)

RATE = np.log(2) / 60
LINEAGES = ("platelets", "haemoglobin", "neutrophils", "lymphocytes", "leukocytes")
# Marrow dose per activity (Gy/GBq), mean and SD of 16 patients: PMC10478826, Table 3
DOSE_PER_GBQ = {"blood": (0.0164, 0.0066), "image": (0.0697, 0.0341)}


def marrow(dose):
    return SumOfExponentials((np.asarray(dose) * RATE)[..., None], [RATE])


def test_priors():
    image, blood = (lineage_prior("platelets", method) for method in ("image", "blood"))
    ratio = np.exp(blood.log_mean - image.log_mean)
    np.testing.assert_allclose(ratio, [1, 1, 1, 4.25], rtol=1e-12)
    assert "image-based" in image.assumptions[1]
    assert all(line.startswith("ASSUMED") for line in image.assumptions)
    own = lineage_prior("platelets", "image", baseline=180.0, baseline_cv=0.1)
    np.testing.assert_allclose(np.exp(own.log_mean[0]), 180.0)
    np.testing.assert_allclose(own.log_sd[0], np.sqrt(np.log(1.01)))
    draws = image.sample(4000, np.random.default_rng(1))
    assert abs(np.log(draws.kill_per_gy).std() - 0.5) < 4 * 0.5 / np.sqrt(2 * 4000)
    red = lineage_prior("haemoglobin", "blood").sample(3, np.random.default_rng(1))
    np.testing.assert_allclose(red.circulating_loss_per_h, 1 / 2880)
    for arguments in (("PLT", "image"), ("platelets", "mixed")):
        with pytest.raises(RadiobioError, match="not known"):
            lineage_prior(*arguments)
    with pytest.raises(RadiobioError, match="above zero"):
        lineage_prior("platelets", "image", baseline=0.0)


def test_no_counts_give_the_prior():
    prior = lineage_prior("platelets", "image")
    fit = fit_counts(
        prior, [(0.0, marrow([0.4, 0.6]))], day=[], count=[], rng=np.random.default_rng(2)
    )
    assert fit.status == "ok"
    log_kill = np.log(fit.parameters.kill_per_gy)
    assert abs(log_kill.mean() - prior.log_mean[3]) < 0.06
    assert abs(log_kill.std() - 0.5) < 0.05
    assert abs(fit.dose_index.mean() - 0.5) < 0.05


def test_reserve_loss_is_a_coordinate_of_its_own():
    prior = lineage_prior("platelets", "image", reserve_loss=True)
    rates, rng = [(0.0, marrow(2.0))], np.random.default_rng(2)
    empty = fit_counts(prior, rates, day=[], count=[], rng=rng)
    lost = np.log(empty.parameters.reserve_loss_per_gy)
    assert abs(lost.mean() - np.log(0.03)) < 0.16
    assert abs(lost.std() - 1.3) < 0.13
    # back at two thirds of the baseline for good: the loss is seen
    day = [-20.0, -10.0, 0.0, 300.0, 320.0, 340.0, 360.0]
    count = [240.0] * 3 + [160.0] * 4
    fit = fit_counts(prior, rates, day=day, count=count, rng=rng, residual_cv=0.03)
    assert fit.status == "ok"
    share = np.exp(-2.0 * fit.parameters.reserve_loss_per_gy)
    assert abs(np.median(share) - 2 / 3) < 0.05
    with pytest.raises(RadiobioError, match="laplace_counts"):
        fit_counts(
            lineage_prior("platelets", "image", baseline=[200.0, 210.0]),
            rates, day=[], count=[], rng=rng,
        )  # fmt: skip


def test_many_exact_counts_find_the_truth():
    truth = CountParameters(220.0, 16 * 24.0, 0.2, 1.6)
    rates = [(0.0, marrow(0.5)), (56.0, marrow(0.5))]
    days = np.arange(-7, 112, 3.0)
    counts = simulate_counts(truth, rates, days).count
    counts[5] = np.nan
    shuffled = np.random.default_rng(3).permutation(len(days))
    fit = fit_counts(
        lineage_prior("platelets", "image"),
        rates,
        day=days[shuffled],
        count=counts[shuffled],
        rng=np.random.default_rng(4),
        residual_cv=0.02,
    )
    assert fit.status == "ok"
    found = fit.parameters
    for name in ("baseline", "mean_transit_time_h", "kill_per_gy"):
        value, draws = getattr(truth, name), getattr(found, name)
        np.testing.assert_allclose(draws.mean(), value, rtol=0.05)
        assert abs(draws.mean() - value) < 3 * draws.std()


def test_joint_posterior_equals_brute_force():
    prior = lineage_prior("platelets", "image")
    rng = np.random.default_rng(5)
    dose = 0.5 * np.exp(0.5 * rng.standard_normal(200))
    days, counts = np.array([-7.0, 30.0, 45.0]), np.array([250.0, 130.0, 120.0])
    fit = fit_counts(prior, [(0.0, marrow(dose))], day=days, count=counts, rng=rng, n_draws=4000)
    # twin: prior draws of everything, weighted by the likelihood
    n = 200_000
    parameters, index = prior.sample(n, rng), rng.integers(0, len(dose), n)
    course = simulate_counts(parameters, [(0.0, marrow(dose[index]))], days)
    sigma = np.sqrt(np.log1p(prior.residual_cv**2))
    weight = np.exp(-0.5 * (np.log(counts / course.count) ** 2).sum(-1) / sigma**2)
    ess = weight.sum() ** 2 / (weight**2).sum()
    assert ess > 1500

    def check(twin, draws):
        mean = np.average(twin, weights=weight)
        spread = np.sqrt(np.average((twin - mean) ** 2, weights=weight))
        error = spread * np.sqrt(1 / ess + 1 / min(fit.effective_sample_size, len(draws)))
        assert abs(draws.mean() - mean) < 4 * error
        assert abs(draws.std() / spread - 1) < 4 * error / spread

    log_kill, log_dose = np.log(fit.parameters.kill_per_gy), np.log(dose)[fit.dose_index]
    check(np.log(parameters.kill_per_gy), log_kill)
    check(np.log(dose)[index], log_dose)
    check(np.log(parameters.kill_per_gy * dose[index]), log_kill + log_dose)
    check(np.log(parameters.mean_transit_time_h), np.log(fit.parameters.mean_transit_time_h))
    assert np.corrcoef(log_kill, log_dose)[0, 1] < -0.3  # the counts know only their product


def test_what_is_not_legal():
    prior, rng = lineage_prior("platelets", "image"), np.random.default_rng(1)
    one = [(0.0, marrow(0.5))]
    cases = [
        (one, [1.0], [0.0], {}, "above zero"),
        (one, [1.0, 2.0], [100.0], {}, "equally long"),
        (one, [1.0], [100.0], {"residual_cv": 0.0}, "residual_cv"),
        ([(0.0, marrow([0.5, 0.6])), (9.0, marrow([1.0] * 3))], [1.0], [9.0], {}, "n_draws"),
        ([(0.0, SumOfExponentials([0.1], [0.0]))], [1.0], [9.0], {}, "does not decay"),
    ]
    for rates, day, count, more, message in cases:
        with pytest.raises(RadiobioError, match=message):
            fit_counts(prior, rates, day=day, count=count, rng=rng, **more)


def virtual_cohort(lineage, method, n=20_000):
    """Nadir of virtual patients after 4 x 7.4 GBq every 8 weeks, and after the first cycle."""
    rng = np.random.default_rng(6)
    mean, sd = DOSE_PER_GBQ[method]
    variance = np.log1p((sd / mean) ** 2)
    per_gbq = mean * np.exp(np.sqrt(variance) * rng.standard_normal(n) - variance / 2)
    rate = RATE * np.exp(0.2 * rng.standard_normal(n))
    curve = SumOfExponentials((7.4 * per_gbq * rate)[:, None], rate[:, None])
    cycles = [(56.0 * cycle, curve) for cycle in range(4)]
    parameters = lineage_prior(lineage, method).sample(n, rng)
    course = simulate_counts(parameters, cycles, np.arange(0, 253, 3.0))
    return course.nadir(), course.count[:, course.day <= 56].min(-1)


# Bounds (%) of any grade and of grade 3 or more over four cycles; any grade after one cycle
INCIDENCE = {
    "platelets": ((40, 60), (1, 4), (35, 55)),  # NETTER-1 label 53/1, Bergsma 2016 grade 3-4 11
    "haemoglobin": ((40, 81), (0, 1.5), (25, 54)),  # 81/0, control arm 54
    "neutrophils": ((15, 35), (1, 4), (15, 30)),  # 26/3
    "lymphocytes": ((55, 70), (10, 25), (50, 66)),  # Widjaja 2021: 58 after one cycle
    "leukocytes": ((20, 40), (1.5, 5), (15, 35)),  # Groener 2021: grade 3 or more 3.6
}
NORMAL = {
    "platelets": 150.0,
    "haemoglobin": 125.0,
    "neutrophils": 2.0,
    "lymphocytes": 1.0,
    "leukocytes": 4.0,
}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["blood", "image"])
@pytest.mark.parametrize("lineage", LINEAGES)
def test_incidence_in_virtual_patients(lineage, method):
    nadir, first = virtual_cohort(lineage, method)
    grade = ctcae_grade(lineage, nadir, lower_limit_of_normal=NORMAL[lineage])
    found = (
        100 * (grade >= 1).mean(),
        100 * (grade >= 3).mean(),
        100 * (first < NORMAL[lineage]).mean(),
    )
    print(f"{lineage}, {method}: any grade, grade 3+, any in cycle 1 (%):", np.round(found, 1))
    for value, (low, high) in zip(found, INCIDENCE[lineage], strict=True):
        assert low <= value <= high


@pytest.mark.slow
def test_intervals_cover_the_truth():
    rng = np.random.default_rng(7)
    prior = lineage_prior("platelets", "blood")
    sigma = np.sqrt(np.log1p(prior.residual_cv**2))
    days = np.array([-7.0, 14.0, 28.0, 35.0, 42.0, 56.0, 70.0])
    future = np.arange(56, 140, 2.0)
    ranks = []
    for _ in range(200):
        truth = prior.sample(1, rng)
        dose = 0.12 * np.exp(0.3 * rng.standard_normal(251))
        true_rates, rates = (
            [(day, marrow(d)) for day in (0.0, 56.0)] for d in (dose[:1], dose[1:])
        )
        noise = np.exp(sigma * rng.standard_normal(len(days)))
        counts = simulate_counts(truth, true_rates, days).count[0] * noise
        fit = fit_counts(prior, rates, day=days, count=counts, rng=rng, n_draws=500)
        assert fit.status == "ok"
        own = [(day, curve[fit.dose_index]) for day, curve in rates]
        predicted = simulate_counts(fit.parameters, own, future).nadir()
        known = simulate_counts(truth, true_rates, future).nadir()
        pairs = [(predicted, known), (dose[1:][fit.dose_index], dose[0])]
        pairs += [
            (getattr(fit.parameters, name), getattr(truth, name))
            for name in ("baseline", "mean_transit_time_h", "kill_per_gy")
        ]
        ranks.append([(draws < value).mean() for draws, value in pairs])
    rank = np.array(ranks)
    inside = ((rank > 0.05) & (rank < 0.95)).mean(0)
    error = np.sqrt(0.9 * 0.1 / len(rank))
    print("cover of 90 % intervals (nadir, dose, baseline, transit, kill):", inside)
    assert (np.abs(inside - 0.9) < 4 * error).all()
    assert (np.abs(rank.mean(0) - 0.5) < 4 * np.sqrt(1 / 12 / len(rank))).all()
