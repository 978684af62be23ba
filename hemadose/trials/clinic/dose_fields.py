"""What a decision needs of the doses: fields of a `Situation`, and what the counts need."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hemadose.planning.policies import PlanningLimits
from hemadose.trials.clinic.count_update import MarrowHistory
from hemadose.trials.clinic.dose_draws import DoseDraws, draw_doses
from hemadose.trials.clinic.dose_update import DoseUpdate

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def dose_fields(
    belief: DoseUpdate,
    rows: IntArray,
    normals: FloatArray,
    *,
    given_day: FloatArray,
    limits: PlanningLimits,
) -> tuple[dict[str, FloatArray], MarrowHistory]:
    """Draws of doses per activity of the next cycle and of doses given so far.

    Parameters
    ----------
    belief : DoseUpdate
        What is known of n patients.
    rows : ndarray of int, shape (m,)
        Patients wanted.
    normals : ndarray, shape (n_draws, >= n_normals)
        Quasi-random standard normals.
    given_day : ndarray, shape (n, max_cycles)
        Days of the administrations, ``nan`` where there is none.
    limits : PlanningLimits
        For alpha/beta of the kidneys and the most cycles.

    Returns
    -------
    fields : dict of str to ndarray
        By name of the field of `Situation`.
    marrow : MarrowHistory
        What the counts need.
    """
    n_draws, most = len(normals), limits.max_cycles
    number = belief.n_given[rows]
    n_ahead = max(1, most - int(number.min(initial=most)))
    shape = (len(rows), n_draws)
    parts: dict[str, FloatArray] = {
        name: np.zeros(shape)
        for name in (
            "marrow_gy_per_gbq", "kidney_gy_per_gbq", "kidney_protraction", "marrow_dose_gy",
            "kidney_dose_gy", "kidney_bed_gy", "tumour_dose_gy",
        )
    }  # fmt: skip
    parts["tumour_gy_per_gbq"] = np.zeros((*shape, n_ahead))
    log_time, key, slope = np.zeros(shape), np.zeros(shape), np.zeros(len(rows))
    for value in np.unique(number):
        here = np.flatnonzero(number == value)
        draws = draw_doses(belief, rows[here], normals, n_ahead=n_ahead)
        for name, dose in _doses_of(draws, limits.kidney_alpha_beta_gy).items():
            parts[name][here] = dose
        log_time[here], key[here], slope[here] = draws.next[..., 4], draws.key, draws.key_slope
    dose_gy, log_sd = belief.marrow(rows)
    columns = slice(0, max(1, int(number.max(initial=0))))
    history = MarrowHistory(
        start_day=given_day[rows, columns],
        dose_gy=dose_gy[:, columns],
        mean_time_h=belief.marrow_time_h[rows, columns],
        log_sd=log_sd,
        next_log_dose=np.log(parts["marrow_gy_per_gbq"]),
        next_log_time=log_time,
        key=key,
        key_slope=slope,
    )
    return parts, history


def _doses_of(draws: DoseDraws, alpha_beta_gy: float) -> dict[str, FloatArray]:
    """Doses per activity of the next cycle and sums over the cycles given."""
    past = np.exp(draws.past)
    marrow, kidney, tumour, protraction = np.moveaxis(past, -1, 0)
    bed = kidney * (1.0 + np.minimum(protraction, 1.0) * kidney / alpha_beta_gy)
    return {
        "marrow_gy_per_gbq": np.exp(draws.next[..., 0]),
        "kidney_gy_per_gbq": np.exp(draws.next[..., 1]),
        "kidney_protraction": np.minimum(np.exp(draws.next[..., 3]), 1.0),
        "tumour_gy_per_gbq": np.exp(draws.tumour_ahead),
        "marrow_dose_gy": marrow.sum(-1),
        "kidney_dose_gy": kidney.sum(-1),
        "kidney_bed_gy": bed.sum(-1),
        "tumour_dose_gy": tumour.sum(-1),
    }
