"""The model fitted to all patients: odds ratios, predictions, and what it refuses to predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.errors import RadiobioError
from radiobio.risk_factors.boosting import BoostingFit
from radiobio.risk_factors.cross_validation import fit_one, one_thread
from radiobio.risk_factors.data import RiskData, predictor_values, risk_data
from radiobio.risk_factors.folds import resampled_rows
from radiobio.risk_factors.logistic import LogisticFit, expit, fit_logistic
from radiobio.risk_factors.settings import (
    MODELS,
    FitSettings,
    check_level,
    check_rng,
    one_of,
    whole,
)

if TYPE_CHECKING:
    import pandas as pd

_MOST_MISSING = 0.5  # ASSUMED: a patient with more missing predictors is refused
REFUSED = "refused"

LOGISTIC_ASSUMPTIONS = (
    "Log odds are linear in the predictors, without interactions",
    "Coefficients are shrunk towards zero (ASSUMED penalty, chosen by inner cross-validation): "
    "odds ratios lie closer to 1 than unpenalised ones, and their intervals do not cover the "
    "unshrunk effect at their nominal level",
    "Intervals come from resampled patients; the whole tuning is repeated in each sample",
    "A missing value is imputed once; its uncertainty enters only through the resampling",
)
BOOSTING_ASSUMPTIONS = (
    "Boosted trees of at most 4 leaves (ASSUMED grid); predictions come without interval",
)


@dataclass(frozen=True, eq=False)
class PredictedRisk:
    """Probabilities (n,) of new patients with intervals; ``nan`` where the model refuses.

    ``status`` says per patient "inside the range of training" or why not.
    """

    probability: FloatArray
    low: FloatArray
    high: FloatArray
    outside: npt.NDArray[np.bool_]
    status: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row a patient."""
        import pandas as pd

        return pd.DataFrame({
            "probability": self.probability, "low": self.low, "high": self.high,
            "outside": self.outside, "status": self.status,
        })  # fmt: skip


@dataclass(frozen=True, eq=False)
class RiskModel:
    """A model fitted to all patients of a table.

    Attributes
    ----------
    model : str
        "logistic" or "boosting".
    outcome, predictors
        Columns of the table.
    fitted : LogisticFit or BoostingFit
        The fit; of "logistic" standardised columns.
    draws : ndarray, shape (n_refits, n_columns + 1)
        Coefficients per unit of each column, intercept last, of resampled patients; empty for
        boosting. Columns are the predictors, then the missing indicators.
    n, n_events : int
        Patients and events.
    lowest, highest : ndarray, shape (p,)
        Range of training; `predict` refuses outside.
    missing_seen : ndarray of bool, shape (p,)
        Whether a predictor was missing in a training row.
    level : float
        Level of intervals.
    status : str
        How the tuning went.
    assumptions : tuple of str
        What is assumed.
    """

    model: str
    outcome: str
    predictors: tuple[str, ...]
    fitted: LogisticFit | BoostingFit
    draws: FloatArray
    n: int
    n_events: int
    lowest: FloatArray
    highest: FloatArray
    missing_seen: npt.NDArray[np.bool_]
    level: float
    status: str
    assumptions: tuple[str, ...]

    def predict(self, table: pd.DataFrame, *, outside: str = "refuse") -> PredictedRisk:
        """Probability of the event for each row of a table.

        Parameters
        ----------
        table : pandas.DataFrame
            The predictors; an empty cell is missing.
        outside : {"refuse", "flag"}
            What to do with a value outside the range of training, or with more than half of the
            predictors missing: ``nan``, or the extrapolated probability; both are flagged.

        Raises
        ------
        RadiobioError
            If a predictor is no column of the table or a value is no number.
        """
        one_of("outside", outside, ("refuse", "flag"))
        x = predictor_values(table, self.predictors)
        reasons = [self._reason(row) for row in x]
        flagged = np.array([bool(reason) for reason in reasons])
        probability = self.fitted.predict(x)
        low, high = self._interval(x)
        if outside == "refuse":
            for values in (probability, low, high):
                values[flagged] = np.nan
        word = REFUSED if outside == "refuse" else "extrapolated"
        status = tuple(
            f"{word}: {reason}" if reason else self._inside(row)
            for reason, row in zip(reasons, x, strict=True)
        )
        return PredictedRisk(probability, low, high, flagged, status)

    def odds_ratios(self) -> pd.DataFrame:
        """Odds ratios per unit and per standard deviation of each column, with intervals.

        Raises
        ------
        RadiobioError
            If the model is boosting, which has none.
        """
        import pandas as pd

        fit = self._logistic("odds ratios")
        kept = fit.preprocessing.kept
        names = column_names(fit, self.predictors)
        values = raw_coefficients(fit)[:-1]
        sd = np.zeros(len(names))
        sd[kept] = fit.preprocessing.scale
        edges = [0.5 - self.level / 2, 0.5 + self.level / 2]
        low, high = (
            np.quantile(self.draws[:, :-1], edges, axis=0)
            if len(self.draws) else np.full((2, len(names)), np.nan)
        )  # fmt: skip
        return pd.DataFrame({
            "predictor": names, "odds_ratio": np.exp(values), "low": np.exp(low),
            "high": np.exp(high), "sd": sd, "odds_ratio_per_sd": np.exp(values * sd),
            "low_per_sd": np.exp(low * sd), "high_per_sd": np.exp(high * sd),
        })  # fmt: skip

    def _logistic(self, what: str) -> LogisticFit:
        if not isinstance(self.fitted, LogisticFit):
            raise RadiobioError(
                f"{what} exist for the model 'logistic' only; this one is {self.model!r}"
            )
        return self.fitted

    def _interval(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        if not isinstance(self.fitted, LogisticFit) or len(self.draws) == 0:
            return np.full(len(x), np.nan), np.full(len(x), np.nan)
        columns = self.fitted.preprocessing.filled(x)
        risk = expit(columns @ self.draws[:, :-1].T + self.draws[:, -1])
        low, high = np.quantile(risk, [0.5 - self.level / 2, 0.5 + self.level / 2], axis=1)
        return low, high

    def _reason(self, row: FloatArray) -> str:
        found = []
        for name, value, low, high in zip(
            self.predictors, row, self.lowest, self.highest, strict=True
        ):
            if value < low or value > high:
                found.append(f"{name} = {value:g} is outside {low:g} to {high:g} of training")
        if np.isnan(row).mean() > _MOST_MISSING:
            found.append(f"{int(np.isnan(row).sum())} of {len(row)} predictors are missing")
        return "; ".join(found)

    def _inside(self, row: FloatArray) -> str:
        new = [n for n, v, seen in zip(self.predictors, row, self.missing_seen, strict=True)
               if np.isnan(v) and not seen]  # fmt: skip
        if new:
            return f"{', '.join(new)} missing, which no patient of training lacked"
        return "inside the range of training"


def fit_risk_model(
    table: pd.DataFrame, *, outcome: str, predictors: Sequence[str], model: str = "logistic",
    group: str | None = None, settings: FitSettings | None = None, n_refits: int = 200,
    level: float = 0.95, rng: np.random.Generator,
) -> RiskModel:  # fmt: skip
    """Fit one model to all patients, tuned by inner cross-validation.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a patient (or several of one `group`).
    outcome : str
        Column of 0 and 1.
    predictors : sequence of str
        Columns of numbers or true/false; empty cells are missing.
    model : {"logistic", "boosting"}
        Which model.
    group : str, optional
        Column whose equal values must stay in one fold (a patient's cycles, a centre).
    settings : FitSettings, optional
        Imputation, penalty, selection, inner folds.
    n_refits : int
        Resampled fits for the intervals of the logistic model; 0 for none.
    level : float
        Level of intervals.
    rng : numpy.random.Generator
        Folds and resampling.

    Returns
    -------
    RiskModel
        The model.

    Raises
    ------
    RadiobioError
        If the table is not legal; the message names row and column.

    Examples
    --------
    >>> from radiobio.risk_factors import simulated_psma_cohort
    >>> rng = np.random.default_rng(3)
    >>> table = simulated_psma_cohort(140, rng=rng)
    >>> model = fit_risk_model(
    ...     table, outcome="severe", n_refits=20, rng=rng,
    ...     predictors=["cytopenia_grade_2", "diffuse_bone", "prior_taxane"])
    >>> worst = table.iloc[:1].assign(cytopenia_grade_2=1, diffuse_bone=1, prior_taxane=1)
    >>> bool(model.predict(worst).probability[0] > table["severe"].mean())
    True
    """
    one_of("model", model, MODELS)
    whole("n_refits", n_refits, 0, 100_000)
    check_level(level)
    check_rng(rng)
    data = risk_data(table, outcome=outcome, predictors=predictors, group=group)
    seed = np.random.SeedSequence(int(rng.integers(2**63)))
    with one_thread((model,)):
        return final_model(
            data, model, outcome, settings or FitSettings(), n_refits=n_refits, level=level,
            seed=seed,
        )  # fmt: skip


def final_model(
    data: RiskData, model: str, outcome: str, settings: FitSettings, *, n_refits: int,
    level: float, seed: np.random.SeedSequence,
) -> RiskModel:  # fmt: skip
    """Fit checked data; see `fit_risk_model`."""
    first, second = seed.spawn(2)
    fitted = fit_one(model, data, settings, np.random.default_rng(first))
    draws = np.empty((0, 0))
    if isinstance(fitted, LogisticFit):
        draws = _refits(data, fitted, settings, n_refits, second)
        status = f"tuned: C = {fitted.c:.3g}" + (
            f", L1 share {fitted.l1_ratio:g}" if fitted.l1_ratio else ""
        )
        status += ", the weakest penalty of the grid" if fitted.at_edge else ""
    else:
        status = f"tuned: {fitted.n_trees} trees of {fitted.n_leaves} leaves"
    missing_seen = np.array(np.isnan(data.x).any(0), dtype=bool)
    return RiskModel(
        model, outcome, data.predictors, fitted, draws, len(data.y), int(data.y.sum()),
        np.nanmin(data.x, axis=0), np.nanmax(data.x, axis=0), missing_seen, level, status,
        LOGISTIC_ASSUMPTIONS if model == "logistic" else BOOSTING_ASSUMPTIONS,
    )  # fmt: skip


def column_names(fit: LogisticFit, predictors: Sequence[str]) -> list[str]:
    """All columns: the predictors, then the missing indicators."""
    return [*predictors, *(f"{predictors[j]} missing" for j in fit.preprocessing.indicator)]


def raw_coefficients(fit: LogisticFit) -> FloatArray:
    """Log odds per unit of every column, intercept last; 0 for columns that were left out."""
    prepared = fit.preprocessing
    out = np.zeros(len(prepared.median) + len(prepared.indicator) + 1)
    out[prepared.kept] = fit.coefficients[:-1] / prepared.scale
    out[-1] = fit.coefficients[-1] - (fit.coefficients[:-1] / prepared.scale) @ prepared.mean
    return out


def _refits(
    data: RiskData, fitted: LogisticFit, settings: FitSettings, n_refits: int,
    seed: np.random.SeedSequence,
) -> FloatArray:  # fmt: skip
    """Tune and fit resampled patients; samples in which nothing can be tuned are drawn again."""
    names = column_names(fitted, data.predictors)
    place: Mapping[str, int] = {name: k for k, name in enumerate(names)}
    draws = np.zeros((n_refits, len(names) + 1))
    for b, child in enumerate(seed.spawn(n_refits)):
        rng = np.random.default_rng(child)
        sample = data.rows(resampled_rows(data.group, rng))
        while not _tunable(sample):
            sample = data.rows(resampled_rows(data.group, rng))
        again = fit_logistic(sample, settings, rng)
        values = raw_coefficients(again)
        for name, value in zip(column_names(again, data.predictors), values[:-1], strict=True):
            draws[b, place[name]] = value
        draws[b, -1] = values[-1]
    return draws


def _tunable(sample: RiskData) -> bool:
    """Whether at least three groups have an event and three do not."""
    return (
        len(np.unique(sample.group[sample.y == 1])) >= 3
        and len(np.unique(sample.group[sample.y == 0])) >= 3
    )
