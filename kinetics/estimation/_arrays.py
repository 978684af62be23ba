"""The arrays that every estimation kernel takes, with their compiled types."""

from typing import Any, NamedTuple

from numba import types


class Design(NamedTuple):
    """A model bound to its data; constant while population parameters change.

    rows (n, 2), doses (d, 8): tables of the structure. value, known_sd (n,); censored (n,): 1 below
    the limit; occasion (n,): occasion of each row, from 0 within its subject.
    row_start, dose_start (n_occasions + 1,); occasion_start (n_subjects + 1,).
    transform (p,): 0 identity, 1 log, 2 logit. differentiated (p,): 1 where derivatives are needed.
    eta, kappa: structural parameter of each random effect of the subject and of the occasion;
    acting: both, the effects that reach a row.
    error (n_regions,): residual error code; estimated (n_regions, 3): 1 where sigma is needed.
    """

    rows: Any
    value: Any
    known_sd: Any
    censored: Any
    occasion: Any
    row_start: Any
    doses: Any
    dose_start: Any
    occasion_start: Any
    transform: Any
    differentiated: Any
    eta: Any
    kappa: Any
    acting: Any
    error: Any
    estimated: Any


class Population(NamedTuple):
    """Population parameters in the form that the kernels need.

    typical (n_occasions, p): typical transformed parameters. precision (n_eta, n_eta): inverse
    covariance of the subject's effects. kappa_precision (n_kappa,). sigma (n_regions, 3).
    """

    typical: Any
    precision: Any
    kappa_precision: Any
    sigma: Any


class Gradient(NamedTuple):
    """Derivatives of each subject's objective, written by the kernels.

    typical (n_occasions, p). precision (n_subjects, n_eta, n_eta), by the elements of the inverse
    covariance taken as free. kappa_precision (n_subjects, n_kappa). sigma (n_subjects, n_regions,
    3).
    """

    typical: Any
    precision: Any
    kappa_precision: Any
    sigma: Any


_vector, _table, _cube = types.float64[::1], types.float64[:, ::1], types.float64[:, :, ::1]
_index, _index_table = types.int64[::1], types.int64[:, ::1]

DESIGN = types.NamedTuple(
    (
        _table, _vector, _vector, _index, _index, _index, _table, _index, _index,
        _index, _index, _index, _index, _index, _index, _index_table,
    ),
    Design,
)  # fmt: skip
POPULATION = types.NamedTuple((_table, _table, _vector, _table), Population)
GRADIENT = types.NamedTuple((_table, _cube, _table, _cube), Gradient)
