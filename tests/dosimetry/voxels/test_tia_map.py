"""Maps of time-integrated activity against exact maps and the curve fits of kinetics."""

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.voxels import (
    VoxelImage,
    shared_tia_map,
    single_time_tia_map,
    tia_map,
)
from kinetics import SumOfExponentials, fit_curve
from kinetics.curve_fits import fit_cohort

GRID = np.diag([4.0, 4.0, 4.0, 1.0])
DECAY = np.log(2) / 159.53  # Lu-177
TIMES = np.array([4.0, 24.0, 48.0, 96.0, 168.0])
SHAPE = (6, 5, 4)


def series(values, unit="MBq/mL", dtype=np.float64):
    return [VoxelImage(np.asarray(v, dtype=dtype), GRID, unit) for v in values]


def exact_maps(seed=0, uptake=None, times=TIMES):
    rng = np.random.default_rng(seed)
    amplitude = rng.uniform(0.1, 8.0, SHAPE)
    rate = np.exp(rng.uniform(np.log(1.3 * DECAY), np.log(0.1), SHAPE))
    curve = np.exp(-rate * times[:, None, None, None])
    tia = amplitude / rate
    if uptake is not None:
        curve *= 1 - np.exp(-uptake * times[:, None, None, None])
        tia = tia - amplitude / (rate + uptake)
    return amplitude * curve, tia, rate


@pytest.mark.parametrize("n_times", [2, 3, 5])
@pytest.mark.parametrize("noise", [{}, {"relative_sd": 0.1, "constant_sd_mbq_per_ml": 0.01}])
def test_exact_mono_exponential_maps_are_recovered(n_times, noise):
    values, tia, rate = exact_maps(times=TIMES[:n_times])
    result = tia_map(series(values), TIMES[:n_times], decay_per_h=DECAY, **noise)
    np.testing.assert_allclose(result.tia.values, tia, rtol=1e-6)
    np.testing.assert_allclose(result.rate_per_h.values, rate, rtol=1e-6)
    assert (np.asarray(result.status.values) == 1).all()
    assert (result.standard_error is None) == (not noise)


@pytest.mark.parametrize("half_life_h", [0.5, 3.0])
def test_exact_uptake_maps_are_recovered(half_life_h):
    values, tia, _ = exact_maps(seed=3, uptake=np.log(2) / half_life_h)
    result = tia_map(
        series(values), TIMES, decay_per_h=DECAY, method="uptake", uptake_half_life_h=half_life_h
    )
    np.testing.assert_allclose(result.tia.values, tia, rtol=1e-6)


def test_agrees_with_fits_of_single_curves():
    """The fit of kinetics.fit_curve to each voxel, with constant standard deviations."""
    values, _, _ = exact_maps(seed=5)
    rng = np.random.default_rng(9)
    values = values + 0.02 * rng.standard_normal(values.shape)
    result = tia_map(series(values), TIMES, decay_per_h=DECAY, constant_sd_mbq_per_ml=0.02)
    compared = 0
    for place in np.argwhere(np.asarray(result.status.values) == 1)[::6]:
        own = values[(slice(None), *place)]
        fit = fit_curve(TIMES, own, 0.02 * np.ones(5), form="mono", decay_per_h=DECAY)
        if np.exp(fit.log_parameter[1]) > 1e4:
            continue  # at the bound of physical decay
        assert result.tia.values[tuple(place)] == pytest.approx(
            float(fit.curve.integral()), rel=1e-5
        )
        compared += 1
    assert compared > 10


def test_weights_and_errors_agree_with_the_cohort_fit():
    """Weights at the prediction and the standard error of TIA, against kinetics.fit_cohort."""
    values, _, _ = exact_maps(seed=6)
    rng = np.random.default_rng(10)
    values = values * (1 + 0.08 * rng.standard_normal(values.shape))
    noise = {"relative_sd": 0.08}
    result = tia_map(series(values), TIMES, decay_per_h=DECAY, **noise)
    fitted = np.asarray(result.status.values) == 1
    twin = fit_cohort(TIMES, values[:, fitted].T, form="mono", decay_per_h=DECAY, **noise)
    same = np.abs(twin.prediction).min(1) > 0.011 * values[:, fitted].max(0)  # not at the floor
    assert same.sum() > 60
    np.testing.assert_allclose(result.tia.values[fitted][same], twin.tia[same], rtol=1e-4)
    np.testing.assert_allclose(
        result.standard_error.values[fitted][same], twin.tia_sd[same], rtol=2e-3
    )


def test_standard_errors_are_those_of_repeated_noise():
    rng = np.random.default_rng(11)
    n, sd = 40_000, 0.03
    clean = 2.0 * np.exp(-0.012 * TIMES)
    values = clean[:, None] + sd * rng.standard_normal((5, n))
    images = series(values.reshape(5, 100, 100, 4))
    result = tia_map(images, TIMES, decay_per_h=DECAY, constant_sd_mbq_per_ml=sd)
    tia = np.asarray(result.tia.values)
    assert tia.std() == pytest.approx(np.asarray(result.standard_error.values).mean(), rel=0.03)
    assert tia.mean() == pytest.approx(2.0 / 0.012, rel=0.002)


def test_no_voxel_clears_more_slowly_than_physical_decay():
    values = np.ones((5, 2, 2, 2))  # flat: the tail is held
    result = tia_map(series(values), TIMES, decay_per_h=DECAY, constant_sd_mbq_per_ml=0.1)
    np.testing.assert_allclose(result.rate_per_h.values, DECAY)
    assert (np.asarray(result.status.values) == 2).all()
    basis = np.exp(-DECAY * TIMES)
    expected = basis.sum() / (basis @ basis) / DECAY
    np.testing.assert_allclose(result.tia.values, expected, rtol=1e-10)


def test_fallback_of_voxels_that_are_not_positive():
    values = np.full((5, 2, 2, 2), -0.01)
    values[:, 0, 0, 0] = 0.0
    result = tia_map(series(values), TIMES, decay_per_h=DECAY, fallback_rate_per_h=0.02)
    assert (np.asarray(result.status.values) == 4).all()
    basis = np.exp(-0.02 * TIMES)
    assert result.tia.values[1, 1, 1] == pytest.approx(-0.01 * basis.sum() / (basis @ basis) / 0.02)
    assert result.tia.values[0, 0, 0] == 0.0
    assert any("negative" in note for note in result.notes)
    frame = result.to_frame()
    assert frame["n_voxels"].tolist() == [8]
    assert frame["tia_mbq_h"].iloc[0] == pytest.approx(
        float(np.sum(result.tia.values)) * result.tia.voxel_ml
    )


def test_the_fastest_rate_is_bounded():
    values = np.zeros((5, 1, 1, 1))
    values[0] = 1.0  # gone after the first image
    result = tia_map(series(values), TIMES, decay_per_h=DECAY, shortest_half_life_h=3.0)
    assert result.status.values[0, 0, 0] == 3
    assert result.rate_per_h.values[0, 0, 0] == pytest.approx(np.log(2) / 3)


def test_trapezoid_is_the_sum_of_trapezia_and_a_tail():
    values, _, rate = exact_maps(seed=8)
    result = tia_map(series(values), TIMES, decay_per_h=DECAY, method="trapezoid")
    t = np.concatenate([[0.0], TIMES])
    y = np.concatenate([np.zeros((1, *SHAPE)), values])
    expected = (0.5 * (y[1:] + y[:-1]) * np.diff(t)[:, None, None, None]).sum(axis=0)
    np.testing.assert_allclose(result.tia.values, expected + values[-1] / rate, rtol=1e-9)


def test_trapezoid_tail_and_its_error():
    rising = np.array([1.0, 2.0, 3.0, 4.0, 5.0])[:, None, None, None] * np.ones((5, 1, 1, 1))
    result = tia_map(series(rising), TIMES, decay_per_h=DECAY, method="trapezoid")
    assert result.status.values[0, 0, 0] == 2
    assert result.rate_per_h.values[0, 0, 0] == pytest.approx(DECAY)
    rng = np.random.default_rng(3)
    clean = 3.0 * np.exp(-0.015 * TIMES)
    noisy = clean[:, None] * (1 + 0.02 * rng.standard_normal((5, 20_000)))
    spread = tia_map(
        series(noisy.reshape(5, 20, 100, 10)), TIMES, decay_per_h=DECAY, method="trapezoid",
        relative_sd=0.02,
    )  # fmt: skip
    assert np.std(spread.tia.values) == pytest.approx(
        float(np.mean(spread.standard_error.values)), rel=0.03
    )


def test_shared_curve_is_consistent_with_the_region():
    """The mean of the map is the TIA of the same fit to the mean curve, noise and all."""
    values, _, _ = exact_maps(seed=12)
    values = values + 0.3 * np.random.default_rng(2).standard_normal(values.shape)
    mean = values.mean(axis=(1, 2, 3))
    curve = SumOfExponentials([3.0, -1.0], [0.012, 0.4])
    noise = {"relative_sd": 0.05, "constant_sd_mbq_per_ml": 0.02}
    result = shared_tia_map(series(values), TIMES, curve, **noise)
    region = shared_tia_map(series(mean[:, None, None, None]), TIMES, curve, **noise)
    assert float(np.mean(result.tia.values)) == pytest.approx(region.tia.values[0, 0, 0], rel=1e-12)


@pytest.mark.parametrize("noise", [{"relative_sd": 0.05}, {"constant_sd_mbq_per_ml": 0.02}])
def test_shared_curve_recovers_exact_maps_and_its_errors(noise):
    curve = SumOfExponentials([3.0, -1.0], [0.012, 0.4])
    scale = np.random.default_rng(1).uniform(0.5, 2.0, (30, 30, 30))
    values = curve(TIMES)[:, None, None, None] * scale
    exact = shared_tia_map(series(values), TIMES, curve, **noise)
    np.testing.assert_allclose(exact.tia.values, scale * float(curve.integral()), rtol=1e-12)
    sd = noise.get("relative_sd", 0.0) * values + noise.get("constant_sd_mbq_per_ml", 0.0)
    noisy = values + sd * np.random.default_rng(4).standard_normal(values.shape)
    result = shared_tia_map(series(noisy), TIMES, curve, **noise)
    pull = (result.tia.values - exact.tia.values) / result.standard_error.values
    assert pull.std() == pytest.approx(1.0, abs=0.03)


def test_single_time_point():
    rate = np.full(SHAPE, 0.02)
    rate[0] = 0.01
    image = series([np.full(SHAPE, 4.0)])[0]
    result = single_time_tia_map(
        image, 50.0, rate, rate_sd_per_h=0.002, decay_per_h=DECAY, relative_sd=0.05
    )
    np.testing.assert_allclose(result.tia.values, 4.0 * np.exp(rate * 50) / rate, rtol=1e-12)
    # at t = 1/rate the error of the rate does not matter: only the noise is left
    np.testing.assert_allclose(
        result.standard_error.values[1:], 0.05 * np.asarray(result.tia.values)[1:], rtol=1e-12
    )
    rng = np.random.default_rng(0)
    draws = rng.normal(0.01, 0.0002, 200_000)
    tia = 4.0 * (1 + 0.05 * rng.standard_normal(200_000)) * np.exp(draws * 50) / draws
    small = single_time_tia_map(
        image, 50.0, 0.01, rate_sd_per_h=0.0002, decay_per_h=DECAY, relative_sd=0.05
    )
    assert small.standard_error.values[0, 0, 0] == pytest.approx(tia.std(), rel=0.02)


@pytest.mark.parametrize("method", ["mono", "trapezoid"])
def test_masks_and_single_precision(method):
    values, _, _ = exact_maps(seed=4)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[2:4] = True
    images = series(values, dtype=np.float32)
    result = tia_map(images, TIMES, decay_per_h=DECAY, method=method, mask=mask)
    whole = tia_map(images, TIMES, decay_per_h=DECAY, method=method)
    assert result.tia.values.dtype == np.float32
    assert not np.asarray(result.tia.values)[~mask].any()
    assert not np.asarray(result.status.values)[~mask].any()
    np.testing.assert_array_equal(result.tia.values[mask], whole.tia.values[mask])
    shared = shared_tia_map(images, TIMES, SumOfExponentials([1.0], [0.02]), mask=mask)
    assert shared.tia.values.dtype == np.float32
    assert not np.asarray(shared.tia.values)[~mask].any()


GOOD = exact_maps()[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time_h": TIMES[:4]}, "one time an image"),
        ({"time_h": TIMES[::-1]}, "increase"),
        ({"method": "bi"}, "'bi'"),
        ({"decay_per_h": 0.0}, "decay_per_h"),
        ({"method": "uptake"}, "uptake_half_life_h"),
        ({"uptake_half_life_h": 2.0}, "uptake_half_life_h"),
        ({"method": "uptake", "uptake_half_life_h": 0.0}, "above 0"),
        ({"relative_sd": -0.1}, "relative_sd"),
        ({"constant_sd_mbq_per_ml": np.inf}, "constant_sd_mbq_per_ml"),
        ({"shortest_half_life_h": 300.0}, "physical half-life"),
        ({"fallback_rate_per_h": 1e-5}, "fallback_rate_per_h"),
        ({"images": series(GOOD, "Bq/mL")}, "image 0 is in 'Bq/mL'"),
        ({"images": series(GOOD)[:1], "time_h": TIMES[:1]}, "2 images"),
        ({"images": series(np.where(GOOD > 1, np.nan, GOOD))}, "not finite"),
        ({"mask": np.zeros(SHAPE, dtype=bool)}, "empty"),
    ],
)
def test_what_is_refused(change, message):
    options = {"images": series(GOOD), "time_h": TIMES, "decay_per_h": DECAY} | change
    with pytest.raises(DosimetryError, match=message):
        tia_map(options.pop("images"), options.pop("time_h"), **options)


def test_images_must_share_a_grid():
    images = series(GOOD)
    moved = GRID.copy()
    moved[0, 3] = 2.0
    images[3] = VoxelImage(GOOD[3], moved, "MBq/mL")
    with pytest.raises(DosimetryError, match="image 3"):
        tia_map(images, TIMES, decay_per_h=DECAY)


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        (SumOfExponentials([[1.0], [2.0]], [0.02]), "draws"),
        (SumOfExponentials([1.0], [0.0]), "integral"),
        (SumOfExponentials([1.0, -3.0], [0.02, 0.03]), "positive"),
    ],
)
def test_curves_that_cannot_be_shared(curve, message):
    with pytest.raises(DosimetryError, match=message):
        shared_tia_map(series(GOOD), TIMES, curve)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate_per_h": 1e-4}, "physical decay"),
        ({"rate_per_h": np.full(3, 0.02)}, "map of"),
        ({"rate_sd_per_h": -1.0}, "not negative"),
        ({"time_h": 0.0}, "time zero"),
    ],
)
def test_single_time_points_that_are_refused(change, message):
    options = {"time_h": 50.0, "rate_per_h": 0.02} | change
    with pytest.raises(DosimetryError, match=message):
        single_time_tia_map(series(GOOD)[0], options.pop("time_h"), options.pop("rate_per_h"),
                            decay_per_h=DECAY, **options)  # fmt: skip
