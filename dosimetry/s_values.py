"""S values of the reference adults, split by radiation, and how they scale to a patient."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from dosimetry.anatomy import REFERENCE_MASS_G, SEXES
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import FloatArray, nuclide

MARROW_MODELS = ("olinda2", "icrp133")
"""Names of the marrow models: where the electron S values of red marrow come from."""

MARROW_MODEL_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "olinda2": "marrow S values as printed by OLINDA/EXM 2.2",
        "icrp133": (
            "DERIVED: electron S values of marrow from a fit to the beta emitters of ICRP 133 "
            "(3-5 %); electrons from yellow marrow are not counted"
        ),
    }
)
_GY_PER_MBQ_H = 3.6  # 1 mSv/(MBq s), radiation weighting factor 1, in Gy/(MBq h)
_BONE = ("trabecular_bone", "cortical_bone")

Value = float | FloatArray
_Values = dict[tuple[str, str], "SValue"]


@dataclass(frozen=True, eq=False)
class SValue:
    """Absorbed dose per time-integrated activity (Gy/(MBq h)), by radiation type.

    Attributes
    ----------
    electron, photon : float or ndarray
        Part of the electrons (beta, conversion, Auger) and part of the photons.
    """

    electron: Value
    photon: Value

    @property
    def total(self) -> Value:
        """Sum of the parts (Gy/(MBq h))."""
        return self.electron + self.photon


@dataclass(frozen=True, eq=False)
class SValueTable:
    """S values of one nuclide in one reference adult.

    Attributes
    ----------
    nuclide, sex, marrow_model : str
        What the table is for.
    values : mapping of (target, source) to SValue
        Targets: marrow, kidneys, liver, spleen, whole_body. Sources: these and trabecular_bone,
        cortical_bone, heart_contents; with ``"icrp133"`` also blood (to marrow).
    """

    nuclide: str
    sex: str
    marrow_model: str
    values: Mapping[tuple[str, str], SValue]

    def s_value(self, target: str, source: str) -> SValue:
        """S value of the reference adult.

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
                f"no S value {target} <- {source} for {self.nuclide} ({self.marrow_model}); "
                f"sources known for this target: {known}"
            ) from None

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

        Notes
        -----
        :math:`S(RoB) = (S(TB) M_{TB} - \sum_i S(i) M_i) / (M_{TB} - \sum_i M_i)` over the target,
        the sources and, unless `bone_in_remainder`, trabecular and cortical bone. For Lu-177
        and the red marrow of men this is ten times less than S(TB), whose electron part is
        activity in the marrow and in the bone around it.

        References
        ----------
        Stabin MG, Siegel JA, Sparks RB, Eckerman KF, Breitz HB. Contribution to red marrow
        absorbed dose from total body activity: a correction to the MIRD method. J Nucl Med
        2001;42:492-498. Cloutier RJ, Watson EE, Rohrer RH, Smith EM. Calculating the radiation
        dose to an organ. J Nucl Med 1973;14:53-55.
        """
        mass = REFERENCE_MASS_G[self.sex]
        removed = sorted({target, *sources, *(() if bone_in_remainder else _BONE)})
        kept_g = mass["whole_body"] - sum(mass[region] for region in removed)
        body = self.s_value(target, "whole_body")
        parts = [self.s_value(target, region) for region in removed]

        def rest(whole: Value, pieces: list[Value]) -> Value:
            taken = sum(mass[r] * piece for r, piece in zip(removed, pieces, strict=True))
            return (whole * mass["whole_body"] - taken) / kept_g

        return SValue(
            electron=rest(body.electron, [part.electron for part in parts]),
            photon=rest(body.photon, [part.photon for part in parts]),
        )


def has_s_values(nuclide_name: str) -> bool:
    """Whether the shipped table covers a nuclide (Lu-177 and I-131)."""
    return nuclide(nuclide_name).name in _printed()


@cache
def s_value_table(nuclide_name: str, sex: str, *, marrow_model: str = "olinda2") -> SValueTable:
    """S values of a nuclide in a reference adult.

    Parameters
    ----------
    nuclide_name : str
        Lu-177 or I-131, in any spelling that `nuclide` takes.
    sex : {"male", "female"}
        Reference adult.
    marrow_model : {"olinda2", "icrp133"}
        Where the electron S values of red marrow come from; the spread between the two is a
        measure of the uncertainty of the model.

    Raises
    ------
    DosimetryError
        If the nuclide, the sex or the model is not covered.

    Notes
    -----
    The printed values are totals. Electrons of a solid organ stay in it, so that their part is
    delta_e/m (delta_e/M for activity in the whole body). In marrow the electron part is what
    exceeds the value of cortical bone, whose electrons do not reach marrow in this phantom
    (ASSUMED: photons from marrow and trabecular bone count like those from cortical bone).

    Examples
    --------
    >>> table = s_value_table("Lu-177", "male")
    >>> round(table.s_value("marrow", "marrow").total * 1e5, 2)
    4.14
    """
    name = nuclide(nuclide_name).name
    if name not in _printed():
        raise DosimetryError(f"no S values for {name}; covered: {', '.join(_printed())}")
    if sex not in SEXES:
        raise DosimetryError(f"sex must be one of {SEXES}, got {sex!r}")
    if marrow_model not in MARROW_MODELS:
        raise DosimetryError(f"marrow_model must be one of {MARROW_MODELS}, got {marrow_model!r}")
    printed = _printed()[name][sex]
    delta = nuclide(name).delta_electron_gy_kg_per_mbq_h
    values: _Values = {}
    for (target, source), total in printed.items():
        if target != "marrow":
            electron = _solid_electrons(target, source, delta, REFERENCE_MASS_G[sex])
            values[target, source] = SValue(electron, total - electron)
    values |= _marrow_values(printed, name, sex, marrow_model)
    return SValueTable(name, sex, marrow_model, MappingProxyType(values))


def scaled_self_s_value(s_value: SValue, *, reference_g: float, patient_g: Value) -> SValue:
    r"""Self-dose S value at the patient's organ mass.

    Electrons scale with :math:`m_{ref}/m`, photons with :math:`(m_{ref}/m)^{2/3}`.

    References
    ----------
    Stabin MG, Siegel JA. Physical models and dose factors for use in internal dose assessment.
    Health Phys 2003;85:294-310.
    """
    ratio = reference_g / patient_g
    return SValue(s_value.electron * ratio, s_value.photon * ratio ** (2 / 3))


def _solid_electrons(target: str, source: str, delta: float, mass_g: Mapping[str, float]) -> float:
    """Electron part in a target whose own electrons stay in it (Gy/(MBq h))."""
    if target == "whole_body" or source == "whole_body":
        return 1000 * delta / mass_g["whole_body"]
    return 1000 * delta / mass_g[target] if source == target else 0.0


def _marrow_values(
    printed: Mapping[tuple[str, str], float], name: str, sex: str, model: str
) -> _Values:
    total = {source: value for (target, source), value in printed.items() if target == "marrow"}
    photon = dict(total)
    photon["marrow"] = photon["trabecular_bone"] = total["cortical_bone"]
    electron = {source: value - photon[source] for source, value in total.items()}
    photon["whole_body"] = total["whole_body"] - _body_electrons(electron, sex)
    if model == "icrp133":
        photon["blood"] = total["heart_contents"]
        electron |= {"blood": 0.0} | _icrp133_electrons()[name][sex]
    electron["whole_body"] = _body_electrons(electron, sex)
    return {("marrow", source): SValue(electron[source], photon[source]) for source in photon}


def _body_electrons(electron: Mapping[str, float], sex: str) -> float:
    """Electron S of marrow for activity spread over the body: the part in marrow and bone."""
    mass = REFERENCE_MASS_G[sex]
    near = sum(mass[region] * electron[region] for region in ("marrow", "trabecular_bone"))
    return near / mass["whole_body"]


def _rows(file_name: str) -> list[dict[str, str]]:
    with (files("dosimetry") / "data" / file_name).open() as lines:
        return list(csv.DictReader(lines))


@cache
def _printed() -> dict[str, dict[str, dict[tuple[str, str], float]]]:
    """S values (Gy/(MBq h)) by nuclide, sex and (target, source)."""
    table: dict[str, dict[str, dict[tuple[str, str], float]]] = {}
    for row in _rows("s_values.csv"):
        person = table.setdefault(row["nuclide"], {}).setdefault(row["sex"], {})
        person[row["target"], row["source"]] = float(row["msv_per_mbq_s"]) * _GY_PER_MBQ_H
    return table


@cache
def _icrp133_electrons() -> dict[str, dict[str, dict[str, float]]]:
    """Electron S values of marrow (Gy/(MBq h)) by nuclide, sex and source."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in _rows("marrow_electron_s_icrp133.csv"):
        person = table.setdefault(row["nuclide"], {}).setdefault(row["sex"], {})
        person[row["source"]] = float(row["s_electron_gy_per_mbq_h"])
    return table
