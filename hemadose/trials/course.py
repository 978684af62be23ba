"""One arm of one chunk: counts, decision, administration, again and again until all have ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from hemadose.planning.policies.subsets import take_patients
from hemadose.planning.situation import (
    STOP,
    TREAT,
    Decisions,
    FloatArray,
    IntArray,
    Policy,
    Situation,
)

if TYPE_CHECKING:
    from hemadose.trials.clinic.records import Clinic
    from hemadose.trials.patients.true_course import TrueCourse

BoolArray = npt.NDArray[np.bool_]

DECIDERS = ("policy", "label", "cap", "coherence", "refusal", "cycles", "delay")
LEVELS = (0.05, 0.95)  # of the clinic's 90 % intervals
_MAX_ROUNDS = 500


@dataclass(frozen=True)
class Calendar:
    """How patients are followed and when a cycle is decided.

    Attributes
    ----------
    interval_days : float
        Scheduled days from one cycle to the next decision.
    max_cycles : int
        No arm gives more.
    max_delay_days : float
        A cycle later than this ends treatment.
    recheck_days : float
        A held cycle is decided again after these days.
    count_interval_days : float
        Days between blood counts.
    follow_up_days : float
        Days watched after the last cycle.
    checked_lineages : tuple of str
        Lineages whose predicted nadir is compared with the true one.
    """

    interval_days: float
    max_cycles: int
    max_delay_days: float
    recheck_days: float
    count_interval_days: float
    follow_up_days: float
    checked_lineages: tuple[str, ...] = ()


class Measure(NamedTuple):
    """What a clinic can measure.

    ``counts(counts, day)`` adds the errors of measurement to true counts by lineage, shape (n,).
    ``cycle(mask, number, activity_gbq)`` returns the activities by region, shape (n, n_times),
    and the foci counted, after a cycle of some patients; nan for the others.
    """

    counts: Callable[[Mapping[str, FloatArray], FloatArray], Mapping[str, FloatArray]]
    cycle: Callable[
        [BoolArray, IntArray, FloatArray], tuple[Mapping[str, FloatArray], FloatArray | None]
    ]


class _Round(NamedTuple):
    """Who was decided on, what was known of them, and what was answered."""

    rows: IntArray
    situation: Situation
    decisions: Decisions


@dataclass(eq=False)
class Book:
    """What is noted of n patients in the course of an arm."""

    n: int
    max_cycles: int
    active: BoolArray = field(init=False)
    n_cycles: IntArray = field(init=False)
    given_gbq: FloatArray = field(init=False)  # (n, max_cycles)
    last_day: FloatArray = field(init=False)  # of the last cycle; nan before the first
    day: FloatArray = field(init=False)  # of the next decision
    due_day: FloatArray = field(init=False)  # on which the next cycle is scheduled
    count_day: FloatArray = field(init=False)  # of the last blood count
    delay_days: FloatArray = field(init=False)
    ended_by: npt.NDArray[np.str_] = field(init=False)
    tallies: dict[str, IntArray] = field(default_factory=dict)
    nadir: dict[str, FloatArray] = field(default_factory=dict)  # (n, 2) predicted interval

    def __post_init__(self) -> None:
        self.active = np.ones(self.n, dtype=bool)
        self.n_cycles = np.zeros(self.n, dtype=np.int64)
        self.given_gbq = np.zeros((self.n, self.max_cycles))
        self.last_day = np.full(self.n, np.nan)
        self.day, self.due_day = np.zeros(self.n), np.zeros(self.n)
        self.count_day = np.full(self.n, -np.inf)
        self.delay_days = np.zeros(self.n)
        self.ended_by = np.full(self.n, "", dtype="U10")
        for name in ("decisions", "refused", *(f"decided_{who}" for who in DECIDERS)):
            self.tallies[name] = np.zeros(self.n, dtype=np.int64)

    def tick(self, name: str, rows: IntArray) -> None:
        """Count one more of something in each of the rows."""
        self.tallies.setdefault(name, np.zeros(self.n, dtype=np.int64))[rows] += 1

    def end(self, rows: IntArray | BoolArray, reason: str) -> None:
        """End the treatment of patients."""
        self.active[rows] = False
        self.ended_by[rows] = reason


def run_arm(
    clinic: Clinic,
    true: TrueCourse,
    policy: Policy,
    *,
    measure: Measure,
    drops_out: BoolArray,
    calendar: Calendar,
) -> Book:
    """Treat all patients of a chunk under one arm.

    Parameters
    ----------
    clinic : Clinic
        What is inferred; it sees measurements only.
    true : TrueCourse
        What happens to the patients.
    policy : Policy
        Decides.
    measure : Measure
        Measurements with their errors.
    drops_out : ndarray of bool, shape (n, >= max_cycles)
        Whether a patient leaves before a cycle; the first column is not used.
    calendar : Calendar
        Days and bounds.

    Returns
    -------
    Book
        Cycles, activities, days and reasons; `true` holds the outcomes.
    """
    book = Book(len(drops_out), calendar.max_cycles)
    for _ in range(_MAX_ROUNDS):
        if not book.active.any():
            break
        _watch(book, clinic, true, measure, calendar)
        _check_nadirs(book, true)
        _end_before_decision(book, drops_out, calendar)
        rows = np.flatnonzero(book.active)
        if rows.size:
            situation = clinic.situation(book.day[rows], rows)
            asked = _Round(rows, situation, policy(situation))
            _note(book, asked)
            given = _act(book, asked, calendar)
            if given.size:
                activity_gbq = _schedule(book, asked, given, calendar)
                _give(book, clinic, true, measure, activity_gbq)
    else:
        raise RuntimeError(f"an arm did not end within {_MAX_ROUNDS} rounds of decisions")
    true.finish(np.fmax(book.last_day + calendar.follow_up_days, book.day))
    return book


def _watch(
    book: Book, clinic: Clinic, true: TrueCourse, measure: Measure, calendar: Calendar
) -> None:
    """Count the blood at the interval up to the decision day, and on that day."""
    now = np.where(np.isfinite(book.count_day), book.count_day, 0.0)
    while True:
        following = book.count_day + calendar.count_interval_days
        first = ~np.isfinite(book.count_day)
        mask = book.active & (first | (book.count_day < book.day))
        if not mask.any():
            return
        day = np.where(first, book.day, np.minimum(following, book.day))
        now = np.where(mask, day, now)
        counts = measure.counts(true.counts_on(now), now)
        clinic.record_counts(now, counts, mask)
        book.count_day[mask] = now[mask]


def _check_nadirs(book: Book, true: TrueCourse) -> None:
    """Compare the true nadir of the cycle with what was predicted when it was given."""
    for lineage, interval in book.nadir.items():
        waiting = np.isfinite(interval[:, 0]) & (book.day >= book.due_day) & book.active
        lowest = true.lowest_since_cycle[lineage]
        covered = waiting & (lowest >= interval[:, 0]) & (lowest <= interval[:, 1])
        book.tick(f"nadir_{lineage}", np.flatnonzero(waiting))
        book.tick(f"nadir_covered_{lineage}", np.flatnonzero(covered))
        interval[waiting] = np.nan


def _end_before_decision(book: Book, drops_out: BoolArray, calendar: Calendar) -> None:
    every = np.arange(book.n)
    leaves = (book.n_cycles > 0) & drops_out[every, np.minimum(book.n_cycles, book.max_cycles - 1)]
    done = book.n_cycles >= calendar.max_cycles
    late = book.day - book.due_day > calendar.max_delay_days
    for mask, reason in ((done, "completed"), (leaves, "dropout"), (late, "delay")):
        book.end(book.active & mask, reason)


def _note(book: Book, asked: _Round) -> None:
    """Note who decided, what bound and what was refused."""
    rows, situation, decisions = asked
    book.tick("decisions", rows)
    for who in sorted(set(decisions.decided_by.tolist())):
        book.tick(f"decided_{who}", rows[decisions.decided_by == who])
    for place, name in enumerate(decisions.constraint_names):
        book.tick(f"binding_{name.replace(' ', '_')}", rows[decisions.binding == place])
    if situation.refusals:
        book.tick("refused", rows[np.array([bool(text) for text in situation.refusals])])


def _act(book: Book, asked: _Round, calendar: Calendar) -> IntArray:
    """End or postpone what is not treated today; return the places that are."""
    rows, situation, decisions = asked
    stops = decisions.action == STOP
    for place in np.flatnonzero(stops):
        book.end(rows[[place]], _reason(situation, decisions, int(place)))
    given = (decisions.action == TREAT) & (decisions.day <= situation.day)
    waits = ~stops & ~given
    recheck = situation.day + calendar.recheck_days
    later = np.where(decisions.day > situation.day, decisions.day, recheck)
    book.day[rows[waits]] = later[waits]
    return np.flatnonzero(given)


def _reason(situation: Situation, decisions: Decisions, place: int) -> str:
    """Why a treatment was stopped, as a word of `ended_by`."""
    who = str(decisions.decided_by[place])
    if who == "label":
        return "completed" if situation.label.rule_id[place].endswith(".complete") else "label"
    return {"cycles": "completed", "delay": "delay", "refusal": "refusal"}.get(who, "policy")


def _schedule(book: Book, asked: _Round, given: IntArray, calendar: Calendar) -> FloatArray:
    """Write today's cycles into the book and predict their nadirs; return the activities (n,)."""
    rows, situation, decisions = asked
    treated = rows[given]
    activity = np.zeros(book.n)
    activity[treated] = decisions.activity_gbq[given]
    _predict_nadirs(book, take_patients(situation, given), treated, activity[treated], calendar)
    book.given_gbq[treated, book.n_cycles[treated]] = activity[treated]
    book.n_cycles[treated] += 1
    book.delay_days[treated] += book.day[treated] - book.due_day[treated]
    book.last_day[treated] = book.day[treated]
    book.day[treated] += calendar.interval_days
    book.due_day[treated] = book.day[treated]
    return activity


def _give(
    book: Book, clinic: Clinic, true: TrueCourse, measure: Measure, activity_gbq: FloatArray
) -> None:
    """Administer, and measure what the schedule asks for."""
    mask = activity_gbq > 0
    day = np.where(mask, book.last_day, 0.0)
    true.give(mask, day, activity_gbq)
    regions, foci = measure.cycle(mask, np.maximum(book.n_cycles, 1), activity_gbq)
    clinic.record_cycle(mask, day, activity_gbq, regions, foci)


def _predict_nadirs(
    book: Book,
    situation: Situation,
    rows: IntArray,
    activity_gbq: FloatArray,
    calendar: Calendar,
) -> None:
    """Predict the lowest count from this administration to the next decision."""
    from radiobio.counts import advance_counts

    for draws in situation.counts:
        if draws.lineage not in calendar.checked_lineages:
            continue
        run = advance_counts(
            draws.parameters,
            draws.state,
            dose_rate=draws.remaining_rate + draws.rate_per_gbq.scaled(activity_gbq[:, None]),
            span_h=24.0 * calendar.interval_days,
        )
        interval = book.nadir.setdefault(draws.lineage, np.full((book.n, 2), np.nan))
        interval[rows] = np.quantile(run.lowest, LEVELS, axis=-1).T
