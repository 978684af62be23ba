"""What samples and foci say of doses: a Gaussian per patient, updated after every cycle."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hemadose.trials.clinic.dose_observations import EffectPrior, Observed
from hemadose.trials.clinic.kinetic_surrogate import CyclePolynomial, KineticSurrogate

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

KEPT = 4  # entries of `DOSES` kept of every past cycle: marrow, kidney, tumour, protraction
_MOST_ITERATIONS = 30
_LONGEST_STEP = 2.0  # prior standard deviations
_CONVERGED = 1e-3  # gain of the log posterior density in one step
_FULL_STEPS, _SHORT_STEP = 5, 0.6  # shorter ones later end overshooting
_JITTER = 1e-10


class DoseUpdate:
    r"""Gaussian belief of n patients about their kinetics and the doses of past cycles.

    The state holds the patient effects :math:`\theta` (with the log of the spontaneous foci as
    the last) and, for every cycle given, the logarithms of the doses and of the kidneys' factor G.
    A cycle's samples y and foci N, with its own effects :math:`\eta`, give the mode of

    .. math:: -\tfrac12 (u-u_0)^T P_0^{-1} (u-u_0) - \sum_i \frac{(\log y_i - f_i(u))^2}
              {2V_i} - \tfrac12\log V_i + \sum_j \left(N_j \log\lambda_j(u) - \lambda_j(u)\right),
              \quad u = (\theta, \eta)

    by Gauss-Newton steps (an iterated extended Kalman filter; Fisher weights for the foci, whose
    calibration and repair are among the parameters) and the inverse curvature there as its
    covariance. Past doses, linear functions of the effects at the mode, stay in the state, so that
    later samples revise them; :math:`\eta` is integrated out.

    Parameters
    ----------
    surrogate : KineticSurrogate
        Polynomials of the kinetics.
    prior : EffectPrior
        Beliefs before the first sample.
    max_cycles : int
        Most cycles a patient can be given.

    References
    ----------
    Bell BM, Cathey FW. IEEE Trans Autom Control 1993;38:294-297, doi:10.1109/9.250476 (the
    iterated filter is Gauss-Newton).
    """

    def __init__(self, surrogate: KineticSurrogate, prior: EffectPrior, *, max_cycles: int) -> None:
        self.surrogate, self.prior = surrogate, prior
        varying, scale = surrogate.varying, surrogate.scale
        n = len(prior.log_offset)
        patient = np.flatnonzero(prior.log_sd_patient[varying] > 0)
        cycle = np.flatnonzero(prior.log_sd_cycle[varying] > 0)
        self.n_patient, self.n_cycle = len(patient) + 1, len(cycle)
        unit = np.diag(1.0 / scale)
        # from effects to the coordinates of the surrogate, which do not see the background
        self.direction = np.concatenate([unit[patient], np.zeros_like(unit[:1]), unit[cycle]])
        self.cycle_variance = prior.log_sd_cycle[varying[cycle]] ** 2
        self.known = prior.log_offset[:, varying] / scale
        size = self.n_patient + KEPT * max_cycles
        self.mean = np.zeros((n, size))
        self.covariance = np.zeros((n, size, size))
        self.mean[:, len(patient)] = prior.background_log_mean
        index = np.arange(self.n_patient)
        sd = np.append(prior.log_sd_patient[varying[patient]], prior.background_log_sd)
        self.covariance[:, index, index] = sd**2
        self.n_given = np.zeros(n, dtype=np.int64)
        self.marrow_time_h = np.full((n, max_cycles), np.nan)
        self.converged = np.ones(n, dtype=bool)

    def record(
        self, rows: IntArray, activity_gbq: FloatArray, samples: FloatArray, foci: FloatArray
    ) -> None:
        """Take up one cycle of the patients in `rows`.

        Parameters
        ----------
        rows : ndarray of int, shape (m,)
            Patients.
        activity_gbq : ndarray, shape (m,)
            Activity given (GBq).
        samples : ndarray, shape (m, n_activity)
            Measured activities, ``nan`` where missing or not above zero.
        foci : ndarray, shape (m, n_foci)
            Foci counted, ``nan`` where missing.
        """
        for number in np.unique(self.n_given[rows]):
            here = self.n_given[rows] == number
            polynomial = self.surrogate.cycle(int(number) + 1)
            self._record_group(
                polynomial, rows[here], activity_gbq[here], samples[here], foci[here]
            )
        self.n_given[rows] += 1

    def _record_group(
        self,
        polynomial: CyclePolynomial,
        rows: IntArray,
        activity_gbq: FloatArray,
        samples: FloatArray,
        foci: FloatArray,
    ) -> None:
        known, log_gbq = self.known[rows], np.log(activity_gbq)[:, None]
        n_past = int(self.n_given[rows[0]])
        mean, covariance = self._with_cycle_effects(rows, n_past)
        which = self._effects(mean.shape[1])
        if samples.size + foci.size:
            outputs = slice(0, self.surrogate.doses.start)
            observed = Observed(samples, foci, log_gbq, self.prior, polynomial)
            problem = _Problem(
                polynomial, outputs, known, self.direction, self.n_patient - 1, observed
            )
            effect, done = _mode(problem, mean[:, which], covariance[:, which[:, None], which])
            gap, slope, variance = problem.linearised(effect, mean[:, which], first=False)
            mean, covariance = _conditioned(mean, covariance, which, gap, slope, variance)
            self.converged[rows] &= done
        dose, dose_slope = self._doses(polynomial, known, mean[:, which], covariance, which)
        start = self.n_patient + KEPT * n_past
        self.marrow_time_h[rows, n_past] = np.exp(dose[:, KEPT])
        dose[:, :3] += log_gbq
        across = dose_slope[:, :KEPT] @ covariance[:, which, :]
        own = across[:, :, which] @ dose_slope[:, :KEPT].swapaxes(1, 2)
        own[:, np.arange(KEPT), np.arange(KEPT)] += (
            polynomial.rms_error[self.surrogate.doses][:KEPT] ** 2
        )
        slot = np.arange(start, start + KEPT)
        old = np.arange(start)
        self.mean[rows[:, None], old] = mean[:, :start]
        self.mean[rows[:, None], slot] = dose[:, :KEPT]
        grid = rows[:, None, None]
        self.covariance[grid, old[:, None], old] = covariance[:, :start, :start]
        self.covariance[grid, slot[:, None], old] = across[:, :, :start]
        self.covariance[grid, old[:, None], slot] = across[:, :, :start].swapaxes(1, 2)
        self.covariance[grid, slot[:, None], slot] = own

    def _with_cycle_effects(self, rows: IntArray, n_past: int) -> tuple[FloatArray, FloatArray]:
        """State of some patients with the effects of a new cycle at its end."""
        size = self.n_patient + KEPT * n_past
        mean = np.zeros((len(rows), size + self.n_cycle))
        mean[:, :size] = self.mean[rows, :size]
        covariance = np.zeros((len(rows), size + self.n_cycle, size + self.n_cycle))
        covariance[:, :size, :size] = self.covariance[rows, :size, :size]
        index = np.arange(size, size + self.n_cycle)
        covariance[:, index, index] = self.cycle_variance
        return mean, covariance

    def _effects(self, size: int) -> IntArray:
        """Where patient and cycle effects stand in a state of that size."""
        index = np.arange(size, dtype=np.int64)
        return np.concatenate([index[: self.n_patient], index[size - self.n_cycle :]])

    def _doses(
        self,
        polynomial: CyclePolynomial,
        known: FloatArray,
        effect: FloatArray,
        covariance: FloatArray,
        which: IntArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Expected entries of `DOSES` (to second order) and their slopes, (m, 5), (m, 5, u)."""
        outputs = self.surrogate.doses
        value, slope = polynomial.value_and_slope(known + effect @ self.direction, outputs)
        spread = self.direction.T @ covariance[:, which[:, None], which] @ self.direction
        bent = polynomial.curvature[outputs].reshape(value.shape[1], -1)
        value = value + 0.5 * spread.reshape(len(effect), -1) @ bent.T
        return value, slope @ self.direction.T

    def marrow(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Median marrow dose of each past cycle (Gy) and the SD of the log of their sum.

        Returns
        -------
        dose_gy : ndarray, shape (m, max_cycles)
            ``nan`` for cycles not given.
        log_sd : ndarray, shape (m,)
            Zero before the first cycle.
        """
        slots = self._marrow_slots()
        given = np.arange(len(slots)) < self.n_given[rows][:, None]
        dose = np.where(given, np.exp(self.mean[rows][:, slots]), np.nan)
        key = self.key(rows)
        log_sd = np.sqrt(np.einsum("ai,aij,aj->a", key, self.covariance[rows], key))
        return dose, log_sd

    def _marrow_slots(self) -> IntArray:
        return np.arange(self.n_patient, self.mean.shape[1], KEPT)

    def key(self, rows: IntArray) -> FloatArray:
        """Derivative of the log marrow dose so far, shape (m, state); zero without a cycle."""
        slots = self._marrow_slots()
        given = np.arange(len(slots)) < self.n_given[rows][:, None]
        dose = np.where(given, np.exp(self.mean[rows][:, slots]), 0.0)
        key = np.zeros((len(rows), self.mean.shape[1]))
        key[:, slots] = dose / np.maximum(dose.sum(-1, keepdims=True), 1e-300)
        return key


class _Problem(NamedTuple):
    """Predictions of one cycle's observations as functions of the effects."""

    polynomial: CyclePolynomial
    outputs: slice
    known: FloatArray
    direction: FloatArray
    background: int
    observed: Observed

    def misfit(self, effect: FloatArray) -> FloatArray:
        """Minus the log likelihood, shape (m,)."""
        value = self.polynomial.value(self.known + effect @ self.direction, self.outputs)
        return self.observed.misfit(value, effect[:, self.background])

    def linearised(
        self, effect: FloatArray, mean: FloatArray, *, first: bool
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Gap from the linear prediction at `mean` (m, k), its slope (m, k, u) and variance."""
        value, slope = self.polynomial.value_and_slope(
            self.known + effect @ self.direction, self.outputs
        )
        residual, variance, share, other = self.observed.residual(
            value, effect[:, self.background], first=first
        )
        slope = (slope @ self.direction.T) * share[..., None]
        slope[..., self.background] = other
        return residual - np.einsum("aku,au->ak", slope, mean - effect), slope, variance


def _mode(
    problem: _Problem, mean: FloatArray, covariance: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Gauss-Newton with step control: effects at the mode (m, u), and who has converged."""
    effect, share = mean.copy(), np.ones(len(mean))
    sd = np.sqrt(np.einsum("aii->ai", covariance)) + _JITTER
    precision = np.linalg.inv(covariance + _JITTER * np.eye(mean.shape[1]))

    def height(at: FloatArray) -> FloatArray:
        away = at - mean
        quadratic = np.einsum("au,auv,av->a", away, precision, away)
        return np.asarray(0.5 * quadratic + problem.misfit(at))

    best = height(effect)
    done = np.zeros(len(mean), dtype=bool)
    for iteration in range(_MOST_ITERATIONS):
        gap, slope, variance = problem.linearised(effect, mean, first=iteration == 0)
        across = slope @ covariance
        noise = across @ slope.swapaxes(1, 2) + _diagonal(variance)
        weight = np.linalg.solve(noise, gap[..., None])
        step = mean + (across.swapaxes(1, 2) @ weight)[..., 0] - effect
        length = np.abs(step / sd).max(-1)
        tried = effect + step * np.minimum(share, _LONGEST_STEP / (length + _JITTER))[:, None]
        new = height(tried)
        better, gain = new <= best, best - new
        effect = np.where(better[:, None], tried, effect)
        best = np.where(better, new, best)
        done |= np.abs(gain) < _CONVERGED
        most = 1.0 if iteration < _FULL_STEPS else _SHORT_STEP
        share = np.where(better, np.minimum(most, 2.0 * share), 0.3 * share)
        if done.all():
            break
    return effect, done


def _diagonal(values: FloatArray) -> FloatArray:
    return np.asarray(values[..., None] * np.eye(values.shape[-1]))


def _conditioned(
    mean: FloatArray,
    covariance: FloatArray,
    which: IntArray,
    gap: FloatArray,
    slope: FloatArray,
    variance: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Kalman update of the whole state by observations of the effects at `which`."""
    across = slope @ covariance[:, which, :]
    noise = across[:, :, which] @ slope.swapaxes(1, 2) + _diagonal(variance)
    gain = np.linalg.solve(noise, across)
    mean = mean + np.einsum("aks,ak->as", gain, gap)
    covariance = covariance - across.swapaxes(1, 2) @ gain
    return mean, 0.5 * (covariance + covariance.swapaxes(1, 2))
