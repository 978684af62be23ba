"""Sums of exponentials: the one shape that activity, dose rate and damage share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kinetics.errors import KineticsError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SumOfExponentials:
    r"""A function of time :math:`f(t) = \sum_i a_i e^{-\lambda_i t}` for :math:`t \ge 0`.

    Activity, activity concentration and dose rate are all stored this way. Leading axes hold
    posterior draws (or patients), so that uncertainty is broadcasting.

    Parameters
    ----------
    amplitude : array_like, shape (..., n_terms)
        Value of each term at time zero, in the unit of the quantity (MBq, MBq/mL, Gy/h, ...).
        Negative amplitudes are legal: an uptake phase is a negative term.
    rate_per_h : array_like, shape (..., n_terms)
        Decay rate of each term (1/h), zero or positive, physical decay included.

    Raises
    ------
    KineticsError
        If a value is not finite, a rate is negative, or the shapes do not broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> blood = SumOfExponentials(amplitude=[12.0, 4.0], rate_per_h=[0.7, 0.03])
    >>> float(np.round(blood.integral(), 4))
    150.4762
    """

    amplitude: FloatArray
    rate_per_h: FloatArray

    def __post_init__(self) -> None:
        amplitude = np.asarray(self.amplitude, dtype=np.float64)
        rate = np.asarray(self.rate_per_h, dtype=np.float64)
        if amplitude.ndim == 0 or rate.ndim == 0:
            raise KineticsError("amplitude and rate_per_h need a last axis of terms, got a scalar")
        try:
            amplitude, rate = np.broadcast_arrays(amplitude, rate)
        except ValueError:
            raise KineticsError(
                f"amplitude {amplitude.shape} and rate_per_h {rate.shape} do not broadcast"
            ) from None
        if not (np.isfinite(amplitude).all() and np.isfinite(rate).all()):
            raise KineticsError("amplitudes and rates must be finite")
        if (rate < 0).any():
            raise KineticsError(f"rates must be zero or positive, got {rate.min():g} /h")
        object.__setattr__(self, "amplitude", amplitude)
        object.__setattr__(self, "rate_per_h", rate)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the leading axes (draws, patients); ``()`` for a single curve."""
        return self.amplitude.shape[:-1]

    @property
    def n_terms(self) -> int:
        """Number of exponential terms."""
        return int(self.amplitude.shape[-1])

    def __call__(self, time_h: npt.ArrayLike) -> FloatArray:
        """Value at each time.

        Parameters
        ----------
        time_h : array_like, shape (n_times,) or scalar
            Time after the administration (h).

        Returns
        -------
        ndarray, shape (..., n_times), or (...) for a scalar time
        """
        time = np.asarray(time_h, dtype=np.float64)
        exponent = -self.rate_per_h[..., None, :] * np.atleast_1d(time)[:, None]
        return _like_time((self.amplitude[..., None, :] * np.exp(exponent)).sum(-1), time)

    def integral(self) -> FloatArray:
        r"""Integral from zero to infinity, :math:`\sum_i a_i/\lambda_i`, shape (...).

        A term that does not decay (rate zero) makes it infinite, unless its amplitude is zero.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(self.amplitude == 0, 0.0, self.amplitude / self.rate_per_h)
        total: FloatArray = terms.sum(-1)
        return total

    def cumulative(self, time_h: npt.ArrayLike) -> FloatArray:
        r"""Integral from zero to each time, :math:`\sum_i a_i (1-e^{-\lambda_i t})/\lambda_i`.

        Parameters
        ----------
        time_h : array_like, shape (n_times,) or scalar
            Upper limit of the integral (h).

        Returns
        -------
        ndarray, shape (..., n_times), or (...) for a scalar time
        """
        time = np.asarray(time_h, dtype=np.float64)
        return _like_time(self.convolved(0.0, np.atleast_1d(time)), time)

    def convolved(self, loss_rate_per_h: npt.ArrayLike, time_h: npt.ArrayLike) -> FloatArray:
        r"""Content of a first-order compartment that this curve flows into.

        Solves :math:`dN/dt = f(t) - kN,\ N(0) = 0`:
        :math:`N(t) = \sum_i a_i (e^{-\lambda_i t} - e^{-kt})/(k-\lambda_i)`, with the limit
        :math:`a_i t e^{-\lambda_i t}` where the rates meet.

        Parameters
        ----------
        loss_rate_per_h : array_like, broadcast against the leading axes
            Loss rate k of the compartment (1/h).
        time_h : array_like, shape (n_times,) or scalar
            Time after the administration (h).

        Returns
        -------
        ndarray, shape (..., n_times), or (...) for a scalar time
        """
        time = np.asarray(time_h, dtype=np.float64)
        t = np.atleast_1d(time)[:, None]
        loss = np.asarray(loss_rate_per_h, dtype=np.float64)[..., None, None]
        rate = self.rate_per_h[..., None, :]
        slow, gap = np.minimum(rate, loss), np.abs(loss - rate) * t
        # (e^{-slow t} - e^{-fast t}) / (fast - slow) without cancellation
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(gap > 0, -np.expm1(-gap) / gap, 1.0)
        kernel = t * np.exp(-slow * t) * ratio
        return _like_time((self.amplitude[..., None, :] * kernel).sum(-1), time)

    def decayed(self, decay_per_h: npt.ArrayLike) -> SumOfExponentials:
        """Product with first-order decay: every rate grows by `decay_per_h` (1/h)."""
        extra = np.asarray(decay_per_h, dtype=np.float64)[..., None]
        return SumOfExponentials(self.amplitude, self.rate_per_h + extra)

    def scaled(self, factor: npt.ArrayLike) -> SumOfExponentials:
        """Product with a constant, or with one factor per draw (shape (...))."""
        return SumOfExponentials(
            self.amplitude * np.asarray(factor, dtype=np.float64)[..., None], self.rate_per_h
        )

    def __add__(self, other: SumOfExponentials) -> SumOfExponentials:
        """Sum of two curves: their terms side by side."""
        shape = np.broadcast_shapes(self.shape, other.shape)

        def joined(a: FloatArray, b: FloatArray) -> FloatArray:
            parts = [np.broadcast_to(x, (*shape, x.shape[-1])) for x in (a, b)]
            return np.concatenate(parts, axis=-1)

        return SumOfExponentials(
            joined(self.amplitude, other.amplitude), joined(self.rate_per_h, other.rate_per_h)
        )

    def compact(self) -> SumOfExponentials:
        """The same curve with terms of identical rates (in every draw) merged into one."""
        columns = self.rate_per_h.reshape(-1, self.n_terms)
        _, first, group = np.unique(columns, axis=1, return_index=True, return_inverse=True)
        amplitude = np.zeros((*self.shape, len(first)))
        for term, target in enumerate(group.ravel()):
            amplitude[..., target] += self.amplitude[..., term]
        return SumOfExponentials(amplitude, self.rate_per_h[..., first])

    def __getitem__(self, index: Any) -> SumOfExponentials:
        """Curves at `index` of the leading axes (draws)."""
        return SumOfExponentials(self.amplitude[index], self.rate_per_h[index])


def _like_time(values: FloatArray, time: FloatArray) -> FloatArray:
    """Drop the time axis again where a scalar time was asked for."""
    result: FloatArray = values[..., 0] if time.ndim == 0 else values
    return result
