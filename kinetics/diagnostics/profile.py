"""Profile likelihood of one population parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinetics.diagnostics._rows import usable
from kinetics.errors import KineticsError
from kinetics.estimation.fit import fit_population
from kinetics.population.model import PopulationModel

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation.result import PopulationFit

_MOST_FITS = 15  # a side
_TOLERANCE = 0.005  # of the signed root of the change of the objective
_FARTHEST = 6.0  # on the unconstrained scale from the estimate (a factor of 400)
_LOWER_OBJECTIVE = -0.01


@dataclass(frozen=True, eq=False)
class ProfileResult:
    """Profile likelihood of a population parameter.

    Attributes
    ----------
    name : str
        The parameter.
    points : DataFrame
        A row a fit, by value: value, dofv (objective minus that of the estimates) and converged.
    estimate : float
        Its estimate.
    lower, upper : float
        Interval; NaN where `status` says why.
    level : float
        Level of the interval.
    threshold : float
        Change of the objective at its ends.
    status : str
        ``"ok"``, or in words what is wrong.
    """

    name: str
    points: pd.DataFrame
    estimate: float
    lower: float
    upper: float
    level: float
    threshold: float
    status: str

    def to_frame(self) -> pd.DataFrame:
        """The points."""
        return self.points


def profile_likelihood(
    fit: PopulationFit,
    name: str,
    *,
    level: float = 0.9,
    points: int = 4,
    n_nodes: int = 5,
) -> ProfileResult:
    r"""Profile likelihood of a parameter, and its interval.

    The parameter is fixed at values about its estimate and all others are estimated; the
    interval ends where the objective has risen by the chi-square quantile of one degree of
    freedom (2.71 for 90 %).

    Parameters
    ----------
    fit : PopulationFit
        The fit.
    name : str
        An estimated population parameter (see ``fit.to_frame()``); not one of a covariance block.
    level : float
        Level of the interval.
    points : int
        Further values on each side, for a figure.
    n_nodes : int
        Nodes for each random effect of AGQ.

    Returns
    -------
    ProfileResult

    Notes
    -----
    The ends are found by secants of :math:`r = \pm\sqrt{OFV - \widehat{OFV}}`, which is nearly
    linear in the parameter (its logarithm where it is positive).

    Raises
    ------
    KineticsError
        If the parameter is fixed, unknown, or part of a covariance block.
    """
    import pandas as pd
    from scipy.stats import chi2

    usable(fit)
    _check(fit, name)
    if not 0.0 < level < 1.0:
        raise KineticsError(f"level {level}; legal are numbers between 0 and 1")
    threshold = float(chi2.ppf(level, 1))
    search = _Profile(fit, name, n_nodes)
    ends: dict[str, float] = {}
    words = []
    for side, sign in (("lower", -1.0), ("upper", 1.0)):
        end, reason = search.end(sign, float(np.sqrt(threshold)))
        ends[side] = end
        if reason:
            words.append(reason)
        if np.isfinite(end):
            reach = search.unconstrained(end) - search.centre
            for k in range(1, points + 1):
                search.root(search.centre + reach * k * 1.3 / (points + 0.5))
    table = pd.DataFrame(search.found, columns=["value", "dofv", "converged"])
    table = table.sort_values("value", ignore_index=True)
    if float(table["dofv"].min()) < _LOWER_OBJECTIVE:
        words.append(
            f"the objective falls by {-table['dofv'].min():.3g} below that of the fit, which is "
            "not at its minimum"
        )
    return ProfileResult(
        name, table, fit.model.values[name], ends["lower"], ends["upper"], level, threshold,
        "; ".join(words) or "ok",
    )  # fmt: skip


def _check(fit: PopulationFit, name: str) -> None:
    names = fit.problem.vector.names
    if name not in names:
        raise KineticsError(
            f"{name!r} is not an estimated population parameter; these are {', '.join(names)}"
        )
    block = next((b for b in fit.model.blocks if name.removeprefix("sd_") in b), ())
    if name.startswith("corr_") or (name.startswith("sd_") and len(block) > 1):
        raise KineticsError(
            f"{name} belongs to a covariance block, which cannot be fixed in part; profile the "
            "model without the correlation, or use SIR or the bootstrap"
        )


class _Profile:
    """Fits with the parameter fixed; each begins at the nearest one before."""

    def __init__(self, fit: PopulationFit, name: str, n_nodes: int) -> None:
        self.fit, self.name, self.n_nodes = fit, name, n_nodes
        self.found: list[tuple[float, float, bool]] = [(fit.model.values[name], 0.0, True)]
        parameter = fit.model.parameters.get(name)
        if parameter is not None:
            self.transform = parameter.transform
        else:
            self.transform = "identity" if name in fit.problem.vector.plain else "log"
        self.centre = self.unconstrained(fit.model.values[name])
        self.models: list[tuple[float, PopulationModel]] = [(self.centre, fit.model)]

    def unconstrained(self, value: float) -> float:
        if self.transform == "log":
            return float(np.log(value))
        return float(np.log(value / (1.0 - value))) if self.transform == "logit" else value

    def value(self, u: float) -> float:
        if self.transform == "log":
            return float(np.exp(u))
        return float(1.0 / (1.0 + np.exp(-u))) if self.transform == "logit" else u

    def farthest(self, sign: float) -> float:
        scale = 1.0 if self.transform != "identity" else max(abs(self.centre), 1.0)
        return self.centre + sign * _FARTHEST * scale

    def first_step(self) -> float:
        """Standard error on the unconstrained scale, or a tenth."""
        fit = self.fit
        if fit.covariance is not None:
            se = float(fit.to_frame()["se"][self.name])
            h = 1e-4 * max(abs(self.centre), 1.0)
            slope = (self.value(self.centre + h) - self.value(self.centre - h)) / (2.0 * h)
            if np.isfinite(se) and se > 0.0:
                return min(se / slope, 1.0 if self.transform != "identity" else np.inf)
        return 0.1 * (1.0 if self.transform != "identity" else max(abs(self.centre), 1.0))

    def root(self, u: float) -> float:
        """Root of the change of the objective with the parameter at u; infinite without a fit."""
        model = min(self.models, key=lambda item: abs(item[0] - u))[1]
        value = self.value(u)
        fixed = model.with_values({self.name: value}).fixing(self.name)
        refit = fit_population(
            fixed, self.fit.problem.data, method=self.fit.method, covariance=None,
            n_nodes=self.n_nodes,
        )  # fmt: skip
        if not np.isfinite(refit.objective):
            return np.inf
        dofv = refit.objective - self.fit.objective
        self.found.append((value, dofv, refit.converged))
        self.models.append((u, refit.model.releasing(self.name)))
        return float(np.sqrt(max(dofv, 0.0)))

    def end(self, sign: float, target: float) -> tuple[float, str]:
        """Value where the root reaches the target on one side, or NaN and the reason."""
        inner, at_inner = self.centre, 0.0
        outer = np.nan
        at_outer = np.inf
        u = self.centre + sign * self.first_step() * target
        limit = self.farthest(sign)
        for _ in range(_MOST_FITS):
            r = self.root(u)
            if abs(r - target) < _TOLERANCE:
                return self.value(u), ""
            if r < target:
                inner, at_inner = u, r
            else:
                outer, at_outer = u, r
            if np.isnan(outer):
                if sign * (u - limit) >= 0.0:
                    break
                grow = float(np.clip(target / max(r, 1e-3), 1.2, 3.0))
                u = self.centre + (u - self.centre) * grow
                u = min(u, limit) if sign > 0 else max(u, limit)
            else:
                share = 0.5
                if np.isfinite(at_outer):
                    share = float(np.clip((target - at_inner) / (at_outer - at_inner), 0.05, 0.95))
                u = inner + share * (outer - inner)
        side = "below" if sign < 0 else "above"
        if np.isnan(outer):
            return np.nan, (
                f"no end {side}: the objective rises by only {at_inner**2:.3g} at "
                f"{self.name} = {self.value(inner):.4g}"
            )
        low, high = sorted((self.value(inner), self.value(outer)))
        return self.value(0.5 * (inner + outer)), (
            f"the end {side} is only known to lie between {low:.4g} and {high:.4g}"
        )
