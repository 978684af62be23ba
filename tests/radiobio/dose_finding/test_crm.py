import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats

from radiobio.dose_finding import (
    choose_level,
    cibp_loss,
    count_outcomes,
    crm_posterior,
    read_outcomes,
    too_toxic,
)
from radiobio.errors import RadiobioError

REFERENCE = Path(__file__).parents[2] / "reference" / "radiobio_crm_posteriors.csv"
GUESS = [0.05, 0.12, 0.25, 0.40, 0.55]
OTHER = [0.05, 0.10, 0.25, 0.40, 0.60]
NEUENSCHWANDER = "1NNN 2NNNN 3NNNN 4NNNN 7TT"


def rows():
    with REFERENCE.open() as file:
        return list(csv.DictReader(file))


def floats(text):
    return np.array([float(word) for word in text.split()])


def closest(posterior, target):
    return choose_level(posterior, rule="closest", target=target, most_overdose=None)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["case"])
def test_published_posteriors(row):
    index, toxic = read_outcomes(row["outcomes"])
    posterior = crm_posterior(
        floats(row["skeleton"]), index, toxic, model=row["model"],
        intercept=float(row["intercept"]), prior_sd=float(row["prior_variance"]) ** 0.5,
        weight=floats(row["days_of_126"]) / 126 if row["days_of_126"] else None,
    )  # fmt: skip
    np.testing.assert_allclose(posterior.beta_mean, float(row["beta_mean"]), atol=5.1e-6)
    np.testing.assert_allclose(posterior.beta_variance, float(row["beta_variance"]), atol=5.1e-6)
    np.testing.assert_allclose(posterior.plug_in, floats(row["plug_in"]), atol=5.1e-5)
    np.testing.assert_allclose(posterior.mean, floats(row["mean"]), atol=5.1e-5)
    assert closest(posterior, float(row["target"])).index == int(row["level"]) - 1
    assert posterior.status == "ok"
    assert posterior.numerical_error < 1e-8


@pytest.mark.parametrize(
    ("skeleton", "level"),
    [
        ([0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.10, 0.17, 0.30], 9),
        ([0.03, 0.06, 0.12, 0.20, 0.30, 0.40, 0.50, 0.59, 0.67, 0.74], 6),
    ],
    ids=["crowded", "spaced"],
)
def test_a_crowded_skeleton_escalates_after_two_toxicities_of_two(skeleton, level):
    posterior = crm_posterior(skeleton, *read_outcomes(NEUENSCHWANDER), prior_sd=1.34)
    assert closest(posterior, 0.30).index == level - 1
    # the coherent choice stays at or below the level of the toxicities
    kept = choose_level(posterior, rule="closest", most_overdose=None, last_index=6, last_toxic=2)
    assert kept.index == min(level, 7) - 1


def test_convex_penalty_takes_the_lower_level():
    posterior = crm_posterior(OTHER, *read_outcomes("1NTN"))
    assert closest(posterior, 0.33).index == 1
    loss = cibp_loss(posterior, 0.33, asymmetry=0.3)
    assert loss.argmin() == 0

    def at(beta, level):
        p = OTHER[level] ** np.exp(beta)
        likelihood = OTHER[0] ** np.exp(beta) * (1 - OTHER[0] ** np.exp(beta)) ** 2
        prior = stats.norm.pdf(beta, 0, np.sqrt(1.34))
        return np.array([1.0, (p - 0.33) ** 2 / (p**0.3 * (1 - p) ** 1.7)]) * likelihood * prior

    for level in (0, 4):
        total = [integrate.quad(lambda b: at(b, level)[i], -12, 5, epsabs=1e-14)[0]  # noqa: B023
                 for i in (0, 1)]  # fmt: skip
        np.testing.assert_allclose(loss[level], total[1] / total[0], rtol=1e-6)


def test_convex_penalty_without_an_expectation_is_infinite():
    none = crm_posterior(OTHER, *read_outcomes("1NNN"))
    assert np.isinf(cibp_loss(none, 0.33, asymmetry=0.3)).all()
    # 1/p^a of level 2 grows as exp(0.9 * 2.30 e^beta), one toxicity at level 2 brings exp(-2.30
    # e^beta); at level 1 it grows faster than that
    some = crm_posterior(OTHER, *read_outcomes("2NT"))
    loss = cibp_loss(some, 0.33, asymmetry=0.9)
    np.testing.assert_array_equal(np.isinf(loss), [True, False, False, False, False])
    log_p = np.log(0.10)

    def weight(beta, penalty):
        power = log_p * np.exp(beta)
        rest = np.log(-np.expm1(power))
        log_loss = penalty * (-0.9 * power - 1.1 * rest)
        log_post = power + rest + stats.norm.logpdf(beta, 0, np.sqrt(1.34))
        return np.exp(log_post + log_loss) * ((np.exp(power) - 0.33) ** 2 if penalty else 1.0)

    above, below = (integrate.quad(weight, -12, 12, (k,), points=[-2, 0, 1, 2, 3], limit=500,
                                   epsabs=1e-13)[0] for k in (1, 0))  # fmt: skip
    np.testing.assert_allclose(loss[1], above / below, rtol=1e-7)


@pytest.mark.parametrize(("outcomes", "stops"), [("2NTN 1TT", False), ("2NTN 1TTT", True)])
def test_stop_when_the_lowest_level_is_too_toxic(outcomes, stops):
    posterior = crm_posterior(OTHER, *read_outcomes(outcomes))
    stop, probability = too_toxic(posterior, toxic_from=0.35, confidence=0.8)
    assert stop is stops
    assert (probability > 0.8) is stops


@pytest.mark.parametrize("model", ["logistic", "power"])
def test_probabilities_against_quad(model):
    index, toxic = read_outcomes("1NNN 2NTN 3TN")
    weight = np.array([1, 1, 0.4, 1, 1, 0.7, 1, 0.0])
    posterior = crm_posterior(GUESS, index, toxic, model=model, weight=weight)
    guess = np.array(GUESS)

    def risk(beta):
        if model == "power":
            return guess ** np.exp(beta)
        return special.expit(3 + np.exp(beta) * (special.logit(guess) - 3))

    def density(beta):
        p = risk(beta)[index]
        like = np.where(toxic == 1, p, 1 - weight * p).prod()
        return like * stats.norm.pdf(beta, 0, np.sqrt(1.34))

    points = {"epsabs": 1e-13, "limit": 200}
    total = integrate.quad(density, -9, 5, **points)[0]
    np.testing.assert_allclose(posterior.log_evidence, np.log(total), atol=1e-9)
    for level in (0, 2, 4):
        mean = integrate.quad(lambda b: density(b) * risk(b)[level], -9, 5, **points)[0]  # noqa: B023
        np.testing.assert_allclose(posterior.mean[level], mean / total, atol=1e-9)
        crossing = optimize.brentq(lambda b: risk(b)[level] - 0.3, -9, 5)  # noqa: B023
        over = integrate.quad(density, -9, crossing, **points)[0]
        np.testing.assert_allclose(posterior.above(0.3)[level], over / total, atol=1e-9)


def test_a_risk_that_the_logistic_curve_never_reaches():
    posterior = crm_posterior([0.05, 0.2], [0, 1], [0, 1], model="logistic", intercept=0.0)
    np.testing.assert_array_equal(posterior.above(0.6), 0.0)
    assert (posterior.above(0.4) > 0).all()


def test_weights_of_one_and_of_zero():
    index, toxic = read_outcomes("1NNN 2NTN")
    full = crm_posterior(GUESS, index, toxic)
    np.testing.assert_array_equal(crm_posterior(GUESS, index, toxic, weight=np.ones(6)).mean,
                                  full.mean)  # fmt: skip
    unseen = crm_posterior(GUESS, [*index, 3], [*toxic, 0], weight=[1] * 6 + [0])
    np.testing.assert_allclose(unseen.mean, full.mean, atol=1e-12)
    assert unseen.assumptions != full.assumptions


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12),
    st.integers(0, 4),
    st.sampled_from(["power", "logistic"]),
    st.sampled_from([0.2, 0.25, 0.33]),
)
def test_one_more_toxicity_never_raises_the_level(patients, level, model, target):
    index = np.array([patient[0] for patient in patients], int)
    toxic = np.array([patient[1] for patient in patients], int)
    before = crm_posterior(GUESS, index, toxic, model=model)
    after = [
        crm_posterior(GUESS, [*index, level], [*toxic, outcome], model=model) for outcome in (0, 1)
    ]
    lower, same, higher = (
        (closest(posterior, target).index, -1 if ewoc.index is None else ewoc.index)
        for posterior in (after[1], before, after[0])
        for ewoc in [choose_level(posterior)]
    )
    assert lower[0] <= same[0] <= higher[0]
    assert lower[1] <= same[1] <= higher[1]


def test_calibration_of_the_posterior():
    rng = np.random.default_rng(8)
    rank = []
    for beta in rng.normal(0, np.sqrt(1.34), 1500):
        truth = np.array(GUESS) ** np.exp(beta)
        index = np.repeat([0, 1, 2, 3], 4)
        posterior = crm_posterior(GUESS, index, rng.random(16) < truth[index])
        rank.append(posterior.above(min(max(truth[2], 1e-15), 1 - 1e-15))[2])
    assert stats.kstest(rank, "uniform").pvalue > 0.001


def test_outcomes():
    index, toxic = read_outcomes("1NNN 10TN")
    np.testing.assert_array_equal(index, [0, 0, 0, 9, 9])
    np.testing.assert_array_equal(toxic, [0, 0, 0, 1, 0])
    assert read_outcomes("")[0].size == 0
    for text in ("0N", "1X", "N", "1 N"):
        with pytest.raises(RadiobioError, match="not legal"):
            read_outcomes(text)
    with pytest.raises(RadiobioError, match="0 to 2"):
        count_outcomes([3], [0], n_levels=3)
    with pytest.raises(RadiobioError, match="0 or 1"):
        count_outcomes([0], [2], n_levels=3)
    with pytest.raises(RadiobioError, match="each patient"):
        count_outcomes([0, 1], [0], n_levels=3)


def test_table():
    frame = crm_posterior(GUESS, [0], [0], levels=[1.0, 2.0, 3.7, 5.5, 7.4]).to_frame()
    assert list(frame["level"]) == [1.0, 2.0, 3.7, 5.5, 7.4]
    assert frame["treated"].sum() == 1


def test_what_is_not_legal():
    legal = {"skeleton": GUESS, "level_index": [0, 1], "toxic": [0, 1]}
    for change, message in (
        ({"skeleton": GUESS[::-1]}, "rising"),
        ({"skeleton": [0.0, 0.5]}, "above 0"),
        ({"model": "tanh"}, "not known"),
        ({"model": "logistic", "intercept": 0.0}, "above the logit"),
        ({"prior_sd": 0.0}, "above 0"),
        ({"prior_sd": 100.0}, "up to 30"),
        ({"interval": 0.3}, "two numbers"),
        ({"model": "logistic", "intercept": np.inf}, "at most 30"),
        ({"weight": [1.0]}, "each patient"),
        ({"weight": [1.0, 0.5]}, "1 for patients with a toxicity"),
        ({"levels": [1.0, 2.0]}, "5 values"),
    ):
        with pytest.raises(RadiobioError, match=message):
            crm_posterior(**(legal | change))
    posterior = crm_posterior(**legal)
    with pytest.raises(RadiobioError, match="asymmetry"):
        cibp_loss(posterior, 0.3, asymmetry=2.0)
    with pytest.raises(RadiobioError, match="0 to 4"):
        too_toxic(posterior, toxic_from=0.3, confidence=0.8, index=5)
