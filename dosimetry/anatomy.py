"""Reference adults and the patient: organ masses and blood volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from dosimetry.blood_volume import (
    BLOOD_VOLUME_SOURCES,
    PHYSICAL_BLOOD_DENSITY_G_PER_ML,
    blood_volume_ml,
)
from dosimetry.errors import DosimetryError

FloatArray = npt.NDArray[np.float64]

_MASSES_G = {  # ICRP Publication 89 (2002), reference adult (male, female)
    "whole_body": (73_000.0, 60_000.0),
    "marrow": (1170.0, 900.0),
    "blood": (5600.0, 4100.0),
    "kidneys": (310.0, 275.0),
    "liver": (1800.0, 1400.0),
    "spleen": (150.0, 130.0),
    "trabecular_bone": (1100.0, 800.0),
    "cortical_bone": (4400.0, 3200.0),
    "salivary_glands": (85.0, 70.0),
    "lungs": (1200.0, 950.0),
}
SEXES = ("male", "female")
REFERENCE_MASS_G: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        sex: MappingProxyType({region: masses[i] for region, masses in _MASSES_G.items()})
        for i, sex in enumerate(SEXES)
    }
)
"""Organ masses (g) of the ICRP 89 reference adults by sex and region; marrow is red marrow."""

MARROW_DENSITY_G_PER_ML = 1.03
"""ASSUMED density of red marrow (ICRU Report 46)."""

REFERENCE_BLOOD_VOLUME_ML: Mapping[str, float] = MappingProxyType(
    {"male": 5300.0, "female": 3900.0}
)
"""Blood volume (mL) of the ICRP 89 reference adults."""

_MASS_RANGE = 100.0  # ASSUMED: no organ is as many times heavier or lighter; then kg or mg is meant
_REFERENCE_HEIGHT_CM = {"male": 176.0, "female": 163.0}  # ICRP 89


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The patient's body: what was measured, and reference masses for the rest.

    Parameters
    ----------
    sex : {"male", "female"}
        Which reference adult stands in where the patient was not measured.
    weight_kg, height_cm : float
        Body weight (kg) and height (cm).
    haematocrit : float, optional
        Volume fraction of red cells, between 0 and 1.
    organ_mass_g : mapping of str to array_like, optional
        Masses measured in the patient (g) by region: kidneys, liver, spleen, marrow, blood,
        salivary_glands, ... A value may be an array of draws. The whole body follows `weight_kg`.

    Raises
    ------
    DosimetryError
        If a value is out of its range or a region is unknown.

    Examples
    --------
    >>> patient = Anatomy("male", 80.0, 178.0, 0.38, {"kidneys": 340.0})
    >>> float(patient.mass_g("kidneys")), float(patient.mass_g("liver"))
    (340.0, 1800.0)
    >>> round(float(patient.blood_volume_ml()))
    5249
    """

    sex: str
    weight_kg: float
    height_cm: float
    haematocrit: float | None = None
    organ_mass_g: Mapping[str, npt.ArrayLike] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.sex not in SEXES:
            raise DosimetryError(f"sex must be one of {SEXES}, got {self.sex!r}")
        for name, value, low, high in (
            ("weight_kg", self.weight_kg, 25.0, 300.0),
            ("height_cm", self.height_cm, 100.0, 250.0),
        ):
            if np.ndim(value) or not low <= value <= high:
                raise DosimetryError(f"{name} must lie in {low:g} to {high:g}, got {value!r}")
        if self.haematocrit is not None and not 0 < self.haematocrit < 1:
            raise DosimetryError(f"haematocrit must lie between 0 and 1, got {self.haematocrit!r}")
        masses = {k: np.asarray(v, dtype=np.float64) for k, v in self.organ_mass_g.items()}
        if "whole_body" in masses:
            raise DosimetryError("the mass of the whole body is weight_kg; leave it out here")
        for region, mass in masses.items():
            reference = _reference(self.sex, region)
            low, high = reference / _MASS_RANGE, reference * _MASS_RANGE
            if not ((mass >= low) & (mass <= high)).all():
                raise DosimetryError(
                    f"the mass of the {region} must lie in {low:g} to {high:g} g, got {mass!r}"
                )
        object.__setattr__(self, "organ_mass_g", MappingProxyType(masses))

    def mass_g(self, region: str) -> FloatArray:
        """Mass of a region (g): the patient's where known, else the reference adult's.

        The whole body follows the weight. Reference masses of organs and of red marrow are not
        scaled to the patient (ASSUMED: no scaling is known to hold in every patient).
        """
        if region in self.organ_mass_g:
            return np.asarray(self.organ_mass_g[region], dtype=np.float64)
        if region == "whole_body":
            return np.asarray(self.weight_kg * 1000.0)
        return np.asarray(_reference(self.sex, region))

    def mass_assumption(self, region: str) -> tuple[str, ...]:
        """What is assumed about the mass of a region; empty if it was measured."""
        if region in self.organ_mass_g:
            return ()
        mass = _reference(self.sex, region)
        return (f"ASSUMED: {region} mass of the ICRP 89 reference {self.sex}, {mass:g} g",)

    def blood_volume_ml(self, *, formula: str = "nadler") -> FloatArray:
        """Blood volume (mL): the patient's where measured, else by a named formula.

        A measured mass of blood (``organ_mass_g["blood"]``) counts first, at 1.06 g/mL.

        Parameters
        ----------
        formula : {"nadler", "lemmens", "bosgra"}
            See `dosimetry.blood_volume.blood_volume_ml`.
        """
        if "blood" in self.organ_mass_g:
            return np.asarray(self.mass_g("blood") / PHYSICAL_BLOOD_DENSITY_G_PER_ML)
        return np.asarray(
            blood_volume_ml(
                self.sex, weight_kg=self.weight_kg, height_cm=self.height_cm, formula=formula
            )
        )

    def blood_volume_note(self, *, formula: str = "nadler") -> str:
        """Where the blood volume comes from, in words."""
        if "blood" in self.organ_mass_g:
            return "blood volume measured"
        return f"ASSUMED: blood volume of {BLOOD_VOLUME_SOURCES[formula]}"


def reference_anatomy(sex: str) -> Anatomy:
    """ICRP 89 reference adult: 73 kg and 176 cm, or 60 kg and 163 cm."""
    if sex not in SEXES:
        raise DosimetryError(f"sex must be one of {SEXES}, got {sex!r}")
    return Anatomy(sex, REFERENCE_MASS_G[sex]["whole_body"] / 1000, _REFERENCE_HEIGHT_CM[sex])


def _reference(sex: str, region: str) -> float:
    try:
        return REFERENCE_MASS_G[sex][region]
    except KeyError:
        known = ", ".join(REFERENCE_MASS_G[sex])
        raise DosimetryError(f"no mass for region {region!r}; known: {known}") from None
