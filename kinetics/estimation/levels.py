"""Where random effects enter the typical parameters: subject, cycle, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from kinetics.estimation._arrays import Population
from kinetics.estimation.problem import Problem
from kinetics.population.model import effect_names


@dataclass(frozen=True, eq=False)
class Levels:
    """Typical transformed parameters, split where random effects enter.

    Attributes
    ----------
    centre : ndarray, shape (n_subjects, n_eta)
        Mean over a subject's occasions, for parameters with an effect of the subject.
    rest : ndarray, shape (n_occasions, p)
        What is left; all of it for parameters without an effect of the subject.
    centre_slope, rest_slope : ndarray, shape (..., n_labels)
        Derivatives by the typical part of the vector.
    """

    centre: FloatArray
    rest: FloatArray
    centre_slope: FloatArray
    rest_slope: FloatArray


class Layout:
    """What of a problem stays as it is: index arrays and masks."""

    def __init__(self, problem: Problem) -> None:
        vector, design = problem.vector, problem.design
        self.problem = problem
        legal = set(problem.model.parameters)
        for name, parameter in problem.model.parameters.items():
            legal |= set(effect_names(name, parameter))
        self.typical = np.array([k for k, n in enumerate(vector.labels) if n in legal], dtype=int)
        self.column = {label: k for k, label in enumerate(vector.labels)}
        self.subject = problem.data.occasion_subject
        self.n_occasions = np.bincount(self.subject, minlength=problem.n_subjects)
        self.seen = np.bincount(problem.subject_of_row(), minlength=problem.n_subjects) > 0
        self.seen_occasion = np.diff(design.row_start) > 0
        self.n_rows = np.bincount(design.rows[:, 1].astype(int), minlength=len(vector.regions))
        n_eta, n_kappa = len(design.eta), len(design.kappa)
        within = np.arange(len(self.subject)) - design.occasion_start[self.subject]
        self.kappa_column = n_eta + within[:, None] * n_kappa + np.arange(n_kappa)

    def levels(self, x: FloatArray) -> Levels:
        """Split the typical parameters at a vector."""
        problem, eta = self.problem, self.problem.design.eta
        vector, values = problem.vector, problem.vector.values(x)
        place = {int(k): i for i, k in enumerate(self.typical)}
        typical = np.empty((len(self.subject), len(problem.model.parameters)))
        slope = np.zeros((*typical.shape, len(self.typical)))
        for j, name in enumerate(problem.model.parameters):
            typical[:, j], by_value, by_effect = vector._typical(name, values)
            for label, part in {name: by_value, **by_effect}.items():
                if label in self.column:
                    slope[:, j, place[self.column[label]]] = part
        centre, centre_slope = self._mean(typical[:, eta]), self._mean(slope[:, eta])
        typical[:, eta] -= centre[self.subject]
        slope[:, eta] -= centre_slope[self.subject]
        slope[np.abs(slope) < 1e-12] = 0.0
        return Levels(centre, typical, centre_slope, slope)

    def _mean(self, table: FloatArray) -> FloatArray:
        total = np.zeros((self.problem.n_subjects, *table.shape[1:]))
        np.add.at(total, self.subject, table)
        count = np.maximum(self.n_occasions, 1).reshape(-1, *[1] * (table.ndim - 1))
        return np.asarray(total / count)

    def shifted(self, effects: FloatArray, before: Levels, after: Levels) -> FloatArray:
        """Effects (..., n_subjects, m) of the same individual parameters at other levels."""
        out, design = effects.copy(), self.problem.design
        out[..., : len(design.eta)] += before.centre - after.centre
        rest = (before.rest - after.rest)[:, design.kappa]
        out[..., self.subject[:, None], self.kappa_column] += rest
        return out

    def typical_score(
        self, levels: Levels, population: Population, mean: FloatArray, by_typical: FloatArray
    ) -> FloatArray:
        """Score (n_subjects, n_labels) of minus two log likelihood by the typical part.

        Fisher's identity with the individual parameters as complete data: from the posterior
        means of the effects, and from the data's slopes for what effects do not absorb. Far less
        noisy by Monte Carlo than with the random effects as complete data.
        """
        kappa, n_eta = self.problem.design.kappa, len(self.problem.design.eta)
        pull = mean[:, :n_eta] @ population.precision
        score = -2.0 * np.einsum("iel,ie->il", levels.centre_slope, pull)
        pull = mean[self.subject[:, None], self.kappa_column] * population.kappa_precision
        within = -2.0 * np.einsum("okl,ok->ol", levels.rest_slope[:, kappa], pull)
        within += np.einsum("ojl,oj->ol", self.free_rest(levels), by_typical)
        np.add.at(score, self.subject, within)
        return np.asarray(score)

    def free_rest(self, levels: Levels) -> FloatArray:
        """Slopes (n_occasions, p, n_labels) that only the data's likelihood can tell."""
        slope = levels.rest_slope.copy()
        slope[:, self.problem.design.kappa] = 0.0
        return slope
