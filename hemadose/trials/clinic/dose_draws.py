"""Quasi-random draws of the doses of past cycles and of the next one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hemadose.trials.clinic.dose_update import KEPT, DoseUpdate

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_LEADING = 3  # doses of the next cycle that take the first, most even quasi-random columns
_JITTER = 1e-10


class DoseDraws(NamedTuple):
    """Quasi-random draws of one group of patients, shape (m, n_draws, ...).

    `next` holds the entries of `DOSES` (logarithms) for the next cycle, `past` those kept of past
    cycles (..., n_past, KEPT), `tumour_ahead` log tumour doses per activity of the next and later
    cycles, `key_slope` (m,) the change of the log next marrow dose per standard deviation of the
    log marrow dose so far (of the next before the first cycle), and `key` (n_draws,) that
    deviation in each draw.
    """

    next: FloatArray
    past: FloatArray
    tumour_ahead: FloatArray
    key_slope: FloatArray
    key: FloatArray


def n_normals(belief: DoseUpdate) -> int:
    """Number of standard normals that `draw_doses` needs for each draw."""
    return _LEADING + belief.mean.shape[1] + 2 * belief.n_cycle


def draw_doses(
    belief: DoseUpdate, rows: IntArray, normals: FloatArray, *, n_ahead: int
) -> DoseDraws:
    """Draws for patients who have all been given the same number of cycles.

    Parameters
    ----------
    belief : DoseUpdate
        What is known.
    rows : ndarray of int, shape (m,)
        Patients.
    normals : ndarray, shape (n_draws, n_normals)
        Quasi-random standard normals; the first column moves the marrow dose so far (before
        the first cycle, that of the next).
    n_ahead : int
        Cycles ahead for the tumour.
    """
    n_past = int(belief.n_given[rows[0]])
    size = belief.n_patient + KEPT * n_past
    by_patient, by_cycle = np.split(belief.direction, [belief.n_patient])
    polynomial = belief.surrogate.cycle(n_past + 1)
    centre = belief.known[rows] + belief.mean[rows, : belief.n_patient] @ by_patient
    slope = polynomial.value_and_slope(centre, belief.surrogate.doses)[1][:, :_LEADING]
    root = np.linalg.cholesky(belief.covariance[rows, :size, :size] + _JITTER * np.eye(size))
    to_next = slope @ by_patient.T @ root[:, : belief.n_patient]
    leading = to_next.copy()
    if n_past:
        leading[:, 0] = np.einsum("aij,ai->aj", root, belief.key(rows)[:, :size])
    axes = _orthonormal(leading)
    # what decides most, the doses of marrow, kidneys and tumour, takes the first columns
    plain = normals[:, _LEADING : _LEADING + size]
    first = normals[:, :_LEADING] - plain @ axes.swapaxes(1, 2)
    state = belief.mean[rows, None, :size] + (plain + first @ axes) @ root.swapaxes(1, 2)

    start = _LEADING + belief.mean.shape[1]
    fresh = normals[:, start : start + 2 * belief.n_cycle]
    fresh = fresh.reshape(len(normals), 2, belief.n_cycle) * np.sqrt(belief.cycle_variance)
    x = belief.known[rows, None, :] + state[..., : belief.n_patient] @ by_patient
    value = polynomial.value(x + fresh[:, 0] @ by_cycle, belief.surrogate.doses)
    return DoseDraws(
        next=value,
        past=state[..., belief.n_patient :].reshape(len(rows), len(normals), n_past, KEPT),
        tumour_ahead=_tumour_ahead(
            belief, n_past, centre, value[..., 2], slope[:, 2] @ by_cycle.T, fresh, n_ahead
        ),
        key_slope=(to_next[:, 0] * axes[:, 0]).sum(-1),
        key=normals[:, 0],
    )


def _tumour_ahead(
    belief: DoseUpdate,
    n_past: int,
    centre: FloatArray,
    log_next: FloatArray,
    cycle_slope: FloatArray,
    fresh: FloatArray,
    n_ahead: int,
) -> FloatArray:
    """Log tumour dose per activity of the next and later cycles, (m, n_draws, n_ahead)."""
    column = slice(belief.surrogate.doses.start + 2, belief.surrogate.doses.start + 3)
    typical = np.concatenate(
        [belief.surrogate.cycle(n_past + 1 + k).value(centre, column) for k in range(n_ahead)],
        axis=-1,
    )
    ahead = log_next[..., None] + (typical - typical[:, :1])[:, None, :]
    ahead[..., 1:] += (cycle_slope @ (fresh[:, 1] - fresh[:, 0]).T)[..., None]
    return np.asarray(ahead)


def _orthonormal(rows: FloatArray) -> FloatArray:
    """Orthonormal rows, each a combination of those up to it, the first along the first."""
    across, upper = np.linalg.qr(rows.swapaxes(1, 2))
    sign = np.where(np.einsum("aii->ai", upper) < 0, -1.0, 1.0)
    return np.asarray((across * sign[:, None, :]).swapaxes(1, 2))
