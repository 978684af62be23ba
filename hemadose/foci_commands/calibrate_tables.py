"""Tables, documents and files of `hemadose foci calibrate`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hemadose.foci_commands.calibrate import Calibration, LaboratoryFit
from hemadose.foci_commands.calibrate_figure import draw_calibration
from hemadose.foci_commands.outputs import (
    figure_writers,
    plain,
    records,
    require_free,
    table_writer,
    write_all,
)

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("calibration.csv", "coefficients.csv")
CURVES = ("curve.json", "combined_mean.json", "combined_new_laboratory.json")
FILES = (*CURVES, *TABLES, "calibration.png", "calibration.pdf")


def sample_table(found: Calibration) -> pd.DataFrame:
    """One row a sample: counts, curve, residual and dispersion of its cells."""
    import pandas as pd

    return pd.concat([_samples(one) for one in found.laboratories], ignore_index=True)


def _samples(one: LaboratoryFit) -> pd.DataFrame:
    frame = one.fit.to_frame()
    frame.insert(0, "laboratory", one.series.laboratory)
    frame.insert(1, "sample", [row.sample for row in one.series.rows])
    frame.insert(2, "slide", [row.slide for row in one.series.rows])
    frame.insert(3, "dose_mgy", 1000 * frame.pop("dose_gy"))
    frame["dispersion_index"] = [test.index if test else None for test in one.tests]
    frame["dispersion_u"] = [test.u if test else None for test in one.tests]
    frame["dispersion_p"] = [test.p_value if test else None for test in one.tests]
    return frame


def coefficient_table(found: Calibration) -> pd.DataFrame:
    """One row a curve and coefficient: value, SD, unit, correlations, goodness of fit."""
    import pandas as pd

    frames = []
    for one in found.laboratories:
        frame = one.fit.curve.to_frame()
        frame.insert(0, "curve", one.series.laboratory)
        frame["dispersion"] = one.fit.curve.dispersion
        frame["goodness_of_fit_p"] = one.fit.goodness_of_fit_p
        frame["aic"] = one.fit.aic
        frames.append(frame.assign(status=one.fit.curve.status))
    if found.combined is not None:
        for name in ("mean", "new_laboratory"):
            curve = getattr(found.combined, name)
            frame = curve.to_frame()
            frame.insert(0, "curve", f"combined, {name.replace('_', ' ')}")
            frames.append(frame.assign(dispersion=curve.dispersion, status=found.combined.status))
    return pd.concat(frames, ignore_index=True)


def calibration_document(found: Calibration, paths: list[Path]) -> dict[str, object]:
    """The curves and their fits as a document for JSON."""
    combined = None
    if found.combined is not None:
        names = ("scale", "cochran_q", "p_value", "status")
        combined = {name: plain(getattr(found.combined, name)) for name in names} | {
            name: plain(getattr(found.combined, name).to_dict())
            for name in ("mean", "new_laboratory")
        }
    return {
        "schema": "hemadose.foci_calibration",
        "schema_version": "1.0",
        "model": found.model,
        "laboratories": [
            {"laboratory": one.series.laboratory, **plain(one.fit.to_dict())}
            for one in found.laboratories
        ],
        "combined": combined,
        "samples": records(sample_table(found)),
        "notes": list(found.notes),
        "files": [str(path) for path in paths],
    }


def require_free_for(folder: Path, *, force: bool) -> None:
    """Check that no calibration would be overwritten."""
    require_free(folder, FILES, force=force)


def write_calibration(found: Calibration, folder: Path) -> list[Path]:
    """Write the curves (JSON), tables and the figure; where they are."""
    from foci import write_curve

    curves = {f"{name}.json": partial(write_curve, curve) for name, curve in found.curves.items()}
    tables = zip(TABLES, (sample_table(found), coefficient_table(found)), strict=True)
    return write_all(
        folder,
        curves
        | {name: table_writer(table) for name, table in tables}
        | figure_writers(draw_calibration(found), "calibration"),
        replaced=FILES,
    )
