"""The Gaussian update of doses against brute force."""

import numpy as np
import pytest
from scipy.optimize import minimize

from hemadose.trials.clinic.dose_draws import draw_doses, n_normals
from hemadose.trials.clinic.dose_observations import EffectPrior
from hemadose.trials.clinic.dose_update import KEPT, DoseUpdate
from hemadose.trials.clinic.kinetic_surrogate import CyclePolynomial, KineticSurrogate

P, N_SAMPLES, N_FOCI, N_DOSES = 4, 3, 2, 5


def made_up(rng, *, curvature=0.0, n_foci=0):
    """A surrogate of random polynomials that are exact."""
    n_out = N_SAMPLES + n_foci + N_DOSES
    bent = rng.standard_normal((n_out, P, P)) * curvature
    polynomial = CyclePolynomial(
        constant=rng.standard_normal(n_out),
        slope=rng.standard_normal((n_out, P)),
        curvature=bent + bent.swapaxes(1, 2),
        rms_error=np.zeros(n_out),
        max_error=np.zeros(n_out),
    )
    return KineticSurrogate(
        varying=np.arange(P),
        scale=np.array([0.5, 1.0, 0.3, 0.7]),
        cycles=(polynomial,),
        samples=slice(0, N_SAMPLES),
        foci=slice(N_SAMPLES, N_SAMPLES + n_foci),
        doses=slice(N_SAMPLES + n_foci, None),
    )


def believed(surrogate, n, *, cv=0.2, cells=100, max_cycles=3):
    prior = EffectPrior(
        log_offset=np.linspace(-0.2, 0.2, n)[:, None] * np.ones(P),
        log_sd_patient=np.array([0.4, 0.3, 0.0, 0.2]),
        log_sd_cycle=np.array([0.0, 0.2, 0.1, 0.0]),
        sample_cv=np.full(N_SAMPLES, cv),
        sample_sd=np.zeros(N_SAMPLES),
        foci_cells=cells,
        background_log_mean=np.log(0.3),
        background_log_sd=0.5,
    )
    return DoseUpdate(surrogate, prior, max_cycles=max_cycles)


def test_two_cycles_of_a_linear_model_are_conditioned_exactly():
    rng = np.random.default_rng(3)
    surrogate = made_up(rng)
    belief, gbq = believed(surrogate, 2), np.array([[7.4, 6.0], [5.0, 9.0]])
    y = np.exp(rng.standard_normal((2, 2, N_SAMPLES)))
    y[1, 0, 1] = np.nan
    for cycle in range(2):
        belief.record(np.arange(2), gbq[cycle], y[cycle], np.empty((2, 0)))
    polynomial = surrogate.cycle(1)
    patient, varies = np.array([0, 1, 3]), np.array([1, 2])
    by = polynomial.slope / surrogate.scale
    sd = np.concatenate([[0.4, 0.3, 0.2], [0.2, 0.1], [0.2, 0.1]])
    for i in range(2):
        # all effects at once: patient, cycle 1, cycle 2
        rows, target, shift = [], [], []
        known = polynomial.constant + by @ belief.prior.log_offset[i]
        for cycle in range(2):
            full = np.zeros((len(by), 7))
            full[:, :3] = by[:, patient]
            full[:, 3 + 2 * cycle : 5 + 2 * cycle] = by[:, varies]
            log_y = np.log(y[cycle, i]) - np.log(gbq[cycle, i])
            seen = np.isfinite(log_y)
            rows.append(full[:N_SAMPLES][seen])
            target.append((log_y - known[:N_SAMPLES])[seen])
            shift.append(full[N_SAMPLES:][:KEPT])
        design, gap, doses = (np.concatenate(x) for x in (rows, target, shift))
        before = np.diag(sd**2)
        noise = design @ before @ design.T + np.log1p(0.04) * np.eye(len(gap))
        gain = before @ design.T @ np.linalg.inv(noise)
        mean, covariance = gain @ gap, before - gain @ design @ before
        base = np.concatenate([known[N_SAMPLES:][:KEPT]] * 2)
        base = base + np.log(gbq[:, i]).repeat(KEPT) * np.tile([1.0, 1, 1, 0], 2)
        slots = belief.n_patient + np.arange(2 * KEPT)
        np.testing.assert_allclose(belief.mean[i, slots], base + doses @ mean, atol=1e-9)
        np.testing.assert_allclose(
            belief.covariance[i][np.ix_(slots, slots)], doses @ covariance @ doses.T, atol=1e-9
        )
        np.testing.assert_allclose(belief.mean[i, :3], mean[:3], atol=1e-9)


def test_without_a_measurement_nothing_is_learnt():
    surrogate = made_up(np.random.default_rng(4), n_foci=N_FOCI)
    belief = believed(surrogate, 1)
    before = belief.covariance[0, : belief.n_patient, : belief.n_patient].copy()
    belief.record(
        np.array([0]),
        np.array([7.4]),
        np.full((1, N_SAMPLES), np.nan),
        np.full((1, N_FOCI), np.nan),
    )
    after = belief.covariance[0, : belief.n_patient, : belief.n_patient]
    np.testing.assert_allclose(after, before, atol=1e-12)
    assert (belief.mean[0, :3] == 0).all()
    assert belief.converged.all()


@pytest.mark.parametrize("seed", range(5))
def test_the_mode_with_foci_is_that_of_a_general_optimiser(seed):
    rng = np.random.default_rng(seed)
    surrogate = made_up(rng, curvature=0.05, n_foci=N_FOCI)
    belief = believed(surrogate, 1, cells=50)
    y, foci = np.exp(rng.standard_normal((1, N_SAMPLES)) + 2), np.array([[25.0, 400.0]])
    belief.record(np.array([0]), np.array([7.4]), y, foci)
    patient, varies = np.array([0, 1, 3]), np.array([1, 2])
    sd = np.array([0.4, 0.3, 0.2, 0.5, 0.2, 0.1])

    def minus_log_posterior(u):
        log_parameter = belief.prior.log_offset[0].copy()
        log_parameter[patient] += u[:3]
        log_parameter[varies] += u[4:]
        value = surrogate.cycle(1).value(log_parameter / surrogate.scale) + np.log(7.4)
        mean = 50 * (np.exp(value[N_SAMPLES : N_SAMPLES + N_FOCI]) + np.exp(np.log(0.3) + u[3]))
        misfit = ((np.log(y[0]) - value[:N_SAMPLES]) ** 2).sum() / (2 * np.log1p(0.04))
        return misfit + (mean - foci[0] * np.log(mean)).sum() + ((u / sd) ** 2).sum() / 2

    best = minimize(minus_log_posterior, np.zeros(6), method="BFGS")
    found = belief.mean[0, :4] - np.array([0, 0, 0, np.log(0.3)])
    assert belief.converged.all()
    np.testing.assert_allclose(found, best.x[:4], atol=0.1 * sd[:4].min())


def test_draws_have_the_moments_of_the_belief():
    rng = np.random.default_rng(6)
    surrogate = made_up(rng)
    belief = believed(surrogate, 3)
    for _ in range(2):
        y = np.exp(rng.standard_normal((3, N_SAMPLES)))
        belief.record(np.arange(3), np.full(3, 7.4), y, np.empty((3, 0)))
    normals = rng.standard_normal((40_000, n_normals(belief)))
    draws = draw_doses(belief, np.arange(3), normals, n_ahead=3)
    past = draws.past.reshape(3, 40_000, -1)
    size = belief.n_patient + 2 * KEPT
    for i in range(3):
        slots = np.arange(belief.n_patient, size)
        np.testing.assert_allclose(past[i].mean(0), belief.mean[i, slots], atol=0.02)
        covariance = belief.covariance[i][np.ix_(slots, slots)]
        np.testing.assert_allclose(np.cov(past[i].T), covariance, atol=0.02)
    # the key column moves the marrow dose so far, and the next one as its slope says
    total = np.log(np.exp(draws.past[..., 0]).sum(-1))
    slope = np.array([np.polyfit(draws.key, row, 1)[0] for row in draws.next[..., 0]])
    np.testing.assert_allclose(slope, draws.key_slope, atol=0.02)
    log_sd = belief.marrow(np.arange(3))[1]
    fitted = np.array([np.polyfit(draws.key, row, 1)[0] for row in total])
    np.testing.assert_allclose(fitted, log_sd, atol=0.02)
    np.testing.assert_array_equal(draws.tumour_ahead[..., 0], draws.next[..., 2])


def test_later_samples_revise_earlier_doses():
    surrogate = made_up(np.random.default_rng(9))
    belief = believed(surrogate, 1, cv=0.05)
    nothing = np.full((1, N_SAMPLES), np.nan)
    belief.record(np.array([0]), np.array([7.4]), nothing, np.empty((1, 0)))
    first = belief.marrow(np.array([0]))
    belief.record(np.array([0]), np.array([7.4]), np.full((1, N_SAMPLES), 9.0), np.empty((1, 0)))
    second = belief.marrow(np.array([0]))
    assert abs(np.log(second[0][0, 0] / first[0][0, 0])) > 0.01
    slot = belief.n_patient
    assert belief.covariance[0, slot, slot] < first[1][0] ** 2
