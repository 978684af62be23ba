"""A simulated cohort with published effects, to see what can be had at small numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from radiobio.errors import RadiobioError
from radiobio.risk_factors.logistic import expit
from radiobio.risk_factors.settings import check_rng, whole

if TYPE_CHECKING:
    import pandas as pd

GROENER: Mapping[str, tuple[float, float]] = {
    "cytopenia_grade_2": (3.50, 31 / 140),
    "diffuse_bone": (5.08, 77 / 140),
    "prior_taxane": (4.62, 63 / 140),
}
"""Predictor: odds ratio for grade >= 3, and share of patients who have it.

Odds ratios: Groener 2021, doi:10.1186/s13550-021-00805-7, 177Lu-PSMA-617, 13 of 140 patients with
grade >= 3. Shares ASSUMED: the two-by-two tables of 13 events and 127 others whose odds ratio and
95 % interval are nearest to the published ones: 6 of 31, 11 of 77 and (not exactly) 10 of 63.
"""
COHORT_ASSUMPTIONS = (
    "ASSUMED: the published odds ratios of one predictor each hold together, without interaction",
    "ASSUMED: the predictors are independent of each other",
    "ASSUMED: shares of patients with a predictor, rebuilt from odds ratios and their intervals",
)


def simulated_psma_cohort(
    n_patients: int, *, n_noise: int = 3, prevalence: float = 13 / 140, missing: float = 0.0,
    strength: float = 1.0, rng: np.random.Generator,
) -> pd.DataFrame:  # fmt: skip
    """Draw patients with the three published predictors of `GROENER` and predictors of no effect.

    Parameters
    ----------
    n_patients : int
        Rows.
    n_noise : int
        Standard normal columns ``noise_1``, ... without effect.
    prevalence : float
        Expected share with the event, 0 to 1 (9.3 %).
    missing : float
        Share of predictor cells that are missing completely at random.
    strength : float
        Factor on the log odds ratios: 1 as published, 0 no effect.
    rng : numpy.random.Generator
        Random numbers.

    Returns
    -------
    pandas.DataFrame
        Predictors, ``severe`` (0 or 1) and ``true_risk``, the probability it was drawn from.

    Raises
    ------
    RadiobioError
        If a parameter is out of range.
    """
    import pandas as pd

    whole("n_patients", n_patients, 1, 10_000_000)
    whole("n_noise", n_noise, 0, 1000)
    check_rng(rng)
    if not (0 < prevalence < 1 and 0 <= missing < 1 and np.isfinite(strength)):
        raise RadiobioError(
            f"prevalence must be between 0 and 1, missing of 0 to below 1 and strength finite, not "
            f"{prevalence!r}, {missing!r} and {strength!r}"
        )
    effect = strength * np.log([ratio for ratio, _ in GROENER.values()])
    share = np.array([part for _, part in GROENER.values()])
    flags = (rng.random((n_patients, len(share))) < share).astype(np.float64)
    risk = expit(flags @ effect + _intercept(effect, share, prevalence))
    severe = (rng.random(n_patients) < risk).astype(int)
    noise = rng.standard_normal((n_patients, n_noise))
    x = np.column_stack([flags, noise])
    x[rng.random(x.shape) < missing] = np.nan
    names = [*GROENER, *(f"noise_{k + 1}" for k in range(n_noise))]
    return pd.DataFrame(x, columns=names).assign(severe=severe, true_risk=risk)


def _intercept(effect: FloatArray, share: FloatArray, prevalence: float) -> float:
    """Intercept with which the mean risk over all combinations of flags is the prevalence."""
    from scipy.optimize import brentq

    flags = np.array(np.meshgrid(*[[0.0, 1.0]] * len(share), indexing="ij")).reshape(len(share), -1)
    weight = np.prod(np.where(flags == 1, share[:, None], 1 - share[:, None]), axis=0)
    eta = effect @ flags
    return float(brentq(lambda a: weight @ expit(a + eta) - prevalence, -50.0, 50.0))
