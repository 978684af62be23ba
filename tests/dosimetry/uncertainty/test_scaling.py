import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.s_values import SValue
from dosimetry.uncertainty import fit_s_value_exponent, s_value_exponent


def test_exponent_is_the_slope_of_the_scaled_s_value():
    electron, photon, step = 0.9, 0.3, 1e-6

    def scaled(mass):
        return electron / mass + photon / mass ** (2 / 3)

    slope = -(np.log(scaled(1 + step)) - np.log(scaled(1 - step))) / (2 * step)
    assert s_value_exponent(SValue(electron, photon)) == pytest.approx(slope, rel=1e-6)
    assert s_value_exponent(SValue(0.0, 0.0, 5.0)) == pytest.approx(1.0)
    assert s_value_exponent(SValue(0.0, 1.0)) == pytest.approx(2 / 3)


def test_fit_states_the_scatter_about_the_line():
    mass = np.geomspace(1, 1000, 12)
    rng = np.random.default_rng(9)
    fits = [
        fit_s_value_exponent(mass, 0.08 * mass**-0.97 * np.exp(rng.normal(0, 0.02, 12)))
        for _ in range(500)
    ]
    found = np.array([[np.log(c1), c2] for c1, c2, _ in fits])
    assert found.mean(axis=0) == pytest.approx([np.log(0.08), 0.97], abs=2e-3)
    stated = np.mean([covariance for *_, covariance in fits], axis=0)
    assert np.cov(found.T) == pytest.approx(stated, rel=0.25)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: s_value_exponent(SValue(-1.0, 1.0)), "zero or positive"),
        (lambda: s_value_exponent(SValue(0.0, 0.0)), "zero or positive"),
        (lambda: s_value_exponent(SValue(np.inf, 1.0)), "finite"),
        (lambda: s_value_exponent(SValue(1.0, np.nan)), "finite"),
        (lambda: fit_s_value_exponent([1, 2], [1, 2]), "at least three"),
        (lambda: fit_s_value_exponent([5, 5, 5], [1, 2, 3]), "differ by 1% or more"),
        (lambda: fit_s_value_exponent([1, 2, np.inf], [1, 2, 3]), "finite and positive"),
        (lambda: fit_s_value_exponent([1, 2, 3], [1, np.nan, 3]), "finite and positive"),
        (lambda: fit_s_value_exponent([1, 2, 3], [1, 2, -3]), "positive"),
    ],
)
def test_wrong_arguments_are_refused(make, match):
    with pytest.raises(DosimetryError, match=match):
        make()
