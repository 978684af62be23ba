import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from kinetics import SumOfExponentials
from radiobio import (
    RadiobioError,
    bed_gy,
    eqd2_gy,
    lea_catcheside_g,
    lea_catcheside_g_constant_rate,
)

REFERENCE = Path(__file__).parents[1] / "reference"
LN2 = np.log(2)


def rows(name):
    with (REFERENCE / name).open() as file:
        return list(csv.DictReader(file))


def mono(dose, rate):
    return SumOfExponentials([dose * rate], [rate])


@pytest.mark.parametrize("row", rows("radiobio_bed_gfactor.csv"), ids=lambda row: row["case"])
def test_reference_bed(row):
    number = {key: float(value) for key, value in row.items() if key != "case"}
    # the case gives the half-life, the table its rate to eight decimals
    curve = mono(number["dose_gy"], number["rate_per_h"])
    g = lea_catcheside_g(curve, number["repair_rate_per_h"])
    np.testing.assert_allclose(g, number["g"], rtol=5e-7)
    bed = bed_gy(
        curve,
        alpha_beta_gy=number["alpha_beta_gy"],
        repair_half_life_h=LN2 / number["repair_rate_per_h"],
    )
    np.testing.assert_allclose(bed, number["bed_gy"], rtol=5e-7)
    np.testing.assert_allclose(
        eqd2_gy(bed, alpha_beta_gy=number["alpha_beta_gy"]), number["eqd2_gy"], rtol=5e-7
    )


@pytest.mark.parametrize("row", rows("radiobio_kidney_bed.csv"))
def test_kidney_cycles(row):
    number = {key: float(value) for key, value in row.items()}
    cycle = mono(number["dose_per_cycle_gy"], LN2 / number["effective_half_life_h"])
    bed = bed_gy(
        [cycle] * int(number["n_cycles"]),
        alpha_beta_gy=number["alpha_beta_gy"],
        repair_half_life_h=number["repair_half_life_h"],
    )
    assert abs(bed - number["bed_gy"]) < 5.1e-5


def test_constant_rate():
    for row in rows("radiobio_gfactor_constant_rate.csv"):
        g = lea_catcheside_g_constant_rate(
            float(row["irradiation_h"]), float(row["repair_rate_per_h"])
        )
        np.testing.assert_allclose(g, float(row["g"]), rtol=1e-12)
    x = np.array([0.0, 1e-9, 0.999e-3, 1.001e-3])
    near = lea_catcheside_g_constant_rate(x, 1.0)
    np.testing.assert_allclose(near, 1 - x / 3 + x**2 / 12, rtol=1e-9)
    # G = 1/2 is (x - 2)^2 = 4 e^-x, solved by x = 2 (1 + W(1/e)), W(1/e) = 0.2784645
    np.testing.assert_allclose(lea_catcheside_g_constant_rate(2 * 1.2784645, 1.0), 0.5, atol=1e-7)


def test_uptake_phase_equals_ode():
    curve = SumOfExponentials([1.2, 0.4, -1.6], [0.05, 0.01, 0.9])
    repair = 0.3

    def slopes(t, y):  # dose, unrepaired dose, G D^2 / 2
        rate = float(curve(t))
        return [rate, rate - repair * y[1], rate * y[1]]

    run = solve_ivp(slopes, (0, 4000), [0, 0, 0], method="LSODA", rtol=1e-11, atol=1e-12)
    dose, _, half = run.y[:, -1]
    np.testing.assert_allclose(lea_catcheside_g(curve, repair), 2 * half / dose**2, rtol=1e-7)
    np.testing.assert_allclose(
        bed_gy(curve, alpha_beta_gy=3.0, repair_half_life_h=LN2 / repair),
        dose + 2 * half / 3.0,
        rtol=1e-7,
    )


def test_two_terms_equal_double_integral():
    curve = SumOfExponentials([0.5, 0.1], [0.2, 0.03])
    repair = 0.4

    def inner(t):
        return quad(lambda s: float(curve(s)) * np.exp(-repair * (t - s)), 0, t)[0]

    outer = quad(lambda t: float(curve(t)) * inner(t), 0, 500, epsrel=1e-9, limit=200)[0]
    expected = 2 * outer / float(curve.integral()) ** 2
    np.testing.assert_allclose(lea_catcheside_g(curve, repair), expected, rtol=1e-7)


def test_repair_components_are_a_weighted_mean():
    curve = SumOfExponentials([0.5, 0.1], [0.2, 0.03])
    both = lea_catcheside_g(curve, [0.5, 0.05], fraction=[0.7, 0.3])
    parts = [lea_catcheside_g(curve, rate) for rate in (0.5, 0.05)]
    np.testing.assert_allclose(both, 0.7 * parts[0] + 0.3 * parts[1], rtol=1e-13)


def test_draws_limits_and_additivity():
    curves = SumOfExponentials([[0.5, 0.1], [1.0, 0.2], [0.0, 0.0]], [0.2, 0.03])
    g = lea_catcheside_g(curves, [[0.5], [0.5], [0.5]])
    assert g.shape == (3,)
    np.testing.assert_allclose(g[0], g[1], rtol=1e-13)  # G does not depend on the scale
    assert g[2] == 0
    np.testing.assert_allclose(lea_catcheside_g(curves[0], 0.0), 1.0, rtol=1e-13)
    assert lea_catcheside_g(curves[0], 1e9) < 1e-8
    args = {"alpha_beta_gy": 10.0, "repair_half_life_h": 1.5}
    both = bed_gy([curves, curves[0]], **args)
    np.testing.assert_allclose(both, bed_gy(curves, **args) + bed_gy(curves[0], **args))
    relative = bed_gy(curves[0], rbe_max=5.0, **args) - bed_gy(curves[0], **args)
    np.testing.assert_allclose(relative, 4 * curves[0].integral())


def test_what_is_not_legal():
    curve = mono(1.0, 0.1)
    with pytest.raises(RadiobioError, match="does not decay"):
        lea_catcheside_g(SumOfExponentials([1.0], [0.0]), 0.5)
    with pytest.raises(RadiobioError, match="at least one"):
        bed_gy([], alpha_beta_gy=3.0, repair_half_life_h=2.0)
    with pytest.raises(RadiobioError, match="alpha_beta_gy"):
        bed_gy(curve, alpha_beta_gy=0.0, repair_half_life_h=2.0)
    with pytest.raises(RadiobioError, match="repair_half_life_h"):
        bed_gy(curve, alpha_beta_gy=3.0, repair_half_life_h=-2.0)
    with pytest.raises(RadiobioError, match="zero or positive"):
        lea_catcheside_g_constant_rate(-1.0, 0.5)
