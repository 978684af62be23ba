"""Curve forms with log parameters: wash-out, uptake with clearance, retention in the body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics.curves import SumOfExponentials
from kinetics.errors import KineticsError

_LN2 = float(np.log(2.0))


@dataclass(frozen=True)
class CurveForm:
    r"""A family of time-activity curves.

    Wash-out with n phases: :math:`f = \sum_i a_i e^{-(\lambda_i+\lambda_p)t}`; uptake:
    :math:`f = a\,(e^{-(\lambda+\lambda_p)t} - e^{-(\lambda_u+\lambda_p)t})` with
    :math:`\lambda_u = \lambda + \ln 2/T_u`, so that uptake is always faster than clearance;
    retention: two phases of wash-out that start at 1, the odds of the slow phase o giving the
    amplitudes :math:`1/(1+o)` and :math:`o/(1+o)`.
    Parameters are logarithms of amplitudes (or odds) and of BIOLOGICAL half-lives (h).

    Attributes
    ----------
    name : str
        ``"mono"``, ``"bi"``, ``"tri"``, ``"uptake"`` or ``"retention"``.
    parameters : tuple of str
        Names of the parameters whose logarithms are fitted.
    """

    name: str
    parameters: tuple[str, ...]

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return len(self.parameters)

    def curve(self, log_parameter: npt.ArrayLike, *, decay_per_h: float) -> SumOfExponentials:
        """Curve at log parameters of shape (..., n_parameters), physical decay included."""
        value = np.exp(np.asarray(log_parameter, dtype=np.float64))
        if self.name == "uptake":
            amplitude = value[..., :1] * np.array([1.0, -1.0])
            clearance = _LN2 / value[..., 1:2]
            rate = np.concatenate([clearance, clearance + _LN2 / value[..., 2:3]], axis=-1)
        elif self.name == "retention":
            odds = value[..., :1]
            amplitude = np.concatenate([1.0 / (1.0 + odds), odds / (1.0 + odds)], axis=-1)
            rate = _LN2 / value[..., 1:]
        else:
            n_terms = self.n_parameters // 2
            amplitude, rate = value[..., :n_terms], _LN2 / value[..., n_terms:]
        return SumOfExponentials(amplitude, rate + decay_per_h)


def _washout(name: str, n_terms: int) -> CurveForm:
    amplitudes = tuple(f"amplitude_{i + 1}" for i in range(n_terms))
    return CurveForm(name, amplitudes + tuple(f"half_life_{i + 1}_h" for i in range(n_terms)))


CURVE_FORMS = {
    form.name: form
    for form in (
        _washout("mono", 1),
        _washout("bi", 2),
        _washout("tri", 3),
        CurveForm("uptake", ("amplitude", "half_life_h", "uptake_half_life_h")),
        CurveForm("retention", ("slow_odds", "half_life_1_h", "half_life_2_h")),
    )
}


def curve_form(name: str) -> CurveForm:
    """Curve form by its name; raises `KineticsError` listing the legal names."""
    try:
        return CURVE_FORMS[name]
    except KeyError:
        raise KineticsError(
            f"unknown curve form {name!r}; legal are {', '.join(CURVE_FORMS)}"
        ) from None
