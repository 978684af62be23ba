"""Samples and foci of one cycle against what the kinetics predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hemadose.trials.clinic.kinetic_surrogate import CyclePolynomial

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EffectPrior:
    """What the clinic believes of effects on the log parameters.

    Attributes
    ----------
    log_offset : ndarray, shape (n, p)
        Each patient's typical log parameters minus the cohort's medians.
    log_sd_patient, log_sd_cycle : ndarray, shape (p,)
        Standard deviations between patients and between the cycles of one.
    sample_cv, sample_sd : ndarray, shape (n_activity,)
        Proportional and additive part of the standard deviation of each measured activity about
        the model (a fraction; MBq or MBq/mL). The error is log-normal.
    foci_cells : int
        Cells scored in each foci sample.
    background_log_mean, background_log_sd : float
        Of the logarithm of the spontaneous foci per cell, a property of the patient.
    """

    log_offset: FloatArray
    log_sd_patient: FloatArray
    log_sd_cycle: FloatArray
    sample_cv: FloatArray
    sample_sd: FloatArray
    foci_cells: int
    background_log_mean: float
    background_log_sd: float


class Observed:
    """Samples and foci of one cycle of m patients, and how well predictions fit them.

    Parameters
    ----------
    samples, foci : ndarray, shape (m, n_activity) and (m, n_foci)
        Measured activities and foci counted; ``nan`` where missing.
    log_gbq : ndarray, shape (m, 1)
        Log activity given (GBq).
    prior : EffectPrior
        Errors of measurement.
    polynomial : CyclePolynomial
        Its error counts as noise.
    expected : ndarray, shape (m, n_outputs)
        Outputs at the start, from which the errors of the samples are found.
    """

    def __init__(
        self,
        samples: FloatArray,
        foci: FloatArray,
        log_gbq: FloatArray,
        prior: EffectPrior,
        polynomial: CyclePolynomial,
        expected: FloatArray,
    ) -> None:
        values = np.where(samples > 0, samples, np.nan)
        n_samples = values.shape[1]
        fit_variance = polynomial.rms_error[: n_samples + foci.shape[1]] ** 2
        self.missing = np.isnan(np.concatenate([values, foci], axis=1))
        self.log_sample = np.log(np.where(np.isnan(values), 1.0, values)) - log_gbq
        self.log_cells = np.log(max(prior.foci_cells, 1))
        self.log_gbq = log_gbq
        self.foci = np.where(np.isnan(foci), 0.0, foci)
        additive = prior.sample_sd * np.exp(-expected[:, :n_samples] - log_gbq)
        cv = np.hypot(prior.sample_cv, additive)
        self.variance = np.log1p(cv**2) + fit_variance[:n_samples]
        # overdispersion by the error of the polynomials
        self.dispersion = 1.0 + (self.foci + 0.5) * fit_variance[n_samples:]

    def misfit(self, value: FloatArray, log_background: FloatArray) -> FloatArray:
        """Minus the log likelihood, up to a constant, shape (m,)."""
        n_samples = self.log_sample.shape[1]
        squared = 0.5 * (self.log_sample - value[:, :n_samples]) ** 2 / self.variance
        expected = self._expected(value, log_background)[1]
        poisson = (expected - self.foci * np.log(expected)) / self.dispersion
        both = np.concatenate([squared, poisson], axis=1)
        return np.asarray(np.where(self.missing, 0.0, both).sum(1))

    def residual(
        self, value: FloatArray, log_background: FloatArray, *, first: bool
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Residuals of the logs, variances, slopes in outputs and background; (m, n_outputs)."""
        n_samples = self.log_sample.shape[1]
        induced, expected = self._expected(value, log_background)
        # far from the mode the logarithm is the safer scale
        weight = self.foci + 0.5 if first else expected
        gap = np.log(weight / expected) if first else self.foci / expected - 1.0
        residual = np.concatenate([self.log_sample - value[:, :n_samples], gap], axis=1)
        variance = np.concatenate([self.variance, self.dispersion / weight], axis=1)
        share = np.concatenate([np.ones_like(self.variance), induced / expected], axis=1)
        return (
            np.where(self.missing, 0.0, residual),
            np.where(self.missing, 1.0, variance),
            np.where(self.missing, 0.0, share),
            np.where(self.missing, 0.0, 1.0 - share),
        )

    def _expected(
        self, value: FloatArray, log_background: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Expected foci: those induced, and all, shape (m, n_foci)."""
        log_foci = value[:, self.log_sample.shape[1] :] + self.log_gbq + self.log_cells
        induced = np.exp(np.clip(log_foci, -60.0, 60.0))
        spontaneous = np.exp(np.clip(log_background + self.log_cells, -60.0, 60.0))
        return induced, induced + spontaneous[:, None]
