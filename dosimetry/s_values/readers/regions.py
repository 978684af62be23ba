"""Names of regions in other programs, and the masses and shapes that the splitting needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from dosimetry.anatomy import REFERENCE_MASS_G, SEXES
from dosimetry.errors import DosimetryError

_SPELLINGS = {  # our name: spellings of OLINDA/EXM 2, its .cas files, IDAC-Dose 2.1, ICRP 133
    "marrow": ("Red Marrow", "Red Mar.", "R-marrow", "Red (active) bone marrow", "Bone Marrow"),
    "yellow_marrow": ("Y-marrow", "Yellow (inactive) bone marrow"),
    "trabecular_bone": (
        "TrabBone", "Trabecular Bone", "T-bone-V", "Trabecular bone mineral, volume",
    ),
    "cortical_bone": ("CortBone", "Cortical Bone", "C-bone-V", "Cortical bone mineral, volume"),
    "trabecular_bone_surface": ("T-bone-S", "Trabecular bone mineral, surface"),
    "cortical_bone_surface": ("C-bone-S", "Cortical bone mineral, surface"),
    "trabecular_marrow": ("T-marrow", "Trabecular bone marrow"),
    "cortical_marrow": ("C-marrow", "Cortical bone marrow"),
    "osteogenic_cells": ("Osteogenic Cells", "Bone Surfaces"),
    "endosteum": ("Endost-BS", "Endosteum (bone surface)"),
    "whole_body": ("Tot Body", "Total Body", "Whole Body", "Body"),
    "blood": ("Blood",),
    "kidneys": ("Kidneys", "Kidney", "RKidney + LKidney"),
    "left_kidney": ("Left kidney C+M+P",),
    "right_kidney": ("Right kidney C+M+P",),
    "liver": ("Liver",),
    "spleen": ("Spleen",),
    "lungs": ("Lungs", "Lung", "RLung + LLung"),
    "lung_tissue": ("Lung-Tis", "Lung tissue"),
    "salivary_glands": ("Salivary", "Salivary Glands", "S-glands"),
    "heart_contents": ("HeartCon", "Heart Contents", "Heart contents (blood)"),
    "heart_wall": ("Hrt Wall", "Heart Wall", "Ht-wall"),
    "adrenals": ("Adrenals", "RAdrenal + LAdrenal"),
    "oesophagus": ("Esophagus", "Oesophagus"),
    "oesophagus_wall": ("Oesophag-w", "Oesophagus wall"),
    "breasts": ("Breasts", "Breast", "Breast-a + Breast-g"),
    "gallbladder_contents": ("GB Cont", "GB-cont", "Gallbladder Contents", "Gall bladder contents"),
    "gallbladder_wall": ("Gallbladder Wall", "GB-wall", "Gall bladder wall"),
    "lli_contents": ("LLI Cont", "LLI Contents"),
    "uli_contents": ("ULI Cont", "ULI Contents"),
    "stomach_contents": ("StomCont", "Stomach Contents", "St-cont"),
    "small_intestine_contents": ("SI Cont", "SI-cont", "Small intestine contents"),
    "urinary_bladder_contents": ("UB Cont", "UB-cont", "Urinary Bladder Contents"),
    "urinary_bladder_wall": ("Urinary Bladder Wall", "UB-wall"),
    "adipose": ("Adipose", "Adipose/residual tissue"),
    "eye_lenses": ("Eye-lens", "Eye lenses", "Lenses of eye"),
    "pituitary": ("P-gland", "Pituitary gland"),
    "systemic_lymph_nodes": ("LN-Sys", "Lymph nodes in sys"),
    "uterus": ("Uterus", "Uterus/cervix"),
}  # fmt: skip
REGION_NAMES: Mapping[str, str] = MappingProxyType(
    {spelling.casefold(): name for name, all_ in _SPELLINGS.items() for spelling in all_}
)
"""Our name of a region by the other program's name in lower case; others become snake_case."""

_MORE_MASSES_G = {  # ICRP 89 as REFERENCE_MASS_G: regions that only tables of others name
    "adrenals": (14.0, 13.0),
    "brain": (1450.0, 1300.0),
    "breasts": (25.0, 500.0),
    "oesophagus": (40.0, 35.0),
    "eyes": (15.0, 15.0),
    "heart_wall": (330.0, 250.0),
    "ovaries": (0.0, 11.0),
    "pancreas": (140.0, 120.0),
    "prostate": (17.0, 0.0),
    "testes": (35.0, 0.0),
    "thymus": (25.0, 20.0),
    "thyroid": (20.0, 17.0),
    "uterus": (0.0, 80.0),
    "heart_contents": (510.0, 370.0),
}
HOLLOW = {  # wall: its contents as a source
    "gallbladder_wall": "gallbladder_contents",
    "small_intestine": "small_intestine_contents",
    "stomach_wall": "stomach_contents",
    "lli_wall": "lli_contents",
    "left_colon": "lli_contents",
    "uli_wall": "uli_contents",
    "right_colon": "uli_contents",
    "rectum": "rectum",
    "heart_wall": "heart_contents",
    "urinary_bladder_wall": "urinary_bladder_contents",
}
"""Contents that irradiate a wall, by wall; OLINDA's source rectum is its contents."""

SKELETON = ("marrow", "trabecular_bone", "cortical_bone")
"""Source regions of the skeleton, whose electrons leave them."""


def region_name(text: str, extra: Mapping[str, str] | None = None) -> str:
    """Our name of another program's region.

    Parameters
    ----------
    text : str
        Name in the file.
    extra : mapping of str to str, optional
        The user's own names, read before `REGION_NAMES`.

    Examples
    --------
    >>> region_name("Red Mar."), region_name("Tot Body"), region_name("Gallbladder Wall")
    ('marrow', 'whole_body', 'gallbladder_wall')
    """
    clean = " ".join(text.split())
    own = {key.casefold(): value for key, value in (extra or {}).items()}
    known = own.get(clean.casefold()) or REGION_NAMES.get(clean.casefold())
    return known or re.sub(r"[^a-z0-9]+", "_", clean.lower()).strip("_")


def icrp89_mass_g(sex: str) -> dict[str, float]:
    """Masses (g) of the ICRP 89 reference adult, by our names."""
    if sex not in SEXES:
        raise DosimetryError(f"sex must be one of {SEXES}, got {sex!r}")
    index = SEXES.index(sex)
    more = {name: both[index] for name, both in _MORE_MASSES_G.items() if both[index] > 0}
    return more | dict(REFERENCE_MASS_G[sex])
