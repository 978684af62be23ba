"""The whole assessment: honesty, determinism, warnings, refusals."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from radiobio.errors import RadiobioError
from radiobio.risk_factors import (
    assess_risk_factors,
    plot_risk_assessment,
    simulated_psma_cohort,
)
from radiobio.risk_factors.cautions import separates
from radiobio.risk_factors.data import risk_data

FLAGS = ["cytopenia_grade_2", "diffuse_bone", "prior_taxane"]
FAST = {"n_repeats": 2, "n_bootstrap": 100, "n_refits": 10}


def cohort(seed=1, n=140, **kwargs):
    return simulated_psma_cohort(n, rng=np.random.default_rng(seed), **kwargs)


@pytest.fixture(scope="module")
def assessed():
    return assess_risk_factors(
        cohort(missing=0.05), outcome="severe", predictors=[*FLAGS, "noise_1"], n_folds=3,
        n_inner_folds=3, rng=np.random.default_rng(2), **FAST,
    )  # fmt: skip


def noise_table(seed, n=100, p=100):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.standard_normal((n, p)), columns=[f"x{k}" for k in range(p)])
    return table.assign(event=(rng.permutation(n) < 20).astype(int))


def test_selection_among_noise_gives_an_auc_of_one_half():
    honest, leaky = [], []
    for seed in range(5):
        table = noise_table(seed)
        names = [name for name in table.columns if name != "event"]
        kwargs = {"outcome": "event", "models": "logistic", "n_repeats": 1, "n_bootstrap": 50,
                  "n_refits": 0, "n_inner_folds": 2, "n_folds": 4}  # fmt: skip
        found = assess_risk_factors(table, predictors=names, keep_strongest=5,
                                    rng=np.random.default_rng(seed), **kwargs)  # fmt: skip
        honest.append(found.estimate("logistic", "auc").value)
        strength = table[names].corrwith(table["event"]).abs()
        chosen = strength.nlargest(5).index.tolist()  # with the outcome of all patients
        found = assess_risk_factors(table, predictors=chosen, rng=np.random.default_rng(seed),
                                    **kwargs)  # fmt: skip
        leaky.append(found.estimate("logistic", "auc").value)
    assert np.mean(honest) == pytest.approx(0.5, abs=0.09)  # SD of one AUC about 0.08
    assert np.mean(leaky) > 0.7


def test_numbers_follow_from_the_held_out_probabilities(assessed):
    from sklearn.metrics import brier_score_loss, log_loss

    frame = assessed.probability_frame()
    assert len(frame) == 2 * 140
    for model in ("logistic", "boosting", "prevalence"):
        by_repeat = frame.groupby("repeat")
        brier = [brier_score_loss(part["event"], part[model]) for _, part in by_repeat]
        loss = [log_loss(part["event"], part[model]) for _, part in by_repeat]
        found = assessed.estimate(model, "brier")
        assert found.value == pytest.approx(np.mean(brier), rel=1e-9)
        assert found.repeat_sd == pytest.approx(np.std(brier, ddof=1), rel=1e-6, abs=1e-12)
        assert assessed.estimate(model, "log_loss").value == pytest.approx(np.mean(loss), rel=1e-9)
    assert assessed.estimate("prevalence", "auc").value == 0.5
    assert assessed.estimate("prevalence", "scaled_brier").value == 0.0
    gap = assessed.differences_frame().set_index(["model", "against", "measure"])["value"]
    assert gap["logistic", "boosting", "brier"] == pytest.approx(
        assessed.estimate("logistic", "brier").value - assessed.estimate("boosting", "brier").value
    )


def test_frames_and_words(assessed):
    frame = assessed.to_frame()
    assert len(frame) == 3 * 6
    row = frame[(frame["model"] == "boosting") & (frame["measure"] == "auc")].iloc[0]
    assert row["low"] < row["value"] < row["high"]
    assert row["optimism"] == pytest.approx(row["apparent"] - row["value"])
    assert row["optimism"] > 0
    assert set(assessed.calibration_frame()["model"]) == {"logistic", "boosting"}
    assert assessed.calibration_frame()["n"].sum() == pytest.approx(2 * 140)
    decision = assessed.decision_frame()
    share = assessed.n_events / assessed.n
    t = decision["thresholds"]
    assert decision["all_benefit"].to_numpy() == pytest.approx(share - (1 - share) * t / (1 - t))
    assert (decision["gain"] <= decision["benefit"] + 1e-12).all()
    assert assessed.status.startswith("lowest log loss: ")
    assert any(text.startswith("events per predictor too low") for text in assessed.warnings)
    names = assessed.odds_ratios()["predictor"].tolist()
    assert names[:4] == [*FLAGS, "noise_1"]
    with pytest.raises(RadiobioError, match="was not assessed"):
        assessed.estimate("forest", "auc")


def test_figure_shows_both_models(assessed):
    import matplotlib.pyplot as plt

    figure = plot_risk_assessment(assessed)
    left, right = figure.axes
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert [label.split(":")[0] for label in labels] == [
        "logistic", "boosting", "perfect", "prevalence",
    ]  # fmt: skip
    line = next(line for line in right.lines if line.get_label() == "logistic")
    assert np.array_equal(line.get_ydata(), assessed.decision["logistic"].benefit)
    plt.close(figure)


SCRIPT = """
import hashlib, numpy as np
from radiobio.risk_factors import assess_risk_factors, simulated_psma_cohort
rng = np.random.default_rng(4)
table = simulated_psma_cohort(90, prevalence=0.17, missing=0.1, rng=rng)
found = assess_risk_factors(table, outcome="severe", predictors=list(table.columns[:5]), n_folds=2,
                            n_repeats=1, n_inner_folds=2, n_bootstrap=50, n_refits=5, rng=rng)
text = found.to_frame().to_csv() + found.odds_ratios().to_csv()
text += found.probability_frame().to_csv() + found.decision_frame().to_csv()
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_same_numbers_with_one_and_two_threads():
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    running = [
        subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True,
                         env=os.environ | dict.fromkeys(names, threads))
        for threads in ("1", "2")
    ]  # fmt: skip
    digests = {process.communicate()[0] for process in running}
    assert all(process.returncode == 0 for process in running)
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("change", "start"),
    [
        ({"strength": 0.0}, "logistic: the interval of the AUC"),
        ({"missing": 0.4}, "missing share too large: cytopenia_grade_2"),
        ({"strength": 0.0}, "logistic: not shown to be better than the prevalence alone"),
    ],
)
def test_warnings_in_words(change, start):
    table = cohort(seed=3, prevalence=0.15, **change)
    found = assess_risk_factors(table, outcome="severe", predictors=FLAGS, models="logistic",
                                rng=np.random.default_rng(1), **FAST)  # fmt: skip
    assert any(text.startswith(start) for text in found.warnings)


def test_a_strong_and_large_cohort_has_no_warning():
    table = cohort(seed=2, n=1500, prevalence=0.3, strength=1.5)
    found = assess_risk_factors(table, outcome="severe", predictors=FLAGS, models="logistic",
                                rng=np.random.default_rng(1), **FAST)  # fmt: skip
    assert found.warnings == ()
    assert "is shown beyond" in found.status


def test_separation_is_found_alone_and_together():
    table = cohort(seed=5, prevalence=0.15)
    table["switch"] = np.where(table["severe"] == 1, 1.0, (np.arange(140) % 2).astype(float))
    names = [*FLAGS, "switch"]
    found = assess_risk_factors(table, outcome="severe", predictors=names, models="logistic",
                                rng=np.random.default_rng(1), **FAST)  # fmt: skip
    assert any(text.startswith("separation: switch alone") for text in found.warnings)
    x = np.random.default_rng(0).standard_normal((40, 2))
    y = (x.sum(1) > 0).astype(float)
    assert separates(x, y)
    assert not separates(x[:, :1], y)
    y[np.argmax(x.sum(1))] = 0.0
    assert not separates(x, y)


def test_patients_of_a_group_stay_together():
    table = pd.concat([cohort(seed=6, n=70, prevalence=0.2)] * 2, ignore_index=True)
    table["patient"] = [f"P{k % 70}" for k in range(140)]
    rng = np.random.default_rng(0)
    kwargs = {"outcome": "severe", "predictors": FLAGS, "models": "logistic", **FAST}
    found = assess_risk_factors(table, group="patient", rng=rng, **kwargs)
    fold = found.out_of_fold.fold
    assert np.array_equal(fold[:, :70], fold[:, 70:])
    alone = assess_risk_factors(table, rng=np.random.default_rng(0), **kwargs)
    grouped, single = (f.estimate("logistic", "brier") for f in (found, alone))
    assert grouped.high - grouped.low > 1.15 * (single.high - single.low)  # sqrt(2) in truth


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"predictors": ["age"]}, "predictor 'age' is no column of the table; it has"),
        ({"predictors": "prior_taxane"}, "must be a list of columns"),
        ({"predictors": ["prior_taxane", "prior_taxane"]}, "one or more different columns"),
        ({"outcome": "grade"}, "outcome 'grade' is no column"),
        ({"outcome": "noise_1"}, "row 0 .* column noise_1: got .*; legal: 0 or 1"),
        ({"predictors": ["severe"]}, "is the outcome and a predictor"),
        ({"models": ["forest"]}, "models must be one of logistic, boosting"),
        ({"models": []}, "models must be one or more"),
        ({"imputation": "mean"}, "imputation must be one of median, iterative"),
        ({"penalty": "lasso"}, "penalty must be one of ridge, elastic net"),
        ({"n_folds": 1}, "n_folds must be a whole number of 2 to 20"),
        ({"keep_strongest": 0}, "keep_strongest must be"),
        ({"thresholds": [0.2, 0.1]}, "thresholds must rise"),
        ({"thresholds": [0.0]}, "thresholds must rise"),
        ({"level": 95}, "level must be between 0 and 1"),
        ({"rng": 3}, "rng must be a numpy.random.Generator"),
        ({"group": "centre"}, "group 'centre' is no column"),
    ],
)
def test_clear_errors(kwargs, message):
    given = {"outcome": "severe", "predictors": FLAGS, "rng": np.random.default_rng(0), **kwargs}
    with pytest.raises(RadiobioError, match=message):
        assess_risk_factors(cohort(), **given)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("a", ["x", *range(29)], "row 0 .* column a: got 'x'; legal: a finite number"),
        ("a", [*range(29), np.inf], "row 29 .* column a: got inf"),
        ("a", [1j, *range(29)], "row 0 .* column a"),
        ("a", [2.0] * 30, "predictor 'a' is 2 in all rows; leave it out"),
        ("a", [np.nan] * 30, "predictor 'a' is missing in all rows"),
        ("event", [1] * 4 + [0] * 26, "4 of 30 patients have the event"),
        ("event", [1] * 26 + [0] * 4, "26 of 30 patients have the event"),
        ("event", [None] + [1] * 10 + [0] * 19, "row 0 .* column event"),
        ("event", [2] + [1] * 10 + [0] * 19, "row 0 .* column event: got 2; legal: 0 or 1"),
        ("g", [None, *range(29)], "row 0 .* column g: got .*may not be missing"),
        ("g", [1] * 9 + [2] * 21, "come from 2 groups of 'g' only; 3 are needed"),
    ],
)
def test_illegal_tables(column, values, message):
    table = pd.DataFrame({"a": range(30), "event": [1] * 10 + [0] * 20, "g": range(30)})
    table[column] = values
    with pytest.raises(RadiobioError, match=message):
        risk_data(table, outcome="event", predictors=["a"], group="g")


def test_no_table():
    for table, message in (
        ([1, 2], "must be a pandas DataFrame"),
        (pd.DataFrame({"a": []}), "no rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "stand twice"),
    ):
        with pytest.raises(RadiobioError, match=message):
            risk_data(table, outcome="event", predictors=["a"], group=None)
