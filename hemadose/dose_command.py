"""`hemadose dose`: absorbed doses of a study by region, contribution, method and marrow model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hemadose.errors import HemadoseError
from hemadose.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from dosimetry import AbsorbedDose
    from hemadose.assessment.activity import StudyKinetics
    from hemadose.assessment.doses import DoseModel, StudyDoses

COLUMNS = (
    "cycle", "region", "method", "marrow_model", "contribution", "radiation", "mean_gy", "sd_gy",
    "q05_gy", "q50_gy", "q95_gy",
)  # fmt: skip
"""Columns of doses.csv."""

_WIDTHS = (14, 9, 10)


@dataclass(frozen=True, eq=False)
class DoseReport:
    """Absorbed doses of a study, with marrow by every method and model.

    Attributes
    ----------
    study : Study
        What was given.
    seed : int
        Of the random numbers.
    table : pandas.DataFrame
        `COLUMNS`, one row a dose and contribution; the total has contribution and radiation
        ``"total"``. The marrow model stands with computed marrow doses only.
    predicted_cycle : int
        The cycle after the last, at the planned activity.
    marrow_method : str
        Method that `hemadose plan` uses.
    assumptions, warnings : tuple of str
        In words.
    """

    study: Study
    seed: int
    table: pd.DataFrame
    predicted_cycle: int
    marrow_method: str
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def totals(self) -> pd.DataFrame:
        """The rows of whole doses."""
        return self.table[self.table["contribution"] == "total"].reset_index(drop=True)


def dose_report(
    study: Study, *, seed: int, cycle: int | None = None, n_draws: int = 1000
) -> DoseReport:
    """Compute the doses of every cycle and of the next one, as `hemadose plan` does.

    Marrow doses are computed by blood and by image where the study holds data of both, and with
    both marrow models.

    Parameters
    ----------
    study : Study
        From `read_study`.
    seed : int
        Seed of the random numbers; the doses are those of `hemadose plan` with this seed.
    cycle : int, optional
        Report this cycle only.
    n_draws : int
        Number of posterior draws.

    Raises
    ------
    HemadoseError
        If there is no such cycle, or the data contradict each other.
    """
    import pandas as pd

    from dosimetry import DosimetryError
    from foci import FociError
    from kinetics import KineticsError

    last = len(study.cycles) + 1
    if cycle is not None and not 1 <= cycle <= last:
        raise HemadoseError(
            f"--cycle: got {cycle}, legal are 1 to {last} (the last is predicted at the planned "
            "activity)"
        )
    try:
        kinetics, model, first = _doses(study, seed, n_draws)
        others = list(_other_marrow(study, kinetics, model, seed, n_draws))
    except (KineticsError, DosimetryError, FociError) as error:
        raise HemadoseError(f"{study.folder.name}: {error}") from error
    frames, notes = [], [*study.assumptions, *kinetics.assumptions, *first.assumptions]
    for number in [cycle] if cycle else sorted(first.doses):
        for region, dose in first.doses[number].items():
            frames.append(_rows(number, dose, study.methods.marrow_model))
            if region != "marrow":
                continue
            for variant, marrow in others:
                added = _rows(number, marrow.doses[number]["marrow"], variant.methods.marrow_model)
                if not any(_same(added, frame) for frame in frames):
                    frames.append(added)
    notes += [note for _, marrow in others for note in marrow.doses[last]["marrow"].assumptions]
    return DoseReport(
        study=study,
        seed=seed,
        table=pd.concat(frames, ignore_index=True),
        predicted_cycle=last,
        marrow_method=first.marrow_method,
        assumptions=tuple(dict.fromkeys(note for note in notes if not _elsewhere(note))),
        warnings=kinetics.warnings,
    )


def _elsewhere(note: str) -> bool:
    """Whether a note is about planning, or about marrow doses that are shown here."""
    planning = note.startswith(("limits.", "methods.max_data_age_days"))
    return planning or "were found by the other method" in note


def _doses(study: Study, seed: int, n_draws: int) -> tuple[StudyKinetics, DoseModel, StudyDoses]:
    """The first steps of `assess`, with the same random numbers."""
    from dosimetry import nuclide
    from hemadose.assessment.activity import fit_study
    from hemadose.assessment.damage import read_foci
    from hemadose.assessment.doses import blood_doses, dose_model, study_doses

    rng = np.random.default_rng(seed)
    decay_per_h = nuclide(study.therapy.nuclide).decay_per_h
    kinetics = fit_study(study, decay_per_h=decay_per_h, rng=rng, n_draws=n_draws)
    model = dose_model(study, rng=rng, n_draws=n_draws)
    foci = read_foci(study, blood_doses(study, kinetics, model), rng=rng)
    if foci is not None and foci.used:
        kinetics, model = kinetics.take(foci.index), model.take(foci.index)
    return kinetics, model, study_doses(study, kinetics, model, rng=rng)


def marrow_methods(study: Study) -> tuple[str, ...]:
    """Methods of the marrow dose that the study holds data for, the chosen one first."""
    found = {study.marrow_dose_method}
    if study.tables.has_marrow_image:
        found.add("image")
    sampled = any(sample.region == "blood" for sample in study.activity)
    if sampled or any((row.region, row.method) == ("marrow", "blood") for row in study.doses):
        found.add("blood")
    return tuple(sorted(found, key=lambda method: method != study.marrow_dose_method))


def _other_marrow(
    study: Study, kinetics: StudyKinetics, model: DoseModel, seed: int, n_draws: int
) -> Iterator[tuple[Study, StudyDoses]]:
    """Doses by the other methods and marrow models, on the same draws where they suffice."""
    from dosimetry import MARROW_MODELS
    from hemadose.assessment.doses import study_doses

    chosen = (study.marrow_dose_method, study.methods.marrow_model)
    pairs = [(method, name) for method in marrow_methods(study) for name in MARROW_MODELS]
    for method, name in pairs:
        if (method, name) == chosen:
            continue
        changes = {"marrow_dose": method, "marrow_model": name}
        variant = replace(study, methods=study.methods.model_copy(update=changes))
        if method == "image" and "marrow" not in kinetics.curves[1]:
            kinetics, model, _ = _doses(variant, seed, n_draws)
        rng = np.random.default_rng(seed)
        yield variant, study_doses(variant, kinetics, model, rng=rng)


def _rows(cycle: int, dose: AbsorbedDose, marrow_model: str) -> pd.DataFrame:
    """Rows of one dose: its contributions and their total."""
    computed = dose.region == "marrow" and "clinic" not in dose.contributions
    rows = dose.to_frame().drop(columns="contribution").rename(columns={"origin": "contribution"})
    rows = rows.assign(cycle=cycle, region=dose.region, method=dose.method)
    return rows.assign(marrow_model=marrow_model if computed else "")[list(COLUMNS)]


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two doses are of one cycle, region, method and model (the clinic's have no model)."""
    keys = ["cycle", "region", "method", "marrow_model"]
    return bool((one.iloc[0][keys] == other.iloc[0][keys]).all())


def model_spread(report: DoseReport) -> pd.DataFrame:
    """Marrow dose in both marrow models.

    Returns
    -------
    pandas.DataFrame
        Columns ``cycle``, ``method``, a mean (Gy) for each model, and ``difference``: of the
        second model from the first, as a fraction. No rows for the clinic's own doses.
    """
    from dosimetry import MARROW_MODELS

    marrow = report.totals[report.totals["marrow_model"] != ""]
    table = marrow.pivot_table(index=["cycle", "method"], columns="marrow_model", values="mean_gy")
    table = table.reindex(columns=list(MARROW_MODELS)).rename_axis(columns=None).reset_index()
    first, second = MARROW_MODELS
    return table.assign(difference=table[second] / table[first] - 1)


def dose_text(report: DoseReport) -> str:
    """The doses in words and columns, for the terminal."""
    study = report.study
    therapy = f"{study.therapy.nuclide} {study.therapy.agent}"
    lines = [f"{study.patient_id}: absorbed dose (Gy), {therapy}"]
    for cycle, rows in report.table.groupby("cycle"):
        lines += ["", _cycle_title(report, int(str(cycle))), _head()]
        for _, dose in rows.groupby(["region", "method", "marrow_model"], sort=False):
            lines += _dose_lines(dose)
    lines += ["", *_spread_lines(report)]
    lines += [f"Warning: {warning}" for warning in report.warnings]
    lines += ["", "Rests on:", *(f"  {note}" for note in report.assumptions)]
    lines += ["", "Mean, standard deviation and quantiles over the posterior draws."]
    lines.append("Research use, not a medical device.")
    return "\n".join(lines)


def _cycle_title(report: DoseReport, cycle: int) -> str:
    if cycle == report.predicted_cycle:
        activity_gbq = report.study.therapy.planned_activity_gbq
        return f"Cycle {cycle}, predicted for {activity_gbq:.4g} GBq"
    return f"Cycle {cycle}, {report.study.cycles[cycle - 1].activity_mbq / 1000:.4g} GBq given"


def _head() -> str:
    names = ("region", "method", "model")
    text = "".join(f"{name:<{width}}" for name, width in zip(names, _WIDTHS, strict=True))
    return "  " + text + "".join(f"{name:>10}" for name in ("mean", "sd", "5 %", "50 %", "95 %"))


def _dose_lines(dose: pd.DataFrame) -> list[str]:
    first = dose.iloc[0]
    words = (first["region"], first["method"], first["marrow_model"])
    name = "".join(f"{word:<{width}}" for word, width in zip(words, _WIDTHS, strict=True))
    rows = dose.to_dict("records")
    lines = [f"  {name}{_numbers(rows[-1])}"]
    for row in rows[:-1]:
        radiation = "" if row["radiation"] == "unspecified" else f", {row['radiation']}"
        lines.append(f"    {row['contribution'] + radiation:<{sum(_WIDTHS) - 2}}{_numbers(row)}")
    return lines


def _numbers(row: dict[object, object]) -> str:
    return "".join(f"{row[name]:>10.3g}" for name in COLUMNS[6:])


def _spread_lines(report: DoseReport) -> list[str]:
    table = model_spread(report)
    if table.empty:
        return ["Marrow model: no spread, because every marrow dose is the clinic's own"]
    first, second = table.columns[2:4]
    return [
        f"Marrow model spread, cycle {row['cycle']}, by {row['method']}: {second} differs from "
        f"{first} by {100 * row['difference']:+.0f} % ({row[second]:.3g}, {row[first]:.3g} Gy)"
        for row in table.to_dict("records")
    ]


def dose_document(report: DoseReport) -> dict[str, object]:
    """One JSON document: the table, the spread of the marrow models, and what it rests on."""
    return {
        "schema": "hemadose.dose",
        "schema_version": "1.0",
        "study": report.study.patient_id,
        "seed": report.seed,
        "nuclide": report.study.therapy.nuclide,
        "agent": report.study.therapy.agent,
        "marrow_method": report.marrow_method,
        "predicted_cycle": report.predicted_cycle,
        "doses": report.table.to_dict("records"),
        "marrow_model_spread": model_spread(report).to_dict("records"),
        "assumptions": list(report.assumptions),
        "warnings": list(report.warnings),
    }


def write_doses(report: DoseReport, folder: Path) -> list[Path]:
    """Write doses.csv, doses.png and doses.pdf into a folder; their paths.

    Raises
    ------
    HemadoseError
        If the folder cannot be written.
    """
    from hemadose.dose_figure import draw_doses

    figure = draw_doses(report)
    paths = [folder / name for name in ("doses.csv", "doses.png", "doses.pdf")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        report.table.to_csv(paths[0], index=False)
        figure.savefig(paths[1], dpi=200)
        figure.savefig(paths[2], metadata={"CreationDate": None})
    except OSError as error:
        raise HemadoseError(
            f"the doses cannot be written to {folder} ({error.strerror or error}); name another "
            "folder"
        ) from error
    return paths
