"""The command `hemadose voxel`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hemadose.terminal import AsJson, bad_input_exits_with_2, print_json, progress_bar


def voxel(
    activity: Annotated[
        list[Path],
        typer.Argument(
            metavar="ACTIVITY...",
            help="One image a time: NIfTI, DICOM folder, or multi-frame DICOM file.",
        ),
    ],
    nuclide: Annotated[str, typer.Option("--nuclide", help="Radionuclide, as Lu-177 or I-131.")],
    times: Annotated[
        str | None,
        typer.Option(
            "--times", metavar="H,H,...", help="Hours after the injection; DICOM may know."
        ),
    ] = None,
    injected_at: Annotated[
        str | None,
        typer.Option("--injected-at", metavar="DATETIME", help="As 2026-01-31T09:30, for DICOM."),
    ] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="Of NIfTI activity, as MBq/mL or Bq/mL.")
    ] = None,
    calibration: Annotated[
        float | None,
        typer.Option("--calibration", metavar="MBQ", help="MBq per count, for DICOM in counts."),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option("--masks", help="Label image or folder of masks (NIfTI), SEG or RTSTRUCT."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Names of labels: CSV (label,name), JSON or YAML."),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option("--region", help="Region wanted, all if none; may be repeated."),
    ] = None,
    ct: Annotated[
        Path | None, typer.Option("--ct", help="CT (DICOM folder or NIfTI in HU) for the density.")
    ] = None,
    density: Annotated[
        Path | None, typer.Option("--density", help="Density in g/mL (NIfTI), instead of a CT.")
    ] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="Allow masks and CT on another grid.")
    ] = False,
    method: Annotated[
        str, typer.Option("--method", help="Several images: mono, trapezoid or shared (a region).")
    ] = "mono",
    half_life: Annotated[
        float | None,
        typer.Option(
            "--half-life", metavar="H", help="One image: effective half-life; dose rate if none."
        ),
    ] = None,
    kernel_mm: Annotated[
        float, typer.Option("--kernel-mm", help="How far from a voxel radiation is followed.")
    ] = 100.0,
    above: Annotated[
        str, typer.Option("--above", metavar="GY,GY,...", help="Doses x of V_x in the table.")
    ] = "2,10,20",
    geud: Annotated[
        float | None, typer.Option("--geud", metavar="A", help="Exponent of gEUD in the table.")
    ] = None,
    sex: Annotated[
        str | None,
        typer.Option("--sex", help="male or female: marrow dose from regions vertebra... ."),
    ] = None,
    marrow_fractions: Annotated[
        str | None,
        typer.Option(
            "--marrow-fractions",
            metavar="F,F,F",
            help="Spongiosa in vertebrae, marrow in spongiosa, red in marrow.",
        ),
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Of nifti, rtdose, csv (with the figure).")
    ] = "nifti,csv",
    anonymise: Annotated[
        bool, typer.Option("--anonymise", help="Leave the patient out of RTDOSE.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")] = Path(
        "voxel_result"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace earlier results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Dose maps from activity images: time-integrated activity, dose, histograms, regions.

    Activity is as present at each time, not decay-corrected to the injection (DICOM that is, is
    put right). Writes maps (dose, tia), regions.csv, dvh.csv, marrow.csv and a figure.

    Example: hemadose voxel d1.nii.gz d4.nii.gz d7.nii.gz --unit MBq/mL --times 24,96,168
    --nuclide Lu-177 --masks labels.nii.gz --labels names.csv --out /tmp/dose
    """
    from hemadose.voxel_command import (
        STEPS,
        DoseOptions,
        numbers,
        voxel_dose,
    )
    from hemadose.voxel_inputs import VoxelOptions, moment
    from hemadose.voxel_outputs import require_free, write_voxel
    from hemadose.voxel_tables import voxel_document, voxel_text

    with bad_input_exits_with_2():
        kinds = [kind.strip() for kind in formats.split(",") if kind.strip()]
        require_free(out, kinds, force=force)
        reading = VoxelOptions(
            nuclide,
            times_h=numbers(times, "--times"),
            unit=unit,
            calibration_mbq_per_count=calibration,
            injected_at=moment(injected_at),
            masks=masks,
            labels=labels,
            ct=ct,
            density=density,
            regions=tuple(region or ()),
            resample=resample,
        )
        wanted = DoseOptions(
            method=method,
            effective_half_life_h=half_life,
            kernel_mm=kernel_mm,
            above_gy=numbers(above, "--above"),
            geud_a=geud,
            sex=sex,
            marrow_fractions=numbers(marrow_fractions, "--marrow-fractions"),
        )
        with progress_bar(STEPS) as progress:
            result = voxel_dose(activity, reading, wanted, progress=progress)
            progress("writing")
            paths = write_voxel(result, out, formats=kinds, anonymise=anonymise)
        if as_json:
            print_json(voxel_document(result, paths))
            return
        typer.echo(voxel_text(result))
        typer.echo(f"\nMaps, tables and figure: {out}")
