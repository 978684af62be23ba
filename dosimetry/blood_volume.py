"""Blood volume from sex, weight and height, by named formulas."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

from dosimetry.errors import DosimetryError

PHYSICAL_BLOOD_DENSITY_G_PER_ML = 1.06
"""Density of blood (g/mL): 5600 g in 5300 mL in the reference man of ICRP 89."""

_NADLER = {"male": (0.3669, 0.03219, 0.6041), "female": (0.3561, 0.03308, 0.1833)}
_BOSGRA = {"male": (3.33, -0.81), "female": (2.66, -0.46)}  # kg per m2, kg


def _nadler(sex: str, weight_kg: float, height_cm: float) -> float:
    cubic, linear, constant = _NADLER[sex]
    return 1000 * (cubic * (height_cm / 100) ** 3 + linear * weight_kg + constant)


def _lemmens(_sex: str, weight_kg: float, height_cm: float) -> float:
    body_mass_index = weight_kg / (height_cm / 100) ** 2
    return 70 / sqrt(body_mass_index / 22) * weight_kg


def _bosgra(sex: str, weight_kg: float, height_cm: float) -> float:
    slope, constant = _BOSGRA[sex]
    surface_m2 = sqrt(weight_kg * height_cm / 3600)
    return 1000 * (slope * surface_m2 + constant) / PHYSICAL_BLOOD_DENSITY_G_PER_ML


_FORMULAS: dict[str, Callable[[str, float, float], float]] = {
    "nadler": _nadler,
    "lemmens": _lemmens,
    "bosgra": _bosgra,
}
BLOOD_VOLUME_FORMULAS = tuple(_FORMULAS)
"""Names of the formulas of the blood volume."""

BLOOD_VOLUME_SOURCES = {
    "nadler": "Nadler 1962, height and weight",
    "lemmens": "Lemmens 2006, body mass index",
    "bosgra": "Bosgra 2012, body surface",
}
"""Where each formula of the blood volume comes from."""


def blood_volume_ml(
    sex: str, *, weight_kg: float, height_cm: float, formula: str = "nadler"
) -> float:
    r"""Blood volume of an adult (mL).

    Parameters
    ----------
    sex : {"male", "female"}
        Sex; ``"lemmens"`` does not use it.
    weight_kg, height_cm : float
        Body weight (kg) and height (cm).
    formula : {"nadler", "lemmens", "bosgra"}
        ``nadler``: :math:`0.3669 h^3 + 0.03219 w + 0.6041` litres for men,
        :math:`0.3561 h^3 + 0.03308 w + 0.1833` for women (h in metres, w in kilograms).
        ``lemmens``: :math:`70 w / \sqrt{BMI/22}` millilitres, made for obese patients.
        ``bosgra``: :math:`3.33 B - 0.81` kilograms of blood for men, :math:`2.66 B - 0.46` for
        women, with the body surface :math:`B = \sqrt{h w/3600}` (h in centimetres, Mosteller)
        and 1.06 g/mL.

    Raises
    ------
    DosimetryError
        If the sex or the formula is unknown, or a size is not positive.

    References
    ----------
    Nadler SB, Hidalgo JH, Bloch T. Prediction of blood volume in normal human adults. Surgery
    1962;51:224-232. Lemmens HJ, Bernstein DP, Brodsky JB. Estimating blood volume in obese and
    morbidly obese patients. Obes Surg 2006;16:773-776. Bosgra S et al. An improved model to
    predict physiologically based model parameters and their inter-individual variability from
    anthropometry. Crit Rev Toxicol 2012;42:751-767, eqs. 10 and 11 (as in the R package httk).

    Examples
    --------
    >>> [
    ...     round(blood_volume_ml("male", weight_kg=110.0, height_cm=178.0, formula=name))
    ...     for name in BLOOD_VOLUME_FORMULAS
    ... ]
    [6214, 6130, 6562]
    """
    if sex not in _NADLER:
        raise DosimetryError(f"sex must be one of {tuple(_NADLER)}, got {sex!r}")
    if formula not in _FORMULAS:
        raise DosimetryError(f"formula must be one of {BLOOD_VOLUME_FORMULAS}, got {formula!r}")
    if not (weight_kg > 0 and height_cm > 0):
        raise DosimetryError(
            f"weight and height must be positive, got {weight_kg!r} kg and {height_cm!r} cm"
        )
    return _FORMULAS[formula](sex, weight_kg, height_cm)
