"""The steps of SAEM: simulation of random effects, stochastic approximation, maximisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from kinetics.curves import FloatArray
from kinetics.estimation.levels import Layout, Levels
from kinetics.estimation.objective import Evaluation, _over_subjects
from kinetics.population.data import IntArray
from kinetics.population.residual import KINDS, SIGMA_COLUMN

TARGET_ACCEPTANCE = 0.4  # of the random walks
_SEVERAL = ("combined1", "combined2", "power")  # errors whose parameters have no closed form
_LONGEST_STEP = 0.5  # of parameters that are moved by Newton steps
_DAMPING = 1e-6  # relative, of Newton steps


@dataclass(eq=False)
class Statistics:
    """Means over the chains of complete-data statistics; changed in place by `blend`.

    Attributes
    ----------
    level : ndarray, shape (n_subjects, n_eta)
        Individual parameters of the subjects (centre plus effect).
    level_square : ndarray, shape (n_eta, n_eta)
        Sum over the observed subjects of their outer products.
    cycle : ndarray, shape (n_occasions, n_kappa)
        Deviations of the occasions from their subject (rest plus effect).
    cycle_square : ndarray, shape (n_kappa,)
        Sum over the observed occasions of their squares.
    variance : ndarray, shape (n_regions,)
        Squared residuals over the shape of the error: sigma^2 times the mean squared residual.
    rest_hessian, rest_score : ndarray, shape (n_labels, n_labels), (n_labels,)
        Quadratic approximation of the data's log likelihood about the simulated parameters, by
        what random effects do not absorb.
    error_hessian, error_score : ndarray, shape (n_regions, 3, 3), (n_regions, 3)
        The same by the parameters of errors with several ones.
    """

    level: FloatArray
    level_square: FloatArray
    cycle: FloatArray
    cycle_square: FloatArray
    variance: FloatArray
    rest_hessian: FloatArray
    rest_score: FloatArray
    error_hessian: FloatArray
    error_score: FloatArray

    def blend(self, new: Statistics, gain: float) -> None:
        """Move towards new statistics by a gain (Robbins and Monro)."""
        for item in fields(self):
            old = getattr(self, item.name)
            old += gain * (getattr(new, item.name) - old)


@dataclass(eq=False)
class Chains:
    """State of the simulation.

    Attributes
    ----------
    effects : ndarray, shape (n_chains, n_subjects, m)
        Random effects.
    modes, hessian : ndarray, shape (n_subjects, m), (n_subjects, m, m)
        Centre and metric of the proposals.
    generator : ndarray of uint64, shape (n_subjects, n_chains)
        State of each chain's random numbers.
    scale : ndarray, shape (2,)
        Scale of the componentwise and of the joint random walk.
    accepted : ndarray, shape (4, 2)
        Accepted and tried transitions of each kernel in the last simulation.
    value : ndarray, shape (n_subjects, n_chains)
        Minus two log density of data and effects.
    """

    effects: FloatArray
    modes: FloatArray
    hessian: FloatArray
    generator: np.ndarray
    scale: FloatArray
    accepted: FloatArray
    value: FloatArray


def simulate_step(
    layout: Layout, x: FloatArray, levels: Levels, chains: Chains, transitions: IntArray
) -> Statistics:
    """Move the chains at a vector and take the statistics of where they end."""
    from kinetics.estimation._saem_kernels import N_KERNELS, simulate

    problem, design = layout.problem, layout.problem.design
    population = problem.vector.population(x)
    n, regions, p = problem.n_subjects, len(problem.vector.regions), len(problem.model.parameters)
    free = layout.free_rest(levels)
    want_slopes = bool(free.any())
    accepted, squares = np.zeros((n, N_KERNELS, 2)), np.zeros((n, regions))
    slope, information = np.zeros((n, regions, 3)), np.zeros((n, regions, 3, 3))
    by_typical = np.zeros((len(layout.subject), p))
    curvature = np.zeros((len(layout.subject), p, p))
    _over_subjects(
        problem,
        lambda a, b: simulate(
            problem.predict, design, population, chains.modes, chains.hessian, chains.scale,
            transitions, want_slopes, chains.generator, chains.effects, chains.value, accepted,
            squares, slope, information, by_typical, curvature, a, b,
        ),
    )  # fmt: skip
    chains.accepted = accepted.sum(0)
    _adapt(chains)
    n_chains, n_eta = len(chains.effects), len(design.eta)
    level = chains.effects[:, :, :n_eta] + levels.centre
    seen = level[:, layout.seen].reshape(n_chains * int(layout.seen.sum()), n_eta)
    cycle = chains.effects[:, layout.subject[:, None], layout.kappa_column]
    cycle = cycle + levels.rest[:, design.kappa]
    flat = _rows(free)
    bent = np.einsum("ojk,okl->ojl", curvature, free) if want_slopes else free
    hessian = flat.T @ _rows(bent) / n_chains
    score = flat.T @ by_typical.ravel() / n_chains + hessian @ x[layout.typical]
    first, counts = _first_sigma(layout, population.sigma), np.maximum(layout.n_rows, 1) * n_chains
    scale, error_x = _error_scale(layout, x)
    error_hessian = information.sum(0) * scale[:, :, None] * scale[:, None, :] / n_chains
    error_score = slope.sum(0) * scale / n_chains + np.einsum("rst,rt->rs", error_hessian, error_x)
    return Statistics(
        level.mean(0), seen.T @ seen / n_chains,
        cycle.mean(0), (cycle[:, layout.seen_occasion] ** 2).sum((0, 1)) / n_chains,
        first**2 * squares.sum(0) / counts, hessian, score, error_hessian, error_score,
    )  # fmt: skip


def _rows(slope: FloatArray) -> FloatArray:
    """All but the last axis as one."""
    return slope.reshape(slope.shape[0] * slope.shape[1], slope.shape[2])


def _adapt(chains: Chains) -> None:
    """Scale of the random walks towards the target acceptance."""
    for k, kind in enumerate((2, 3)):
        done, tried = chains.accepted[kind]
        if tried:
            chains.scale[k] *= np.exp(0.4 * (done / tried - TARGET_ACCEPTANCE))


def _parts(layout: Layout) -> list[tuple[int, str, tuple[str, ...]]]:
    """Region, kind and names of the parameters of each residual error that is observed."""
    model = layout.problem.model
    return [
        (r, model.residual[region].kind, KINDS[model.residual[region].kind][1])
        for r, region in enumerate(layout.problem.vector.regions)
        if region in model.residual and layout.n_rows[r]
    ]


def _first_sigma(layout: Layout, sigma: FloatArray) -> FloatArray:
    out = np.ones(len(sigma))
    for r, _, parts in _parts(layout):
        out[r] = sigma[r, SIGMA_COLUMN[parts[0]]]
    return out


def _error_scale(layout: Layout, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Derivative of the sigma table by the vector's elements, and those elements."""
    shape = (len(layout.problem.vector.regions), 3)
    scale, element = np.zeros(shape), np.zeros(shape)
    vector = layout.problem.vector
    for r, _, parts in _parts(layout):
        for part in parts:
            label = f"{part}_{vector.regions[r]}"
            if label in layout.column:
                value = x[layout.column[label]]
                element[r, SIGMA_COLUMN[part]] = value
                scale[r, SIGMA_COLUMN[part]] = 1.0 if label in vector.plain else np.exp(value)
    return scale, element


def maximise_step(
    layout: Layout, x: FloatArray, levels: Levels, statistics: Statistics, bounds: FloatArray
) -> FloatArray:
    """Vector that maximises the complete-data likelihood; exact for effects that are linear."""
    new = x.copy()
    if len(layout.typical):
        new[layout.typical] += _typical_step(layout, x, levels, statistics)
    new = np.clip(new, *bounds.T)
    after = layout.levels(new)
    _set_covariance(layout, new, after, statistics)
    _set_cycles(layout, new, after, statistics)
    _set_errors(layout, new, statistics)
    return new


def _typical_step(
    layout: Layout, x: FloatArray, levels: Levels, statistics: Statistics
) -> FloatArray:
    """Gauss-Newton step of generalised least squares, plus the data's own information."""
    population = layout.problem.vector.population(x)
    kappa = layout.problem.design.kappa
    slope = levels.centre_slope[layout.seen]
    bent = population.precision @ slope
    residual = (statistics.level - levels.centre)[layout.seen]
    flat = _rows(bent)
    hessian = statistics.rest_hessian + _rows(slope).T @ flat
    own = statistics.rest_score - statistics.rest_hessian @ x[layout.typical]
    score = own + flat.T @ residual.ravel()
    inside = levels.rest_slope[layout.seen_occasion][:, kappa]
    weighted = _rows(inside * population.kappa_precision[:, None])
    hessian += _rows(inside).T @ weighted
    left = (statistics.cycle - levels.rest[:, kappa])[layout.seen_occasion]
    score += weighted.T @ left.ravel()
    step = _solve(hessian, score)
    limit = _LONGEST_STEP * np.maximum(1.0, np.abs(x[layout.typical]))
    by_newton = np.diag(statistics.rest_hessian) > 0
    return np.where(by_newton, np.clip(step, -limit, limit), step)


def _solve(hessian: FloatArray, score: FloatArray) -> FloatArray:
    """Newton step, damped so that what the data do not tell stays where it is."""
    scale = np.sqrt(np.maximum(np.diag(hessian), 1e-300))
    scaled = hessian / np.outer(scale, scale) + _DAMPING * np.eye(len(scale))
    return np.asarray(np.linalg.lstsq(scaled, score / scale, rcond=None)[0] / scale)


def _set_covariance(layout: Layout, x: FloatArray, levels: Levels, statistics: Statistics) -> None:
    model, n = layout.problem.model, int(layout.seen.sum())
    if not model.random or not n:
        return
    centre, level = levels.centre[layout.seen], statistics.level[layout.seen]
    cross = level.T @ centre
    covariance = (statistics.level_square - cross - cross.T + centre.T @ centre) / n
    for block in model.blocks:
        if f"cholesky {block[0]} {block[0]}" not in layout.column:
            continue
        members = [model.random.index(name) for name in block]
        part = covariance[np.ix_(members, members)]
        part = part + 1e-10 * np.diag(np.diag(part)) + 1e-14 * np.eye(len(members))
        factor = np.linalg.cholesky(part)
        for a, first in enumerate(block):
            for b, second in enumerate(block[: a + 1]):
                element = np.log(factor[a, a]) if a == b else factor[a, b]
                x[layout.column[f"cholesky {first} {second}"]] = element


def _set_cycles(layout: Layout, x: FloatArray, levels: Levels, statistics: Statistics) -> None:
    design, seen = layout.problem.design, layout.seen_occasion
    rest = levels.rest[:, design.kappa][seen]
    cross = (statistics.cycle[seen] * rest).sum(0)
    square = statistics.cycle_square - 2.0 * cross + (rest**2).sum(0)
    for k, name in enumerate(layout.problem.model.varying):
        if f"cycle_sd_{name}" in layout.column:
            variance = max(square[k] / max(int(seen.sum()), 1), 1e-14)
            x[layout.column[f"cycle_sd_{name}"]] = 0.5 * np.log(variance)


def _set_errors(layout: Layout, x: FloatArray, statistics: Statistics) -> None:
    """Residual parameters: closed form for a single one, a scoring step for several."""
    regions = layout.problem.vector.regions
    for r, kind, parts in _parts(layout):
        labels = {SIGMA_COLUMN[part]: f"{part}_{regions[r]}" for part in parts}
        free = [s for s, label in labels.items() if label in layout.column]
        if not free:
            continue
        if kind not in _SEVERAL:
            x[layout.column[labels[free[0]]]] = 0.5 * np.log(max(statistics.variance[r], 1e-300))
            continue
        index = [layout.column[labels[s]] for s in free]
        hessian = statistics.error_hessian[r][np.ix_(free, free)]
        step = _solve(hessian, statistics.error_score[r][free] - hessian @ x[index])
        x[index] += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)


def recentre(layout: Layout, chains: Chains, before: Levels, after: Levels) -> None:
    """Keep the individual parameters where they are while the typical ones move."""
    chains.effects = layout.shifted(chains.effects, before, after)
    chains.modes = layout.shifted(chains.modes, before, after)


def refresh_proposals(chains: Chains, modes: Evaluation) -> None:
    """Centre the proposals of every subject whose mode was found."""
    found = np.isfinite(modes.by_subject)
    chains.modes[found] = modes.effects[found]
    chains.hessian[found] = modes.hessian[found]


def acceptance(chains: Chains) -> Mapping[str, float]:
    """Share of accepted transitions of each kernel."""
    names = ("independent", "prior", "componentwise", "joint")
    return {
        name: float(done / tried)
        for name, (done, tried) in zip(names, chains.accepted, strict=True)
        if tried
    }
