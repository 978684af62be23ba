"""Covariates of the dose-toxicity regression: how they are coded, and the missing ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from kinetics.curves import FloatArray
from radiobio.checks import numbers
from radiobio.errors import RadiobioError

BONE_LEVELS = ("none", "few", "diffuse")
FLAGS = ("prior_taxane", "prior_ra223", "kidney_dysfunction")
COVARIATES = ("baseline_count", "bone_metastases", *FLAGS, "age_years")
# coefficients by covariate, in the order of COVARIATES
COEFFICIENTS: Mapping[str, tuple[str, ...]] = {
    "baseline_count": ("baseline_log",),
    "bone_metastases": ("bone_few", "bone_diffuse"),
    **{flag: (flag,) for flag in FLAGS},
    "age_years": ("age_over_70",),
}
OLD_YEARS = 70.0  # Bergsma 2016: age above 70 years
_N_NODES = 5  # of the Gauss-Hermite rule over a missing baseline count


@dataclass(frozen=True)
class Marginal:
    """Distribution that stands for a missing covariate: coded values and their probabilities.

    Attributes
    ----------
    code : ndarray, shape (n_values, n_coefficients)
        Values of the covariate's coefficients' columns.
    probability : ndarray, shape (n_values,)
        Their probabilities.
    """

    code: FloatArray
    probability: FloatArray


def covariate_values(name: str, value: Any) -> FloatArray:
    """Values of a covariate as numbers, bone metastases as index; ``nan`` is missing."""
    if name == "bone_metastases":
        words = np.asarray(value, dtype=object)
        out = np.full(words.shape, np.nan)
        for index, word in np.ndenumerate(words):
            if isinstance(word, str) and word in BONE_LEVELS:
                out[index] = BONE_LEVELS.index(word)
            elif not (word is None or word == "" or word != word):
                raise RadiobioError(f"{name}: got {word!r}; legal: {', '.join(BONE_LEVELS)}")
        return out
    out = numbers(value, name)
    known = out[~np.isnan(out)]
    if name in FLAGS and not np.isin(known, (0.0, 1.0)).all():
        raise RadiobioError(f"{name}: got {value!r}; legal: 0, 1 or nan")
    least = np.nextafter(0.0, 1.0) if name == "baseline_count" else 0.0
    if not (np.isfinite(known).all() and (known >= least).all()):
        raise RadiobioError(f"{name}: got {value!r}; legal: a finite number above zero, or nan")
    return out


def coded(name: str, values: FloatArray, baseline: tuple[float, float]) -> FloatArray:
    """Columns of one covariate, shape (n, n_coefficients), ``nan`` where it is missing.

    Parameters
    ----------
    name : str
        One of `COVARIATES`.
    values : ndarray, shape (n,)
        Baseline count, index into `BONE_LEVELS`, 0 or 1, or age in years; ``nan`` is missing.
    baseline : tuple of float
        Median and log standard deviation that standardise the logarithm of a baseline count.
    """
    missing = np.isnan(values)
    if name == "baseline_count":
        median, log_sd = baseline
        columns = [np.log(values / median) / log_sd]
    elif name == "bone_metastases":
        columns = [np.where(values == level, 1.0, 0.0) for level in (1.0, 2.0)]
    elif name == "age_years":
        columns = [np.where(values > OLD_YEARS, 1.0, 0.0)]
    else:
        columns = [values]
    return np.where(missing[:, None], np.nan, np.stack(columns, axis=1))


def marginal(name: str, code: FloatArray) -> Marginal:
    """Distribution of a covariate among the patients in whom it is known.

    Shares are (k + 1/2) / (n + levels / 2); a baseline count is log-normal.
    """
    known = code[~np.isnan(code).any(1)]
    if name == "baseline_count":
        mean = float(known.mean())
        sd = float(known.std(ddof=1)) if len(known) > 1 else 1.0
        node, weight = np.polynomial.hermite_e.hermegauss(_N_NODES)
        return Marginal(mean + sd * node[:, None], weight / weight.sum())
    levels = np.vstack([np.zeros(code.shape[1]), np.eye(code.shape[1])])
    count = np.array([(known == level).all(1).sum() for level in levels])
    return Marginal(levels, (count + 0.5) / (count.sum() + 0.5 * len(levels)))


def completed(
    names: Sequence[str], codes: Mapping[str, FloatArray], marginals: Mapping[str, Marginal], n: int
) -> tuple[FloatArray, FloatArray, np.ndarray]:
    """Every way to fill in the missing covariates, with its probability.

    Parameters
    ----------
    names : sequence of str
        Covariates, in the order of the columns.
    codes : mapping of str to ndarray, shape (n, n_coefficients)
        As of `coded`.
    marginals : mapping of str to Marginal
        What stands for a missing value.
    n : int
        Patients.

    Returns
    -------
    columns : ndarray, shape (n_rows, n_columns)
        Coded covariates; a patient without missing ones has one row.
    probability : ndarray, shape (n_rows,)
        Probability of the row among its patient's, independent marginals multiplied.
    start : ndarray of int, shape (n + 1,)
        First row of each patient.
    """
    width = sum(codes[name].shape[1] for name in names)
    rows: list[FloatArray] = []
    probability: list[float] = []
    start = [0]
    for i in range(n):
        options = []
        for name in names:
            own = codes[name][i]
            fill = marginals[name]
            options.append(
                list(zip(fill.code, fill.probability, strict=True))
                if np.isnan(own).any()
                else [(own, 1.0)]
            )
        for combination in product(*options):
            rows.append(np.concatenate([code for code, _ in combination] or [np.zeros(0)]))
            probability.append(float(np.prod([p for _, p in combination])))
        start.append(len(rows))
    return np.array(rows).reshape(len(rows), width), np.array(probability), np.array(start)
