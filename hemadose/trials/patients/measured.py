"""What is measured in virtual patients: activities, foci and counts, each with its error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dosimetry import nuclide
from hemadose.errors import HemadoseError
from hemadose.trials.patients.virtual_patients import (
    LINEAGES,
    MAX_TIMES,
    MEASURED_REGIONS,
    NOISE_DAYS,
    VirtualPatients,
)
from kinetics.curves import FloatArray


def measure_activity(
    patients: VirtualPatients,
    *,
    cycle: npt.ArrayLike,
    activity_gbq: npt.ArrayLike,
    region: str,
    times_h: npt.ArrayLike,
    mask: npt.ArrayLike = True,
) -> FloatArray:
    r"""Measure the activity in a region during a cycle.

    Parameters
    ----------
    patients : VirtualPatients
        Who is measured.
    cycle : array_like of int, shape (n,) or scalar
        Number of the cycle, from 1.
    activity_gbq : array_like, shape (n,) or scalar
        Activity given in it (GBq).
    region : str
        One of `MEASURED_REGIONS` that the cohort has.
    times_h : array_like, shape (n_times,)
        Sampling times after the administration (h), at most `MAX_TIMES`.
    mask : array_like of bool, shape (n,) or scalar
        Who is measured.

    Returns
    -------
    ndarray, shape (n, n_times)
        MBq (blood and marrow MBq/mL); ``nan`` where nothing was measured.

    Raises
    ------
    HemadoseError
        If the region, the cycle or the number of times is not legal.

    Notes
    -----
    The errors are log-normal with the truth as median, so that nothing is negative; their CV is
    that of the published combined error, :math:`\sqrt{(cv\,f)^2 + (a e^{-\lambda t})^2}/f`.
    """
    if region not in MEASURED_REGIONS or region not in patients.cohort.residual:
        known = [name for name in MEASURED_REGIONS if name in patients.cohort.residual]
        raise HemadoseError(f"region {region!r} cannot be measured; legal are {known}")
    time, rows, number, activity = _where(patients, times_h, mask, cycle, activity_gbq)
    truth = patients.per_gbq[region][rows, number].scaled(activity)(time)
    decay = np.exp(-nuclide(patients.cohort.nuclide).decay_per_h * time)
    with np.errstate(divide="ignore", invalid="ignore"):
        cv = patients.cohort.residual[region].sd(truth, decay) / truth
    cv = np.where(truth > 0, cv, 0.0) * patients.truth.activity_residual_factor
    z = patients.noise.activity[rows, number, MEASURED_REGIONS.index(region), : len(time)]
    return _filled(patients.n, rows, truth * np.exp(np.sqrt(np.log1p(cv**2)) * z))


def measure_foci(
    patients: VirtualPatients,
    *,
    cycle: npt.ArrayLike,
    activity_gbq: npt.ArrayLike,
    times_h: npt.ArrayLike,
    cells: int,
    mask: npt.ArrayLike = True,
) -> FloatArray:
    """Count foci in blood samples of a cycle.

    Parameters
    ----------
    patients, cycle, activity_gbq, mask
        As in `measure_activity`.
    times_h : array_like, shape (n_times,)
        Sampling times after the administration (h), at most `MAX_TIMES`; a negative time is a
        sample before it, that shows the spontaneous foci alone.
    cells : int
        Cells counted in each sample.

    Returns
    -------
    ndarray, shape (n, n_times)
        Foci counted in all cells of a sample; ``nan`` where nothing was measured.

    Raises
    ------
    HemadoseError
        If the number of cells, the cycle or the number of times is not legal.

    Notes
    -----
    Poisson, or negative binomial with the truth's dispersion. Foci that earlier cycles left are
    left out (ASSUMED: repaired weeks ago).
    """
    from scipy.stats import nbinom, poisson

    if int(cells) != cells or cells < 1:
        raise HemadoseError(f"cells must be a whole number of 1 or more, got {cells!r}")
    time, rows, number, activity = _where(patients, times_h, mask, cycle, activity_gbq)
    blood = patients.per_gbq["blood_dose"][rows, number].scaled(activity)
    induced = patients.cohort.foci_of(
        patients.log_parameter[rows, number], blood, np.maximum(time, 0.0)
    )
    induced = patients.foci_laboratory_factor * np.where(time >= 0, induced, 0.0)
    mean = cells * (patients.background_per_cell[rows, None] + np.maximum(induced, 0.0))
    uniform = patients.noise.foci[rows, number, : len(time)]
    spread = patients.truth.foci_dispersion
    if spread == 1:
        foci = poisson.ppf(uniform, mean)
    else:
        foci = nbinom.ppf(uniform, np.maximum(mean, 1e-12) / (spread - 1), 1 / spread)
    return _filled(patients.n, rows, np.maximum(foci, 0.0))


def measure_counts(
    patients: VirtualPatients, counts: Mapping[str, FloatArray], day: npt.ArrayLike
) -> dict[str, FloatArray]:
    """Measure blood counts.

    Parameters
    ----------
    patients : VirtualPatients
        Who is measured.
    counts : mapping of str to ndarray (n,)
        True counts by lineage, as `TrueCourse.counts_on`.
    day : array_like, shape (n,) or scalar
        Day of the sample; negative before the first cycle.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Counts with log-normal scatter about the truth, the same on a day in every arm.
    """
    column = np.broadcast_to(np.floor(day).astype(np.int64) % NOISE_DAYS, (patients.n,))
    z = patients.noise.counts[np.arange(patients.n), column]
    log_sd = {name: np.sqrt(np.log1p(cv**2)) for name, cv in patients.count_cv.items()}
    return {
        name: count * np.exp(log_sd[name] * z[:, LINEAGES.index(name)])
        for name, count in counts.items()
    }


def _where(
    patients: VirtualPatients,
    times_h: npt.ArrayLike,
    mask: npt.ArrayLike,
    cycle: npt.ArrayLike,
    activity_gbq: npt.ArrayLike,
) -> tuple[FloatArray, npt.NDArray[np.intp], npt.NDArray[np.int64], FloatArray]:
    """Times, rows that are measured, and their cycles (from 0) and activities."""
    time = np.atleast_1d(np.asarray(times_h, dtype=np.float64))
    if time.ndim != 1 or len(time) > MAX_TIMES or not np.isfinite(time).all():
        raise HemadoseError(f"times_h must be at most {MAX_TIMES} finite times of one cycle (h)")
    rows = np.flatnonzero(np.broadcast_to(mask, (patients.n,)))
    number = np.broadcast_to(np.asarray(cycle), (patients.n,))[rows] - 1
    if ((number < 0) | (number >= patients.n_cycles)).any():
        raise HemadoseError(f"cycle must be from 1 to {patients.n_cycles}")
    activity = np.broadcast_to(np.asarray(activity_gbq, dtype=np.float64), (patients.n,))[rows]
    return time, rows, number, activity


def _filled(n: int, rows: npt.NDArray[np.intp], values: FloatArray) -> FloatArray:
    """Values in their rows, nan elsewhere."""
    out = np.full((n, values.shape[-1]), np.nan)
    out[rows] = values
    return out
