"""Case bootstrap of a population fit: subjects drawn with replacement, fitted anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.diagnostics._rows import usable
from kinetics.errors import KineticsError
from kinetics.estimation.fit import fit_population
from kinetics.estimation.objective import METHODS, evaluate
from kinetics.population.data import IntArray, PopulationData
from kinetics.progress import tracked

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation.result import PopulationFit

_FEW_SUBJECTS = 10
_SHARE_FAILED = 0.1


@dataclass(frozen=True, eq=False)
class BootstrapResult:
    """Refits of resampled subjects.

    Attributes
    ----------
    estimates : DataFrame
        A row a bootstrap sample: every estimated population parameter, objective and converged.
    fit : PopulationFit
        The fit that was resampled.
    status : str
        ``"ok"``, or in words what is wrong.
    """

    estimates: pd.DataFrame
    fit: PopulationFit
    status: str

    def to_frame(self, *, level: float = 0.9) -> pd.DataFrame:
        """Estimate, mean, bias, standard error and interval of each parameter.

        Intervals are bias-corrected and accelerated percentiles (BCa, Efron 1987,
        doi:10.1080/01621459.1987.10478410): small samples make variances too small, and plain
        percentiles would double that. The acceleration comes from the subjects' influence on the
        estimates. Samples that did not converge are left out.
        """
        kept = self.estimates.loc[self.estimates["converged"], list(self.fit.problem.vector.names)]
        table = interval_table(kept, self.fit, level)
        acceleration = _acceleration(self.fit)
        for name, a in zip(table.index, acceleration, strict=True):
            table.loc[name, ["lower", "upper"]] = _bca(
                kept[name].to_numpy(), float(table.loc[name, "value"]), a, level
            )
        return table


def _acceleration(fit: PopulationFit) -> FloatArray:
    """Sixth of the skewness of the subjects' influence on each parameter; 0 if unknown."""
    vector = fit.problem.vector
    if fit.covariance is None or fit.method not in METHODS:
        return np.zeros(len(vector.names))
    score = evaluate(
        fit.problem, fit.x, fit.method, start=fit.evaluation.effects, want_gradient=True
    ).score
    influence = -score @ fit.covariance @ vector.jacobian(fit.x).T
    spread = np.maximum((influence**2).sum(0), 1e-300)
    return np.asarray((influence**3).sum(0) / (6.0 * spread**1.5))


def _bca(draws: FloatArray, value: float, acceleration: float, level: float) -> FloatArray:
    """Percentiles at the levels that bias and acceleration shift them to."""
    from scipy.stats import norm

    if not len(draws):
        return np.full(2, np.nan)
    below = (np.sum(draws < value) + 0.5 * np.sum(draws == value)) / len(draws)
    bias = norm.ppf(np.clip(below, 0.5 / len(draws), 1.0 - 0.5 / len(draws)))
    shifted = bias + norm.ppf([0.5 - level / 2.0, 0.5 + level / 2.0])
    levels = norm.cdf(bias + shifted / np.maximum(1.0 - acceleration * shifted, 0.1))
    return np.asarray(np.quantile(draws, levels))


def interval_table(draws: pd.DataFrame, fit: PopulationFit, level: float) -> pd.DataFrame:
    """Summary of draws of population parameters (columns), one row a parameter."""
    import pandas as pd

    if not 0.0 < level < 1.0:
        raise KineticsError(f"level {level}; legal are numbers between 0 and 1")
    value = pd.Series({name: fit.model.values[name] for name in draws.columns}, dtype=float)
    table = pd.DataFrame({"value": value, "mean": draws.mean()})
    table["bias"] = table["mean"] - table["value"]
    table["se"] = draws.std()
    table["lower"] = draws.quantile(0.5 - level / 2.0)
    table["upper"] = draws.quantile(0.5 + level / 2.0)
    return table.rename_axis("parameter")


def bootstrap_population(
    fit: PopulationFit,
    *,
    rng: np.random.Generator,
    n: int = 200,
    stratify: str | None = None,
    n_nodes: int = 5,
    progress: bool = True,
) -> BootstrapResult:
    """Resample subjects with replacement, and fit every sample from the estimates.

    Parameters
    ----------
    fit : PopulationFit
        The fit; its method fits the samples.
    rng : numpy.random.Generator
        Randomness.
    n : int
        Number of samples.
    stratify : str, optional
        Covariate (at the subject's first occasion) whose values keep their number of subjects.
    n_nodes : int
        Nodes for each random effect of AGQ.
    progress : bool
        Whether a run of more than two seconds shows a progress bar.

    Returns
    -------
    BootstrapResult

    Raises
    ------
    KineticsError
        If there is one subject only, or nothing was estimated.
    """
    problem = usable(fit).problem
    n_subjects = problem.n_subjects
    if n_subjects < 2:
        raise KineticsError("a case bootstrap resamples subjects, and there is only one")
    if not len(fit.x):
        raise KineticsError("nothing was estimated: every population parameter is fixed")
    if n < 2:
        raise KineticsError(f"n = {n} samples; at least 2 are legal")
    groups = _groups(problem.data, stratify)
    picks = np.concatenate([g[rng.integers(len(g), size=(n, len(g)))] for g in groups], axis=1)
    names = problem.vector.names
    rows = []
    for k in tracked(range(n), n, "bootstrap", shown=progress):
        sample = take_subjects(problem.data, picks[k])
        refit = fit_population(
            fit.model, sample, method=fit.method, covariance=None, n_nodes=n_nodes
        )
        values = refit.model.values
        rows.append(
            {name: values[name] for name in names}
            | {"objective": refit.objective, "converged": bool(refit.converged)}
        )
    import pandas as pd

    estimates = pd.DataFrame(rows).rename_axis("sample")
    return BootstrapResult(estimates, fit, _status(estimates, n_subjects))


def _status(estimates: pd.DataFrame, n_subjects: int) -> str:
    failed = int((~estimates["converged"]).sum())
    words = []
    if failed > _SHARE_FAILED * len(estimates):
        words.append(
            f"{failed} of {len(estimates)} samples did not converge: intervals may be too narrow"
        )
    if n_subjects < _FEW_SUBJECTS:
        words.append(f"only {n_subjects} subjects: percentile intervals are too narrow")
    return "; ".join(words) or "ok"


def _groups(data: PopulationData, stratify: str | None) -> list[IntArray]:
    """Subjects of each stratum."""
    if stratify is None:
        return [np.arange(len(data.subjects))]
    if stratify not in data.covariates:
        raise KineticsError(
            f"stratify = {stratify!r}; legal are the covariates "
            f"({', '.join(data.covariates) or 'none'}) or None"
        )
    first = np.searchsorted(data.occasion_subject, np.arange(len(data.subjects)))
    value = data.covariates[stratify][first]
    return [np.flatnonzero(value == level) for level in np.unique(value)]


def take_subjects(data: PopulationData, subjects: Sequence[int] | IntArray) -> PopulationData:
    """Data of some subjects, by index; one may be taken several times.

    Parameters
    ----------
    data : PopulationData
        The data.
    subjects : sequence of int
        Indices into ``data.subjects``. A subject that comes again gets a number: ``7``, ``7 (2)``.
    """
    chosen = np.asarray(subjects, dtype=np.int64)
    bounds = np.searchsorted(data.occasion_subject, np.arange(len(data.subjects) + 1))
    occasions = _ranges(bounds, chosen)
    rows, doses = _ranges(data.observation_start, occasions), _ranges(data.dose_start, occasions)
    names, seen = [], dict.fromkeys(range(len(data.subjects)), 0)
    for i in chosen.tolist():
        seen[i] += 1
        names.append(data.subjects[i] if seen[i] == 1 else f"{data.subjects[i]} ({seen[i]})")
    return replace(
        data,
        subjects=tuple(names),
        occasion_subject=np.repeat(np.arange(len(chosen)), np.diff(bounds)[chosen]),
        occasion_label=tuple(data.occasion_label[o] for o in occasions),
        covariates={name: value[occasions] for name, value in data.covariates.items()},
        observation_start=_starts(data.observation_start, occasions),
        time_h=data.time_h[rows],
        value=data.value[rows],
        region=data.region[rows],
        below_limit=data.below_limit[rows],
        sd=data.sd[rows],
        row=data.row[rows],
        dose_start=_starts(data.dose_start, occasions),
        doses=data.doses[doses],
    )


def _ranges(start: IntArray, chosen: IntArray) -> IntArray:
    """Rows of the chosen items, one range after another."""
    parts = [np.arange(start[i], start[i + 1]) for i in chosen]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _starts(start: IntArray, chosen: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(np.diff(start)[chosen])]).astype(np.int64)
