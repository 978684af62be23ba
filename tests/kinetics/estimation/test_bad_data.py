"""Data that cannot support a model end in words: no traceback, no silent NaN."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest

from kinetics import KineticsError
from kinetics.estimation import fit_population
from kinetics.estimation.objective import METHODS
from kinetics.population import (
    Parameter,
    PopulationModel,
    additive,
    known_sd,
    lognormal,
    population_data,
    power_effect,
    proportional,
)
from kinetics.structures.formula_structure import formula_structure


def washout(error=None, *, a=8.0, k=0.05, **options):
    return PopulationModel(
        formula_structure("a * exp(-k * t)", ["a", "k"]),
        {"a": Parameter(a, sd=0.3), "k": Parameter(k, sd=0.3)},
        {"blood": error or lognormal(0.1)},
        **options,
    )


def table(n=10, times=(2.0, 20.0, 60.0), **columns):
    rng = np.random.default_rng(0)
    t = np.array(times)
    a, k = 8 * rng.lognormal(0, 0.3, (n, 1)), 0.05 * rng.lognormal(0, 0.3, (n, 1))
    y = a * np.exp(-k * t) * rng.lognormal(0, 0.1, (n, len(t)))
    frame = pd.DataFrame(
        {"subject": np.repeat(np.arange(n), len(t)), "time_h": np.tile(t, n), "value": y.ravel()}
    )
    return frame.assign(**columns)


CASES = {
    "all below the limit": (washout(), table(below_limit=True, value=0.5)),
    "one sample a subject": (washout(), table(times=(20.0,))),
    "constant values": (washout(additive(1.0)), table(value=5.0)),
    "zero times": (washout(), table(time_h=0.0)),
    "zero values": (washout(proportional(0.1)), table(value=0.0)),
    "negative values": (washout(additive(1.0)), table(value=-table()["value"])),
    "huge values": (washout(), table(value=1e200)),
    "tiny values": (washout(), table(value=1e-200)),
    "overflowing start": (washout(a=1e300, k=1e-300), table()),
    "vanishing start": (washout(k=1e6), table()),
    "single subject": (washout(), table(n=1)),
    "correlation of two subjects": (washout(correlations={("a", "k"): 0.3}), table(n=2)),
    "collinear parameters": (
        PopulationModel(
            formula_structure("a * b * exp(-k * t)", ["a", "b", "k"]),
            {"a": Parameter(2.0, sd=0.3), "b": Parameter(4.0), "k": Parameter(0.05, sd=0.3)},
            {"blood": lognormal(0.1)},
        ),
        table(),
    ),
    "exact data": (washout(), table(value=np.tile(8 * np.exp(-0.05 * np.array([2, 20, 60])), 10))),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES)
def test_unsuitable_data_are_told_in_words(case, method):
    model, frame = CASES[case]
    data = population_data(frame)
    if method == "FO" and data.below_limit.any():
        with pytest.raises(KineticsError, match="below the limit"):
            fit_population(model, data, method=method)
        return
    fit = fit_population(model, data, method=method, max_iterations=60)
    said = "" if fit.status == "ok" else fit.status
    assert said or case == "correlation of two subjects"
    assert said or any("cannot be told apart" in note for note in fit.warnings)
    shown = fit.to_frame()
    unexplained = shown["se"].isna() & ~shown["fixed"]
    if unexplained.any():
        assert "standard error" in fit.summary() or "not finite" in fit.status
    assert np.isfinite(shown["value"]).all()
    with pytest.raises(KineticsError) if said else nullcontext():
        fit_population(model, data, method=method, max_iterations=60, strict=True)


def test_what_a_model_needs_is_asked_for():
    with pytest.raises(KineticsError, match="standard deviation"):
        fit_population(washout(known_sd()), population_data(table()))
    with pytest.raises(KineticsError, match="positive values"):
        fit_population(washout(), population_data(table(value=-1.0)))
    weighed = PopulationModel(
        washout().structure,
        {"a": Parameter(8.0, covariates=(power_effect("wt", 70.0),)), "k": Parameter(0.1)},
        {"blood": additive(1.0)},
    )
    with pytest.raises(KineticsError, match="no covariate 'wt'"):
        fit_population(weighed, population_data(table()))
    two = population_data(pd.concat([table(region="blood"), table(region="kidneys")]))
    with pytest.raises(KineticsError, match="no residual error for region"):
        fit_population(washout(), two)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transform": "sqrt"}, "legal: identity, log, logit"),
        ({"value": -1.0}, "not legal under the log"),
        ({"value": 1.5, "transform": "logit"}, "not legal under the logit"),
        ({"sd": -0.1}, "must be >= 0"),
    ],
)
def test_illegal_parameters_are_refused(change, message):
    with pytest.raises(KineticsError, match=message):
        Parameter(**{"value": 1.0, **change})


def test_models_must_be_complete_and_consistent():
    structure = washout().structure
    good = {"a": Parameter(8.0, sd=0.3), "k": Parameter(0.05, sd=0.3)}
    with pytest.raises(KineticsError, match="has the parameters a, k"):
        PopulationModel(structure, {"a": Parameter(8.0)}, {"blood": additive(1.0)})
    with pytest.raises(KineticsError, match="residual errors are for blood"):
        PopulationModel(structure, good, {"kidneys": additive(1.0)})
    with pytest.raises(KineticsError, match="a correlation joins"):
        PopulationModel(structure, good, {"blood": additive(1.0)}, {("a", "b"): 0.1})
    with pytest.raises(KineticsError, match="positive definite"):
        PopulationModel(structure, good, {"blood": additive(1.0)}, {("a", "k"): 1.0})
    with pytest.raises(KineticsError, match="no population parameter 'ke'"):
        washout().fixing("ke")
    with pytest.raises(KineticsError, match="no population parameter"):
        washout().with_values({"ke": 1.0})
    with pytest.raises(KineticsError, match="fixed as a whole"):
        washout(correlations={("a", "k"): 0.2}).fixing("sd_a")
    with pytest.raises(KineticsError, match="must be positive"):
        additive(0.0)
