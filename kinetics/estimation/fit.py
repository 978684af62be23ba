"""Fit a population model by maximum likelihood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.estimation.objective import METHODS, Evaluation, evaluate
from kinetics.estimation.optimise import Minimum, minimise
from kinetics.estimation.problem import Problem, bind
from kinetics.estimation.result import PopulationFit
from kinetics.estimation.uncertainty import COVARIANCES, covariance_of, gradient_hessian
from kinetics.population.data import PopulationData
from kinetics.population.model import PopulationModel
from kinetics.population.residual import KINDS

# The limits below are this package's own (ASSUMED), not published ones.
# Standard deviations of random effects without bounds; times the start value under identity.
_LEAST_SD, _LARGEST_SD = 1e-3, 100.0
_LEAST_RESIDUAL = 1e-6  # of the start value
_WIDEST = 20.0  # of a logarithm from its start
_POOR_LOG_SE = 1.0  # of a logarithm: a relative standard error of 100 %
_QUADRATURE_NOISE = 1e-3  # between the objective of AGQ and its gradient
_HIGHEST_CORRELATION = 0.995
_MIN_DECREASE = 1e-3  # objective that a Newton step may still gain at a minimum


def objective_at(
    model: PopulationModel,
    data: PopulationData,
    *,
    method: str = "FOCEI",
    n_nodes: int = 9,
) -> Evaluation:
    """Objective of each subject at the model's own values, without optimising.

    Parameters
    ----------
    model : PopulationModel
        Model with values.
    data : PopulationData
        Data.
    method : str
        ``FO``, ``FOCE``, ``FOCEI``, ``Laplace`` (full Hessian) or ``AGQ`` (adaptive Gauss-Hermite
        quadrature).
    n_nodes : int
        Nodes for each random effect of AGQ.

    Returns
    -------
    Evaluation
        ``.objective`` is minus two log likelihood without n log(2 pi).
    """
    problem = bind(model.fixing(), data)
    return evaluate(problem, problem.vector.start(), method, n_nodes=n_nodes)


def fit_population(
    model: PopulationModel,
    data: PopulationData,
    *,
    method: str = "FOCEI",
    covariance: str | None = "hessian",
    starts: int = 1,
    rng: np.random.Generator | None = None,
    n_nodes: int = 7,
    tolerance: float = 1e-6,
    max_iterations: int = 300,
    strict: bool = False,
) -> PopulationFit:
    """Fit a population model by maximising an approximation of its likelihood.

    Parameters
    ----------
    model : PopulationModel
        Model with start values; fixed parameters keep theirs. With everything fixed only the
        empirical-Bayes estimates of the random effects are found.
    data : PopulationData
        Data.
    method : str
        ``FO``, ``FOCE`` (residual variance at zero random effects), ``FOCEI`` (with interaction),
        ``Laplace`` (full Hessian) or ``AGQ`` (adaptive Gauss-Hermite quadrature).
    covariance : str, optional
        Standard errors from the ``hessian``, the ``sandwich`` or the ``score`` matrix; None
        leaves them out.
    starts : int
        Number of starts; those after the first are drawn about the model's values (standard
        deviation 0.5 of a logarithm), and the lowest objective wins.
    rng : numpy.random.Generator, optional
        Randomness of further starts; needed when `starts` > 1.
    n_nodes : int
        Nodes for each random effect of AGQ.
    tolerance : float
        Predicted decrease of the objective at which to stop.
    max_iterations : int
        Most iterations of a start.
    strict : bool
        Raise instead of returning a fit that did not converge.

    Returns
    -------
    PopulationFit

    Raises
    ------
    KineticsError
        If model and data do not go together, or, under `strict`, without convergence.
    """
    if method not in METHODS:
        raise KineticsError(f"method {method!r}; legal: {', '.join(METHODS)}")
    if covariance is not None and covariance not in COVARIANCES:
        raise KineticsError(f"covariance {covariance!r}; legal: {', '.join(COVARIANCES)}")
    if starts > 1 and rng is None:
        raise KineticsError("several starts need rng, a numpy.random.Generator")
    problem = bind(model, data)
    search = _Search(problem, method, n_nodes)
    first = problem.vector.start()
    bounds = _bounds(problem)
    candidates = [first]
    if rng is not None:
        spread = problem.vector.start_spread()
        candidates += [first + spread * rng.standard_normal(len(first)) for _ in range(starts - 1)]
    with np.errstate(all="ignore"):  # what overflows ends in a status
        found = [
            minimise(
                search, x, bounds=bounds, tolerance=tolerance, max_iterations=max_iterations,
                noise=search.noise,
            )
            for x in candidates
        ]  # fmt: skip
        found = [minimum for minimum in found if np.isfinite(minimum.objective)]
        if not found:
            fit = _unusable(problem, search, first, method)
        else:
            best = min(found, key=lambda m: m.objective)
            fit = _finished(problem, search, best, bounds, covariance, tolerance, max_iterations)
    if strict and fit.status != "ok":
        raise KineticsError(fit.status)
    return fit


class _Search:
    """The objective with memory: each search for the modes starts from the last ones."""

    def __init__(self, problem: Problem, method: str, n_nodes: int) -> None:
        self.problem, self.method, self.n_nodes = problem, method, n_nodes
        self.effects = problem.empty_effects()
        self.n_evaluations = 0
        self.noise = _QUADRATURE_NOISE if method == "AGQ" else 0.0

    def evaluate(self, x: FloatArray) -> Evaluation:
        self.n_evaluations += 1
        evaluation = evaluate(
            self.problem, x, self.method, start=self.effects, want_gradient=True,
            n_nodes=self.n_nodes,
        )  # fmt: skip
        if not np.isfinite(evaluation.objective) and self.effects.any():
            evaluation = evaluate(
                self.problem, x, self.method, want_gradient=True, n_nodes=self.n_nodes
            )
        if np.isfinite(evaluation.objective):
            self.effects = evaluation.effects
        return evaluation

    def __call__(self, x: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        evaluation = self.evaluate(x)
        score = evaluation.score
        if not (np.isfinite(evaluation.objective) and np.isfinite(score).all()):
            return np.inf, np.zeros_like(x), np.zeros((self.problem.n_subjects, len(x)))
        return evaluation.objective, score.sum(0), score


def _bounds(problem: Problem) -> FloatArray:
    """Limits of the vector: the model's own, and others so wide that reaching them means trouble.

    Standard deviations of random effects stay off zero, residual errors above a millionth of
    their start, logarithms within 20 of their start.
    """
    vector, parameters = problem.vector, problem.model.parameters
    bounds, start = vector.bounds(), vector.start()
    for k, label in enumerate(vector.labels):
        words = label.removeprefix("cycle_sd_").split(" ")
        transformed = label in parameters and parameters[label].transform != "identity"
        low, high = -np.inf, np.inf
        if label.startswith("cycle_sd_") or (words[0] == "cholesky" and words[1] == words[2]):
            own = parameters[words[-1]]
            unit = max(own.sd, own.cycle_sd) if own.transform == "identity" else 1.0
            low, high = np.log(np.array([_LEAST_SD, _LARGEST_SD]) * unit)
        elif transformed:
            low, high = start[k] - _WIDEST, start[k] + _WIDEST
        elif label not in parameters and label not in vector.plain and words[0] != "cholesky":
            low, high = start[k] + np.log(_LEAST_RESIDUAL), start[k] + _WIDEST
        bounds[k] = [
            own_limit if np.isfinite(own_limit) else default
            for own_limit, default in zip(bounds[k], (low, high), strict=True)
        ]
    return bounds


def _finished(
    problem: Problem,
    search: _Search,
    best: Minimum,
    bounds: FloatArray,
    covariance: str | None,
    tolerance: float,
    max_iterations: int,
) -> PopulationFit:
    """Standard errors, a check of the minimum by its Hessian, and what to say of it."""
    reason = "not asked for"
    matrix = None
    if covariance is not None and len(best.x):
        for _ in range(3):
            inside = ~best.at_bound
            hessian = gradient_hessian(
                lambda x: search(x)[1], best.x, inside, np.diag(best.hessian), best.gradient
            )
            gain = _newton_gain(hessian, best.gradient[inside])
            if not gain > _MIN_DECREASE:
                break
            whole = best.hessian.copy()
            whole[np.ix_(inside, inside)] = hessian
            best = minimise(
                search, best.x, bounds=bounds, tolerance=tolerance,
                max_iterations=max_iterations, hessian=whole, noise=search.noise,
            )  # fmt: skip
    evaluation = search.evaluate(best.x)
    if covariance is not None and len(best.x):
        matrix, reason = _covariance(hessian, evaluation.score, ~best.at_bound, covariance)
    if search.method == "FO":  # FO has no modes of its own: post-hoc estimates
        modes = evaluate(problem, best.x, "FOCEI")
        evaluation = replace(evaluation, effects=modes.effects, hessian=modes.hessian)
    values = problem.vector.values(best.x)
    notes, status = _notes(problem, best, matrix, reason, covariance)
    return PopulationFit(
        model=problem.model.with_values(values),
        problem=problem,
        method=search.method,
        objective=evaluation.objective,
        x=best.x,
        covariance=matrix,
        covariance_status=reason or f"from the {covariance}",
        evaluation=evaluation,
        converged=best.converged,
        status=status,
        warnings=notes,
        n_evaluations=search.n_evaluations,
    )


def _newton_gain(hessian: FloatArray, gradient: FloatArray) -> float:
    """Decrease that a Newton step promises; NaN where the Hessian is not positive definite."""
    try:
        factor = np.linalg.cholesky(hessian)
    except np.linalg.LinAlgError:
        return float("nan")
    return 0.5 * float(np.sum(np.linalg.solve(factor, gradient) ** 2))


def _covariance(
    hessian: FloatArray, score: FloatArray, inside: np.ndarray, kind: str
) -> tuple[FloatArray | None, str]:
    part, reason = covariance_of(hessian, score[:, inside], kind)
    if part is None:
        return None, reason
    whole = np.full((len(inside), len(inside)), 0.0)
    whole[np.ix_(inside, inside)] = part
    return whole, reason


def _notes(
    problem: Problem, best: Minimum, matrix: FloatArray | None, reason: str, wanted: str | None
) -> tuple[tuple[str, ...], str]:
    """Remarks on a fit, and its status: what forbids to trust it, in words."""
    from kinetics.population.data_warnings import data_warnings

    notes, problems = list(data_warnings(problem.data)), []
    if not best.converged:
        problems.append("not converged: the objective could not be decreased further or the "
                        "iterations were used up")  # fmt: skip
    _note_limits(problem, best, notes, problems)
    for name, value in problem.vector.values(best.x).items():
        if name.startswith("corr_") and abs(value) > _HIGHEST_CORRELATION:
            notes.append(f"{name} is {value:.4f}: the random effects cannot be told apart")
    problems += _undetermined_spread(problem)
    if matrix is not None:
        _note_errors(problem, matrix, notes, problems)
    elif wanted is not None and len(best.x):
        problems.append(f"no standard errors: {reason}")
    return tuple(notes), "; ".join(problems) or "ok"


def _undetermined_spread(problem: Problem) -> list[str]:
    """What one subject, or one observation a subject, cannot tell."""
    names = problem.vector.names
    spreads = [n for n in names if n.startswith("sd_")]
    errors = [
        f"{part}_{region}"
        for region, error in problem.model.residual.items()
        for part in KINDS[error.kind][1]
        if f"{part}_{region}" in names
    ]
    most = int(np.bincount(problem.subject_of_row()).max())
    if spreads and problem.n_subjects == 1:
        return [f"one subject cannot tell {', '.join(spreads)}: fix them"]
    if spreads and errors and most == 1:
        return [
            f"one observation a subject cannot tell {', '.join(spreads)} from "
            f"{', '.join(errors)}: fix the one or the other"
        ]
    return []


def _note_limits(problem: Problem, best: Minimum, notes: list[str], problems: list[str]) -> None:
    """Parameters at their limits: bad unless a user chose them or nothing varies."""
    vector, own_limits = problem.vector, np.isfinite(problem.vector.bounds())
    for k in np.flatnonzero(best.at_bound):
        low, own = best.gradient[k] > 0, own_limits[k].any()
        side = "lower" if low else "upper"
        text = f"{vector.shown[k]} ended at its {side} limit and has no standard error"
        spread = vector.labels[k].startswith(("cholesky", "cycle_sd_"))
        (notes if own or (spread and low) else problems).append(text)


def _note_errors(
    problem: Problem, matrix: FloatArray, notes: list[str], problems: list[str]
) -> None:
    """Logarithms whose standard error says that the data do not determine them."""
    for k, label in enumerate(problem.vector.labels):
        if _is_logarithm(problem, label) and matrix[k, k] > _POOR_LOG_SE**2:
            shown = problem.vector.shown[k]
            text = f"{shown} is poorly determined: relative standard error above 100 %"
            (problems if label in problem.model.parameters else notes).append(text)


def _is_logarithm(problem: Problem, label: str) -> bool:
    parameter = problem.model.parameters.get(label)
    if parameter is not None:
        return parameter.transform == "log"
    words = label.split(" ")
    return label not in problem.vector.plain and (words[0] != "cholesky" or words[1] == words[2])


def _unusable(problem: Problem, search: _Search, x: FloatArray, method: str) -> PopulationFit:
    """A result that says why not even the start could be evaluated."""
    evaluation = evaluate(problem, x, method, n_nodes=search.n_nodes)
    bad = np.flatnonzero(~np.isfinite(evaluation.by_subject))
    names = ", ".join(problem.data.subjects[i] for i in bad[:5]) or "all subjects together"
    status = (
        f"the objective or its gradient is not finite at the start values ({names}): a prediction "
        "is zero, negative or overflows where the residual error needs more; change the start "
        "values or the residual error"
    )
    return PopulationFit(
        problem.model, problem, method, evaluation.objective, x, None, "not converged",
        evaluation, False, status, (), search.n_evaluations,
    )  # fmt: skip
