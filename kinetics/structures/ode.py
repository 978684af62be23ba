"""Ordinary differential equations, stiff or not, with sensitivities to their parameters."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError

METHODS = ("auto", "explicit", "stiff")
_STIFF_FROM = 5000.0  # fastest rate times duration; the implicit method is quicker from here on
_MANY_SYSTEMS = 8  # from here on threads are worth starting
_TRIED_SYSTEMS = 16  # systems that the choice of the method looks at
_STATUS = ("ok", "step count exhausted", "step too small", "state not finite")


@dataclass(frozen=True, eq=False)
class OdeSolution:
    """States at the asked times, one system per leading axis.

    Attributes
    ----------
    time_h : ndarray, shape (n_times,)
        Times.
    state : ndarray, shape (..., n_times, n_states)
        States; NaN where a failed system did not arrive.
    sensitivity : ndarray, shape (..., n_times, n_states, n_parameters)
        Derivative of each state by each chosen parameter; the last axis is empty if none was.
    failed : ndarray of bool, shape (...)
        Whether a system stopped early.
    steps : ndarray of int, shape (...)
        Steps tried.
    method : str
        ``"explicit"`` or ``"stiff"``.
    status : str
        ``"ok"``, or how many systems stopped early and why.
    """

    time_h: FloatArray
    state: FloatArray
    sensitivity: FloatArray
    failed: npt.NDArray[np.bool_]
    steps: npt.NDArray[np.int64]
    method: str
    status: str


def compiled_slope(function: Callable[..., None], *, cache: bool = True) -> Any:
    """Compile ``slope(time, state, parameter, slope)``, which fills its last argument.

    With `cache` the next start of the program does not compile again; it needs a function that
    stands in a file.
    """
    from numba import njit

    from kinetics.structures._saturable_system import SLOPE

    return njit([SLOPE], cache=cache, error_model="numpy")(function)


def compiled_jacobian(function: Callable[..., None], *, cache: bool = True) -> Any:
    """Compile ``jacobian(time, state, parameter, by_state, by_parameter)``.

    It fills the derivatives of the slope by the state (n, n) and by the parameters (n, p); both
    tables come zeroed.
    """
    from numba import njit

    from kinetics.structures._saturable_system import JACOBIAN

    return njit([JACOBIAN], cache=cache, error_model="numpy")(function)


def solve(
    slope: Any,
    initial: npt.ArrayLike,
    *,
    parameter: npt.ArrayLike,
    time_h: npt.ArrayLike,
    jacobian: Any = None,
    doses: npt.ArrayLike | None = None,
    sensitivity_to: Sequence[int] = (),
    method: str = "auto",
    rtol: float = 1e-8,
    atol: npt.ArrayLike = 1e-12,
    control_sensitivities: bool = False,
    max_steps: int = 100_000,
    strict: bool = False,
) -> OdeSolution:
    r"""Solve :math:`\dot y = f(t, y, p)` from time zero, with :math:`S = dy/dp` if wanted.

    The sensitivities follow the variational equations :math:`\dot S = f_y S + f_p`, integrated
    together with the states. Dormand-Prince 5(4) or, for stiff systems, the Rosenbrock method
    Rodas5P; the step ends at each asked time and dose.

    Parameters
    ----------
    slope : callable
        Compiled ``slope(time, state, parameter, slope)`` (see `compiled_slope`); a plain Python
        function is compiled here.
    initial : array_like, shape (..., n_states)
        State at time zero, before any dose.
    parameter : array_like, shape (..., n_parameters)
        Parameters; leading axes broadcast against those of `initial`.
    time_h : array_like, shape (n_times,)
        Ascending times, zero or later. A dose at one of them is counted there.
    jacobian : callable, optional
        Compiled ``jacobian(time, state, parameter, by_state, by_parameter)``; finite differences
        when missing. Sensitivities need it.
    doses : array_like, shape (n_doses, 8), optional
        Dose table (`kinetics.structures.dose_table`): boluses, infusions, repeats, resets.
    sensitivity_to : sequence of int
        Indices of the parameters to differentiate by.
    method : str
        ``"explicit"``, ``"stiff"``, or ``"auto"``: stiff where the fastest rate at the start
        times the duration exceeds 5000.
    rtol, atol : float and array_like, shape (n_states,) or scalar
        Largest local error of a step: atol + rtol |state|.
    control_sensitivities : bool
        Whether the sensitivities join the error control, with atol/|parameter|.
    max_steps : int
        Steps tried before a system gives up.
    strict : bool
        Raise instead of warning when a system stops early.

    Returns
    -------
    OdeSolution

    Raises
    ------
    KineticsError
        If shapes, times, tolerances, doses or the method are not legal, if sensitivities are
        asked for without a Jacobian, or (`strict`) if a system stopped early.

    Notes
    -----
    Compiled functions are cached on disk: only the very first use compiles (about a minute).

    References
    ----------
    Dormand JR, Prince PJ. J Comput Appl Math 1980;6:19-26, doi:10.1016/0771-050X(80)90013-3.
    Steinebach G. BIT Numer Math 2023;63:27, doi:10.1007/s10543-023-00967-x.

    Examples
    --------
    >>> def washout(time, state, parameter, slope):
    ...     slope[0] = -parameter[0] * state[0]
    >>> found = solve(washout, [100.0], parameter=[[0.1], [0.2]], time_h=[10.0])
    >>> found.state[:, 0, 0].round(6), found.status
    (array([36.787944, 13.533528]), 'ok')
    """
    from kinetics.structures import _ode_kernels as kernels

    start, values = _systems(initial, parameter)
    time, events = _times(time_h), _events(doses, start.shape[-1])
    chosen = np.asarray(sensitivity_to, dtype=np.int64).reshape(-1)
    limits = np.array(
        np.broadcast_to(np.asarray(atol, dtype=np.float64), start.shape[-1:]), order="C"
    )
    _check(method, rtol, limits, chosen, values.shape[-1], jacobian is not None)
    f, f_y = _compiled(slope, jacobian)
    shape, n = start.shape[:-1], start.shape[-1]
    flat, flat_values = start.reshape(-1, n), values.reshape(-1, values.shape[-1])
    if method == "auto":
        stiff = _fastest(f, flat, flat_values, events) * time[-1] > _STIFF_FROM
        method = "stiff" if stiff else "explicit"
    state = np.empty((len(flat), len(time), n))
    sensitivity = np.empty((*state.shape, len(chosen)))
    outcome = np.empty((len(flat), 2), dtype=np.int64)
    many = len(flat) >= _MANY_SYSTEMS
    run = kernels.solve_many_on_all_cores if many else kernels.solve_many
    run(
        f, f_y, jacobian is not None, kernels.STIFF if method == "stiff" else kernels.EXPLICIT,
        flat, flat_values, chosen, time, events, float(rtol), limits, bool(control_sensitivities),
        int(max_steps), state, sensitivity, outcome,
    )  # fmt: skip
    status = _status(outcome[:, 0], strict)
    return OdeSolution(
        time, state.reshape(*shape, *state.shape[1:]),
        sensitivity.reshape(*shape, *sensitivity.shape[1:]),
        (outcome[:, 0] != kernels.OK).reshape(shape), outcome[:, 1].reshape(shape), method, status,
    )  # fmt: skip


def _systems(initial: npt.ArrayLike, parameter: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Initial states and parameters with the same leading axes, contiguous."""
    start, values = (np.asarray(x, dtype=np.float64) for x in (initial, parameter))
    if start.ndim == 0 or values.ndim == 0 or 0 in (start.shape[-1], values.shape[-1]):
        raise KineticsError("initial and parameter need a last axis of at least one entry")
    try:
        shape = np.broadcast_shapes(start.shape[:-1], values.shape[:-1])
    except ValueError:
        raise KineticsError(
            f"initial {start.shape} and parameter {values.shape} do not broadcast"
        ) from None
    return (
        np.array(np.broadcast_to(start, (*shape, start.shape[-1])), order="C"),
        np.array(np.broadcast_to(values, (*shape, values.shape[-1])), order="C"),
    )


def _times(time_h: npt.ArrayLike) -> FloatArray:
    """Times, checked."""
    time = np.atleast_1d(np.array(time_h, dtype=np.float64))
    if time.ndim != 1 or not time.size or not np.isfinite(time).all():
        raise KineticsError("time_h needs one axis of finite times")
    if time[0] < 0 or (np.diff(time) < 0).any():
        raise KineticsError("time_h must ascend from zero or later")
    return time


def _events(doses: npt.ArrayLike | None, n_states: int) -> FloatArray:
    """Events of a dose table, checked."""
    from kinetics.structures._dose_events import dose_events

    if doses is None:
        return np.empty((0, 4))
    events: FloatArray = dose_events(np.ascontiguousarray(doses, dtype=np.float64))
    if not np.isfinite(events).all():
        raise KineticsError(
            "doses must be finite, without steady state and without estimated rates or durations"
        )
    if ((events[:, 2] < 0) | (events[:, 2] >= n_states)).any():
        raise KineticsError(f"doses go into compartments 0 to {n_states - 1}")
    if (events[:, 0] < 0).any():
        raise KineticsError("doses must not come before time zero")
    return events


def _check(
    method: str, rtol: float, atol: FloatArray, chosen: npt.NDArray[np.int64], n_parameters: int,
    analytic: bool,
) -> None:  # fmt: skip
    """What the kernels take for granted."""
    if method not in METHODS:
        raise KineticsError(f"unknown method {method!r}; legal: {', '.join(METHODS)}")
    if not (1e-14 <= rtol < 1) or not (atol > 0).all():
        raise KineticsError("rtol must lie between 1e-14 and 1 and atol above zero")
    if chosen.size and not analytic:
        raise KineticsError("sensitivities need the analytic jacobian")
    if ((chosen < 0) | (chosen >= n_parameters)).any():
        raise KineticsError(f"sensitivity_to takes indices 0 to {n_parameters - 1}")


def _compiled(slope: Any, jacobian: Any) -> tuple[Any, Any]:
    """Both functions compiled; a missing Jacobian is replaced by one that is never called."""
    from kinetics.structures._saturable_system import saturable_jacobian

    f = slope if hasattr(slope, "nopython_signatures") else compiled_slope(slope, cache=False)
    if jacobian is None:
        return f, saturable_jacobian
    ready = hasattr(jacobian, "nopython_signatures")
    return f, jacobian if ready else compiled_jacobian(jacobian, cache=False)


def _fastest(slope: Any, initial: FloatArray, parameter: FloatArray, events: FloatArray) -> float:
    """Largest row sum of the Jacobian at the start, all boluses given, by forward differences."""
    n = initial.shape[1]
    given = np.zeros(n)
    bolus = events[events[:, 1] == 0.0]
    np.add.at(given, bolus[:, 2].astype(int), bolus[:, 3])
    worst = 0.0
    for d in np.unique(np.linspace(0, len(initial) - 1, _TRIED_SYSTEMS).astype(int)):
        state = initial[d] + given
        base, moved = np.empty(n), np.empty(n)
        slope(0.0, state, parameter[d], base)
        total = np.zeros(n)
        for i in range(n):
            shifted = state.copy()
            shifted[i] += 1e-7 * max(abs(shifted[i]), 1e-3 * np.abs(state).max(), 1e-12)
            slope(0.0, shifted, parameter[d], moved)
            total += np.abs(moved - base) / (shifted[i] - state[i])
        worst = max(worst, float(np.nan_to_num(total.max(), nan=0.0)))
    return worst


def _status(codes: npt.NDArray[np.int64], strict: bool) -> str:
    """The outcome in words; warns or raises when a system stopped early."""
    counts = np.bincount(codes, minlength=len(_STATUS))[1:]
    if not counts.any():
        return "ok"
    reasons = ", ".join(
        f"{count} x {reason}" for count, reason in zip(counts, _STATUS[1:], strict=True) if count
    )
    message = f"{counts.sum()} of {len(codes)} systems stopped early: {reasons}"
    if strict:
        raise KineticsError(message)
    warnings.warn(message, stacklevel=3)
    return message
