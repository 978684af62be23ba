"""The population model: structure, typical parameters, random effects, covariates and errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.population.covariates import CovariateEffect
from kinetics.population.residual import KINDS, ResidualErrorModel
from kinetics.structures.structure import Structure

TRANSFORMS = ("identity", "log", "logit")


@dataclass(frozen=True)
class Parameter:
    """One structural parameter in the population.

    Attributes
    ----------
    value : float
        Typical value.
    sd : float
        Standard deviation between subjects on the transformed scale; 0 means no random effect.
    cycle_sd : float
        Standard deviation between occasions (cycles) of a subject, same scale.
    transform : str
        ``log`` (log-normal), ``logit`` (between 0 and 1) or ``identity`` (normal).
    covariates : tuple of CovariateEffect
        Effects on the typical value: factors (of the odds under ``logit``).
    """

    value: float
    sd: float = 0.0
    cycle_sd: float = 0.0
    transform: str = "log"
    covariates: tuple[CovariateEffect, ...] = ()

    def __post_init__(self) -> None:
        if self.transform not in TRANSFORMS:
            raise KineticsError(f"transform {self.transform!r}; legal: {', '.join(TRANSFORMS)}")
        legal = {
            "log": 0.0 < self.value < np.inf,
            "logit": 0.0 < self.value < 1.0,
            "identity": bool(np.isfinite(self.value)),
        }[self.transform]
        if not legal:
            raise KineticsError(f"{self.value!r} is not legal under the {self.transform} transform")
        if not (0.0 <= self.sd < np.inf and 0.0 <= self.cycle_sd < np.inf):
            raise KineticsError("standard deviations of random effects must be >= 0 and finite")


@dataclass(frozen=True, eq=False)
class PopulationModel:
    r"""A nonlinear mixed-effects model; immutable.

    .. math:: y_{ij} = f(\phi_{ic}, t_{ij}) + g(f)\,\epsilon_{ij},\quad
        h(\phi_{ic}) = h(\theta\,F(x_{ic})) + \eta_i + \kappa_{ic},\quad
        \eta_i \sim N(0, \Omega),\ \kappa_{ic} \sim N(0, \Gamma)

    Attributes
    ----------
    structure : Structure
        Predictions from individual parameters.
    parameters : mapping of str to Parameter
        Every structural parameter.
    residual : mapping of str to ResidualErrorModel
        Residual error of each region of the structure that the data have.
    correlations : mapping of (str, str) to float
        Correlated random effects of subjects and their correlation. Pairs join to blocks; within
        a block, pairs that are not named start at 0 but are estimated too.
    fixed : frozenset of str
        Population parameters that are not estimated (see `values` for their names).
    bounds : mapping of str to (float, float)
        Limits of population parameters, in their own unit.

    Examples
    --------
    >>> from kinetics.structures import one_compartment
    >>> from kinetics.population import Parameter, PopulationModel, additive
    >>> model = PopulationModel(
    ...     one_compartment(absorption=True),
    ...     {"ka": Parameter(1.5, sd=0.6), "cl": Parameter(3, sd=0.3), "v": Parameter(32, sd=0.1)},
    ...     {"blood": additive(0.7)})
    >>> list(model.values)
    ['cl', 'v', 'ka', 'sd_cl', 'sd_v', 'sd_ka', 'additive_blood']
    """

    structure: Structure
    parameters: Mapping[str, Parameter]
    residual: Mapping[str, ResidualErrorModel]
    correlations: Mapping[tuple[str, str], float] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.structure.parameters
        if set(self.parameters) != set(names):
            raise KineticsError(
                f"{self.structure.name} has the parameters {', '.join(names)}; the model gives "
                f"{', '.join(self.parameters)}"
            )
        ordered = {name: self.parameters[name] for name in names}
        object.__setattr__(self, "parameters", MappingProxyType(ordered))
        unknown = set(self.residual) - set(self.structure.regions)
        if unknown or not self.residual:
            raise KineticsError(
                f"residual errors are for {', '.join(self.structure.regions)}, not "
                f"{', '.join(sorted(unknown)) or 'for nothing'}"
            )
        for pair in self.correlations:
            if len(set(pair)) != 2 or any(name not in self.random for name in pair):
                raise KineticsError(
                    f"a correlation joins two parameters with random effects "
                    f"({', '.join(self.random)}), not {pair}"
                )
        object.__setattr__(self, "fixed", frozenset(self.fixed))
        for name in (*self.fixed, *self.bounds):
            if name not in self.values:
                raise KineticsError(
                    f"there is no population parameter {name!r}; there are {', '.join(self.values)}"
                )
        if not np.linalg.eigvalsh(self.covariance).min(initial=np.inf) > 0:
            raise KineticsError("the correlations do not give a positive definite covariance")
        self._check_fixed_blocks()

    def _check_fixed_blocks(self) -> None:
        for block in self.blocks:
            names = {f"sd_{name}" for name in block} | set(correlation_names(block))
            if len(block) > 1 and 0 < len(names & self.fixed) < len(names):
                raise KineticsError(
                    f"the covariance block of {', '.join(block)} is fixed as a whole or not at "
                    f"all; fixed are {', '.join(sorted(names & self.fixed))}"
                )

    @cached_property
    def random(self) -> tuple[str, ...]:
        """Structural parameters with a random effect of the subject."""
        return tuple(name for name, p in self.parameters.items() if p.sd > 0)

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Structural parameters with a random effect of the occasion."""
        return tuple(name for name, p in self.parameters.items() if p.cycle_sd > 0)

    @cached_property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """Groups of correlated random effects, in the order of the parameters."""
        group = {name: {name} for name in self.random}
        for a, b in self.correlations:
            joined = group[a] | group[b]
            for name in joined:
                group[name] = joined
        unique = {tuple(n for n in self.random if n in members) for members in group.values()}
        return tuple(sorted(unique, key=lambda block: self.random.index(block[0])))

    @cached_property
    def covariance(self) -> FloatArray:
        """Covariance of the subjects' random effects, shape (n_random, n_random)."""
        sd = np.array([self.parameters[name].sd for name in self.random])
        correlation = np.eye(len(sd))
        for (a, b), value in self.correlations.items():
            i, j = self.random.index(a), self.random.index(b)
            correlation[i, j] = correlation[j, i] = value
        return correlation * np.outer(sd, sd)

    @cached_property
    def values(self) -> Mapping[str, float]:
        """Every population parameter by name.

        ``cl`` typical value, ``cl_wt`` effect of a covariate, ``sd_cl`` and ``cycle_sd_cl``
        standard deviations of random effects, ``corr_cl_v`` correlation, ``additive_blood`` and the
        like residual errors.
        """
        out: dict[str, float] = {}
        for name, p in self.parameters.items():
            out[name] = p.value
        for name, p in self.parameters.items():
            out.update({key: e.value for key, e in effect_names(name, p).items()})
        out.update({f"sd_{name}": self.parameters[name].sd for name in self.random})
        covariance = self.covariance
        sd = np.sqrt(np.diag(covariance))
        for block in self.blocks:
            for key, (a, b) in correlation_names(block).items():
                i, j = self.random.index(a), self.random.index(b)
                out[key] = float(covariance[i, j] / (sd[i] * sd[j]))
        out.update({f"cycle_sd_{name}": self.parameters[name].cycle_sd for name in self.varying})
        for region, error in self.residual.items():
            for part, value in zip(KINDS[error.kind][1], error.values, strict=True):
                out[f"{part}_{region}"] = value
        return MappingProxyType(out)

    def with_values(self, values: Mapping[str, float]) -> PopulationModel:
        """A copy with other values of some population parameters, by name."""
        unknown = set(values) - set(self.values)
        if unknown:
            raise KineticsError(
                f"there is no population parameter {', '.join(sorted(unknown))}; there are "
                f"{', '.join(self.values)}"
            )
        new = {**self.values, **values}
        parameters = {
            name: replace(
                p,
                value=new[name],
                sd=new.get(f"sd_{name}", p.sd),
                cycle_sd=new.get(f"cycle_sd_{name}", p.cycle_sd),
                covariates=tuple(
                    replace(effect, value=new[key]) for key, effect in effect_names(name, p).items()
                ),
            )
            for name, p in self.parameters.items()
        }
        residual = {
            region: replace(
                error, values=tuple(new[f"{part}_{region}"] for part in KINDS[error.kind][1])
            )
            for region, error in self.residual.items()
        }
        correlations = {
            pair: new[key]
            for block in self.blocks
            for key, pair in correlation_names(block).items()
        }
        return replace(self, parameters=parameters, residual=residual, correlations=correlations)

    def fixing(self, *names: str) -> PopulationModel:
        """A copy with these population parameters fixed; all of them without arguments."""
        return replace(self, fixed=self.fixed | frozenset(names or self.values))

    def releasing(self, *names: str) -> PopulationModel:
        """A copy with these population parameters estimated; all of them without arguments."""
        return replace(self, fixed=self.fixed - frozenset(names or self.values))

    def equations(self) -> str:
        """The model as readable equations."""
        lines = [self.structure.equations or self.structure.name]
        sign = {"log": "exp({})", "identity": "{}", "logit": "expit({})"}
        for name, p in self.parameters.items():
            factor = "".join(
                f" {effect.equation(key)}" for key, effect in effect_names(name, p).items()
            )
            effects = [f"eta_{name}"] if p.sd > 0 else []
            effects += [f"kappa_{name}"] if p.cycle_sd > 0 else []
            text = f"{name}_i = "
            if not effects:
                lines.append(f"{text}{name}{factor}")
            elif p.transform == "log":
                lines.append(f"{text}{name}{factor} {sign['log'].format(' + '.join(effects))}")
            elif p.transform == "identity":
                lines.append(f"{text}{name}{factor} + {' + '.join(effects)}")
            else:
                odds = f"log({name}/(1 - {name}){factor}) + {' + '.join(effects)}"
                lines.append(f"{text}{sign['logit'].format(odds)}")
        for block in self.blocks:
            spread = ", ".join(f"sd_{name}^2" for name in block)
            if len(block) > 1:
                spread = f"block({spread}; {', '.join(correlation_names(block))})"
            lines.append(f"{', '.join('eta_' + n for n in block)} ~ N(0, {spread})")
        lines += [f"kappa_{n} ~ N(0, cycle_sd_{n}^2) each occasion" for n in self.varying]
        lines += [f"{region}: {error.equation(region)}" for region, error in self.residual.items()]
        values = ", ".join(
            f"{k} = {v:.6g}{' (fixed)' if k in self.fixed else ''}" for k, v in self.values.items()
        )
        return "\n".join([*lines, f"with {values}"])

    def __str__(self) -> str:
        return self.equations()


def effect_names(name: str, parameter: Parameter) -> dict[str, CovariateEffect]:
    """Population parameter name of each covariate effect; levels of a category are told apart."""
    return {
        f"{name}_{e.covariate}{f'_{e.reference:g}' if e.kind == 'category' else ''}": e
        for e in parameter.covariates
    }


def correlation_names(block: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Population parameter name of each pair of a covariance block."""
    return {f"corr_{a}_{b}": (a, b) for i, a in enumerate(block) for b in block[i + 1 :]}
