"""A new patient with the population known: the posterior of the patient's own kinetics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.estimation.result import PopulationFit
from kinetics.individual._target import Mode, Target, make_target
from kinetics.individual.chains import sample_chains
from kinetics.individual.result import IndividualPosterior
from kinetics.population.data import PopulationData
from kinetics.population.model import PopulationModel
from kinetics.posterior import effective_sample_size, normalised_weights, resample, sample_posterior

METHODS = ("laplace", "importance", "mcmc")
_N_CHAINS = 100
_LEAST_PROPOSALS = 800
_POOR_LAPLACE = 0.3  # effective share below which the approximation is called poor


def individual_posterior(
    model: PopulationModel | PopulationFit,
    data: PopulationData,
    *,
    decay_corrected: bool,
    rng: np.random.Generator,
    decay_per_h: float | None = None,
    method: str = "importance",
    n_draws: int = 1000,
    population_draws: int = 0,
) -> IndividualPosterior:
    r"""Posterior of one patient's parameters in all occasions, and in the next.

    .. math:: p(\eta, \kappa \mid y) \propto \prod_{cj} p(y_{cj} \mid \eta, \kappa_c)\,
        N(\eta; 0, \Omega) \prod_c N(\kappa_c; 0, \Gamma)

    All occasions are taken together, so earlier cycles inform later ones as strongly as the
    variability between cycles allows.

    Parameters
    ----------
    model : PopulationModel or PopulationFit
        The population.
    data : PopulationData
        Data of one subject (see `patient_data`); without samples the result is the population.
    decay_corrected : bool
        Whether the data are corrected for physical decay. The model then predicts activities
        without decay, and curves and integrals receive it from `decay_per_h`.
    rng : numpy.random.Generator
        Source of randomness.
    decay_per_h : float, optional
        Physical decay constant (1/h); needed for decay-corrected data, ignored for others.
    method : str
        ``laplace`` (normal about the mode, full Hessian; with few samples it lies too low, see
        Notes), ``importance`` (exact as the number of proposals grows) or ``mcmc`` (differential
        evolution chains, exact as they grow).
    n_draws : int
        Number of draws.
    population_draws : int
        Draws of the population parameters from the covariance of a fit, weighted by how probable
        they make the patient's data (Laplace); 0 takes the estimates as known.

    Returns
    -------
    IndividualPosterior

    Raises
    ------
    KineticsError
        If an argument is not legal, model and data do not go together, or the population's
        uncertainty is asked of a model without covariance.

    Notes
    -----
    In 3,000 simulated patients with two samples of the kidneys in one cycle and one in the next,
    10 % of the true integrals of these cycles lay above the Laplace approximation's 90 % interval
    and 3 % below it, where 5 % each are right. Importance sampling had 5 % each, within error.

    Examples
    --------
    >>> import numpy as np
    >>> from kinetics.structures.closed_forms import sum_of_exponentials
    >>> from kinetics.population import Parameter, PopulationModel, proportional
    >>> kidneys = PopulationModel(
    ...     sum_of_exponentials(1, region="kidneys"),
    ...     {"a1": Parameter(0.02, sd=0.4), "l1": Parameter(0.0135, sd=0.2)},
    ...     {"kidneys": proportional(0.1)})
    >>> patient = individual_posterior(
    ...     kidneys, patient_data([72.0], [55.0], region="kidneys", activity_mbq=7400.0),
    ...     decay_corrected=False, rng=np.random.default_rng(1))
    >>> float(patient.to_frame().loc[("1", "kidneys"), "mean"].round(-2))
    11100.0
    """
    population = model.model if isinstance(model, PopulationFit) else model
    _check(population, method, decay_corrected, decay_per_h, n_draws)
    targets = [make_target(population, data)]
    if population_draws:
        targets = _uncertain_targets(model, data, population_draws, rng)
    modes = [target.mode() for target in targets]
    evidence = np.array([mode.log_evidence for mode in modes])
    chosen = resample(normalised_weights(evidence), n_draws, rng)
    sampled = [
        _sample(targets[k], modes[k], method, int(count), rng, len(targets) == 1)
        for k, count in zip(*np.unique(chosen, return_counts=True), strict=True)
    ]
    kept = [targets[k] for k in np.unique(chosen)]
    order = rng.permutation(n_draws)
    parameter = np.concatenate([t.parameters(s.z) for t, s in zip(kept, sampled, strict=True)])
    following = np.concatenate(
        [t.next_parameters(s.z, rng) for t, s in zip(kept, sampled, strict=True)]
    )
    centre = make_target(population, data)
    return IndividualPosterior(
        model=population,
        data=data,
        method=method if len(data.value) else "population",
        parameter=parameter[order],
        next_parameter=following[order],
        map_parameter=centre.parameters(centre.mode().z[None])[0],
        effective_sample_size=float(sum(s.effective for s in sampled)),
        status=next((s.status for s in sampled if s.status != "ok"), "ok"),
        decay_corrected=decay_corrected,
        decay_per_h=decay_per_h,
        assumptions=_assumptions(population, population_draws),
    )


def patient_data(
    time_h: npt.ArrayLike,
    value: npt.ArrayLike,
    *,
    region: str | Sequence[str],
    activity_mbq: float | Mapping[int, float] = 1.0,
    occasion: int | Sequence[int] = 1,
    sd: npt.ArrayLike | None = None,
    below_limit: npt.ArrayLike | None = None,
    covariates: Mapping[str, npt.ArrayLike] | None = None,
    subject: str = "patient",
) -> PopulationData:
    """Data of one patient with a bolus at the start of every occasion.

    Parameters
    ----------
    time_h : array_like, shape (n,)
        Times since the start of the occasion (h); may be empty.
    value : array_like, shape (n,)
        Observations, in the unit of the population model.
    region : str or sequence of str
        Region of all observations, or of each.
    activity_mbq : float or mapping of int to float
        Amount administered (MBq), in all occasions or by occasion; occasions that are only named
        here are without samples.
    occasion : int or sequence of int
        Occasion (cycle) of all observations, or of each.
    sd : array_like, optional
        Known standard deviations of the observations.
    below_limit : array_like of bool, optional
        Where the value is a limit of quantification.
    covariates : mapping of str to array_like, optional
        One number, or one for each occasion in ascending order.
    subject : str
        Identifier.

    Raises
    ------
    KineticsError
        If lengths differ, a time is negative, or an occasion has no amount.
    """
    time = np.atleast_1d(np.asarray(time_h, dtype=np.float64))
    observed = np.atleast_1d(np.asarray(value, dtype=np.float64))
    n = len(time)
    if len(observed) != n:
        raise KineticsError(f"{n} times but {len(observed)} values")
    if not (np.isfinite(time).all() and np.isfinite(observed).all() and (time >= 0).all()):
        raise KineticsError("times and values must be finite, times zero or positive")
    names = np.broadcast_to(np.asarray(region, dtype=object), n)
    cycle = np.broadcast_to(np.asarray(occasion, dtype=np.int64), n)
    amount = dict(activity_mbq) if isinstance(activity_mbq, Mapping) else {}
    cycles = sorted({*map(int, cycle), *amount}) or [1]
    if not isinstance(activity_mbq, Mapping):
        amount = dict.fromkeys(cycles, float(activity_mbq))
    missing = [str(c) for c in cycles if c not in amount]
    if missing:
        raise KineticsError(f"occasion {', '.join(missing)} has samples but no activity")
    regions = tuple(dict.fromkeys(map(str, names)))
    if not n:
        regions = (region,) if isinstance(region, str) else tuple(region)
    order = np.lexsort((time, cycle))
    doses = np.zeros((len(cycles), 8))
    doses[:, 1] = [amount[c] for c in cycles]
    known = np.full(n, np.nan) if sd is None else np.broadcast_to(np.asarray(sd, float), n)
    limit = (
        np.zeros(n, bool) if below_limit is None else np.broadcast_to(np.asarray(below_limit), n)
    )
    return PopulationData(
        subjects=(subject,),
        occasion_subject=np.zeros(len(cycles), dtype=np.int64),
        occasion_label=tuple(map(str, cycles)),
        covariates={
            key: np.broadcast_to(np.asarray(x, dtype=np.float64), len(cycles)).copy()
            for key, x in (covariates or {}).items()
        },
        regions=regions,
        observation_start=np.searchsorted(cycle[order], [*cycles, cycles[-1] + 1]).astype(np.int64),
        time_h=time[order],
        value=observed[order],
        region=np.array([regions.index(str(r)) for r in names[order]], dtype=np.int64),
        below_limit=limit.astype(bool)[order],
        sd=known[order].astype(np.float64),
        row=np.arange(n)[order],
        dose_start=np.arange(len(cycles) + 1),
        doses=doses,
    )


@dataclass(frozen=True, eq=False)
class _Sample:
    """Draws of standardised effects, how many are effective, and what is wrong."""

    z: FloatArray
    effective: float
    status: str


def _sample(
    target: Target, mode: Mode, method: str, n_draws: int, rng: np.random.Generator, search: bool
) -> _Sample:
    m = target.n_effects
    if target.problem is None or m == 0:
        return _Sample(rng.standard_normal((n_draws, m)), float(n_draws), "ok")
    if method == "laplace":
        return _laplace(target, mode, n_draws, rng)
    if method == "mcmc":
        starts = rng.standard_normal((max(_N_CHAINS, 4 * m + m % 2), m))
        chains = sample_chains(target.log_density, starts, rng=rng, n_draws=n_draws)
        return _Sample(chains.draws, chains.effective_sample_size, chains.status)
    starts = mode.z[None]
    if search:
        starts = np.concatenate([starts, rng.standard_normal((2, m))])
    found = sample_posterior(
        target.log_density, starts, rng=rng, n_draws=n_draws,
        n_proposals=max(4 * n_draws, _LEAST_PROPOSALS),
    )  # fmt: skip
    return _Sample(found.draws, found.effective_sample_size, found.status)


def _laplace(target: Target, mode: Mode, n_draws: int, rng: np.random.Generator) -> _Sample:
    normal = rng.standard_normal((n_draws, target.n_effects))
    z = mode.z + normal @ np.linalg.cholesky(mode.covariance).T
    value = target.log_density(z) + 0.5 * (normal**2).sum(-1)
    effective = effective_sample_size(np.where(np.isfinite(value), value, -np.inf))
    status = "ok"
    if effective < _POOR_LAPLACE * n_draws:
        status = (
            f"the normal approximation is poor ({effective:.0f} of {n_draws} draws would be "
            "effective after correction): use importance sampling"
        )
    return _Sample(z, effective, status)


def _uncertain_targets(
    fit: PopulationModel | PopulationFit, data: PopulationData, n: int, rng: np.random.Generator
) -> list[Target]:
    """Targets of populations drawn from the fit's covariance."""
    if not isinstance(fit, PopulationFit):
        raise KineticsError("population_draws need a PopulationFit, whose covariance is known")
    if fit.covariance is None:
        raise KineticsError(f"the fit has no covariance: {fit.covariance_status}")
    eigenvalue, vector = np.linalg.eigh(fit.covariance)
    root = vector * np.sqrt(np.maximum(eigenvalue, 0.0))
    x = fit.x + rng.standard_normal((n, len(fit.x))) @ root.T
    values = [fit.problem.vector.values(row) for row in x]
    return [make_target(fit.model.with_values(v), data) for v in values]


def _check(
    model: PopulationModel,
    method: str,
    decay_corrected: bool,
    decay_per_h: float | None,
    n_draws: int,
) -> None:
    if method not in METHODS:
        raise KineticsError(f"method {method!r}; legal: {', '.join(METHODS)}")
    if n_draws < 2:
        raise KineticsError(f"n_draws must be at least 2, not {n_draws}")
    check_decay(model, decay_corrected, decay_per_h)


def check_decay(model: PopulationModel, decay_corrected: bool, decay_per_h: float | None) -> None:
    """Raise KineticsError where physical decay would be missing or applied twice."""
    if not decay_corrected:
        return
    if decay_per_h is None or not 0.0 < decay_per_h < np.inf:
        raise KineticsError(
            f"decay-corrected data need decay_per_h, a positive decay constant, not {decay_per_h}"
        )
    if "decay_per_h" in model.structure.parameters:
        raise KineticsError(
            f"{model.structure.name} has physical decay in it (parameter decay_per_h): its data "
            "are not decay-corrected"
        )


def _assumptions(model: PopulationModel, population_draws: int) -> tuple[str, ...]:
    notes = []
    if not population_draws:
        notes.append("ASSUMED: the population parameters are known without uncertainty")
    if any(p.covariates for p in model.parameters.values()):
        notes.append("ASSUMED: the next occasion has the covariates of the last")
    return tuple(notes)
