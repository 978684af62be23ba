"""What the search for an activity leaves out does not matter: courses never run, other draws."""

import numpy as np
import pytest

from kinetics import SumOfExponentials
from radiobio import GRADE3_LIMIT, RadiobioError
from radiobio.counts import activity_reaching, advance_counts, lineage_prior, steady_state

HORIZON_H = 84 * 24.0
LINEAGES = ("haemoglobin", "leukocytes", "neutrophils", "platelets")


def marrow(dose_gy, mean_time_h):
    return SumOfExponentials((dose_gy / mean_time_h)[..., None], 1.0 / mean_time_h[..., None])


def treated(lineage, shape, seed=4):
    """Chains in all phases of a course, what is left of their dose, and the dose of the next."""
    rng = np.random.default_rng(seed)
    n = int(np.prod(shape))
    own = lineage_prior(lineage, "image", reserve_loss=True).sample(n, rng)
    time_h = np.exp(rng.normal(np.log(50.0), 0.5, n))
    first = marrow(np.exp(rng.normal(np.log(0.3), 0.8, n)), time_h)
    passed_h = rng.uniform(0.0, 2500.0, n)
    state = advance_counts(own, steady_state(), dose_rate=first, span_h=passed_h).state
    left = first.scaled(np.exp(-first.rate_per_h[:, 0] * passed_h))
    per_gbq = marrow(np.exp(rng.normal(np.log(0.05), 0.8, n)), time_h)
    index = np.arange(n).reshape(shape)
    return own[index], state[index], left[index], per_gbq[index]


@pytest.mark.parametrize("lineage", LINEAGES)
def test_a_course_that_is_never_run_would_not_have_fallen(lineage):
    """The infinite ones are those whose course at the highest activity stays above the limit."""
    own, state, left, per_gbq = treated(lineage, (4000,))
    limit, most = GRADE3_LIMIT[lineage], 11.1
    found = activity_reaching(
        own, state, limit=limit, remaining_rate=left, rate_per_gbq=per_gbq, wait_h=0.0,
        max_activity_gbq=most, horizon_h=HORIZON_H,
    )  # fmt: skip
    both = SumOfExponentials(
        np.concatenate([left.amplitude, most * per_gbq.amplitude], axis=-1),
        np.concatenate([left.rate_per_h, per_gbq.rate_per_h], axis=-1),
    )
    lowest = advance_counts(own, state, dose_rate=both, span_h=HORIZON_H).lowest
    clear = np.abs(np.log(lowest / limit)) > 2e-3  # the steps of both differ
    np.testing.assert_array_equal(np.isinf(found)[clear], (lowest >= limit)[clear])
    assert 0.02 < np.isfinite(found).mean() < 0.9


@pytest.mark.parametrize("n_lowest", [1, 5, 32])
def test_the_lowest_activities_are_found_without_the_others(n_lowest):
    own, state, left, per_gbq = treated("platelets", (200, 32))
    options = {
        "limit": 50.0, "remaining_rate": left, "rate_per_gbq": per_gbq, "wait_h": 24.0,
        "max_activity_gbq": 15.0, "horizon_h": HORIZON_H,
    }  # fmt: skip
    full = activity_reaching(own, state, **options)
    some = activity_reaching(own, state, **options, n_lowest=n_lowest)
    lowest, wanted = np.sort(full, axis=-1), np.sort(some, axis=-1)[:, :n_lowest]
    np.testing.assert_allclose(wanted, lowest[:, :n_lowest], rtol=1e-3)
    assert (np.isinf(some) | np.isclose(some, full, rtol=1e-3)).all()
    assert (np.isinf(some).sum() > np.isinf(full).sum()) == (n_lowest < 32)


@pytest.mark.parametrize("n_lowest", [0, 33])
def test_more_draws_than_there_are_cannot_be_wanted(n_lowest):
    own, state, left, per_gbq = treated("platelets", (2, 32))
    with pytest.raises(RadiobioError, match="n_lowest must be from 1"):
        activity_reaching(
            own, state, limit=50.0, remaining_rate=left, rate_per_gbq=per_gbq, wait_h=0.0,
            max_activity_gbq=15.0, n_lowest=n_lowest,
        )  # fmt: skip
