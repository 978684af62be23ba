"""Red-marrow-to-blood ratio of activity concentration, by named models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.nuclides import FloatArray
from dosimetry.uncertainty import lognormal_factor

RMBLR_MODELS = ("unity", "sgouros", "measured")
"""Names of the models of the red-marrow-to-blood ratio."""

RMBLR_CV = 0.25
"""ASSUMED relative standard deviation of the ratio where none was published."""

_EXTRACELLULAR_FRACTION = 0.19  # Sgouros 1993


@dataclass(frozen=True, eq=False)
class MarrowBloodRatio:
    """Red-marrow-to-blood concentration ratio (RMBLR) of a named model.

    Attributes
    ----------
    model : str
        ``"unity"``, ``"sgouros"`` or ``"measured"``.
    value : ndarray, shape (n_draws,) or ()
        Marrow concentration over blood concentration.
    assumptions : tuple of str
        What was assumed.
    """

    model: str
    value: FloatArray
    assumptions: tuple[str, ...]


def rmblr(
    model: str,
    *,
    haematocrit: float | None = None,
    value: float | None = None,
    sd: float | None = None,
    cv: float = RMBLR_CV,
    n_draws: int | None = None,
    rng: np.random.Generator | None = None,
) -> MarrowBloodRatio:
    r"""Red-marrow-to-blood ratio of activity concentration.

    Parameters
    ----------
    model : {"unity", "sgouros", "measured"}
        ``unity``: 1, for peptides and PSMA ligands, that do not bind to marrow cells.
        ``sgouros``: :math:`0.19/(1-Hct)`, for antibodies: the tracer stays in plasma and the
        extracellular fluid of marrow. ``measured``: `value` with `sd`.
    haematocrit : float, optional
        For ``sgouros``.
    value, sd : float, optional
        For ``measured``: the ratio and its standard deviation.
    cv : float
        Relative standard deviation for the other models (ASSUMED 0.25).
    n_draws : int, optional
        Number of log-normal draws; the central value alone if not given.
    rng : numpy.random.Generator, optional
        Source of randomness, needed with `n_draws`.

    References
    ----------
    Forrer F et al. Eur J Nucl Med Mol Imaging 2009;36:1138 (177Lu-DOTATATE: marrow concentration
    equals that of blood). Sgouros G. J Nucl Med 1993;34:689-694.

    Raises
    ------
    DosimetryError
        If the model is unknown, or what it needs is missing or out of range.

    Examples
    --------
    >>> round(float(rmblr("sgouros", haematocrit=0.47).value), 3)
    0.358
    """
    centre, spread, note = _ratio(model, haematocrit, value, sd, cv)
    if n_draws is None:
        return MarrowBloodRatio(model, np.asarray(centre), (note,))
    if rng is None:
        raise DosimetryError("draws of the marrow-to-blood ratio need rng")
    draws = lognormal_factor(centre, spread, n_draws=n_draws, rng=rng)
    return MarrowBloodRatio(model, draws, (note,))


def _ratio(
    model: str, haematocrit: float | None, value: float | None, sd: float | None, cv: float
) -> tuple[float, float, str]:
    """Mean, relative deviation and description of a named ratio."""
    if model not in RMBLR_MODELS:
        raise DosimetryError(f"rmblr model must be one of {RMBLR_MODELS}, got {model!r}")
    if not 0 <= cv < np.inf:
        raise DosimetryError(f"cv must be zero or more, got {cv!r}")
    if model == "unity":
        note = f"ASSUMED: marrow concentration equals blood (Forrer 2009), CV {cv:.0%}"
        return 1.0, cv, note
    if model == "sgouros":
        if haematocrit is None or not 0 < haematocrit < 1:
            raise DosimetryError(f"sgouros needs a haematocrit in (0, 1), got {haematocrit!r}")
        centre = _EXTRACELLULAR_FRACTION / (1 - haematocrit)
        note = f"ASSUMED: RMBLR 0.19/(1-Hct) = {centre:.2f} (Sgouros 1993), CV {cv:.0%}"
        return centre, cv, note
    if value is None or sd is None or not (0 < value < np.inf and 0 <= sd < np.inf):
        raise DosimetryError(f"measured needs value > 0 and sd >= 0, got {value!r} and {sd!r}")
    return value, sd / value, f"RMBLR measured: {value:g} +- {sd:g}"
