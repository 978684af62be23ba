import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from kinetics import KineticsError
from kinetics.structures._dosing_kernels import superpose
from kinetics.structures.events import dose_row, expand_doses, nonmem_dose

REFERENCE = Path(__file__).parents[2] / "reference"
TRAIN = 70  # doses that stand for infinitely many


def _advance(matrix, state, inflow, start, end):
    if end <= start:
        return state
    solution = solve_ivp(
        lambda _, y: matrix @ y + inflow, (start, end), state,
        method="DOP853", rtol=1e-9, atol=1e-11,
    )  # fmt: skip
    return solution.y[:, -1]


def _dose_events(dose, dosing, numbers):
    """Events of the doses with the given numbers in a repeated dose."""
    time, amount, c, coded, _, interval = dose[:6]
    lag, available, rate, duration = dosing[int(c)]
    unit = np.eye(len(dosing))[int(c)]
    given = available * amount
    if coded == -2:
        rate = given / duration
    elif coded > 0:
        rate = coded
    out = []
    for number in numbers:
        start = time + lag + number * interval
        if coded == 0:
            out.append((start, given * unit, 0 * unit, False))
        else:
            out.append((start, 0 * unit, rate * unit, False))
            out.append((start + given / rate, 0 * unit, -rate * unit, False))
    return out


def _run(matrix, events, times):
    """States at times; events are (time, added state, added inflow, whether to empty first)."""
    state, inflow = np.zeros(len(matrix)), np.zeros(len(matrix))
    events = sorted(events, key=lambda e: e[0])
    now = min([e[0] for e in events] + [min(times)])
    out, i = [], 0
    for time in times:
        while i < len(events) and events[i][0] <= time + 1e-9:
            at, jump, flow, empty = events[i]
            state, now = _advance(matrix, state, inflow, now, at), max(at, now)
            if empty:
                state, inflow = 0 * state, 0 * inflow
            state, inflow = state + jump, inflow + flow
            i += 1
        state, now = _advance(matrix, state, inflow, now, time), max(time, now)
        out.append((state, inflow))
    return out


def simulate(matrix, table, dosing, times):
    """States (n_times, n) of dA/dt = matrix A under a dose table; times ascending."""
    events = []
    nothing = np.zeros(len(matrix))
    for dose in table:
        time, amount, steady, additional = dose[0], dose[1], dose[4], dose[6]
        if dose[7] or steady == 1:
            events = [e for e in events if e[0] < time - 1e-9]
            events.append((time, nothing, nothing, True))
        numbers = range(int(additional) + 1)
        if steady and amount == 0:
            unit = np.eye(len(matrix))[int(dose[2])]
            events.append((time, -np.linalg.solve(matrix, dose[3] * unit), nothing, False))
            continue
        if amount == 0:
            continue
        if steady:
            before = _dose_events(dose, dosing, range(-TRAIN, 0))
            past = [e for e in before if e[0] <= time]
            ((state, inflow),) = _run(matrix, past, [time])
            events.append((time, state, inflow, False))
            events += [e for e in before if e[0] > time]
        events += _dose_events(dose, dosing, numbers)
    return np.array([state for state, _ in _run(matrix, events, times)])


# depot, central and a tissue: rates 1/h
MATRIX = np.array([[-1.1, 0.0, 0.0], [1.1, -0.5, 0.15], [0.0, 0.3, -0.15]])
# amounts circulate: complex rates
CYCLE = np.array([[-1.0, 0.0, 0.6], [0.9, -1.0, 0.0], [0.0, 0.8, -1.2]])


def response(matrix):
    """Amplitudes (n_cmt, n_region, n_exp) and rates; every compartment is observed."""
    value, vector = np.linalg.eig(matrix)
    inverse = np.linalg.inv(vector)
    return np.ascontiguousarray(np.einsum("rk,kc->crk", vector, inverse)), -value


def predict(matrix, table, dosing, times, region):
    amplitude, rate = response(matrix)
    rows = np.column_stack([times, np.full(len(times), float(region))])
    value, jacobian = np.empty(len(times)), np.empty((len(times), 1))
    superpose(
        rows, np.array(table, dtype=float), amplitude, rate,
        np.zeros((1, *amplitude.shape), amplitude.dtype), np.zeros((1, len(rate)), rate.dtype),
        np.array(dosing, dtype=float), np.full((len(matrix), 4), -1), value, jacobian,
    )  # fmt: skip
    return value


PLAIN = [[0.0, 1.0, 20.0, 4.0]] * 3
LAGGED = [[0.7, 0.6, 25.0, 5.5], [2.3, 0.9, 18.0, 31.0], [0.0, 1.0, 20.0, 4.0]]
REGIMENS = {
    "bolus": [dose_row(time_h=1.0, amount=100)],
    "infusion": [dose_row(time_h=1.0, amount=100, compartment=1, rate=12.5)],
    "repeated bolus": [dose_row(time_h=0, amount=50, interval_h=8, additional=5)],
    "repeated long infusion": [
        dose_row(time_h=0, amount=50, compartment=1, rate=2.5, interval_h=8, additional=3)
    ],
    "modelled rate": [
        dose_row(time_h=0, amount=50, rate=-1, interval_h=9, additional=2),
        dose_row(time_h=3, amount=90, compartment=1, rate=-1),
    ],
    "modelled duration": [
        dose_row(time_h=0, amount=50, rate=-2, interval_h=9, additional=2),
        dose_row(time_h=3, amount=90, compartment=1, rate=-2, interval_h=12, additional=2),
    ],
    "steady-state bolus": [
        dose_row(time_h=2, amount=50, steady_state=1, interval_h=8, additional=1)
    ],
    "steady-state short infusion": [
        dose_row(time_h=2, amount=50, compartment=1, rate=20, steady_state=1, interval_h=8)
    ],
    "steady-state infusion longer than the interval": [
        dose_row(
            time_h=2, amount=50, compartment=1, rate=2.5, steady_state=1, interval_h=8, additional=2
        )
    ],
    "steady-state modelled duration": [
        dose_row(time_h=2, amount=50, compartment=1, rate=-2, steady_state=1, interval_h=8)
    ],
    "steady state replaces": [
        dose_row(time_h=0, amount=300, rate=10, interval_h=4, additional=9),
        dose_row(time_h=6, amount=50, steady_state=1, interval_h=12),
    ],
    "steady state adds": [
        dose_row(time_h=0, amount=300, rate=10),
        dose_row(time_h=6, amount=50, steady_state=1, interval_h=12),
        dose_row(time_h=7, amount=20, compartment=1, rate=4, steady_state=2, interval_h=10),
    ],
    "constant infusion to steady state": [
        dose_row(time_h=2, amount=0, compartment=1, rate=3, steady_state=1),
        dose_row(time_h=2, amount=60, compartment=1, rate=3),
    ],
    "reset": [
        dose_row(time_h=0, amount=100, rate=5, interval_h=6, additional=9),
        dose_row(time_h=20, amount=0, reset=True),
        dose_row(time_h=23, amount=40),
        dose_row(time_h=26, amount=30, compartment=1, reset=True),
    ],
}


@pytest.mark.parametrize("dosing", [PLAIN, LAGGED], ids=["plain", "lag and bioavailability"])
@pytest.mark.parametrize("matrix", [MATRIX, CYCLE], ids=["real", "complex"])
@pytest.mark.parametrize("name", REGIMENS)
def test_regimens_agree_with_an_ode_solver(name, matrix, dosing):
    times = np.array([0.0, 1.0, 1.9, 2.0, 4.4, 6.0, 7.7, 10.3, 19.0, 20.0, 24.5, 26.0, 28.4, 37.0])
    expected = simulate(matrix, REGIMENS[name], dosing, times)
    for region in range(3):
        np.testing.assert_allclose(
            predict(matrix, REGIMENS[name], dosing, times, region), expected[:, region],
            rtol=1e-7, atol=1e-8,
        )  # fmt: skip


def random_table(rng):
    """Three to five doses of every kind, in order of time."""
    rows = []
    for time in np.sort(rng.uniform(0, 40, rng.integers(3, 6))):
        steady = int(rng.choice([0, 0, 0, 1, 2]))
        rows.append(
            dose_row(
                time_h=time, amount=rng.uniform(10, 100), compartment=int(rng.integers(0, 2)),
                rate=float(rng.choice([0, 0, rng.uniform(2, 40), -1, -2])), steady_state=steady,
                interval_h=rng.uniform(5, 15), additional=int(rng.integers(0, 4)),
                reset=bool(rng.random() < 0.15),
            )
        )  # fmt: skip
    return rows


@pytest.mark.parametrize("seed", range(12))
def test_random_regimens_agree_with_an_ode_solver(seed):
    rng = np.random.default_rng(seed)
    table, times = random_table(rng), np.sort(rng.uniform(0, 70, 15))
    dosing = [
        [rng.uniform(0, 4), rng.uniform(0.3, 1), rng.uniform(5, 30), rng.uniform(1, 25)]
        for _ in range(3)
    ]
    expected = simulate(MATRIX, table, dosing, times)[:, 1]
    actual = predict(MATRIX, table, dosing, times, 1)
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-8)
    expanded = expand_doses(table)
    assert (expanded[:, 6] == 0).all()
    assert (np.diff(expanded[:, 0]) >= 0).all()
    np.testing.assert_allclose(
        predict(MATRIX, expanded, dosing, times, 1), actual, rtol=1e-10, atol=1e-12
    )


def nonmem_regimens():
    with (REFERENCE / "kinetics_nonmem_regimens.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {i: [r for r in rows if r["id"] == i] for i in dict.fromkeys(r["id"] for r in rows)}


@pytest.mark.parametrize("regimen", nonmem_regimens())
def test_dosing_regimens_of_nonmem(regimen):
    """NONMEM 7.4.3, CL 1.1, V 20, KA 1.5; five printed digits, cp per 1000 volumes."""
    records = [
        {name: float(value) for name, value in row.items()} for row in nonmem_regimens()[regimen]
    ]
    doses = [r for r in records if r["evid"]]
    observed = [r for r in records if not r["evid"]]
    table = [
        nonmem_dose(
            time_h=r["time"], evid=int(r["evid"]), amt=r["amt"], cmt=int(r["cmt"]), rate=r["rate"],
            ii=0 if r["evid"] == 3 else r["ii"], addl=int(r["addl"]), ss=int(r["ss"]),
        )
        for r in doses
    ]  # fmt: skip
    first = doses[0]  # lag, bioavailability, rate and duration belong to the central compartment
    dosing = [[0, 1, 1, 1], [first["lagt"], first["bioav"], first["rat2"], first["dur2"]]]
    k, ka = 1.1 / 20, 1.5
    matrix = np.array([[-ka, 0], [ka, -k]])
    times = np.array([r["time"] for r in observed])
    np.testing.assert_allclose(
        predict(matrix, table, dosing, times, 1) / 20 * 1000, [r["cp"] for r in observed],
        rtol=6e-5, atol=1e-9,
    )  # fmt: skip


def test_steady_state_is_the_limit_of_many_doses():
    times = np.array([0.0, 0.3, 5.0, 11.9, 12.0, 30.0])
    for rate in (0.0, 30.0, 3.0):
        steady = dose_row(time_h=0, amount=60, rate=rate, steady_state=1, interval_h=12)
        many = dose_row(time_h=-2400, amount=60, rate=rate, interval_h=12, additional=200)
        np.testing.assert_allclose(
            predict(MATRIX, [steady], PLAIN, times, 1), predict(MATRIX, [many], PLAIN, times, 1),
            rtol=1e-10,
        )  # fmt: skip


@pytest.mark.parametrize("rate_per_h", [0.0, 1e-12, 1e-6, 1e-3])
def test_slow_rates_are_exact(rate_per_h):
    """One infusion of 10 in 4 h, observed during and after it, against the power series."""
    times = np.array([1.0, 4.0, 9.0])
    value, jacobian = np.empty(3), np.empty((3, 1))
    superpose(
        np.column_stack([times, np.zeros(3)]),
        np.array([dose_row(time_h=0, amount=10, rate=2.5)]),
        np.ones((1, 1, 1)), np.array([rate_per_h]), np.zeros((1, 1, 1, 1)), np.ones((1, 1)),
        np.array(PLAIN[:1]), np.full((1, 4), -1), value, jacobian,
    )  # fmt: skip

    def moment(power, first, last):
        """Integral of (-s)^m exp(-rate s), as a power series in the rate."""
        terms = [
            (-rate_per_h) ** i / math.factorial(i) * (last**n - first**n) / n
            for i, n in enumerate(range(1 + power, 9))
        ]  # fmt: skip
        return (-1) ** power * sum(terms)

    spans = [(max(t - 4, 0), t) for t in times]
    np.testing.assert_allclose(value, [2.5 * moment(0, *s) for s in spans], rtol=1e-12)
    np.testing.assert_allclose(jacobian[:, 0], [2.5 * moment(1, *s) for s in spans], rtol=1e-11)


def test_a_row_at_the_time_of_a_dose_counts_after_it():
    times = np.array([0.1 * 3 - 1e-6, 0.3, 0.1 * 3])
    table = [dose_row(time_h=0.1, amount=1, compartment=1, interval_h=0.1, additional=2)]
    before, after, rounded = predict(MATRIX, table, PLAIN, times, 1)
    assert after == pytest.approx(before + 1, abs=1e-5)
    assert rounded == pytest.approx(after, rel=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0.0}, {"amount": -1.0}, {"time_h": math.nan}, {"compartment": -1},
        {"compartment": 0.5}, {"rate": -3.0}, {"steady_state": 3}, {"steady_state": 1},
        {"additional": 2}, {"additional": 1.5, "interval_h": 12}, {"amount": 0.0, "rate": 2.0},
        {"amount": 0.0, "rate": -2, "steady_state": 1},
        {"amount": 0.0, "rate": 2.0, "steady_state": 1, "interval_h": 12},
    ],
)  # fmt: skip
def test_illegal_doses_are_refused(change):
    with pytest.raises(KineticsError):
        dose_row(**{"time_h": 0.0, "amount": 1.0, **change})


def test_nonmem_codes():
    assert nonmem_dose(time_h=1, evid=2) is None
    assert nonmem_dose(time_h=1, evid=3) == (1, 0, 0, 0, 0, 0, 0, 1)
    assert nonmem_dose(time_h=1, evid=4, amt=2, cmt=2)[-1] == 1
    assert nonmem_dose(time_h=1, evid=201, amt=2)[2] == 1
    assert nonmem_dose(time_h=1, evid=1, amt=2, cmt=0)[2] == 0
    for wrong in ({"evid": 10101}, {"evid": 5}, {"evid": 110}, {"evid": 1, "cmt": -2}):
        with pytest.raises(KineticsError):
            nonmem_dose(time_h=1, amt=2, **wrong)


def test_expand_doses_refuses_other_tables():
    with pytest.raises(KineticsError, match="8 columns"):
        expand_doses(np.zeros((2, 3)))
    with pytest.raises(KineticsError, match="order of time"):
        expand_doses([dose_row(time_h=2, amount=1), dose_row(time_h=1, amount=1)])


def test_an_unknown_compartment_is_not_a_number():
    assert np.isnan(predict(MATRIX, [dose_row(time_h=0, amount=1, compartment=3)], PLAIN, [1.0], 1))
