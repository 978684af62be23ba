"""Simulated populations against moments that are known."""

import numpy as np
import pandas as pd
import pytest

from kinetics.diagnostics import simulate_population
from kinetics.errors import KineticsError
from kinetics.estimation import fit_population
from kinetics.population import Parameter, PopulationModel, additive, lognormal
from kinetics.structures.structure import Structure


def test_moments_of_a_log_normal_model(make_model, make_design):
    # log y = log(100/20) + eta_v-free part: at time 0 of a bolus, log y = log(100/v) - eta_v + e
    truth = make_model(lognormal(0.2))
    data = make_design(4, times=(0.0,))
    n = 20000
    y = np.log(simulate_population(truth, data, rng=np.random.default_rng(1), n=n).value)
    sd = np.hypot(0.15, 0.2)
    assert y.mean(0) == pytest.approx(np.log(5.0), abs=4.5 * sd / np.sqrt(n))
    assert y.std(0) == pytest.approx(sd, rel=4.5 / np.sqrt(2 * n))
    assert np.abs(np.corrcoef(y.T) - np.eye(4)).max() < 4.5 / np.sqrt(n)


def test_occasions_share_the_subject_but_not_the_cycle(make_design):
    class_structure = PopulationModel(
        _identity(), {"level": Parameter(0.0, sd=0.3, cycle_sd=0.4, transform="identity")},
        {"blood": additive(0.5)},
    )  # fmt: skip
    data = make_design(1, times=(1.0, 2.0), cycles=2)
    y = simulate_population(class_structure, data, rng=np.random.default_rng(2), n=40000).value
    same, cycle, noise = 0.3**2, 0.4**2, 0.5**2
    blocks = np.kron(np.eye(2), np.full((2, 2), cycle))
    expected = same + blocks + noise * np.eye(4)
    assert np.abs(np.cov(y.T) - expected).max() < 0.012


def _identity():
    from numba import njit

    from kinetics.structures._predict_signature import PREDICT

    def predict(parameter, rows, doses, value, jacobian):
        for i in range(rows.shape[0]):
            value[i] = parameter[0]
            jacobian[i, 0] = 1.0

    compiled = njit([PREDICT])(predict)
    return Structure("level", ("level",), ("blood",), compiled, needs_dose=False)


def test_correlated_random_effects(make_model, make_design):
    truth = make_model(lognormal(1e-6), correlations={("cl", "v"): 0.8})
    data = make_design(1, times=(0.0, 10.0))
    y = np.log(simulate_population(truth, data, rng=np.random.default_rng(3), n=20000).value)
    eta_v = np.log(5.0) - y[:, 0]
    eta_cl = np.log((y[:, 0] - y[:, 1]) / 10.0) + eta_v - np.log(0.1)
    assert np.corrcoef(eta_cl, eta_v)[0, 1] == pytest.approx(0.8, abs=0.02)
    assert eta_cl.std() == pytest.approx(0.3, rel=0.03)


def test_limit_of_quantification_and_frame(make_model, make_design):
    drawn = simulate_population(
        make_model(), make_design(5), rng=np.random.default_rng(4), n=3, lloq={"blood": 1.0}
    )
    frame = drawn.to_frame()
    assert len(frame) == 3 * 20
    assert (frame["value"] >= 1.0).all()
    assert (frame.loc[frame["below_limit"], "value"] == 1.0).all()
    assert frame["below_limit"].any()
    data = drawn.data(2)
    assert data.value == pytest.approx(frame.loc[frame["simulation"] == 2, "value"].to_numpy())


def test_a_seed_gives_the_same_numbers(simulated_fit):
    one, two = (
        simulate_population(simulated_fit, rng=np.random.default_rng(9), n=50).value
        for _ in range(2)
    )
    assert (one == two).all()


def test_threads_do_not_change_the_numbers(simulated_fit, monkeypatch):
    many = simulate_population(simulated_fit, rng=np.random.default_rng(9), n=50).value
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    one = simulate_population(simulated_fit, rng=np.random.default_rng(9), n=50).value
    assert (one == many).all()


def test_parameter_uncertainty_is_that_of_the_fit(simulated_fit):
    drawn = simulate_population(
        simulated_fit, rng=np.random.default_rng(1), n=4000, parameter_uncertainty=True
    )
    spread = np.cov(drawn.parameters.T)
    scale = np.sqrt(np.outer(*[np.diag(simulated_fit.covariance)] * 2))
    assert np.abs((spread - simulated_fit.covariance) / scale).max() < 0.1
    plain = simulate_population(simulated_fit, rng=np.random.default_rng(1), n=4000)
    assert drawn.value.std() > plain.value.std()


def test_simulated_data_give_back_the_parameters(make_model, make_design):
    truth = make_model()
    data = simulate_population(truth, make_design(200), rng=np.random.default_rng(3)).data()
    table = fit_population(truth, data).to_frame()
    for name, value in truth.values.items():
        assert abs(table.loc[name, "value"] - value) < 4.0 * table.loc[name, "se"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "at least 1"),
        ({"parameter_uncertainty": True}, "covariance"),
        ({"lloq": {"kidneys": 1.0}}, "kidneys"),
        ({"lloq": [1.0, 2.0]}, "shape"),
    ],
)
def test_wrong_arguments_end_in_words(make_model, make_design, arguments, words):
    with pytest.raises(KineticsError, match=words):
        simulate_population(make_model(), make_design(2), rng=np.random.default_rng(1), **arguments)


def test_a_model_needs_a_design(make_model):
    with pytest.raises(KineticsError, match="design"):
        simulate_population(make_model(), rng=np.random.default_rng(1))


def test_frame_has_the_rows_of_the_data(simulated_fit):
    frame = simulate_population(simulated_fit, rng=np.random.default_rng(1)).to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert (frame["row"].to_numpy() == simulated_fit.problem.data.row).all()
