"""What each dose of a cohort is made of: coefficients of the sources, for all patients at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dosimetry._sources import BLOOD_REGIONS, emission_notes, local_s_value, whole_body_photon_scale
from dosimetry.anatomy import REFERENCE_MASS_G, Anatomy
from dosimetry.blood import photon_coefficient
from dosimetry.chains import RadiationSource, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.s_values import SValue, SValueTable, s_value_table, scaled_self_s_value

FloatArray = npt.NDArray[np.float64]
Rows = dict[tuple[str, str], dict[str, FloatArray]]
"""Dose per integral of each source (n_patients,), by (region, contribution)."""

_NOT_ORGANS = ("blood", "marrow", "whole_body")


@dataclass(frozen=True, eq=False)
class Cohort:
    """Patients, the sources given, and how doses are computed."""

    anatomies: tuple[Anatomy, ...]
    source: RadiationSource
    columns: tuple[str, ...]
    marrow_model: str
    bone_in_remainder: bool
    marrow_volume_per_mass_ml_per_g: float
    blood_density_g_per_ml: float

    @property
    def organs(self) -> list[str]:
        """Sources with an activity of their own."""
        return [name for name in self.columns if name not in _NOT_ORGANS]

    def masses_g(self, region: str) -> FloatArray:
        """Mass of a region in every patient (g), shape (n_patients,)."""
        masses = [anatomy.mass_g(region) for anatomy in self.anatomies]
        if any(mass.ndim for mass in masses):
            raise DosimetryError(
                f"a cohort takes one {region} mass a patient; give its spread as s_value_factor"
            )
        return np.array(masses, dtype=np.float64)


def dose_rows(cohort: Cohort) -> tuple[Rows, tuple[str, ...]]:
    """Coefficients of every contribution to every region, and what was assumed."""
    rows: Rows = {}
    notes: list[str] = [*emission_notes(emitter_of(cohort.source))]
    for sex in sorted({anatomy.sex for anatomy in cohort.anatomies}):
        chosen = np.array([anatomy.sex == sex for anatomy in cohort.anatomies])
        table = s_value_table(cohort.source, sex, marrow_model=cohort.marrow_model)
        notes += table.assumptions
        of_sex = _marrow_rows(cohort, table) | _organ_rows(cohort, table)
        if "blood" in cohort.columns:
            of_sex |= _blood_rows(cohort, sex)
        for key, coefficients in of_sex.items():
            row = rows.setdefault(key, {})
            for column, value in coefficients.items():
                row[column] = np.where(chosen, value, row.get(column, 0.0))
    if "whole_body" not in cohort.columns:
        notes.append(
            "no whole-body curve: the remainder is left out, and the activity in the blood stands "
            "in for the body in the photon dose of the blood: lower bounds"
        )
    return rows, tuple(dict.fromkeys(notes))


def _blood_rows(cohort: Cohort, sex: str) -> Rows:
    local = local_s_value(emitter_of(cohort.source))
    rows = _rows("blood", "self", {"blood": 1 / cohort.blood_density_g_per_ml}, local)
    weight_kg = cohort.masses_g("whole_body") / 1000
    photon = photon_coefficient(cohort.source, sex) * weight_kg ** (-2 / 3)
    body: dict[str, npt.ArrayLike] = {"whole_body": 1.0}
    if "whole_body" not in cohort.columns:
        cohort.masses_g("blood")  # one a patient
        body = {"blood": np.array([patient.blood_volume_ml() for patient in cohort.anatomies])}
    return rows | _rows("blood", "whole_body", body, SValue(0.0, photon))


def _marrow_rows(cohort: Cohort, table: SValueTable) -> Rows:
    mass_g = cohort.masses_g("marrow")
    activity = {"marrow": mass_g * cohort.marrow_volume_per_mass_ml_per_g}
    own = _self_s_value(cohort, table, "marrow")
    rows = _rows("marrow", "self", activity, own)
    return rows | _cross_rows(cohort, table, "marrow", activity)


def _organ_rows(cohort: Cohort, table: SValueTable) -> Rows:
    rows: Rows = {}
    for organ in cohort.organs:
        if (organ, organ) in table.values:
            rows |= _rows(organ, "self", {organ: 1.0}, _self_s_value(cohort, table, organ))
            rows |= _cross_rows(cohort, table, organ, {organ: 1.0})
    return rows


def _self_s_value(cohort: Cohort, table: SValueTable, region: str) -> SValue:
    return scaled_self_s_value(
        table.s_value(region, region),
        reference_g=REFERENCE_MASS_G[table.sex][region],
        patient_g=cohort.masses_g(region),
    )


def _cross_rows(
    cohort: Cohort, table: SValueTable, target: str, own: Mapping[str, npt.ArrayLike]
) -> Rows:
    """From the other organs and the remainder; `own` is the target's activity by column."""
    rows: Rows = {}
    others = [organ for organ in cohort.organs if organ != target]
    for organ in others:
        rows |= _rows(target, organ, {organ: 1.0}, table.s_value(target, organ))
    if "whole_body" not in cohort.columns:
        return rows
    taken = {column: -np.asarray(share) for column, share in own.items()}
    remainder = {"whole_body": np.ones(()), **dict.fromkeys(others, -np.ones(())), **taken}
    regions = [target, *(organ for organ in others if organ not in BLOOD_REGIONS)]
    reference = table.remainder(target, regions, bone_in_remainder=cohort.bone_in_remainder)
    scale = whole_body_photon_scale(table.sex, cohort.masses_g("whole_body") / 1000)
    s_value = SValue(reference.electron, reference.photon * scale, reference.alpha)
    return rows | _rows(target, "remainder", remainder, s_value)


def _rows(target: str, origin: str, activity: Mapping[str, npt.ArrayLike], s_value: SValue) -> Rows:
    """One row a radiation whose part is not zero."""
    parts = {"alpha": s_value.alpha, "electrons": s_value.electron, "photons": s_value.photon}
    return {
        (target, f"{origin}_{radiation}"): {
            column: np.asarray(share * np.asarray(part)) for column, share in activity.items()
        }
        for radiation, part in parts.items()
        if np.any(np.asarray(part) != 0)
    }
