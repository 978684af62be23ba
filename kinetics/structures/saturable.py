"""Blood exchanging with tissues whose uptake saturates, solved as differential equations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.structures.ode import OdeSolution, solve
from kinetics.structures.structure import Structure


def saturable_amounts(
    initial_amount: npt.ArrayLike,
    time_h: npt.ArrayLike,
    *,
    elimination_per_h: npt.ArrayLike,
    uptake_per_h: npt.ArrayLike,
    release_per_h: npt.ArrayLike = 0.0,
    loss_per_h: npt.ArrayLike = 0.0,
    capacity: npt.ArrayLike = np.inf,
    doses: npt.ArrayLike | None = None,
    sensitivities: bool = False,
    method: str = "auto",
    rtol: float = 1e-8,
    max_steps: int = 100_000,
) -> OdeSolution:
    r"""Amounts in blood and tissues with saturable uptake.

    .. math::
        \dot A_0 = -k_{10} A_0 - \sum_j F_j, \qquad
        \dot A_j = F_j - k_{j,\mathrm{loss}} A_j, \qquad
        F_j = k_{1j} A_0 (1 - A_j/B_j) - k_{j1} A_j

    The amount is whatever fills the capacity: an activity (Siebinga 2023, PSMA-617), or the
    whole peptide in nmol, labelled and unlabelled, where receptors are shared. With all of the
    peptide in one batch the activity is its share: activity given x amount / peptide given.

    Parameters
    ----------
    initial_amount : array_like, shape (...)
        Bolus into blood at time zero.
    time_h : array_like, shape (n_times,)
        Ascending times (h).
    elimination_per_h : array_like, shape (...)
        Elimination from blood (1/h).
    uptake_per_h, release_per_h, loss_per_h : array_like, shape (..., n_tissues)
        Rates from blood to each tissue, back to blood, and out of the body (1/h).
    capacity : array_like, shape (..., n_tissues)
        Most that each tissue can hold, in the unit of the amount; infinite means linear.
    doses : array_like, shape (n_doses, 8), optional
        Further doses (`kinetics.structures.dose_table`).
    sensitivities : bool
        Whether to return the derivatives by the 1 + 4 n_tissues parameters: elimination, then
        uptake, release, loss and capacity of all tissues.
    method, rtol, max_steps
        See `kinetics.structures.ode.solve`.

    Returns
    -------
    OdeSolution
        States: blood, then the tissues. Physical decay is NOT included.

    Raises
    ------
    KineticsError
        If a rate is negative, a capacity not positive, or a shape does not broadcast.

    Examples
    --------
    >>> found = saturable_amounts(
    ...     100.0, [0.0, 10.0], elimination_per_h=0.3, uptake_per_h=[0.2], release_per_h=[0.05],
    ...     capacity=[20.0])
    >>> found.state.round(4)
    array([[100.    ,   0.    ],
           [  4.8487,  14.2768]])
    """
    from kinetics.structures._saturable_system import saturable_jacobian, saturable_slope

    initial, elimination, tissues = _broadcast(
        initial_amount, elimination_per_h, (uptake_per_h, release_per_h, loss_per_h, capacity)
    )
    if any((x < 0).any() for x in (elimination, *tissues[:3])):
        raise KineticsError("rates must be zero or positive")
    if not (tissues[3] > 0).all():
        raise KineticsError("capacities must be positive (infinite for linear uptake)")
    parameter = np.concatenate([elimination[..., None], *tissues], axis=-1)
    n = tissues[0].shape[-1]
    state = np.zeros((*initial.shape, n + 1))
    state[..., 0] = initial
    largest = float(np.abs(initial).max(initial=0.0))
    if doses is not None:
        largest = max(largest, float(np.abs(np.asarray(doses, dtype=np.float64)[:, 1]).max()))
    return solve(
        saturable_slope, state, parameter=parameter, time_h=time_h, jacobian=saturable_jacobian,
        doses=doses, sensitivity_to=range(1 + 4 * n) if sensitivities else (), method=method,
        rtol=rtol, atol=1e-13 * largest + 1e-300, max_steps=max_steps,
    )  # fmt: skip


def _broadcast(
    initial_amount: npt.ArrayLike, elimination: npt.ArrayLike, tissues: Sequence[npt.ArrayLike]
) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
    """Everything with the same leading axes, the tissues with the same last one."""
    arrays = [np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in tissues]
    single = [np.asarray(x, dtype=np.float64) for x in (initial_amount, elimination)]
    try:
        n = np.broadcast_shapes(*(x.shape[-1:] for x in arrays))
        shape = np.broadcast_shapes(*(x.shape for x in single), *(x.shape[:-1] for x in arrays))
    except ValueError:
        raise KineticsError(
            "amounts and rates do not broadcast: "
            + ", ".join(str(x.shape) for x in (*single, *arrays))
        ) from None
    initial, rate = (np.array(np.broadcast_to(x, shape)) for x in single)
    return initial, rate, [np.array(np.broadcast_to(x, (*shape, *n))) for x in arrays]


def saturable_structure(
    tissues: Sequence[str],
    *,
    saturable: Sequence[str] = (),
    released: Sequence[str] | None = None,
    lost: Sequence[str] = (),
    regions: Sequence[str] | None = None,
    as_peptide: bool = False,
    decay_per_h: float = 0.0,
    name: str = "saturable mammillary system",
) -> Structure:
    r"""Structure of a saturable mammillary system, for the population engine.

    Parameters of the structure: ``elimination_per_h``, ``uptake_<tissue>_per_h``,
    ``release_<tissue>_per_h``, ``loss_<tissue>_per_h``, ``capacity_<tissue>``, and
    ``blood_volume_ml`` where blood is observed. Equations: `saturable_amounts`.

    Parameters
    ----------
    tissues : sequence of str
        Tissues that blood exchanges with.
    saturable : sequence of str
        Those with a finite capacity.
    released : sequence of str, optional
        Those that give back to blood; all when missing.
    lost : sequence of str
        Those that lose out of the body (degradation, excretion).
    regions : sequence of str, optional
        What is observed: ``"blood"`` (amount per mL), tissues (amounts), ``"whole_body"`` (the
        sum of all compartments); blood and the tissues when missing.
    as_peptide : bool
        Doses and capacities are amounts of peptide and observations are activities: adds the
        parameter ``molar_activity``, activity per amount at time zero. Receptors are shared by
        labelled and unlabelled peptide.
    decay_per_h : float
        Physical decay from time zero on, put on the predictions (1/h). Zero predicts
        decay-corrected data.
    name : str
        Name of the structure.

    Returns
    -------
    Structure
        Predictions to a relative tolerance of 1e-8, with derivatives from the variational
        equations. Doses with a steady state or an estimated rate are not possible: NaN.

    Raises
    ------
    KineticsError
        If a name is unknown or given twice.

    Examples
    --------
    >>> glands = saturable_structure(["salivary_glands", "other"], saturable=["salivary_glands"])
    >>> glands.parameters[-2:]
    ('capacity_salivary_glands', 'blood_volume_ml')
    """
    from kinetics.structures._saturable_kernels import compiled_predict

    names = tuple(tissues)
    observed = tuple(regions) if regions is not None else ("blood", *names)
    back = names if released is None else tuple(released)
    _check_names(names, observed, (*saturable, *back, *lost))
    parameters = ["elimination_per_h"]
    slot = [0]
    for word, unit, having in (
        ("uptake", "_per_h", names), ("release", "_per_h", back), ("loss", "_per_h", lost),
        ("capacity", "", saturable),
    ):  # fmt: skip
        for tissue in names:
            slot.append(len(parameters) if tissue in having else -1)
            if tissue in having:
                parameters.append(f"{word}_{tissue}{unit}")
    for extra, present in (
        ("blood_volume_ml", "blood" in observed), ("molar_activity", as_peptide)
    ):  # fmt: skip
        slot.append(len(parameters) if present else -1)
        if present:
            parameters.append(extra)
    places = {"blood": 0, "whole_body": -1, **{t: i for i, t in enumerate(names, start=1)}}
    return Structure(
        name=name,
        parameters=tuple(parameters),
        regions=observed,
        predict=compiled_predict(
            tuple(slot), tuple(places[r] for r in observed), float(decay_per_h)
        ),
        equations=_equations(names, saturable, back, lost),
    )


def _check_names(
    tissues: tuple[str, ...], regions: tuple[str, ...], mentioned: tuple[str, ...]
) -> None:
    """Tissue and region names, each once and known."""
    if not tissues or len(set(tissues)) < len(tissues) or len(set(regions)) < len(regions):
        raise KineticsError("tissues and regions need distinct names, and at least one tissue")
    unknown = (set(mentioned) - set(tissues)) | (set(regions) - {*tissues, "blood", "whole_body"})
    if unknown or not regions:
        raise KineticsError(
            f"unknown: {', '.join(sorted(unknown)) or 'no region'}; tissues: {', '.join(tissues)}"
        )


def _equations(
    tissues: tuple[str, ...], saturable: Sequence[str], back: Sequence[str], lost: Sequence[str]
) -> str:
    """The system in readable equations."""
    lines = ["d blood/dt = -elimination blood - sum of the flows into the tissues"]
    for tissue in tissues:
        free = f" (1 - {tissue}/capacity)" if tissue in saturable else ""
        flow = f"uptake blood{free}" + (f" - release {tissue}" if tissue in back else "")
        loss = f" - loss {tissue}" if tissue in lost else ""
        lines.append(f"d {tissue}/dt = flow{loss}; flow = {flow}")
    return "\n".join(lines)
