import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.uncertainty import RELATIVE_UNCERTAINTY, lognormal_factor, s_value_factor


def test_mean_and_spread():
    draws = lognormal_factor(3.0, 0.4, n_draws=400_000, rng=np.random.default_rng(1))
    assert draws.mean() == pytest.approx(3.0, rel=0.005)
    assert draws.std() == pytest.approx(1.2, rel=0.01)


def test_factors_multiply():
    draws = s_value_factor("voi", 0.3, n_draws=400_000, rng=np.random.default_rng(2))
    expected = np.sqrt((1 + RELATIVE_UNCERTAINTY["voi"] ** 2) * (1 + 0.3**2) - 1)
    assert draws.mean() == pytest.approx(1.0, abs=0.003)
    assert draws.std() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("mean", "cv"),
    [
        (0.0, 0.1), (np.inf, 0.1), (np.nan, 0.1),
        (1.0, -0.1), (1.0, 10.1), (1.0, 1e200), (1.0, np.inf), (1.0, np.nan),
    ],
)  # fmt: skip
def test_wrong_moments_are_refused(mean, cv):
    with pytest.raises(DosimetryError, match="positive mean"):
        lognormal_factor(mean, cv, n_draws=2, rng=np.random.default_rng())


@pytest.mark.parametrize("n_draws", [0, -1])
@pytest.mark.parametrize("sources", [(), ("voi",)])
def test_no_draws_are_refused(n_draws, sources):
    with pytest.raises(DosimetryError, match="n_draws must be at least one"):
        s_value_factor(*sources, n_draws=n_draws, rng=np.random.default_rng())
    with pytest.raises(DosimetryError, match="n_draws must be at least one"):
        lognormal_factor(1.0, 0.1, n_draws=n_draws, rng=np.random.default_rng())


def test_unknown_sources_are_refused():
    with pytest.raises(DosimetryError, match="known: kidney_s_value"):
        s_value_factor("liver", n_draws=2, rng=np.random.default_rng())
