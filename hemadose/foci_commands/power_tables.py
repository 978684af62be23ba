"""Tables, documents, files and figure of `hemadose foci power`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hemadose.foci_commands.outputs import (
    figure_writers,
    records,
    require_free,
    table_writer,
    write_all,
)
from hemadose.foci_commands.power import PowerResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FILES = ("power.csv", "cells_needed.csv", "power.png", "power.pdf")


def power_table(found: PowerResult) -> pd.DataFrame:
    """One row a number of cells and dose: power, and the smallest dose so many cells show."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "cells": cells,
                "dose_mgy": 1000 * dose,
                "power": power,
                "smallest_dose_mgy": 1000 * smallest,
            }
            for cells, row, smallest in zip(
                found.study.cells.tolist(),
                found.power.tolist(),
                found.study.detectable_dose_gy.tolist(),
                strict=True,
            )
            for dose, power in zip(found.dose_gy.tolist(), row, strict=True)
        ]
    )


def cells_table(found: PowerResult) -> pd.DataFrame:
    """One row a dose: cells to detect it, and to know it within the half-width."""
    import pandas as pd

    rows = [need.to_dict() for need in found.needed]
    frame = pd.DataFrame(rows).astype({"detection": "Int64", "precision": "Int64"})
    frame.insert(0, "dose_mgy", 1000 * frame.pop("dose_gy"))
    names = {"detection": "cells_to_detect", "precision": "cells_for_half_width"}
    return frame.rename(columns=names)


def power_document(found: PowerResult, paths: list[Path]) -> dict[str, object]:
    """Both tables as a document for JSON."""
    return {
        "schema": "hemadose.foci_power",
        "schema_version": "1.0",
        "calibration": found.curve.source,
        "baseline_per_cell": found.options.baseline_per_cell,
        "baseline_cells": found.options.baseline_cells,
        "alpha": found.study.counting.alpha,
        "dispersion": found.study.counting.dispersion,
        "power": records(power_table(found)),
        "cells_needed": [
            {
                "dose_mgy": 1000 * need.dose_gy,
                "cells_to_detect": need.detection,
                "cells_for_half_width": need.precision,
                "power": need.power,
                "half_width": need.half_width,
                "level": need.level,
                "status": need.status,
            }
            for need in found.needed
        ],
        "assumptions": list(found.curve.assumptions),
        "files": [str(path) for path in paths],
    }


def draw_power(found: PowerResult) -> Figure:
    """Power against dose, one line a number of cells; the doses asked for as ticks."""
    from matplotlib.figure import Figure

    from foci import plot_power
    from hemadose.report.style import GREY, figure_style

    with figure_style():
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        ax = plot_power(found.study, ax=figure.add_subplot())
        for dose in found.dose_gy:
            ax.axvline(1000 * dose, color=GREY, lw=0.6, alpha=0.5)
    return figure


def require_free_for(folder: Path, *, force: bool) -> None:
    """Check that no table would be overwritten."""
    require_free(folder, FILES, force=force)


def write_power(found: PowerResult, folder: Path) -> list[Path]:
    """Write tables and the figure; where they are."""
    tables = {
        "power.csv": table_writer(power_table(found)),
        "cells_needed.csv": table_writer(cells_table(found)),
    }
    figure = figure_writers(draw_power(found), "power")
    return write_all(folder, tables | figure, replaced=FILES)
