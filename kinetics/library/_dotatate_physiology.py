"""Volumes, flows and rates of the DOTATATE whole-body model, in L, L/min, 1/min and nmol.

Budiansah et al., EJNMMI Phys 2025;12:26, Table S1 (after Kletting et al., J Nucl Med
2016;57:503, supplement). Densities of flow and permeability are in mL/min/g with 1 mL = 1 g.
"""

from __future__ import annotations

from collections.abc import Mapping

ORGANS = (
    "liver", "spleen", "gi", "muscle", "red_marrow", "reproductive", "adrenals", "rest", "kidneys",
    "lungs", "skin", "adipose", "heart", "bone", "brain",
)  # fmt: skip
RECEPTOR_REGIONS = ("tumour", *ORGANS[:9])  # vascular, interstitial, bound, internalised
PASSIVE_REGIONS = ("lungs", "skin", "adipose", "heart", "bone")  # vascular, interstitial
_MUSCLE_PERMEABILITY, _LIVER_PERMEABILITY = 0.02, 2.0
_REFERENCE_WEIGHT_KG = 71.0
# total volume (L at 71 kg) of organs that are not measured
_VOLUME = {
    "lungs": 1.0, "adrenals": 0.014, "muscle": 30.078, "gi": 0.385 + 0.548 + 0.104 + 0.105,
    "skin": 3.408, "adipose": 13.465, "red_marrow": 1.1, "bone": 10.165 - 1.1, "heart": 0.341,
    "brain": 1.45,
}  # fmt: skip
# serum volume as a share of all serum
_SERUM_SHARE = {
    "lungs": 0.105, "muscle": 0.14, "gi": 0.076, "skin": 0.03, "adipose": 0.05, "red_marrow": 0.04,
    "bone": 0.07 - 0.04, "heart": 0.01, "brain": 0.012, "arteries": 0.06 + 0.045,
    "veins": 0.18 + 0.045,
}  # fmt: skip
# serum volume as a share of the organ
_ORGAN_SERUM = {"liver": 0.085, "spleen": 0.12, "kidneys": 0.055}
# serum flow as a share of all
_FLOW_SHARE = {
    "liver": 0.065, "spleen": 0.03, "kidneys": 0.19, "muscle": 0.17, "gi": 0.16, "skin": 0.05,
    "adipose": 0.05, "red_marrow": 0.03, "bone": 0.05, "heart": 0.04, "brain": 0.12,
}  # fmt: skip
# interstitial over serum volume
_INTERSTITIAL_RATIO = {
    "lungs": 5.5, "muscle": 5.9, "gi": 8.8, "skin": 8.9, "adipose": 15.5, "red_marrow": 3.7,
    "bone": 9.3, "heart": 3.7, "rest": 3.7,
}  # fmt: skip
# receptor density relative to the kidneys
_RECEPTOR_RATIO = {"adrenals": 1.65, "muscle": 0.0056, "gi": 0.16, "red_marrow": 0.028}

Table = dict[str, float]


def volumes(known: Mapping[str, float]) -> tuple[Table, Table, Table]:
    """Total, serum and interstitial volume (L) of each region; "all" is the whole serum."""
    weight, haematocrit = known["weight_kg"], known["haematocrit"]
    female, net = known["female"], known["neuroendocrine"]
    total = {organ: v * weight / _REFERENCE_WEIGHT_KG for organ, v in _VOLUME.items()}
    for organ in ("kidneys", "liver", "spleen", "tumour"):
        total[organ] = known[f"{organ}_ml"] / 1000
    total["reproductive"] = _switch(female, 0.080, 0.016) * weight / _REFERENCE_WEIGHT_KG
    total["rest"] = weight - sum(total[o] for o in ORGANS if o != "rest")
    everything = _switch(female, 2.4, 2.8) * (1 - haematocrit) * known["body_surface_m2"]
    serum = {region: share * everything for region, share in _SERUM_SHARE.items()}
    serum |= {organ: share * total[organ] for organ, share in _ORGAN_SERUM.items()}
    serum["tumour"] = _switch(net, 0.1, 0.11) * total["tumour"]
    serum["reproductive"] = _switch(female, 0.07, 0.04) * (1 - haematocrit) * total["reproductive"]
    serum["adrenals"] = 0.03 * (1 - haematocrit) * total["adrenals"]
    serum["rest"] = everything - sum(v for region, v in serum.items() if region != "tumour")
    serum["all"] = everything
    interstitial = {o: ratio * serum[o] for o, ratio in _INTERSTITIAL_RATIO.items()}
    interstitial |= {
        "liver": 0.2 * total["liver"], "spleen": 0.2 * total["spleen"],
        "kidneys": 0.15 * total["kidneys"], "adrenals": 0.24 * total["adrenals"],
        "tumour": _switch(net, 0.3, 0.23) * total["tumour"],
        "reproductive": _switch(female, 0.5, 0.25) * total["reproductive"],
    }  # fmt: skip
    return total, serum, interstitial


def flows(known: Mapping[str, float], total: Table, all_serum_l: float) -> tuple[Table, Table]:
    """Serum flow and permeability-surface product (L/min); "all" flows through the lungs."""
    haematocrit, female = known["haematocrit"], known["female"]
    everything = 1.23 * all_serum_l
    flow = {organ: share * everything for organ, share in _FLOW_SHARE.items()}
    flow["reproductive"] = _switch(female, 1.0, 0.18) * (1 - haematocrit) * total["reproductive"]
    flow["adrenals"] = 6.0 * (1 - haematocrit) * total["adrenals"]
    flow["rest"] = everything - sum(flow.values())
    net = known["neuroendocrine"]
    flow["tumour"] = _switch(net, 1.0, 0.9) * (1 - haematocrit) * total["tumour"]
    # the tumour is perfused on top of the systemic flow; mass balance wants it in the lungs too
    flow["all"] = flow["lungs"] = everything + flow["tumour"]
    density = dict.fromkeys(
        ("muscle", "gi", "skin", "adipose", "red_marrow", "bone", "heart", "rest"),
        _MUSCLE_PERMEABILITY,
    )
    density |= dict.fromkeys(("liver", "spleen", "lungs", "adrenals"), _LIVER_PERMEABILITY)
    density["reproductive"] = _switch(female, 0.2, 0.1)
    density["tumour"] = _switch(net, 0.2, 0.31)
    return flow, {organ: d * total[organ] for organ, d in density.items()}


def receptors(density: Mapping[str, float], known: Mapping[str, float], total: Table) -> Table:
    """Receptors of each region (nmol) from the densities (nmol/L) of the measured ones."""
    relative = {**_RECEPTOR_RATIO, "reproductive": _switch(known["female"], 0.092, 0.26)}
    found = {organ: ratio * density["kidneys"] for organ, ratio in relative.items()}
    return {organ: d * total[organ] for organ, d in (found | dict(density)).items()}


def _switch(flag: float, yes: float, no: float) -> float:
    """One of two values."""
    return yes if flag else no
