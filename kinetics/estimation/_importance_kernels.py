"""Compiled importance sampling: the integral of each subject over its own set of draws."""

import numpy as np
from numba import njit, types

from kinetics.estimation._arrays import DESIGN, GRADIENT, POPULATION
from kinetics.estimation._marginal_kernels import _integrate_subject
from kinetics.structures._predict_signature import PREDICT_FUNCTION

_table, _cube = types.float64[:, ::1], types.float64[:, :, ::1]


@njit(
    [
        types.void(
            PREDICT_FUNCTION, DESIGN, POPULATION, _table, _cube, _cube, _table, types.boolean,
            _table, types.float64[::1], GRADIENT, types.int64[::1], types.int64, types.int64,
        )
    ],
    cache=True, error_model="numpy", nogil=True,
)  # fmt: skip
def integrate_sets(  # type: ignore[no-untyped-def]
    predict, design, population, effects, hessian, nodes, log_weight, want_gradient, mean,
    objective, gradient, which, start, stop,
):  # fmt: skip
    """Objective (n_subjects,) of the subjects in which[start:stop], all with m effects.

    nodes (n_sets, n_draws, m) and log_weight (n_sets, n_draws) as in `integrate`; the subjects
    take the sets in turn.
    """
    m = nodes.shape[2]
    for index in range(start, stop):
        i, chosen = which[index], index % nodes.shape[0]
        own = np.empty((m, m))
        for e in range(m):
            for g in range(m):
                own[e, g] = hessian[i, e, g]
        objective[i] = _integrate_subject(
            predict, design, population, i, effects[i, :m], own, nodes[chosen],
            log_weight[chosen], want_gradient, mean[i, :m], gradient,
        )  # fmt: skip
