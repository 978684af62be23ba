"""Visual predictive checks: quantiles of the observations against those of simulations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.diagnostics._bins import Stratum, quantiles_of, strata
from kinetics.diagnostics._rows import linearised, observation_frame, usable
from kinetics.diagnostics.simulate import Limit, data_limits, simulated_values
from kinetics.errors import KineticsError

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation.result import PopulationFit


@dataclass(frozen=True, eq=False)
class VpcResult:
    """A visual predictive check.

    Attributes
    ----------
    quantiles : DataFrame
        A row a stratum, bin and quantile: stratum, region, bin, time_h (median of the bin),
        start_h and stop_h (its edges), n, quantile, observed, lower, median and upper (of the
        simulated quantile), limit (of quantification) and status, which says why a number is
        missing.
    below_limit : DataFrame
        A row a stratum and bin: share of the observations below the limit (observed), and of the
        simulations (lower, median, upper). Empty without limits.
    observations : DataFrame
        The observations as they were compared: stratum, bin, time_h, value (corrected where that
        was asked for), below_limit.
    n_simulations : int
        Number of simulations.
    level : float
        Level of the simulated intervals.
    corrected : str
        ``none``, ``prediction`` or ``prediction and variability``.
    notes : tuple of str
        What a reader should know.
    """

    quantiles: pd.DataFrame
    below_limit: pd.DataFrame
    observations: pd.DataFrame
    n_simulations: int
    level: float
    corrected: str
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """The quantiles."""
        return self.quantiles


def visual_predictive_check(
    fit: PopulationFit,
    *,
    rng: np.random.Generator,
    n_simulations: int = 1000,
    bins: int | Sequence[float] = 8,
    prediction_corrected: bool = False,
    variability_corrected: bool = False,
    logarithmic: bool = False,
    quantiles: Sequence[float] = (0.1, 0.5, 0.9),
    stratify: str | None = None,
    level: float = 0.9,
    lloq: Limit | None = None,
) -> VpcResult:
    r"""Compare quantiles of the observations over time with those of simulated data sets.

    Parameters
    ----------
    fit : PopulationFit
        The fit; its data are the design of the simulations.
    rng : numpy.random.Generator
        Randomness.
    n_simulations : int
        Simulations of the whole data set (20 at least).
    bins : int or sequence of float
        Number of bins, each with about the same number of observations (one for each distinct
        time where these are fewer), or the edges of the bins (h).
    prediction_corrected : bool
        Whether to scale observations and simulations to the typical prediction of their bin, so
        that doses and covariates within a bin do not widen it.
    variability_corrected : bool
        Whether to scale the distance from it, too, by the simulated standard deviation; needs
        `prediction_corrected`.
    logarithmic : bool
        Whether values and predictions are logarithms: the correction is then a difference instead
        of a ratio. (Not for log-normal errors, whose values are no logarithms.)
    quantiles : sequence of float
        Quantiles to compare.
    stratify : str, optional
        Covariate to stratify by (up to six values, else its halves); regions always are apart.
    level : float
        Level of the interval of each simulated quantile.
    lloq : float, mapping of str to float, or array_like, shape (n,), optional
        Limit of quantification; needed only where the censored observations of a region have
        several.

    Returns
    -------
    VpcResult

    Notes
    -----
    Observations and simulations below the limit count as lowest. Quantiles that fall among them
    are NaN. The prediction correction with the bin's median prediction P is

    .. math:: y^* = y\,P/f \qquad\text{or}\qquad y^* = y + P - f \text{ (logarithms)}

    and of the variability :math:`y^{**} = P + (y^* - P)\,\tilde s/s`, s the standard deviation of
    the corrected simulations of the observation and :math:`\tilde s` its median in the bin.

    References
    ----------
    Bergstrand M et al. AAPS J 2011;13:143-151, doi:10.1208/s12248-011-9255-z.

    Raises
    ------
    KineticsError
        If an argument is not legal, or limits of quantification are ambiguous.

    Examples
    --------
    ::

        check = visual_predictive_check(fit, rng=np.random.default_rng(1), bins=6)
        check.to_frame()
        plot_vpc(check)
    """
    levels = np.asarray(quantiles, dtype=np.float64)
    _check(n_simulations, levels, level, prediction_corrected, variability_corrected)
    problem = usable(fit).problem
    data = problem.data
    limit = data_limits(data, lloq)
    simulated = simulated_values(problem, fit.x, n_simulations, rng)
    finite = np.asarray(np.isfinite(simulated).all(0))
    notes = []
    if not finite.all():
        notes.append(f"{int((~finite).sum())} observations left out: their simulations overflow")
    groups, said = strata(data, bins, stratify, finite)
    notes += said
    below, simulated_below = data.below_limit, simulated < limit
    value = data.value.copy()
    corrected = "none"
    if prediction_corrected:
        corrected = "prediction and variability" if variability_corrected else "prediction"
        typical = linearised(problem, fit.x, problem.empty_effects())[0]
        notes += _correct(value, simulated, typical, groups, logarithmic, variability_corrected)
        if below.any():
            notes.append("below the limit, the order of corrected values is only approximate")
    value[below] = -np.inf
    simulated[simulated_below] = -np.inf
    tail = (1.0 - level) / 2.0
    interval = np.array([tail, 0.5, 1.0 - tail])
    lowest = None if prediction_corrected else limit
    rows = [
        row
        for group in groups
        for row in _compare(group, value, simulated, levels, interval, lowest)
    ]
    shares = [
        row for group in groups for row in _shares(group, below, simulated_below, limit, interval)
    ]
    return VpcResult(
        quantiles=_frame(rows),
        below_limit=_frame(shares),
        observations=_observations(fit, groups, value),
        n_simulations=n_simulations,
        level=level,
        corrected=corrected,
        notes=tuple(notes),
    )


def _check(
    n_simulations: int, levels: FloatArray, level: float, predicted: bool, varied: bool
) -> None:
    if n_simulations < 20:
        raise KineticsError(f"{n_simulations} simulations are too few; at least 20")
    if levels.ndim != 1 or not len(levels) or not ((levels > 0) & (levels < 1)).all():
        raise KineticsError(f"quantiles {levels.tolist()}; legal are numbers between 0 and 1")
    if not 0.0 < level < 1.0:
        raise KineticsError(f"level {level}; legal are numbers between 0 and 1")
    if varied and not predicted:
        raise KineticsError("variability_corrected needs prediction_corrected=True")


def _frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows)


def _correct(
    value: FloatArray,
    simulated: FloatArray,
    typical: FloatArray,
    groups: list[Stratum],
    logarithmic: bool,
    variability: bool,
) -> list[str]:
    """Correct observations and simulations in place; what to say of it."""
    left = 0
    for group in groups:
        for rows in group.rows:
            centre = np.median(typical[rows])
            with np.errstate(divide="ignore", invalid="ignore"):
                factor = np.ones(len(rows)) if logarithmic else centre / typical[rows]
            usable_rows = np.isfinite(factor) & (factor > 0.0)
            left += int((~usable_rows).sum())
            factor = np.where(usable_rows, factor, 1.0)
            shift = centre - typical[rows] if logarithmic else 0.0
            value[rows] = value[rows] * factor + shift
            simulated[:, rows] = simulated[:, rows] * factor + shift
            if variability:
                spread = simulated[:, rows].std(0, ddof=1)
                ratio = np.where(spread > 0.0, np.median(spread) / np.maximum(spread, 1e-300), 1.0)
                value[rows] = centre + (value[rows] - centre) * ratio
                simulated[:, rows] = centre + (simulated[:, rows] - centre) * ratio
    if not left:
        return []
    return [f"{left} observations are not corrected: a typical prediction is zero or negative"]


def _compare(
    group: Stratum,
    value: FloatArray,
    simulated: FloatArray,
    levels: FloatArray,
    interval: FloatArray,
    limit: FloatArray | None,
) -> list[dict[str, object]]:
    """Rows of the quantiles of one stratum."""
    out: list[dict[str, object]] = []
    for rows, head in zip(group.rows, group.heads, strict=True):
        seen = quantiles_of(value[rows], levels)
        spread = quantiles_of(quantiles_of(simulated[:, rows], levels), interval, axis=-2)
        for q, quantile in enumerate(levels):
            numbers = np.array([seen[q], *spread[:, q]])
            missing = ~np.isfinite(numbers)
            names = np.array(["observed", "lower", "median", "upper"])
            status = f"below the limit: {', '.join(names[missing])}" if missing.any() else "ok"
            numbers[missing] = np.nan
            out.append(
                head
                | {"n": len(rows), "quantile": float(quantile)}
                | dict(zip(names.tolist(), numbers.tolist(), strict=True))
                | {"limit": _finite_max(limit, rows), "status": status}
            )
    return out


def _shares(
    group: Stratum,
    below: np.ndarray,
    simulated_below: np.ndarray,
    limit: FloatArray,
    interval: FloatArray,
) -> list[dict[str, object]]:
    """Rows of the share below the limit of one stratum; none if it has no limit."""
    if not np.isfinite(limit[np.concatenate(group.rows)]).any():
        return []
    out: list[dict[str, object]] = []
    for rows, head in zip(group.rows, group.heads, strict=True):
        spread = np.quantile(simulated_below[:, rows].mean(1), interval)
        names = ("lower", "median", "upper")
        out.append(
            head
            | {"n": len(rows), "observed": float(below[rows].mean())}
            | dict(zip(names, spread.tolist(), strict=True))
        )
    return out


def _finite_max(limit: FloatArray | None, rows: np.ndarray) -> float:
    highest = -np.inf if limit is None else float(limit[rows].max())
    return highest if np.isfinite(highest) else float("nan")


def _observations(fit: PopulationFit, groups: list[Stratum], value: FloatArray) -> pd.DataFrame:
    table = observation_frame(fit.problem.data)
    table["value"] = np.where(fit.problem.data.below_limit, fit.problem.data.value, value)
    table["stratum"], table["bin"] = "", -1
    for group in groups:
        for b, rows in enumerate(group.rows):
            table.loc[rows, "stratum"], table.loc[rows, "bin"] = group.name, b
    return table[table["bin"] >= 0].reset_index(drop=True)
