import numpy as np
import pytest
from scipy.integrate import solve_ivp

from kinetics import SumOfExponentials
from radiobio.counts import simulate_chemotherapy_counts
from radiobio.errors import RadiobioError

# Friberg et al. 2002, paclitaxel and leukocytes, as in DDMODEL00000186 (nlmixr2lib)
PACLITAXEL = {
    "baseline": 7.21,
    "mean_transit_time_h": 124.0,
    "feedback_exponent": 0.239,
    "effect_per_concentration": 28.9,  # L/umol
}
# Kloft et al. 2006, docetaxel and neutrophils, doi:10.1158/1078-0432.CCR-06-0815, as in
# DDMODEL00000224 (nlmixr2lib)
DOCETAXEL = {
    "baseline": 5.22,
    "mean_transit_time_h": 84.2,
    "feedback_exponent": 0.145,
    "effect_per_concentration": 15.57,  # L/umol
}


def printed_equations(concentration, time_h, *, logarithmic, baseline, mean_transit_time_h,
                      feedback_exponent, effect_per_concentration):  # fmt: skip
    """Solve the equations as printed, or with ln P in place of P; counts at the times."""
    k = 4 / mean_transit_time_h

    def slopes(t, y):
        p, t1, t2, t3, c = y
        effect = effect_per_concentration * float(concentration(t))
        feedback = (baseline / c) ** feedback_exponent
        growth = k * ((1 - effect) * feedback - 1)
        own = baseline * np.exp(p) if logarithmic else p
        return [
            growth if logarithmic else growth * p,
            k * (own - t1), k * (t1 - t2), k * (t2 - t3), k * (t3 - c),
        ]  # fmt: skip

    start = np.full(5, baseline)
    start[0] = 0.0 if logarithmic else baseline
    run = solve_ivp(
        slopes, (0, time_h[-1]), start, method="DOP853", t_eval=time_h, rtol=1e-10, atol=1e-13,
        first_step=1e-3, max_step=2.0,
    )  # fmt: skip
    assert run.success
    return run.y[4]


def infusion(*, amount, duration_h, volume, rates, shares):
    """Concentration of an infusion: one curve from its start, and one from its end on."""
    rate_in = amount / duration_h / volume
    terms = -rate_in * shares / rates
    during = SumOfExponentials([*terms, -terms.sum()], [*rates, 0.0])
    return [(0.0, during), (duration_h / 24, during.scaled(-1.0))]


def test_paclitaxel_equals_published_simulation():
    # nlmixr2lib's article on this model prints, for 410 umol over 3 h, CL 285 L/h, V 290 and
    # 1000 L, Q 204 L/h and a grid of 12 h: nadir 2.654218 at 228 h, highest count afterwards
    # 9.990805 at 540 h, concentration at the end of the infusion 0.3151199 umol/L
    clearance, volume, outer, exchange = 285.0, 290.0, 1000.0, 204.0
    matrix = np.array(
        [
            [(exchange + clearance) / volume, -exchange / outer],
            [-exchange / volume, exchange / outer],
        ]
    )
    rates, vectors = (np.real(found) for found in np.linalg.eig(matrix))  # complex by type only
    shares = vectors[0] * np.linalg.solve(vectors, [1.0, 0.0])
    drug = infusion(amount=410.0, duration_h=3.0, volume=volume, rates=rates, shares=shares)
    np.testing.assert_allclose(drug[0][1](3.0), 0.3151199, rtol=1e-6)
    time_h = np.arange(0.0, 721.0, 12.0)
    count = simulate_chemotherapy_counts(drug, time_h / 24, **PACLITAXEL).count
    lowest = count.argmin()
    highest = lowest + count[lowest:].argmax()
    assert time_h[lowest] == 228.0
    assert time_h[highest] == 540.0
    np.testing.assert_allclose(count[[lowest, highest]], [2.654218, 9.990805], rtol=5e-6)


@pytest.mark.parametrize("parameters", [DOCETAXEL, PACLITAXEL], ids=["docetaxel", "paclitaxel"])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_equals_printed_equations(parameters, logarithmic):
    peak = 0.9 / parameters["effect_per_concentration"]  # effect below 1
    drug = SumOfExponentials([0.5 * peak, 0.5 * peak], [0.2, 0.02])
    time_h = np.arange(0.0, 1009.0, 24.0)
    found = simulate_chemotherapy_counts([(0.0, drug)], time_h / 24, **parameters)
    expected = printed_equations(drug, time_h, logarithmic=logarithmic, **parameters)
    assert expected.min() < 0.8 * parameters["baseline"]
    np.testing.assert_allclose(found.count, expected, rtol=1e-5)


@pytest.mark.parametrize("effect", [3.0, 10.0])
def test_an_effect_above_one(effect):
    drug = SumOfExponentials([effect / 28.9, -0.3 * effect / 28.9], [0.15, 1.1])
    time_h = np.arange(0.0, 1009.0, 24.0)
    found = simulate_chemotherapy_counts([(0.0, drug)], time_h / 24, **PACLITAXEL)
    expected = printed_equations(drug, time_h, logarithmic=True, **PACLITAXEL)
    assert expected.min() > 0.01 * PACLITAXEL["baseline"]  # the floor of the feedback
    np.testing.assert_allclose(found.count, expected, rtol=1e-4)


def test_a_huge_effect_stays_finite_and_positive():
    effect = np.array([1.0, 10.0, 100.0, 1000.0])
    half_life_h = np.array([0.5, 5.0, 50.0])[:, None]
    rate = np.log(2) / half_life_h
    drug = SumOfExponentials(
        np.broadcast_to(effect / 28.9, (3, 4))[..., None], np.broadcast_to(rate, (3, 4))[..., None]
    )
    days = np.arange(0.0, 200.0)
    course = simulate_chemotherapy_counts([(0.0, drug), (21.0, drug)], days, **PACLITAXEL)
    assert course.count.shape == (3, 4, 200)
    assert np.isfinite(course.count).all()
    assert np.isfinite(course.state).all()
    assert (course.count > 0).all()
    # more of the drug, or a longer stay, never leaves more cells at the first nadir
    nadir = course.count[..., :21].min(-1)
    assert (np.diff(nadir, axis=0) <= 1e-9 * nadir[:-1]).all()
    assert (np.diff(nadir, axis=1) <= 1e-9 * nadir[:, :-1]).all()


def test_no_drug_and_what_is_not_legal():
    days = [0.0, 50.0]
    drug = SumOfExponentials([0.1], [0.1])
    still = simulate_chemotherapy_counts([], days, **PACLITAXEL)
    np.testing.assert_allclose(still.count, 7.21, rtol=1e-12)
    no_effect = PACLITAXEL | {"effect_per_concentration": 0.0}
    inert = simulate_chemotherapy_counts([(0.0, drug)], days, **no_effect)
    np.testing.assert_allclose(inert.count, 7.21, rtol=1e-12)
    with pytest.raises(RadiobioError, match="effect_per_concentration"):
        simulate_chemotherapy_counts([(0.0, drug)], days, **PACLITAXEL | {
            "effect_per_concentration": -1.0})  # fmt: skip
    with pytest.raises(RadiobioError, match="do not broadcast"):
        simulate_chemotherapy_counts([(0.0, drug)], days, **PACLITAXEL | {
            "effect_per_concentration": np.ones(2), "baseline": np.ones(3)})  # fmt: skip
