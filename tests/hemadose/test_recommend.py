"""The decision from draws: small cases by hand, properties, and the bootstrap against a twin."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemadose.planning import (
    Administration,
    Constraint,
    CountGrades,
    HemadosePlanningError,
    label_decision,
    recommend,
)

GRID = np.array([2.0, 4.0, 6.0, 8.0])
DAYS = np.array([42.0, 56.0])


def exceeding(counts, n_draws=10):
    """Draws of which the first ``counts[i][a]`` exceed."""
    counts = np.asarray(counts)
    return np.arange(n_draws) < counts[..., None]


def risk(name, counts, tolerance=0.25, n_draws=10, **options):
    over = exceeding(counts, n_draws)
    return Constraint(name, f"too much for the {name}", 1.0, "Gy", tolerance, over, **options)


def free_label(planned=8.0):
    return label_decision("none", [], cycles=[], decision_day=0, planned_activity_gbq=planned)


def lutathera(platelet_grades, cycles=((0, 7.4),), day=100):
    blood = {"haemoglobin": 0, "neutrophils": 0}
    return label_decision(
        "lutathera",
        [CountGrades(when, blood | {"platelets": grade}) for when, grade in platelet_grades],
        cycles=[Administration(*cycle) for cycle in cycles],
        decision_day=day,
        planned_activity_gbq=7.4,
    )


def plan(constraints, **options):
    options = {
        "hard_cap_gbq": 8.0,
        "label": free_label(),
        "rng": np.random.default_rng(1),
        "n_resamples": 50,
    } | options
    grid = options.pop("grid", GRID)
    return recommend(grid, options.pop("days", DAYS), constraints, **options)


def test_highest_activity_within_every_tolerance_and_the_shortest_interval():
    marrow = risk("marrow", [[0, 1, 3, 5], [0, 1, 2, 4]])
    kidneys = risk("kidneys", [[0, 0, 0, 3], [0, 0, 0, 3]], cumulative=True)
    result = plan([marrow, kidneys])
    assert (result.action, result.activity_gbq, result.interval_days) == ("treat", 6.0, 56.0)
    assert result.decided_by == "model"
    assert (result.binding.name, result.binding.activity_gbq) == ("marrow", 8.0)
    assert (result.binding.probability, result.binding.tolerance) == (0.4, 0.25)
    assert (result.next_constraint.name, result.next_constraint.probability) == ("kidneys", 0.3)

    same = risk("marrow", [[0, 1, 3, 5], [0, 1, 3, 4]])
    result = plan([same, kidneys])
    assert (result.activity_gbq, result.interval_days) == (4.0, 42.0)
    assert (result.binding.name, result.binding.activity_gbq) == ("marrow", 6.0)
    assert (result.next_constraint.name, result.next_constraint.activity_gbq) == ("kidneys", 8.0)


def test_a_risk_equal_to_its_tolerance_is_tolerated():
    assert plan([risk("a", [[3, 3, 3, 4]] * 2, tolerance=0.3)]).activity_gbq == 6.0


def test_a_dip_above_a_violation_cannot_be_used():
    result = plan([risk("a", [[0, 5, 0, 0]] * 2)])
    assert result.activity_gbq == 2.0
    assert result.binding.activity_gbq == 4.0
    crossed = plan([risk("a", [[0, 0, 5, 0]] * 2), risk("b", [[0, 5, 0, 0]] * 2)])
    assert crossed.activity_gbq == 2.0
    assert crossed.allowed.tolist() == [[True, False, False, False]] * 2


def test_hard_cap_and_end_of_the_grid():
    safe = risk("a", [[0, 0, 0, 0]] * 2)
    capped = plan([safe], hard_cap_gbq=7.0)
    assert (capped.activity_gbq, capped.decided_by, capped.binding) == (6.0, "hard cap", None)
    assert plan([safe]).decided_by == "hard cap"
    ends = plan([safe], hard_cap_gbq=9.0)
    assert (ends.activity_gbq, ends.decided_by, ends.next_constraint) == (8.0, "model", None)
    assert "No risk exceeds its tolerance at any activity of the grid." in ends.reasons
    later = plan([risk("a", [[0, 0, 0, 9]] * 2)], hard_cap_gbq=4.0)
    assert (later.decided_by, later.binding, later.next_constraint.name) == ("hard cap", None, "a")


def test_hold_where_waiting_may_help_and_stop_where_a_cumulative_limit_is_used_up():
    blood = risk("blood", [[5, 5, 5, 5]] * 2)
    result = plan([blood])
    assert (result.action, result.activity_gbq, result.interval_days) == ("hold", 0.0, None)
    assert result.decided_by == "model"
    assert result.binding.activity_gbq == 2.0
    assert result.tumour_dose is None
    kidneys = risk("kidneys", [[5, 5, 5, 5]] * 2, cumulative=True)
    assert plan([kidneys]).action == "stop"
    assert plan([kidneys, blood]).action == "stop"
    one_interval_left = risk("kidneys", [[5, 5, 5, 5], [0, 0, 5, 5]], cumulative=True)
    assert plan([one_interval_left, blood]).action == "hold"


def test_least_useful_activity():
    low = risk("a", [[0, 5, 5, 5]] * 2)
    assert plan([low]).action == "treat"  # 2 GBq is a quarter of the planned 8
    assert plan([low], min_useful_activity_gbq=3.0).action == "hold"
    assert any("a quarter of the planned" in text for text in plan([low]).assumptions)
    with_zero = risk("a", [[0, 5, 5, 5]] * 2)
    assert plan([with_zero], grid=[0.0, 2.0, 4.0, 8.0]).action == "hold"


@pytest.mark.parametrize(
    ("grades", "counts", "action", "activity", "decided_by"),
    [
        ([(90, 0)], [0, 0, 5, 5], "treat", 4.0, "model"),
        ([(90, 0)], [0, 0, 0, 0], "treat", 6.0, "label"),  # 7.4 GBq lies between 6 and 8
        ([(40, 2), (90, 2)], [0, 0, 0, 0], "hold", 0.0, "label"),
        ([(40, 2), (90, 0)], [0, 0, 0, 0], "treat", 2.0, "label"),  # 3.7 GBq
        ([(40, 2), (90, 0)], [0, 5, 5, 5], "treat", 2.0, "model"),
        ([(40, 2), (90, 0)], [5, 5, 5, 5], "hold", 0.0, "model"),
        ([(40, 2), (90, 2)], [5, 5, 5, 5], "hold", 0.0, "label"),
    ],
)
def test_the_safer_of_model_and_label_wins(grades, counts, action, activity, decided_by):
    result = plan([risk("a", [counts] * 2)], label=lutathera(grades))
    assert (result.action, result.activity_gbq) == (action, activity)
    assert result.decided_by == decided_by
    named = any(result.label.rule_id in reason for reason in result.reasons)
    assert named == (decided_by == "label" or result.label.action != "treat")


def test_stop_of_the_label_and_stop_of_the_model():
    recurred = lutathera([(40, 2), (60, 0), (90, 2)], cycles=((0, 7.4), (61, 3.7)))
    result = plan([risk("a", [[0, 0, 0, 0]] * 2)], label=recurred)
    assert (result.action, result.decided_by) == ("stop", "label")
    assert (result.model_action, result.model_activity_gbq) == ("treat", 8.0)
    assert any("The model alone would say 8 GBq after 42 days" in r for r in result.reasons)
    used_up = risk("kidneys", [[9, 9, 9, 9]] * 2, cumulative=True)
    result = plan([used_up], label=lutathera([(90, 2)]))
    assert (result.action, result.decided_by) == ("stop", "model")
    assert any("says hold" in reason for reason in result.reasons)


def test_label_below_the_useful_activity_is_a_hold():
    reduced = lutathera([(40, 2), (90, 0)])
    result = plan([risk("a", [[0] * 4] * 2)], label=reduced, min_useful_activity_gbq=4.0)
    assert (result.action, result.decided_by, result.model_action) == ("hold", "label", "treat")
    assert any("allows 3.7 GBq" in reason for reason in result.reasons)


def test_with_a_lower_label_maximum_the_interval_is_chosen_again():
    marrow = risk("marrow", [[0, 5, 5, 5], [0, 0, 0, 0]])
    assert plan([marrow]).interval_days == 56.0
    reduced = plan([marrow], label=lutathera([(40, 2), (90, 0)]))
    assert (reduced.activity_gbq, reduced.interval_days) == (2.0, 42.0)


def test_tumour_dose_of_the_recommended_point():
    rng = np.random.default_rng(3)
    dose_gy = rng.lognormal(size=(2, 4, 10)) * GRID[:, None]
    result = plan([risk("a", [[0, 0, 5, 5]] * 2)], tumour_dose_gy=dose_gy)
    chosen = dose_gy[0, 1]
    assert result.tumour_dose.mean_gy == pytest.approx(chosen.mean())
    assert result.tumour_dose.lower_gy == pytest.approx(np.quantile(chosen, 0.05))
    assert result.tumour_dose.upper_gy == pytest.approx(np.quantile(chosen, 0.95))


def test_table_and_json():
    result = plan([risk("a", [[0, 1, 5, 5]] * 2), risk("b", [[0, 0, 0, 9]] * 2)])
    table = result.to_frame()
    assert list(table.columns) == [
        "interval_days",
        "activity_gbq",
        "constraint",
        "probability",
        "mc_standard_error",
        "tolerance",
        "allowed",
    ]
    assert len(table) == 2 * 4 * 2
    row = table[(table.interval_days == 42) & (table.activity_gbq == 6) & (table.constraint == "a")]
    assert row.probability.item() == 0.5
    assert not row.allowed.item()
    assert table[table.allowed].activity_gbq.max() == result.activity_gbq
    # Laplace's rule: 6 of 12
    assert row.mc_standard_error.item() == pytest.approx(np.sqrt(0.25 / 10))
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["binding"]["name"] == "a"
    assert document["label"]["rule_id"] == "none.no_rules"
    assert document["grid_activity_gbq"] == GRID.tolist()


def highest_by_loops(constraints, interval, rows, ceiling=np.inf):
    """Highest activity before the first violation, 0 if there is none."""
    highest = 0.0
    for a, activity in enumerate(GRID):
        risks = [(c.exceeds[interval, a, rows].mean(), c.tolerance) for c in constraints]
        if activity > ceiling or any(p > tolerance + 1e-12 for p, tolerance in risks):
            break
        highest = activity
    return highest


def brute_force(constraints, cap, useful, rows):
    """One decision by plain loops: a twin of the vectorised one."""
    best = (0.0, None)
    for i, interval in enumerate(DAYS):
        highest = highest_by_loops(constraints, i, rows, cap)
        if highest > best[0]:
            best = (highest, interval)
    if best[0] >= useful:
        return "treat", *best
    for c in constraints:
        alone = max(highest_by_loops([c], i, rows) for i in range(len(DAYS)))
        if c.cumulative and alone < useful:
            return "stop", 0.0, None
    return "hold", 0.0, None


def monotone_constraints(seed, n_draws=200, scale=1.0):
    rng = np.random.default_rng(seed)
    kidney = rng.lognormal(np.log(0.14 * scale), 0.3, n_draws)
    marrow = rng.lognormal(np.log(0.17 * scale), 0.5, n_draws)
    shorter = np.array([1.1, 1.0])[:, None, None]
    return [
        Constraint(
            "kidneys",
            "kidneys",
            1.0,
            "",
            0.2,
            shorter * GRID[:, None] * kidney > 1,
            cumulative=True,
        ),
        Constraint("marrow", "marrow", 1.0, "", 0.3, shorter**3 * GRID[:, None] * marrow > 1),
    ]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("scale", [0.6, 1.0, 2.5, 5.0])
def test_decision_equals_plain_loops(seed, scale):
    constraints = monotone_constraints(seed, n_draws=40, scale=scale)
    result = plan(constraints, hard_cap_gbq=6.0)
    expected = brute_force(constraints, 6.0, 2.0, np.arange(40))
    assert (result.action, result.activity_gbq, result.interval_days) == expected


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_stability_against_a_bootstrap_by_loops(seed):
    n_draws, n_resamples = 100, 1500
    constraints = monotone_constraints(seed, n_draws)
    result = plan(constraints, n_resamples=4000)
    rng = np.random.default_rng(99)
    found = [
        brute_force(constraints, 8.0, 2.0, rng.integers(0, n_draws, n_draws))
        for _ in range(n_resamples)
    ]
    chosen = (result.action, result.activity_gbq, result.interval_days)
    same = np.mean(
        [
            d[0] == chosen[0]
            and d[2] == chosen[2]
            and abs(np.searchsorted(GRID, d[1]) - np.searchsorted(GRID, chosen[1])) <= 1
            for d in found
        ]
    )
    error = np.sqrt(0.25 / n_resamples + 0.25 / 4000)
    assert result.stability == pytest.approx(same, abs=4 * error)
    assert result.decision_changes == pytest.approx(1 - result.stability)
    assert sum(option.frequency for option in result.alternatives) == pytest.approx(1)
    for option in result.alternatives:
        share = np.mean(
            [d == (option.action, option.activity_gbq, option.interval_days) for d in found]
        )
        assert option.frequency == pytest.approx(share, abs=4 * error)


def test_near_threshold_and_fewer_effective_draws():
    sharp = risk("a", [[0, 0, 2, 9]] * 2, tolerance=0.25)
    assert plan([sharp]).near_threshold == ("a",)
    many = risk("a", [[0, 0, 200, 900]] * 2, tolerance=0.25, n_draws=1000)
    full = plan([many], n_resamples=2000)
    assert full.near_threshold == ()
    few = plan([many], effective_sample_size=30, n_resamples=2000)
    assert few.near_threshold == ("a",)
    assert few.alternatives[0].frequency < full.alternatives[0].frequency
    assert (few.activity_gbq, full.activity_gbq) == (6.0, 6.0)
    assert any("independent" in text for text in full.assumptions)


def test_same_seed_same_result():
    constraints = monotone_constraints(5)
    first, second = (plan(constraints, rng=np.random.default_rng(4)) for _ in range(2))
    assert first.to_dict() == second.to_dict()


def test_chunks_of_resamples_change_nothing(monkeypatch):
    module = importlib.import_module("hemadose.planning.recommend")
    whole = plan(monotone_constraints(6), rng=np.random.default_rng(4))
    monkeypatch.setattr(module, "_MAX_CELLS", 1000)
    assert plan(monotone_constraints(6), rng=np.random.default_rng(4)).to_dict() == whole.to_dict()


COUNTS = st.lists(st.lists(st.integers(0, 10), min_size=4, max_size=4), min_size=2, max_size=2)
TOLERANCE = st.sampled_from([0.05, 0.1, 0.25, 0.5])
CAUTION = {"treat": 0, "hold": 1, "stop": 2}


@settings(max_examples=200)
@given(
    first=COUNTS,
    second=COUNTS,
    more=COUNTS,
    tolerances=st.tuples(TOLERANCE, TOLERANCE),
    lower=TOLERANCE,
    cap=st.sampled_from([2.0, 3.0, 6.0, 8.0, 10.0]),
    cumulative=st.booleans(),
)
def test_more_risk_or_less_tolerance_never_raises_the_activity(
    first, second, more, tolerances, lower, cap, cumulative
):
    def run(counts, tolerance):
        constraints = [
            risk("a", counts, tolerance, cumulative=cumulative),
            risk("b", second, tolerances[1]),
        ]
        return plan(constraints, hard_cap_gbq=cap, n_resamples=3)

    base = run(first, tolerances[0])
    riskier = run(np.maximum(first, more), tolerances[0])
    stricter = run(first, min(lower, tolerances[0]))
    for result in (base, riskier, stricter):
        assert result.activity_gbq <= cap
        assert all(option.activity_gbq <= cap for option in result.alternatives)
    for result in (riskier, stricter):
        assert result.activity_gbq <= base.activity_gbq
        assert CAUTION[result.action] >= CAUTION[base.action]


@settings(max_examples=60)
@given(counts=COUNTS, grades=st.lists(st.integers(0, 4), min_size=1, max_size=3))
def test_the_result_is_at_least_as_cautious_as_model_and_label(counts, grades):
    label = lutathera([(30 + 20 * i, grade) for i, grade in enumerate(grades)], day=90)
    result = plan([risk("a", counts)], label=label, n_resamples=3)
    label_caution = CAUTION.get(label.action, 0)
    assert CAUTION[result.action] >= max(CAUTION[result.model_action], label_caution)
    assert result.activity_gbq <= min(result.model_activity_gbq, label.max_activity_gbq)


SAFE = risk("a", [[0, 0, 0, 0]] * 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plan([SAFE], hard_cap_gbq=1.0), "lies below the lowest useful"),
        (lambda: plan([SAFE], hard_cap_gbq=np.nan), "hard cap must be above 0"),
        (lambda: plan([SAFE], min_useful_activity_gbq=0.0), "lowest useful activity must be above"),
        (lambda: plan([SAFE], hard_cap_gbq=3.0, min_useful_activity_gbq=2.5), "lies between"),
        (lambda: plan([SAFE], grid=[]), "activity_gbq needs one or more"),
        (lambda: plan([SAFE], grid=[2.0, 2.0, 3.0, 4.0]), "ascending"),
        (lambda: plan([SAFE], grid=[2.0, np.nan, 3.0, 4.0]), "finite"),
        (lambda: plan([SAFE], days=[56.0, 42.0]), "interval_days must be"),
        (lambda: plan([SAFE], grid=[2.0, 4.0, 8.0]), "has shape"),
        (lambda: plan([SAFE, SAFE]), "unique"),
        (lambda: plan([SAFE, risk("b", [[0] * 4] * 2, n_draws=9)]), "has shape"),
        (lambda: plan([]), "at least one constraint"),
        (lambda: plan([SAFE], tumour_dose_gy=np.ones((2, 4))), "tumour_dose_gy has shape"),
        (lambda: plan([SAFE], tumour_dose_gy=np.full((2, 4, 10), np.nan)), "finite"),
        (lambda: plan([SAFE], n_resamples=0), "n_resamples"),
        (lambda: plan([SAFE], effective_sample_size=11), "effective_sample_size"),
        (lambda: risk("a", [[0]], tolerance=0.0), "between 0 and 1"),
        (lambda: risk("a", [[0]], tolerance=1.0), "between 0 and 1"),
        (lambda: risk("a", [[0]], tolerance=np.nan), "between 0 and 1"),
        (lambda: Constraint("a", "", np.inf, "", 0.1, np.ones((1, 1, 1), bool)), "finite"),
        (lambda: Constraint("a", "", 1.0, "", 0.1, np.full((1, 1, 1), np.nan)), "boolean"),
        (lambda: Constraint("a", "", 1.0, "", 0.1, np.ones((1, 1), bool)), "shape"),
        (lambda: Constraint("a", "", 1.0, "", 0.1, np.ones((1, 1, 0), bool)), "shape"),
    ],
)
def test_contradictions(call, words):
    with pytest.raises(HemadosePlanningError, match=words):
        call()


def test_pandas_is_not_imported_with_the_package():
    code = "import sys, hemadose.planning; assert not {'pandas', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
