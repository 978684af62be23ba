"""One patient as a policy sees it, and what the plan says of its own firmness."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from hemadose import plan, read_study
from hemadose.errors import StudyError
from hemadose.planning.measurement_worth import Planned, measurement_worth
from hemadose.planning.other_policies import other_policies
from hemadose.planning.plan import study_label_decision
from hemadose.planning.policies import POLICIES, make_policy, overdose_control
from hemadose.planning.problem import checked_problem
from hemadose.planning.recommend import recommend
from hemadose.planning.risks import activity_grid, interval_grid, study_risks
from hemadose.planning.study_sensitivity import firmness_sentence, study_variants
from hemadose.planning.study_situation import blood_risk, study_limits, study_situation
from hemadose.study.settings import PolicyName
from radiobio import bed_gy, simulate_counts

PSMA = """patient: {sex: male, weight_kg: 80, height_cm: 178, creatinine_clearance_ml_per_min: 71}
therapy: {nuclide: Lu-177, agent: PSMA-617, label: none, max_activity_gbq: 20}
tumours: {tumour_1: {mass_g: 10}, tumour_2: {mass_g: 30}}
cycles:
  - {number: 1, start: 2026-01-12, activity_mbq: 7400}
  - {number: 2, start: 2026-03-01, activity_mbq: 7000}
decision: {date: 2026-03-29}
"""
IODINE = """patient: {sex: female, weight_kg: 61, height_cm: 164}
therapy: {nuclide: I-131, agent: iodide, planned_activity_gbq: 7.4, max_activity_gbq: 14}
cycles: [{number: 1, start: 2026-01-12, activity_mbq: 7400}]
limits: {blood_dose_gy: 0.9}
"""
ACTIVITY = """cycle,time_h,region,value,unit
1,2,blood,120,kBq/mL
1,24,blood,9,kBq/mL
1,24,kidneys,150,MBq
1,72,kidneys,80,MBq
"""
COUNTS = """day,platelets,neutrophils
-2,170,3.1
28,120,2.4
{last},110,2.2
"""


def folder_of(folder, settings, last=70, counts=COUNTS, activity=ACTIVITY):
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(settings, "utf-8")
    for name, text in (("counts", counts.format(last=last)), ("activity", activity)):
        if text:
            (folder / f"{name}.csv").write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def psma(tmp_path_factory):
    return plan(folder_of(tmp_path_factory.mktemp("s") / "psma", PSMA), n_draws=300)


@pytest.fixture(scope="module")
def iodine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("s") / "iodine"
    return plan(folder_of(folder, IODINE, 40, activity=""), n_draws=300)


def seen(planned):
    """Situation, limits and the risk of the blood dose of a plan."""
    study = planned.study
    situation = study_situation(planned.assessment, planned.label)
    n_draws = situation.marrow_gy_per_gbq.shape[-1]
    return (
        situation,
        study_limits(study.therapy, study.limits),
        blood_risk(planned.assessment, n_draws),
    )


def test_situation_holds_the_doses_of_the_assessment(psma):
    situation, doses = seen(psma)[0], psma.assessment.doses.doses
    assert situation.day[0] == 76
    assert (situation.cycle[0], situation.last_day[0], situation.last_gbq[0]) == (3, 48, 7.0)
    for region in ("marrow", "kidneys"):
        name = region.removesuffix("s")
        given = doses[1][region].dose_gy + doses[2][region].dose_gy
        np.testing.assert_allclose(getattr(situation, f"{name}_dose_gy")[0], given)
        ahead = getattr(situation, f"{name}_gy_per_gbq")[0]
        np.testing.assert_allclose(ahead, doses[3][region].dose_gy / 7.4)
    options = {"alpha_beta_gy": 2.6, "repair_half_life_h": 2.8}
    bed = sum(bed_gy(doses[c]["kidneys"].dose_rate, **options) for c in (1, 2))
    np.testing.assert_allclose(situation.kidney_bed_gy[0], bed)
    next_bed = bed_gy(doses[3]["kidneys"].dose_rate, **options)
    dose = 7.4 * situation.kidney_gy_per_gbq[0]
    np.testing.assert_allclose(
        dose * (1 + situation.kidney_protraction[0] * dose / 2.6), next_bed, rtol=1e-9
    )
    tumour = (10 * doses[3]["tumour_1"].dose_gy + 30 * doses[3]["tumour_2"].dose_gy) / 40
    np.testing.assert_allclose(7.4 * situation.tumour_gy_per_gbq[0, :, 0], tumour)
    assert situation.covariates["creatinine_clearance_ml_per_min"][0] == 71


def test_situation_continues_the_counts(psma):
    situation = seen(psma)[0]
    platelets = situation.counts[0]
    counts = psma.assessment.counts["platelets"]
    ahead = counts.next_per_gbq.integral()
    # the same draws, so that every quantile stays, paired with the marrow dose by rank
    own = platelets.rate_per_gbq.integral()[0]
    np.testing.assert_allclose(np.sort(own), np.sort(ahead))
    order = np.argsort(situation.marrow_gy_per_gbq[0])
    assert (np.diff(own[order]) >= 0).all()
    days = np.array([76.0, 90.0, 130.0])
    whole = simulate_counts(counts.posterior.parameters, counts.given, days).count
    rest = simulate_counts(
        platelets.parameters[0],
        [(76.0, platelets.remaining_rate[0])],
        days,
        initial_state=platelets.state[0],
        initial_day=76.0,
    ).count
    np.testing.assert_allclose(np.sort(rest, axis=0), np.sort(whole, axis=0), rtol=2e-4)


@pytest.mark.parametrize("tolerance", [0.02, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("kidney_bed_gy", [20.0, 30.0, 40.0])
def test_policy_and_recommendation_decide_the_same(psma, tolerance, kidney_bed_gy):
    """Two ways through the same thresholds: a policy's order statistic, and a grid."""
    situation, _, _ = seen(psma)
    study = psma.study
    given = study.limits.model_copy(
        update={
            "kidney_bed_gy": kidney_bed_gy,
            "grade3_tolerance": study.limits.grade3_tolerance.model_copy(
                update=dict.fromkeys(("platelets", "neutrophils"), tolerance)
            ),
        }
    )
    limits = study_limits(study.therapy, given)
    activity = activity_grid(20.0, 7.4)
    interval = interval_grid(study)
    other = replace(psma.assessment, study=replace(study, limits=given))
    risks = study_risks(other, situation, limits, activity, interval)
    advice = recommend(
        activity,
        interval,
        risks.constraints,
        hard_cap_gbq=20.0,
        label=psma.label,
        rng=np.random.default_rng(1),
        min_useful_activity_gbq=limits.min_useful_activity_gbq,
    )
    decided = overdose_control(limits=limits)(situation)
    assert ("treat", "hold", "stop")[decided.action[0]] == advice.action
    assert decided.activity_gbq[0] == pytest.approx(advice.activity_gbq)
    if advice.action == "treat":
        assert decided.day[0] - 48 == pytest.approx(advice.interval_days)


def test_the_blood_dose_limit_of_iodine_binds_every_policy(iodine):
    situation, limits, blood = seen(iodine)
    advice = iodine.recommendation
    assert advice.binding.name == "blood dose"
    dose = iodine.assessment.doses.doses[2]["blood"].dose_gy / 7.4
    highest = np.sort(0.9 / dose)[int(0.05 * len(dose))]
    assert situation.label.max_activity_gbq[0] == pytest.approx(highest)
    assert advice.activity_gbq <= highest < advice.activity_gbq + 0.5
    answers = {row.policy: row for row in advice.policies}
    assert answers["overdose_control"].limited_by == "blood dose"
    assert answers["overdose_control"].activity_gbq == pytest.approx(advice.activity_gbq)
    assert all(row.activity_gbq <= highest + 1e-9 for row in advice.policies)
    assert answers["bed_limited"].action is None
    assert "no kidney dose" in answers["bed_limited"].limited_by
    assert "no tumour dose" in answers["look_ahead"].limited_by
    rows = {(v.assumption, v.factor > 1): v for v in study_variants(situation, limits, blood)}
    planned = rows["as planned", False].activity_gbq
    assert rows["blood dose", True].activity_gbq == pytest.approx(planned / 1.2, abs=0.5)
    assert rows["blood dose", False].activity_gbq == pytest.approx(planned * 1.2, abs=0.5)
    assert not any(name.startswith("kidney") for name, _ in rows)


def test_variants_move_the_decision_the_way_they_must(psma):
    situation, limits, _ = seen(psma)
    rows = study_variants(situation, limits, None)
    advice = psma.recommendation
    assert rows == advice.variants
    assert rows[0].assumption == "as planned"
    assert (rows[0].action, rows[0].activity_gbq) == (advice.action, advice.activity_gbq)
    found = {(v.assumption, v.factor > 1): v for v in rows[1:]}
    for assumption, up in (("marrow kill per Gy", -1), ("marrow dose", -1), ("kidney dose", -1),
                           ("baseline counts", 1), ("accepted risk of grade 3", 1)):  # fmt: skip
        low, high = found[assumption, False], found[assumption, True]
        assert up * (high.activity_gbq - low.activity_gbq) >= 0, assumption
    assert any(v.change != "none" for v in rows[1:])
    assert rows[0].change == "none"


def test_sentence_names_what_flips(psma):
    rows = psma.recommendation.variants
    hold = replace(rows[1], action="hold", activity_gbq=0.0, interval_days=None, change="action")
    text = firmness_sentence((rows[0], hold, rows[2]), held_by_label=False)
    assert text.startswith("The decision flips if marrow kill per Gy × 1.25 (hold)")
    text = firmness_sentence((rows[0], replace(rows[1], change="none")), held_by_label=True)
    assert text.startswith("The label withholds the cycle")
    assert "flips with none of the 1 assumptions" in text
    assert psma.recommendation.firmness in psma.recommendation.reasons


def problem_of(planned):
    """The grid problem of a plan."""
    study, risks = planned.study, planned.risks
    return checked_problem(
        risks.activity_gbq,
        risks.interval_days,
        risks.constraints,
        study.therapy.max_activity_gbq,
        1.85,
        planned.label,
    )


def worth(planned, value, log_sd, seed=3):
    measured = Planned("x", np.atleast_2d(value), np.atleast_1d(log_sd), 0.0)
    tumour = seen(planned)[0].tumour_gy_per_gbq[0, :, 0]
    return measurement_worth(
        measured,
        problem_of(planned),
        tumour_gy_per_gbq=tumour,
        decision_day=1.0,
        rng=np.random.default_rng(seed),
    )


def test_a_measurement_without_information_changes_nothing(psma):
    value = seen(psma)[0].marrow_gy_per_gbq[0]
    found = worth(psma, value, 1e6)
    assert (found.change_probability, found.activity_gain_gbq, found.tumour_gain_gy) == (0, 0, 0)
    assert found.effective_sample_size == pytest.approx(300)
    assert not found.still_possible


def test_a_better_measurement_of_what_binds_is_worth_more(psma):
    """Against plain loops over the outcomes, with the same random numbers."""
    value = seen(psma)[0].marrow_gy_per_gbq[0]
    rough, fine = (worth(psma, value, sd) for sd in (0.5, 0.15))
    assert fine.effective_sample_size < rough.effective_sample_size
    assert fine.change_probability >= rough.change_probability
    rng, x, n = np.random.default_rng(3), np.log(value), 300
    truth = rng.permutation(np.arange(400) * n // 400)
    outcome = x[truth] + 0.15 * rng.standard_normal((1, 400))[0]
    problem, gain = problem_of(psma), []
    for y in outcome:
        weight = np.exp(-0.5 * ((y - x) / 0.15) ** 2)
        weight *= n / weight.sum()
        best = 0.0
        for i in range(len(problem.interval)):
            for k, a in enumerate(problem.activity):
                risks = [weight[c.exceeds[i, k]].sum() for c in problem.constraints]
                most = [np.floor(c.tolerance * n + 1e-9) + 1e-9 for c in problem.constraints]
                if not all(r <= m for r, m in zip(risks, most, strict=True)):
                    break
                best = max(best, a)
        gain.append((best if best >= 1.85 else 0.0) - psma.recommendation.activity_gbq)
    assert fine.activity_gain_gbq == pytest.approx(np.mean(gain), abs=1e-9)


def test_measurements_of_the_study(psma, iodine):
    names = [m.name for m in psma.recommendation.measurements]
    assert names[0] == "full blood count today"
    assert any("blood sample 24 h after cycle 2" in name for name in names)
    assert any("foci in 500 cells" in name for name in names)
    possible = {m.name: m.still_possible for m in psma.recommendation.measurements}
    assert possible[names[0]]
    assert not any(possible[name] for name in names[1:])
    few, many = (m for m in psma.recommendation.measurements if m.name.startswith("foci"))
    assert many.effective_sample_size < few.effective_sample_size
    assert all(m.tumour_gain_gy is None for m in iodine.recommendation.measurements)
    assert any("whole-body" in m.name for m in iodine.recommendation.measurements)


def test_policies_are_those_of_the_registry(psma):
    assert set(get_args(PolicyName)) == set(POLICIES)
    assert {row.policy for row in psma.recommendation.policies} == set(POLICIES)
    situation, limits, _ = seen(psma)
    rows = {row.policy: row for row in psma.recommendation.policies}
    for name in ("extended", "bed_limited", "overdose_control"):
        decided = make_policy(name, limits=limits)(situation)
        assert rows[name].activity_gbq == pytest.approx(decided.activity_gbq[0])
    assert rows["kidney_prescription"].action is None
    asked = other_policies(
        situation,
        situation.label,
        limits,
        planned_cycles=2,
        has_tumours=True,
        chosen="kidney_prescription",
        settings={"first_cycle": 7.4},
    )
    rows = {row.policy: row for row in asked}
    assert rows["kidney_prescription"].action is not None
    assert (rows["label"].action, rows["label"].limited_by) == ("stop", "the number of cycles")


def test_another_policy_may_decide(tmp_path):
    settings = PSMA + "planning: {policy: extended, settings: {activity_gbq: 12.3}}\n"
    settings += "limits: {grade3_tolerance: 0.02}\n"
    planned = plan(folder_of(tmp_path / "s", settings), n_draws=200)
    advice = planned.recommendation
    assert (advice.action, advice.activity_gbq, advice.interval_days) == ("treat", 12.3, 42)
    assert (advice.decided_by, advice.policy) == ("policy", "extended")
    assert advice.activity_gbq in advice.grid_activity_gbq
    text = " ".join(advice.reasons)
    assert "Policy extended of study.yaml decides: 12.3 GBq after 42 days" in text
    assert "Overdose control, the default, would say" in text
    assert "exceeds what is tolerated: leukocytes grade 3" in text
    assert advice.variants[0].activity_gbq == 12.3


BROKEN = {
    "unknown policy": ("policy: best", "planning.policy", "legal are label, extended"),
    "unknown setting": ("policy: uppsala, settings: {x: 1}", "planning.settings", "x is not known"),
    "missing setting": ("policy: kidney_prescription", "planning.policy", "needs the setting"),
    "wrong kind": (
        "policy: extended, settings: {activity_gbq: much}",
        "planning.settings",
        "wrong",
    ),
    "above the cap": ("policy: label, settings: {activity_gbq: 60}", "planning.settings", "20"),
    "contradiction": (
        "policy: bed_limited, settings: {second_step_bed_gy: 5}",
        "planning.settings",
        "lies below the first step",
    ),
    "unknown key": ("name: uppsala", "planning.name", "unknown key"),
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_a_wrong_policy_is_named_by_file_line_and_key(case, tmp_path):
    text, key, words = BROKEN[case]
    folder = folder_of(tmp_path / "s", f"{PSMA}planning: {{{text}}}\n")
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    assert (caught.value.row, caught.value.column) == (8, key)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tolerance", ["0", "1", "-0.1", "25"])
@pytest.mark.parametrize("key", ["kidney_bed_tolerance", "marrow_dose_tolerance",
                                 "blood_dose_tolerance", "grade3_tolerance"])  # fmt: skip
def test_tolerances_that_forbid_or_allow_everything_are_refused(key, tolerance, tmp_path):
    folder = folder_of(tmp_path / "s", f"{PSMA}limits: {{{key}: {tolerance}}}\n")
    with pytest.raises(StudyError, match="above 0 and below 1") as caught:
        read_study(folder)
    assert caught.value.row == 8
    assert caught.value.column.startswith(f"limits.{key}")


LUTATHERA = """patient: {{sex: male, weight_kg: 80}}
therapy: {{nuclide: Lu-177, agent: DOTATATE, label: {label}}}
cycles: [{{number: 1, start: 2026-01-12, activity_mbq: 7400}}]
decision: {{date: 2026-03-09}}
"""
FULL = "day,platelets,haemoglobin,neutrophils\n"


@pytest.mark.parametrize(
    ("label", "counts", "rule"),
    [
        ("lutathera", FULL + "-2,220,130,4\n28,150,125,3\n", "data.stale"),
        ("none", FULL + "-2,220,130,4\n28,150,125,3\n", "data.stale"),
        ("lutathera", FULL + "-2,220,130,4\n", "data.missing"),
        ("none", FULL + "-2,220,130,4\n", "data.stale"),
        ("lutathera", "day,platelets\n-2,220\n50,180\n", "data.missing"),
        ("lutathera", "", "data.missing"),
    ],
)
def test_stale_and_missing_counts_are_a_stated_refusal(label, counts, rule, tmp_path):
    """Stale, none since the last cycle, a lineage never counted, and no table at all."""
    settings = LUTATHERA.format(label=label)
    study = read_study(folder_of(tmp_path / "s", settings, counts=counts, activity=""))
    decision = study_label_decision(study)
    assert (decision.action, decision.rule_id) == ("hold", rule)
    assert decision.reason
    assert decision.resume_condition
