"""The posterior density of one subject's random effects, in units of the population's spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError

if TYPE_CHECKING:
    from kinetics.estimation.problem import Problem
    from kinetics.population.data import PopulationData
    from kinetics.population.model import PopulationModel


@dataclass(frozen=True, eq=False)
class Mode:
    """Most probable random effects.

    Attributes
    ----------
    z : ndarray, shape (m,)
        Standardised effects.
    covariance : ndarray, shape (m, m)
        Inverse of the full Hessian of minus the log density (Gauss-Newton where that is not
        positive definite).
    log_evidence : float
        Laplace approximation of the log probability of the data, n log(2 pi)/2 dropped.
    """

    z: FloatArray
    covariance: FloatArray
    log_evidence: float


@dataclass(frozen=True, eq=False)
class Target:
    """Density of standardised effects z ~ N(0, 1) given one subject's data.

    Attributes
    ----------
    model : PopulationModel
        The population.
    typical : ndarray, shape (n_occasions, p)
        Transformed typical parameters of each occasion, covariates included.
    root : ndarray, shape (m, m)
        Lower factor of the prior covariance of all effects.
    problem : Problem or None
        Model bound to the data; None where there are no samples.
    x : ndarray
        The (empty) vector of free parameters of the problem.
    """

    model: PopulationModel
    typical: FloatArray
    root: FloatArray
    problem: Problem | None
    x: FloatArray

    @property
    def n_effects(self) -> int:
        """Number of random effects, of the subject and of its occasions."""
        return len(self.root)

    def log_density(self, z: FloatArray) -> FloatArray:
        """Log posterior density, shape (n,), of standardised effects (n, m), up to a constant."""
        prior: FloatArray = -0.5 * (z**2).sum(-1)
        if self.problem is None:
            return prior
        from kinetics.individual._kernels import data_terms

        population = self.problem.vector.population(self.x)
        terms = np.empty(len(z))
        effects = np.ascontiguousarray(z @ self.root.T)
        data_terms(self.problem.predict, self.problem.design, population, 0, effects, terms)
        return prior - 0.5 * terms

    def mode(self) -> Mode:
        """Most probable effects and the curvature there.

        Raises
        ------
        KineticsError
            If the data are impossible at the typical parameters.
        """
        m = self.n_effects
        if self.problem is None or m == 0:
            return Mode(np.zeros(m), np.eye(m), 0.0)
        from kinetics.estimation.objective import evaluate

        for method in ("Laplace", "FOCEI"):
            found = evaluate(self.problem, self.x, method)
            if np.isfinite(found.objective):
                break
        else:
            raise KineticsError(
                "the data are impossible under the typical parameters: a prediction is zero or "
                "not finite where the residual error needs more"
            )
        z = np.linalg.solve(self.root, found.effects[0, :m])
        covariance = np.linalg.inv(self.root.T @ found.hessian[0, :m, :m] @ self.root)
        return Mode(np.asarray(z), (covariance + covariance.T) / 2, -0.5 * found.objective)

    def parameters(self, z: FloatArray) -> FloatArray:
        """Structural parameters (n, n_occasions, p) of standardised effects (n, m)."""
        model, effects = self.model, z @ self.root.T
        psi = np.repeat(self.typical[None], len(z), axis=0)
        names, n_eta, n_kappa = list(model.parameters), len(model.random), len(model.varying)
        for e, name in enumerate(model.random):
            psi[:, :, names.index(name)] += effects[:, e, None]
        for k, name in enumerate(model.varying):
            psi[:, :, names.index(name)] += effects[:, n_eta + k :: n_kappa]
        return untransformed(model, psi)

    def next_parameters(self, z: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Structural parameters (n, p) of a further occasion with the last one's covariates."""
        model, effects = self.model, z @ self.root.T
        psi = np.repeat(self.typical[-1:], len(z), axis=0)
        names = list(model.parameters)
        for e, name in enumerate(model.random):
            psi[:, names.index(name)] += effects[:, e]
        for name in model.varying:
            sd = model.parameters[name].cycle_sd
            psi[:, names.index(name)] += sd * rng.standard_normal(len(z))
        return untransformed(model, psi)


def make_target(model: PopulationModel, data: PopulationData) -> Target:
    """Bind a population, all of it known, to the data of one subject.

    Raises
    ------
    KineticsError
        If there is not exactly one subject, or model and data do not go together.
    """
    from kinetics.estimation.problem import bind
    from kinetics.estimation.vector import free_vector

    if len(data.subjects) != 1:
        raise KineticsError(f"data of exactly one subject are needed, not {len(data.subjects)}")
    known = model.fixing()
    problem = bind(known, data) if len(data.value) else None
    vector = problem.vector if problem else free_vector(known, data, model.structure.regions)
    x = vector.start()
    n_eta, n_kappa = len(model.random), len(model.varying)
    n_occasions = len(data.occasion_subject)
    root = np.zeros((n_eta + n_occasions * n_kappa,) * 2)
    if n_eta:
        root[:n_eta, :n_eta] = np.linalg.cholesky(model.covariance)
    cycle_sd = [model.parameters[name].cycle_sd for name in model.varying]
    root[range(n_eta, len(root)), range(n_eta, len(root))] = np.tile(cycle_sd, n_occasions)
    return Target(known, vector.population(x).typical, root, problem, x)


def untransformed(model: PopulationModel, psi: FloatArray) -> FloatArray:
    """Structural parameters (..., p) from transformed ones, in place."""
    for j, parameter in enumerate(model.parameters.values()):
        if parameter.transform == "log":
            psi[..., j] = np.exp(psi[..., j])
        elif parameter.transform == "logit":
            psi[..., j] = 1.0 / (1.0 + np.exp(-psi[..., j]))
    return np.ascontiguousarray(psi)
