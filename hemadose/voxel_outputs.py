"""Files of `hemadose voxel`: all of them, or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dosimetry.errors import DosimetryError
from hemadose.errors import HemadoseError
from hemadose.voxel_command import VoxelResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("nifti", "rtdose", "csv")
_MOST_REGIONS = 5
_FILES = {
    "nifti": ("dose.nii.gz", "dose_rate.nii.gz", "tia.nii.gz"),
    "rtdose": ("dose.dcm",),
    "csv": ("regions.csv", "marrow.csv", "dvh.csv", "figure.png", "figure.pdf"),
}


def require_free(folder: Path, formats: Sequence[str], *, force: bool) -> None:
    """Check, before anything is computed, that no result would be overwritten.

    Parameters
    ----------
    folder : Path
        Where results go.
    formats : sequence of str
        Of `FORMATS`.
    force : bool
        Whether files may be replaced.

    Raises
    ------
    HemadoseError
        If a format is not legal, or a file exists and `force` is not set.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise HemadoseError(f"--format: got {unknown or 'none'}, legal are {', '.join(FORMATS)}")
    if folder.exists() and not folder.is_dir():
        raise HemadoseError(f"--out: {folder} is not a folder")
    names = [name for kind in formats for name in _FILES[kind] if (folder / name).exists()]
    if names and not force:
        raise HemadoseError(
            f"{folder} holds results ({names[0]}); name another --out, or --force to replace them"
        )


def write_voxel(
    result: VoxelResult, folder: Path, *, formats: Sequence[str], anonymise: bool = False
) -> list[Path]:
    """Write maps, tables and figure beside the folder, then move them into it.

    Parameters
    ----------
    result : VoxelResult
        What to write.
    folder : Path
        Made if it does not exist; files of an earlier run are replaced.
    formats : sequence of str
        Of `FORMATS`.
    anonymise : bool
        Whether the identity of the patient is left out of DICOM.

    Returns
    -------
    list of Path

    Raises
    ------
    HemadoseError
        If a file cannot be written.
    """
    if "rtdose" in formats and result.dose.unit != "Gy":
        raise HemadoseError(
            "--format rtdose: RTDOSE holds doses in Gy, this is a dose rate; give more images, or "
            "--half-life"
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".writing_", dir=folder) as place:
            draft = Path(place)
            if "nifti" in formats:
                _write_maps(result, draft)
            if "rtdose" in formats:
                _write_rtdose(result, draft, anonymise=anonymise)
            if "csv" in formats:
                _write_tables(result, draft)
            paths = []
            for path in sorted(draft.iterdir()):
                os.replace(path, folder / path.name)
                paths.append(folder / path.name)
    except DosimetryError as error:
        raise HemadoseError(str(error)) from None
    return paths


def _write_maps(result: VoxelResult, folder: Path) -> None:
    from dosimetry.imaging import write_nifti

    name = "dose" if result.dose.unit == "Gy" else "dose_rate"
    write_nifti(result.dose, folder / f"{name}.nii.gz")
    if result.tia is not None:
        write_nifti(result.tia.tia, folder / "tia.nii.gz")


def _write_rtdose(result: VoxelResult, folder: Path, *, anonymise: bool) -> None:
    from dosimetry.imaging import write_rtdose

    # noise of the images makes some doses negative, which RTDOSE cannot hold
    dose = result.dose.with_values(np.clip(np.asarray(result.dose.values), 0.0, None), "Gy")
    series = result.inputs.series
    write_rtdose(
        dose,
        folder / "dose.dcm",
        identity=series.identity if series else None,
        frame_of_reference_uid=series.frame_of_reference_uid if series else "",
        anonymise=anonymise,
        comment=f"{result.nuclide}, {result.method}, negative doses set to 0. Research use.",
    )


def _write_tables(result: VoxelResult, folder: Path) -> None:
    import pandas as pd

    from dosimetry.imaging import write_table

    if len(result.regions):
        write_table(result.regions, folder / "regions.csv")
    if len(result.marrow):
        write_table(result.marrow, folder / "marrow.csv")
    if result.histograms:
        frames = [h.to_frame().assign(region=h.region) for h in result.histograms]
        table = pd.concat(frames, ignore_index=True)
        write_table(table[["region", *table.columns.drop("region")]], folder / "dvh.csv")
    figure = draw_voxel(result)
    figure.savefig(folder / "figure.png", dpi=200)
    figure.savefig(folder / "figure.pdf")


def draw_voxel(result: VoxelResult) -> Figure:
    """Coronal slice of the highest dose with outlines of regions, and the histograms.

    Colours follow the square root of the dose, so that organs of low dose show beside a tumour.
    Five regions at most are drawn, those of the highest mean dose.
    """
    from matplotlib.figure import Figure

    from dosimetry.voxels import plot_dvh, plot_slice
    from hemadose.report.style import figure_style

    dose = result.dose
    coronal = int(np.abs(dose.affine[1, :3] / dose.voxel_mm).argmax())  # front to back
    place = int(np.unravel_index(int(dose.values.argmax()), dose.shape)[coronal])
    masks = result.inputs.masks.regions
    histograms = sorted(result.histograms, key=lambda h: -h.mean_gy)[:_MOST_REGIONS]
    names = [h.region for h in histograms] or list(masks)[:_MOST_REGIONS]
    histograms = [replace(h, region=_plain(h.region)) for h in histograms]
    outlines = [(_plain(name), masks[name].values) for name in names]
    n = 2 if histograms else 1
    with figure_style():
        figure = Figure(figsize=(4.6 + 6.2 * (n - 1), 3.6), layout="constrained")
        axes = figure.subplots(1, n, squeeze=False).ravel()
        plot_slice(dose, axes[0], axis=coronal, index=place, outlines=outlines, square_root=True)
        axes[0].set_title("Absorbed dose" if dose.unit == "Gy" else "Dose rate")
        if histograms:
            plot_dvh(histograms, axes[1])
            axes[1].set_title("Dose-volume histograms")
            legend = axes[1].get_legend()
            if legend is not None:
                legend.set_loc("upper left")
                legend.set_bbox_to_anchor((1.0, 1.0))
    return figure


def _plain(name: str) -> str:
    """Name of a region that a figure shows as it is: no formula, no hidden entry."""
    return name.replace("$", r"\$").lstrip("_")
