"""The chain from samples to risks, against direct computations of its parts."""

import numpy as np
import pytest

from hemadose import plan, read_study
from hemadose.planning.risks import activity_grid, interval_grid, study_risks
from hemadose.planning.study_situation import study_limits, study_situation
from radiobio import bed_gy, reaches_grade, simulate_counts

PATIENT = "patient: {sex: male, weight_kg: 80, height_cm: 178}\n"
PSMA = (
    PATIENT
    + """therapy: {nuclide: Lu-177, agent: PSMA-617, label: none, max_activity_gbq: 11}
tumours: {tumour_1: {mass_g: 10}}
cycles: [{number: 1, start: 2026-01-12, activity_mbq: 7400}]
"""
)
ACTIVITY = """cycle,time_h,region,value,unit
1,2,blood,120,kBq/mL
1,24,blood,9,kBq/mL
1,24,kidneys,150,MBq
1,72,kidneys,80,MBq
"""
COUNTS = """day,platelets,neutrophils
-2,220,4.1
28,150,2.6
"""


def study(folder, settings=PSMA, **tables):
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(settings, "utf-8")
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, "utf-8")
    return read_study(folder)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("psma")
    return plan(study(folder, activity=ACTIVITY, counts=COUNTS), seed=4, n_draws=300)


def test_the_same_seed_gives_the_same_numbers(planned):
    again = plan(planned.study, seed=4, n_draws=300)
    np.testing.assert_array_equal(
        again.recommendation.probability, planned.recommendation.probability
    )
    assert again.recommendation.to_dict() == planned.recommendation.to_dict()


def situation_of(planned, n_draws=300):
    """The patient as a policy sees it, and the study's limits."""
    study = planned.study
    return (
        study_situation(planned.assessment, planned.label, n_draws=n_draws),
        study_limits(study.therapy, study.limits),
    )


def test_thresholds_of_the_counts_equal_simulating_every_activity(planned):
    counts = planned.assessment.counts["platelets"]
    situation, limits = situation_of(planned, 60)
    activity = np.array([2.0, 6.0, 11.0, 30.0, 80.0])
    risks = study_risks(planned.assessment, situation, limits, activity, np.array([42.0]))
    fast = next(c for c in risks.constraints if c.name == "platelets grade 3").exceeds[0]
    days = 42.0 + np.arange(0.0, 84.25, 0.25)
    given = [(day, curve[:60]) for day, curve in counts.given]
    shares = []
    for a in activity:
        ahead = (42.0, counts.next_per_gbq[:60].scaled(a))
        course = simulate_counts(counts.posterior.parameters[:60], [*given, ahead], days)
        shares.append(reaches_grade(course, "platelets").mean())
    # the same draws in another order: as many of them fall to grade 3
    np.testing.assert_allclose(fast.mean(-1), shares, atol=1.01 / 60)
    assert fast[-1].mean() > fast[0].mean()


def test_kidney_constraint_is_the_sum_of_the_cycles_bed(planned):
    assessment, limits = planned.assessment, planned.study.limits
    activity = np.array([3.0, 7.4, 20.0, 60.0])
    risks = study_risks(assessment, *situation_of(planned), activity, interval_grid(planned.study))
    (kidneys,) = (c for c in risks.constraints if c.name == "kidney BED")
    doses = assessment.doses.doses
    options = {"alpha_beta_gy": 2.6, "repair_half_life_h": 2.8}
    for k, a in enumerate(activity):
        ahead = doses[2]["kidneys"].dose_rate.scaled(a / 7.4)
        total = bed_gy(doses[1]["kidneys"].dose_rate, **options) + bed_gy(ahead, **options)
        np.testing.assert_array_equal(kidneys.exceeds[0, k], total > limits.kidney_bed_gy)
    assert kidneys.exceeds.any()


def test_draws_stay_together_across_regions_and_cycles(planned):
    """Kidney TIA of cycles 1 and 2 share the patient, so their draws are correlated."""
    curves = planned.assessment.kinetics.curves
    first, second = (curves[c]["kidneys"].integral() for c in (1, 2))
    assert np.corrcoef(first, second)[0, 1] > 0.9


def test_without_any_data_the_population_speaks(tmp_path):
    alone = plan(
        study(tmp_path, PATIENT + "therapy: {nuclide: Lu-177, agent: DOTATATE}\n"), n_draws=400
    )
    assert alone.recommendation.interval_days in (0.0, None)
    assert any("population alone" in text for text in alone.study.rests_on)
    marrow = alone.assessment.doses.doses[1]["marrow"]
    per_gbq = marrow.dose_gy / 7.4
    assert marrow.method == "blood"
    # blood-based mean of 16 patients 0.0164 +- 0.0066 Gy/GBq (PMC10478826, Table 3)
    assert 0.010 < np.median(per_gbq) < 0.025


def test_the_clinics_doses_replace_the_computed_ones(tmp_path):
    settings = PATIENT + (
        "therapy: {nuclide: Lu-177, agent: DOTATATE, label: none}\n"
        "cycles: [{number: 1, start: 2026-01-12, activity_mbq: 7000}]\n"
    )
    rows = """cycle,region,dose_gy_per_gbq,sd,method
1,marrow,0.080,0.010,image
1,marrow,0.016,0.002,blood
1,kidneys,0.60,0.06,image
"""
    clinic = plan(study(tmp_path, settings, doses=rows), n_draws=1000).assessment
    first, ahead = clinic.doses.doses[1], clinic.doses.doses[2]
    assert clinic.doses.marrow_method == first["marrow"].method == "image"
    assert first["marrow"].dose_gy.mean() == pytest.approx(0.08 * 7.0, rel=0.02)
    assert first["kidneys"].dose_gy.std() == pytest.approx(0.06 * 7.0, rel=0.10)
    assert ahead["kidneys"].dose_gy.mean() == pytest.approx(0.60 * 7.4, rel=0.03)
    assert any("other method" in note for note in clinic.doses.assumptions)


IMAGED = """cycle,time_h,region,value,unit
1,4,marrow,0.045,MBq/mL
1,24,marrow,0.034,MBq/mL
1,72,marrow,0.017,MBq/mL
1,168,marrow,0.0044,MBq/mL
"""


def test_a_marrow_volume_is_corrected_for_recovery_and_fat(tmp_path):
    settings = PATIENT + (
        "therapy: {nuclide: Lu-177, agent: DOTATATE, label: none}\n"
        "cycles: [{number: 1, start: 2026-01-12, activity_mbq: 7000}]\n"
    )
    keys = "{marrow_recovery: 0.8, marrow_recovery_sd: 0.08, red_marrow_fraction: 0.5}"
    self_gy, notes = {}, {}
    for name, methods in (("plain", "{}"), ("corrected", keys)):
        (tmp_path / name).mkdir()
        text = f"{settings}methods: {methods}\n"
        doses = plan(study(tmp_path / name, text, activity=IMAGED), n_draws=2000).assessment.doses
        self_gy[name] = doses.doses[1]["marrow"].by_origin()["self"]
        notes[name] = " ".join(doses.assumptions)
    ratio = self_gy["corrected"].mean() / self_gy["plain"].mean()
    assert ratio == pytest.approx(1.01 / (0.8 * 0.5), rel=0.02)  # 1.01: mean of one over recovery
    spread = [np.log(dose).std() ** 2 for dose in (self_gy["corrected"], self_gy["plain"])]
    assert spread[0] - spread[1] == pytest.approx(0.1**2, rel=0.35)
    assert "recovery coefficient 0.8" in notes["corrected"]
    assert "recovery coefficient 0.8" not in notes["plain"]
    blood = plan(study(tmp_path, f"{settings}methods: {keys}\n"), n_draws=200)
    assert any("are not used" in note for note in blood.assessment.doses.assumptions)


def test_few_samples_never_take_a_phase_away_and_a_misfit_is_said(tmp_path):
    """Six blood samples of a bi-exponential: AICc alone would prefer one phase."""
    settings = (
        "patient: {sex: female, weight_kg: 62}\n"
        "therapy: {nuclide: I-131, agent: iodide, planned_activity_gbq: 3.7}\n"
        "cycles: [{number: 1, start: 2026-01-12, activity_mbq: 3700}]\n"
    )
    times = np.array([2.0, 6, 24, 48, 72, 96])
    lam = np.log(2) / (8.0207 * 24)
    curve = 0.185 * np.exp(-(np.log(2) / 2 + lam) * times) + 0.0925 * np.exp(
        -(np.log(2) / 18 + lam) * times
    )
    truth = 0.185 / (np.log(2) / 2 + lam) + 0.0925 / (np.log(2) / 18 + lam)
    rows = [f"1,{t:g},blood,{c:.6g},MBq/mL" for t, c in zip(times, curve, strict=True)]
    header = "cycle,time_h,region,value,unit\n"
    good = plan(study(tmp_path / "a", settings, activity=header + "\n".join(rows)), n_draws=500)
    (choice,) = good.assessment.kinetics.form_choices
    assert choice.candidates[0].form.name == "mono"
    assert choice.chosen == "bi"
    low, high = np.quantile(good.assessment.kinetics.curves[1]["blood"].integral(), [0.05, 0.95])
    assert low < truth < high
    assert not good.assessment.kinetics.warnings
    rows[3] = "1,48,blood,0.06,MBq/mL"
    bad = plan(study(tmp_path / "b", settings, activity=header + "\n".join(rows)), n_draws=500)
    assert any("misses the samples" in w for w in bad.assessment.warnings)
    rows[3] = "1,48,blood,0.12,MBq/mL"
    worse = plan(study(tmp_path / "c", settings, activity=header + "\n".join(rows)), n_draws=500)
    assert worse.recommendation.action == "hold"
    assert worse.label.rule_id == "data.model"
    assert "misses the samples" in worse.recommendation.reasons[0]


def foci_rows(per_cell, cells=500):
    body = "\n".join(f"1,{t},{cells},{round(cells * x)}" for t, x in per_cell.items())
    return f"cycle,time_h,cells,foci\n{body}\n"


LABORATORY = PSMA + "methods: {foci_calibration: {slope_per_gy: 14.7, slope_sd: 0.5}}\n"


def test_foci_draw_the_blood_dose_towards_what_they_say_alone(tmp_path):
    tables = {"activity": ACTIVITY, "foci": foci_rows({-1: 0.2, 1: 0.75, 3: 1.25, 24: 0.75})}
    assessment = plan(study(tmp_path, LABORATORY, **tables), n_draws=2000).assessment
    foci = assessment.foci
    assert foci.used
    alone, before = np.median(foci.alone[1].dose_gy), np.median(foci.physical_gy[1])
    after = np.median(assessment.doses.doses[1]["blood"].dose_gy)
    assert abs(np.log(alone / before)) > 0.05  # they differ, so that there is a direction
    assert min(alone, before) < after < max(alone, before)


def test_what_is_assumed_of_the_decision_is_said(planned):
    said = " ".join(planned.recommendation.assumptions)
    assert "ASSUMED: below 1.85 GBq, no cycle is worth giving" in said


def test_foci_that_contradict_the_dose_are_refused_and_said(tmp_path):
    tables = {"activity": ACTIVITY, "foci": foci_rows({-1: 0.2, 1: 14.0, 3: 16.0})}
    assessment = plan(study(tmp_path, LABORATORY, **tables), n_draws=300).assessment
    assert not assessment.foci.used
    assert "not used to update the kinetics" in assessment.foci.status
    assert any(w.startswith("foci:") for w in assessment.warnings)
    np.testing.assert_array_equal(assessment.foci.index, np.arange(300))


def test_activity_grid_is_round_and_holds_the_marks():
    grid = activity_grid(7.4, 7.4, 3.7)
    assert {3.7, 7.4} <= set(grid)
    assert len(grid) <= 42
    assert (np.diff(grid) > 0).all()
    assert activity_grid(20.0, 12.3, 25.0)[-1] == 20.0


def test_an_interval_that_has_passed_becomes_now(tmp_path):
    late = study(tmp_path, PSMA + "decision: {date: 2026-03-13}\n")  # day 60
    np.testing.assert_allclose(interval_grid(late), [60.0, 70.0])
