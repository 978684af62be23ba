"""Beliefs of the clinic against the truth of many patients, and against sampling of the model."""

import numpy as np
import pytest
from scipy.stats import kstest

from hemadose.trials.patients.measured import measure_counts
from radiobio import fit_counts, lineage_prior, simulate_counts

from .clinic_world import GBQ, INTERVAL_D, SCHEDULES, log_nadir, measured, treated, world

N_START, N_CHAINS, N_STEPS, STEP = 4000, 400, 120, 0.3
NAMES = ("DOTATATE", "PSMA-617", "PSMA-I&T")


def inside(draws, truth):
    """Share of patients whose truth lies in the 90 % interval of the draws."""
    low, high = np.quantile(draws, [0.05, 0.95], axis=1)
    return ((truth > low) & (truth < high)).mean()


def coverage(name, schedule, *, n, cycles, n_draws):
    """Coverage of the doses of the next cycle and of the nadir after it, and the SDs."""
    kept = {}

    def before(cycle, clinic, true, patients):
        if cycle == cycles + 1:
            for lineage, (draws, _) in kept["nadir"].items():
                kept[lineage] = inside(draws, np.log(true.lowest_since_cycle[lineage]))
            return
        if cycle != cycles:
            return
        situation = clinic.situation(np.full(n, (cycle - 1) * INTERVAL_D))
        for dose, draws in (
            ("marrow", situation.marrow_gy_per_gbq),
            ("kidney", situation.kidney_gy_per_gbq),
            ("tumour", situation.tumour_gy_per_gbq[..., 0]),
        ):
            truth = patients.per_gbq[f"{dose}_dose"][:, cycle - 1].integral()
            kept[dose] = inside(draws, truth)
            kept[f"{dose} sd"] = np.log(draws).std(1).mean()
        nadirs = {c.lineage: log_nadir(c) for c in situation.counts}
        kept["nadir"] = {k: (v, v.std(1).mean()) for k, v in nadirs.items()}

    treated(name, SCHEDULES[schedule], n=n, cycles=cycles, seed=5, n_draws=n_draws, before=before)
    return kept


def check(found, *, n):
    # 90 %, four standard errors and up to 3 % for what the Gaussian forms leave out
    lowest = 0.9 - 0.03 - 4 * np.sqrt(0.09 / n)
    for quantity in ("marrow", "kidney", "tumour", "platelets", "haemoglobin", "neutrophils"):
        assert lowest < found[quantity], (quantity, found[quantity])
    assert found["marrow"] < 0.99


def test_intervals_cover_the_truth_of_100_patients():
    check(coverage("DOTATATE", "foci", n=100, cycles=3, n_draws=128), n=100)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
@pytest.mark.parametrize("name", NAMES)
def test_intervals_cover_the_truth_of_300_patients(name, schedule):
    found = coverage(name, schedule, n=300, cycles=3, n_draws=256)
    print(name, schedule, {k: np.round(v, 3) for k, v in found.items() if k != "nadir"})
    print({k: round(v[1], 3) for k, v in found["nadir"].items()})
    check(found, n=300)


@pytest.mark.parametrize("name", ["DOTATATE", "PSMA-I&T"])
def test_ranks_of_true_doses_are_uniform(name):
    """Simulation-based calibration of the dose layer: marrow, kidneys, tumour so far."""
    n = 120
    _, true, clinic = treated(name, SCHEDULES["foci"], n=n, cycles=2, n_draws=128)
    situation = clinic.situation(np.full(n, 84.0))
    for draws, truth in (
        (situation.marrow_dose_gy, true.marrow_dose_gy),
        (situation.kidney_dose_gy, true.kidney_dose_gy),
        (situation.tumour_dose_gy, true.tumour_dose_gy),
    ):
        rank = (draws < truth[:, None]).mean(1)
        assert kstest(rank, "uniform").pvalue > 1e-3


def exact_draws(clinic, patient, cohort, samples, foci, schedule, *, rng):
    """Metropolis on the cohort's own curves after one cycle: 500 chains, started by importance.

    The moves leave a wide Gaussian about the clinic's belief unchanged (preconditioned
    Crank-Nicolson), so that only the ratio of the exact density to it decides.
    """
    update = clinic.doses
    prior, varying = update.prior, update.surrogate.varying
    who = varying[prior.log_sd_patient[varying] > 0]
    when = varying[prior.log_sd_cycle[varying] > 0]
    sd = np.concatenate(
        [prior.log_sd_patient[who], [prior.background_log_sd], prior.log_sd_cycle[when]]
    )
    k = update.n_patient
    root = np.diag(sd)
    root[:k, :k] = 1.1 * np.linalg.cholesky(update.covariance[patient, :k, :k])
    mean = np.zeros(len(sd))
    mean[:k] = update.mean[patient, :k]
    mean[k - 1] -= prior.background_log_mean
    time = np.array(schedule.foci_times_h)
    offset = cohort.log_median + prior.log_offset[patient]

    def curves_at(normal):
        u = mean + normal @ root.T
        log_parameter = np.tile(offset, (len(u), 1))
        log_parameter[:, who] += u[:, : k - 1]
        log_parameter[:, when] += u[:, k:]
        return u, log_parameter, cohort.curves(log_parameter, activity_gbq=GBQ, cycle=1)

    def log_ratio(normal):
        u, log_parameter, curves = curves_at(normal)
        total = 0.5 * (normal**2).sum(1) - 0.5 * ((u / sd) ** 2).sum(1)
        column = 0
        for region, times in schedule.activity:
            value = curves[region](np.array(times))
            here = slice(column, column + len(times))
            cv = np.hypot(prior.sample_cv[here], prior.sample_sd[here] / value)
            variance = np.log1p(cv**2)
            gap = np.log(samples[region][patient]) - np.log(value)
            total -= 0.5 * (gap**2 / variance + np.log(variance)).sum(1)
            column += len(times)
        induced = cohort.foci_of(log_parameter, curves["blood_dose"], np.maximum(time, 0.0))
        spontaneous = np.exp(prior.background_log_mean + u[:, k - 1])
        expected = schedule.foci_cells * (np.where(time > 0, induced, 0.0) + spontaneous[:, None])
        return total + (foci[patient] * np.log(expected) - expected).sum(1)

    first = rng.standard_normal((N_START, len(sd)))
    height = log_ratio(first)
    weight = np.exp(height - height.max())
    chosen = rng.choice(N_START, size=N_CHAINS, p=weight / weight.sum())
    at, height, kept, accepted = first[chosen], height[chosen], [], []
    for step in range(N_STEPS):
        tried = np.sqrt(1 - STEP**2) * at + STEP * rng.standard_normal(at.shape)
        new = log_ratio(tried)
        accept = np.log(rng.random(N_CHAINS)) < new - height
        at, height = np.where(accept[:, None], tried, at), np.where(accept, new, height)
        accepted.append(accept.mean())
        if step % 20 == 19 and step >= N_STEPS // 2:
            kept.append(at)
    return curves_at(np.concatenate(kept))[2], float(np.mean(accepted))


def agreement(name, *, n_patients):
    """Differences of mean (in SDs) and ratio of SDs, against sampling of the exact model."""
    schedule, rng = SCHEDULES["foci"], np.random.default_rng(12)
    patients, true, clinic = world(name, schedule, n=n_patients, n_draws=512)
    everyone = np.ones(n_patients, dtype=bool)
    samples, foci = measured(patients, schedule, 1)
    day, gbq = np.zeros(n_patients), np.full(n_patients, GBQ)
    true.give(everyone, day, gbq)
    clinic.record_cycle(everyone, day, gbq, samples, foci)
    count_days = (7.0, 21.0, 35.0, 42.0)
    counts = []
    for count_day in count_days:
        at = np.full(n_patients, count_day)
        counts.append(measure_counts(patients, true.counts_on(at), at))
        clinic.record_counts(at, counts[-1], everyone)
    situation = clinic.situation(np.full(n_patients, 42.0))
    platelets = situation.counts[0]
    found = []
    for i in range(n_patients):
        curves, accepted = exact_draws(clinic, i, patients.cohort, samples, foci, schedule, rng=rng)
        pairs = {
            "marrow": (situation.marrow_dose_gy[i], curves["marrow_dose"].integral()),
            "kidney": (situation.kidney_dose_gy[i], curves["kidney_dose"].integral()),
        }
        prior = clinic.counts[0].prior
        own = lineage_prior("platelets", prior.dose_method)
        own.log_mean[:] = prior.log_mean[i]
        fit = fit_counts(
            own,
            [(0.0, curves["marrow_dose"])],
            day=count_days,
            count=[c["platelets"][i] for c in counts],
            rng=rng,
            n_draws=1000,
        )
        days = np.linspace(0.0, 120.0, 241)
        course = simulate_counts(
            fit.parameters, [(0.0, curves["marrow_dose"][fit.dose_index])], days
        )
        ours = simulate_counts(
            platelets.parameters[i],
            [(0.0, platelets.remaining_rate[i])],
            days[days >= 42.0] - 42.0,
            initial_state=platelets.state[i],
            initial_day=0.0,
        )
        pairs["nadir"] = (ours.nadir(), course.count[:, days >= 42.0].min(1))
        for quantity, (a, b) in pairs.items():
            a, b = np.log(a), np.log(b)
            found.append((quantity, (a.mean() - b.mean()) / b.std(), a.std() / b.std(), accepted))
    return found


def check_agreement(found):
    for quantity, shift, ratio, accepted in found:
        assert 0.05 < accepted < 0.9, (quantity, accepted)
        assert abs(shift) < 0.3, (quantity, shift)
        assert 0.75 < ratio < 1.3, (quantity, ratio)


def test_a_patient_agrees_with_sampling_of_the_exact_model():
    check_agreement(agreement("DOTATATE", n_patients=1))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_five_patients_agree_with_sampling_of_the_exact_model(name):
    found = agreement(name, n_patients=5)
    for row in found:
        print(name, row[0], *np.round(row[1:], 3))
    check_agreement(found)
