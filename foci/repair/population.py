"""Induction and repair in a population of patients, by the mixed-effects engine of kinetics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from foci.counting.counts import check_dispersion
from foci.errors import FociError
from foci.repair.likelihood import NAMES
from foci.repair.table import DoseRates, FociTable, foci_table, start_values
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation import PopulationFit
    from kinetics.population import PopulationData, PopulationModel
    from kinetics.structures.structure import Structure

REGION = "foci"
_LEAST_EXPECTED = 3.0  # foci in a sample; below it the root is not normal enough (see Notes)
_SLOW_START, _FRACTION_START = 0.02, 0.9
_START_SD = {
    "induction_per_gy": 0.3,
    "background_per_cell": 0.3,
    "repair_rate_per_h": 0.5,
    "fast_rate_per_h": 0.5,
}


@dataclass(frozen=True, eq=False)
class RepairPopulation:
    """Induction, background and repair rates of a population and of each of its patients.

    Attributes
    ----------
    pools : int
        Number of parallel repair rates.
    fit : PopulationFit
        What the engine of kinetics found: typical values, standard deviations between patients
        (of logarithms; of the logit of the fraction), their errors and the random effects.
    dispersion : float
        Variance over mean of the counts, given or estimated.
    comparison : str
        One repair rate against two, in words; empty where only one number was fitted.
    status : str
        ``"ok"``, or what is wrong or not identified, in words.
    assumptions : tuple of str
        What was assumed.
    """

    pools: int
    fit: PopulationFit
    dispersion: float
    comparison: str
    status: str
    assumptions: tuple[str, ...]

    def to_frame(self, *, level: float = 0.95) -> pd.DataFrame:
        """Population parameters: value, standard error, interval; one row each."""
        return self.fit.to_frame(level=level)

    def individuals(self, *, level: float = 0.95) -> pd.DataFrame:
        """Empirical-Bayes estimates of each patient with intervals, one row per parameter.

        The intervals are normal about the mode on the scale of the random effects, population
        values taken as known: they lack the uncertainty of the population.
        """
        import pandas as pd
        from scipy.stats import norm

        model, evaluation = self.fit.model, self.fit.evaluation
        z = float(norm.ppf((1 + level) / 2))
        rows = []
        for i, patient in enumerate(self.fit.problem.data.subjects):
            n = len(model.random)
            sd = np.sqrt(np.diag(np.linalg.inv(evaluation.hessian[i, :n, :n])))
            for e, name in enumerate(model.random):
                centre = np.log(model.parameters[name].value) + evaluation.effects[i, e]
                if name == "fast_fraction":
                    value = model.parameters[name].value
                    centre = np.log(value / (1 - value)) + evaluation.effects[i, e]
                ends = centre + z * sd[e] * np.array([0.0, -1.0, 1.0])
                found = 1 / (1 + np.exp(-ends)) if name == "fast_fraction" else np.exp(ends)
                rows.append((patient, name, found[0], sd[e], found[1], found[2]))
        columns = ["patient", "parameter", "value", "log_sd", "lower", "upper"]
        return pd.DataFrame(rows, columns=columns)

    def shrinkage(self) -> pd.Series:
        """Shrinkage of the random effects and residuals in per cent."""
        return self.fit.shrinkage()

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words."""
        return {
            "pools": self.pools,
            "population": self.to_frame().to_dict("index"),
            "individuals": self.individuals().to_dict("records"),
            "shrinkage_pct": self.shrinkage().to_dict(),
            "dispersion": self.dispersion,
            "comparison": self.comparison,
            "status": self.status,
            "assumptions": self.assumptions,
        }


def fit_repair_population(
    table: pd.DataFrame,
    dose_rates: DoseRates,
    *,
    pools: Literal[1, 2, "auto"] = 1,
    dispersion: float | None = None,
    start: Mapping[str, float] | None = None,
    correlated: bool = False,
    method: str = "FOCEI",
) -> RepairPopulation:
    r"""Fit induction, background and repair of foci to all patients together.

    Parameters
    ----------
    table : DataFrame
        A row a sample: ``patient``, ``time_h`` after the administration (h, negative for
        baseline), ``cells`` and ``foci``; ``cycle`` where there are several.
    dose_rates : mapping of str, or of (str, int), to SumOfExponentials
        Absorbed dose rate to the cells (Gy/h) of each patient, or patient and cycle; single
        curves, not draws.
    pools : {1, 2, "auto"}
        Number of parallel repair rates; ``"auto"`` fits both and takes two only where the
        Bayesian criterion prefers them and they are identified. Slow rate and fraction do not vary
        between patients.
    dispersion : float, optional
        Variance over mean of the counts. Missing: it is estimated, one value for all.
    start : mapping of str to float, optional
        Start of typical values by name; by default the medians of each patient's own fit.
    correlated : bool
        Whether the random effects of induction and repair rate are correlated.
    method : str
        Estimation method of `kinetics.estimation.fit_population`.

    Returns
    -------
    RepairPopulation

    Raises
    ------
    FociError
        If the table is not what it must be (with row and column), a patient has no dose rate, or
        an option is not legal.

    Notes
    -----
    The engine knows normal residuals, so counts x of n cells enter as
    :math:`y = 2\sqrt{(x+1/4)/n}` with :math:`y\sim N(2\sqrt{\mu},\ \phi/n)`, where
    :math:`\mu(t)=b+c\int_0^t\dot D(s)\sum_jf_je^{-k_j(t-s)}ds` and c, b and the (fast) rate are
    log-normal between patients. The shift of 1/4 makes the mean of the root of a Poisson count
    right to the order of :math:`(n\mu)^{-3/2}`, the variance is right to 1 part in
    :math:`8n\mu`. Samples that expect fewer than 3 foci are named in the status: there the normal
    density is not that of the counts.

    References
    ----------
    Mean-matching root transform: Brown L et al. Probab Theory Relat Fields 2010;146:401-433,
    doi:10.1007/s00440-008-0194-2. One compartment with induction and repair: Schumann S et al.
    Eur J Nucl Med Mol Imaging 2019;46:1723-1732, doi:10.1007/s00259-019-04317-4.
    """
    if pools not in (1, 2, "auto"):
        raise FociError(f"pools must be 1, 2 or 'auto', got {pools!r}")
    if dispersion is not None:
        check_dispersion(dispersion)
    rows = foci_table(table, dose_rates)
    given = dict(start or {})
    known = {name for names in NAMES.values() for name in names}
    if unknown := set(given) - known:
        raise FociError(
            f"start names {', '.join(sorted(unknown))}; legal are {', '.join(sorted(known))}"
        )

    def fitted(n: int) -> PopulationFit:
        return _fit(rows, _model(rows, n, dispersion, given, correlated), method)

    if pools == "auto":
        return _chosen(rows, fitted(1), fitted(2), dispersion)
    return _result(rows, pools, fitted(pools), dispersion, "")


def _fit(rows: FociTable, model: PopulationModel, method: str) -> PopulationFit:
    """One fit by the engine of kinetics."""
    from kinetics.errors import KineticsError
    from kinetics.estimation import fit_population

    try:
        return fit_population(model, population_data(rows), method=method)
    except KineticsError as error:
        raise FociError(f"the population fit refuses: {error}") from None


def _model(
    rows: FociTable,
    pools: int,
    dispersion: float | None,
    start: Mapping[str, float],
    correlated: bool,
) -> PopulationModel:
    from kinetics.population import Parameter, PopulationModel, known_sd

    names = NAMES[pools]
    values = start_values(rows)
    if pools == 2:
        values["fast_rate_per_h"] = 1.5 * values.pop("repair_rate_per_h")
        values |= {"slow_rate_per_h": _SLOW_START, "fast_fraction": _FRACTION_START}
    values |= {name: float(value) for name, value in start.items() if name in names}
    parameters = {
        name: Parameter(
            values[name],
            sd=_START_SD.get(name, 0.0),
            transform="logit" if name == "fast_fraction" else "log",
        )
        for name in names
    }
    scale = 1.0 if dispersion is None else float(np.sqrt(dispersion))
    return PopulationModel(
        repair_structure(pools),
        parameters,
        {REGION: known_sd(scale)},
        correlations={(names[0], names[2]): 0.0} if correlated else {},
        fixed=frozenset() if dispersion is None else frozenset({f"scale_{REGION}"}),
    )


def repair_structure(pools: int) -> Structure:
    """Structural model of twice the root of foci per cell, for the engine of kinetics.

    Its dose table holds the terms of the dose rate: `time_h` start, `amount` amplitude (Gy/h),
    `rate` decay rate (1/h).
    """
    from foci.repair._population_kernels import predict_one_pool, predict_two_pools
    from kinetics.structures.structure import Structure

    pool = (
        "exp(-repair_rate_per_h (t - s))"
        if pools == 1
        else "(fast_fraction exp(-fast_rate_per_h (t - s)) "
        "+ (1 - fast_fraction) exp(-slow_rate_per_h (t - s)))"
    )
    return Structure(
        name=f"foci with {'one repair pool' if pools == 1 else 'two repair pools'}",
        parameters=NAMES[pools],
        regions=(REGION,),
        predict=predict_one_pool if pools == 1 else predict_two_pools,
        equations=f"{REGION} = 2 sqrt(background_per_cell + induction_per_gy int_0^t dose_rate(s) "
        f"{pool} ds)",
    )


def population_data(rows: FociTable) -> PopulationData:
    """Roots of the counts, and the terms of the dose rates as doses."""
    from kinetics.population import PopulationData
    from kinetics.structures.structure import DOSE_COLUMNS

    n_occasions = len(rows.occasion_patient)
    terms = [np.column_stack([c.amplitude, c.rate_per_h]) for c in rows.curves]
    doses = np.zeros((sum(len(t) for t in terms), len(DOSE_COLUMNS)))
    doses[:, [DOSE_COLUMNS.index("amount"), DOSE_COLUMNS.index("rate")]] = np.concatenate(terms)
    n = len(rows.foci)
    return PopulationData(
        subjects=rows.patients,
        occasion_subject=rows.occasion_patient,
        occasion_label=tuple(str(cycle) for cycle in rows.occasion_cycle),
        covariates={},
        regions=(REGION,),
        observation_start=np.searchsorted(rows.occasion, np.arange(n_occasions + 1)),
        time_h=np.maximum(rows.time_h, 0.0),
        value=2.0 * np.sqrt((rows.foci + 0.25) / rows.cells),
        region=np.zeros(n, dtype=np.int64),
        below_limit=np.zeros(n, dtype=bool),
        sd=1.0 / np.sqrt(rows.cells),
        row=rows.row,
        dose_start=np.concatenate([[0], np.cumsum([len(t) for t in terms])]).astype(np.int64),
        doses=doses,
    )


def _chosen(
    rows: FociTable, one: PopulationFit, two: PopulationFit, dispersion: float | None
) -> RepairPopulation:
    """One pool, unless two are preferred and identified."""
    words = f"BIC {one.bic:.1f} with one repair rate, {two.bic:.1f} with two"
    if two.bic < one.bic and two.status == "ok":
        return _result(rows, 2, two, dispersion, f"two repair rates are better: {words}")
    if two.bic < one.bic:
        words = f"{words}, but two are not identified ({two.status})"
    return _result(rows, 1, one, dispersion, f"one repair rate is enough: {words}")


def _result(
    rows: FociTable, pools: int, fit: PopulationFit, dispersion: float | None, comparison: str
) -> RepairPopulation:
    scale = fit.model.values[f"scale_{REGION}"]
    words = [] if fit.status == "ok" else [fit.status]
    few = int((predicted_foci(rows, fit) < _LEAST_EXPECTED).sum())
    if few:
        words.append(
            f"{few} of {len(rows.foci)} samples expect fewer than {_LEAST_EXPECTED:g} foci, where "
            "the normal approximation of the counts is poor"
        )
    said = [
        f"ASSUMED: foci are induced in proportion to the dose rate and repaired at first order in "
        f"{'one pool' if pools == 1 else 'two pools'}; patients vary log-normally",
        "counts enter as normal square roots",
        "the dose rate of each patient is taken as known",
    ]
    if dispersion is None and scale < 1:
        said.append(f"the counts scatter less than Poisson (variance over mean {scale**2:.2f})")
    if len(rows.occasion_patient) > len(rows.patients):
        said.append("ASSUMED: foci of a cycle are repaired before the next one begins")
    return RepairPopulation(
        pools, fit, float(scale**2), comparison, "; ".join(words) or "ok", tuple(said)
    )


def predicted_foci(rows: FociTable, fit: PopulationFit) -> FloatArray:
    """Foci expected in each sample at the patients' own estimates, shape (n,)."""
    from kinetics.estimation.shrinkage import individual_predictions

    root = individual_predictions(fit.problem, fit.x, fit.evaluation.effects)
    return np.asarray(rows.cells * (root / 2) ** 2)
