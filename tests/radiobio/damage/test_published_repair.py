from pathlib import Path

import numpy as np
import pytest

from radiobio.damage.published_repair import alpha_track_repair_rate, persisting_share
from radiobio.errors import RadiobioError

REFERENCE = Path(__file__).parents[2] / "reference"


@pytest.mark.parametrize("counted", ["automatic", "manual"])
def test_persisting_foci_of_the_published_table(counted):
    table = np.genfromtxt(
        REFERENCE / "radiobio_autofoci_persistence.csv", delimiter=",", names=True, dtype=None,
        encoding="utf-8",
    )  # fmt: skip
    table = table[table["counted"] == counted]
    rng = np.random.default_rng(1)
    found = persisting_share(table["dose_gy"], rng=rng, n_draws=40_000, counted=counted)
    np.testing.assert_allclose(found.published, table["share"], rtol=1e-12)
    error = table["standard_error"]
    assert (np.abs(found.draws.mean(0) - table["share"]) < 4 * error / 200).all()
    np.testing.assert_allclose(found.draws.std(0), error, rtol=0.02)
    assert found.status == "ok"


def test_rates_of_alpha_tracks():
    # 223Ra ex vivo, Eur J Nucl Med Mol Imaging 2022;49:3981
    dose = [0.025, 0.05, 0.1]
    rate = alpha_track_repair_rate(dose, rng=np.random.default_rng(2), n_draws=40_000)
    np.testing.assert_allclose(rate.published, [0.24, 0.16, 0.13])
    np.testing.assert_allclose(rate.draws.std(0), [0.05, 0.04, 0.02], rtol=0.02)
    assert rate.draws.shape == (40_000, 3)


def test_between_and_outside_the_published_doses():
    dose = np.array([[0.0, 0.001, 0.025 * np.sqrt(2)], [0.1, 0.3, 2.0]])
    rate = alpha_track_repair_rate(dose, rng=np.random.default_rng(3), n_draws=40_000)
    np.testing.assert_allclose(rate.published, [[0.24, 0.24, 0.20], [0.13, 0.13, 0.13]])
    # half of one and half of another independent value
    np.testing.assert_allclose(rate.draws[:, 0, 2].std(), 0.5 * np.hypot(0.05, 0.04), rtol=0.02)
    assert rate.status.startswith("4 doses outside 0.025 to 0.1 Gy")
    assert sum("ASSUMED" in line for line in rate.assumptions) == 2


def test_draws_are_no_negative_rates_and_follow_the_seed():
    first = persisting_share(0.012, rng=np.random.default_rng(4), n_draws=50_000, counted="manual")
    again = persisting_share(0.012, rng=np.random.default_rng(4), n_draws=50_000, counted="manual")
    np.testing.assert_array_equal(first.draws, again.draws)
    assert first.draws.shape == (50_000,)
    assert (first.draws >= 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dose_gy": -0.1}, "dose_gy"),
        ({"n_draws": 0}, "n_draws must be a whole number"),
        ({"counted": "by eye"}, "counted must be one of"),
    ],
)
def test_what_is_not_legal(change, message):
    args = {"dose_gy": 0.1, "rng": np.random.default_rng(1), "n_draws": 5, "counted": "manual"}
    with pytest.raises(RadiobioError, match=message):
        persisting_share(**(args | change))
