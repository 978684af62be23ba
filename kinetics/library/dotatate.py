"""Published whole-body model of 111In-DOTATATE with receptor binding in ten regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.library._dotatate_physiology import (
    PASSIVE_REGIONS,
    RECEPTOR_REGIONS,
    Table,
    flows,
    receptors,
    volumes,
)
from kinetics.library.models import PublishedCovariate, PublishedModel, PublishedParameter, Values
from kinetics.models import ResidualError
from kinetics.structures.ode import solve
from kinetics.structures.structure import dose_table

_SOURCE = (
    "Budiansah et al., EJNMMI Phys 2025;12:26, Table 1 (parameter setting II) and Table S1, "
    "doi:10.1186/s40658-025-00726-7; equations S1-S13 of Kletting et al., J Nucl Med 2016;57:503, "
    "doi:10.2967/jnumed.115.164699"
)
_DISSOCIATION_PER_MIN, _AFFINITY_NMOL_PER_L = 0.04, 0.4
_SIEVING, _EXCRETED = 0.66, 0.98  # filtration over GFR; share of the filtrate excreted
_MIN_PER_H = 60.0
_NOTES = (
    "the peptide, labelled and unlabelled, is solved as one system and the activity is its share "
    "of the activity given: the same as the paper's two coupled systems, except that the activity "
    "decays during the infusion as well (up to 0.5 %)",
    "ASSUMED: a region's activity includes its serum, interstitium, bound and internalised "
    "peptide; serum is the concentration in all serum, protein-bound peptide included (the paper "
    "prints no observation equations)",
    "ASSUMED: body weight 71 kg and haematocrit 0.45 unless given; the paper does not tabulate "
    "them. The other defaults are medians of Kletting 2016, Table 1",
    "the published typical values give about 0.4 of the paper's own kidney time-integrated "
    "activity coefficients (its Table S3): a property of the published numbers, left as it is",
)
_PARTS = ("serum", "interstitial", "bound", "internalised")
STATES = (
    *(f"{part} {region}" for region in RECEPTOR_REGIONS for part in _PARTS),
    *(f"{part} {region}" for region in PASSIVE_REGIONS for part in _PARTS[:2]),
    "serum brain", "tubules", "arteries", "veins", "protein-bound",
)  # fmt: skip
Move = Callable[[str, str | None, float], None]
_PLACE = {state: i for i, state in enumerate(STATES)}


def dotatate() -> PublishedModel:
    """111In-DOTATATE, neuroendocrine tumours and meningiomas (Budiansah 2025), 55 states.

    Transport by serum flow and permeability, reversible binding to receptors that labelled and
    unlabelled peptide share, internalisation, degradation, glomerular filtration, and
    irreversible binding to serum protein. For another nuclide use its decay constant in
    ``decayed``; the authors take 111In as a surrogate for 90Y. For a patient without spleen give
    a spleen of 1 mL.
    """
    densities = {
        f"receptors_{region}": PublishedParameter(value, "nmol/L", rse, cv)
        for region, value, rse, cv in (
            ("kidneys", 4.55, 15.0, 45.0), ("liver", 0.94, 15.0, 43.0),
            ("spleen", 7.37, 19.0, 52.0), ("tumour", 15.9, 30.0, 101.0),
            ("rest", 0.36, 30.0, 97.0),
        )
    }  # fmt: skip
    rates = {
        "protein_binding_per_min": PublishedParameter(5.50e-4, "1/min", 18.0, 52.0),
        "internalisation_per_min": PublishedParameter(2.36e-3, "1/min", 11.0, 28.0),
        "internalisation_tumour_per_min": PublishedParameter(1.39e-3, "1/min", 14.0, 37.0),
        "degradation_per_min": PublishedParameter(1.01e-4, "1/min", 10.0, 19.0),
        "degradation_tumour_per_min": PublishedParameter(1.15e-4, "1/min", 24.0, 36.0),
    }
    parameters = {**densities, **rates}
    return PublishedModel(
        name="111In-DOTATATE",
        nuclide="In-111",
        source=_SOURCE,
        half_life_h=np.log(2) / 1.71e-4 / _MIN_PER_H,
        parameters=parameters,
        effects={},
        covariates=_covariates(),
        regions={
            "serum": "MBq/mL",
            **dict.fromkeys(("whole_body", "kidneys", "spleen", "liver", "tumour"), "MBq"),
        },
        residual={
            region: ResidualError(sd)
            for region, sd in (
                ("serum", 0.23), ("whole_body", 0.088), ("kidneys", 0.053), ("spleen", 0.067),
                ("liver", 0.10), ("tumour", 0.060),
            )
        },
        assumptions=_NOTES,
        typical=lambda known, cycle: {key: row.value for key, row in parameters.items()},
        curves=_curves,
    )  # fmt: skip


def _covariates() -> dict[str, PublishedCovariate]:
    """Covariates with the medians of the cohort."""
    rows = {
        "weight_kg": (71.0, "kg", "scales organs that are not measured"),
        "haematocrit": (0.45, "", "fraction"),
        "body_surface_m2": (1.90, "m2", "sets the serum volume (1.57-2.05)"),
        "female": (0.0, "", "1 female, 0 male"),
        "glomerular_filtration_ml_per_min": (91.0, "mL/min", "51Cr-EDTA, not normalised (28-130)"),
        "kidneys_ml": (171.0, "mL", "both kidneys (125-233)"),
        "liver_ml": (1818.0, "mL", "liver (1500-1900)"),
        "spleen_ml": (161.0, "mL", "spleen (110-243)"),
        "tumour_ml": (26.0, "mL", "two largest lesions (2.5-134)"),
        "neuroendocrine": (1.0, "", "1 neuroendocrine tumour, 0 meningioma"),
        "peptide_nmol": (75.0, "nmol", "peptide given"),
        "infusion_h": (51 / 60, "h", "duration of the infusion into veins"),
    }
    return {name: PublishedCovariate(*row) for name, row in rows.items()}


def _curves(
    values: Values, known: Mapping[str, float], activity_mbq: float, time: FloatArray
) -> dict[str, FloatArray]:
    """Activities: share of the peptide in each region times the activity given."""
    from kinetics.library._bilinear_kernels import bilinear_jacobian, bilinear_slope

    total, serum, interstitial = volumes(known)
    needed = {
        "kidneys_ml", "liver_ml", "spleen_ml", "tumour_ml", "peptide_nmol", "infusion_h"
    }  # fmt: skip
    if any(known[name] <= 0 for name in needed) or total["rest"] <= 0 or serum["rest"] <= 0:
        raise KineticsError("organ volumes, peptide and infusion must be positive and fit the body")
    shape = values["receptors_kidneys"].shape
    flat = [
        {name: float(value.reshape(-1)[d]) for name, value in values.items()}
        for d in range(int(np.prod(shape, dtype=int)))
    ]
    systems = [_system(one, known, total, serum, interstitial) for one in flat]
    peptide, duration = known["peptide_nmol"], known["infusion_h"]
    doses = dose_table(
        time_h=0.0, amount=peptide, compartment=_PLACE["veins"], rate=peptide / duration
    )
    solution = solve(
        bilinear_slope, np.zeros(len(STATES)), parameter=np.reshape(systems, (*shape, -1)),
        time_h=time, jacobian=bilinear_jacobian, doses=doses, method="stiff", rtol=1e-7,
        atol=1e-12 * peptide,
    )  # fmt: skip
    share = np.moveaxis(solution.state, -1, 0) * (activity_mbq / peptide)

    def summed(*words: str) -> FloatArray:
        places = [i for state, i in _PLACE.items() if any(w in state.split() for w in words)]
        return np.asarray(share[places].sum(0))

    return {
        "serum": summed("serum", "arteries", "veins", "protein-bound") / (1000.0 * serum["all"]),
        "whole_body": share.sum(0),
        "kidneys": summed("kidneys", "tubules"),
        **{region: summed(region) for region in ("spleen", "liver", "tumour")},
    }


def _system(
    values: Mapping[str, float],
    known: Mapping[str, float],
    total: Table,
    serum: Table,
    interstitial: Table,
) -> FloatArray:
    """Rate matrix (1/h) and binding terms of one individual, for the bilinear kernels."""
    matrix = np.zeros((len(STATES), len(STATES)))
    flow, permeability = flows(known, total, serum["all"])

    def move(source: str, target: str | None, rate: float) -> None:
        matrix[_PLACE[source], _PLACE[source]] -= rate
        if target is not None:
            matrix[_PLACE[target], _PLACE[source]] += rate

    _circulation(move, flow, serum)
    for region in (*RECEPTOR_REGIONS, *PASSIVE_REGIONS):
        if region != "kidneys":
            exchange = permeability[region]
            move(f"serum {region}", f"interstitial {region}", exchange / serum[region])
            move(f"interstitial {region}", f"serum {region}", exchange / interstitial[region])
    _kidneys(move, known, total, serum, interstitial)
    move("veins", "protein-bound", values["protein_binding_per_min"])
    terms = _binding(move, values, receptors(_densities(values), known, total), interstitial)
    terms[:, 2] *= _MIN_PER_H
    return np.concatenate([matrix.ravel() * _MIN_PER_H, terms.ravel()])


def _densities(values: Mapping[str, float]) -> Table:
    """Receptor densities of the measured regions (nmol/L)."""
    measured = ("kidneys", "liver", "spleen", "tumour", "rest")
    return {region: values[f"receptors_{region}"] for region in measured}


def _circulation(move: Move, flow: Table, serum: Table) -> None:
    """Serum from veins through the lungs and the arteries to the regions and back (S4-S8)."""
    move("veins", "serum lungs", flow["all"] / serum["veins"])
    move("serum lungs", "arteries", flow["all"] / serum["lungs"])
    portal = ("spleen", "gi")
    for region in (*RECEPTOR_REGIONS, *PASSIVE_REGIONS[1:], "brain"):
        through = flow[region]
        move("arteries", f"serum {region}", through / serum["arteries"])
        if region == "liver":
            through += flow["spleen"] + flow["gi"]
        target = "serum liver" if region in portal else "veins"
        move(f"serum {region}", target, through / serum[region])


def _kidneys(
    move: Move, known: Mapping[str, float], total: Table, serum: Table, interstitial: Table
) -> None:
    """Filtration, excretion and reabsorption through the tubular cells (S9, S12)."""
    filtered = known["glomerular_filtration_ml_per_min"] / 1000 * _SIEVING
    back = filtered * (1 - _EXCRETED)
    tubules = (total["kidneys"] - interstitial["kidneys"] - serum["kidneys"]) * 2 / 3
    move("serum kidneys", "interstitial kidneys", filtered / serum["kidneys"])
    move("interstitial kidneys", None, filtered * _EXCRETED / interstitial["kidneys"])
    move("interstitial kidneys", "tubules", back / interstitial["kidneys"])
    move("tubules", "serum kidneys", back / tubules)


def _binding(
    move: Move, values: Mapping[str, float], receptor: Table, interstitial: Table
) -> FloatArray:
    """Binding, dissociation, internalisation and degradation (S1-S3, S11); bilinear terms."""
    association = _DISSOCIATION_PER_MIN / _AFFINITY_NMOL_PER_L
    terms = []
    for region in RECEPTOR_REGIONS:
        own = "_tumour" if region == "tumour" else ""
        free, bound, inside = (f"{part} {region}" for part in _PARTS[1:])
        rate = association / interstitial[region]
        move(free, bound, rate * receptor[region])
        move(bound, free, _DISSOCIATION_PER_MIN)
        move(bound, inside, values[f"internalisation{own}_per_min"])
        move(inside, None, values[f"degradation{own}_per_min"])
        terms.append((_PLACE[free], _PLACE[bound], rate))
    return np.array(terms, dtype=np.float64)
