"""The loop of one arm, with a clinic, patients and a policy that do what the test says."""

from types import SimpleNamespace

import numpy as np
import pytest

from hemadose.planning.situation import HOLD, STOP, TREAT, Decisions
from hemadose.trials.course import Calendar, Measure, run_arm

CALENDAR = Calendar(
    interval_days=42.0,
    max_cycles=3,
    max_delay_days=60.0,
    recheck_days=10.0,
    count_interval_days=20.0,
    follow_up_days=84.0,
)


class Clinic:
    """Keeps what it is told; one situation a call."""

    def __init__(self):
        self.counts, self.cycles = [], []

    def record_counts(self, day, counts, mask):
        self.counts += [(int(i), float(day[i])) for i in np.flatnonzero(mask)]

    def record_cycle(self, mask, day, activity_gbq, regions, foci):
        self.cycles += [
            (int(i), float(day[i]), float(activity_gbq[i])) for i in np.flatnonzero(mask)
        ]

    def situation(self, day, rows):
        label = SimpleNamespace(rule_id=("lutathera.complete",) * len(rows))
        return SimpleNamespace(day=day, rows=rows, refusals=(), label=label, counts=())


class Truth:
    def __init__(self, n):
        self.day, self.given = np.zeros(n), []

    def counts_on(self, day):
        assert (day >= self.day).all()  # nobody is moved back in time
        self.day = day.copy()
        return {"platelets": day}

    def give(self, mask, day, activity_gbq):
        assert (day[mask] == self.day[mask]).all()
        self.given.append(mask.copy())

    def finish(self, day):
        self.day = day


def decisions(situation, action, day=None, who="policy"):
    n = len(situation.day)
    action = np.broadcast_to(action, n)
    return Decisions(
        action,
        np.where(action == TREAT, 7.4, 0.0),
        situation.day if day is None else day,
        (),
        np.empty((n, 0)),
        np.full(n, -1),
        np.full(n, who),
    )


def run(policy, n=2, drops_out=None, calendar=CALENDAR):
    clinic, true = Clinic(), Truth(n)
    measure = Measure(counts=lambda counts, day: counts, cycle=lambda mask, k, a: ({}, None))
    drops = np.zeros((n, 3), dtype=bool) if drops_out is None else drops_out
    book = run_arm(clinic, true, policy, measure=measure, drops_out=drops, calendar=calendar)
    return book, clinic, true


@pytest.fixture(autouse=True)
def _plain_situations(monkeypatch):
    from hemadose.trials import course

    monkeypatch.setattr(course, "take_patients", lambda situation, rows: situation)


def test_who_is_always_treated_completes_in_time():
    book, clinic, true = run(lambda s: decisions(s, TREAT), n=1)
    assert [cycle[1:] for cycle in clinic.cycles] == [(0.0, 7.4), (42.0, 7.4), (84.0, 7.4)]
    days = [0, 20, 40, 42, 62, 82, 84, 104, 124, 126]  # and on each day of a decision
    assert [day for _, day in clinic.counts] == days
    assert book.ended_by.tolist() == ["completed"]
    assert book.delay_days.tolist() == [0.0]
    assert true.day.tolist() == [84.0 + 84.0]


def test_a_hold_delays_and_a_later_day_is_decided_again():
    def policy(situation):
        held = (situation.day == 42.0) & (situation.rows == 0)
        waits = (situation.day == 42.0) & (situation.rows == 1)
        found = decisions(situation, np.where(held, HOLD, TREAT))
        found.day[:] = np.where(waits, 49.0, np.where(held, np.nan, situation.day))
        return found

    book, clinic, _ = run(lambda s: policy(SimpleNamespace(**(vars(s) | {"day": s.day.copy()}))))
    assert [c[1] for c in clinic.cycles if c[0] == 0] == [0.0, 52.0, 94.0]
    assert [c[1] for c in clinic.cycles if c[0] == 1] == [0.0, 49.0, 91.0]
    assert book.delay_days.tolist() == [10.0, 7.0]
    assert book.tallies["decisions"].tolist() == [4, 4]


def test_who_is_held_for_too_long_ends():
    book, clinic, _ = run(lambda s: decisions(s, np.where(s.day < 42, TREAT, HOLD)), n=1)
    assert book.ended_by.tolist() == ["delay"]
    assert len(clinic.cycles) == 1
    assert book.day[0] - book.due_day[0] == 70.0  # the first recheck after 60 days


def test_who_leaves_is_not_asked_about():
    drops = np.array([[True, True, False], [False, False, True]])  # the first column is not used
    book, _, true = run(lambda s: decisions(s, TREAT), drops_out=drops)
    assert book.n_cycles.tolist() == [1, 2]
    assert book.ended_by.tolist() == ["dropout", "dropout"]
    assert true.day.tolist() == [84.0, 42.0 + 84.0]


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ("policy", "policy"),
        ("label", "completed"),
        ("delay", "delay"),
        ("cycles", "completed"),
        ("refusal", "refusal"),
    ],
)
def test_the_reason_of_a_stop_is_noted(who, reason):
    book, _, _ = run(lambda s: decisions(s, STOP, who=who))
    assert book.ended_by.tolist() == [reason, reason]
    assert book.n_cycles.tolist() == [0, 0]
    assert np.isnan(book.last_day).all()


def test_a_policy_that_never_ends_is_an_error():
    endless = Calendar(42.0, 3, np.inf, 10.0, 20.0, 84.0)
    with pytest.raises(RuntimeError, match="did not end"):
        run(lambda s: decisions(s, HOLD), calendar=endless)
