"""Tables and words of `hemadose voxel`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hemadose.errors import HemadoseError

if TYPE_CHECKING:
    import pandas as pd

    from dosimetry.chains import DecayChain
    from dosimetry.voxels.dvh import DoseVolumeHistogram
    from dosimetry.voxels.image import VoxelImage
    from dosimetry.voxels.tia_result import TiaMap
    from hemadose.voxel_command import DoseOptions, VoxelResult
    from hemadose.voxel_inputs import VoxelInputs

_VERTEBRA = "vertebra"
_NOT_FREE = (2, 3, 4)  # codes of `TIA_STATUS`: rate at a bound, or not fitted
_WORTH_A_NOTE = 0.01  # of the time-integrated activity


def region_table(
    dose: VoxelImage,
    tia: TiaMap | None,
    inputs: VoxelInputs,
    histograms: Sequence[DoseVolumeHistogram],
    wanted: DoseOptions,
) -> pd.DataFrame:
    """One row a region: volume, mass, activity, dose or dose rate."""
    import pandas as pd

    from dosimetry.voxels import region_statistics

    regions = inputs.masks.regions
    if tia is None:
        rates = region_statistics(dose, regions)
        activity = region_statistics(inputs.images[0], regions)
        return pd.DataFrame(
            [
                {
                    "region": name,
                    "volume_ml": row.volume_ml,
                    "activity_mbq": activity[name].total,
                    "mean_gy_per_h": row.mean,
                    "sd_gy_per_h": row.sd,
                    "max_gy_per_h": row.maximum,
                }
                for name, row in rates.items()
            ]
        )
    totals = region_statistics(tia.tia, regions)
    masses = region_statistics(inputs.density, regions) if inputs.density is not None else {}
    rows = []
    for histogram in histograms:
        name = histogram.region
        row: dict[str, object] = {"region": name, "volume_ml": totals[name].volume_ml}
        if masses:
            row["mass_g"] = masses[name].total
        row |= {
            "tia_mbq_h": totals[name].total,
            "mean_gy": histogram.mean_gy,
            "d98_gy": histogram.near_min_gy,
            "d50_gy": histogram.dose_to_hottest(pct=50.0),
            "d2_gy": histogram.near_max_gy,
        }
        above = 100 * histogram.volume_above(wanted.above_gy) / histogram.volume_ml
        row |= {f"v{x:g}_pct": float(v) for x, v in zip(wanted.above_gy, above, strict=True)}
        if wanted.geud_a is not None:
            positive = histogram.min_gy >= 0
            row["geud_gy"] = histogram.geud_gy(wanted.geud_a) if positive else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def voxel_notes(
    tia: TiaMap | None, histograms: Sequence[DoseVolumeHistogram], wanted: DoseOptions
) -> tuple[str, ...]:
    """What the tables do not show: activity whose rate was not fitted, and gEUD left empty."""
    notes = []
    if tia is not None:
        status = tia.to_frame()
        share = status["tia_mbq_h"] / np.abs(status["tia_mbq_h"]).sum()
        notes += [
            f"{100 * part:.0f} % of the time-integrated activity is in voxels with: {words}"
            for code, words, part in zip(status["code"], status["status"], share, strict=True)
            if code in _NOT_FREE and abs(part) >= _WORTH_A_NOTE
        ]
    negative = [h.region for h in histograms if h.min_gy < 0]
    if wanted.geud_a is not None and negative:
        notes.append(f"no gEUD of {', '.join(negative)}: some doses there are negative")
    return tuple(notes)


def marrow_table(
    tia: TiaMap | None, inputs: VoxelInputs, wanted: DoseOptions, chain: DecayChain
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Dose of red marrow from all regions named vertebra..., by each model that can be used."""
    import pandas as pd

    from dosimetry.s_values import MARROW_MODELS, s_value_table
    from dosimetry.voxels import VERTEBRA_MODELS, vertebral_marrow_dose

    if wanted.sex is None:
        return pd.DataFrame(), ()
    found = [name for name in inputs.masks.regions if name.casefold().startswith(_VERTEBRA)]
    if not found or tia is None:
        raise HemadoseError(
            "--sex: the dose of marrow needs a time-integrated activity and regions whose names "
            f"begin with {_VERTEBRA!r}; there are {', '.join(inputs.masks.regions) or 'none'}"
        )
    parts = [np.asarray(inputs.masks.regions[name].values, dtype=np.float64) for name in found]
    vertebrae = tia.tia.with_values(np.minimum(np.sum(parts, axis=0), 1.0), "fraction")
    names = ("spongiosa_fraction", "marrow_fraction", "cellularity")
    given: dict[str, Any] = dict(zip(names, wanted.marrow_fractions, strict=False))
    rows: list[dict[str, object]] = []
    assumptions: list[str] = []
    for marrow_model, (model, (needed, _)) in product(MARROW_MODELS, VERTEBRA_MODELS.items()):
        if not set(needed) <= set(given):
            continue
        result = vertebral_marrow_dose(
            tia.tia,
            vertebrae,
            s_value_table(chain, wanted.sex, marrow_model=marrow_model),
            model=model,
            **{name: given[name] for name in needed},
        )
        assumptions += result.assumptions
        rows.append(
            {
                "model": model,
                "marrow_model": marrow_model,
                "vertebrae": " ".join(found),
                "marrow_mbq_h_per_ml": float(result.concentration_mbq_h_per_ml),
                "self_dose_gy": float(result.dose_gy),
                **{f"{key}_gy": float(v) for key, v in result.contributions_gy.items()},
            }
        )
    return pd.DataFrame(rows), tuple(dict.fromkeys(assumptions))


def voxel_text(result: VoxelResult) -> str:
    """The results in words and columns, for the terminal."""
    times = result.inputs.times_h
    at = "" if times is None else " at " + ", ".join(f"{time:.4g}" for time in times) + " h"
    n = len(result.inputs.images)
    lines = [f"{result.nuclide}, {n} image{'s' if n > 1 else ''}{at}: {result.method}"]
    peak = float(np.asarray(result.dose.values).max())
    lines.append(f"highest voxel: {peak:.4g} {result.dose.unit}")
    for table in (result.regions, result.marrow):
        if len(table):
            lines += ["", table.to_string(index=False, float_format=lambda x: f"{x:.4g}")]
    if not len(result.regions):
        lines += ["", "no masks were given: maps only"]
    lines += ["", *result.notes, *result.assumptions, "Research use, not a medical device."]
    return "\n".join(lines)


def voxel_document(result: VoxelResult, files: Sequence[Path]) -> dict[str, object]:
    """The results as one JSON document."""
    times = result.inputs.times_h
    return {
        "schema": "hemadose.voxel",
        "schema_version": "1.0",
        "nuclide": result.nuclide,
        "times_h": None if times is None else list(times),
        "method": result.method,
        "unit": result.dose.unit,
        "voxel_mm": list(result.dose.voxel_mm),
        "shape": list(result.dose.shape),
        "regions": _records(result.regions),
        "marrow": _records(result.marrow),
        "notes": list(result.notes),
        "assumptions": list(result.assumptions),
        "files": [str(path) for path in files],
    }


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows with null where a number is not finite."""
    return [
        {
            str(key): None if isinstance(value, float) and not np.isfinite(value) else value
            for key, value in row.items()
        }
        for row in table.to_dict("records")
    ]
