"""Blood, marrow and organ doses of 1,000 patients with 1,000 draws each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.timing import announce, process_seconds, row
from dosimetry import Anatomy, cohort_doses, s_value_table
from dosimetry.anatomy import REFERENCE_MASS_G
from dosimetry.blood import blood_dose_coefficients
from kinetics import SumOfExponentials

N_PATIENTS, N_DRAWS = 1000, 1000
N_BY_PANDAS = 20  # patients; a table of all would not fit in memory
ORGANS = ("kidneys", "liver", "spleen")
REGIONS = ("blood", "marrow", *ORGANS)
SOURCES = ("blood", "marrow", *ORGANS, "whole_body")


def cohort_dose_rows() -> None:
    """Curves of blood, three organs and the whole body, two terms each, to five doses."""
    rng = np.random.default_rng(8)
    curves = _curves(rng)
    weight_kg, ratio = (
        rng.uniform(60, 100, N_PATIENTS),
        rng.lognormal(0, 0.2, (N_PATIENTS, N_DRAWS)),
    )
    patients = [Anatomy("male", weight, 176.0) for weight in weight_kg]
    matrix = _matrices(weight_kg)

    def ours() -> dict[str, np.ndarray]:
        found = cohort_doses(curves, "Lu-177", anatomies=patients, ratio=ratio[:, None])
        return {region: found.dose_gy[region][:, 0] for region in REGIONS}

    def by_numpy() -> dict[str, np.ndarray]:
        tia = {name: c.amplitude[:, 0] / c.rate_per_h[:, 0] for name, c in curves.items()}
        tia = {name: terms.sum(-1) for name, terms in tia.items()}
        tia["marrow"] = tia["blood"] * ratio
        stacked = np.stack([tia[name] for name in SOURCES], axis=-1)
        dose = np.einsum("pds,prs->pdr", stacked, matrix)
        return {region: dose[..., i] for i, region in enumerate(REGIONS)}

    table = _tidy(curves)

    def by_pandas() -> np.ndarray:
        tia = table.assign(tia=table["amplitude"] / table["rate_per_h"])
        wide = tia.pivot_table("tia", index=["patient", "draw"], columns="region", aggfunc="sum")
        wide["marrow"] = wide["blood"] * ratio[:N_BY_PANDAS].ravel()
        patient = wide.index.get_level_values("patient").to_numpy()
        return np.column_stack(
            [
                (wide[list(SOURCES)].to_numpy() * matrix[patient, i]).sum(1)
                for i in range(len(REGIONS))
            ]
        )

    announce("doses of a cohort: numpy, pandas")
    mine, numpy_s = ours(), by_numpy()
    pandas_s = by_pandas().reshape(N_BY_PANDAS, N_DRAWS, -1)
    for i, region in enumerate(REGIONS):
        np.testing.assert_allclose(mine[region], numpy_s[region], rtol=1e-9)
        np.testing.assert_allclose(mine[region][:N_BY_PANDAS], pandas_s[..., i], rtol=1e-9)
    n = N_PATIENTS * N_DRAWS
    row(
        "five doses of one draw, 1,000 x 1,000 draws",
        process_seconds(ours) / n,
        {
            "numpy": process_seconds(by_numpy) / n,
            "pandas, 20 patients": process_seconds(by_pandas) / (N_BY_PANDAS * N_DRAWS),
        },
        "within 1e-9",
    )


def _curves(rng: np.random.Generator) -> dict[str, SumOfExponentials]:
    typical = {"blood": (0.2, 0.03), "kidneys": (200, 0.015), "liver": (150, 0.012),
               "spleen": (60, 0.012), "whole_body": (9000, 0.02)}  # fmt: skip
    shape = (N_PATIENTS, 1, N_DRAWS, 2)
    return {
        name: SumOfExponentials(
            size * rng.uniform(0.2, 1.0, shape), slow * rng.uniform(1.0, 1.3, shape) * [1.0, 4.0]
        )
        for name, (size, slow) in typical.items()
    }


def _matrices(weight_kg: np.ndarray) -> np.ndarray:
    """Dose of each region per TIA of each of `SOURCES`, written out once more, by patient."""
    table, mass = s_value_table("Lu-177", "male"), REFERENCE_MASS_G["male"]
    blood = blood_dose_coefficients("Lu-177", "male")
    values = np.zeros((N_PATIENTS, len(REGIONS), len(SOURCES)))
    values[:, 0, SOURCES.index("blood")] = blood.electron_gy_ml_per_gbq_h / 1000
    photons = blood.photon_gy_kg23_per_gbq_h / 1000
    values[:, 0, SOURCES.index("whole_body")] = photons * weight_kg ** (-2 / 3)
    for i, target in enumerate(REGIONS[1:], start=1):
        sources = list(dict.fromkeys((target, *ORGANS)))
        rest = table.remainder(target, sources)
        remainder = rest.electron + rest.photon * (73 / weight_kg) ** (2 / 3)
        values[:, i, SOURCES.index("whole_body")] = remainder
        for source in sources:
            per_unit = mass["marrow"] if source == "marrow" else 1.0
            values[:, i, SOURCES.index(source)] = per_unit * (
                table.s_value(target, source).total - remainder
            )
    return values


def _tidy(curves: dict[str, SumOfExponentials]) -> pd.DataFrame:
    """One row a patient, draw, region and term."""
    patient, draw, term = (
        axis.ravel() for axis in np.indices((N_BY_PANDAS, N_DRAWS, 2), dtype=np.int32)
    )
    return pd.concat(
        pd.DataFrame(
            {
                "patient": patient,
                "draw": draw,
                "term": term,
                "region": name,
                "amplitude": curve.amplitude[:N_BY_PANDAS].ravel(),
                "rate_per_h": curve.rate_per_h[:N_BY_PANDAS].ravel(),
            }
        )
        for name, curve in curves.items()
    )
