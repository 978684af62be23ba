"""The compiled signature that every structural model shares."""

from numba import types

_vector = types.float64[::1]
_table = types.float64[:, ::1]

# predict(parameter, rows, doses, value, jacobian)
PREDICT = types.void(_vector, _table, _table, _vector, _table)
PREDICT_FUNCTION = types.FunctionType(PREDICT)
