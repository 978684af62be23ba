import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radiobio.dose_finding import LogisticPrior, blrm_posterior, choose_level, crm_posterior
from radiobio.errors import RadiobioError

NBG_LEVELS = [1, 2.5, 5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250]
NBG_PRIOR = LogisticPrior([2.15, 0.52], [[0.84**2, 0.134], [0.134, 0.80**2]], 250.0)
# the vignettes "Trial Definition" and "Trial Analysis" of crmPack
GRID = [1, 3, 9, 20, 30, 45, 60, 80, 100]
GRID_PRIOR = LogisticPrior([-0.85, 1.0], [[1.0, -0.5], [-0.5, 1.0]], 56.0)
FIRST_FOUR = ([1, 1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0, 0, 0])
LEVELS = np.array([1.0, 2.5, 5.0, 10.0, 15.0, 20.0])
WIDE = LogisticPrior([-1.0, 0.0], [[4.0, 0.0], [0.0, 1.0]], 10.0)


@pytest.fixture(scope="module")
def neuenschwander():
    treated, toxic = np.zeros(15), np.zeros(15)
    treated[[0, 1, 2, 3, 6]], toxic[6] = (3, 4, 5, 4, 2), 2
    return blrm_posterior(NBG_LEVELS, treated, toxic, prior=NBG_PRIOR)


def number(decision):
    return -1 if decision.index is None else decision.index


def test_neuenschwander(neuenschwander):
    assert choose_level(neuenschwander, rule="closest", most_overdose=None).level == 25
    for rule in ("overdose_control", "target_interval", "closest"):
        decision = choose_level(neuenschwander, rule=rule)
        assert decision.level == 20
        assert decision.binding == "overdose control"
    assert not choose_level(neuenschwander).near_threshold


def test_a_thousand_draws_flip_the_decision_near_the_threshold():
    """One of the printed tables has 0.200 at level 20, 0.256 is exact: 20 instead of 9."""
    posterior = blrm_posterior(GRID, *FIRST_FOUR, prior=GRID_PRIOR)
    decision = choose_level(posterior, rule="target_interval")
    assert decision.level == 9
    assert decision.near_threshold
    exact = posterior.above(0.35)[3]
    np.testing.assert_allclose(exact, 0.2558, atol=5e-5)
    np.testing.assert_allclose(decision.flip_distance, exact - 0.25)
    rng = np.random.default_rng(321)
    a, b = rng.multivariate_normal(GRID_PRIOR.mean, GRID_PRIOR.covariance, size=200_000).T
    logit = a[:, None] + np.exp(b)[:, None] * np.log(np.array(GRID[:4]) / 56.0)
    weight = np.exp(logit[:, 3] - np.logaddexp(0, logit).sum(1))
    risk = 1 / (1 + np.exp(-logit[:, 3]))
    over = [
        (risk[rng.choice(risk.size, 1000, p=weight / weight.sum())] >= 0.35).mean()
        for _ in range(40)
    ]
    np.testing.assert_allclose(np.mean(over), exact, atol=4 * 0.0138 / np.sqrt(40))
    assert 0 < np.sum(np.array(over) < 0.25) < 40  # some draws give 20, some 9


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=6, max_size=6),
    st.floats(0.1, 0.4),
)
def test_the_flip_distance_is_the_change_that_flips(counts, limit):
    treated, toxic = [max(pair) for pair in counts], [min(pair) for pair in counts]
    posterior = blrm_posterior(LEVELS, treated, toxic, prior=WIDE)
    decision = choose_level(posterior, most_overdose=limit)
    step = decision.flip_distance

    def moved(by):
        shifted = limit + by
        if not 0 < shifted < 1:
            return None
        return choose_level(posterior, most_overdose=shifted).index

    for sign in (-1, 1):
        assert moved(sign * 0.99 * step) == decision.index or not 0 < limit + sign * step < 1
    if np.isfinite(step):
        assert (
            decision.index in (moved(1.01 * step + 1e-9), moved(-1.01 * step - 1e-9)) or step == 0
        )
        assert {moved(1.01 * step + 1e-9), moved(-1.01 * step - 1e-9)} != {decision.index}


def test_a_tie_of_the_scores_is_flagged():
    posterior = crm_posterior([0.1, 0.2, 0.4], [], [], prior_sd=1e-3)
    decision = choose_level(posterior, rule="closest", target=0.151, most_overdose=None)
    assert decision.level == 2
    np.testing.assert_allclose(decision.flip_distance, 0.001, atol=1e-5)
    assert decision.near_threshold
    assert not choose_level(
        posterior, rule="closest", target=0.19, most_overdose=None
    ).near_threshold


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=5, max_size=5),
    st.integers(0, 4),
)
def test_more_risk_never_raises_the_level_under_the_published_prior(counts, at):
    treated = np.array([max(pair) for pair in counts])
    toxic = np.array([min(pair) for pair in counts])
    levels, more = NBG_LEVELS[3:8], np.eye(5, dtype=int)[at]
    worse, same, better = (
        number(choose_level(blrm_posterior(levels, *data, prior=NBG_PRIOR)))
        for data in (
            (treated + more, toxic + more), (treated, toxic), (treated + more, toxic),
        )
    )  # fmt: skip
    assert worse <= same <= better


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=6, max_size=6),
    st.integers(0, 5),
    st.sampled_from(["overdose_control", "target_interval", "closest"]),
)
def test_no_escalation_after_a_toxicity_under_any_prior(counts, at, rule):
    treated = np.array([max(pair) for pair in counts])
    toxic = np.array([min(pair) for pair in counts])
    treated[at] += 1
    toxic[at] += 1
    posterior = blrm_posterior(LEVELS, treated, toxic, prior=WIDE)
    decision = choose_level(posterior, rule=rule, last_index=at, last_toxic=1)
    assert number(decision) <= at


def test_two_parameters_are_not_coherent_by_themselves():
    """A toxicity at the lowest level flattens the curve of a wide prior: the risk above falls."""
    levels = [1, 2.5, 5, 10, 15, 20, 25, 30, 40, 50]
    before = ([5, 5, 0, 0, 4, 0, 0, 0, 0, 0], [0] * 10)
    after = ([6, 5, 0, 0, 4, 0, 0, 0, 0, 0], [1] + [0] * 9)
    low, high = (
        choose_level(blrm_posterior(levels, *data, prior=WIDE)) for data in (before, after)
    )
    assert high.index == low.index + 1
    kept = choose_level(blrm_posterior(levels, *after, prior=WIDE), last_index=0, last_toxic=1)
    assert kept.index == 0
    assert kept.binding == "coherence: a toxicity was just seen"


def test_a_limit_that_rises_whatever_happens_is_incoherent():
    """Wheeler 2018: the limit goes up after each patient, also after one with a toxicity."""
    treated, toxic = np.array([3, 3, 3, 3, 0, 0]), np.array([0, 0, 0, 0, 0, 0])
    before = choose_level(blrm_posterior(LEVELS, treated, toxic, prior=WIDE), most_overdose=0.2)
    last = before.index
    more = np.eye(6, dtype=int)[last]
    posterior = blrm_posterior(LEVELS, treated + more, toxic + more, prior=WIDE)
    assert choose_level(posterior, most_overdose=0.2).index < last
    raised = choose_level(posterior, most_overdose=0.7)
    held = choose_level(posterior, most_overdose=0.7, last_index=last, last_toxic=1)
    assert raised.index > last
    assert held.index == last


def test_steps_and_ratios():
    posterior = blrm_posterior(LEVELS, [3, 0, 0, 0, 0, 0], [0] * 6, prior=WIDE)
    free = choose_level(posterior)
    assert free.index > 1
    step = choose_level(posterior, most_steps=1)
    assert (step.index, step.binding) == (1, "the allowed step")
    assert choose_level(posterior, most_ratio=5.0).level == 5.0
    empty = blrm_posterior(LEVELS, [0] * 6, [0] * 6, prior=WIDE)
    assert choose_level(empty, most_steps=1).index == 0
    assert choose_level(empty, most_ratio=2.0).index == 0


def test_no_level_is_safe():
    posterior = blrm_posterior(LEVELS, [6, 0, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0], prior=WIDE)
    decision = choose_level(posterior)
    assert decision.index is None
    assert np.isnan(decision.level)
    np.testing.assert_allclose(decision.flip_distance, posterior.over[0] - 0.25)
    assert not decision.to_frame()["chosen"].any()


def test_table(neuenschwander):
    frame = choose_level(neuenschwander).to_frame()
    assert frame.loc[frame["chosen"], "level"].item() == 20


def test_the_highest_level_is_said():
    posterior = blrm_posterior(LEVELS, [9] * 6, [0] * 6, prior=WIDE)
    assert choose_level(posterior).binding == "the highest level is reached"


def test_what_is_not_legal(neuenschwander):
    for change, message in (
        ({"rule": "best"}, "not known"),
        ({"most_overdose": None}, "needs most_overdose"),
        ({"most_overdose": 1.0}, "most_overdose"),
        ({"margin": -0.1}, "margin"),
        ({"target": 0.0}, "target"),
        ({"last_toxic": 1}, "needs last_index"),
        ({"last_index": 15}, "0 to 14"),
        ({"last_index": 0, "last_toxic": 1}, "the data have 0"),
        ({"most_steps": -1}, "most_steps"),
        ({"most_ratio": 0.5}, "most_ratio"),
    ):
        with pytest.raises(RadiobioError, match=message):
            choose_level(neuenschwander, **change)
