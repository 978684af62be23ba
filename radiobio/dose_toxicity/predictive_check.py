"""Posterior predictive checks: observed against predicted numbers of patients with a grade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from radiobio.checks import check_share
from radiobio.dose_toxicity.cohort_table import CohortTable
from radiobio.dose_toxicity.likelihood import sigmoid
from radiobio.dose_toxicity.prediction import _cuts
from radiobio.dose_toxicity.result import DoseToxicityFit
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    import pandas as pd

_SMALL_P = 0.05


@dataclass(frozen=True, eq=False)
class PredictiveCheck:
    """Observed and predicted numbers of patients with a grade, a row a group and grade.

    Attributes
    ----------
    group : tuple of str
        ``all``, ``<method> dose 1/3`` to ``3/3`` (tertiles of each method), ``centre <name>``.
    grade : ndarray of int, shape (n_rows,)
        Grade that is reached.
    n, observed : ndarray of int, shape (n_rows,)
        Patients and those who reached the grade.
    predicted, lower, upper : ndarray, shape (n_rows,)
        Mean and interval of replicated numbers.
    p_value : ndarray, shape (n_rows,)
        Two-sided posterior predictive p value, ties split (mid-p).
    level : float
        Of the interval.
    status : str
        In words: ``"ok"``, or the groups that disagree.
    """

    group: tuple[str, ...]
    grade: np.ndarray
    n: np.ndarray
    observed: np.ndarray
    predicted: FloatArray
    lower: FloatArray
    upper: FloatArray
    p_value: FloatArray
    level: float
    status: str

    def to_frame(self) -> pd.DataFrame:
        """One row a group and grade."""
        import pandas as pd

        names = ("group", "grade", "n", "observed", "predicted", "lower", "upper", "p_value")
        return pd.DataFrame({name: getattr(self, name) for name in names})


def check_predictions(
    fit: DoseToxicityFit,
    table: CohortTable,
    *,
    rng: np.random.Generator,
    dose_method: str | None = None,
    level: float = 0.9,
) -> PredictiveCheck:
    """Compare a cohort's numbers of events with replications of the fitted regression.

    Parameters
    ----------
    fit : DoseToxicityFit
        Fit.
    table : CohortTable
        The cohort that was fitted, or another one.
    rng : numpy.random.Generator
        Randomness of the replications.
    dose_method : str, optional
        As of `fit_dose_toxicity`.
    level : float
        Of the intervals.

    Raises
    ------
    RadiobioError
        If the table has no rows of the outcome, or methods that the fit does not know.

    Notes
    -----
    p values of the cohort that was fitted are conservative: the model has seen it (Meng 1994). With
    many groups some fall below 0.05 by chance; the status divides 0.05 by the number of rows.
    """
    check_share(level, "level")
    regression = fit.regression
    rows = table.of(regression.priors.outcome, dose_method=dose_method)
    unknown = sorted(set(rows.dose_method) - set(regression.priors.methods))
    if unknown:
        raise RadiobioError(f"the fit does not know the dose methods {unknown}")
    reached = _replications(fit, rows, rng)
    groups = _groups(rows)
    out: dict[str, list[float]] = {name: [] for name in (
        "grade", "n", "observed", "predicted", "lower", "upper", "p_value")}  # fmt: skip
    labels = []
    for label, mask in groups.items():
        for k, grade in enumerate(regression.grades):
            number = reached[:, mask, k].sum(1)
            seen = int((rows.worst_grade[mask] >= grade).sum())
            above = float((number > seen).mean() + 0.5 * (number == seen).mean())
            low, high = np.quantile(number, [0.5 - level / 2, 0.5 + level / 2])
            row = (grade, mask.sum(), seen, number.mean(), low, high, 2 * min(above, 1 - above))
            labels.append(label)
            for name, value in zip(out, row, strict=True):
                out[name].append(value)
    p_value = np.array(out["p_value"])
    bad = sorted({labels[k] for k in np.flatnonzero(p_value < _SMALL_P / len(p_value))})
    status = "ok" if not bad else f"observed and predicted numbers disagree in: {', '.join(bad)}"
    whole = {name: np.array(out[name], dtype=np.int64) for name in ("grade", "n", "observed")}
    return PredictiveCheck(
        tuple(labels), whole["grade"], whole["n"], whole["observed"], np.array(out["predicted"]),
        np.array(out["lower"]), np.array(out["upper"]), p_value, level, status,
    )  # fmt: skip


def _replications(fit: DoseToxicityFit, rows: CohortTable, rng: np.random.Generator) -> np.ndarray:
    """Whether replicated patients reach each grade: bool, shape (n_draws, n, n_grades)."""
    columns, probability, start = fit.regression.columns(
        rows.dose_method, rows.exposure, rows.covariates, rows.centre
    )
    eta = fit.flat[:, : columns.shape[1]] @ columns.T
    eta = eta + np.repeat(_centre_effects(fit, rows.centre, rng), np.diff(start), axis=1)
    cut = _cuts(fit)
    chance = np.add.reduceat(
        sigmoid(eta[..., None] - cut[:, None, :]) * probability[:, None], start[:-1], axis=1
    )
    return np.asarray(rng.random((*chance.shape[:2], 1)) < chance)


def _centre_effects(
    fit: DoseToxicityFit, centre: tuple[str, ...], rng: np.random.Generator
) -> FloatArray:
    """Effects of patients' centres, shape (n_draws, n); those in the columns are zero here."""
    effects: dict[str, FloatArray] = {}
    for name in sorted(set(centre)):
        if name in fit.regression.new_centres:
            effects[name] = fit.coefficient(f"centre[{name}]")
        elif name in fit.regression.old_centres:
            effects[name] = np.zeros(len(fit.flat))
        else:
            spread = np.exp(fit.coefficient("log_sd_centre"))
            effects[name] = spread * rng.standard_normal(len(spread))
    return np.stack([effects[name] for name in centre], axis=1)


def _groups(rows: CohortTable) -> Mapping[str, np.ndarray]:
    groups = {"all": np.ones(len(rows), dtype=bool)}
    methods, centres = np.array(rows.dose_method), np.array(rows.centre)
    for method in sorted(set(rows.dose_method)):
        own = methods == method
        rank = np.full(len(rows), -1)
        rank[own] = np.argsort(np.argsort(rows.exposure[own], kind="stable"), kind="stable")
        third = 3 * rank // max(int(own.sum()), 1)
        for k in range(3):
            mask = own & (third == k)
            if mask.any():
                groups[f"{method} dose {k + 1}/3"] = mask
    for name in sorted(set(rows.centre)):
        groups[f"centre {name}"] = centres == name
    return groups
