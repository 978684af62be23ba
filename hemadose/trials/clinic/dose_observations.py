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
    r"""Samples and foci of one cycle of m patients, and how well predictions fit them.

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

    Notes
    -----
    The additive error of a sample makes the variance V of its logarithm depend on the prediction
    f. Residuals and variances are therefore those of Fisher scoring: with r = log y - f, a slope
    of :math:`r/V + V'/(2V)\,(r^2/V - 1)` and a curvature of :math:`1/V + (V'/V)^2/2`.
    """

    def __init__(
        self,
        samples: FloatArray,
        foci: FloatArray,
        log_gbq: FloatArray,
        prior: EffectPrior,
        polynomial: CyclePolynomial,
    ) -> None:
        values = np.where(samples > 0, samples, np.nan)
        n_samples = values.shape[1]
        fit_variance = polynomial.rms_error[: n_samples + foci.shape[1]] ** 2
        self.missing = np.isnan(np.concatenate([values, foci], axis=1))
        self.log_sample = np.log(np.where(np.isnan(values), 1.0, values)) - log_gbq
        self.log_cells = np.log(max(prior.foci_cells, 1))
        self.log_gbq = log_gbq
        self.foci = np.where(np.isnan(foci), 0.0, foci)
        self.sample_cv, self.sample_sd = prior.sample_cv, prior.sample_sd
        self.fit_variance = fit_variance[:n_samples]
        # overdispersion by the error of the polynomials
        self.dispersion = 1.0 + (self.foci + 0.5) * fit_variance[n_samples:]

    def misfit(self, value: FloatArray, log_background: FloatArray) -> FloatArray:
        """Minus the log likelihood, up to a constant, shape (m,)."""
        log_value = value[:, : self.log_sample.shape[1]]
        variance = self._variance(log_value)[0]
        squared = 0.5 * ((self.log_sample - log_value) ** 2 / variance + np.log(variance))
        expected = self._expected(value, log_background)[1]
        poisson = (expected - self.foci * np.log(expected)) / self.dispersion
        both = np.concatenate([squared, poisson], axis=1)
        return np.asarray(np.where(self.missing, 0.0, both).sum(1))

    def residual(
        self, value: FloatArray, log_background: FloatArray, *, first: bool
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Residuals of the logs, variances, slopes in outputs and background; (m, n_outputs)."""
        log_value = value[:, : self.log_sample.shape[1]]
        away, (spread, bend) = self.log_sample - log_value, self._variance(log_value)
        information = 1.0 / spread + 0.5 * (bend / spread) ** 2
        scored = (away + 0.5 * bend * (away**2 / spread - 1.0)) / (spread * information)
        induced, expected = self._expected(value, log_background)
        # far from the mode the logarithm is the safer scale
        weight = self.foci + 0.5 if first else expected
        gap = np.log(weight / expected) if first else self.foci / expected - 1.0
        residual = np.concatenate([away if first else scored, gap], axis=1)
        sampled = spread if first else 1.0 / information
        variance = np.concatenate([sampled, self.dispersion / weight], axis=1)
        share = np.concatenate([np.ones_like(spread), induced / expected], axis=1)
        return (
            np.where(self.missing, 0.0, residual),
            np.where(self.missing, 1.0, variance),
            np.where(self.missing, 0.0, share),
            np.where(self.missing, 0.0, 1.0 - share),
        )

    def _variance(self, log_value: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Variance of the log samples about a prediction, and its slope in that."""
        additive = (self.sample_sd * np.exp(-np.clip(log_value + self.log_gbq, -60.0, 60.0))) ** 2
        inflated = 1.0 + self.sample_cv**2 + additive
        return np.log(inflated) + self.fit_variance, -2.0 * additive / inflated

    def _expected(
        self, value: FloatArray, log_background: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Expected foci: those induced, and all, shape (m, n_foci)."""
        log_foci = value[:, self.log_sample.shape[1] :] + self.log_gbq + self.log_cells
        induced = np.exp(np.clip(log_foci, -60.0, 60.0))
        spontaneous = np.exp(np.clip(log_background + self.log_cells, -60.0, 60.0))
        return induced, induced + spontaneous[:, None]
