"""What truly happens to virtual patients under the activities that they are given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from hemadose.errors import HemadoseError
from hemadose.trials.patients.virtual_patients import VirtualPatients
from kinetics import SumOfExponentials
from kinetics.curves import FloatArray
from radiobio import CountParameters, ctcae_grade
from radiobio.counts import advance_counts, steady_state
from radiobio.toxicity import GRADE3_LIMIT

_FORGOTTEN_GY = 1e-12  # dose to come below which a term of the dose rate is dropped
_H_PER_DAY = 24.0


class TrueCourse:
    """Marrow, blood counts and doses of n virtual patients, moved on through one arm of a trial.

    Parameters
    ----------
    patients : VirtualPatients
        Who they are.
    count_days : bool
        Whether the days with grade 3 or more are counted.

    Attributes
    ----------
    day : ndarray, shape (n,)
        Present day of each patient, from day 0.
    cycle : ndarray of int, shape (n,)
        Cycles given so far.
    activity_gbq, marrow_dose_gy, kidney_dose_gy, kidney_bed_gy, tumour_dose_gy : ndarray
        Totals of the cycles given so far, each to complete decay, shape (n,).
    cycle_activity_gbq : ndarray, shape (n, n_cycles)
        Activity of each cycle (GBq), 0 where none was given.

    Notes
    -----
    Counts follow `radiobio.counts.advance_counts`, so that the lowest count is that of the whole
    course, not of the days on which somebody looks. The BED of the kidneys adds over cycles:
    they are weeks apart, and sublethal damage is repaired within hours.

    Examples
    --------
    >>> from hemadose.trials.patients.cohorts import cohort
    >>> from hemadose.trials.patients.virtual_patients import draw_patients
    >>> course = TrueCourse(draw_patients(cohort("DOTATATE"), [0, 1], seed=7))
    >>> course.give([True, False], 0.0, 7.4)
    >>> course.finish(84.0)
    >>> course.cycle, bool(course.lowest["platelets"][0] < course.counts()["platelets"][1])
    (array([1, 0]), True)
    """

    def __init__(self, patients: VirtualPatients, *, count_days: bool = True) -> None:
        n, lineages = patients.n, tuple(patients.count_parameters)
        terms = patients.per_gbq["marrow_dose"].n_terms
        self.patients = patients
        self.lineages = lineages
        self.day = np.zeros(n)
        self.cycle = np.zeros(n, dtype=np.int64)
        self.cycle_activity_gbq = np.zeros((n, patients.n_cycles))
        self.activity_gbq, self.marrow_dose_gy, self.tumour_dose_gy = np.zeros((3, n))
        self.kidney_dose_gy, self.kidney_bed_gy = np.zeros((2, n))
        self._parameters = _stacked(patients.count_parameters)
        self._state = np.broadcast_to(steady_state(), (len(lineages), n, 6)).copy()
        self._lowest = self._parameters.baseline.copy()
        self._lowest_since_cycle = self._lowest.copy()
        self._days_grade3 = np.zeros((len(lineages), n))
        self._count_days = count_days
        self._limit = np.array([GRADE3_LIMIT[lineage] for lineage in lineages])[:, None]
        self._amplitude = np.zeros((n, patients.n_cycles, terms))
        self._rate = np.ones((n, patients.n_cycles, terms))

    def give(self, mask: npt.ArrayLike, day: npt.ArrayLike, activity_gbq: npt.ArrayLike) -> None:
        """Give the next cycle to some patients.

        Parameters
        ----------
        mask : array_like of bool, shape (n,)
            Who is treated.
        day, activity_gbq : array_like, shape (n,) or scalar
            Day of the administration, not before the patient's present day, and activity (GBq),
            zero or more; ignored where `mask` is false.

        Raises
        ------
        HemadoseError
            If a day lies in a patient's past, an activity is not legal, or no further cycle was
            drawn for a patient.
        """
        rows = np.flatnonzero(np.broadcast_to(mask, self.day.shape))
        given = np.broadcast_to(np.asarray(activity_gbq, dtype=np.float64), self.day.shape)[rows]
        if not (np.isfinite(given) & (given >= 0)).all():
            raise HemadoseError("activity_gbq must be finite and zero or more")
        number = self.cycle[rows]
        if (number >= self.patients.n_cycles).any():
            raise HemadoseError(f"patients were drawn for {self.patients.n_cycles} cycles")
        self._advance(rows, np.broadcast_to(day, self.day.shape)[rows])
        per_gbq = self.patients.per_gbq
        marrow = per_gbq["marrow_dose"][rows, number].scaled(given)
        self._amplitude[rows, number], self._rate[rows, number] = (
            marrow.amplitude,
            marrow.rate_per_h,
        )
        kidney = per_gbq["kidney_dose"][rows, number].integral() * given
        share = self.patients.kidney_protraction[rows, number]
        self.activity_gbq[rows] += given
        self.cycle_activity_gbq[rows, number] = given
        self.marrow_dose_gy[rows] += marrow.integral()
        self.tumour_dose_gy[rows] += per_gbq["tumour_dose"][rows, number].integral() * given
        self.kidney_dose_gy[rows] += kidney
        ratio = self.patients.truth.kidney_alpha_beta_gy
        self.kidney_bed_gy[rows] += kidney * (1 + share * kidney / ratio)
        self.cycle[rows] += 1
        present = self._state[:, rows, 4] * self._parameters.baseline[:, rows]
        self._lowest_since_cycle[:, rows] = present

    def counts_on(self, day: npt.ArrayLike) -> dict[str, FloatArray]:
        """Move on to a day and return the true counts there.

        Parameters
        ----------
        day : array_like, shape (n,) or scalar
            A patient whose day is its present one, or earlier, stays where it is.

        Returns
        -------
        dict of str to ndarray, shape (n,)
            Counts by lineage (1e9/L; haemoglobin g/L).
        """
        target = np.broadcast_to(np.asarray(day, dtype=np.float64), self.day.shape)
        rows = np.flatnonzero(target > self.day)
        self._advance(rows, target[rows])
        return self.counts()

    def finish(self, day: npt.ArrayLike) -> None:
        """Move on to the last day (n,), as `counts_on`."""
        self.counts_on(day)

    def counts(self) -> dict[str, FloatArray]:
        """True counts on each patient's present day, by lineage (n,)."""
        return self._by_lineage(self._state[..., 4] * self._parameters.baseline)

    @property
    def recovered(self) -> dict[str, FloatArray]:
        """Present count over the count without treatment, by lineage (n,)."""
        return self._by_lineage(self._state[..., 4])

    @property
    def lowest(self) -> dict[str, FloatArray]:
        """Lowest true count so far, by lineage (n,)."""
        return self._by_lineage(self._lowest)

    @property
    def lowest_since_cycle(self) -> dict[str, FloatArray]:
        """Lowest true count since the last administration, by lineage (n,)."""
        return self._by_lineage(self._lowest_since_cycle)

    @property
    def worst_grade(self) -> dict[str, FloatArray]:
        """Worst CTCAE v5.0 grade so far, by lineage (n,); 0 stands for grade 0 or 1."""
        return {k: np.nan_to_num(ctcae_grade(k, v)) for k, v in self.lowest.items()}

    @property
    def days_grade3(self) -> dict[str, FloatArray]:
        """Days with CTCAE v5.0 grade 3 or more so far, by lineage (n,)."""
        return self._by_lineage(self._days_grade3)

    def _by_lineage(self, values: FloatArray) -> dict[str, FloatArray]:
        return {name: values[row].copy() for row, name in enumerate(self.lineages)}

    def _advance(self, rows: npt.NDArray[np.intp], day: FloatArray) -> None:
        """Move some patients on to their days."""
        if not len(rows):
            return
        span_h = (day - self.day[rows]) * _H_PER_DAY
        if not (np.isfinite(span_h) & (span_h >= 0)).all():
            raise HemadoseError("a day must be finite and not before the patient's present day")
        rate = SumOfExponentials(
            self._amplitude[rows].reshape(len(rows), -1), self._rate[rows].reshape(len(rows), -1)
        )
        chain, before = self._parameters[:, rows], self._state[:, rows]
        ahead = advance_counts(chain, before, dose_rate=rate, span_h=span_h)
        self._state[:, rows] = ahead.state
        self._lowest[:, rows] = np.minimum(self._lowest[:, rows], ahead.lowest)
        self._lowest_since_cycle[:, rows] = np.minimum(
            self._lowest_since_cycle[:, rows], ahead.lowest
        )
        if self._count_days:
            low = np.nonzero(ahead.lowest < self._limit)
            days = _days_below(
                chain[low], before[low], rate[low[1]], span_h[low[1]], self._limit[low[0], 0]
            )
            self._days_grade3[low[0], rows[low[1]]] += days
        left = self._amplitude[rows] * np.exp(-self._rate[rows] * span_h[:, None, None])
        left[np.abs(left) < _FORGOTTEN_GY * self._rate[rows]] = 0.0
        self._amplitude[rows] = left
        self.day[rows] = day


def true_tolerance_gbq(
    patients: VirtualPatients,
    *,
    n_cycles: int,
    interval_days: float,
    marrow_dose_gy: float = np.inf,
    kidney_bed_gy: float = np.inf,
    max_activity_gbq: float = 30.0,
    watch_days: float = 84.0,
) -> FloatArray:
    """Highest activity per cycle that each patient truly tolerates, given equally often.

    Parameters
    ----------
    patients : VirtualPatients
        Who they are.
    n_cycles : int
        Number of equal cycles.
    interval_days : float
        Time between them (d).
    marrow_dose_gy, kidney_bed_gy : float
        Limits of the total marrow dose and kidney BED (Gy); infinite is no limit.
    max_activity_gbq : float
        Highest activity asked about (GBq); it is returned where nothing limits up to there.
    watch_days : float
        Time after the last cycle in which the counts are watched (d).

    Returns
    -------
    ndarray, shape (n,)
        Activity (GBq) per cycle up to which no lineage reaches CTCAE v5.0 grade 3 and no limit is
        passed, to 0.01 GBq; zero where a count is below the limit without any.

    Raises
    ------
    HemadoseError
        If the number of cycles exceeds what was drawn, or a number is not above zero.
    """
    if not 1 <= n_cycles <= patients.n_cycles:
        raise HemadoseError(f"n_cycles must be from 1 to {patients.n_cycles}, got {n_cycles}")
    if not min(interval_days, marrow_dose_gy, kidney_bed_gy, max_activity_gbq, watch_days) > 0:
        raise HemadoseError("days, limits and activities of a tolerance must be above zero")
    dose = {
        name: patients.per_gbq[name].integral()[:, :n_cycles]
        for name in ("marrow_dose", "kidney_dose")
    }
    linear = dose["kidney_dose"].sum(-1)
    square = (patients.kidney_protraction[:, :n_cycles] * dose["kidney_dose"] ** 2).sum(-1)
    square /= patients.truth.kidney_alpha_beta_gy
    # activity at which linear a + square a^2 reaches the limit, without cancellation
    root = np.sqrt(linear**2 / 4 + square * kidney_bed_gy)
    of_kidneys = kidney_bed_gy / (linear / 2 + root) if np.isfinite(kidney_bed_gy) else np.inf
    high = np.minimum(marrow_dose_gy / dose["marrow_dose"].sum(-1), max_activity_gbq)
    high = np.minimum(high, of_kidneys)

    def tolerated(activity_gbq: FloatArray) -> npt.NDArray[np.bool_]:
        course = TrueCourse(patients, count_days=False)
        for number in range(n_cycles):
            course.give(np.ones(patients.n, dtype=bool), number * interval_days, activity_gbq)
        course.finish((n_cycles - 1) * interval_days + watch_days)
        reached = [course.lowest[name] < GRADE3_LIMIT[name] for name in course.lineages]
        return np.asarray(~np.any(reached, axis=0))

    low = np.where(tolerated(high), high, 0.0)
    for _ in range(int(np.ceil(np.log2(max_activity_gbq / 0.01)))):
        middle = (low + high) / 2
        fine = tolerated(middle)
        low, high = np.where(fine, middle, low), np.where(fine, high, middle)
    return low


def _days_below(
    parameters: CountParameters,
    state: FloatArray,
    rate: SumOfExponentials,
    span_h: FloatArray,
    limit: FloatArray,
) -> FloatArray:
    """Days of a span, to whole days, on which a count is below the limit; shape (k,)."""
    if not len(span_h):
        return np.zeros(0)
    grid_h = _H_PER_DAY * np.arange(1, int(np.ceil(span_h.max() / _H_PER_DAY)) + 1)[:, None]
    ahead = advance_counts(parameters, state, dose_rate=rate, span_h=np.minimum(grid_h, span_h))
    below = ahead.state[..., 4] * parameters.baseline < limit
    return np.asarray((below & (grid_h <= span_h)).sum(0), dtype=np.float64)


def _stacked(parameters: Mapping[str, CountParameters]) -> CountParameters:
    """Parameters of all lineages, shape (n_lineages, n)."""
    names = ("baseline", "mean_transit_time_h", "feedback_exponent", "kill_per_gy",
             "circulating_loss_per_h", "reserve_loss_per_gy")  # fmt: skip
    shape = next(iter(parameters.values())).shape
    return CountParameters(
        *(
            np.stack([np.broadcast_to(getattr(own, n), shape) for own in parameters.values()])
            for n in names
        )
    )
