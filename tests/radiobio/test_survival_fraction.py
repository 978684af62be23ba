"""Surviving fractions, mixed fields, uniform doses and control."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from kinetics import SumOfExponentials
from radiobio import RadiobioError
from radiobio.survival import (
    bed_gy,
    eud_gy,
    geud_gy,
    isoeffective_dose_gy,
    log_survival,
    mixed_log_survival,
    protraction_matrix,
    rbe_weighted_dose_gy,
    tumour_control_probability,
)

LN2 = np.log(2)
U2OS = {"alpha_per_gy": 0.28, "beta_per_gy2": 0.052}  # Guerra Liberal FDC et al. 2023, photons


def test_survival_is_the_exponential_of_bed():
    curve = SumOfExponentials([[0.5], [0.2]], [[0.05], [0.02]])
    bed = bed_gy(curve, alpha_beta_gy=0.28 / 0.052, repair_half_life_h=LN2 / 0.6)
    g = protraction_matrix([curve], 0.6)[..., 0, 0]
    np.testing.assert_allclose(
        log_survival(curve.integral(), protraction=g, **U2OS), -0.28 * bed, rtol=1e-13
    )


def test_acute_mixed_field_is_zaider_and_rossi():
    dose = np.array([[1.0, 0.4, 0.3], [0.0, 0.4, 0.0]])
    alpha, beta = np.array([0.28, 2.6, 0.5]), np.array([0.052, 0.02, 0.1])
    expected = -(alpha * dose).sum(-1) - (np.sqrt(beta) * dose).sum(-1) ** 2
    got = mixed_log_survival(dose, alpha_per_gy=alpha, beta_per_gy2=beta)
    np.testing.assert_allclose(got, expected, rtol=1e-14)
    alone = log_survival(0.4, alpha_per_gy=2.6, beta_per_gy2=0.02)
    np.testing.assert_allclose(got[1], alone, rtol=1e-14)


def test_the_same_radiation_twice_is_one_field():
    got = mixed_log_survival([0.7, 1.3], alpha_per_gy=[0.28] * 2, beta_per_gy2=[0.052] * 2)
    np.testing.assert_allclose(got, log_survival(2.0, **U2OS), rtol=1e-14)


def test_protracted_mixed_field_equals_the_ode():
    fields = [SumOfExponentials([0.5], [0.2]), SumOfExponentials([0.2, -0.2], [0.05, 1.0])]
    alpha, beta, repair = np.array([0.3, 2.0]), np.array([0.05, 0.01]), 0.7

    def slopes(t, y):  # unrepaired sublethal lesions, lethal ones
        rate = np.array([float(field(t)) for field in fields])
        lesions = np.sqrt(beta) @ rate
        return [lesions - repair * y[0], alpha @ rate + 2 * lesions * y[0]]

    run = solve_ivp(slopes, (0, 800), [0, 0], method="LSODA", rtol=1e-11, atol=1e-13)
    matrix = protraction_matrix(fields, repair)
    dose = [float(field.integral()) for field in fields]
    got = mixed_log_survival(dose, alpha_per_gy=alpha, beta_per_gy2=beta, protraction=matrix)
    np.testing.assert_allclose(got, -run.y[1, -1], rtol=1e-7)


def test_isoeffective_dose_inverts_survival():
    dose = np.array([0.0, 1e-6, 0.3, 5.0, 80.0])
    for beta in (0.0, 0.052):
        effect = log_survival(dose, alpha_per_gy=0.28, beta_per_gy2=beta, protraction=0.4)
        back = isoeffective_dose_gy(effect, alpha_per_gy=0.28, beta_per_gy2=beta, protraction=0.4)
        np.testing.assert_allclose(back, dose, rtol=1e-13)
    # without a linear coefficient
    assert isoeffective_dose_gy(-0.52, alpha_per_gy=0.0, beta_per_gy2=0.13) == pytest.approx(2.0)
    assert isoeffective_dose_gy(0.0, alpha_per_gy=0.0, beta_per_gy2=0.13) == 0.0


def test_alpha_particles_need_less_dose():
    # RBE at low dose is the ratio of the linear coefficients, 2.6 / 0.28
    photons = isoeffective_dose_gy(log_survival(1e-5, alpha_per_gy=2.6), **U2OS)
    np.testing.assert_allclose(photons / 1e-5, 2.6 / 0.28, rtol=1e-4)
    bed = bed_gy(
        SumOfExponentials([0.1], [0.1]), alpha_beta_gy=1e9, repair_half_life_h=1.0,
        rbe_max=2.6 / 0.28,
    )  # fmt: skip
    np.testing.assert_allclose(bed, rbe_weighted_dose_gy([1.0, 0.0], [2.6 / 0.28, 1.0]), rtol=1e-6)


def test_eud_equals_the_plain_sum_and_does_not_underflow():
    rng = np.random.default_rng(1)
    bed, weight = rng.gamma(5.0, 4.0, (3, 50)), rng.uniform(0, 2, 50)
    plain = -np.log((weight * np.exp(-0.2 * bed)).sum(-1) / weight.sum()) / 0.2
    np.testing.assert_allclose(eud_gy(bed, alpha_per_gy=0.2, weight=weight), plain, rtol=1e-13)
    # all survival below the smallest number of floating point
    far = eud_gy(bed + 1e6, alpha_per_gy=0.2, weight=weight)
    np.testing.assert_allclose(far - 1e6, plain, rtol=1e-8)
    assert (eud_gy(bed, alpha_per_gy=[0.1, 0.2, 0.3]) < bed.mean(-1)).all()
    np.testing.assert_allclose(eud_gy(np.full(7, 12.5), alpha_per_gy=0.3), 12.5, rtol=1e-14)
    # splitting a voxel in two changes nothing
    two = eud_gy([3.0, 3.0, 9.0], alpha_per_gy=0.3, weight=[0.4, 0.6, 2.0])
    np.testing.assert_allclose(two, eud_gy([3.0, 9.0], alpha_per_gy=0.3, weight=[1.0, 2.0]))


@pytest.mark.parametrize("exponent", [-300.0, -8.0, 0.5, 1.0, 3.0, 300.0])
def test_geud_equals_exact_arithmetic(exponent):
    mpmath = pytest.importorskip("mpmath")
    dose, weight = [0.3, 12.0, 30.0, 31.0], [2.0, 1.0, 0.5, 0.25]
    total = sum(w * mpmath.mpf(d) ** exponent for d, w in zip(dose, weight, strict=True)) / 3.75
    exact = float(total ** (1 / mpmath.mpf(exponent)))
    np.testing.assert_allclose(geud_gy(dose, exponent=exponent, weight=weight), exact, rtol=1e-13)


def test_geud_limits():
    dose = np.array([[0.3, 12.0, 30.0, 99.0], [1.0, 1.0, 1.0, 99.0]])
    weight = [2.0, 1.0, 0.5, 0.0]
    np.testing.assert_allclose(geud_gy(dose, exponent=np.inf, weight=weight), [30.0, 1.0])
    np.testing.assert_allclose(geud_gy(dose, exponent=-np.inf, weight=weight), [0.3, 1.0])
    np.testing.assert_allclose(
        geud_gy(dose, exponent=1.0, weight=weight), [(0.6 + 12 + 15) / 3.5, 1.0]
    )
    assert geud_gy([0.0, 10.0], exponent=-5.0) == 0.0
    np.testing.assert_allclose(geud_gy([0.0, 10.0], exponent=2.0), 10 / np.sqrt(2))
    assert geud_gy([0.0, 0.0], exponent=2.0) == 0.0
    power = geud_gy([1.0, 5.0], exponent=[-3.0, 1.0, 20.0])
    assert power.shape == (3,)
    assert (np.diff(power) > 0).all()  # power means rise with the exponent


def test_control_is_the_chance_of_no_survivor():
    rng = np.random.default_rng(2)
    cells, effect = np.array([1000, 3000]), np.array([-6.0, -8.0])
    survivors = rng.binomial(cells, np.exp(effect), (200_000, 2)).sum(-1)
    exact = tumour_control_probability(effect, cells)
    error = np.sqrt(exact * (1 - exact) / 200_000)
    # cells die independently: the binomial is Poisson to 0.3 % here
    assert abs((survivors == 0).mean() - exact) < 4 * error + 0.003
    uniform = tumour_control_probability([[-10.0], [-30.0]], [1.79e8])
    assert uniform.shape == (2,)
    assert uniform[0] < 1e-300
    assert uniform[1] > 0.99


def test_what_is_not_legal():
    with pytest.raises(RadiobioError, match="dose_gy"):
        log_survival(-1.0, alpha_per_gy=0.3)
    with pytest.raises(RadiobioError, match="axis of fields"):
        mixed_log_survival(1.0, alpha_per_gy=0.3, beta_per_gy2=0.0)
    with pytest.raises(RadiobioError, match=r"shape \(2, 2\)"):
        mixed_log_survival([1.0, 2.0], alpha_per_gy=0.3, beta_per_gy2=0.0, protraction=np.ones(2))
    with pytest.raises(RadiobioError, match="must not both be zero"):
        isoeffective_dose_gy(-1.0, alpha_per_gy=0.0)
    with pytest.raises(RadiobioError, match="log_survival"):
        isoeffective_dose_gy(0.5, alpha_per_gy=0.3)
    with pytest.raises(RadiobioError, match="axis of fields"):
        rbe_weighted_dose_gy(1.0, 2.0)
    with pytest.raises(RadiobioError, match="axis of voxels"):
        tumour_control_probability(-1.0, 10.0)
    with pytest.raises(RadiobioError, match="weight must be positive"):
        eud_gy([1.0, 2.0], alpha_per_gy=0.3, weight=[0.0, 0.0])
    with pytest.raises(RadiobioError, match="do not broadcast"):
        geud_gy([1.0, 2.0], exponent=1.0, weight=[1.0, 1.0, 1.0])
    with pytest.raises(RadiobioError, match="other than zero"):
        geud_gy([1.0, 2.0], exponent=0.0)
    with pytest.raises(RadiobioError, match="bed_gy"):
        eud_gy([np.nan, 2.0], alpha_per_gy=0.3)
    with pytest.raises(RadiobioError, match="last axis"):
        eud_gy(2.0, alpha_per_gy=0.3)
