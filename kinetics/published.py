"""Published population models of 177Lu-PSMA ligands, as prior knowledge of a patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.mammillary import mammillary_curves
from kinetics.models import Curves, KineticModel, ResidualError

_ML_PER_L = 1000.0


@dataclass(frozen=True)
class _Estimate:
    """One row of a paper's parameter table: RSE, IIV and IOV in per cent."""

    value: float
    rse: float = 0.0
    iiv: float = 0.0
    iov: float = 0.0


@dataclass(frozen=True)
class _PsmaModel:
    """What the two PSMA papers differ in; salivary glands first, because they saturate."""

    name: str
    source: str
    elimination: _Estimate
    blood_volume_l: _Estimate
    uptake: Mapping[str, _Estimate]
    release: Mapping[str, _Estimate]
    salivary_capacity_mbq: _Estimate
    tumour_uptake: _Estimate
    tumour_release: _Estimate
    tumour_reference_ml: float
    tumour_exponent: float
    salivary_tumour_exponent: float
    tumour_cycle_factor: tuple[float, ...]
    allometric_weight_kg: float | None
    reference_clearance_ml_per_min: float | None
    residual: Mapping[str, ResidualError]


_PSMA_617 = _PsmaModel(
    name="177Lu-PSMA-617 (Siebinga 2023)",
    source="Siebinga et al., CPT Pharmacometrics Syst Pharmacol 2023;12:1060, Table 2, "
    "doi:10.1002/psp4.12914",
    elimination=_Estimate(0.288, 7.6, 17.2),
    blood_volume_l=_Estimate(10.3, 4.5),
    uptake={
        "salivary_glands": _Estimate(0.0238, 12.4),
        "kidneys": _Estimate(0.00867, 8.6, 16.1),
        "liver": _Estimate(0.0238, 7.9),
        "other": _Estimate(1.05, 15.3),
    },
    release={
        "salivary_glands": _Estimate(0.0307, 5.8),
        "kidneys": _Estimate(0.0141, 4.7),
        "liver": _Estimate(0.0283, 4.6, 9.5),
        "other": _Estimate(0.744, 7.9),
    },
    salivary_capacity_mbq=_Estimate(40.4, 12.3, 59.3),
    tumour_uptake=_Estimate(0.000248, 14.0, 58.8, 43.5),
    tumour_release=_Estimate(0.00902, 11.4),
    tumour_reference_ml=1.73,
    tumour_exponent=0.705,
    salivary_tumour_exponent=0.0,
    tumour_cycle_factor=(1.0,),
    allometric_weight_kg=None,
    reference_clearance_ml_per_min=87.9,
    residual={
        "blood": ResidualError(0.193, 0.25 / _ML_PER_L),
        "kidneys": ResidualError(0.304),
        "liver": ResidualError(0.850),
        "tumour": ResidualError(0.458),
        "whole_body": ResidualError(0.10),
    },
)

_PSMA_IT = _PsmaModel(
    name="177Lu-PSMA-I&T (Siebinga 2024)",
    source="Siebinga et al., EJNMMI Phys 2024;11:39, Table 2, doi:10.1186/s40658-024-00642-2",
    elimination=_Estimate(0.253, 5.2, 33.1),
    blood_volume_l=_Estimate(10.3),
    uptake={
        "salivary_glands": _Estimate(0.0105, 9.2),
        "kidneys": _Estimate(0.0321, 6.9, 33.4),
        "other": _Estimate(0.275, 6.8, 29.1),
    },
    release={
        "salivary_glands": _Estimate(0.0629, 6.3),
        "kidneys": _Estimate(0.0625, 5.4),
        "other": _Estimate(0.0247, 6.5),
    },
    salivary_capacity_mbq=_Estimate(134.0, 15.5, 67.0),
    tumour_uptake=_Estimate(0.00967, 9.9, 63.4, 37.8),
    tumour_release=_Estimate(0.0150, 3.4),
    tumour_reference_ml=44.3,
    tumour_exponent=1.08,
    salivary_tumour_exponent=0.0910,
    tumour_cycle_factor=(1.0, 0.731, 0.498, 0.436),
    allometric_weight_kg=79.0,
    reference_clearance_ml_per_min=None,
    residual={
        "blood": ResidualError(0.555, 9.57 / _ML_PER_L),
        "kidneys": ResidualError(0.319),
        "tumour": ResidualError(0.327),
        "whole_body": ResidualError(0.10),
    },
)

PUBLISHED_AGENTS = {"PSMA-617": _PSMA_617, "PSMA-I&T": _PSMA_IT}


def published_model(
    agent: str,
    *,
    decay_per_h: float,
    tumour_volume_ml: Mapping[str, float] | None = None,
    weight_kg: float | None = None,
    creatinine_clearance_ml_per_min: float | None = None,
) -> KineticModel:
    """Population model of a PSMA ligand as the prior of one patient.

    Blood exchanges with salivary glands (saturable), kidneys, liver (PSMA-617 only), tumours and
    other tissue; elimination is from blood. The states of the papers are decay-corrected;
    physical decay is applied here once, to the curves. The standard deviation between patients
    joins the interindividual variability (omega^2 = log(CV^2 + 1)) and the relative standard
    error of the estimate.

    Parameters
    ----------
    agent : str
        ``"PSMA-617"`` (Siebinga 2023) or ``"PSMA-I&T"`` (Siebinga 2024).
    decay_per_h : float
        Physical decay constant (1/h).
    tumour_volume_ml : mapping, optional
        Volume of each tumour region (mL); each becomes a tumour compartment of its own.
    weight_kg : float, optional
        Body weight, for the allometry of PSMA-I&T (79 kg when missing).
    creatinine_clearance_ml_per_min : float, optional
        Cockcroft-Gault clearance; PSMA-617's elimination is proportional to it (87.9 mL/min when
        missing).

    Returns
    -------
    KineticModel
        Regions: blood (MBq/mL), whole_body, kidneys, liver (PSMA-617), each tumour (MBq).
    """
    paper = PUBLISHED_AGENTS[agent]
    volumes = dict(tumour_volume_ml or {})
    tissues = (*paper.uptake, *volumes)
    estimates = _patient_estimates(paper, volumes, weight_kg, creatinine_clearance_ml_per_min)
    spread = np.array(
        [
            [
                np.sqrt(np.log1p((e.iiv / 100) ** 2) + (e.rse / 100) ** 2)
                for e in estimates.values()
            ],
            [np.sqrt(np.log1p((e.iov / 100) ** 2)) for e in estimates.values()],
        ]
    )
    n, total_ml = len(tissues), sum(volumes.values())

    def curves(log_parameter: FloatArray, activity_mbq: float, cycle: int) -> Curves:
        value = np.exp(log_parameter)
        uptake = value[..., 3 : 3 + n].copy()
        uptake[..., len(paper.uptake) :] *= _cycle_factor(paper, cycle)
        capacity = np.full(uptake.shape, np.inf)
        capacity[..., 0] = value[..., 2]
        amount = mammillary_curves(
            activity_mbq,
            elimination_per_h=value[..., 0],
            uptake_per_h=uptake,
            release_per_h=value[..., 3 + n :],
            capacity=capacity,
        ).decayed(decay_per_h)
        return _regions(amount, value[..., 1], tissues)

    regions = (
        "blood",
        "whole_body",
        *(t for t in tissues if t not in ("salivary_glands", "other")),
    )
    residual = {r: paper.residual.get(r, paper.residual["tumour"]) for r in regions}
    return KineticModel(
        name=paper.name,
        regions=regions,
        parameters=tuple(estimates),
        log_median=np.log([e.value for e in estimates.values()]),
        log_sd_patient=spread[0],
        log_sd_cycle=spread[1],
        curves=curves,
        residual=residual,
        decay_per_h=decay_per_h,
        source=paper.source,
        assumptions=_assumptions(paper, total_ml, len(volumes), creatinine_clearance_ml_per_min),
    )


def _patient_estimates(
    paper: _PsmaModel,
    volumes: Mapping[str, float],
    weight_kg: float | None,
    clearance: float | None,
) -> dict[str, _Estimate]:
    """Typical values for this patient's covariates, in the order that `curves` unpacks."""
    slow, large, renal = 1.0, 1.0, 1.0
    if paper.allometric_weight_kg is not None and weight_kg is not None:
        large = weight_kg / paper.allometric_weight_kg
        slow = large**-0.25
    if paper.reference_clearance_ml_per_min is not None and clearance is not None:
        renal = clearance / paper.reference_clearance_ml_per_min
    burden = (sum(volumes.values()) or paper.tumour_reference_ml) / paper.tumour_reference_ml

    def scaled(e: _Estimate, factor: float) -> _Estimate:
        return _Estimate(e.value * factor, e.rse, e.iiv, e.iov)

    def tumour_factor(volume_ml: float) -> float:
        return slow * float((volume_ml / paper.tumour_reference_ml) ** paper.tumour_exponent)

    gland = slow * burden**paper.salivary_tumour_exponent
    return {
        "elimination_per_h": scaled(paper.elimination, slow * renal),
        "blood_volume_l": scaled(paper.blood_volume_l, large),
        "salivary_capacity_mbq": paper.salivary_capacity_mbq,
        **{
            f"uptake_{t}_per_h": scaled(e, gland if t == "salivary_glands" else slow)
            for t, e in paper.uptake.items()
        },
        **{
            f"uptake_{t}_per_h": scaled(paper.tumour_uptake, tumour_factor(v))
            for t, v in volumes.items()
        },
        **{f"release_{t}_per_h": scaled(e, slow) for t, e in paper.release.items()},
        **{f"release_{t}_per_h": scaled(paper.tumour_release, slow) for t in volumes},
    }


def _cycle_factor(paper: _PsmaModel, cycle: int) -> float:
    """Published change of tumour uptake with the cycle; later cycles share the last value."""
    return paper.tumour_cycle_factor[min(cycle, len(paper.tumour_cycle_factor)) - 1]


def _regions(amount: SumOfExponentials, volume_l: FloatArray, tissues: tuple[str, ...]) -> Curves:
    """Pick blood concentration, whole body and the reported tissues from the compartments."""
    curves = {
        "blood": amount[..., 0, :].scaled(1.0 / (_ML_PER_L * volume_l)),
        "whole_body": SumOfExponentials(amount.amplitude.sum(-2), amount.rate_per_h[..., 0, :]),
    }
    for index, tissue in enumerate(tissues, start=1):
        if tissue not in ("salivary_glands", "other"):
            curves[tissue] = amount[..., index, :]
    return curves


def _assumptions(
    paper: _PsmaModel, total_ml: float, n_tumours: int, clearance: float | None
) -> tuple[str, ...]:
    notes = [
        "ASSUMED: the whole body is the sum of the model's compartments (its authors did not "
        "measure it), with a residual error of 10 %",
        "the authors' offset of the blood counter (0.273 MBq/L for PSMA-617) is left out, as it "
        "belongs to their instrument",
        "ASSUMED: what is predicted for the planned activity scales with the activity, although "
        "the salivary glands saturate",
    ]
    if paper.reference_clearance_ml_per_min is not None and clearance is None:
        notes.append("ASSUMED: creatinine clearance 87.9 mL/min, the population median")
    if n_tumours > 1:
        notes.append(
            "ASSUMED: each tumour takes up by its own volume; the population model lumps them"
        )
    if total_ml > 78.0 and paper is _PSMA_617:
        notes.append(
            f"the total tumour volume of {total_ml:.0f} mL is outside the 0.27-78 mL of the "
            "patients behind the population model"
        )
    return tuple(notes)
