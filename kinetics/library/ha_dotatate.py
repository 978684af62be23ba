"""Published population model of 177Lu-HA-DOTATATE: receptors shared by the whole peptide."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from kinetics.curves import FloatArray
from kinetics.library.models import PublishedCovariate, PublishedModel, PublishedParameter, Values
from kinetics.library.psma import LUTETIUM_177_HALF_LIFE_H
from kinetics.models import ResidualError
from kinetics.structures.saturable import saturable_amounts

_SOURCE = (
    "Siebinga et al., EJNMMI Phys 2023;10:48, Table 2 and equations 1-5, "
    "doi:10.1186/s40658-023-00565-4"
)
_MOLAR_MASS_G_PER_MOL = 1628.5  # Siebinga et al., EJNMMI Res 2023;13:8, Table 3
_TISSUES = ("spleen", "kidneys", "tumour", "sstr_organs", "rest")
_VOLUME_L = {"spleen": 0.21, "kidneys": 0.3, "sstr_organs": 4.0}  # Table 2, after ICRP 89
_TUMOUR_REFERENCE_ML = 80.0
_FIXED = "fixed by the authors"
_NOTES = (
    "ASSUMED: the whole body is the sum of the model's compartments; the authors did not measure "
    "it, nor blood",
    "ASSUMED: only the unbound fraction enters the rest compartment too (the paper says so of "
    "uptake in general)",
    "ASSUMED: molar mass 1628.5 g/mol, that of 68Ga-HA-DOTATATE in the authors' earlier model "
    "(doi:10.1186/s13550-023-00958-7), as this paper prints none",
    "all of the activity is given with the whole peptide in one bolus",
)


def ha_dotatate() -> PublishedModel:
    r"""177Lu-HA-DOTATATE in neuroendocrine tumours (Siebinga 2023), first cycle.

    States are peptide amounts; with the unbound fraction :math:`f_u` and capacities
    :math:`B_j = b_{\max,j} V_j`: :math:`\dot A_j = f_u k_{1j} A_1 (1 - A_j/B_j) - k_{deg,j} A_j`.
    Nothing returns to blood.
    """
    rates = {
        "elimination_per_h": PublishedParameter(0.575, "1/h", iiv_cv_pct=31.6, origin=_FIXED),
        "uptake_spleen_per_h": PublishedParameter(0.0607, "1/h", 15.0),
        "uptake_kidneys_per_h": PublishedParameter(0.107, "1/h", 15.0),
        "uptake_tumour_per_h": PublishedParameter(0.157, "1/h", 14.0),
        "uptake_sstr_organs_per_h": PublishedParameter(2.5, "1/h", origin=_FIXED),
        "uptake_rest_per_h": PublishedParameter(1.0, "1/h", origin=_FIXED),
        "loss_tumour_per_h": PublishedParameter(0.00375, "1/h", 35.0),
    }
    losses = {
        f"loss_{t}_per_h": PublishedParameter(0.01, "1/h", origin=_FIXED)
        for t in _TISSUES
        if t != "tumour"
    }
    densities = {
        f"receptors_{t}": PublishedParameter(value, "nmol/L", iiv_cv_pct=cv, origin=_FIXED)
        for t, value, cv in (
            ("spleen", 16.7, 50.0), ("kidneys", 6.7, 50.0), ("tumour", 30.0, 50.0),
            ("sstr_organs", 2.4, 31.6),
        )
    }  # fmt: skip
    others = {
        "unbound_fraction": PublishedParameter(0.57, "", origin=_FIXED),
        "blood_volume_l": PublishedParameter(4.0, "L", origin=_FIXED),
    }
    parameters = {**rates, **losses, **densities, **others}
    observed = dict.fromkeys(("spleen", "kidneys", "tumour"), ResidualError(0.316))
    return PublishedModel(
        name="177Lu-HA-DOTATATE",
        nuclide="Lu-177",
        source=_SOURCE,
        half_life_h=LUTETIUM_177_HALF_LIFE_H,
        parameters=parameters,
        effects={
            "tumour_volume_on_tumour_uptake": PublishedParameter(0.67, "", 17.0),
            "total_tumour_volume_on_spleen_uptake": PublishedParameter(-0.4, "1/L", origin=_FIXED),
        },
        covariates={
            "tumour_volume_ml": PublishedCovariate(
                80.0, "mL", "volume of the segmented target lesions (7.81-212 mL)"
            ),
            "total_tumour_volume_ml": PublishedCovariate(
                283.0, "mL", "volume of all lesions (22.4-644 mL)"
            ),
            "peptide_ug": PublishedCovariate(151.0, "ug", "peptide given (132-178 ug)"),
        },
        regions={"blood": "MBq/mL", **dict.fromkeys((*_TISSUES, "whole_body"), "MBq")},
        residual=observed,
        assumptions=_NOTES,
        typical=lambda known, cycle: _typical(parameters, known),
        curves=_curves,
    )


def _typical(
    parameters: Mapping[str, PublishedParameter], known: Mapping[str, float]
) -> dict[str, float]:
    """Typical values for the tumour volumes (equations 4 and 5)."""
    values = {key: row.value for key, row in parameters.items()}
    values["uptake_spleen_per_h"] *= math.exp(-0.4 * known["total_tumour_volume_ml"] / 1000)
    values["uptake_tumour_per_h"] *= (known["tumour_volume_ml"] / _TUMOUR_REFERENCE_ML) ** 0.67
    return values


def _curves(
    values: Values, known: Mapping[str, float], activity_mbq: float, time: FloatArray
) -> dict[str, FloatArray]:
    """Activities: share of the peptide in each compartment times the activity given."""
    peptide_nmol = 1000.0 * known["peptide_ug"] / _MOLAR_MASS_G_PER_MOL
    volume_l = {**_VOLUME_L, "tumour": known["tumour_volume_ml"] / 1000}
    capacity = [
        values[f"receptors_{t}"] * volume_l[t] if t in volume_l else np.full((), np.inf)
        for t in _TISSUES
    ]
    unbound = values["unbound_fraction"]
    share = saturable_amounts(
        peptide_nmol,
        time,
        elimination_per_h=values["elimination_per_h"],
        uptake_per_h=_joined([unbound * values[f"uptake_{t}_per_h"] for t in _TISSUES]),
        loss_per_h=_joined([values[f"loss_{t}_per_h"] for t in _TISSUES]),
        capacity=_joined(capacity),
    ).state / (peptide_nmol / activity_mbq)
    parts = {t: share[..., i] for i, t in enumerate(_TISSUES, start=1)}
    blood = share[..., 0] / (1000.0 * values["blood_volume_l"][..., None])
    return {"blood": blood, **parts, "whole_body": share.sum(-1)}


def _joined(columns: list[FloatArray]) -> FloatArray:
    """Columns of one table, with common leading axes."""
    return np.stack(np.broadcast_arrays(*columns), axis=-1)
