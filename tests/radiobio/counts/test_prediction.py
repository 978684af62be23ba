import numpy as np
import pytest

from kinetics import SumOfExponentials
from radiobio import RadiobioError
from radiobio.counts import (
    CountParameters,
    advance_counts,
    lineage_prior,
    predict_counts,
    simulate_counts,
    steady_state,
)

CURVE = SumOfExponentials([0.006], [0.01155])


def draws(n=400, seed=1):
    return lineage_prior("platelets", "image").sample(n, np.random.default_rng(seed))


def options(**more):
    return {"lineage": "platelets", "first_day": 0.0} | more


def test_one_draw_equals_a_fine_simulation():
    chain = CountParameters(250.0, 444.0, 0.17, 3.0)
    found = predict_counts(chain, [(0.0, CURVE)], **options(recovery_share=0.8))
    day = np.arange(0, 84, 0.05)
    count = simulate_counts(chain, [(0.0, CURVE)], day).count
    assert found.nadir[0] == pytest.approx(count.min(), rel=1e-4)
    assert found.nadir_day[0] == pytest.approx(day[count.argmin()], abs=0.3)
    back = day[np.flatnonzero(count < 200)[-1]]
    assert found.nadir_day[0] + found.recovery_days[0] == pytest.approx(back, abs=0.1)
    np.testing.assert_array_equal(found.nadir, found.nadir[0])  # no spread: three times the same
    ahead = advance_counts(chain, steady_state(), dose_rate=CURVE, span_h=84 * 24.0)
    assert found.nadir[0] == pytest.approx(float(ahead.lowest), rel=1e-3)
    assert found.status == ("ok",)
    assert found.recovery_target == "80% of baseline"


def test_grades_and_intervals_are_those_of_the_draws():
    chain = draws()
    given = [(0.0, CURVE.scaled(2.0)), (28.0, CURVE)]
    found = predict_counts(chain, given, **options(lower_limit_of_normal=150.0))
    nadir = simulate_counts(chain, given, np.arange(0, 85.0)).nadir()
    for grade, limit in enumerate([150.0, 75.0, 50.0, 25.0]):
        assert found.grade_probability[grade] == pytest.approx((nadir < limit).mean(), abs=0.0051)
    expected = np.quantile(nadir, [0.5, 0.05, 0.95], method="weibull")
    np.testing.assert_allclose(found.nadir, expected, rtol=2e-3)
    assert found.falls_below == pytest.approx((nadir < 75).mean(), abs=1e-9)
    assert (np.diff(found.grade_probability) <= 0).all()
    narrow = predict_counts(chain, given, **options(probability=0.5))
    assert found.nadir[1] < narrow.nadir[1] < narrow.nadir[0] < narrow.nadir[2] < found.nadir[2]
    assert np.isnan(narrow.grade_probability[0])  # no lower limit of normal


def test_haemoglobin_has_no_grade_4():
    chain = lineage_prior("haemoglobin", "image").sample(20, np.random.default_rng(1))
    found = predict_counts(chain, [(0.0, CURVE)], **options(lineage="haemoglobin"))
    assert np.isnan(found.grade_probability[3])
    assert np.isfinite(found.grade_probability[1:3]).all()


def test_weights_count_as_repetitions():
    chain = draws(500)
    times = np.random.default_rng(2).integers(0, 4, 500)
    given = [(0.0, CURVE.scaled(4.0))]
    known = options(effective_sample_size=400.0)
    weighted = predict_counts(chain, given, weight=times, **known)
    repeated = predict_counts(chain[np.repeat(np.arange(500), times)], given, **known)
    for name in ("grade_probability", "recovers", "falls_below"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name))
    for name in ("nadir", "nadir_day"):  # ranks lie at the middle of a weight
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=0.03)
    without = predict_counts(chain[times > 0], given, weight=times[times > 0], **known)
    for name in ("nadir", "nadir_day", "recovery_days"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(without, name))


@pytest.mark.parametrize("n", [12, 40, 100])
def test_limits_from_few_draws_cover_a_further_draw(n):
    """Limits at the quantiles of n draws themselves would cover 0.9 (n - 1) / (n + 1)."""
    rng, m = np.random.default_rng(5), 4000
    chain = CountParameters(np.exp(rng.standard_normal((m, n + 1))), 444.0, 0.17, 1.0)
    found = predict_counts(chain[:, :n], [], **options(horizon_days=2.0))
    new = chain.baseline[:, n]
    for inside, expected in [
        ((found.nadir[:, 1] < new) & (new < found.nadir[:, 2]), 0.9 if n > 19 else 11 / 13),
        (new < found.nadir[:, 0], 0.5),
    ]:
        se = np.sqrt(expected * (1 - expected) / m)
        assert abs(inside.mean() - expected) < 3.5 * se
    # each draw twice says no more than each once
    twice = predict_counts(
        chain[:, np.repeat(np.arange(n), 2)],
        [],
        effective_sample_size=np.full(m, n),
        **options(horizon_days=2.0),
    )
    plain = predict_counts(chain[:, np.repeat(np.arange(n), 2)], [], **options(horizon_days=2.0))
    assert (twice.nadir[:, 1] <= plain.nadir[:, 1]).all()
    assert (twice.nadir[:, 2] >= plain.nadir[:, 2]).all()
    assert np.median(twice.nadir[:, 1] / found.nadir[:, 1]) == pytest.approx(1.0, abs=0.05)


def test_patients_side_by_side_equal_each_alone():
    chain = lineage_prior("platelets", "image", baseline=[150.0, 300.0]).sample(
        60, np.random.default_rng(3)
    )
    state = simulate_counts(chain, [(0.0, CURVE)], [20.0]).state
    given, more = [(0.0, CURVE), (30.0, CURVE.scaled(3.0))], options(first_day=20.0)
    both = predict_counts(chain, given, initial_state=state, **more)
    assert both.nadir.shape == (2, 3)
    assert both.grade_probability.shape == (2, 4)
    for i in range(2):
        alone = predict_counts(chain[i], given, initial_state=state[i], **more)
        for name in ("nadir", "nadir_day", "recovery_days", "grade_probability", "falls_below"):
            np.testing.assert_array_equal(getattr(both, name)[i], getattr(alone, name))
        assert both.status[i] == alone.status[0]
    frame = both.to_frame()
    assert len(frame) == 6
    assert list(frame["patient"]) == [0, 1] * 3
    assert both.to_dict()["nadir"] == both.nadir.tolist()


def test_recovery_that_is_not_reached_is_said():
    chain = CountParameters([250.0, 250.0], 444.0, 0.17, 1.0, reserve_loss_per_gy=[0.0, 3.0])
    found = predict_counts(
        chain, [(0.0, CURVE.scaled(3.0))], **options(recovery_share=0.7, horizon_days=150.0)
    )
    assert found.recovers == pytest.approx(0.5)
    assert np.isinf(found.recovery_days[2])
    assert "50% of the draws" in found.status[0]
    assert "within 150 days" in found.status[0]
    never = predict_counts(chain[:1], [(0.0, CURVE)], **options())
    assert np.isnan(never.recovery_days).all()
    assert never.falls_below == 0.0
    assert np.isnan(never.recovers)
    assert never.status == ("ok",)
    falling = predict_counts(chain[:1], [(0.0, CURVE.scaled(9.0))], **options(horizon_days=20.0))
    assert falling.nadir_day[0] == 20.0  # still going down at the end


def test_more_dose_is_never_safer():
    chain, last = draws(100), 0.0
    for factor in (0.0, 0.5, 1.0, 2.0, 5.0):
        found = predict_counts(chain, [(0.0, CURVE.scaled(factor))], **options())
        assert found.grade_probability[2] >= last
        last = found.grade_probability[2]
    assert last > 0.3


def test_what_is_not_legal():
    chain = draws(4)
    for more, message in [
        ({"lineage": "PLT"}, "lineage"),
        ({"horizon_days": 0.0}, "horizon_days"),
        ({"recovery_share": 1.0}, "recovery_share"),
        ({"probability": 1.0}, "probability"),
        ({"weight": [1.0, 2.0]}, "does not fit"),
        ({"effective_sample_size": [3.0, 2.0, 1.0]}, "does not fit"),
        ({"effective_sample_size": 0.0}, "above zero"),
        ({"weight": np.zeros(4)}, "not all zero"),
        ({"weight": [1.0, -1.0, 1.0, 1.0]}, "zero or positive"),
    ]:
        with pytest.raises(RadiobioError, match=message):
            predict_counts(chain, [(0.0, CURVE)], **options(**more))


def test_status_tells_a_nadir_beyond_the_horizon_and_a_target_above_the_baseline():
    marrow = SumOfExponentials([0.006], [0.01155])
    chain = CountParameters([250.0, 240.0], 444.0, 0.17, 1.0)
    short = predict_counts(chain, [(0.0, marrow)], lineage="platelets", first_day=0.0,
                           horizon_days=20.0)  # fmt: skip
    np.testing.assert_array_equal(short.nadir_day, 20.0)
    assert short.status[0].startswith("100% of the draws still fall")
    low = CountParameters([60.0, 250.0], 444.0, 0.17, 1.0)
    ill = predict_counts(low, [(0.0, marrow)], lineage="platelets", first_day=0.0,
                         horizon_days=120.0)  # fmt: skip
    assert "in 50% of the draws the baseline itself" in ill.status[0]
    assert "100% of the draws that fall below" in ill.status[0]
    own = predict_counts(low, [(0.0, marrow)], lineage="platelets", first_day=0.0,
                         horizon_days=160.0, recovery_share=0.9)  # fmt: skip
    assert own.status == ("ok",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first_day": np.nan}, "first_day"),
        ({"first_day": "x"}, "first_day"),
        ({"horizon_days": 1e-9}, "1 to 3650"),
        ({"horizon_days": np.inf}, "1 to 3650"),
        ({"lower_limit_of_normal": -1.0}, "above zero"),
        ({"weight": "x"}, "weight"),
        ({"lineage": []}, "not known"),
        ({"initial_state": [0.0, -1.0, 1.0, 1.0, 1.0, 0.0]}, "pools"),
    ],
)
def test_what_cannot_be_predicted(change, message):
    given = {"lineage": "platelets", "first_day": 0.0} | change
    with pytest.raises(RadiobioError, match=message):
        predict_counts(CountParameters([250.0, 240.0], 444.0, 0.17, 1.0), [], **given)
