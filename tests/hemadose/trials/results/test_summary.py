"""Operating characteristics against all rows at once, and their intervals against simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from hemadose.trials.results.metrics import patient_metrics
from hemadose.trials.results.moments import all_merged, moments_of, wilson
from hemadose.trials.results.summary import COLUMNS, summary_table, tally


@pytest.fixture
def rows_and_table(make_trial, fake_chunk):
    trial = make_trial(patients=120, chunk=11, reference="adaptive")
    tables = [fake_chunk(trial, trial.chunk_range(k)) for k in range(trial.n_chunks)]
    table = summary_table(tally(iter(tables), trial, planned_cycles=4), trial)
    return pd.concat(tables, ignore_index=True), table.set_index(["arm", "metric"])


def direct(rows, arm):
    """Metrics of an arm by patient, written out once more."""
    own = rows[rows["arm"] == arm].set_index("patient")
    grade3 = (own["worst_grade_platelets"] >= 3) | (own["worst_grade_neutrophils"] >= 3)
    excess = own["activity_gbq"] - own["tolerance_gbq"]
    per_cycle = own["activity_gbq"] / own["n_cycles"] - own["tolerance_gbq"] / 4
    return pd.DataFrame(
        {
            "activity_gbq": own["activity_gbq"],
            "tumour_dose_gy": own["tumour_dose_gy"],
            "grade3_any": grade3.astype(float),
            "grade3_platelets": (own["worst_grade_platelets"] >= 3).astype(float),
            "overdosed": (excess > 0).astype(float),
            "excess_gbq": np.maximum(excess, 0),
            "shortfall_gbq": np.maximum(-excess, 0),
            "overdosed_per_cycle": (per_cycle > 0).astype(float),
            "excess_per_cycle_gbq": np.maximum(per_cycle, 0),
            "delayed": (own["delay_days"] > 0).astype(float),
            "ended_policy": (own["ended_by"] == "policy").astype(float),
            "marrow_covered": own["marrow_covered"],
            "decided_policy": own["n_decided_policy"] / own["n_decisions"],
            "binding_marrow_dose": own["n_binding_marrow_dose"] / own["n_decisions"],
            "refused": own["n_refused"] / own["n_decisions"],
            "nadir_covered_platelets": own["n_nadir_covered_platelets"] / own["n_nadir_platelets"],
        }
    )


@pytest.mark.parametrize("arm", ["usual", "adaptive", "bold"])
def test_sums_over_chunks_are_those_over_all_rows(rows_and_table, arm):
    rows, table = rows_and_table
    expected, reference = direct(rows, arm), direct(rows, "adaptive")
    for name, values in expected.items():
        found = table.loc[(arm, name)]
        assert found["n"] == values.notna().sum()
        assert found["value"] == pytest.approx(values.mean(), rel=1e-12, abs=1e-12)
        assert found["se"] == pytest.approx(values.sem(), rel=1e-9, abs=1e-12)
        step = values - reference[name]
        if arm != "adaptive":
            assert found["difference"] == pytest.approx(step.mean(), rel=1e-9, abs=1e-12)
            assert found["difference_se"] == pytest.approx(step.sem(), rel=1e-9, abs=1e-12)
            assert found["difference_upper"] - found["difference"] == pytest.approx(
                norm.ppf(0.975) * step.sem(), abs=1e-12
            )
    if arm == "adaptive":
        assert table.loc[arm][["difference", "ratio"]].isna().all(axis=None)


def test_the_ratio_is_that_of_the_means_with_its_delta_method(rows_and_table):
    rows, table = rows_and_table
    x = direct(rows, "bold")["tumour_dose_gy"].to_numpy()
    r = direct(rows, "adaptive")["tumour_dose_gy"].to_numpy()
    found = table.loc[("bold", "tumour_dose_gy")]
    assert found["ratio"] == pytest.approx(x.mean() / r.mean(), rel=1e-12)
    gradient = np.array([1 / r.mean(), -x.mean() / r.mean() ** 2])
    variance = gradient @ np.cov(x, r) @ gradient / len(x)
    assert found["ratio_se"] == pytest.approx(np.sqrt(variance), rel=1e-9)
    jackknife = [np.delete(x, k).mean() / np.delete(r, k).mean() for k in range(len(x))]
    se = np.sqrt((len(x) - 1) * np.var(jackknife))
    assert found["ratio_se"] == pytest.approx(se, rel=0.15)  # skewed doses, 120 patients


def test_the_split_into_chunks_does_not_matter(make_trial, fake_chunk):
    whole, parts = make_trial(patients=40, chunk=40), make_trial(patients=40, chunk=3)
    found = []
    for trial in (whole, parts):
        tables = (fake_chunk(trial, trial.chunk_range(k)) for k in range(trial.n_chunks))
        found.append(summary_table(tally(tables, trial, planned_cycles=4), trial))
    pd.testing.assert_frame_equal(*found, rtol=1e-10)
    assert tuple(found[0]) == COLUMNS


def test_a_metric_that_some_chunks_lack_counts_where_it_is(make_trial, fake_chunk):
    trial = make_trial(patients=20, chunk=10)
    first, second = (fake_chunk(trial, trial.chunk_range(k)) for k in range(2))
    extra = second.assign(n_binding_kidney=second["n_cycles"])
    table = summary_table(tally([first, extra], trial, planned_cycles=4), trial)
    rows = table[table["metric"] == "binding_kidney"].set_index("arm")
    own = second[second["arm"] == "usual"]
    assert rows.loc["usual", "n"] == 10
    assert rows.loc["usual", "value"] == pytest.approx(
        (own["n_cycles"] / own["n_decisions"]).mean()
    )


def test_moments_are_stable_far_from_zero():
    values = 1e8 + np.random.default_rng(1).random((1000, 2))
    parts = [moments_of(part) for part in np.array_split(values, 13)]
    whole = all_merged(parts)
    assert whole.variance == pytest.approx(values.var(axis=0, ddof=1), rel=1e-8)


def test_moments_of_one_value_have_no_error():
    alone = moments_of(np.array([[3.0, np.nan]]))
    assert alone.n.tolist() == [1, 0]
    assert np.isnan(alone.se).all()


def test_wilson_is_the_root_of_its_test():
    share, n = np.array([0.0, 0.1, 0.5, 1.0]), np.array([20.0, 30.0, 8.0, 5.0])
    for bound in wilson(share, n):
        inside = (bound > 0) & (bound < 1)
        score = (share - bound)[inside] / np.sqrt((bound * (1 - bound) / n)[inside])
        assert np.abs(score) == pytest.approx(norm.ppf(0.975))
    assert wilson(share, n)[0][0] == 0


def test_paired_intervals_cover_the_truth():
    rng = np.random.default_rng(11)
    hits, n_trials = 0, 400
    for _ in range(n_trials):
        base = rng.lognormal(0, 0.4, 80)
        step = moments_of((base * (1.2 + 0.1 * rng.standard_normal(80)) - base)[:, None])
        hits += abs(step.mean[0] - 0.2 * np.exp(0.08)) < norm.ppf(0.975) * step.se[0]
    assert hits / n_trials == pytest.approx(0.95, abs=0.045)  # 4 SE


def test_no_cycle_gives_no_mean_cycle(make_trial, fake_chunk):
    table = fake_chunk(make_trial(patients=2), range(2))
    table.loc[0, ["n_cycles", "activity_gbq", "n_nadir_platelets"]] = 0
    found = patient_metrics(table, planned_cycles=4)
    assert np.isnan(found.loc[0, "overdosed_per_cycle"])
    assert np.isnan(found.loc[0, "nadir_covered_platelets"])
    assert found.loc[0, "shortfall_gbq"] == table.loc[0, "tolerance_gbq"]
