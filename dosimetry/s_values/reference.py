"""S values of the reference adults for any nuclide or decay chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from dosimetry.anatomy import REFERENCE_MASS_G, SEXES
from dosimetry.chains import DecayChain, RadiationSource, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import GY_KG_PER_MBQ_H_PER_MEV, Nuclide
from dosimetry.s_values.absorbed_fractions import (
    ALPHA_ABSORBED_FRACTION,
    MARROW_MODELS,
    OSTEOGENIC_ALPHA_SAF_PER_KG,
    electron_parts,
    photon_parts,
    saf_fit_error,
)
from dosimetry.s_values.printed import printed_parts
from dosimetry.s_values.table import SValue, SValueTable

MARROW_MODEL_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "olinda2": "marrow S values of OLINDA/EXM 2.2, or fitted to them",
        "icrp133": (
            "DERIVED: electron S values of marrow from a fit to the beta emitters of ICRP 133 "
            "(3-5 %); electrons from yellow marrow and from cortical bone are not counted"
        ),
    }
)
PHANTOM = "ICRP 89 reference adult (OLINDA/EXM 2.2)"
"""Phantom of the shipped tables."""

_PRINTED_NOTE = (
    "ASSUMED: photons from marrow and trabecular bone reach marrow like those from cortical bone"
)
_MALE_NOTE = (
    "photons from organs to the whole body of men as OLINDA/EXM 2.2 prints them: up to 57 % less "
    "than reciprocity with the values from the whole body to the organ"
)
_ALPHA_NOTES = {
    "olinda2": "absorbed fraction of alpha particles in marrow as in OLINDA/EXM 2.2: 1 (marrow)",
    "icrp133": "absorbed fraction of alpha particles in marrow as in ICRP 133: 0.516 (marrow)",
}
_Pair = tuple[str, str]
_Parts = dict[_Pair, float]


@dataclass(frozen=True)
class MarrowModelSpread:
    """S(marrow <- source) of both marrow models.

    Attributes
    ----------
    olinda2_gy_per_mbq_h, icrp133_gy_per_mbq_h : float
        Total S values (Gy/(MBq h)), alpha particles without RBE.
    """

    olinda2_gy_per_mbq_h: float
    icrp133_gy_per_mbq_h: float

    @property
    def relative_difference(self) -> float:
        """ICRP 133 against OLINDA 2.2: -0.16 for Lu-177 in marrow."""
        return self.icrp133_gy_per_mbq_h / self.olinda2_gy_per_mbq_h - 1

    @property
    def cv(self) -> float:
        """Uncertainty of the model: the difference, ASSUMED to act as one standard deviation."""
        return abs(self.relative_difference)


def s_value_table(
    source: RadiationSource, sex: str, *, marrow_model: str = "olinda2"
) -> SValueTable:
    r"""S values of a nuclide, or of a decay chain, in a reference adult.

    Parameters
    ----------
    source : str, Nuclide or DecayChain
        Any nuclide of ICRP 107, in any spelling that `nuclide` takes, without its progeny; a
        chain counts its members times their decays per decay of the parent.
    sex : {"male", "female"}
        Reference adult.
    marrow_model : {"olinda2", "icrp133"}
        Where the electron and alpha S values of red marrow come from; the spread between the two
        is a measure of the uncertainty of the model (`marrow_model_spread`).

    Returns
    -------
    SValueTable
        Targets: marrow, osteogenic_cells, kidneys, liver, spleen, lungs, salivary_glands,
        whole_body. Sources: the same but for osteogenic_cells, and trabecular_bone,
        cortical_bone, heart_contents; with ``"icrp133"`` blood and trabecular_bone_surface
        (to marrow).

    Raises
    ------
    DosimetryError
        If the nuclide, the sex or the model is unknown.

    Notes
    -----
    :math:`S(T \leftarrow S) = \sum_i E_i Y_i \Phi_i(T \leftarrow S; E_i)` over all emissions.

    Lu-177 and I-131: the values printed by OLINDA/EXM 2.2 where it is one of its pairs; electrons
    of a solid organ stay in it, so that their part is delta_e/m (delta_e/M for activity in the
    whole body). In marrow the electron part is what exceeds the value of cortical bone.

    Other nuclides and pairs, DERIVED: absorbed fractions fitted to printed S values of 16
    nuclides. Photons have one smooth function of energy for each pair; `saf_fit_error` tells how
    well it predicts a nuclide left out. Electrons leave a solid organ as the fit says (6 % of the
    energy of Y-90 in the kidneys) and reach another one only where the two touch (kidneys, liver,
    spleen, lungs). Alpha particles and recoil nuclei stay in a solid organ. For activity in the
    whole body the charged particles that reach marrow or osteogenic cells are those of activity
    in marrow and bone; OLINDA leaves cortical bone out of the row of osteogenic cells. No pair
    has bremsstrahlung.

    Examples
    --------
    >>> table = s_value_table("Lu-177", "male")
    >>> round(table.s_value("marrow", "marrow").total * 1e5, 2)
    4.14
    >>> round(s_value_table("Tb-161", "male").s_value("marrow", "marrow").total * 1e5, 1)
    6.1
    """
    if sex not in SEXES:
        raise DosimetryError(f"sex must be one of {SEXES}, got {sex!r}")
    if marrow_model not in MARROW_MODELS:
        raise DosimetryError(f"marrow_model must be one of {MARROW_MODELS}, got {marrow_model!r}")
    emitter = emitter_of(source)
    if isinstance(emitter, Nuclide):
        return _nuclide_table(emitter, sex, marrow_model)
    return _chain_table(emitter, sex, marrow_model)


def marrow_model_spread(
    source: RadiationSource, sex: str, *, source_region: str = "marrow"
) -> MarrowModelSpread:
    """S value of red marrow in both marrow models.

    Parameters
    ----------
    source : str, Nuclide or DecayChain
        As for `s_value_table`.
    sex : {"male", "female"}
        Reference adult.
    source_region : str
        Region that holds the activity; both models must know it.

    Examples
    --------
    >>> spread = marrow_model_spread("Y-90", "male")
    >>> round(spread.relative_difference, 2), round(spread.cv, 2)
    (-0.28, 0.28)
    """
    olinda2, icrp133 = (
        float(s_value_table(source, sex, marrow_model=model).s_value("marrow", source_region).total)
        for model in MARROW_MODELS
    )
    return MarrowModelSpread(olinda2, icrp133)


@lru_cache(maxsize=64)
def _chain_table(chain: DecayChain, sex: str, model: str) -> SValueTable:
    tables = [_nuclide_table(member.nuclide, sex, model) for member in chain.members]
    weights = [member.decays_per_parent for member in chain.members]

    def total(pair: _Pair, radiation: str) -> float:
        parts = [float(getattr(table.values[pair], radiation)) for table in tables]
        return sum(w * part for w, part in zip(weights, parts, strict=True))

    pairs = [pair for pair in tables[0].values if all(pair in table.values for table in tables)]
    notes = dict.fromkeys(note for table in tables for note in table.assumptions)
    return SValueTable(
        nuclide=chain.name,
        sex=sex,
        phantom=PHANTOM,
        marrow_model=model,
        source="; ".join(dict.fromkeys(table.source for table in tables)),
        mass_g=tables[0].mass_g,
        values={
            pair: SValue(total(pair, "electron"), total(pair, "photon"), total(pair, "alpha"))
            for pair in pairs
        },
        assumptions=(*notes, *chain.assumptions),
    )


@lru_cache(maxsize=512)
def _nuclide_table(emitter: Nuclide, sex: str, model: str) -> SValueTable:
    photon, electron, alpha = _fitted(emitter, sex, model)
    printed = printed_parts(emitter, sex, model)
    if printed is not None:
        photon |= printed[0]
        electron |= printed[1]
    return SValueTable(
        nuclide=emitter.name,
        sex=sex,
        phantom=PHANTOM,
        marrow_model=model,
        source="fit to OLINDA/EXM 2.2" if printed is None else "OLINDA/EXM 2.2",
        mass_g=REFERENCE_MASS_G[sex],
        values={
            pair: SValue(electron.get(pair, 0.0), value, alpha.get(pair, 0.0))
            for pair, value in photon.items()
        },
        assumptions=_notes(emitter, sex, model, printed is not None),
    )


def _fitted(emitter: Nuclide, sex: str, model: str) -> tuple[_Parts, _Parts, _Parts]:
    """Photon, electron and alpha parts from the absorbed fractions."""
    mass_kg = {region: mass / 1000 for region, mass in REFERENCE_MASS_G[sex].items()}
    photon = dict(photon_parts(emitter)[sex])
    folded = electron_parts(emitter)
    electron = folded["any", sex] | folded[model, sex]
    if model == "icrp133":
        photon["marrow", "blood"] = photon["marrow", "heart_contents"]
        photon["marrow", "trabecular_bone_surface"] = photon["marrow", "trabecular_bone"]
    delta = emitter.energy_mev["alpha"] + emitter.energy_mev["alpha_recoil"]
    delta_alpha = delta * GY_KG_PER_MBQ_H_PER_MEV
    alpha = {
        ("marrow", region): delta_alpha * fraction / mass_kg["marrow"]
        for (owner, region), fraction in ALPHA_ABSORBED_FRACTION.items()
        if owner == model
    }
    for region, saf in OSTEOGENIC_ALPHA_SAF_PER_KG.items():
        alpha["osteogenic_cells", region] = delta_alpha * saf
    for target, source in photon:
        if target == source not in ("marrow", "whole_body"):
            alpha[target, source] = delta_alpha / mass_kg[target]
    for parts, delta in ((electron, emitter.delta_electron_gy_kg_per_mbq_h), (alpha, delta_alpha)):
        parts.update(_body_parts(photon, parts, delta, mass_kg))
    return photon, electron, alpha


def _body_parts(
    pairs: Mapping[_Pair, float], parts: _Parts, delta: float, mass_kg: Mapping[str, float]
) -> _Parts:
    """Charged particles for the whole body as target or source."""
    body: _Parts = {}
    for target, source in pairs:
        if target == "whole_body" or (
            source == "whole_body" and target not in ("marrow", "osteogenic_cells")
        ):
            body[target, source] = delta / mass_kg["whole_body"]
        elif source == "whole_body":
            near = (
                mass_kg[region] * parts.get((target, region), 0.0)
                for region in ("marrow", "trabecular_bone", "cortical_bone")
            )
            body[target, source] = sum(near) / mass_kg["whole_body"]
    return body


def _notes(emitter: Nuclide, sex: str, model: str, printed: bool) -> tuple[str, ...]:
    notes: tuple[str, ...]
    if printed:
        notes = (_PRINTED_NOTE,)
        derived = "lungs, salivary glands and osteogenic cells"
    else:
        notes = ("ASSUMED: electrons reach another organ only where the two touch",)
        derived = emitter.name
    pairs = (("marrow", "marrow"), ("kidneys", "kidneys"), ("kidneys", "liver"))
    errors = ", ".join(
        f"{100 * saf_fit_error(t, s, sex=sex)[0]:.1f} % {t} <- {s}" for t, s in pairs
    )
    notes += (
        f"DERIVED: S values of {derived} from absorbed fractions fitted to OLINDA/EXM 2.2; median "
        f"error for a nuclide left out {errors}",
    )
    if sex == "male":
        notes += (_MALE_NOTE,)
    if model == "icrp133":
        notes += (MARROW_MODEL_NOTES[model],)
    return (*notes, _ALPHA_NOTES[model]) if emitter.alpha_energy_mev > 0 else notes
