import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from kinetics import KineticsError
from kinetics.mammillary import mammillary_curves

# 177Lu-PSMA-617, Siebinga 2023, Table 2: salivary glands, kidneys, liver, tumour, other
K10 = 0.288
UPTAKE = np.array([0.0238, 0.00867, 0.0238, 0.000248, 1.05])
RELEASE = np.array([0.0307, 0.0141, 0.0283, 0.00902, 0.744])


def test_linear_system_is_the_matrix_exponential():
    matrix = np.diag(-np.concatenate([[K10 + UPTAKE.sum()], RELEASE]))
    matrix[0, 1:], matrix[1:, 0] = RELEASE, UPTAKE
    curves = mammillary_curves(
        7400.0, elimination_per_h=K10, uptake_per_h=UPTAKE, release_per_h=RELEASE
    )
    for t in (0.0, 0.1, 3.0, 24.0, 168.0):
        np.testing.assert_allclose(curves(t), expm(matrix * t)[:, 0] * 7400, rtol=1e-9, atol=1e-9)
    assert curves.integral()[0] * K10 == pytest.approx(7400.0, rel=1e-10)


def test_two_compartments_repeated_bolus_to_fifteen_digits():
    """Dose 100 every 12 h, CL 10, V 50, Q 5, V2 100: evaluated with 40 digits by mpmath."""
    curves = mammillary_curves(
        2.0, elimination_per_h=0.2, uptake_per_h=[0.1], release_per_h=[0.05]
    )[0]
    published = {3: 0.837106907716083, 6: 0.38386597624361, 8: 0.247033934576481}
    for time, concentration in published.items():
        assert curves(time) == pytest.approx(concentration, rel=1e-13)


@pytest.mark.parametrize("activity_mbq", [3000.0, 7400.0])
@pytest.mark.parametrize("capacity_mbq", [12.0, 40.4, 120.0, 4000.0])
def test_saturable_salivary_glands_agree_with_an_ode_solver(activity_mbq, capacity_mbq):
    capacity = np.array([capacity_mbq, np.inf, np.inf, np.inf, np.inf])

    def slope(_, amount):
        flow = UPTAKE * amount[0] * (1 - amount[1:] / capacity) - RELEASE * amount[1:]
        return np.concatenate([[-K10 * amount[0] - flow.sum()], flow])

    t = np.geomspace(0.02, 500, 50)
    start = np.array([activity_mbq, 0, 0, 0, 0, 0])
    solver = solve_ivp(slope, (0, 500), start, t_eval=t, rtol=1e-10, atol=1e-10, method="LSODA")
    curves = mammillary_curves(
        activity_mbq,
        elimination_per_h=K10, uptake_per_h=UPTAKE, release_per_h=RELEASE, capacity=capacity,
    )  # fmt: skip
    early, reported = t <= 300, [0, 2, 3, 4, 5]  # the gland itself is not reported
    np.testing.assert_allclose(
        curves(t)[reported][:, early], solver.y[reported][:, early], rtol=0.005
    )
    tia = np.trapezoid(solver.y, t, axis=1)
    np.testing.assert_allclose(
        curves.cumulative(500.0)[reported], tia[reported] + 0.02 * start[reported], rtol=0.01
    )


def test_an_unlimited_capacity_is_the_linear_system():
    rates = {"elimination_per_h": K10, "uptake_per_h": UPTAKE, "release_per_h": RELEASE}
    large = mammillary_curves(100.0, capacity=np.r_[1e9, np.full(4, np.inf)], **rates)
    linear = mammillary_curves(100.0, **rates)
    t = np.array([1.0, 24.0, 96.0])
    np.testing.assert_allclose(large(t)[[0, 2, 3, 4, 5]], linear(t)[[0, 2, 3, 4, 5]], rtol=0.002)


def test_draws_are_solved_side_by_side():
    spread = np.exp(0.2 * np.random.default_rng(0).standard_normal((6, 1)))
    together = mammillary_curves(
        50.0, elimination_per_h=K10 * spread[:, 0], uptake_per_h=UPTAKE * spread,
        release_per_h=RELEASE,
    )  # fmt: skip
    assert together.shape == (6, 6)
    alone = mammillary_curves(
        50.0, elimination_per_h=K10 * spread[4, 0], uptake_per_h=UPTAKE * spread[4],
        release_per_h=RELEASE,
    )  # fmt: skip
    np.testing.assert_allclose(together[4](10.0), alone(10.0), rtol=1e-12)


def test_rates_must_be_positive():
    with pytest.raises(KineticsError, match="uptake rates must be positive"):
        mammillary_curves(1.0, elimination_per_h=0.1, uptake_per_h=[0.0], release_per_h=[0.1])
