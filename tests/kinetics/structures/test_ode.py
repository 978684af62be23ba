import subprocess
import sys

import numpy as np
import pytest
from numba import njit, types
from scipy.integrate import solve_ivp

from kinetics import KineticsError
from kinetics.mammillary import mammillary_curves
from kinetics.structures import _ode_tableaux as tableau
from kinetics.structures._predict_signature import PREDICT, PREDICT_FUNCTION
from kinetics.structures.ode import compiled_jacobian, compiled_slope, solve
from kinetics.structures.saturable import saturable_amounts, saturable_structure
from kinetics.structures.structure import dose_table

# 177Lu-PSMA-617, Siebinga 2023, Table 2: salivary glands, kidneys, liver, tumour, other
K10 = 0.288
UPTAKE = np.array([0.0238, 0.00867, 0.0238, 0.000248, 1.05])
RELEASE = np.array([0.0307, 0.0141, 0.0283, 0.00902, 0.744])
CAPACITY = np.array([40.4, np.inf, np.inf, np.inf, np.inf])
PSMA = {
    "elimination_per_h": K10, "uptake_per_h": UPTAKE, "release_per_h": RELEASE,
    "capacity": CAPACITY,
}  # fmt: skip
TIME_H = np.array([0.1, 1.0, 4.0, 10.0, 24.0, 48.0, 72.0, 100.0, 168.0, 300.0])
# 177Lu-HA-DOTATATE, Siebinga 2023, nmol, 80 mL of tumour: spleen, kidneys, tumour, SSTR, rest
PEPTIDE = {
    "elimination_per_h": 0.575,
    "uptake_per_h": 0.57 * np.array([0.0542, 0.107, 0.157, 2.5, 1.0]),
    "loss_per_h": np.array([0.01, 0.01, 0.00375, 0.01, 0.01]),
    "capacity": np.array([3.507, 2.01, 2.4, 9.6, np.inf]),
}


def robertson(time, state, parameter, slope):
    back = parameter[1] * state[1] * state[2]
    slope[0] = -parameter[0] * state[0] + back
    slope[2] = parameter[2] * state[1] * state[1]
    slope[1] = -slope[0] - slope[2]


def robertson_jacobian(time, state, parameter, by_state, by_parameter):
    by_state[0, 0], by_state[0, 1] = -parameter[0], parameter[1] * state[2]
    by_state[0, 2] = parameter[1] * state[1]
    by_state[2, 1] = 2 * parameter[2] * state[1]
    by_parameter[0, 0], by_parameter[0, 1] = -state[0], state[1] * state[2]
    by_parameter[2, 2] = state[1] ** 2
    for table in (by_state, by_parameter):
        table[1] = -table[0] - table[2]


def forced(time, state, parameter, slope):
    slope[0] = -parameter[0] * (state[0] - np.cos(time)) - np.sin(time)


def forced_jacobian(time, state, parameter, by_state, by_parameter):
    by_state[0, 0] = -parameter[0]
    by_parameter[0, 0] = np.cos(time) - state[0]


@pytest.fixture(scope="module")
def systems():
    return {
        "robertson": (compiled_slope(robertson), compiled_jacobian(robertson_jacobian)),
        "forced": (compiled_slope(forced), compiled_jacobian(forced_jacobian)),
    }


def saturable_twin(time_h, initial, *, rtol=1e-11, **rates):
    """The same system by scipy."""
    tissues = len(rates["uptake_per_h"])
    release = rates.get("release_per_h", np.zeros(tissues))
    loss = rates.get("loss_per_h", np.zeros(tissues))

    def slope(_, y):
        flow = rates["uptake_per_h"] * y[0] * (1 - y[1:] / rates["capacity"]) - release * y[1:]
        return np.concatenate(
            [[-rates["elimination_per_h"] * y[0] - flow.sum()], flow - loss * y[1:]]
        )

    start = np.r_[initial, np.zeros(tissues)]
    return solve_ivp(
        slope, (0, time_h[-1]), start, method="Radau", rtol=rtol, atol=1e-12, t_eval=time_h
    ).y.T


def test_dormand_prince_meets_its_order_conditions():
    a, c = np.pad(tableau.DP_STAGE, ((0, 0), (0, 1))), tableau.DP_NODE
    b = np.append(tableau.DP_STAGE[6], 0.0)
    np.testing.assert_allclose(a.sum(1), c, atol=1e-15)
    for power in range(5):
        assert b @ c**power == pytest.approx(1 / (power + 1), abs=1e-15)
    assert b @ (a @ c) == pytest.approx(1 / 6, abs=1e-15)
    assert b @ (a @ (a @ (a @ c))) == pytest.approx(1 / 120, abs=1e-15)
    assert tableau.DP_ERROR.sum() == pytest.approx(0, abs=1e-15)


def test_rodas_meets_its_order_conditions():
    """Back from the transformed coefficients (Hairer & Wanner II, IV.7) to alpha and gamma."""
    transformed = np.pad(tableau.RODAS_STAGE, ((0, 0), (0, 1)))
    coupling = np.pad(tableau.RODAS_COUPLING, ((0, 0), (0, 1)))
    gamma = np.linalg.inv(np.eye(8) / tableau.RODAS_GAMMA - coupling)
    alpha = transformed @ gamma
    b = (transformed[7] + np.eye(8)[7]) @ gamma
    beta, one = alpha + gamma, np.ones(8)
    node = alpha @ one
    np.testing.assert_allclose(node, tableau.RODAS_NODE, atol=1e-12)
    np.testing.assert_allclose(gamma @ one, tableau.RODAS_TIME, atol=1e-12)
    full = beta @ one
    conditions = {
        "1": (b @ one, 1), "2": (b @ full, 1 / 2), "3a": (b @ node**2, 1 / 3),
        "3b": (b @ beta @ full, 1 / 6), "4a": (b @ node**3, 1 / 4),
        "4b": (b @ (node * (alpha @ full)), 1 / 8), "4c": (b @ beta @ node**2, 1 / 12),
        "4d": (b @ beta @ beta @ full, 1 / 24), "5a": (b @ node**4, 1 / 5),
        "5i": (b @ beta @ beta @ beta @ full, 1 / 120),
    }  # fmt: skip
    for name, (value, exact) in conditions.items():
        assert value == pytest.approx(exact, abs=2e-12), name


@pytest.mark.parametrize("analytic", [True, False])
def test_robertson_is_solved_as_a_stiff_system(systems, analytic):
    slope, jacobian = systems["robertson"]
    rates, time = np.array([0.04, 1e4, 3e7]), np.array([0.4, 40.0, 4e3, 4e5])
    found = solve(
        slope, [1.0, 0.0, 0.0], parameter=rates, time_h=time,
        jacobian=jacobian if analytic else None, rtol=1e-8, atol=[1e-12, 1e-16, 1e-12],
    )  # fmt: skip

    def twin(_, y):
        flow, back, out = rates[0] * y[0], rates[1] * y[1] * y[2], rates[2] * y[1] ** 2
        return [back - flow, flow - back - out, out]

    scipy = solve_ivp(
        twin, (0, 4e5), [1.0, 0, 0], t_eval=time, method="Radau", rtol=1e-11, atol=1e-18
    )
    assert found.method == "stiff"
    assert found.steps < 1500
    np.testing.assert_allclose(found.state, scipy.y.T, rtol=2e-7)


def test_stiff_sensitivities_are_the_derivatives(systems):
    slope, jacobian = systems["robertson"]
    rates, time = np.array([0.04, 1e4, 3e7]), np.array([0.4, 40.0, 4e3])
    options = {"time_h": time, "rtol": 1e-10, "atol": [1e-14, 1e-18, 1e-14], "method": "stiff"}
    found = solve(
        slope, [1.0, 0.0, 0.0], parameter=rates, jacobian=jacobian, sensitivity_to=(0, 1, 2),
        control_sensitivities=True, **options,
    )  # fmt: skip
    for k in range(3):
        step = 1e-4 * rates[k] * np.eye(3)[k]
        pair = [
            solve(slope, [1.0, 0, 0], parameter=rates + s, jacobian=jacobian, **options).state
            for s in (step, -step)
        ]
        numeric = (pair[0] - pair[1]) / (2 * step[k])
        np.testing.assert_allclose(found.sensitivity[..., k], numeric, rtol=1e-5)


@pytest.mark.parametrize("method", ["explicit", "stiff"])
def test_a_forced_system_keeps_its_exact_solution(systems, method):
    """y' = -p (y - cos t) - sin t, y(0) = 2: y = cos t + exp(-p t), dy/dp = -t exp(-p t)."""
    slope, jacobian = systems["forced"]
    time, rates = np.array([0.5, 2.0, 6.0]), np.array([[0.3], [3.0]])
    found = solve(
        slope, [2.0], parameter=rates, time_h=time, jacobian=jacobian, sensitivity_to=[0],
        method=method, rtol=1e-9, control_sensitivities=True,
    )  # fmt: skip
    decay = np.exp(-rates * time)
    np.testing.assert_allclose(found.state[..., 0], np.cos(time) + decay, atol=1e-7)
    np.testing.assert_allclose(found.sensitivity[..., 0, 0], -time * decay, atol=1e-7)


@pytest.mark.parametrize("method", ["explicit", "stiff"])
@pytest.mark.parametrize("rtol", [1e-6, 1e-8, 1e-10])
def test_the_requested_tolerance_is_met(method, rtol):
    found = saturable_amounts(7400.0, TIME_H, method=method, rtol=rtol, **PSMA)
    twin = saturable_twin(TIME_H, 7400.0, rtol=1e-12, **PSMA)
    np.testing.assert_allclose(found.state, twin, rtol=4 * rtol)


def test_shared_receptors_agree_with_scipy():
    found = saturable_amounts(92.7, TIME_H, rtol=1e-9, **PEPTIDE)
    np.testing.assert_allclose(found.state, saturable_twin(TIME_H, 92.7, **PEPTIDE), rtol=1e-7,
                               atol=1e-9)  # fmt: skip


@pytest.mark.parametrize("method", ["explicit", "stiff"])
def test_saturable_sensitivities_are_the_derivatives(method):
    rates = {**PEPTIDE, "release_per_h": np.full(5, 0.02)}
    found = saturable_amounts(92.7, TIME_H, sensitivities=True, rtol=1e-10, method=method, **rates)
    names = [("elimination_per_h", ())] + [
        (word, (j,))
        for word in ("uptake_per_h", "release_per_h", "loss_per_h", "capacity")
        for j in range(5)
    ]
    for k, (name, place) in enumerate(names):
        value = np.asarray(rates[name], dtype=float)
        if not np.isfinite(value[place]):
            assert not found.sensitivity[..., k].any()
            continue
        pair = []
        for sign in (1, -1):
            moved = value.copy()
            moved[place] += sign * 1e-4 * value[place]
            pair.append(saturable_amounts(92.7, TIME_H, rtol=1e-12, **{**rates, name: moved}).state)
        numeric = (pair[0] - pair[1]) / (2e-4 * value[place])
        scale = np.abs(numeric).max(axis=0)
        assert (np.abs(found.sensitivity[..., k] - numeric) <= 2e-6 * scale + 1e-9).all(), name


def test_infinite_capacity_is_the_closed_form_with_its_derivatives():
    linear = {**PSMA, "capacity": np.inf}
    found = saturable_amounts(100.0, TIME_H, sensitivities=True, rtol=1e-10, **linear)
    exact = mammillary_curves(
        100.0, elimination_per_h=K10, uptake_per_h=UPTAKE, release_per_h=RELEASE
    )
    np.testing.assert_allclose(found.state, exact(TIME_H).T, rtol=1e-8)
    for j in range(5):
        pair = []
        for sign in (1, -1):
            moved = UPTAKE.copy()
            moved[j] *= 1 + sign * 1e-5
            pair.append(
                mammillary_curves(
                    100.0, elimination_per_h=K10, uptake_per_h=moved, release_per_h=RELEASE
                )(TIME_H).T
            )
        numeric = (pair[0] - pair[1]) / (2e-5 * UPTAKE[j])
        np.testing.assert_allclose(
            found.sensitivity[..., 1 + j], numeric, rtol=1e-5, atol=1e-6 * np.abs(numeric).max()
        )
    assert not found.sensitivity[..., 16:].any()


def test_nothing_is_lost_without_elimination():
    closed = {**PSMA, "elimination_per_h": 0.0}
    found = saturable_amounts([10.0, 7400.0], TIME_H, **closed)
    np.testing.assert_allclose(found.state.sum(-1), [[10.0], [7400.0]] * np.ones(10), rtol=1e-9)
    assert (found.state[:, :, 1] <= 40.4).all()


def test_doses_infusions_repeats_and_resets():
    rates = {"elimination_per_h": 0.3, "uptake_per_h": [1e-300], "release_per_h": [1.0]}
    time = np.array([0.5, 2.0, 3.0, 12.0, 13.0, 30.0, 31.0])
    doses = dose_table(
        time_h=[0.0, 2.0, 30.0], amount=[10.0, 20.0, 5.0], rate=[0.0, 10.0, 0.0],
        interval_h=[10.0, 0.0, 0.0], additional=[1.0, 0.0, 0.0], reset=[0.0, 0.0, 1.0],
    )  # fmt: skip
    blood = saturable_amounts(0.0, time, doses=doses, rtol=1e-10, **rates).state[:, 0]

    def expected(t):
        if t >= 30:
            return 5 * np.exp(-0.3 * (t - 30))
        total = 10 * np.exp(-0.3 * t) + (10 * np.exp(-0.3 * (t - 10)) if t >= 10 else 0)
        running, after = min(max(t - 2, 0), 2), max(t - 4, 0)
        return total + 10 / 0.3 * (1 - np.exp(-0.3 * running)) * np.exp(-0.3 * after)

    np.testing.assert_allclose(blood, [expected(t) for t in time], rtol=1e-8)


def test_many_systems_on_all_cores_are_the_single_ones():
    spread = np.exp(0.3 * np.random.default_rng(0).standard_normal((12, 1)))
    rates = {**PSMA, "uptake_per_h": UPTAKE * spread, "elimination_per_h": K10 * spread[:, 0]}
    together = saturable_amounts(7400.0, TIME_H, sensitivities=True, **rates)
    seventh = {"uptake_per_h": UPTAKE * spread[7], "elimination_per_h": K10 * spread[7, 0]}
    alone = saturable_amounts(7400.0, TIME_H, sensitivities=True, **{**rates, **seventh})
    assert together.state.shape == (12, 10, 6)
    assert np.array_equal(together.state[7], alone.state)
    assert np.array_equal(together.sensitivity[7], alone.sensitivity)


def test_a_system_that_does_not_arrive_says_so(systems):
    slope, _ = systems["robertson"]
    options = {"parameter": [0.04, 1e4, 3e7], "time_h": [1.0, 1e5], "method": "explicit"}
    with pytest.warns(UserWarning, match="1 of 1 systems stopped early: 1 x step count exhausted"):
        found = solve(slope, [1.0, 0, 0], max_steps=5000, **options)
    assert found.failed
    assert np.isfinite(found.state[0]).all()
    assert np.isnan(found.state[1]).all()
    with pytest.raises(KineticsError, match="step count exhausted"):
        solve(slope, [1.0, 0, 0], max_steps=5000, strict=True, **options)


def explode(time, state, parameter, slope):
    slope[0] = state[0] ** 2


def test_an_explosion_ends_with_a_status():
    for method in ("explicit", "stiff"):
        with pytest.warns(UserWarning, match="stopped early"):
            found = solve(explode, [1.0], parameter=[0.0], time_h=[0.5, 2.0], method=method)
        assert found.state[0, 0] == pytest.approx(2.0, rel=1e-6)
        assert found.status != "ok"
    with pytest.warns(UserWarning, match="not finite"):
        solve(explode, [np.nan], parameter=[0.0], time_h=[1.0], method="explicit")


def test_illegal_input_is_named(systems):
    slope, jacobian = systems["forced"]
    good = {"parameter": [1.0], "time_h": [1.0], "jacobian": jacobian}
    for change, message in (
        ({"method": "euler"}, "unknown method"),
        ({"time_h": [2.0, 1.0]}, "ascend"),
        ({"rtol": 0.0}, "rtol"),
        ({"jacobian": None, "sensitivity_to": [0]}, "analytic jacobian"),
        ({"sensitivity_to": [3]}, "indices 0 to 0"),
        ({"doses": dose_table(steady_state=1.0)}, "steady state"),
        ({"doses": dose_table(compartment=2.0)}, "compartments 0 to 0"),
    ):
        with pytest.raises(KineticsError, match=message):
            solve(slope, [1.0], **{**good, **change})
    with pytest.raises(KineticsError, match="capacities"):
        saturable_amounts(1.0, [1.0], elimination_per_h=1.0, uptake_per_h=[1.0], capacity=[0.0])
    with pytest.raises(KineticsError, match="zero or positive"):
        saturable_amounts(1.0, [1.0], elimination_per_h=1.0, uptake_per_h=[-1.0])


STRUCTURE = {
    "tissues": ["glands", "kidneys", "rest"], "saturable": ["glands"], "lost": ["kidneys"],
    "released": ["glands", "rest"], "regions": ["blood", "glands", "kidneys", "whole_body"],
}  # fmt: skip
VALUES = {
    "elimination_per_h": 0.3, "uptake_glands_per_h": 0.03, "uptake_kidneys_per_h": 0.05,
    "uptake_rest_per_h": 1.0, "release_glands_per_h": 0.03, "release_rest_per_h": 0.7,
    "loss_kidneys_per_h": 0.02, "capacity_glands": 3.0, "blood_volume_ml": 5000.0,
    "molar_activity": 40.0,
}  # fmt: skip


def predict(structure, parameter, rows, doses):
    value, jacobian = np.empty(len(rows)), np.empty((len(rows), len(parameter)))
    structure.predict(parameter, rows, doses, value, jacobian)
    return value, jacobian


def test_the_structure_predicts_what_the_solver_gives():
    structure = saturable_structure(as_peptide=True, decay_per_h=0.0043, **STRUCTURE)
    assert set(structure.parameters) == set(VALUES)
    doses = dose_table(time_h=[0.0, 24.0], amount=[100.0, 50.0], rate=[0.0, 100.0])
    time = np.array([24.0, 1.0, 72.0])
    order = np.argsort(time)
    amounts = saturable_amounts(
        0.0, time[order], elimination_per_h=0.3, uptake_per_h=[0.03, 0.05, 1.0],
        release_per_h=[0.03, 0.0, 0.7], loss_per_h=[0.0, 0.02, 0.0], capacity=[3.0, np.inf, np.inf],
        doses=doses, rtol=1e-10,
    ).state[np.argsort(order)]  # fmt: skip
    factor = 40.0 * np.exp(-0.0043 * time)
    for region, expected in (
        ("blood", amounts[:, 0] / 5000), ("glands", amounts[:, 1]), ("kidneys", amounts[:, 2]),
        ("whole_body", amounts.sum(1)),
    ):  # fmt: skip
        found = structure(VALUES, time, region=region, doses=doses)
        np.testing.assert_allclose(found, expected * factor, rtol=1e-7)


def test_the_structure_differentiates_its_predictions():
    structure = saturable_structure(as_peptide=True, decay_per_h=0.0043, **STRUCTURE)
    rows = np.array([[t, r] for t in (1.0, 24.0, 96.0) for r in range(4)])
    doses = dose_table(time_h=[0.0, 24.0], amount=[100.0, 50.0], rate=[100.0, 0.0])
    centre = np.array([VALUES[name] for name in structure.parameters])
    _, jacobian = predict(structure, centre, rows, doses)
    for k in range(len(centre)):
        step = 1e-4 * centre[k] * np.eye(len(centre))[k]
        numeric = (
            predict(structure, centre + step, rows, doses)[0]
            - predict(structure, centre - step, rows, doses)[0]
        ) / (2 * step[k])
        np.testing.assert_allclose(
            jacobian[:, k], numeric, rtol=5e-5, atol=1e-5 * np.abs(numeric).max()
        )


def test_the_structure_answers_nan_where_it_cannot_predict():
    structure = saturable_structure(["rest"], regions=["blood"])
    rows = np.array([[1.0, 0.0]])
    for parameter, doses in (
        ([0.3, np.nan, 0.7, 5.0], dose_table()),
        ([0.3, 1.0, 0.7, 5.0], dose_table(steady_state=1.0)),
        ([0.3, 1.0, 0.7, 5.0], dose_table(rate=-1.0)),
    ):
        value, jacobian = predict(structure, np.array(parameter), rows, doses)
        assert np.isnan(value).all()
        assert np.isnan(jacobian).all()
    value, _ = predict(structure, np.array([1e9, 1e9, 0.7, 5.0]), rows, dose_table())
    assert value.shape == (1,)
    with pytest.raises(KineticsError, match="unknown: gut"):
        saturable_structure(["rest"], saturable=["gut"])


@njit([types.void(PREDICT_FUNCTION, *PREDICT.args)])
def call_through_the_pointer(predict, parameter, rows, doses, value, jacobian):
    predict(parameter, rows, doses, value, jacobian)


def test_the_structure_is_a_first_class_function():
    structure = saturable_structure(["rest"], saturable=["rest"], regions=["rest"])
    rows, parameter = np.array([[5.0, 0.0]]), np.array([0.3, 1.0, 0.7, 2.0])
    value, jacobian = np.empty(1), np.empty((1, 4))
    doses = dose_table(amount=10.0)
    call_through_the_pointer(structure.predict, parameter, rows, doses, value, jacobian)
    assert value == predict(structure, parameter, rows, doses)[0]


def test_a_second_start_does_not_compile():
    code = (
        "from kinetics.structures import _ode_kernels as a, _saturable_kernels as b\n"
        "b.compiled_predict((0, 1, -1, -1, 2, 3, -1), (0,), 0.0)\n"
        "found = [f.stats.cache_misses for f in (a.solve_many, a.solve_many_on_all_cores, "
        "b.predict_saturable)]\n"
        "print(sum(sum(m.values()) for m in found))"
    )
    for _ in range(2):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert out.stdout.strip() == b"0"
