"""Objective values and gradients of the likelihood approximations, at given parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kinetics.cores import on_all_cores
from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.estimation._arrays import Gradient, Population
from kinetics.estimation.levels import Layout
from kinetics.estimation.problem import Problem

METHODS = ("FO", "FOCE", "FOCEI", "Laplace", "AGQ")
# Kernel code of each method; quadrature is centred where Laplace finds the mode.
_CONDITIONAL = {"FOCE": 0, "FOCEI": 1, "Laplace": 2, "AGQ": 2}
_MANY_ROWS = 1500  # from here on a second thread pays


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Objective of every subject at one parameter vector.

    Attributes
    ----------
    by_subject : ndarray, shape (n_subjects,)
        Minus two log likelihood without log 2 pi; infinite where it could not be evaluated.
    score : ndarray, shape (n_subjects, n_vector)
        Derivatives by the vector of free parameters; empty unless asked for.
    effects : ndarray, shape (n_subjects, n_effects)
        Modes of the random effects (AGQ: posterior means when a gradient was asked for).
    hessian : ndarray, shape (n_subjects, n_effects, n_effects)
        Half the second derivative of the penalised objective at the mode, as the method takes it.
    """

    by_subject: FloatArray
    score: FloatArray
    effects: FloatArray
    hessian: FloatArray

    @property
    def objective(self) -> float:
        """Sum over the subjects."""
        return float(self.by_subject.sum())

    @property
    def gradient(self) -> FloatArray:
        """Derivative of the objective by the vector."""
        return np.asarray(self.score.sum(0))


def evaluate(
    problem: Problem,
    x: FloatArray,
    method: str,
    *,
    start: FloatArray | None = None,
    want_gradient: bool = False,
    n_nodes: int = 9,
) -> Evaluation:
    """Evaluate one method at a vector of free parameters.

    Parameters
    ----------
    problem : Problem
        Model and data.
    x : ndarray, shape (n_vector,)
        Free parameters.
    method : str
        One of `METHODS`.
    start : ndarray, shape (n_subjects, n_effects), optional
        Where the search for each subject's mode begins; zero when missing.
    want_gradient : bool
        Whether to differentiate. FO, FOCE, FOCEI and Laplace: implicit differentiation of the
        mode, exact but for finite steps in second derivatives (relative error 1e-8; in third
        ones under Laplace, 1e-6). AGQ: the gradient of the exact likelihood by the same nodes
        (Fisher's identity with the individual parameters as complete data, see
        `Layout.typical_score`).
    n_nodes : int
        Gauss-Hermite nodes for each random effect (AGQ).
    """
    if method not in METHODS:
        raise KineticsError(f"method {method!r}; legal: {', '.join(METHODS)}")
    if method == "FO" and problem.data.below_limit.any():
        raise KineticsError(
            "FO linearises the model and cannot take values below the limit of quantification "
            "(M3); use FOCEI, Laplace, AGQ or SAEM"
        )
    population = problem.vector.population(x)
    finite = all(np.isfinite(part).all() for part in population)
    effects = problem.empty_effects() if start is None else start.copy()
    n, m = effects.shape
    hessian, objective = np.zeros((n, m, m)), np.full(n, np.inf)
    gradient = problem.empty_gradient()
    if not finite:
        return Evaluation(objective, np.empty((n, 0)), effects, hessian)
    if method == "FO":
        _first_order(problem, population, want_gradient, objective, gradient)
    else:
        _conditional(
            problem, population, _CONDITIONAL[method], want_gradient and method != "AGQ",
            effects, hessian, objective, gradient,
        )  # fmt: skip
    if method == "AGQ":
        mean = _quadrature(
            problem, population, effects, hessian, n_nodes, want_gradient, objective, gradient
        )
    score = np.empty((n, 0))
    if want_gradient:
        if problem.model.random:
            observed = np.bincount(problem.subject_of_row(), minlength=n) > 0
            gradient.precision[observed] -= np.linalg.inv(population.precision)
        score = problem.vector.chain(x, gradient)
        if method == "AGQ":
            layout = _layout(problem)
            score[:, layout.typical] = layout.typical_score(
                layout.levels(x), population, mean, gradient.typical
            )
    return Evaluation(objective, score, effects, hessian)


def _first_order(
    problem: Problem,
    population: Population,
    want_gradient: bool,
    objective: FloatArray,
    gradient: Gradient,
) -> None:
    from kinetics.estimation._marginal_kernels import first_order

    _over_subjects(
        problem,
        lambda a, b: first_order(
            problem.predict, problem.design, population, want_gradient, objective, gradient, a, b
        ),
    )


def _quadrature(
    problem: Problem,
    population: Population,
    effects: FloatArray,
    hessian: FloatArray,
    n_nodes: int,
    want_gradient: bool,
    objective: FloatArray,
    gradient: Gradient,
) -> FloatArray:
    """Integrate every subject by product nodes; posterior means of the effects."""
    if not np.isfinite(objective).all():  # no positive definite full Hessian
        focei = _CONDITIONAL["FOCEI"]
        _conditional(problem, population, focei, False, effects, hessian, objective, gradient)
    mean = np.zeros_like(effects)
    for count in np.unique(problem.n_effects):
        nodes, log_weight = gauss_hermite(int(count), n_nodes)
        mean += integrate_subjects(
            problem, population, effects, hessian, nodes, log_weight,
            np.flatnonzero(problem.n_effects == count), want_gradient, objective, gradient,
        )  # fmt: skip
    return mean


@lru_cache(maxsize=4)
def _layout(problem: Problem) -> Layout:
    return Layout(problem)


def _conditional(
    problem: Problem,
    population: Population,
    method: int,
    want_gradient: bool,
    effects: FloatArray,
    hessian: FloatArray,
    objective: FloatArray,
    gradient: Gradient,
) -> None:
    from kinetics.estimation._conditional_kernels import conditional

    _over_subjects(
        problem,
        lambda a, b: conditional(
            problem.predict, problem.design, population, method, want_gradient, effects, hessian,
            objective, gradient, a, b,
        ),
    )  # fmt: skip


def integrate_subjects(
    problem: Problem,
    population: Population,
    effects: FloatArray,
    hessian: FloatArray,
    nodes: FloatArray,
    log_weight: FloatArray,
    which: np.ndarray,
    want_gradient: bool,
    objective: FloatArray,
    gradient: Gradient,
) -> FloatArray:
    """Integrate the likelihood of some subjects, all with as many effects as nodes have columns.

    Returns the posterior means of the effects, shape (n_subjects, n_effects).
    """
    from kinetics.estimation._marginal_kernels import integrate

    mean = np.zeros_like(effects)
    _over(
        len(which),
        len(problem.data.value) * len(nodes),
        lambda a, b: integrate(
            problem.predict, problem.design, population, effects, hessian, nodes, log_weight,
            want_gradient, mean, objective, gradient, which, a, b,
        ),
    )  # fmt: skip
    return mean


def gauss_hermite(n_effects: int, n_nodes: int) -> tuple[FloatArray, FloatArray]:
    """Product nodes (n, n_effects) for a standard normal scale, and their log weights (n,).

    The weight is that of the integral of the function itself, not of its product with a density.
    """
    x, w = np.polynomial.hermite.hermgauss(n_nodes)
    grids = np.meshgrid(*([x] * n_effects), indexing="ij")
    nodes = np.stack([g.ravel() for g in grids], -1) if n_effects else np.zeros((1, 0))
    log_one = np.log(w) + x**2 + 0.5 * np.log(2.0)
    log_weight = sum(
        (g.ravel() for g in np.meshgrid(*([log_one] * n_effects), indexing="ij")), np.zeros(1)
    )
    return np.ascontiguousarray(np.sqrt(2.0) * nodes), np.ascontiguousarray(log_weight)


def _over_subjects(problem: Problem, run: Callable[[int, int], None]) -> None:
    _over(problem.n_subjects, len(problem.data.value), run)


def _over(n_items: int, n_rows: int, run: Callable[[int, int], None]) -> None:
    """Run a kernel over items, on all cores where that pays."""
    if n_rows < _MANY_ROWS:
        run(0, n_items)
    else:
        on_all_cores(n_items, run)
