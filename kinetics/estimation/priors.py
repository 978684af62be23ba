"""Priors of population parameters for full Bayes, and the weakly informative ones by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.population.data import PopulationData
from kinetics.population.model import Parameter, PopulationModel, correlation_names, effect_names
from kinetics.population.residual import KINDS as ERROR_KINDS

# Code in the compiled kernels and support of each kind. The half-normal is a normal above zero.
KINDS: Mapping[str, tuple[int, float, float]] = {
    "uniform": (0, -np.inf, np.inf),
    "normal": (1, -np.inf, np.inf),
    "half_normal": (1, 0.0, np.inf),
    "lognormal": (2, 0.0, np.inf),
    "half_student": (3, 0.0, np.inf),
    "logit_normal": (4, 0.0, 1.0),
    "lkj": (-1, -1.0, 1.0),
}
_LOG_SD = 1.0  # of a typical value about the model's own
_SD_SCALE = 1.0  # of random effects on a logarithmic scale
_ODDS_SD = 1.5  # of the logit of a typical fraction
_EXPONENT_SD = 0.5  # of the exponent of a power error
_LKJ_SHAPE = 2.0


@dataclass(frozen=True)
class Prior:
    """Prior density of one population parameter, in its own unit; made by the functions below.

    Attributes
    ----------
    kind : str
        One of ``uniform, normal, half_normal, lognormal, half_student, logit_normal, lkj``.
    values : tuple of float
        Its parameters, in the order of the function that makes it.
    """

    kind: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise KineticsError(f"prior {self.kind!r}; legal: {', '.join(KINDS)}")
        if not np.isfinite(self.values).all():
            raise KineticsError(f"{self}: a prior needs finite numbers")
        positive = {"uniform": (), "normal": (1,), "logit_normal": (1,)}.get(
            self.kind, tuple(range(len(self.values)))
        )
        if any(self.values[k] <= 0 for k in positive):
            raise KineticsError(f"{self}: scales, medians and shapes are positive")
        if self.kind == "uniform" and self.values[0] >= self.values[1]:
            raise KineticsError(f"{self}: the lower limit comes first")
        if self.kind == "logit_normal" and not 0 < self.values[0] < 1:
            raise KineticsError(f"{self}: the median lies between 0 and 1")

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(f'{v:.4g}' for v in self.values)})"

    @property
    def support(self) -> tuple[float, float]:
        """Limits of the parameter."""
        if self.kind == "uniform":
            return self.values[0], self.values[1]
        return KINDS[self.kind][1:]

    @property
    def code(self) -> tuple[int, float, float]:
        """Kind and parameters as the kernels take them."""
        a, b = (*self.values, 0.0)[:2]
        if self.kind == "half_normal":
            a, b = 0.0, a
        elif self.kind == "lognormal":
            a = float(np.log(a))
        elif self.kind == "logit_normal":
            a = float(np.log(a / (1.0 - a)))
        return KINDS[self.kind][0], a, b


def uniform_prior(low: float, high: float) -> Prior:
    """Constant density between two limits."""
    return Prior("uniform", (low, high))


def normal_prior(mean: float, sd: float) -> Prior:
    """Normal; cut off where the parameter is not legal."""
    return Prior("normal", (mean, sd))


def half_normal_prior(scale: float) -> Prior:
    """Positive half of a normal about zero: standard deviations."""
    return Prior("half_normal", (scale,))


def lognormal_prior(median: float, log_sd: float) -> Prior:
    """Log-normal by its median and the standard deviation of the logarithm."""
    return Prior("lognormal", (median, log_sd))


def half_student_prior(scale: float, degrees: float = 3.0) -> Prior:
    """Positive half of a Student t about zero (degrees 1: half Cauchy)."""
    return Prior("half_student", (scale, degrees))


def logit_normal_prior(median: float, sd: float) -> Prior:
    """Logit-normal of a fraction by its median and the standard deviation of the logit."""
    return Prior("logit_normal", (median, sd))


def lkj_prior(shape: float) -> Prior:
    """Correlations of a covariance block: density det(R)^(shape - 1); 1 is uniform.

    References
    ----------
    Lewandowski D, Kurowicka D, Joe H. J Multivar Anal 2009;100:1989-2001,
    doi:10.1016/j.jmva.2009.04.008.
    """
    return Prior("lkj", (shape,))


def default_priors(model: PopulationModel, data: PopulationData) -> dict[str, Prior]:
    """Weakly informative priors of every population parameter; all of them ASSUMED.

    Typical values are log-normal about the model's own (standard deviation 1 of the logarithm;
    logit-normal 1.5 for fractions; normal under the identity transform, standard deviation the
    largest of the value and three standard deviations between subjects). Covariate effects are
    normal about the model's own, standard deviation 1 for exponents and categories, and one over
    the covariate's standard deviation for slopes. Standard deviations are half-normal: of random
    effects scale 1 (identity: twice the model's own), of additive errors the standard deviation of
    the region's observations, of relative errors 1. Correlations are LKJ(2).

    Parameters
    ----------
    model : PopulationModel
        Model with start values.
    data : PopulationData
        Data, for the scale of observations and covariates.

    Returns
    -------
    dict of str to Prior
        By population parameter.
    """
    out: dict[str, Prior] = {}
    for name, p in model.parameters.items():
        spread = max(p.sd, p.cycle_sd)
        out[name] = _typical_prior(p, spread)
        for key, effect in effect_names(name, p).items():
            unit = 1.0
            if effect.kind in ("exponential", "linear"):
                unit = _spread(np.asarray(data.covariates.get(effect.covariate, np.ones(1))))
            out[key] = normal_prior(effect.value, 1.0 / unit)
        scale = _SD_SCALE if p.transform != "identity" else 2.0 * spread
        keys = [key for key in (f"sd_{name}", f"cycle_sd_{name}") if key in model.values]
        out.update({key: half_normal_prior(scale) for key in keys})
    for block in model.blocks:
        out.update(dict.fromkeys(correlation_names(block), lkj_prior(_LKJ_SHAPE)))
    for region, error in model.residual.items():
        for part, value in zip(ERROR_KINDS[error.kind][1], error.values, strict=True):
            out[f"{part}_{region}"] = _residual_prior(part, value, _observed(region, data))
    return out


def _typical_prior(parameter: Parameter, spread: float) -> Prior:
    value = parameter.value
    if parameter.transform == "log":
        return lognormal_prior(value, _LOG_SD)
    if parameter.transform == "logit":
        return logit_normal_prior(value, _ODDS_SD)
    return normal_prior(value, max(abs(value), 3.0 * spread) or 1.0)


def _residual_prior(part: str, value: float, observed: FloatArray) -> Prior:
    if part == "additive":
        return half_normal_prior(_spread(observed))
    if part == "exponent":
        return normal_prior(value, _EXPONENT_SD)
    return lognormal_prior(value, _LOG_SD) if part == "scale" else half_normal_prior(1.0)


def _observed(region: str, data: PopulationData) -> FloatArray:
    if region in data.regions and len(data.regions) > 1:
        return np.asarray(data.value[data.region == data.regions.index(region)])
    return data.value


def _spread(values: FloatArray) -> float:
    """Standard deviation, or the size where all values are the same; never zero."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 1.0
    return float(known.std()) or float(np.abs(known).max()) or 1.0


def complete_priors(
    model: PopulationModel, data: PopulationData, given: Mapping[str, Prior] | None
) -> dict[str, Prior]:
    """The default priors with those given in their place.

    Raises
    ------
    KineticsError
        If there is no such parameter, or its kind of prior is not legal.
    """
    out = default_priors(model, data)
    for name, prior in (given or {}).items():
        if name not in out:
            raise KineticsError(
                f"there is no population parameter {name!r}; there are {', '.join(out)}"
            )
        if name.startswith("corr_") != (prior.kind == "lkj"):
            raise KineticsError(f"{name}: lkj is for correlations, and only that; not {prior}")
        out[name] = prior
    for block in model.blocks:
        names = correlation_names(block)
        chosen = {given[name] for name in names if given and name in given}
        if len(chosen) > 1:
            raise KineticsError(f"the block of {', '.join(block)} has one LKJ prior")
        out.update(dict.fromkeys(names, chosen.pop()) if chosen else {})
    return out
