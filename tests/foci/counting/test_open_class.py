"""Cells of an open last class ("3+") count for less, and the results say so."""

import numpy as np
import pytest
from scipy import stats

from foci import (
    FociError,
    FociSample,
    RepairModel,
    blood_dose_from_foci,
    calibration_line,
    dose_from_curve,
    dose_posterior,
    draw_repair,
    merkle_dose,
    partial_body,
    update_draws,
)
from foci.counting.open_class import open_class_dispersion, open_class_words
from foci.sample_dose.partial_likelihood import log_likelihood_at
from kinetics import SumOfExponentials

LINE = calibration_line(14.7, 0.7, intercept_per_cell=0.2, intercept_sd=0.02)
BASELINE = FociSample(1, -1.0, 200, 40)
OPEN = FociSample(1, 1.0, 100, 170, (20, 30, 25, 25), open_last_class=True)
CLOSED = FociSample(1, 1.0, 100, 170)


def test_dispersion_is_the_variance_of_the_censored_mean_by_simulation():
    rng = np.random.default_rng(4)
    means = []
    grid = np.linspace(1.2, 2.3, 1101)
    logs = np.vstack([stats.poisson.logpmf(np.arange(3)[:, None], grid),
                      stats.poisson.logsf(2, grid)[None]])  # fmt: skip
    for _ in range(3000):
        cells = np.bincount(np.minimum(rng.poisson(1.7, 100), 3), minlength=4)
        means.append(grid[(cells @ logs).argmax()])
    expected = np.bincount(np.minimum(rng.poisson(1.7, 1_000_000), 3), minlength=4)
    sample = FociSample(1, 1.0, 1_000_000, 1_700_000, tuple(expected), open_last_class=True)
    phi = open_class_dispersion(sample)
    assert phi == pytest.approx(np.var(means) * 100 / 1.7, rel=0.08)  # 3000 draws: 2.6 %
    assert phi > 1.05


def test_without_open_cells_nothing_changes():
    empty = FociSample(1, 1.0, 75, 80, (20, 30, 25, 0), open_last_class=True)
    assert open_class_dispersion(CLOSED) == open_class_dispersion(empty) == 1.0
    assert open_class_words([CLOSED, empty]) == ()
    with pytest.raises(FociError, match="all"):
        open_class_dispersion(FociSample(1, 1.0, 10, 20, (0, 0, 10), open_last_class=True))


def test_every_dose_of_a_sample_is_widened_and_says_it():
    wider = np.sqrt(open_class_dispersion(OPEN))
    loose, tight = (dose_from_curve(s, LINE) for s in (OPEN, CLOSED))
    assert loose.per_cell_sd == pytest.approx(wider * tight.per_cell_sd)
    assert "not all of the 170 foci" in loose.assumptions[-1]
    loose, tight = (merkle_dose(s, LINE) for s in (OPEN, CLOSED))
    assert loose.interval_gy[1] > tight.interval_gy[1]
    assert "open last class" in loose.assumptions[-1]
    known = calibration_line(14.7, 1e-6, intercept_per_cell=0.2, intercept_sd=1e-6)
    loose, tight = (dose_posterior(s, known) for s in (OPEN, CLOSED))
    assert loose.sd_gy == pytest.approx(wider * tight.sd_gy, rel=0.01)
    assert "open last class" in loose.assumptions[-1]
    with pytest.raises(FociError, match="open"):
        dose_from_curve(OPEN, LINE, count_variance="empirical")


def test_doses_of_a_patient_say_it():
    rng = np.random.default_rng(1)
    repair = draw_repair(RepairModel(LINE), 500, rng)
    found = blood_dose_from_foci(
        [BASELINE, OPEN], SumOfExponentials([0.01], [0.1]), repair_draws=repair, rng=rng
    )
    assert "open last class" in found.assumptions[-1]
    assert any("variance 1 to 1.11" in words for words in found.assumptions)
    rate = {1: SumOfExponentials(0.1 * rng.lognormal(0, 0.4, (200, 1)), [[0.5]])}
    update = update_draws(rate, {1: [BASELINE, OPEN]}, RepairModel(LINE), rng=rng)
    assert "open last class" in update.assumptions[-1]


def test_a_mixture_takes_the_upper_tail_of_the_open_class():
    p, excess, background = np.array([0.3, 1.0]), np.array([2.0, 60.0]), np.array([0.4])
    value = log_likelihood_at(OPEN, BASELINE, p, excess, background)
    for i, share in enumerate(p):
        for j, y in enumerate(excess):
            classes = [
                share * stats.poisson.pmf(k, 0.4 + y) + (1 - share) * stats.poisson.pmf(k, 0.4)
                for k in range(3)
            ]
            tail = share * stats.poisson.sf(2, 0.4 + y) + (1 - share) * stats.poisson.sf(2, 0.4)
            twin = np.array(OPEN.distribution) @ np.log([*classes, tail])
            twin += 40 * np.log(0.4) - 200 * 0.4
            assert value[i, j, 0] == pytest.approx(twin, rel=1e-10)


def test_partial_body_from_open_counts_agrees_with_all_counts():
    rng = np.random.default_rng(9)
    cells = np.where(rng.random(3000) < 0.4, rng.poisson(3.2, 3000), rng.poisson(0.2, 3000))
    every = FociSample.from_distribution(np.bincount(cells), cycle=1, time_h=1.0)
    classes = np.bincount(np.minimum(cells, 6))
    few = FociSample(1, 1.0, 3000, every.foci, tuple(classes.tolist()), open_last_class=True)
    full, censored = (partial_body(s, BASELINE) for s in (every, few))
    assert censored.fraction == pytest.approx(full.fraction, abs=0.01)
    assert censored.excess_per_cell == pytest.approx(full.excess_per_cell, rel=0.02)
    assert censored.excess_per_cell == pytest.approx(3.0, abs=0.3)
