"""Stratified folds that keep the rows of a group together, and resampled groups."""

from __future__ import annotations

import numpy as np

from kinetics.curves import FloatArray
from radiobio.errors import RadiobioError
from radiobio.risk_factors.data import IntArray


def stratified_folds(
    y: FloatArray, group: IntArray, *, n_folds: int, rng: np.random.Generator
) -> IntArray:
    """Fold of each row (n,): groups in random order, dealt to the fold with the fewest events.

    Groups with the most events are dealt first, ties go to the fold with the fewest rows, so each
    fold gets its share of events and of rows. The number of folds is lowered to the number of
    groups with (or without) an event.
    """
    _, code = np.unique(group, return_inverse=True)
    events = np.bincount(code, weights=y)
    rows = np.bincount(code)
    n_used = min(n_folds, int((events > 0).sum()), int((events < rows).sum()))
    if n_used < 2:
        raise RadiobioError(
            f"{int((events > 0).sum())} groups of patients have an event and "
            f"{int((events < rows).sum())} a patient without; 2 are needed for cross-validation"
        )
    order = rng.permutation(len(rows))
    order = order[np.lexsort((-rows[order], -events[order]))]
    fold_of = np.empty(len(rows), dtype=np.int64)
    load = [(0.0, 0, k) for k in rng.permutation(n_used).tolist()]
    for g in order.tolist():
        at = min(range(n_used), key=lambda k: load[k] if events[g] else (load[k][1], *load[k]))
        fold_of[g] = load[at][2]
        load[at] = (load[at][0] + events[g], load[at][1] + int(rows[g]), load[at][2])
    return fold_of[code]


def resampled_rows(group: IntArray, rng: np.random.Generator) -> IntArray:
    """Rows of as many groups as there are, drawn with replacement."""
    _, code = np.unique(group, return_inverse=True)
    drawn = np.bincount(rng.integers(code.max() + 1, size=code.max() + 1), minlength=code.max() + 1)
    return np.repeat(np.arange(len(group)), drawn[code])


def resampling_weights(group: IntArray, n_bootstrap: int, rng: np.random.Generator) -> FloatArray:
    """How often each row is drawn, (n_bootstrap, n), when groups are drawn with replacement."""
    _, code = np.unique(group, return_inverse=True)
    n_groups = int(code.max()) + 1
    drawn = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_bootstrap)
    return drawn[:, code].astype(np.float64)
