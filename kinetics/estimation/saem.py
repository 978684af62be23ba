"""Maximum likelihood by stochastic approximation of the EM algorithm (SAEM)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.estimation.fit import _covariance, _newton_gain, _notes
from kinetics.estimation.importance import (
    Proposal,
    evaluate_importance,
    importance_likelihood,
    propose,
    subject_modes,
)
from kinetics.estimation.objective import Evaluation
from kinetics.estimation.optimise import Minimum, score_hessian
from kinetics.estimation.problem import Problem, bind
from kinetics.estimation.result import PopulationFit
from kinetics.estimation.saem_run import Run
from kinetics.estimation.saem_steps import acceptance
from kinetics.estimation.uncertainty import COVARIANCES, gradient_hessian
from kinetics.population.data import PopulationData
from kinetics.population.model import PopulationModel

_DRAWS = 100_000
_AT_BOUND = 1e-9
_SCORE_DRAWS = 20_000  # in all, for standard errors
_MAX_GAIN = 1.0  # objective that a Newton step may still promise at the end


@dataclass(frozen=True, eq=False)
class SaemFit(PopulationFit):
    """A population model fitted by SAEM.

    Attributes
    ----------
    trace : ndarray, shape (n_iterations + 1, n_free)
        The vector of free parameters after every iteration; labels in ``problem.vector.labels``.
    objective_se : float
        Monte Carlo standard error of the objective.
    """

    trace: FloatArray
    objective_se: float


def fit_saem(
    model: PopulationModel,
    data: PopulationData,
    *,
    rng: np.random.Generator,
    n_burn: int = 60,
    n_smooth: int = 100,
    n_chains: int | None = None,
    transitions: tuple[int, int, int, int] = (2, 0, 0, 1),
    covariance: str | None = "hessian",
    n_draws: int | None = None,
    n_polish: int = 0,
    strict: bool = False,
) -> SaemFit:
    r"""Fit a population model by SAEM, its objective by importance sampling.

    Parameters
    ----------
    model : PopulationModel
        Model with start values; fixed parameters keep theirs.
    data : PopulationData
        Data; values below the limit enter by their probability (M3).
    rng : numpy.random.Generator
        Randomness; a seed gives the same fit on any number of cores.
    n_burn : int
        Iterations with gain 1. In their first half variances shrink by at most a tenth in each
        (simulated annealing).
    n_smooth : int
        Iterations with gain k^-0.6 that average the statistics; the estimates are the mean of
        the second half of them (Polyak and Juditsky 1992).
    n_chains : int, optional
        Markov chains for each subject; by default enough for 120 in all.
    transitions : tuple of int
        Transitions in each iteration: independent proposals about the subject's mode (Karimi et
        al. 2020), proposals from the population, sweeps of a random walk by single effects, and
        joint random walks. Every fifth iteration has at least one of each.
    covariance : str, optional
        Standard errors from the ``hessian``, the ``sandwich`` or the ``score`` matrix of the
        likelihood by importance sampling; None leaves them out.
    n_draws : int, optional
        Draws for each subject in the objective; by default 100 000 in all, but 256 to 2000 each.
    n_polish : int
        Newton steps on the likelihood by importance sampling at the end.
    strict : bool
        Raise instead of returning a fit that did not converge.

    Returns
    -------
    SaemFit
        A `PopulationFit` with the iterations and the Monte Carlo error of the objective.

    Raises
    ------
    KineticsError
        If model and data do not go together, or, under `strict`, without convergence.

    Notes
    -----
    .. math:: s_k = s_{k-1} + \gamma_k \{S(y, \phi^{(k)}) - s_{k-1}\},\quad
        \theta_k = \arg\max_\theta L(s_k; \theta)

    The complete data are the individual parameters, so typical values and linear covariate
    effects, covariances and errors with one parameter have closed forms. What random effects do
    not absorb (parameters without them, covariates that change between the cycles of a subject)
    and errors with several parameters take scoring steps on averaged quadratic approximations.
    The fit has converged when a Newton step promises less than 1 of the objective.

    References
    ----------
    Kuhn E, Lavielle M. Comput Stat Data Anal 2005;49:1020, doi:10.1016/j.csda.2004.07.002.
    Karimi B, Lavielle M, Moulines E. Comput Stat Data Anal 2020;141:123,
    doi:10.1016/j.csda.2019.07.001.
    Polyak BT, Juditsky AB. SIAM J Control Optim 1992;30:838, doi:10.1137/0330046.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from kinetics.structures.closed_forms import one_compartment
    >>> from kinetics.estimation.saem import fit_saem
    >>> from kinetics.population import Parameter, PopulationModel, proportional
    >>> from kinetics.population.build import population_data
    >>> rng = np.random.default_rng(1)
    >>> subject, time_h = np.repeat(np.arange(30), 4), np.tile([1.0, 4.0, 12.0, 24.0], 30)
    >>> cl = 2.0 * np.exp(0.3 * rng.standard_normal(30))[subject]
    >>> value = 5.0 * np.exp(-cl / 20.0 * time_h) * (1 + 0.1 * rng.standard_normal(120))
    >>> table = pd.DataFrame({"subject": subject, "time_h": time_h, "value": value})
    >>> data = population_data(table.assign(amount=100.0))
    >>> model = PopulationModel(
    ...     one_compartment(), {"cl": Parameter(1.0, sd=0.5), "v": Parameter(15.0)},
    ...     {"blood": proportional(0.2)})
    >>> fit = fit_saem(model, data, rng=rng)
    >>> fit.status, [round(fit.model.values[name]) for name in ("cl", "v")]
    ('ok', [2, 20])
    """
    _check(covariance, n_burn, n_smooth, n_chains, transitions)
    problem = bind(model, data)
    usual = np.array(transitions, dtype=np.int64)
    run = Run(problem, rng, n_chains)
    run.iterate(n_burn if len(run.x) else 0, n_smooth if len(run.x) else 0, usual)
    fit = _finished(run, covariance, n_draws, n_polish, rng)
    if strict and fit.status != "ok":
        raise KineticsError(fit.status)
    return fit


def _check(
    covariance: str | None,
    n_burn: int,
    n_smooth: int,
    n_chains: int | None,
    transitions: tuple[int, int, int, int],
) -> None:
    if covariance is not None and covariance not in COVARIANCES:
        raise KineticsError(f"covariance {covariance!r}; legal: {', '.join(COVARIANCES)}")
    if n_burn < 1 or n_smooth < 1 or (n_chains is not None and n_chains < 1):
        raise KineticsError("SAEM needs at least one iteration of each phase, and one chain")
    if len(transitions) != 4 or min(transitions) < 0 or not any(transitions):
        raise KineticsError(
            f"transitions are four counts, not all of them 0; given were {transitions!r}"
        )


def _finished(
    run: Run, covariance: str | None, n_draws: int | None, n_polish: int, rng: np.random.Generator
) -> SaemFit:
    """Objective, score, standard errors and what to say of them at the last vector."""
    problem, x = run.problem, run.x
    modes = subject_modes(problem, x, run.chains.modes)
    score_draws = 64
    if covariance is not None or n_polish:
        score_draws = int(np.clip(_SCORE_DRAWS // problem.n_subjects, 64, 256))
    proposal = propose(problem, x, modes, score_draws, rng)
    at = evaluate_importance(problem, x, proposal, want_gradient=True)
    usable = not run.trouble and np.isfinite(at.objective) and np.isfinite(at.score).all()
    inside = (x > run.bounds[:, 0] + _AT_BOUND) & (x < run.bounds[:, 1] - _AT_BOUND)
    for _ in range(n_polish if usable else 0):
        x = _newton(problem, proposal, x, at, inside, run.bounds)
        proposal = propose(problem, x, subject_modes(problem, x, modes.effects), score_draws, rng)
        at = evaluate_importance(problem, x, proposal, want_gradient=True)
        usable = np.isfinite(at.objective) and np.isfinite(at.score).all()
    matrix, reason, gain = None, "not asked for", 0.0
    if usable and len(x):
        matrix, reason, gain = _uncertainty(problem, proposal, x, at, inside, covariance)
    elif len(x):
        reason = "there is no finite likelihood at the last iteration"
    start = proposal.modes.effects
    n_draws = n_draws or int(np.clip(_DRAWS // problem.n_subjects, 256, 2000))
    by_subject, se = importance_likelihood(problem, x, n_draws=n_draws, rng=rng, start=start)
    evaluation = Evaluation(by_subject, at.score, start, proposal.modes.hessian)
    minimum = Minimum(x, evaluation.objective, at.gradient, np.empty((0, 0)), 0, True, ~inside)
    notes, status = _notes(problem, minimum, matrix, reason, covariance)
    trouble = run.trouble
    if not trouble and not np.isfinite(evaluation.objective):
        trouble = "the objective is not finite at the last iteration"
    if not trouble and not gain < _MAX_GAIN:
        trouble = (
            f"not converged: a Newton step promises to decrease the objective by {gain:.2g}; "
            "run more iterations (n_burn, n_smooth) or chains"
        )
    problems = [trouble] if trouble else []
    problems += [status] if status != "ok" else []
    rates = ", ".join(f"{name} {100 * rate:.0f} %" for name, rate in acceptance(run.chains).items())
    remarks = (
        f"objective by importance sampling, Monte Carlo standard error {se:.2g}",
        f"accepted transitions: {rates}",
    )
    return SaemFit(
        model=problem.model.with_values(problem.vector.values(x)),
        problem=problem,
        method="SAEM",
        objective=evaluation.objective,
        x=x,
        covariance=matrix,
        covariance_status=reason or f"from the {covariance}",
        evaluation=evaluation,
        converged=not trouble,
        status="; ".join(problems) or "ok",
        warnings=(*notes, *remarks),
        n_evaluations=len(run.trace) - 1,
        trace=np.array(run.trace),
        objective_se=se,
    )


def _hessian(
    problem: Problem, proposal: Proposal, x: FloatArray, at: Evaluation, inside: np.ndarray
) -> FloatArray:
    """Hessian of the objective by the same draws."""
    return gradient_hessian(
        lambda moved: evaluate_importance(problem, moved, proposal, want_gradient=True).gradient,
        x,
        inside,
        np.diag(score_hessian(at.score)),
        at.gradient,
    )


def _newton(
    problem: Problem,
    proposal: Proposal,
    x: FloatArray,
    at: Evaluation,
    inside: np.ndarray,
    bounds: FloatArray,
) -> FloatArray:
    """A Newton step, kept if the objective by the same draws decreases."""
    hessian = _hessian(problem, proposal, x, at, inside)
    if not np.linalg.eigvalsh(hessian).min(initial=np.inf) > 0:
        return x
    new = x.copy()
    new[inside] -= np.linalg.solve(hessian, at.gradient[inside])
    new = np.clip(new, *bounds.T)
    better = evaluate_importance(problem, new, proposal).objective < at.objective
    return new if better else x


def _uncertainty(
    problem: Problem,
    proposal: Proposal,
    x: FloatArray,
    at: Evaluation,
    inside: np.ndarray,
    covariance: str | None,
) -> tuple[FloatArray | None, str, float]:
    """Covariance of the vector, why there is none, and what a Newton step promises."""
    score = at.score[:, inside]
    hessian = score_hessian(score)
    matrix, reason = None, "not asked for"
    if covariance is not None:
        if covariance != "score":
            hessian = _hessian(problem, proposal, x, at, inside)
        matrix, reason = _covariance(hessian, at.score, inside, covariance)
    gain = _newton_gain(hessian, score.sum(0))
    if not np.isfinite(gain):
        gain = _newton_gain(score_hessian(score), score.sum(0))
    return matrix, reason, gain
