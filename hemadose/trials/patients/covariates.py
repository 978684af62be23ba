"""Who the patients of a cohort are: covariates known before treatment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from hemadose.errors import HemadoseError
from kinetics.curves import FloatArray

N_COORDINATES = 7
"""Standard-normal coordinates that set one patient's covariates."""

_SHARES = ("bone_metastases", "diffuse_bone_metastases", "prior_taxane", "prior_radium223")


@dataclass(frozen=True)
class CovariateModel:
    """Distribution of the covariates in a cohort. All values are ASSUMED.

    Parameters
    ----------
    tumour_volume_ml, tumour_volume_log_sd : float
        Median (mL) and log SD of the log-normal volume of the tumour.
    tumour_volume_range_ml : tuple of float
        What it is held within (mL).
    bone_metastases, diffuse_bone_metastases : float
        Share of patients with metastases of the skeleton at all, and with diffuse ones.
    prior_taxane, prior_radium223 : float
        Share treated before. A covariate whose share is zero is left out altogether: the priors of
        the counts then belong to patients of whom it is not known.
    age_years, age_sd_years : float
        Mean and SD of the age (years), held within 18 to 95.
    weight_kg, weight_cv, clearance_ml_per_min, clearance_cv : float
        Median and CV of the log-normal body weight (kg) and creatinine clearance (mL/min).

    Raises
    ------
    HemadoseError
        If a share is not from 0 to 1, or another value not above zero.
    """

    tumour_volume_ml: float
    tumour_volume_log_sd: float
    tumour_volume_range_ml: tuple[float, float]
    bone_metastases: float
    diffuse_bone_metastases: float
    prior_taxane: float
    prior_radium223: float
    age_years: float
    age_sd_years: float
    weight_kg: float
    weight_cv: float
    clearance_ml_per_min: float
    clearance_cv: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = np.asarray(getattr(self, field.name), dtype=np.float64)
            share = field.name in _SHARES
            legal = (value >= 0) & (value <= 1) if share else (value > 0) & np.isfinite(value)
            spread = field.name.endswith(("_sd", "_cv", "_sd_years"))
            if not (legal | (spread & (value == 0))).all():
                span = "from 0 to 1" if share else "finite and above zero"
                raise HemadoseError(f"covariate {field.name} must be {span}, got {value.tolist()}")
        if self.diffuse_bone_metastases > self.bone_metastases:
            raise HemadoseError("diffuse_bone_metastases is a part of the share bone_metastases")


_PROSTATE = CovariateModel(
    tumour_volume_ml=44.3,
    tumour_volume_log_sd=1.0,
    tumour_volume_range_ml=(1.0, 1000.0),
    bone_metastases=0.85,
    diffuse_bone_metastases=0.4,
    prior_taxane=0.6,
    prior_radium223=0.1,
    age_years=71.0,
    age_sd_years=8.0,
    weight_kg=79.0,
    weight_cv=0.17,
    clearance_ml_per_min=87.9,
    clearance_cv=0.3,
)

COVARIATE_MODELS: Mapping[str, CovariateModel] = MappingProxyType(
    {
        # volumes as in the patients behind the model, 0.27 to 78 mL
        "PSMA-617": replace(
            _PROSTATE,
            tumour_volume_ml=4.6,
            tumour_volume_log_sd=1.4,
            tumour_volume_range_ml=(0.27, 78.0),
        ),
        "PSMA-I&T": _PROSTATE,
        # bone metastases: 7 of 17 patients, PMC10478826 Table 3
        "DOTATATE": replace(
            _PROSTATE,
            tumour_volume_ml=10.0,
            bone_metastases=0.41,
            diffuse_bone_metastases=0.0,
            prior_taxane=0.0,
            prior_radium223=0.0,
            age_years=62.0,
            age_sd_years=11.0,
            weight_kg=75.0,
        ),
    }
)
"""Distribution of the covariates by cohort, ASSUMED."""

COVARIATE_ASSUMPTION = (
    "ASSUMED: distributions of tumour volume, metastases, earlier treatment, age, weight and "
    "creatinine clearance, each independent of the others"
)


def covariates_at(
    cohort_name: str, standardised: npt.ArrayLike, *, settings: Mapping[str, object] | None = None
) -> dict[str, FloatArray]:
    """Covariates of patients at standard-normal coordinates.

    Parameters
    ----------
    cohort_name : str
        Key of `COVARIATE_MODELS`.
    standardised : array_like, shape (n, N_COORDINATES)
        Independent standard normals give draws.
    settings : mapping, optional
        Fields of `CovariateModel` to put in place of the cohort's.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``tumour_volume_ml``, ``age_years``, ``weight_kg``, ``creatinine_clearance_ml_per_min``
        and, 0 or 1, those of ``bone_metastases`` (diffuse ones too), ``diffuse_bone_metastases``,
        ``prior_taxane`` and ``prior_radium223`` whose share is not zero.

    Raises
    ------
    HemadoseError
        If the cohort or a setting is not known, or a value not legal.

    Examples
    --------
    >>> covariates_at("DOTATATE", np.zeros((1, N_COORDINATES)))["age_years"]
    array([62.])
    """
    from scipy.special import ndtr

    if cohort_name not in COVARIATE_MODELS:
        raise HemadoseError(f"no covariates of {cohort_name!r}; known: {list(COVARIATE_MODELS)}")
    known = {field.name for field in fields(CovariateModel)}
    for name in settings or {}:
        if name not in known:
            raise HemadoseError(f"covariate setting {name!r} is not known; known: {sorted(known)}")
    model = replace(COVARIATE_MODELS[cohort_name], **dict(settings or {}))  # type: ignore[arg-type]
    z = np.asarray(standardised, dtype=np.float64)
    bone, taxane, radium = ndtr(z[:, 1]), ndtr(z[:, 2]), ndtr(z[:, 3])
    volume = model.tumour_volume_ml * np.exp(model.tumour_volume_log_sd * z[:, 0])
    uniform = dict(zip(_SHARES, (bone, bone, taxane, radium), strict=True))
    present = {
        name: (value < getattr(model, name)).astype(np.float64)
        for name, value in uniform.items()
        if getattr(model, name) > 0
    }
    return present | {
        "tumour_volume_ml": np.clip(volume, *model.tumour_volume_range_ml),
        "age_years": np.clip(model.age_years + model.age_sd_years * z[:, 4], 18.0, 95.0),
        "weight_kg": model.weight_kg * np.exp(_log_sd(model.weight_cv) * z[:, 5]),
        "creatinine_clearance_ml_per_min": model.clearance_ml_per_min
        * np.exp(_log_sd(model.clearance_cv) * z[:, 6]),
    }


def _log_sd(cv: float) -> float:
    return float(np.sqrt(np.log1p(cv**2)))
