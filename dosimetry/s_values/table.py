"""S values by target, source and radiation: the table, its remainder of the body, mass scaling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.nuclides import FloatArray

if TYPE_CHECKING:
    import pandas as pd

Value = float | FloatArray

PHOTON_SCALINGS = ("unscaled", "body_weight")
"""How the photons of a cross-dose follow the size of the patient."""

_BONE = ("trabecular_bone", "cortical_bone")
_SURFACES = ("trabecular_bone_surface",)  # hold no mass
_ROUNDING = 1e-12  # a difference this much smaller than its terms is none
_CONTRADICTION = 0.02  # ASSUMED: share of S(TB) by which rounded or fitted values may disagree
_WITHOUT_ELECTRONS = ("blood",)  # in S(TB): its electrons there are those of the organs it is in


@dataclass(frozen=True, eq=False)
class SValue:
    """Absorbed dose per time-integrated activity (Gy/(MBq h)), by radiation type.

    Attributes
    ----------
    electron, photon : float or ndarray
        Part of the electrons (beta, conversion, Auger) and part of the photons.
    alpha : float or ndarray
        Part of the alpha particles and recoil nuclei, not weighted by any RBE.
    """

    electron: Value
    photon: Value
    alpha: Value = 0.0

    @property
    def total(self) -> Value:
        """Sum of the parts (Gy/(MBq h)), of alpha particles too: absorbed dose without RBE."""
        return self.electron + self.photon + self.alpha


@dataclass(frozen=True, eq=False)
class SValueTable:
    """S values of one nuclide, or one decay chain, in one phantom.

    Parameters
    ----------
    nuclide, sex, phantom : str
        What the table is for; of a chain, the name of its parent.
    marrow_model : str or None
        Where the S values of red marrow come from, if there is a choice.
    source : str
        Where the values come from, in words.
    mass_g : mapping of str to float
        Masses (g) of the regions in the phantom.
    values : mapping of (target, source) to SValue
        S values (Gy/(MBq h)).
    assumptions : tuple of str
        What was derived or assumed.

    Raises
    ------
    DosimetryError
        If a mass is not positive or a value is not finite.

    Examples
    --------
    >>> own = {("kidneys", "kidneys"): SValue(2.75e-4, 4e-6)}
    >>> table = SValueTable("Lu-177", "male", "my phantom", None, "my Monte Carlo",
    ...                     {"kidneys": 310.0}, own)
    >>> table.s_value("kidneys", "kidneys").total
    0.000279
    """

    nuclide: str
    sex: str
    phantom: str
    marrow_model: str | None
    source: str
    mass_g: Mapping[str, float]
    values: Mapping[tuple[str, str], SValue]
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for region, mass in self.mass_g.items():
            if not (np.isfinite(mass) and mass > 0):
                raise DosimetryError(f"the mass of {region} must be positive, got {mass!r} g")
        for (target, source), value in self.values.items():
            if not np.all(np.isfinite(value.total)):
                raise DosimetryError(f"the S value {target} <- {source} must be finite: {value}")
        object.__setattr__(self, "mass_g", MappingProxyType(dict(self.mass_g)))
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def s_value(self, target: str, source: str) -> SValue:
        r"""S value :math:`S(T \leftarrow S)` of the phantom.

        Raises
        ------
        DosimetryError
            If the table has no such pair.
        """
        try:
            return self.values[target, source]
        except KeyError:
            known = ", ".join(s for t, s in self.values if t == target) or "none"
            raise DosimetryError(
                f"no S value {target} <- {source} for {self.nuclide} ({self._origin}); "
                f"sources known for this target: {known}"
            ) from None

    def require_pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Check that the table has all these (target, source) pairs.

        Raises
        ------
        DosimetryError
            Naming every pair that is missing.
        """
        missing = [f"{t} <- {s}" for t, s in pairs if (t, s) not in self.values]
        if missing:
            raise DosimetryError(
                f"{self.source} has no S value for {', '.join(missing)} ({self.nuclide}); add "
                "them, or take them from the shipped table: s_value_table(...).updated_with(table)"
            )

    def updated_with(self, other: SValueTable) -> SValueTable:
        """Merge: values and masses of another table stand where it has them, these elsewhere.

        Parameters
        ----------
        other : SValueTable
            Such as a user's own organ table over the shipped one, which keeps its marrow model.

        Raises
        ------
        DosimetryError
            If the tables are for different nuclides or sexes.
        """
        if (self.nuclide, self.sex) != (other.nuclide, other.sex):
            raise DosimetryError(
                f"cannot merge {other.nuclide}, {other.sex} into {self.nuclide}, {self.sex}: "
                "both tables must be for the same nuclide and sex"
            )
        note = (
            f"{len(other.values)} S values of {other.source} ({other.phantom}) stand in for those "
            f"of {self.source} ({self.phantom}); the two phantoms need not agree"
        )
        return replace(
            self,
            source=f"{other.source}; else {self.source}",
            marrow_model=other.marrow_model or self.marrow_model,
            mass_g=dict(self.mass_g) | dict(other.mass_g),
            values=dict(self.values) | dict(other.values),
            assumptions=(*self.assumptions, *other.assumptions, note),
        )

    def remainder(
        self, target: str, sources: Iterable[str], *, bone_in_remainder: bool = False
    ) -> SValue:
        r"""S value of the remainder of the body, :math:`S(T \leftarrow RoB)`.

        Parameters
        ----------
        target : str
            Target region; its own activity is never part of the remainder.
        sources : iterable of str
            Regions whose activity is given apart.
        bone_in_remainder : bool
            Whether bone mineral takes up activity like the rest of the body.

        Raises
        ------
        DosimetryError
            If a region has no mass or S value in the table, or the regions alone give more than
            the whole body.

        Notes
        -----
        :math:`S(RoB) = (S(TB) M_{TB} - \sum_i S(i) M_i) / (M_{TB} - \sum_i M_i)` over the target,
        the sources and, unless `bone_in_remainder`, trabecular and cortical bone, with the masses
        of the table. For Lu-177 and the red marrow of men this is ten times less than S(TB),
        whose electron part is activity in the marrow and in the bone around it. The other
        published form, which spreads the remainder by mass over the organs that were not named,
        needs S values of all organs and is not offered. A part below zero by no more than 2 % of
        S(TB) (ASSUMED rounding of the values) counts as zero. Of blood the photons are taken out;
        its charged particles are in S(TB) only as those of the regions it is part of.

        References
        ----------
        Stabin MG, Siegel JA, Sparks RB, Eckerman KF, Breitz HB. Contribution to red marrow
        absorbed dose from total body activity: a correction to the MIRD method. J Nucl Med
        2001;42:492-498. Cloutier RJ, Watson EE, Rohrer RH, Smith EM. Calculating the radiation
        dose to an organ. J Nucl Med 1973;14:53-55.
        """
        removed = self._removed(target, sources, () if bone_in_remainder else _BONE)
        body_g = self._mass("whole_body")
        mass = {region: self._mass(region) for region in removed}
        kept_g = body_g - sum(mass.values())
        if kept_g <= 0:
            raise DosimetryError(f"{', '.join(removed)} weigh as much as the whole body")
        body = self.s_value(target, "whole_body")
        parts = {region: self.s_value(target, region) for region in removed}

        def rest(radiation: str) -> Value:
            taken = sum(
                mass[region] * getattr(parts[region], radiation)
                for region in removed
                if radiation == "photon" or region not in _WITHOUT_ELECTRONS
            )
            whole = getattr(body, radiation) * body_g
            left = np.where(np.abs(whole - taken) < _ROUNDING * np.abs(whole), 0.0, whole - taken)
            if np.any(left < -_CONTRADICTION * body.total * body_g):
                raise DosimetryError(
                    f"{radiation} part of {target} <- {', '.join(removed)} in {self.source}: "
                    f"these regions alone give more than {target} <- whole_body; check the "
                    "values, the masses and whether bone belongs to its whole body"
                )
            left = np.maximum(left, 0.0) / kept_g
            return left if left.ndim else float(left)

        return SValue(electron=rest("electron"), photon=rest("photon"), alpha=rest("alpha"))

    def to_frame(self) -> pd.DataFrame:
        """One row a pair: target, source and the parts (Gy/(MBq h))."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"target": t, "source": s}
                | {"electron": v.electron, "photon": v.photon, "alpha": v.alpha, "total": v.total}
                for (t, s), v in self.values.items()
            ]
        )

    @property
    def _origin(self) -> str:
        return self.source if self.marrow_model is None else self.marrow_model

    def _removed(self, target: str, sources: Iterable[str], bone: Iterable[str]) -> list[str]:
        own = {target} if (target, target) in self.values else set()
        removed = (own | {*sources, *bone}) - {"whole_body", *_SURFACES}
        return sorted(removed)

    def _mass(self, region: str) -> float:
        try:
            return self.mass_g[region]
        except KeyError:
            known = ", ".join(self.mass_g) or "none"
            raise DosimetryError(
                f"no mass for {region!r} in {self.source} ({self.phantom}); known: {known}; the "
                "remainder of the body needs the mass of every region taken out of it"
            ) from None


def scaled_self_s_value(s_value: SValue, *, reference_g: float, patient_g: Value) -> SValue:
    r"""Self-dose S value at the patient's organ mass.

    Electrons and alpha particles scale with :math:`m_{ref}/m`, photons with
    :math:`(m_{ref}/m)^{2/3}`.

    References
    ----------
    Stabin MG, Siegel JA. Physical models and dose factors for use in internal dose assessment.
    Health Phys 2003;85:294-310.
    """
    ratio = reference_g / patient_g
    return SValue(
        s_value.electron * ratio, s_value.photon * ratio ** (2 / 3), s_value.alpha * ratio
    )


def scaled_cross_s_value(
    s_value: SValue,
    *,
    reference_weight_kg: float,
    patient_weight_kg: Value,
    photon_scaling: str = "unscaled",
) -> SValue:
    r"""Cross-dose S value in a patient of another size.

    Parameters
    ----------
    s_value : SValue
        Of the phantom.
    reference_weight_kg, patient_weight_kg : float or ndarray
        Body weights of the phantom and of the patient (kg).
    photon_scaling : {"unscaled", "body_weight"}
        ``unscaled`` keeps the phantom's value: organs lie as far apart as in the phantom.
        ``body_weight`` scales photons with :math:`(w_{ref}/w)^{2/3}`, as for photons of activity
        spread over the body. Charged particles are not scaled.

    Raises
    ------
    DosimetryError
        If the scaling is unknown.
    """
    if photon_scaling not in PHOTON_SCALINGS:
        raise DosimetryError(
            f"photon_scaling must be one of {PHOTON_SCALINGS}, got {photon_scaling!r}"
        )
    if photon_scaling == "unscaled":
        return s_value
    ratio = (reference_weight_kg / patient_weight_kg) ** (2 / 3)
    return replace(s_value, photon=s_value.photon * ratio)
