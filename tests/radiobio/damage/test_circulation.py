import numpy as np
import pytest
from scipy.integrate import solve_ivp

from kinetics import SumOfExponentials
from radiobio.damage.circulation import blood_exchange_per_h, foci_in_pools, irradiated_share
from radiobio.damage.dsb import foci_per_cell
from radiobio.errors import RadiobioError

TIMES = np.array([0.0, 0.5, 1.0, 4.0, 24.0, 96.0, 168.0])
DOSE_RATES = [
    SumOfExponentials([0.01, 0.002], [0.5, 0.02]),
    SumOfExponentials([0.001, -0.001], [0.02, 0.3]),
    SumOfExponentials([0.001], [0.25]),
]
EXCHANGES = {
    "circle": [[0, 0, 1.0], [0.1, 0, 0], [0, 0.05, 0]],
    "each with each": [[0, 0.9, 0.1], [0.02, 0, 0.3], [0.5, 0.1, 0]],
    "equal rates": [[0, 0.25, 0], [0.25, 0, 0], [0, 0, 0]],
    "none": np.zeros((3, 3)),
    "one way": [[0, 0, 0], [0.25, 0, 0], [0.25, 0, 0]],
}


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_equals_an_ode_solver(name):
    exchange = np.array(EXCHANGES[name], dtype=float)

    def slope(t, n):
        made = 14.7 * np.array([curve(t) for curve in DOSE_RATES])
        return made - 0.25 * n + exchange @ n - exchange.sum(1) * n

    ode = solve_ivp(slope, (0, 168), np.zeros(3), t_eval=TIMES, rtol=1e-11, atol=1e-15,
                    method="LSODA")  # fmt: skip
    foci = foci_in_pools(
        DOSE_RATES, TIMES, exchange_per_h=exchange, induction_per_gy=14.7, repair_rate_per_h=0.25
    )
    np.testing.assert_allclose(foci, ode.y, rtol=1e-6, atol=1e-10)


def test_without_exchange_each_pool_is_alone():
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": [0.25, 0.02], "fraction": [0.8, 0.2],
            "background_per_cell": 0.1}  # fmt: skip
    foci = foci_in_pools(DOSE_RATES, TIMES, exchange_per_h=np.zeros((3, 3)), **args)
    for pool, curve in enumerate(DOSE_RATES):
        np.testing.assert_allclose(foci[pool], foci_per_cell(curve, TIMES, **args), rtol=1e-10)


def test_exchange_moves_foci_but_makes_none():
    exchange = blood_exchange_per_h(blood_share=0.02, residence_time_h=0.7)
    share = np.array([0.02, 0.98])
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": [0.5, 0.03], "fraction": [0.9, 0.1]}
    foci = foci_in_pools(DOSE_RATES[:2], TIMES, exchange_per_h=exchange, **args)
    alone = [foci_per_cell(curve, TIMES, **args) for curve in DOSE_RATES[:2]]
    np.testing.assert_allclose(share @ foci, share @ alone, rtol=1e-10, atol=1e-15)


def test_without_repair_blood_tends_to_the_pool_weighted_dose():
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": 0.0}
    dose = np.array([curve.integral() for curve in DOSE_RATES[:2]])
    for residence, tolerance in ((1.0, 0.02), (0.01, 2e-4)):
        exchange = blood_exchange_per_h(blood_share=0.3, residence_time_h=residence)
        blood, organs = foci_in_pools(DOSE_RATES[:2], 2000.0, exchange_per_h=exchange, **args)
        np.testing.assert_allclose(blood, 14.7 * (0.3 * dose[0] + 0.7 * dose[1]), rtol=tolerance)
        np.testing.assert_allclose(blood, organs, rtol=tolerance)


def test_equal_dose_rates_hide_the_exchange():
    exchange = blood_exchange_per_h(blood_share=[0.02, 0.2], residence_time_h=[0.5, 5.0])
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": 0.25}
    foci = foci_in_pools([DOSE_RATES[0]] * 2, TIMES, exchange_per_h=exchange, **args)
    expected = foci_per_cell(DOSE_RATES[0], TIMES, **args)
    np.testing.assert_allclose(foci, np.broadcast_to(expected, (2, 2, 7)), rtol=1e-10, atol=1e-15)


def test_draws():
    rng = np.random.default_rng(6)
    curves = [curve[None].scaled(rng.lognormal(0, 0.2, 5)) for curve in DOSE_RATES[:2]]
    residence = rng.lognormal(0, 0.2, 5)
    exchange = blood_exchange_per_h(blood_share=0.02, residence_time_h=residence)
    repair, induction = rng.lognormal(-1, 0.3, (5, 1)), rng.lognormal(2, 0.1, 5)
    foci = foci_in_pools(
        curves, TIMES, exchange_per_h=exchange, induction_per_gy=induction,
        repair_rate_per_h=repair,
    )  # fmt: skip
    assert foci.shape == (5, 2, 7)
    one = foci_in_pools(
        [curve[3] for curve in curves], 24.0, exchange_per_h=exchange[3],
        induction_per_gy=induction[3], repair_rate_per_h=repair[3],
    )  # fmt: skip
    assert one.shape == (2,)
    np.testing.assert_allclose(foci[3, :, 4], one, rtol=1e-12)


def test_irradiated_cells_leave_the_blood():
    share, residence = np.array([0.02, 0.3]), 0.8
    exchange = blood_exchange_per_h(blood_share=share, residence_time_h=residence)
    found = irradiated_share(TIMES, exchange_per_h=exchange, irradiated=[True, False])
    blood = share[:, None] + (1 - share[:, None]) * np.exp(
        -TIMES / (residence * (1 - share[:, None]))
    )
    np.testing.assert_allclose(found[:, 0], blood, rtol=1e-10)
    all_cells = share[:, None] * found[:, 0] + (1 - share[:, None]) * found[:, 1]
    np.testing.assert_allclose(all_cells, np.broadcast_to(share[:, None], (2, 7)), rtol=1e-10)


def test_irradiated_share_of_wandering_cells():
    # cells that jump between three pools at random, backwards in time from the sample
    exchange = np.array(EXCHANGES["circle"])
    rng, n, time_h = np.random.default_rng(8), 20_000, 3.0
    pool, left = np.zeros(n, int), np.full(n, time_h)
    source = exchange.argmax(1)
    for _ in range(60):
        left -= rng.exponential(1 / exchange.sum(1)[pool])
        pool = np.where(left > 0, source[pool], pool)
    expected = irradiated_share(time_h, exchange_per_h=exchange, irradiated=[False, True, False])
    assert abs((pool == 1).mean() - expected[0]) < 4 * np.sqrt(expected[0] / n) + 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exchange_per_h": np.zeros((2, 2))}, "3 dose rates for 2 pools"),
        ({"exchange_per_h": np.zeros((2, 3))}, "n_pools, n_pools"),
        ({"exchange_per_h": -np.ones((3, 3))}, "exchange_per_h must be"),
        ({"induction_per_gy": [1.0, 2.0], "background_per_cell": [1.0, 2.0, 3.0]}, "broadcast"),
    ],
)
def test_what_is_not_legal(change, message):
    args = {"exchange_per_h": np.zeros((3, 3)), "induction_per_gy": 14.7, "repair_rate_per_h": 0.2}
    with pytest.raises(RadiobioError, match=message):
        foci_in_pools(DOSE_RATES, TIMES, **(args | change))


def test_what_is_not_a_share():
    with pytest.raises(RadiobioError, match="blood_share must be below 1, got 1"):
        blood_exchange_per_h(blood_share=1.0, residence_time_h=1.0)
    with pytest.raises(RadiobioError, match="residence_time_h"):
        blood_exchange_per_h(blood_share=0.02, residence_time_h=0.0)
    with pytest.raises(RadiobioError, match="each of 3 pools"):
        irradiated_share(1.0, exchange_per_h=np.zeros((3, 3)), irradiated=[True, False])
