"""Curve forms with log parameters: wash-out, uptake, retention, and the f_nX family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.errors import KineticsError

_LN2 = float(np.log(2.0))
_LEAST_GAP = 1e-4  # relative gap below which two rates are held apart, symmetric about their mean
_ASSUMED_BLOOD = (
    "ASSUMED: the activity circulates in blood with a half-life of {:.3g} min before it is taken up"
)


@dataclass(frozen=True)
class CurveForm:
    r"""A family of time-activity curves.

    Parameters are logarithms of amplitudes (or odds) and of BIOLOGICAL half-lives (h); every
    rate is :math:`\lambda = \ln 2/T + \lambda_p`. The shapes, with what a form may hold fixed:

    * washout, n phases: :math:`\sum_i a_i e^{-\lambda_i t}`; a phase of infinite half-life is a
      tail that only decays.
    * uptake: :math:`a\,(e^{-\lambda t} - e^{-\lambda_u t})` with :math:`\lambda_u = \lambda +
      \ln 2/T_u`, so that uptake is always faster than clearance.
    * split: :math:`a\,(e^{-\lambda_1 t} + o\,e^{-\lambda_2 t})/(1+o)` with the odds o of the slow
      phase; the retention form starts at 1.
    * tia: :math:`A/N \cdot \{(1-\alpha) e^{-\lambda_1 t} - \alpha e^{-\lambda_2 t} - (1-2\alpha)
      e^{-\lambda_b t}\}`, N the integral of the braces, so that A is the time-integrated activity
      and f(0) = 0; :math:`\alpha = o/(2+2o)` and :math:`\lambda_2 = \lambda_1 + \ln 2/T_u`.
    * iodine: :math:`D k_1/(k_1+k_2-k_3)\,(e^{-\lambda_3 t} - e^{-\lambda_{12} t}) + a_1
      e^{-\lambda_{12} t}` with rates of uptake :math:`k_1`, excretion :math:`k_2`, clearance
      :math:`k_3`, and :math:`\lambda_{12} = k_1 + k_2 + \lambda_p`.

    Attributes
    ----------
    name : str
        Name in `CURVE_FORMS`.
    parameters : tuple of str
        Names of the parameters whose logarithms are fitted; half-lives end in ``_h``, amplitudes
        have the unit of the data, odds none.
    shape : str
        ``"washout"``, ``"uptake"``, ``"split"``, ``"tia"`` or ``"iodine"``.
    template : tuple of float or None
        All parameters of the shape: None where free, else the value at which it is held.
    assumptions : tuple of str
        What the form takes for granted.

    References
    ----------
    Hardiansyah D, et al. EJNMMI Phys 2021, doi:10.1186/s40658-021-00427-x (f2a to f3a);
    EJNMMI Phys 2023, doi:10.1186/s40658-023-00530-1 (f4d).
    """

    name: str
    parameters: tuple[str, ...]
    shape: str = "washout"
    template: tuple[float | None, ...] = ()
    assumptions: tuple[str, ...] = ()

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return len(self.parameters)

    @property
    def free(self) -> tuple[int, ...]:
        """Places of the free parameters among those of the shape."""
        return tuple(i for i, value in enumerate(self.template) if value is None)

    @property
    def linear(self) -> tuple[int, ...]:
        """Indices of the free parameters in which the curve is linear."""
        return tuple(i for i, n in enumerate(self.parameters) if n.startswith(("amplitude", "tia")))

    def curve(self, log_parameter: npt.ArrayLike, *, decay_per_h: float) -> SumOfExponentials:
        """Curve at log parameters of shape (..., n_parameters), physical decay included."""
        value = np.exp(np.asarray(log_parameter, dtype=np.float64))
        free = self.free
        if len(free) < len(self.template):
            full = np.empty((*value.shape[:-1], len(self.template)))
            full[...] = [np.nan if x is None else x for x in self.template]
            full[..., free] = value
            value = full
        amplitude, rate = _TERMS[self.shape](value, decay_per_h)
        return SumOfExponentials(amplitude, rate + decay_per_h)


def _washout_terms(value: FloatArray, decay_per_h: float) -> tuple[FloatArray, FloatArray]:
    n_terms = value.shape[-1] // 2
    return value[..., :n_terms], _LN2 / value[..., n_terms:]


def _uptake_terms(value: FloatArray, decay_per_h: float) -> tuple[FloatArray, FloatArray]:
    clearance = _LN2 / value[..., 1:2]
    rate = np.concatenate([clearance, clearance + _LN2 / value[..., 2:3]], axis=-1)
    return value[..., :1] * np.array([1.0, -1.0]), rate


def _split_terms(value: FloatArray, decay_per_h: float) -> tuple[FloatArray, FloatArray]:
    odds = value[..., 1:2]
    share = np.concatenate([1.0 / (1.0 + odds), odds / (1.0 + odds)], axis=-1)
    return value[..., :1] * share, _LN2 / value[..., 2:]


def _tia_terms(value: FloatArray, decay_per_h: float) -> tuple[FloatArray, FloatArray]:
    tia, odds, clearance_life, uptake_life, blood_life = np.moveaxis(value, -1, 0)
    blood = _LN2 / blood_life
    clearance = np.minimum(_LN2 / clearance_life, 0.5 * blood)  # slower than the blood
    rate = np.stack([clearance, clearance + _LN2 / uptake_life, blood], axis=-1)
    half_share = 0.5 * odds / (1.0 + odds)
    weight = np.stack([1.0 - half_share, -half_share, 2.0 * half_share - 1.0], axis=-1)
    norm = (weight / (rate + decay_per_h)).sum(-1)
    return (tia / norm)[..., None] * weight, rate


def _iodine_terms(value: FloatArray, decay_per_h: float) -> tuple[FloatArray, FloatArray]:
    administered, uptake_life, excretion_life, clearance_life, initial = np.moveaxis(value, -1, 0)
    uptake = _LN2 / uptake_life
    blood, organ = uptake + _LN2 / excretion_life, _LN2 / clearance_life
    mean, gap = 0.5 * (blood + organ), blood - organ
    gap = np.copysign(np.maximum(np.abs(gap), _LEAST_GAP * mean), gap)
    taken_up = administered * uptake / gap
    amplitude = np.stack([taken_up, initial - taken_up], axis=-1)
    return amplitude, np.stack([mean - 0.5 * gap, mean + 0.5 * gap], axis=-1)


_TERMS: dict[str, Callable[[FloatArray, float], tuple[FloatArray, FloatArray]]] = {
    "washout": _washout_terms,
    "uptake": _uptake_terms,
    "split": _split_terms,
    "tia": _tia_terms,
    "iodine": _iodine_terms,
}


def _washout(name: str, n_terms: int, *, tail: bool = False) -> CurveForm:
    amplitudes = tuple(f"amplitude_{i + 1}" for i in range(n_terms))
    lives = tuple(f"half_life_{i + 1}_h" for i in range(n_terms - tail))
    template = (None,) * (2 * n_terms - tail) + (np.inf,) * tail
    return CurveForm(name, amplitudes + lives, "washout", template)


def _f2a(administered: float = 100.0) -> CurveForm:
    parameters = ("half_life_h", "uptake_half_life_h")
    return CurveForm("f2a", parameters, "uptake", (administered, None, None))


def _f2e(administered: float = 100.0) -> CurveForm:
    parameters = ("slow_odds", "half_life_1_h")
    return CurveForm("f2e", parameters, "split", (administered, None, None, np.inf))


def _shared(fast_fraction: float) -> CurveForm:
    if not 0 < fast_fraction < 1:
        raise KineticsError(f"fast_fraction must be above 0 and below 1, got {fast_fraction:g}")
    template = (None, (1 - fast_fraction) / fast_fraction, None, np.inf)
    return CurveForm("shared", ("amplitude", "half_life_1_h"), "split", template)


def _f4d(blood_half_life_h: float = 1.0 / 60.0) -> CurveForm:
    parameters = ("tia", "uptake_odds", "half_life_h", "uptake_half_life_h")
    assumed = (_ASSUMED_BLOOD.format(60 * blood_half_life_h),)
    template = (None, None, None, None, blood_half_life_h)
    return CurveForm("f4d", parameters, "tia", template, assumed)


def _iodine(administered: float = 100.0) -> CurveForm:
    parameters = (
        "uptake_half_life_h", "excretion_half_life_h", "clearance_half_life_h", "amplitude"
    )  # fmt: skip
    return CurveForm("iodine", parameters, "iodine", (administered, None, None, None, None))


CURVE_FORMS = {
    form.name: form
    for form in (
        _washout("mono", 1),
        _washout("bi", 2),
        _washout("tri", 3),
        CurveForm(
            "uptake", ("amplitude", "half_life_h", "uptake_half_life_h"), "uptake", (None,) * 3
        ),
        CurveForm(
            "retention", ("slow_odds", "half_life_1_h", "half_life_2_h"), "split",
            (1.0, None, None, None),
        ),
        CurveForm("decay", ("amplitude",), "washout", (None, np.inf)),
        _washout("bi_tail", 3, tail=True),
        _f2a(),
        CurveForm("f2b", ("amplitude", "half_life_h"), "washout", (None, None)),
        CurveForm(
            "f2c", ("amplitude", "uptake_half_life_h"), "uptake", (None, np.inf, None)
        ),
        _f2e(),
        _washout("f3a", 2, tail=True),
        _f4d(),
        _iodine(),
    )
}  # fmt: skip
_MADE_TO_MEASURE: dict[str, Callable[..., CurveForm]] = {
    "f2a": _f2a,
    "f2e": _f2e,
    "shared": _shared,
    "f4d": _f4d,
    "iodine": _iodine,
}


def curve_form(name: str, **constant: Any) -> CurveForm:
    """Curve form by its name.

    Parameters
    ----------
    name : str
        Name of a form, see Notes.
    **constant : float
        What the form holds fixed: ``administered`` of ``"f2a"``, ``"f2e"`` and ``"iodine"`` in
        the unit of the data (default 100, data in % of the administered activity);
        ``fast_fraction`` of ``"shared"``, given by the population and without default;
        ``blood_half_life_h`` of ``"f4d"`` (default 1 min, ASSUMED).

    Raises
    ------
    KineticsError
        If the name or a constant is unknown, listing the legal ones.

    Notes
    -----
    With biological rates l and decay p: mono, bi, tri: wash-out in 1, 2, 3 phases. decay: a
    e^-pt. bi_tail: two phases and a tail that only decays. uptake: a (e^-(l+p)t - e^-(u+p)t).
    retention: two phases, 1 at time zero. f2a: uptake with amplitude 100. f2b: mono. f2c: uptake
    that is then kept, a (e^-pt - e^-(l+p)t), whose published amplitude is -a. f2e: 100 shared by
    one phase and a tail. f3a: one phase and a tail. shared: f3a with the share of the fast phase
    given. f4d: amplitude is the time-integrated activity. iodine: uptake from blood, excretion
    and clearance.

    Examples
    --------
    >>> curve_form("shared", fast_fraction=0.7).parameters
    ('amplitude', 'half_life_1_h')
    """
    if name in _MADE_TO_MEASURE and (constant or name not in CURVE_FORMS):
        try:
            form = _MADE_TO_MEASURE[name](**constant)
        except TypeError as error:
            raise KineticsError(f"form {name!r}: {str(error).replace('_' + name, name)}") from None
        fixed = [x for x in form.template if x is not None]
        if not all(x > 0 for x in fixed):
            raise KineticsError(f"form {name!r}: its constants must be above 0, got {constant}")
        return form
    if constant:
        raise KineticsError(f"form {name!r} has no constants, got {', '.join(constant)}")
    try:
        return CURVE_FORMS[name]
    except KeyError:
        legal = ", ".join(dict.fromkeys([*CURVE_FORMS, *_MADE_TO_MEASURE]))
        raise KineticsError(f"unknown curve form {name!r}; legal are {legal}") from None
