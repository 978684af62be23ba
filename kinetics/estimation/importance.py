"""The likelihood by importance sampling, and its derivatives on the same draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.estimation.levels import Layout, Levels
from kinetics.estimation.objective import Evaluation, _over, evaluate
from kinetics.estimation.problem import Problem
from kinetics.population.data import IntArray

_DEGREES = 5.0  # of freedom of the multivariate t distribution
_REPLICATES = 2  # independent scramblings, for the Monte Carlo error
_MOST_SETS = 256  # different sets of draws; subjects take turns
_LOG_2PI = float(np.log(2.0 * np.pi))

Nodes = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Proposal:
    """Where the random effects of every subject are drawn.

    Attributes
    ----------
    layout : Layout
        Index arrays of the problem.
    levels : Levels
        Typical parameters for which the proposal was made; the draws of the individual
        parameters stay where they are when these move.
    modes : Evaluation
        Centre (``effects``) and metric (``hessian``) of each subject's draws.
    draws : tuple of (ndarray, ndarray, ndarray)
        Subjects (indices) with as many random effects, sets of draws (n_sets, n_draws, n_effects)
        and log weights (n_sets, n_draws); the subjects take the sets in turn.
    """

    layout: Layout
    levels: Levels
    modes: Evaluation
    draws: tuple[tuple[IntArray, FloatArray, FloatArray], ...]


def importance_likelihood(
    problem: Problem,
    x: FloatArray,
    *,
    n_draws: int = 1000,
    rng: np.random.Generator,
    start: FloatArray | None = None,
) -> tuple[FloatArray, float]:
    r"""Minus two log likelihood of each subject by importance sampling.

    Parameters
    ----------
    problem : Problem
        Model and data.
    x : ndarray, shape (n_vector,)
        Free parameters.
    n_draws : int
        Draws for each subject; at least 4.
    rng : numpy.random.Generator
        Randomness of the draws.
    start : ndarray, shape (n_subjects, n_effects), optional
        Where the search for each subject's mode begins; zero when missing.

    Returns
    -------
    by_subject : ndarray, shape (n_subjects,)
        Minus two log likelihood without n log(2 pi); infinite where it could not be evaluated.
    monte_carlo_se : float
        Standard error of the sum over subjects, from two independent sets of draws.

    Raises
    ------
    KineticsError
        If there are fewer than 4 draws.

    Notes
    -----
    .. math:: L_i = \frac1K \sum_k \frac{p(y_i | b_k)\,p(b_k)}{q_i(b_k)},\quad
        q_i = t_5(\hat b_i, H_i^{-1})

    with the mode and the Hessian of each subject. The draws of a subject are a stretch of one
    scrambled Sobol sequence, a set of low discrepancy in itself (Owen 1998, ACM Trans. Model.
    Comput. Simul. 8:71, doi:10.1145/272991.273010).
    """
    if n_draws < 2 * _REPLICATES:
        raise KineticsError(f"importance sampling needs at least {2 * _REPLICATES} draws")
    modes = subject_modes(problem, x, start)
    each = np.array(
        [
            evaluate_importance(
                problem, x, propose(problem, x, modes, n_draws // _REPLICATES, rng)
            ).by_subject
            for _ in range(_REPLICATES)
        ]
    )
    if not np.isfinite(each).all():
        return np.where(np.isfinite(each).all(0), each[0], np.inf), float("nan")
    lowest = each.min(0)
    combined = lowest - 2.0 * np.log(np.exp(-0.5 * (each - lowest)).mean(0))
    variance = each.var(0, ddof=1) / _REPLICATES
    return combined, float(np.sqrt(variance.sum()))


def subject_modes(problem: Problem, x: FloatArray, start: FloatArray | None = None) -> Evaluation:
    """Modes and Hessians of the subjects: full ones, Gauss-Newton where those fail."""
    full = evaluate(problem, x, "Laplace", start=start)
    failed = ~np.isfinite(full.by_subject)
    if not failed.any():
        return full
    other = evaluate(problem, x, "FOCEI", start=start)
    return replace(
        full,
        by_subject=np.where(failed, other.by_subject, full.by_subject),
        effects=np.where(failed[:, None], other.effects, full.effects),
        hessian=np.where(failed[:, None, None], other.hessian, full.hessian),
    )


def propose(
    problem: Problem, x: FloatArray, modes: Evaluation, n_draws: int, rng: np.random.Generator
) -> Proposal:
    """Draws about the modes at x, for subjects of every number of random effects."""
    draws = []
    for count in np.unique(problem.n_effects):
        subjects = np.flatnonzero(problem.n_effects == count)
        n_sets = min(len(subjects), _MOST_SETS) if count else 1
        draws.append((subjects, *t_nodes(int(count), n_draws, n_sets, rng)))
    layout = Layout(problem)
    return Proposal(layout, layout.levels(x), modes, tuple(draws))


def evaluate_importance(
    problem: Problem, x: FloatArray, proposal: Proposal, *, want_gradient: bool = False
) -> Evaluation:
    """Objective of each subject at x by given draws; its score by Fisher's identity.

    With the same proposal it is a smooth function of x near the point that it was made for, and
    the score is its derivative. The effects are posterior means when a gradient was asked for.
    """
    from kinetics.estimation._importance_kernels import integrate_sets

    population = problem.vector.population(x)
    n = problem.n_subjects
    objective, score, mean = np.full(n, np.inf), np.empty((n, 0)), problem.empty_effects()
    modes, layout = proposal.modes, proposal.layout
    if not all(np.isfinite(part).all() for part in population):
        return Evaluation(objective, score, mean, modes.hessian)
    levels = layout.levels(x)
    centre = layout.shifted(modes.effects, proposal.levels, levels)
    gradient = problem.empty_gradient()
    for subjects, nodes, log_weight in proposal.draws:
        run = partial(
            integrate_sets, problem.predict, problem.design, population, centre, modes.hessian,
            nodes, log_weight, want_gradient, mean, objective, gradient, subjects,
        )  # fmt: skip
        _over(len(subjects), len(problem.data.value) * nodes.shape[1], run)
    if want_gradient:
        if problem.model.random:
            gradient.precision[layout.seen] -= np.linalg.inv(population.precision)
        score = problem.vector.chain(x, gradient)
        score[:, layout.typical] = layout.typical_score(levels, population, mean, gradient.typical)
    return Evaluation(objective, score, mean, modes.hessian)


def t_nodes(n_effects: int, n_draws: int, n_sets: int, rng: np.random.Generator) -> Nodes:
    """Quasi-random draws (n_sets, n_draws, n_effects) of a multivariate t, with log weights.

    The weight is that of the integral of the function itself, as in `gauss_hermite` of `objective`;
    it is scaled so that a normal density integrates to one.
    """
    from scipy.special import chdtri, ndtri
    from scipy.stats.qmc import Sobol

    if n_effects == 0:
        return np.zeros((1, 1, 0)), np.zeros((1, 1))
    length = 1 << (n_draws - 1).bit_length()  # a stretch that is a net in itself
    sobol = Sobol(n_effects + 1, scramble=True, seed=rng)
    point = sobol.random_base2((length * n_sets - 1).bit_length())[: length * n_sets]
    point = np.clip(point, 1e-12, 1.0 - 1e-12)
    stretch = np.sqrt(_DEGREES / chdtri(_DEGREES, point[:, -1]))
    draws = (ndtri(point[:, :-1]) * stretch[:, None]).reshape(n_sets, length, n_effects)
    draws = np.ascontiguousarray(draws[:, :n_draws])
    distance = (draws**2).sum(-1)
    log_weight = 0.5 * (_DEGREES + n_effects) * np.log1p(distance / _DEGREES)
    normal = log_weight - 0.5 * distance
    highest = normal.max(-1, keepdims=True)
    total = highest + np.log(np.exp(normal - highest).sum(-1, keepdims=True))
    log_weight += 0.5 * n_effects * _LOG_2PI - total
    return draws, log_weight
