"""Built-in structures with exact solutions: one to three compartments, and sums of exponentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal

import numpy as np

from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.errors import KineticsError
from kinetics.structures.structure import Structure

Parametrisation = Literal["clearance", "rates"]
ZeroOrder = Literal["rate", "duration"]

_NUMBER = {1: "one", 2: "two", 3: "three"}
_CLEARANCE = {1: ("cl", "v"), 2: ("cl", "v1", "q", "v2"), 3: ("cl", "v1", "q2", "v2", "q3", "v3")}
_RATES = {1: ("k", "v"), 2: ("k10", "k12", "k21", "v"), 3: ("k10", "k12", "k21", "k13", "k31", "v")}


def one_compartment(
    *,
    absorption: bool = False,
    parametrisation: Parametrisation = "clearance",
    lag: bool = False,
    bioavailability: bool = False,
    zero_order: ZeroOrder | None = None,
    decay: bool = False,
    region: str = "blood",
) -> Structure:
    r"""One compartment with linear elimination.

    .. math:: \dot A = k_a D - (CL/V) A, \qquad \dot D = -k_a D, \qquad C = A/V

    Compartments for doses are counted from 0: the depot first where there is one, then the
    central one. Lag, bioavailability and zero-order input belong to compartment 0.

    Parameters
    ----------
    absorption : bool
        Whether doses may go into a depot emptied at the rate `ka`. Accurate where ka meets an
        elimination rate, too.
    parametrisation : {"clearance", "rates"}
        Parameters cl, v or k, v.
    lag : bool
        Whether there is a parameter `lag` (h) before the doses act.
    bioavailability : bool
        Whether there is a parameter `bioavailability` that multiplies the amounts. An infusion
        of given rate keeps its rate and shortens, as in NONMEM.
    zero_order : {"rate", "duration"}, optional
        Whether the rate (amount/h; doses with rate -1) or duration (h; doses with rate -2) of
        infusions is a parameter of that name. Such doses are NaN without it.
    decay : bool
        Whether there is a last parameter `decay_per_h`, for data that are not corrected for
        physical decay. It is usually known: fix it.
    region : str
        Name of the observed region, the central compartment.

    Returns
    -------
    Structure
        Parameters cl, v (or k, v), then those of ka, lag, bioavailability, rate or duration, and
        decay_per_h that were asked for. Observed is a concentration: amount over volume (with v
        fixed to 1, the amount).

    Raises
    ------
    KineticsError
        If an option is unknown.

    Examples
    --------
    >>> oral = one_compartment(absorption=True)
    >>> oral.parameters
    ('cl', 'v', 'ka')
    >>> float(oral({"cl": 1.0, "v": 20.0, "ka": 1.5}, 2.0)[0].round(6))
    0.044227
    """
    return _linear(1, absorption, parametrisation, lag, bioavailability, zero_order, decay, region)


def two_compartment(
    *,
    absorption: bool = False,
    parametrisation: Parametrisation = "clearance",
    lag: bool = False,
    bioavailability: bool = False,
    zero_order: ZeroOrder | None = None,
    decay: bool = False,
    region: str = "blood",
) -> Structure:
    r"""Two compartments: a central one and one that exchanges with it.

    .. math::
        \dot A_1 = k_a D - (k_{10} + k_{12}) A_1 + k_{21} A_2, \qquad
        \dot A_2 = k_{12} A_1 - k_{21} A_2, \qquad C = A_1/V_1

    with :math:`k_{10} = CL/V_1,\ k_{12} = Q/V_1,\ k_{21} = Q/V_2`.

    Parameters
    ----------
    absorption, lag, bioavailability, zero_order, decay, region
        As in `one_compartment`. Doses go into the depot or the central compartment.
    parametrisation : {"clearance", "rates"}
        Parameters cl, v1, q, v2 or k10, k12, k21, v.

    Returns
    -------
    Structure

    Raises
    ------
    KineticsError
        If an option is unknown.

    Examples
    --------
    >>> two_compartment(lag=True, decay=True).parameters
    ('cl', 'v1', 'q', 'v2', 'lag', 'decay_per_h')
    """
    return _linear(2, absorption, parametrisation, lag, bioavailability, zero_order, decay, region)


def three_compartment(
    *,
    absorption: bool = False,
    parametrisation: Parametrisation = "clearance",
    lag: bool = False,
    bioavailability: bool = False,
    zero_order: ZeroOrder | None = None,
    decay: bool = False,
    region: str = "blood",
) -> Structure:
    r"""Three compartments: a central one and two that exchange with it.

    As `two_compartment`, with :math:`k_{13} = Q_3/V_1,\ k_{31} = Q_3/V_3`.

    Parameters
    ----------
    absorption, lag, bioavailability, zero_order, decay, region
        As in `one_compartment`. Doses go into the depot or the central compartment.
    parametrisation : {"clearance", "rates"}
        Parameters cl, v1, q2, v2, q3, v3 or k10, k12, k21, k13, k31, v.

    Returns
    -------
    Structure

    Raises
    ------
    KineticsError
        If an option is unknown.

    Examples
    --------
    >>> three_compartment(parametrisation="rates").parameters
    ('k10', 'k12', 'k21', 'k13', 'k31', 'v')
    """
    return _linear(3, absorption, parametrisation, lag, bioavailability, zero_order, decay, region)


def sum_of_exponentials(
    n_terms: int, *, uptake: bool = False, decay: bool = False, region: str = "blood"
) -> Structure:
    r"""Response to a unit dose as a free sum of exponentials.

    .. math:: f(t) = \sum_i a_i e^{-l_i t} \quad\text{or}\quad
        f(t) = \sum_i a_i (e^{-l_i t} - e^{-l_u t})

    Superposed for all doses, infusions included, and proportional to their amounts.

    Parameters
    ----------
    n_terms : int
        Number of terms, at least 1.
    uptake : bool
        Whether the response starts from zero and rises with the rate `l_uptake`, shared by all
        terms.
    decay : bool
        Whether there is a last parameter `decay_per_h` added to every rate; usually fixed.
    region : str
        Name of the observed region.

    Returns
    -------
    Structure
        Parameters a1, l1, a2, l2, ..., then l_uptake and decay_per_h that were asked for;
        amplitudes per unit dose, rates in 1/h.

    Raises
    ------
    KineticsError
        If `n_terms` is not positive.

    Examples
    --------
    >>> sum_of_exponentials(2, uptake=True).parameters
    ('a1', 'l1', 'a2', 'l2', 'l_uptake')
    """
    if n_terms < 1 or n_terms != int(n_terms):
        raise KineticsError(f"n_terms must be a positive whole number, got {n_terms}")
    names = [f"{letter}{i + 1}" for i in range(n_terms) for letter in "al"]
    names += ["l_uptake"] * uptake + ["decay_per_h"] * decay
    extra = " + decay_per_h" if decay else ""
    start = f" - exp(-(l_uptake{extra}) t)" if uptake else ""
    decay_index = names.index("decay_per_h") if decay else -1
    equations = f"{region}(t) = " + " + ".join(
        f"a{i} (exp(-(l{i}{extra}) t){start})" for i in range(1, n_terms + 1)
    )

    def curves(parameter: FloatArray) -> Mapping[str, SumOfExponentials]:
        values = np.asarray(parameter, dtype=np.float64)
        amplitude, rate = values[..., 0 : 2 * n_terms : 2], values[..., 1 : 2 * n_terms : 2]
        if uptake:
            amplitude = np.concatenate([amplitude, -amplitude.sum(-1, keepdims=True)], axis=-1)
            rate = np.concatenate([rate, values[..., 2 * n_terms, None]], axis=-1)
        if decay:
            rate = rate + values[..., -1:]
        return {region: SumOfExponentials(amplitude, rate)}

    return Structure(
        name=f"sum of {n_terms} exponentials" + (" with uptake" if uptake else ""),
        parameters=tuple(names),
        regions=(region,),
        predict=_exponentials_predictor(int(n_terms), bool(uptake), decay_index),
        equations=equations,
        curves=curves,
    )


@cache
def _linear_predictor(n: int, rates: bool, absorption: bool, *indices: int) -> Any:
    """Compile a layout once in a process."""
    from kinetics.structures._closed_form_kernels import linear_predictor

    return linear_predictor(n, rates, absorption, *indices)


@cache
def _exponentials_predictor(n_terms: int, uptake: bool, decay: int) -> Any:
    """Compile a layout once in a process."""
    from kinetics.structures._closed_form_kernels import exponentials_predictor

    return exponentials_predictor(n_terms, uptake, decay)


def _linear(
    n: int,
    absorption: bool,
    parametrisation: str,
    lag: bool,
    bioavailability: bool,
    zero_order: str | None,
    decay: bool,
    region: str,
) -> Structure:
    """Structure with n compartments."""
    if parametrisation not in ("clearance", "rates"):
        raise KineticsError(f"parametrisation {parametrisation!r} is neither clearance nor rates")
    if zero_order not in (None, "rate", "duration"):
        raise KineticsError(f"zero_order {zero_order!r} is neither rate nor duration")
    rates = parametrisation == "rates"
    names = list((_RATES if rates else _CLEARANCE)[n]) + ["ka"] * absorption
    optional = {
        "lag": lag,
        "bioavailability": bioavailability,
        "rate": zero_order == "rate",
        "duration": zero_order == "duration",
        "decay_per_h": decay,
    }
    index = {}
    for name, wanted in optional.items():
        index[name] = len(names) if wanted else -1
        names += [name] * wanted
    curves = _bolus_curves(
        n, rates, bool(absorption), index["bioavailability"], index["decay_per_h"], region
    )
    return Structure(
        name=f"{_NUMBER[n]} compartment" + "s" * (n > 1) + ", first-order absorption" * absorption,
        parameters=tuple(names),
        regions=(region,),
        predict=_linear_predictor(n, rates, bool(absorption), *index.values()),
        equations=_equations(n, rates, absorption, decay, region),
        curves=None if lag else curves,
    )


def _bolus_curves(
    n: int, rates: bool, absorption: bool, available: int, decay: int, region: str
) -> Callable[[FloatArray], Mapping[str, SumOfExponentials]]:
    """Curves after a unit bolus into the first compartment, for any leading axes."""

    def curves(parameter: FloatArray) -> Mapping[str, SumOfExponentials]:
        from kinetics.structures._closed_form_kernels import linear_curves

        values = np.ascontiguousarray(parameter, dtype=np.float64)
        flat = values.reshape(-1, values.shape[-1])
        amplitude, rate = np.zeros((2, len(flat), 5 * n + 1))
        most = linear_curves(n, rates, absorption, available, decay, flat, amplitude, rate)
        shape = (*values.shape[:-1], most)
        return {
            region: SumOfExponentials(
                amplitude[:, :most].reshape(shape), rate[:, :most].reshape(shape)
            )
        }

    return curves


def _equations(n: int, rates: bool, absorption: bool, decay: bool, region: str) -> str:
    """The model in readable equations."""
    central, out = ("v" if rates or n == 1 else "v1"), []
    tail = " - decay_per_h {}" if decay else ""
    flows = [f" - {'k' if n == 1 else 'k10'} A1" if rates else f" - (cl/{central}) A1"]
    lines = []
    for j in range(2, n + 1):
        q = "q" if n == 2 else f"q{j}"
        there, back = (f"k1{j}", f"k{j}1") if rates else (f"({q}/{central})", f"({q}/v{j})")
        flows.append(f" - {there} A1 + {back} A{j}")
        lines.append(f"dA{j}/dt = {there} A1 - {back} A{j}" + tail.format(f"A{j}"))
    if absorption:
        out.append("dD/dt = -ka D" + tail.format("D"))
        flows.insert(0, " + ka D")
    first = "".join(flows)
    first = first[3:] if absorption else "-" + first[3:]
    out += [f"dA1/dt = {first}" + tail.format("A1"), *lines, f"{region} = A1/{central}"]
    return "\n".join(out)
