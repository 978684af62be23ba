"""Risk of a grade at a dose, and the dose at a risk, with what they rest on in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import check_share, not_negative
from radiobio.dose_toxicity.covariates import COVARIATES, covariate_values
from radiobio.dose_toxicity.likelihood import IntArray, gap_signs, sigmoid
from radiobio.dose_toxicity.regression import Regression
from radiobio.dose_toxicity.result import DoseToxicityFit
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class RiskPrediction:
    """Probability that the worst grade reaches each of some grades.

    Attributes
    ----------
    grades : tuple of int
        Grades g.
    probability : ndarray, shape (n_draws, n, n_grades)
        P(worst grade >= g) in each draw.
    mean, lower, upper : ndarray, shape (n, n_grades)
        Its mean, and the equal-tailed interval of `level`.
    level : float
        Of the interval.
    notes : tuple of str
        What the prediction rests on: priors instead of data, doses outside the data.
    """

    grades: tuple[int, ...]
    probability: FloatArray
    mean: FloatArray
    lower: FloatArray
    upper: FloatArray
    level: float
    notes: tuple[str, ...]

    def at_least(self, grade: int) -> FloatArray:
        """Draws of P(worst grade >= grade), shape (n_draws, n)."""
        if grade not in self.grades:
            raise RadiobioError(f"grade {grade} is not predicted; there are {list(self.grades)}")
        return self.probability[..., self.grades.index(grade)]

    def to_frame(self) -> pd.DataFrame:
        """One row a patient and grade: mean, lower, upper."""
        import pandas as pd

        n, k = self.mean.shape
        return pd.DataFrame(
            {"row": np.repeat(np.arange(n), k), "grade": np.tile(self.grades, n),
             "mean": self.mean.ravel(), "lower": self.lower.ravel(), "upper": self.upper.ravel()}
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class DoseAtRisk:
    """Dose at which the risk of a grade reaches a value.

    Attributes
    ----------
    risk, grade : float, int
        As asked.
    exposure : ndarray, shape (n_draws,)
        Dose, Gy (GBq of the method "activity"); 0 where the risk is above it without any dose,
        ``inf`` where no dose reaches it.
    median, lower, upper : float
        Quantiles; ``inf`` is "not reached".
    share_not_reached : float
        Share of draws whose slope is zero or negative, so that the risk is never reached.
    status : str
        In words.
    notes : tuple of str
        What it rests on.
    """

    risk: float
    grade: int
    exposure: FloatArray
    median: float
    lower: float
    upper: float
    share_not_reached: float
    status: str
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; "not reached" instead of infinity."""
        return {
            "risk": self.risk, "grade": self.grade,
            **{name: value if np.isfinite(value) else "not reached"
               for name, value in (("median", self.median), ("lower", self.lower),
                                   ("upper", self.upper))},
            "share_not_reached": self.share_not_reached, "status": self.status,
            "notes": list(self.notes),
        }  # fmt: skip


def predict_risk(
    fit: DoseToxicityFit,
    covariates: Mapping[str, Any],
    *,
    dose_method: str,
    marrow_dose_gy: npt.ArrayLike | None = None,
    activity_gbq: npt.ArrayLike | None = None,
    centre: str | None = None,
    level: float = 0.9,
) -> RiskPrediction:
    """Probability of each grade for patients.

    Parameters
    ----------
    fit : DoseToxicityFit
        The regression.
    covariates : mapping
        By name, a value or one a patient: `baseline_count` (1e9/L; haemoglobin in g/L),
        `bone_metastases` ("none", "few", "diffuse"), `prior_taxane`, `prior_ra223`,
        `kidney_dysfunction` (0 or 1), `age_years`. What is missing is averaged over its
        distribution in the cohort, or stays at the mix of the priors if the cohort did not know it.
    dose_method : str
        How the dose was obtained; a method without patients in the table is predicted from its
        prior, which `notes` says.
    marrow_dose_gy : array_like, shape (n,) or scalar
        Marrow dose of the whole treatment (Gy).
    activity_gbq : array_like, shape (n,) or scalar
        Cumulative activity (GBq), for the method "activity" only.
    centre : str, optional
        Centre of the patients; missing or not in the table: a new centre.
    level : float
        Of the intervals.

    Raises
    ------
    RadiobioError
        If covariates, dose or method are not legal.
    """
    regression = fit.regression
    check_share(level, "level")
    dose = _dose(regression, dose_method, marrow_dose_gy, activity_gbq)
    values, n = _covariates(covariates, dose)
    eta, probability, start = _eta(fit, values, np.broadcast_to(dose, (n,)), dose_method, centre)
    cut = _cuts(fit)
    reached = sigmoid(eta[..., None] - cut[:, None, :]) * probability[:, None]
    chance = np.add.reduceat(reached, start[:-1], axis=1)
    low, high = np.quantile(chance, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return RiskPrediction(
        regression.grades, chance, chance.mean(0), low, high, level,
        _notes(fit, dose_method, centre, covariates, dose),
    )  # fmt: skip


def dose_at_risk(
    fit: DoseToxicityFit,
    risk: float,
    covariates: Mapping[str, Any],
    *,
    dose_method: str,
    grade: int | None = None,
    centre: str | None = None,
    level: float = 0.9,
) -> DoseAtRisk:
    """Dose at which the probability of a grade reaches a value, for one patient.

    Parameters
    ----------
    fit, covariates, dose_method, centre, level
        As of `predict_risk`; every covariate that the cohort knows must be given.
    risk : float
        Probability, above 0 and below 1.
    grade : int, optional
        Grade of the ordinal model; missing: that of the intercept.

    Raises
    ------
    RadiobioError
        If an argument is not legal.

    Notes
    -----
    The slope may be zero or negative: where it is, no dose reaches a risk that is not there without
    dose. `share_not_reached` tells in how many draws; the median is "not reached" above one half.
    """
    regression = fit.regression
    grade = regression.priors.grade if grade is None else grade
    check_share(risk, "risk")
    check_share(level, "level")
    if grade not in regression.grades:
        raise RadiobioError(f"grade {grade} is not predicted; there are {list(regression.grades)}")
    _check_method(regression, dose_method)
    values, n = _covariates(covariates, np.zeros(()))
    unknown = [name for name in regression.covariates if np.isnan(values[name]).any()]
    if n != 1 or unknown:
        raise RadiobioError(
            "dose_at_risk is for one patient with all covariates of the cohort"
            + (f"; give {', '.join(unknown)}" if unknown else "")
        )
    without, _, _ = _eta(fit, values, np.zeros(1), dose_method, centre)
    reference = regression.priors.reference[dose_method]
    slope = fit.coefficient(f"slope[{dose_method}]") / reference
    cut = _cuts(fit)[:, regression.grades.index(grade)]
    lacking = np.log(risk / (1 - risk)) + cut - without[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        dose = np.where(lacking <= 0, 0.0, np.where(slope > 0, lacking / slope, np.inf))
    low, middle, high = (
        float(np.quantile(dose, q, method="inverted_cdf"))
        for q in (0.5 - level / 2, 0.5, 0.5 + level / 2)
    )
    never = float(np.isinf(dose).mean())
    notes = _notes(fit, dose_method, centre, covariates, np.array([middle]))
    return DoseAtRisk(
        float(risk), grade, dose, middle, low, high, never, _reached(never, middle), notes
    )


def _reached(never: float, median: float) -> str:
    if np.isinf(median):
        return f"not reached: in {never:.0%} of the draws no dose brings this risk"
    if median == 0.0:
        return "the risk is there without any dose"
    return f"reached; in {never:.0%} of the draws no dose brings this risk"


def _check_method(regression: Regression, dose_method: str) -> None:
    if dose_method not in regression.priors.methods:
        raise RadiobioError(
            f"dose_method {dose_method!r} is not known; known: {list(regression.priors.methods)}"
        )


def _dose(
    regression: Regression,
    dose_method: str,
    marrow_dose_gy: npt.ArrayLike | None,
    activity_gbq: npt.ArrayLike | None,
) -> FloatArray:
    _check_method(regression, dose_method)
    by_activity = dose_method == "activity"
    name = "activity_gbq" if by_activity else "marrow_dose_gy"
    given = activity_gbq if by_activity else marrow_dose_gy
    other = marrow_dose_gy if by_activity else activity_gbq
    if given is None or other is not None:
        raise RadiobioError(f"the method {dose_method!r} needs {name} and nothing else")
    dose = not_negative(given, name)
    if dose.ndim > 1:
        raise RadiobioError(f"{name} must be one number or of shape (n,), got {dose.shape}")
    return dose


def _covariates(given: Mapping[str, Any], dose: FloatArray) -> tuple[dict[str, FloatArray], int]:
    if not isinstance(given, Mapping):
        raise RadiobioError(f"covariates must be a mapping of names to values, got {given!r}")
    unknown = [name for name in given if name not in COVARIATES]
    if unknown:
        raise RadiobioError(f"there is no covariate {unknown[0]!r}; legal: {', '.join(COVARIATES)}")
    values = {name: covariate_values(name, given.get(name, np.nan)) for name in COVARIATES}
    shapes = {name: value.shape for name, value in values.items() if value.ndim}
    try:
        (n,) = np.broadcast_shapes((1,), dose.shape, *shapes.values())
    except ValueError:
        raise RadiobioError(
            f"the dose {dose.shape} and the covariates {shapes} must be single values or of one "
            "length"
        ) from None
    return {name: np.broadcast_to(value, (n,)) for name, value in values.items()}, n


def _eta(
    fit: DoseToxicityFit,
    covariates: Mapping[str, FloatArray],
    dose: FloatArray,
    dose_method: str,
    centre: str | None,
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Linear predictor of each draw, a column each way to fill in; as of `completed`."""
    regression, n = fit.regression, len(dose)
    columns, probability, start = regression.columns(
        (dose_method,) * n, dose, covariates, (centre,) * n
    )
    eta = fit.flat[:, : columns.shape[1]] @ columns.T
    if centre in regression.new_centres:
        eta = eta + fit.coefficient(f"centre[{centre}]")[:, None]
    elif centre not in regression.old_centres:
        eta = eta + fit.new_centre.reshape(-1, 1)
    return eta, probability, start


def _cuts(fit: DoseToxicityFit) -> FloatArray:
    """Cuts of each draw, shape (n_draws, n_grades)."""
    regression = fit.regression
    first = len(regression.coefficients)
    width = np.exp(fit.flat[:, first : first + regression.n_cuts - 1])
    return np.asarray(width @ gap_signs(regression.n_cuts, regression.anchor)[1:-1].T)


def _notes(
    fit: DoseToxicityFit,
    dose_method: str,
    centre: str | None,
    covariates: Mapping[str, Any],
    dose: FloatArray,
) -> tuple[str, ...]:
    regression, out = fit.regression, []
    unit = "GBq" if dose_method == "activity" else "Gy"
    if fit.status != "ok":
        out.append(f"the fit is not sound: {fit.status}")
    if not regression.n_patients[dose_method]:
        k = regression.priors.index(f"slope[{dose_method}]")
        out.append(
            f"no patient of this table has a dose by the method {dose_method}: intercept and slope "
            f"are those of the priors ({regression.priors.sources[k]})"
        )
    else:
        low, high = regression.dose_range[dose_method]
        if np.any((dose < low) | (dose > high)):
            out.append(
                f"extrapolated: the cohort's {dose_method} doses are {low:g} to {high:g} {unit}"
            )
    if centre is None or f"centre[{centre}]" not in fit.names:
        out.append("for a new centre, with the spread between centres")
    without = [name for name in covariates if name not in regression.covariates]
    if without:
        out.append(f"effects of priors only, the table does not know them: {', '.join(without)}")
    return tuple(out)
