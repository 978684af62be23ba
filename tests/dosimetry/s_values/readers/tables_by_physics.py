"""Tiny tables made of the physics of a nuclide, so that the parts of each value are known."""

from dosimetry import REFERENCE_MASS_G, nuclide

REGIONS = ("marrow", "kidneys", "liver", "whole_body")
SOURCES = (*REGIONS, "trabecular_bone", "cortical_bone")
PRINTED = {
    "marrow": "Red Mar.",
    "kidneys": "Kidneys ",
    "liver": "Liver",
    "whole_body": "Tot Body",
    "trabecular_bone": "TrabBone",
    "cortical_bone": "CortBone",
}
PHOTON_SHARE = 0.02  # invented: of the photon energy, absorbed in every target
MARROW_ELECTRONS = 0.6  # invented: share of its own electrons that marrow absorbs


def deltas(name):
    """Energy (Gy g/(MBq h)) of electrons, photons, alpha particles with recoil."""
    data = nuclide(name)
    alpha = data.delta_alpha_gy_kg_per_mbq_h + data.delta_alpha_recoil_gy_kg_per_mbq_h
    return (
        1000 * data.delta_electron_gy_kg_per_mbq_h,
        1000 * data.delta_photon_gy_kg_per_mbq_h,
        1000 * alpha,
    )


def parts_by_physics(name, sex="male"):
    """Electron, photon, alpha part (Gy/(MBq h)) by (target, source)."""
    mass = REFERENCE_MASS_G[sex]
    electron, photon, alpha = deltas(name)
    parts = {}
    for target in REGIONS:
        for source in SOURCES:
            own = target == source
            share = 1.0 if own else 0.0
            if "whole_body" in (target, source):
                share = mass[target] / mass["whole_body"]
            parts[target, source] = (
                share * electron / mass[target],
                PHOTON_SHARE * photon / mass[target],
                share * alpha / mass[target],
            )
    cross = PHOTON_SHARE * photon / mass["marrow"]
    own = (MARROW_ELECTRONS * electron / mass["marrow"], cross, alpha / mass["marrow"])
    bone = (0.3 * electron / mass["marrow"], cross, 0.5 * alpha / mass["marrow"])
    body = [
        (mass["marrow"] * own[i] + mass["trabecular_bone"] * bone[i]) / mass["whole_body"]
        for i in (0, 2)
    ]
    parts["marrow", "marrow"] = own
    parts["marrow", "trabecular_bone"] = bone
    parts["marrow", "whole_body"] = (body[0], cross, body[1])
    return parts


def matrix_text(name, *, w_alpha=5.0, scale=1 / 3.6, sex="male", digits=9, title=True, mark=","):
    """The totals as a matrix in the layout of OLINDA/EXM 2.2 (mSv/(MBq s))."""
    parts = parts_by_physics(name, sex)
    rows = [mark.join(["", *(PRINTED[source] for source in SOURCES), ""])]
    for target in REGIONS:
        cells = []
        for source in SOURCES:
            electron, photon, alpha = parts[target, source]
            total = scale * (electron + photon + w_alpha * alpha)
            cells.append(f"{total:.{digits}E}".replace(".", "," if mark != "," else "."))
        rows.append(mark.join([PRINTED[target].strip(), *cells, ""]))
    head = [
        "OLINDA - a line of the program" + mark,
        f"Total Dose Conversion Factors [mSv/MBq-s] - Nuclide:{name} (9.99 d) for ICRP 89 Adult "
        f"{sex.title()}{mark}",
        "",
    ]
    tail = ["", "Any bone activity on bone surfaces", ""]
    return "\n".join([*(head if title else []), *rows, *(tail if title else [])])
