"""How long a break is seen as a focus, and foci of many curves by a compiled loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.cores import on_all_cores
from kinetics.curves import FloatArray
from radiobio.checks import positive, together
from radiobio.errors import RadiobioError

_PARTED = 1e-5  # relative: nearer rates of repair and clearance are set apart by this
_ROWS_PER_PART = 4096  # curves that are worth handing to a core


def focus_response(
    rate_per_h: FloatArray,
    fraction: FloatArray,
    *,
    maturation_rate_per_h: npt.ArrayLike | None = None,
    clearance_rate_per_h: npt.ArrayLike | None = None,
) -> tuple[FloatArray, FloatArray]:
    r"""Chance that a break made at time zero is a visible focus at time t, as exponentials.

    Parameters
    ----------
    rate_per_h, fraction : ndarray, shape (..., n_components)
        Repair components as `repair_components` gives them.
    maturation_rate_per_h : array_like, shape (...), optional
        Rate B at which an unrepaired break becomes a visible focus; at once by default.
    clearance_rate_per_h : array_like, scalar or shape (..., n_components), optional
        Rate m at which the focus of a repaired break is cleared; at once by default.

    Returns
    -------
    rate_per_h, weight : ndarray, shape (..., n_exponentials)
        Of :math:`h(t) = \sum_r w_r e^{-\kappa_r t}`; weights of either sign.

    Raises
    ------
    RadiobioError
        If a rate is not above zero, or shapes do not fit.

    Notes
    -----
    .. math::
        h(t) = (1-e^{-Bt}) \sum_j f_j \frac{m_j e^{-k_j t} - k_j e^{-m_j t}}{m_j-k_j}

    Rates k and m nearer than a relative 1e-5 are parted by that much, which costs digits below
    1e-11 per induced focus.
    """
    rate, weight = rate_per_h, fraction
    if clearance_rate_per_h is not None:
        slow = positive(clearance_rate_per_h, "clearance_rate_per_h")
        try:
            rate, weight, slow = np.broadcast_arrays(rate, weight, slow)
        except ValueError:
            raise RadiobioError(
                f"clearance_rate_per_h {slow.shape} must have one value per repair component "
                f"(repair_rate_per_h has shape {rate.shape})"
            ) from None
        near, middle = np.abs(slow - rate) < _PARTED * slow, 0.5 * (rate + slow)
        rate = np.where(near, (1 - 0.5 * _PARTED) * middle, rate)
        slow = np.where(near, (1 + 0.5 * _PARTED) * middle, slow)
        weight = np.concatenate([weight * slow, -weight * rate], -1) / np.tile(slow - rate, 2)
        rate = np.concatenate([rate, slow], -1)
    if maturation_rate_per_h is not None:
        ripe = positive(maturation_rate_per_h, "maturation_rate_per_h")[..., None]
        together(repair=rate[..., :1], maturation_rate_per_h=ripe)
        rate, weight, ripe = np.broadcast_arrays(rate, weight, ripe)
        rate = np.concatenate([rate, rate + ripe], -1)
        weight = np.concatenate([weight, -weight], -1)
    return rate, weight


@dataclass(frozen=True, eq=False)
class FocusCurves:
    """Parameters of curves in rows: (n, ...), or (1, ...) where all curves share the value.

    In order: amplitudes and rates of the dose rate, loss rates and weights of a focus,
    induction, background.
    """

    shape: tuple[int, ...]
    rows: tuple[FloatArray, ...]
    time_h: FloatArray

    @property
    def n_curves(self) -> int:
        """Number of curves."""
        return int(np.prod(self.shape))

    def fill(self, out: FloatArray, start: int, stop: int) -> None:
        """Foci of curves start to stop into out (stop - start, n_times), on this core."""
        from radiobio.damage._damage_kernels import foci_of_curves

        later = self.time_h[self.time_h > 0]
        first_time = float(later.min()) if later.size else 1.0
        foci_of_curves(*self.rows, self.time_h, first_time, out, start, stop)

    def on_all_cores(self) -> FloatArray:
        """Foci of all curves, shape (..., n_times)."""
        n = self.n_curves
        out = np.empty((n, len(self.time_h)))

        def run(first: int, last: int) -> None:
            start, stop = first * _ROWS_PER_PART, min(last * _ROWS_PER_PART, n)
            self.fill(out[start:stop], start, stop)

        on_all_cores(-(-n // _ROWS_PER_PART), run)
        return out.reshape(*self.shape, len(self.time_h))


def focus_curves(
    dose_rate: SumOfExponentials,
    time_h: npt.ArrayLike,
    response: tuple[FloatArray, FloatArray],
    induction_per_gy: FloatArray,
    background_per_cell: FloatArray,
) -> FocusCurves:
    """Bring all parameters to rows; `response` are the loss rates and weights of a focus."""
    parts = (dose_rate.amplitude, dose_rate.rate_per_h, *response)
    scalars = (induction_per_gy, background_per_cell)
    shapes = [part.shape[:-1] for part in parts] + [part.shape for part in scalars]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise RadiobioError(
            f"leading shapes do not broadcast: dose rate {shapes[0]}, repair {shapes[2]}, "
            f"induction {shapes[4]}, background {shapes[5]}"
        ) from None
    rows = [_rows(part, shape, part.shape[-1:]) for part in parts]
    rows += [_rows(part, shape, ()) for part in scalars]
    time = np.ascontiguousarray(np.atleast_1d(np.asarray(time_h, dtype=np.float64)))
    return FocusCurves(shape, tuple(rows), time)


def _rows(values: FloatArray, shape: tuple[int, ...], own: tuple[int, ...]) -> FloatArray:
    """One row a curve, or a single one where all curves share it."""
    n_leading = values.ndim - len(own)
    steps = zip(values.strides[:n_leading], values.shape, strict=False)
    if values.size and all(step == 0 or length == 1 for step, length in steps):
        rows = np.ascontiguousarray(values[(0,) * n_leading]).reshape(1, *own)
    else:
        rows = np.ascontiguousarray(np.broadcast_to(values, shape + own)).reshape(-1, *own)
    rows.flags.writeable = False  # a view of its own; numpy warns of broadcast ones otherwise
    return rows


def like_time(values: FloatArray, time: FloatArray) -> FloatArray:
    """Drop the time axis again where a scalar time was asked for."""
    result: FloatArray = values[..., 0] if time.ndim == 0 else values
    return result
