"""The command line: plan, check, fit, dose, voxel, foci and demo."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hemadose.foci_commands.cli import foci_app
from hemadose.terminal import AsJson, bad_input_exits_with_2, print_json, progress_bar
from hemadose.trials.simulate_cli import simulate
from hemadose.voxel_cli import voxel

if TYPE_CHECKING:
    from hemadose.planning.plan import Plan

_EXAMPLES = Path(__file__).parents[1] / "examples"
_PACKAGED_EXAMPLES = Path(__file__).with_name("examples")

_STEPS = ("kinetics", "foci", "doses", "blood counts", "planning", "report")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From sparse samples, foci and blood counts to blood and marrow doses, and to the next "
    "cycle's activity. For research; not a medical device.",
)

StudyFolder = Annotated[
    Path, typer.Argument(metavar="STUDY_DIR", help="Study folder, or a folder of study folders.")
]
OutFolder = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where results go. Default: STUDY_DIR/result."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random numbers.")]


@app.command()
def plan(
    study_dir: StudyFolder, out: OutFolder = None, as_json: AsJson = False, seed: Seed = 1
) -> None:
    """Plan the next cycle of a study, or of every study in a folder.

    Example: hemadose plan examples/psma617_cycle1 --out /tmp/result
    """
    from hemadose.study import read_cohort, read_study

    with bad_input_exits_with_2():
        folders = read_cohort(study_dir)
        if folders == [study_dir.resolve()]:
            _plan_one(study_dir, out or study_dir / "result", as_json=as_json, seed=seed)
        else:
            for folder in folders:  # all are valid before the first is planned
                read_study(folder)
            _plan_cohort(folders, out or study_dir / "result", as_json=as_json, seed=seed)


@app.command()
def check(study_dir: StudyFolder) -> None:
    """Validate a study folder (or a folder of them) without planning; writes nothing.

    Example: hemadose check examples/psma617_cycle1
    """
    from hemadose.study import read_cohort, read_study

    with bad_input_exits_with_2():
        for folder in read_cohort(study_dir):
            study = read_study(folder)
            typer.echo(f"{folder}: valid")
            for line in study.rests_on:
                typer.echo(f"  {line}")


@app.command()
def fit(
    table: Annotated[
        Path, typer.Argument(metavar="ACTIVITY_CSV", help="Samples, one a row; see below.")
    ],
    nuclide: Annotated[str, typer.Option("--nuclide", help="Radionuclide, as Lu-177 or I-131.")],
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--form",
            help="Candidate form; may be repeated. Default: mono, bi, tri, uptake, f3a.",
        ),
    ] = None,
    cv: Annotated[
        float,
        typer.Option("--cv", help="Standard deviation as a fraction, where there is no sd column."),
    ] = 0.1,
    administered: Annotated[
        float | None,
        typer.Option("--administered", metavar="MBQ", help="Administered activity, for %IA."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where results go. Default: fit, beside it."),
    ] = None,
) -> None:
    """Fit curves to the samples of a table: time-integrated activity, model average and gates.

    Columns: time_h; activity_mbq or activity_mbq_per_ml, or value and unit; optional patient,
    cycle, region, sd, and below_limit (or blq). The activity.csv of a study folder is legal.
    Values are as present at time_h, not decay-corrected. Writes fits.csv, gates.csv, fits.png and
    fits.pdf.

    Example: hemadose fit examples/psma617_cycle1/activity.csv --nuclide Lu-177 --out /tmp/fit
    """
    from hemadose.fit_command import fit_table, fit_text, write_fit

    with bad_input_exits_with_2():
        results = fit_table(
            table, nuclide=nuclide, forms=form or (), relative_sd=cv, administered_mbq=administered
        )
        paths = write_fit(results, out or table.parent / "fit")
        typer.echo(fit_text(results, nuclide=nuclide, relative_sd=cv))
        typer.echo(f"\nTables and figure: {paths[0].parent}")


@app.command()
def dose(
    study_dir: StudyFolder,
    out: OutFolder = None,
    as_json: AsJson = False,
    cycle: Annotated[
        int | None, typer.Option("--cycle", help="Only this cycle. Default: all and the next.")
    ] = None,
    seed: Seed = 1,
) -> None:
    """Absorbed doses by region, contribution, method and marrow model.

    Marrow by blood and by image where the study holds both, and with both marrow models. Writes
    doses.csv, doses.png and doses.pdf; for a folder of studies, one folder each.

    Example: hemadose dose examples/psma617_cycle1 --cycle 1 --out /tmp/dose
    """
    from hemadose.dose_command import dose_document, dose_report, dose_text, write_doses
    from hemadose.study import read_cohort, read_study

    with bad_input_exits_with_2():
        folders = read_cohort(study_dir)
        studies = [read_study(folder) for folder in folders]  # all are valid before the first
        target = out or study_dir / "result"
        alone = folders == [study_dir.resolve()]
        documents = []
        for study in studies:
            report = dose_report(study, seed=seed, cycle=cycle)
            folder = target if alone else target / study.folder.name
            paths = write_doses(report, folder)
            documents.append(dose_document(report))
            if not as_json:
                typer.echo(f"{dose_text(report)}\n\nTable and figure: {paths[0].parent}\n")
    if as_json:
        schema: dict[str, object] = {"schema": "hemadose.doses", "schema_version": "1.0"}
        print_json(documents[0] if alone else schema | {"studies": documents})


app.command()(voxel)
app.command()(simulate)
app.add_typer(foci_app, name="foci")


@app.command()
def demo(
    name: Annotated[
        str, typer.Argument(help="Which example: run `hemadose demo list` for their names.")
    ] = "psma617_cycle1",
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the example is copied to.")
    ] = Path("demo"),
    seed: Seed = 1,
) -> None:
    """Copy an example study to ./demo and plan it.

    Example: hemadose demo iodine131_dtc
    """
    from hemadose.errors import HemadoseError

    root = _PACKAGED_EXAMPLES if _PACKAGED_EXAMPLES.is_dir() else _EXAMPLES
    names = sorted(p.name for p in root.iterdir() if (p / "study.yaml").is_file())
    if name == "list":
        typer.echo("\n".join(names))
        return
    with bad_input_exits_with_2():
        if name not in names:
            raise HemadoseError(f"there is no example {name!r}; legal are {', '.join(names)}")
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted((root / name).iterdir()):
            if path.is_file():
                shutil.copy(path, folder / path.name)
        _plan_one(folder, folder / "result", as_json=False, seed=seed)


def _plan_one(folder: Path, out: Path, *, as_json: bool, seed: int) -> None:
    from hemadose.planning.plan import plan as plan_study
    from hemadose.report import result_document, write_outputs

    with progress_bar(_STEPS) as progress:
        planned = plan_study(folder, seed=seed, progress=progress)
        progress("report")
        paths = write_outputs(planned, out)
    if as_json:
        print_json(result_document(planned))
        return
    _print_recommendation(planned)
    typer.echo(f"\nReport: {paths.report}")


def _plan_cohort(folders: list[Path], out: Path, *, as_json: bool, seed: int) -> None:
    import pandas as pd

    from hemadose.cohort import cohort_row, write_cohort
    from hemadose.planning.plan import plan as plan_study
    from hemadose.report import result_document, write_outputs

    rows, documents = [], []
    with progress_bar(_STEPS, len(folders)) as progress:
        for folder in folders:
            planned = plan_study(folder, seed=seed, progress=progress)
            progress("report")
            write_outputs(planned, out / folder.name)
            rows.append(cohort_row(planned))
            if as_json:
                documents.append(result_document(planned))
    table = pd.DataFrame(rows)
    path = write_cohort(table, out)
    if as_json:
        print_json({"schema": "hemadose.cohort", "schema_version": "1.0", "studies": documents})
        return
    typer.echo(table.to_string(index=False))
    typer.echo(f"\nTable: {path}")


def _print_recommendation(planned: Plan) -> None:
    from hemadose.report import headline

    typer.echo(headline(planned))
    for reason in planned.recommendation.reasons:
        typer.echo(f"  {reason}")
    typer.echo(f"  Label ({planned.label.label}): {planned.label.action}. {planned.label.reason}")
    for source in planned.study.rests_on:
        typer.echo(f"  {source}")
    for warning in planned.assessment.warnings:
        typer.echo(f"  Warning: {warning}")
    n = sum("ASSUMED" in note for note in planned.assessment.assumptions)
    typer.echo(f"  {n} assumptions are listed in the report. Research use, not a medical device.")


def main() -> None:
    """Entry point of the `hemadose` command."""
    app()
