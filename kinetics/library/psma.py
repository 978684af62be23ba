"""Published population models of 177Lu-PSMA-617 and 177Lu-PSMA-I&T, for simulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kinetics.curves import FloatArray
from kinetics.library.models import PublishedCovariate, PublishedModel, PublishedParameter, Values
from kinetics.models import ResidualError
from kinetics.published import PUBLISHED_AGENTS, _cycle_factor, _patient_estimates
from kinetics.structures.saturable import saturable_amounts

LUTETIUM_177_HALF_LIFE_H = 6.647 * 24  # ICRP Publication 107
_ML_PER_L = 1000.0
_NOTES = (
    "ASSUMED: the whole body is the sum of the model's compartments; the authors did not measure "
    "it",
    "ASSUMED: all tumours are one compartment that takes up by the total volume, as in the paper",
    "the authors' offset of the blood counter and their recalibration of SPECT blood values are "
    "left out, as they belong to their instruments",
)


def psma_617() -> PublishedModel:
    """177Lu-PSMA-617 in low-volume metastatic prostate cancer (Siebinga 2023)."""
    return _model(
        "177Lu-PSMA-617",
        PUBLISHED_AGENTS["PSMA-617"],
        {
            "tumour_volume_ml": PublishedCovariate(1.73, "mL", "total tumour volume (0.27-78 mL)"),
            "creatinine_clearance_ml_per_min": PublishedCovariate(
                87.9, "mL/min", "Cockcroft-Gault; elimination is proportional to it"
            ),
        },
        {
            "tumour_volume_on_tumour_uptake": PublishedParameter(0.705, "", 12.3),
            "creatinine_clearance_on_elimination": PublishedParameter(
                1.0, "", origin="fixed by the authors; the reference of 87.9 mL/min is ASSUMED"
            ),
        },
        gland_error=0.246,
        fixed=(),
    )


def psma_it() -> PublishedModel:
    """177Lu-PSMA-I&T in metastatic castration-resistant prostate cancer (Siebinga 2024)."""
    return _model(
        "177Lu-PSMA-I&T",
        PUBLISHED_AGENTS["PSMA-I&T"],
        {
            "tumour_volume_ml": PublishedCovariate(
                44.3, "mL", "volume of the segmented tumours (0.122-546 mL)"
            ),
            "weight_kg": PublishedCovariate(79.0, "kg", "allometry: V 1, rates -0.25"),
        },
        {
            "tumour_volume_on_tumour_uptake": PublishedParameter(1.08, "", 7.5),
            "tumour_volume_on_salivary_gland_uptake": PublishedParameter(0.0910, "", 30.0),
            "cycle_2_on_tumour_uptake": PublishedParameter(0.731, "", 8.1),
            "cycle_3_on_tumour_uptake": PublishedParameter(0.498, "", 11.3),
            "cycle_4_on_tumour_uptake": PublishedParameter(0.436, "", 11.6),
            "weight_on_volume": PublishedParameter(1.0, "", origin="fixed by the authors"),
            "weight_on_rates": PublishedParameter(-0.25, "", origin="fixed by the authors"),
        },
        gland_error=0.397,
        fixed=("blood_volume_l",),
    )


def _model(
    name: str,
    paper: Any,
    covariates: Mapping[str, PublishedCovariate],
    effects: Mapping[str, PublishedParameter],
    *,
    gland_error: float,
    fixed: tuple[str, ...],
) -> PublishedModel:
    """The model of one paper; `kinetics.published` holds its table."""
    reference = _patient_estimates(paper, {"tumour": paper.tumour_reference_ml}, None, None)
    tissues = (*paper.uptake, "tumour")
    units = {"per_h": "1/h", "_l": "L", "mbq": "MBq"}
    parameters = {
        key: PublishedParameter(
            e.value, next(u for ending, u in units.items() if key.endswith(ending)), e.rse, e.iiv,
            e.iov, "fixed by the authors" if key in fixed else "estimated",
        )
        for key, e in reference.items()
    }  # fmt: skip

    def typical(known: Mapping[str, float], cycle: int) -> dict[str, float]:
        estimates = _patient_estimates(
            paper, {"tumour": known["tumour_volume_ml"]}, known.get("weight_kg"),
            known.get("creatinine_clearance_ml_per_min"),
        )  # fmt: skip
        values = {key: e.value for key, e in estimates.items()}
        values["uptake_tumour_per_h"] *= _cycle_factor(paper, cycle)
        return values

    def curves(
        values: Values, known: Mapping[str, float], activity_mbq: float, time: FloatArray
    ) -> dict[str, FloatArray]:
        capacity = np.full((*values["elimination_per_h"].shape, len(tissues)), np.inf)
        capacity[..., tissues.index("salivary_glands")] = values["salivary_capacity_mbq"]
        amount = saturable_amounts(
            activity_mbq,
            time,
            elimination_per_h=values["elimination_per_h"],
            uptake_per_h=np.stack([values[f"uptake_{t}_per_h"] for t in tissues], axis=-1),
            release_per_h=np.stack([values[f"release_{t}_per_h"] for t in tissues], axis=-1),
            capacity=capacity,
        ).state
        blood = amount[..., 0] / (_ML_PER_L * values["blood_volume_l"][..., None])
        parts = {t: amount[..., i] for i, t in enumerate(tissues, start=1)}
        return {"blood": blood, **parts, "whole_body": amount.sum(-1)}

    residual = {r: e for r, e in paper.residual.items() if r != "whole_body"}
    return PublishedModel(
        name=name,
        nuclide="Lu-177",
        source=paper.source,
        half_life_h=LUTETIUM_177_HALF_LIFE_H,
        parameters=parameters,
        effects=effects,
        covariates=covariates,
        regions={"blood": "MBq/mL", **dict.fromkeys((*tissues, "whole_body"), "MBq")},
        residual={**residual, "salivary_glands": ResidualError(gland_error)},
        assumptions=_NOTES,
        typical=typical,
        curves=curves,
    )
