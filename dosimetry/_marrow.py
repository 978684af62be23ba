"""What all methods of the marrow dose share: self dose, cross dose and their assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt

from dosimetry._sources import (
    Curves,
    check_sources,
    cross_dose,
    dose_curves,
    emission_notes,
    scaled_all,
    scaled_by,
    self_s_value,
    table_for,
)
from dosimetry.anatomy import Anatomy
from dosimetry.chains import RadiationSource, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.metastases import SkeletalMetastasis, metastases_to_marrow
from dosimetry.results import AbsorbedDose
from dosimetry.s_values import SValueTable
from kinetics import SumOfExponentials


@dataclass(frozen=True, eq=False)
class MarrowSurroundings:
    """What lies around the marrow, and how its dose is computed: shared by all methods."""

    anatomy: Anatomy
    organ_mbq: Mapping[str, SumOfExponentials] | None
    whole_body_mbq: SumOfExponentials | None
    metastases: Mapping[str, SkeletalMetastasis] | None
    marrow_model: str
    s_values: SValueTable | None
    bone_in_remainder: bool
    s_value_factor: npt.ArrayLike


def marrow_dose(
    parts_mbq_per_g: Mapping[str, SumOfExponentials],
    source: RadiationSource,
    around: MarrowSurroundings,
    *,
    method: str,
    notes: tuple[str, ...],
) -> AbsorbedDose:
    """Marrow dose from the concentration in marrow, in one or more parts by origin."""
    emitter = emitter_of(source)
    anatomy, organs = around.anatomy, dict(around.organ_mbq or {})
    metastases = around.metastases or {}
    if "marrow" in organs:
        raise DosimetryError("organ_mbq holds the other regions; marrow is the first argument")
    table = table_for(source, anatomy, around.s_values, marrow_model=around.marrow_model)
    marrow_mbq = {
        origin: scaled_by(curve, anatomy.mass_g("marrow"), "the marrow mass")
        for origin, curve in parts_mbq_per_g.items()
    }
    lesion_mbq = {name: lesion.activity_mbq for name, lesion in metastases.items()}
    whole_body = {} if around.whole_body_mbq is None else {"whole-body": around.whole_body_mbq}
    total_mbq = reduce(add, marrow_mbq.values())
    check_sources({"marrow": total_mbq} | organs | lesion_mbq | whole_body, emitter)
    s_value = self_s_value("marrow", table, anatomy)
    curves: Curves = {}
    for origin, curve in marrow_mbq.items():
        curves |= dose_curves(origin, curve, s_value)
    cross, cross_notes = cross_dose(
        "marrow",
        organs | {"marrow": total_mbq},
        around.whole_body_mbq,
        table,
        anatomy,
        bone_in_remainder=around.bone_in_remainder,
        elsewhere_mbq=lesion_mbq,
    )
    near, near_notes = metastases_to_marrow(metastases, source, table=table, anatomy=anatomy)
    return AbsorbedDose(
        region="marrow",
        method=method,
        contributions=scaled_all(curves | cross | near, around.s_value_factor),
        assumptions=(
            *notes,
            *emission_notes(emitter),
            *table.assumptions,
            *anatomy.mass_assumption("marrow"),
            *cross_notes,
            *near_notes,
        ),
    )


def with_large_vessels(
    organ_mbq: Mapping[str, SumOfExponentials] | None,
    blood_mbq_per_ml: SumOfExponentials,
    large_vessel_volume_ml: npt.ArrayLike | None,
) -> tuple[dict[str, SumOfExponentials], tuple[str, ...]]:
    """The organs, and the blood in heart and large vessels as the source heart_contents."""
    organs = dict(organ_mbq or {})
    if large_vessel_volume_ml is None:
        return organs, ()
    volume = np.asarray(large_vessel_volume_ml, dtype=np.float64)
    if "heart_contents" in organs:
        raise DosimetryError("give either large_vessel_volume_ml or heart_contents, not both")
    if not (np.isfinite(volume).all() and (volume > 0).all()):
        raise DosimetryError(
            f"large_vessel_volume_ml must be positive, got {large_vessel_volume_ml!r}"
        )
    organs["heart_contents"] = scaled_by(blood_mbq_per_ml, volume, "large_vessel_volume_ml")
    return organs, (
        f"ASSUMED: photons of {volume.mean():.0f} mL blood in heart and large vessels reach marrow "
        "like those of the heart contents",
    )
