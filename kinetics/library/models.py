"""Library of published population models: their parameter tables and their simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.library.activity_curves import ActivityCurves, integration_grid
from kinetics.models import ResidualError

if TYPE_CHECKING:
    import pandas as pd

_HALF_LIVES = 25.0  # length of the integration grid: what is left is 3e-8

Values = Mapping[str, FloatArray]
Typical = Callable[[Mapping[str, float], int], Mapping[str, float]]
Curves = Callable[[Values, Mapping[str, float], float, FloatArray], dict[str, FloatArray]]


@dataclass(frozen=True)
class PublishedParameter:
    """One row of a paper's parameter table.

    Attributes
    ----------
    value : float
        Typical value, in `unit`.
    unit : str
        Unit; empty for a number.
    rse_pct, iiv_cv_pct, iov_cv_pct : float
        Relative standard error, and variability between individuals and between occasions
        (coefficients of variation); zero where there is none.
    origin : str
        ``"estimated"``, ``"fixed by the authors"``, or ``"ASSUMED: ..."``.
    """

    value: float
    unit: str
    rse_pct: float = 0.0
    iiv_cv_pct: float = 0.0
    iov_cv_pct: float = 0.0
    origin: str = "estimated"


@dataclass(frozen=True)
class PublishedCovariate:
    """A covariate of a model: its value when not given, its unit and what it does."""

    default: float
    unit: str
    description: str


@dataclass(frozen=True, eq=False)
class PublishedModel:
    r"""A published population model.

    An individual's parameters are the typical ones for the covariates times
    :math:`e^{\eta+\kappa}` with :math:`\eta \sim N(0, \log(1+\mathrm{CV}^2))` between
    individuals and :math:`\kappa` likewise between occasions.

    Attributes
    ----------
    name, nuclide, source : str
        Name, nuclide and publication.
    half_life_h : float
        Physical half-life of the nuclide (h).
    parameters : mapping of str to PublishedParameter
        Parameters with their variability.
    effects : mapping of str to PublishedParameter
        Coefficients of covariate effects.
    covariates : mapping of str to PublishedCovariate
        Covariates with their defaults.
    regions : mapping of str to str
        Regions and their units.
    residual : mapping of str to ResidualError
        Residual error of the regions that the authors observed.
    assumptions : tuple of str
        What is assumed here rather than published, and what is left out.
    """

    name: str
    nuclide: str
    source: str
    half_life_h: float
    parameters: Mapping[str, PublishedParameter]
    effects: Mapping[str, PublishedParameter]
    covariates: Mapping[str, PublishedCovariate]
    regions: Mapping[str, str]
    residual: Mapping[str, ResidualError]
    assumptions: tuple[str, ...]
    typical: Typical = field(repr=False)
    curves: Curves = field(repr=False)

    @property
    def decay_per_h(self) -> float:
        """Physical decay constant (1/h)."""
        return math.log(2) / self.half_life_h

    def individuals(
        self,
        *,
        covariates: Mapping[str, float] | None = None,
        cycle: int = 1,
        n: int | None = None,
        rng: np.random.Generator | None = None,
    ) -> dict[str, FloatArray]:
        """Parameters of `n` simulated individuals, shape (n,); the typical one without `n`."""
        if cycle < 1:
            raise KineticsError(f"cycles count from 1, got {cycle}")
        if (n is None) != (rng is None):
            raise KineticsError("individuals need both n and rng; the typical one neither")
        typical = self.typical(self._complete(covariates), cycle)
        values = {}
        for name, value in typical.items():
            row, eta = self.parameters[name], np.asarray(0.0)
            if rng is not None:
                variance = sum(
                    math.log1p((cv / 100) ** 2) for cv in (row.iiv_cv_pct, row.iov_cv_pct)
                )
                eta = np.asarray(math.sqrt(variance) * rng.standard_normal(n))
            values[name] = np.asarray(value * np.exp(eta))
        return values

    def simulate(
        self,
        activity_mbq: float,
        *,
        time_h: FloatArray | None = None,
        covariates: Mapping[str, float] | None = None,
        cycle: int = 1,
        n: int | None = None,
        rng: np.random.Generator | None = None,
    ) -> ActivityCurves:
        """Decay-corrected activity of each region, without residual error.

        Parameters
        ----------
        activity_mbq : float
            Activity at the start of the administration (MBq).
        time_h : array_like, shape (n_times,), optional
            Ascending times (h); an integration grid over 25 physical half-lives when missing.
        covariates : mapping of str to float, optional
            Covariates; the defaults of the model for those not given.
        cycle : int
            Treatment cycle, from 1.
        n, rng : int and numpy.random.Generator, optional
            Number of individuals and source of their variability; without them the typical
            individual, without a leading axis.

        Returns
        -------
        ActivityCurves
            Decay-corrected: apply ``decayed(model.decay_per_h)`` before integrating.

        Raises
        ------
        KineticsError
            If a covariate is unknown or not legal, or only one of `n` and `rng` is given.

        Examples
        --------
        >>> model = published_models()["177Lu-PSMA-617"]
        >>> curves = model.simulate(3000.0).decayed(model.decay_per_h)
        >>> float(curves.time_integrated_activity()["tumour"].round())
        183.0
        """
        if not activity_mbq > 0:
            raise KineticsError(f"activity_mbq must be positive, got {activity_mbq:g}")
        known = self._complete(covariates)
        values = self.individuals(covariates=known, cycle=cycle, n=n, rng=rng)
        weight = None
        if time_h is None:
            time, weight = integration_grid(_HALF_LIVES * self.half_life_h)
        else:
            time = np.atleast_1d(np.asarray(time_h, dtype=np.float64))
        value = self.curves(values, known, activity_mbq, time)
        return ActivityCurves(time, value, True, weight, self.assumptions)

    def to_frame(self) -> pd.DataFrame:
        """Parameter table: parameters, then coefficients of covariate effects."""
        import pandas as pd

        rows = [
            {"parameter": name, "role": role, **vars(row), "source": self.source}
            for role, table in (("parameter", self.parameters), ("effect", self.effects))
            for name, row in table.items()
        ]
        return pd.DataFrame(rows)

    def _complete(self, covariates: Mapping[str, float] | None) -> dict[str, float]:
        """Covariates with defaults filled in."""
        given = dict(covariates or {})
        unknown = set(given) - set(self.covariates)
        if unknown:
            raise KineticsError(
                f"{self.name} has no covariate {', '.join(sorted(unknown))}; it has "
                f"{', '.join(self.covariates)}"
            )
        known = {name: given.get(name, row.default) for name, row in self.covariates.items()}
        wrong = [name for name, value in known.items() if not value >= 0]
        if wrong:
            raise KineticsError(f"covariates must not be negative: {', '.join(wrong)}")
        return known


def published_models() -> dict[str, PublishedModel]:
    """All published population models by name.

    Examples
    --------
    >>> list(published_models())
    ['177Lu-PSMA-617', '177Lu-PSMA-I&T', '177Lu-HA-DOTATATE', '111In-DOTATATE']
    """
    from kinetics.library.dotatate import dotatate
    from kinetics.library.ha_dotatate import ha_dotatate
    from kinetics.library.psma import psma_617, psma_it

    models = (psma_617(), psma_it(), ha_dotatate(), dotatate())
    return {model.name: model for model in models}
