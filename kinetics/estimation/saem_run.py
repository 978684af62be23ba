"""The iterations of SAEM."""

from __future__ import annotations

import numpy as np

from kinetics.curves import FloatArray
from kinetics.estimation.fit import _bounds
from kinetics.estimation.levels import Layout
from kinetics.estimation.objective import evaluate
from kinetics.estimation.problem import Problem
from kinetics.estimation.saem_steps import (
    Chains,
    Statistics,
    maximise_step,
    recentre,
    refresh_proposals,
    simulate_step,
)

_CHAINS_TIMES_SUBJECTS = 120  # at least, by default
_ANNEALED = 0.5  # share of the first phase
_SHRINK = 0.9  # of a variance in one annealed iteration, at most
_REFRESH = 5  # iterations between those that use every kernel
_GAIN_POWER = 0.6  # between 1/2 and 1
_FIRST = np.array([5, 20, 2, 2], dtype=np.int64)  # transitions of the first iteration


class Run:
    """The iterations: where they are, and what went wrong."""

    def __init__(self, problem: Problem, rng: np.random.Generator, n_chains: int | None) -> None:
        self.problem, self.layout = problem, Layout(problem)
        self.bounds = _bounds(problem)
        self.x = np.clip(problem.vector.start(), *self.bounds.T)
        n = problem.n_subjects
        count = n_chains or max(1, -(-_CHAINS_TIMES_SUBJECTS // n))
        modes = problem.empty_effects()
        size = modes.shape[1]
        self.chains = Chains(
            np.zeros((count, n, size)), modes, np.tile(np.eye(size), (n, 1, 1)),
            rng.integers(0, 2**64 - 1, size=(n, count), dtype=np.uint64, endpoint=True),
            np.array([1.0, 0.7]), np.zeros((4, 2)), np.zeros((n, count)),
        )  # fmt: skip
        self.levels = self.layout.levels(self.x)
        self.trace = [self.x]
        self.trouble = ""
        self._refresh()
        self.chains.effects[:] = self.chains.modes
        self.annealed = np.array([_is_scale(label, problem) for label in problem.vector.labels])

    def _refresh(self) -> None:
        refresh_proposals(
            self.chains, evaluate(self.problem, self.x, "FOCEI", start=self.chains.modes)
        )

    def iterate(self, n_burn: int, n_smooth: int, usual: np.ndarray) -> None:
        """Run both phases; stops with `trouble` where a step has no finite result."""
        mean = None
        for k in range(n_burn + n_smooth):
            transitions = _FIRST if k == 0 else np.maximum(usual, int(k % _REFRESH == 0))
            if k & (k - 1) == 0 and k:  # 1, 2, 4, 8, ...
                self._refresh()
            new = simulate_step(self.layout, self.x, self.levels, self.chains, transitions)
            if not np.isfinite(self.chains.value).all():
                self.trouble = self._not_finite()
                return
            if mean is None:
                mean = new
            mean.blend(new, 1.0 if k < n_burn else (k - n_burn + 1.0) ** -_GAIN_POWER)
            if not self._maximise(mean, anneal=k < _ANNEALED * n_burn):
                return
        if self.trace[1:]:
            self._move(np.mean(self.trace[-max(n_smooth // 2, 1) :], axis=0))

    def _maximise(self, mean: Statistics, *, anneal: bool) -> bool:
        try:
            x = maximise_step(self.layout, self.x, self.levels, mean, self.bounds)
        except np.linalg.LinAlgError:
            x = np.full_like(self.x, np.nan)
        if anneal:
            least = self.x + 0.5 * np.log(_SHRINK)
            x = np.where(self.annealed, np.maximum(x, least), x)
        self.trace.append(np.clip(x, *self.bounds.T))
        if not self._move(self.trace[-1]):
            self.trouble = (
                f"stopped in iteration {len(self.trace) - 1}: a step leads to parameters that are "
                "not finite; the data may not determine all of them"
            )
            return False
        return True

    def _move(self, x: FloatArray) -> bool:
        """Take on a vector if it is usable."""
        if not np.isfinite(x).all():
            return False
        levels = self.layout.levels(x)
        if not (np.isfinite(levels.centre).all() and np.isfinite(levels.rest).all()):
            return False
        recentre(self.layout, self.chains, self.levels, levels)
        self.x, self.levels = x, levels
        return True

    def _not_finite(self) -> str:
        bad = np.flatnonzero(~np.isfinite(self.chains.value).all(1))
        names = ", ".join(self.problem.data.subjects[i] for i in bad[:5])
        return (
            f"the likelihood is not finite in iteration {len(self.trace)} for {len(bad)} "
            f"subject(s) ({names}): a prediction is zero, negative or overflows where the residual "
            "error needs more; change the start values or the residual error"
        )


def _is_scale(label: str, problem: Problem) -> bool:
    """Whether an element is the logarithm of a standard deviation."""
    words = label.split(" ")
    if words[0] == "cholesky":
        return words[1] == words[2]
    plain = label in problem.model.parameters or label in problem.vector.plain
    return not plain
