"""Bayesian dose of a blood sample from its foci: estimates per second against PyMC, one core."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from benchmarks.timing import announce, optional, process_seconds, require, row
from foci import FociSample
from foci.calibration import calibration_line
from foci.sample_dose.dose_posterior import DosePosterior, dose_posterior
from foci.sample_dose.dose_prior import DosePrior

N_SAMPLES, N_BY_PYMC = 2000, 3
CELLS, BASELINE, HIGHEST_GY = 300, 60, 1.0
SLOPE, SLOPE_SD = 14.7, 0.735
DRAWS, CHAINS = 2000, 4
MOST_SHIFT, MOST_SPREAD = (
    0.15,
    0.10,
)  # posterior standard deviations between the means; ratio of SDs


def foci_bayes_rows() -> None:
    """Uniform prior of the dose, own baseline, uncertain slope: mean and SD compared."""
    rng = np.random.default_rng(5)
    foci = rng.poisson(CELLS * (BASELINE / CELLS + SLOPE * rng.uniform(0.0, 0.1, N_SAMPLES)))
    samples = [FociSample(1, 1.0, CELLS, int(x)) for x in foci]

    def ours() -> DosePosterior:
        return dose_posterior(
            samples,
            calibration_line(SLOPE, SLOPE_SD),
            baseline=FociSample(1, -1.0, CELLS, BASELINE),
            prior=DosePrior(0.0, HIGHEST_GY, "uniform"),
        )

    announce("foci dose: ours")
    found = ours()
    rivals = {}
    if (pymc := optional("pymc")) is not None:
        announce("foci dose: PyMC (up to a minute)")
        _pymc(pymc, int(foci[0]), draws=100)
        seconds = 0.0
        for i in range(N_BY_PYMC):
            start = time.perf_counter()
            draws = _pymc(pymc, int(foci[i]), draws=DRAWS)
            seconds += time.perf_counter() - start
            shift = abs(draws.mean() - found.mean_gy[i]) / found.sd_gy[i]
            ratio = draws.std() / found.sd_gy[i]
            require(shift < MOST_SHIFT, f"PyMC: mean dose differs by {shift:.2f} sd")
            require(abs(ratio - 1) < MOST_SPREAD, f"PyMC: SD of the dose differs by {ratio:.2f}")
        rivals["PyMC, 4 x 2,000 draws"] = seconds / N_BY_PYMC
    ours_s = process_seconds(ours) / N_SAMPLES
    row(
        "Bayesian dose of a sample from foci",
        ours_s,
        rivals,
        f"{1 / ours_s:,.0f} per second; means within {MOST_SHIFT} sd",
    )


def _pymc(pm: Any, foci: int, *, draws: int) -> np.ndarray:
    """Background, slope and dose sampled together; wall time includes building the model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of samplers that tune
        with pm.Model():
            background = pm.Gamma("background", 0.5 + BASELINE, 0.5 / 0.3 + CELLS)
            slope = pm.Normal("slope", SLOPE, SLOPE_SD)
            dose = pm.Uniform("dose", 0.0, HIGHEST_GY)
            pm.Poisson("foci", CELLS * (background + slope * dose), observed=foci)
            found = pm.sample(
                draws, tune=1000, chains=CHAINS, cores=1, random_seed=1, progressbar=False,
                compute_convergence_checks=False,
            )  # fmt: skip
    return np.asarray(found.posterior["dose"].to_numpy())
