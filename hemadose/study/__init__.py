"""A patient's study folder, read and validated: the first error stops with one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hemadose.errors import HemadoseError, StudyError
from hemadose.study.checks import (
    assumptions,
    check_settings,
    check_tables,
    cycle_days,
    decision_day,
)
from hemadose.study.clinical_settings import Cycle, Patient, Therapy, Tumour
from hemadose.study.measurements import read_activity, read_counts, read_doses, read_foci
from hemadose.study.settings import Limits, Methods, Planning, Settings
from hemadose.study.settings_file import STUDY_FILE, read_settings
from hemadose.study.table_rows import ActivitySample, CountRow, DoseRow, FociRow, Tables
from hemadose.study.text_files import file_label, nearest, path_inside, shown
from hemadose.study.yaml_text import YamlDocument

__all__ = [
    "ActivitySample",
    "CountRow",
    "DoseRow",
    "FociRow",
    "Study",
    "Tables",
    "read_cohort",
    "read_study",
]

_WITHOUT = {
    "activity": "no samples, kinetics of the population alone unless doses.csv gives doses",
    "foci": "no foci, the blood dose is not checked by them",
    "counts": "no blood counts, the course of counts is that of the population alone",
    "doses": "no doses of the clinic's own dosimetry",
}


@dataclass(frozen=True)
class Study:
    """A study folder, validated.

    Parameters
    ----------
    folder : Path
        The folder, resolved.
    patient : Patient
        The patient.
    therapy : Therapy
        The treatment and the room for its next cycle.
    tumours : mapping of str to Tumour
        Declared tumours by region name.
    cycles : tuple of Cycle
        Cycles given so far, in order; may be empty.
    limits : Limits
        Limits and tolerances.
    methods : Methods
        Choices of method.
    planning : Planning
        Which policy decides.
    tables : Tables
        Rows of the four tables, each sorted; empty where the file is missing.
    decision_day : float
        Day of the decision (days since the start of cycle 1); 0 without cycles.
    rests_on : tuple of str
        What each table holds, or what its absence means.
    assumptions : tuple of str
        Assumed defaults of study.yaml that were used.
    """

    folder: Path
    patient: Patient
    therapy: Therapy
    tumours: Mapping[str, Tumour]
    cycles: tuple[Cycle, ...]
    limits: Limits
    methods: Methods
    planning: Planning
    tables: Tables
    decision_day: float
    rests_on: tuple[str, ...]
    assumptions: tuple[str, ...]

    @property
    def activity(self) -> tuple[ActivitySample, ...]:
        """Samples (MBq; blood and marrow MBq/mL), sorted by cycle, region and time."""
        return self.tables.activity

    @property
    def foci(self) -> tuple[FociRow, ...]:
        """Foci counts, sorted by cycle and time."""
        return self.tables.foci

    @property
    def counts(self) -> tuple[CountRow, ...]:
        """Blood counts (1e9/L; haemoglobin g/L), sorted by day."""
        return self.tables.counts

    @property
    def doses(self) -> tuple[DoseRow, ...]:
        """The clinic's doses (Gy/GBq), sorted by cycle, region and method."""
        return self.tables.doses

    @property
    def patient_id(self) -> str:
        """Pseudonym of the patient, or the folder's name."""
        return self.patient.id or self.folder.name

    @property
    def marrow_dose_method(self) -> str:
        """Method of the marrow dose: as chosen, otherwise image if there are such rows."""
        return self.methods.marrow_dose or ("image" if self.tables.has_marrow_image else "blood")

    def cycle_day(self, number: int) -> float:
        """Return the start of a cycle (days since the start of cycle 1)."""
        if not 1 <= number <= len(self.cycles):
            raise HemadoseError(f"cycle {number} is not one of the {len(self.cycles)} cycles given")
        return cycle_days(self.cycles)[number]


def read_study(folder: str | Path) -> Study:
    """Read and validate a study folder; nothing is written.

    Parameters
    ----------
    folder : str or Path
        Folder with study.yaml and, each optional, activity.csv, foci.csv, counts.csv and
        doses.csv; docs/study_folder.md describes them.

    Returns
    -------
    Study
        Values in the units of the package.

    Raises
    ------
    StudyError
        At the first error, naming file, row and column, what was given and what is legal.
    """
    root = _existing(folder)
    settings, document = read_settings(root)
    check_settings(settings, document)
    labels = {name: file_label(root, file) for name, file in settings.files}
    tables = _read_tables(settings, _table_paths(root, settings, document), labels)
    check_tables(settings, tables, labels, document)
    return Study(
        folder=root,
        patient=settings.patient,
        therapy=settings.therapy,
        tumours=settings.tumours,
        cycles=settings.cycles,
        limits=settings.limits,
        methods=settings.methods,
        planning=settings.planning,
        tables=tables,
        decision_day=decision_day(settings, tables),
        rests_on=tuple(_rests_on(settings, tables)),
        assumptions=tuple(assumptions(settings)),
    )


def read_cohort(folder: str | Path) -> list[Path]:
    """List the study folders to plan: the folder itself, or those directly inside.

    Parameters
    ----------
    folder : str or Path
        A study folder, or a folder of study folders.

    Returns
    -------
    list of Path
        Sorted by name; the folder alone if it holds study.yaml.

    Raises
    ------
    StudyError
        If there is no study folder.
    """
    root = _existing(folder)
    if (root / STUDY_FILE).exists():
        return [root]
    inside = sorted(path for path in root.iterdir() if (path / STUDY_FILE).is_file())
    if not inside:
        raise StudyError(
            f"neither the folder nor one directly inside holds {STUDY_FILE}; legal is a study "
            "folder or a folder of study folders",
            file=file_label(root, ""),
        )
    return inside


def _existing(folder: str | Path) -> Path:
    path = Path(folder)
    label = str(path) if str(path).isprintable() else ascii(str(path))
    try:
        root = path.resolve()
        if not root.is_dir():
            problem = "this is a file" if root.exists() else "there is no such folder"
            raise StudyError(f"{problem}, legal is a study folder", file=label)
        next(root.iterdir(), None)
    except (OSError, RuntimeError):
        raise StudyError("the folder cannot be read, check its permissions", file=label) from None
    return root


def _table_paths(root: Path, settings: Settings, document: YamlDocument) -> dict[str, Path]:
    """Return the path of each table that is there, refusing names that leave the folder."""
    paths: dict[str, Path] = {}
    for name, file in settings.files:
        key = ("files", name)
        if not _plain_name(file):
            raise document.error(
                key, f"got {shown(file)}, legal is the name of a .csv file inside the study folder"
            )
        path = path_inside(root, file)
        if path.exists():
            if path in paths.values():
                raise document.error(
                    key, f"got {shown(file)}, which is named for another table too"
                )
            paths[name] = path
        elif name in settings.files.model_fields_set:
            raise document.error(
                key, f"got {shown(file)}, which is not in the study folder; add it or leave it out"
            )
    _refuse_misspelt(root, settings, paths)
    return paths


def _plain_name(file: str) -> bool:
    parts = PurePosixPath(file).parts
    return (
        file.endswith(".csv")
        and file.isprintable()
        and len(file.encode("utf-8", "replace")) <= 200
        and "\\" not in file
        and not file.startswith("/")
        and ".." not in parts
    )


def _refuse_misspelt(root: Path, settings: Settings, paths: Mapping[str, Path]) -> None:
    """Refuse a table whose name is nearly that of a missing one: it would go unread."""
    missing = [file for name, file in settings.files if name not in paths]
    used = set(paths.values())
    for path in sorted(root.iterdir()):
        expected = nearest(path.name, missing)
        if expected and path.suffix.lower() == ".csv" and path.resolve() not in used:
            raise StudyError(
                f"this file would not be read, did you mean {expected!r}; rename it, or name it "
                "under files in study.yaml",
                file=file_label(root, path.name),
            )


def _read_tables(
    settings: Settings, paths: Mapping[str, Path], labels: Mapping[str, str]
) -> Tables:
    administered = {cycle.number: cycle.activity_mbq for cycle in settings.cycles}
    tumours = settings.tumours
    activity: tuple[ActivitySample, ...] = ()
    if path := paths.get("activity"):
        activity = read_activity(
            path,
            labels["activity"],
            administered_mbq=administered,
            tumours=tumours,
            decay_per_h=_decay_per_h(settings),
        )
    foci: tuple[FociRow, ...] = ()
    if path := paths.get("foci"):
        foci = read_foci(path, labels["foci"], cycles=administered)
    counts: tuple[CountRow, ...] = ()
    if path := paths.get("counts"):
        counts = read_counts(path, labels["counts"])
    doses: tuple[DoseRow, ...] = ()
    if path := paths.get("doses"):
        doses = read_doses(path, labels["doses"], cycles=administered, tumours=tumours)
    return Tables(activity, foci, counts, doses)


def _decay_per_h(settings: Settings) -> float:
    """Return the decay constant (1/h) that undoes a decay correction; 0 if there was none."""
    if settings.methods.activity_values == "measured":
        return 0.0
    from dosimetry.nuclides import nuclide

    return nuclide(settings.therapy.nuclide).decay_per_h


def _rests_on(settings: Settings, tables: Tables) -> Iterator[str]:
    for name, file in settings.files:
        rows = getattr(tables, name)
        if not rows:
            yield f"{file}: missing ({_WITHOUT[name]})"
            continue
        regions = sorted({row.region for row in rows if hasattr(row, "region")})
        text = f"{file}: {len(rows)} {'row' if len(rows) == 1 else 'rows'}"
        if regions:
            text += f", {', '.join(regions)}"
        cycles = sorted({row.cycle for row in rows if hasattr(row, "cycle")})
        if cycles:
            text += f", cycle {', '.join(map(str, cycles))}"
        yield text
