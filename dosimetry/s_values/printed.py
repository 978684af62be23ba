"""The S values of Lu-177 and I-131 that OLINDA/EXM 2.2 prints, split by radiation."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from dosimetry.anatomy import REFERENCE_MASS_G
from dosimetry.nuclides import Nuclide, nuclide

_GY_PER_MBQ_H = 3.6  # 1 mSv/(MBq s), radiation weighting factor 1, in Gy/(MBq h)
_Pair = tuple[str, str]
_Parts = dict[_Pair, float]


def printed_parts(emitter: Nuclide, sex: str, model: str) -> tuple[_Parts, _Parts] | None:
    """Photon and electron parts of printed totals; None for nuclides without them.

    Electrons of a solid organ stay in it; in marrow their part is what exceeds the value of
    cortical bone, or the one of ICRP 133 where that is the marrow model.
    """
    if emitter.name not in _printed() or emitter is not nuclide(emitter.name):
        return None
    return _split(_printed()[emitter.name][sex], emitter, sex, model)


def _split(
    printed: Mapping[_Pair, float], emitter: Nuclide, sex: str, model: str
) -> tuple[_Parts, _Parts]:
    mass = REFERENCE_MASS_G[sex]
    delta = emitter.delta_electron_gy_kg_per_mbq_h
    electron = {
        (target, source): _solid_electrons(target, source, delta, mass)
        for target, source in printed
        if target != "marrow"
    }
    total = {source: value for (target, source), value in printed.items() if target == "marrow"}
    photon_at = dict(total)
    photon_at["marrow"] = photon_at["trabecular_bone"] = total["cortical_bone"]
    own = {source: value - photon_at[source] for source, value in total.items()}
    photon_at["whole_body"] = total["whole_body"] - _near_electrons(own, mass)
    if model == "icrp133":
        photon_at["blood"] = total["heart_contents"]
        photon_at["trabecular_bone_surface"] = total["cortical_bone"]
        own |= _icrp133_electrons()[emitter.name][sex]
    own["whole_body"] = _near_electrons(own, mass)
    photon = {pair: printed[pair] - value for pair, value in electron.items()}
    photon |= {("marrow", source): value for source, value in photon_at.items()}
    return photon, electron | {("marrow", source): value for source, value in own.items()}


def _solid_electrons(target: str, source: str, delta: float, mass_g: Mapping[str, float]) -> float:
    """Electron part in a target whose own electrons stay in it (Gy/(MBq h))."""
    if target == "whole_body" or source == "whole_body":
        return 1000 * delta / mass_g["whole_body"]
    return 1000 * delta / mass_g[target] if source == target else 0.0


def _near_electrons(electron: Mapping[str, float], mass_g: Mapping[str, float]) -> float:
    """Electron S of marrow for activity spread over the body: the part in marrow and bone."""
    near = sum(mass_g[region] * electron[region] for region in ("marrow", "trabecular_bone"))
    return near / mass_g["whole_body"]


def _rows(file_name: str) -> list[dict[str, str]]:
    with (files("dosimetry") / "data" / file_name).open() as lines:
        return list(csv.DictReader(lines))


@cache
def _printed() -> dict[str, dict[str, dict[_Pair, float]]]:
    """S values (Gy/(MBq h)) by nuclide, sex and (target, source)."""
    table: dict[str, dict[str, dict[_Pair, float]]] = {}
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
