"""What counts say of each lineage, joint with the belief about the marrow dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hemadose.planning.situation import LineageDraws
from kinetics import SumOfExponentials
from radiobio import lineage_prior
from radiobio.counts.covariates import COVARIATE_EFFECTS
from radiobio.counts.laplace import laplace_counts, laplace_draws

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

N_NORMALS = 6  # coordinates of one lineage's posterior at most
_KILL = 3  # position of the kill among the coordinates of the prior


@dataclass(frozen=True, eq=False)
class MarrowHistory:
    """What the counts need of the marrow dose of m patients.

    Attributes
    ----------
    start_day : ndarray, shape (m, n_cycles)
        Days of the administrations, ``nan`` where there is none.
    dose_gy, mean_time_h : ndarray, shape (m, n_cycles)
        Median dose (Gy) and mean time at which it is given (h after the administration).
    log_sd : ndarray, shape (m,)
        SD of the logarithm of their sum.
    next_log_dose, next_log_time : ndarray, shape (m, n_draws)
        Log dose per activity (Gy/GBq) and mean time of the next cycle, in draws.
    key : ndarray, shape (m, n_draws)
        Deviation of the log dose so far in those draws, in standard deviations.
    key_slope : ndarray, shape (m,)
        Change of `next_log_dose` per unit of `key`.
    """

    start_day: FloatArray
    dose_gy: FloatArray
    mean_time_h: FloatArray
    log_sd: FloatArray
    next_log_dose: FloatArray
    next_log_time: FloatArray
    key: FloatArray
    key_slope: FloatArray

    def dose_rate(self) -> SumOfExponentials:
        """Median marrow dose rate of each administration (Gy/h), shape (m, n_cycles)."""
        given = np.isfinite(self.start_day)
        rate = np.where(given, 1.0 / np.where(given, self.mean_time_h, 1.0), 1.0)
        amplitude = np.where(given, np.where(given, self.dose_gy, 0.0) * rate, 0.0)
        return SumOfExponentials(amplitude[..., None], rate[..., None])

    def remaining(self, day: FloatArray) -> SumOfExponentials:
        """Median marrow dose rate left on `day` (m,), of all administrations, shape (m,)."""
        rate = self.dose_rate()
        passed_h = 24.0 * np.maximum(day[:, None] - np.nan_to_num(self.start_day), 0.0)
        left = rate.amplitude[..., 0] * np.exp(-rate.rate_per_h[..., 0] * passed_h)
        return SumOfExponentials(left, rate.rate_per_h[..., 0])


class CountUpdate:
    """Counts of n patients as they come in, and what they say of one lineage.

    The dose of each cycle is spread over time as one exponential with the posterior mean time: the
    chain from marrow to blood takes weeks and does not see hours. The counts of a lineage revise
    the marrow dose in the draws of that lineage only.

    Parameters
    ----------
    lineage, dose_method : str
        As in `radiobio.lineage_prior`.
    covariates : mapping of str to ndarray (n,)
        What is known of the patients; those that do not act on counts are skipped.
    n : int
        Number of patients.
    kill_factor : float
        Factor on the assumed median kill.
    """

    def __init__(
        self,
        lineage: str,
        dose_method: str,
        *,
        covariates: Mapping[str, FloatArray],
        n: int,
        kill_factor: float,
    ) -> None:
        known = {name: x for name, x in covariates.items() if name in COVARIATE_EFFECTS}
        prior = lineage_prior(lineage, dose_method, covariates=known)
        log_mean = np.array(np.broadcast_to(prior.log_mean, (n, prior.log_mean.shape[-1])))
        log_mean[:, _KILL] += np.log(kill_factor)
        log_sd = np.broadcast_to(prior.log_sd, log_mean.shape)
        self.lineage = lineage
        self.prior = replace(prior, log_mean=log_mean, log_sd=log_sd)
        self.day, self.count = np.empty((n, 0)), np.empty((n, 0))
        self.latest_day = np.full(n, -np.inf)
        self._start: FloatArray | None = None

    def record(self, day: FloatArray, count: FloatArray) -> None:
        """Take up one count of each patient, shape (n,); ``nan`` where there is none."""
        self.day = np.column_stack([self.day, np.where(np.isnan(count), np.nan, day)])
        self.count = np.column_stack([self.count, count])
        self.latest_day = np.where(np.isnan(count), self.latest_day, day)

    def draws(
        self, rows: IntArray, day: FloatArray, marrow: MarrowHistory, normals: FloatArray
    ) -> tuple[LineageDraws, BoolArray, FloatArray]:
        """Draws on the decision day.

        Parameters
        ----------
        rows : ndarray of int, shape (m,)
            Patients.
        day : ndarray, shape (m,)
            Decision day.
        marrow : MarrowHistory
            Marrow doses of these patients.
        normals : ndarray, shape (n_draws, N_NORMALS)
            Quasi-random standard normals; the same rows as those behind the doses.

        Returns
        -------
        draws : LineageDraws, shape (m, n_draws)
        converged : ndarray of bool, shape (m,)
        effective : ndarray, shape (m,)
            Effective number of draws.
        """
        prior = replace(
            self.prior, log_mean=self.prior.log_mean[rows], log_sd=self.prior.log_sd[rows]
        )
        fit = laplace_counts(
            prior,
            start_day=marrow.start_day,
            dose_rate=marrow.dose_rate(),
            dose_log_sd=marrow.log_sd,
            day=self.day[rows],
            count=self.count[rows],
            until_day=day,
            start=None if self._start is None else self._start[rows],
        )
        if self._start is None:
            self._start = np.zeros((len(self.day), fit.mode.shape[1]))
        self._start[rows] = np.where(fit.converged[:, None], fit.mode, 0.0)
        found = laplace_draws(fit, normals)
        left = marrow.remaining(day)
        amplitude = left.amplitude[:, None, :] * found.dose_scale[..., None]
        remaining = SumOfExponentials(amplitude, left.rate_per_h[:, None, :])

        def chosen(values: FloatArray) -> FloatArray:
            return np.asarray(np.take_along_axis(values, found.index, axis=1))

        moved = found.z[..., 4] - chosen(marrow.key)
        log_dose = chosen(marrow.next_log_dose) + marrow.key_slope[:, None] * moved
        rate = np.exp(-chosen(marrow.next_log_time))
        ahead = SumOfExponentials((np.exp(log_dose) * rate)[..., None], rate[..., None])
        lineage = LineageDraws(self.lineage, found.parameters, found.state, remaining, ahead)
        return lineage, fit.converged, found.effective_sample_size
