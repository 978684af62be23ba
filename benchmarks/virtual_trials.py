"""Virtual trials: patients per second and core, against one study's tools, and two workers.

What more than two cores would do is argued, not measured. Chunks of patients are independent:
each draws its patients from their own seeds, no chunk waits for another, and nothing is reduced
in parallel (summaries read the chunks in order afterwards), so that results do not change by a
bit with the number of workers. A chunk of 100 patients and five arms takes seconds and returns
about 0.1 MB, which the parent writes as one file; at 100 chunks a second it would still write no
more than 10 MB/s. Each worker holds one chunk (tens of MB) beside the libraries (some 250 MB), and
no large array crosses between processes. What limits the gain is the start of the workers
(seconds of imports, once), the last chunks (as many as workers should fit many times into the
trial), and shared memory bandwidth and clock, which the two workers below already feel.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import announce, process_seconds, require, row
from hemadose.planning.policies import PlanningLimits
from hemadose.trials.clinic.kinetic_surrogate import Schedule
from hemadose.trials.clinic.records import Clinic
from hemadose.trials.parts import simulate_chunk
from hemadose.trials.patients.cohorts import cohort
from hemadose.trials.patients.measured import measure_activity, measure_counts
from hemadose.trials.patients.true_course import TrueCourse
from hemadose.trials.patients.virtual_patients import draw_patients
from hemadose.trials.runs.backends import processes
from hemadose.trials.runs.run import run_trial
from hemadose.trials.settings import TrialSettings
from kinetics import SumOfExponentials
from radiobio import CountParameters, advance_counts, fit_counts, lineage_prior
from radiobio.counts.course import count_rates

CHUNK, N_CYCLES, GBQ, INTERVAL_D = 100, 6, 7.4, 42.0
TIMES_H = (1.0, 4.0, 24.0, 72.0)
N_LINEAGES, N_DRAWS, N_ACTIVITIES = 4, 64, 10  # of the decision by one study's tools
TRIED = 6  # courses by solve_ivp from which the others are extrapolated
HORIZON_H = 84 * 24.0


def virtual_trial_rows() -> None:
    """Six adaptive cycles of PSMA-617, a decision by one study's tools, one and two workers."""
    announce("virtual trials: 100 patients through six adaptive cycles, then 600 on workers")
    clinic = _followed(8)
    shift, fit_s = _full_fit(clinic)
    require(shift < 0.5, f"kill of the first patient differs by {shift:.2f} sd")
    gap, course_s = _by_solve_ivp(clinic)
    require(gap < 0.01, f"lowest counts differ by {gap:.2%} from those of solve_ivp")
    decision_s = N_LINEAGES * (fit_s + N_DRAWS * N_ACTIVITIES * course_s)
    ours_s = process_seconds(lambda: simulate_chunk(_trial(CHUNK), range(CHUNK))) / CHUNK
    row(
        "virtual patient, 6 cycles, 4 samples + foci",
        ours_s,
        {"fit_counts + solve_ivp (extrapolated)": N_CYCLES * decision_s},
        f"{1 / ours_s:.0f} patients/s/core; kill within {shift:.2f} sd, nadirs {gap:.1e}; instead: "
        f"{N_LINEAGES} lineages, {N_DRAWS} draws x {N_ACTIVITIES} activities, from {TRIED} courses",
    )
    _scaling_row()


def _trial(patients: int) -> TrialSettings:
    arm = {
        "name": "adaptive",
        "policy": "overdose_control",
        "label": "pluvicto",
        "label_scope": "toxicity",
        "schedule": {
            "blood_samples_h": TIMES_H,
            "foci": {"times_h": (1.0, 4.0, 24.0), "cells": 100},
        },
    }
    return TrialSettings.model_validate(
        {
            "schema": 1,
            "name": "benchmark",
            "patients": patients,
            "chunk": CHUNK,
            "cohort": {"name": "PSMA-617"},
            "planned_cycles": N_CYCLES,
            "limits": {
                "marrow_dose_tolerance": 0.25,
                "max_activity_gbq": 11.1,
                "max_cycles": N_CYCLES,
            },
            "arms": (arm,),
        }
    )


def _scaling_row() -> None:
    """Weak scaling by wall clock: half the patients on one worker, all on two."""
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    print(f"machine: {cores} cores, load {load:.1f} before the workers start", flush=True)
    seconds = {}
    for workers, patients in ((1, 2 * CHUNK), (2, 4 * CHUNK)):
        _run(workers, workers * CHUNK)  # starts the workers and fills their caches
        start = time.perf_counter()
        _run(workers, patients)
        seconds[workers] = (time.perf_counter() - start) / patients
    row(
        "virtual patient, 2 workers (wall clock)",
        seconds[2],
        {"1 worker, half the patients": seconds[1]},
        f"weak scaling {seconds[1] / seconds[2] / 2:.0%}, load {load:.1f} on {cores} cores",
    )


def _run(workers: int, patients: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_trial(
            _trial(patients),
            Path(folder) / "out",
            simulate=simulate_chunk,
            backend=processes(workers),
        )


def _followed(n: int) -> Clinic:
    """Six cycles of one activity, four blood samples each, counts every week."""
    schedule, everyone = Schedule((("blood", TIMES_H),)), np.ones(n, dtype=bool)
    patients = draw_patients(cohort("PSMA-617"), np.arange(n), seed=1)
    clinic = Clinic(
        patients.cohort,
        patients.covariates,
        schedule=schedule,
        limits=PlanningLimits(),
        label=None,
    )
    true = TrueCourse(patients)
    for cycle in range(1, N_CYCLES + 1):
        day = (cycle - 1) * INTERVAL_D
        for count_day in [day] if cycle == 1 else day - np.arange(35.0, -7.0, -7.0):
            at = np.full(n, count_day)
            clinic.record_counts(at, measure_counts(patients, true.counts_on(at), at), everyone)
        true.give(everyone, day, GBQ)
        blood = measure_activity(
            patients, cycle=cycle, activity_gbq=GBQ, region="blood", times_h=TIMES_H
        )
        clinic.record_cycle(everyone, np.full(n, day), np.full(n, GBQ), {"blood": blood})
    return clinic


def _full_fit(clinic: Clinic) -> tuple[float, float]:
    """Kill of the first patient against `fit_counts` with known doses (sd), and its time."""
    update = clinic.counts[0]
    prior = lineage_prior("platelets", update.prior.dose_method)
    prior.log_mean[:] = update.prior.log_mean[0]
    dose_gy = clinic.doses.marrow(np.array([0]))[0][0]
    rate = 1.0 / clinic.doses.marrow_time_h[0]
    given = [
        (k * INTERVAL_D, SumOfExponentials(np.array([dose * r]), np.array([r])))
        for k, (dose, r) in enumerate(zip(dose_gy, rate, strict=True))
    ]

    def kill() -> np.ndarray:
        rng = np.random.default_rng(1)
        fit = fit_counts(prior, given, day=update.day[0], count=update.count[0], rng=rng)
        return np.log(fit.parameters.kill_per_gy)

    full = kill()
    day = np.full(clinic.n, N_CYCLES * INTERVAL_D)
    ours = np.log(clinic.situation(day).counts[0].parameters.kill_per_gy[0])
    return float(abs(ours.mean() - full.mean()) / full.std()), process_seconds(kill)


def _by_solve_ivp(clinic: Clinic) -> tuple[float, float]:
    """Largest relative gap of a few lowest counts, and the time of one course."""
    from scipy.integrate import solve_ivp

    draws = clinic.situation(np.full(clinic.n, N_CYCLES * INTERVAL_D)).counts[0]
    rate = draws.rate_per_gbq.scaled(GBQ)
    ours = advance_counts(draws.parameters, draws.state, dose_rate=rate, span_h=HORIZON_H).lowest

    def lowest(draw: int) -> float:
        chain: CountParameters = draws.parameters[0, draw]
        k, loss, gamma, kill, reserve, _ = count_rates(chain).tolist()
        amplitude, decay = rate.amplitude[0, draw], rate.rate_per_h[0, draw]

        def slope(t: float, y: np.ndarray) -> list[float]:
            dose_rate = float((amplitude * np.exp(-decay * t)).sum())
            drive = (y[4] / np.exp(y[5])) ** -gamma
            return [
                k * (drive - 1.0) - kill * dose_rate,
                k * (np.exp(y[0]) - y[1]),
                k * (y[1] - y[2]),
                k * (y[2] - y[3]),
                loss * (y[3] - y[4]),
                -reserve * dose_rate,
            ]

        times = np.linspace(0.0, HORIZON_H, 500)
        found = solve_ivp(
            slope, (0.0, HORIZON_H), draws.state[0, draw], t_eval=times, rtol=1e-6, atol=1e-8
        )
        return float(found.y[4].min() * chain.baseline)

    gap = max(abs(lowest(i) / ours[0, i] - 1.0) for i in range(TRIED))
    return float(gap), process_seconds(lambda: [lowest(i) for i in range(TRIED)]) / TRIED
