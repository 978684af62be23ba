"""Study folders that are legal: what is read, in which units, and with which defaults."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hemadose.errors import HemadoseError, StudyError
from hemadose.study import Study, read_cohort, read_study
from hemadose.study.table_columns import (
    legal_units,
)
from hemadose.study.yaml_text import parse_yaml

COMPLETE = Path(__file__).parent / "data" / "complete_study"
FILES = ("study.yaml", "activity.csv", "foci.csv", "counts.csv", "doses.csv")
MINIMAL = "patient: {sex: female, weight_kg: 60}\ntherapy: {nuclide: lu177, agent: DOTATATE}\n"
CYCLE = "cycles:\n- {number: 1, start: 2025-03-03, activity_mbq: 7400}\n"


def study_of(folder: Path, yaml_text: str, **tables: str) -> Study:
    """Read a study written from text; table names are keyword arguments."""
    (folder / "study.yaml").write_text(yaml_text)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return read_study(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(COMPLETE, tmp_path / "patient"))


def test_complete_study() -> None:
    study = read_study(COMPLETE)
    assert study.patient_id == "P-01"
    assert study.patient.prior_therapies == ("taxane",)
    assert study.patient.organ_mass_g.kidneys == 310
    assert study.therapy.nuclide == "Lu-177"
    assert study.tumours["tumour_1"].mass_g == 24
    assert [cycle.activity_mbq for cycle in study.cycles] == [7400, 7350]
    assert study.cycle_day(1) == 0
    assert study.cycle_day(2) == pytest.approx(41 + 13.5 / 24)
    assert study.decision_day == 78
    assert study.limits.grade3_tolerance.neutrophils == 0.2
    assert study.methods.residual_cv == {"kidneys": 0.1}
    assert [row.day for row in study.counts] == [-2, 20.5, 41]
    assert study.counts[1].values == {"platelets": 150, "neutrophils": 2.5, "leukocytes": 4.0}


def test_activity_in_package_units() -> None:
    values = {
        (row.cycle, row.region, row.time_h): (row.value, row.sd, row.blq)
        for row in read_study(COMPLETE).activity
    }
    assert values[1, "blood", 2.0] == (pytest.approx(0.18), pytest.approx(0.009), False)
    assert values[1, "blood", 24.0] == (pytest.approx(7400 * 0.02 / 1000), None, False)
    assert values[1, "blood", 72.0] == (0.004, None, True)
    assert values[1, "kidneys", 24.0] == (150, 15, False)
    assert values[1, "tumour_1", 24.0] == (pytest.approx(37), None, False)
    assert values[1, "whole_body", 2.0] == (pytest.approx(6900), None, False)
    assert values[2, "marrow", 24.0] == (pytest.approx(0.02), None, False)


@pytest.mark.parametrize("region", ["blood", "marrow", "kidneys", "tumour_1"])
def test_one_amount_in_every_unit(region: str) -> None:
    """One MBq (per mL), written in each legal unit by hand, comes back as one."""
    administered = 7400.0
    as_written = {
        "MBq": 1, "kBq": 1e3, "GBq": 1e-3, "Bq": 1e6, "%IA": 100 / administered,
        "MBq/mL": 1, "kBq/mL": 1e3, "Bq/mL": 1e6, "MBq/L": 1e3,
        "%IA/mL": 100 / administered, "%IA/L": 1e5 / administered,
    }  # fmt: skip
    units = legal_units(region, administered)
    for unit, factor in units.items():
        assert as_written[unit] * factor == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("nuclide", "agent", "half_life_d"), [("177Lu", "PSMA-617", 6.647), ("131I", "iodide", 8.0207)]
)
def test_decay_correction_is_undone(
    tmp_path: Path, nuclide: str, agent: str, half_life_d: float
) -> None:
    therapy = f"{{nuclide: {nuclide}, agent: {agent}, planned_activity_gbq: 7.4}}"
    yaml_text = MINIMAL.replace("{nuclide: lu177, agent: DOTATATE}", therapy) + CYCLE
    table = f"cycle,time_h,region,value,unit,sd\n1,{24 * half_life_d},kidneys,100,MBq,8\n"
    corrected = "methods: {activity_values: decay_corrected}\n"
    sample = study_of(tmp_path, yaml_text + corrected, activity=table).activity[0]
    assert sample.value == pytest.approx(50, rel=2e-4)
    assert sample.sd == pytest.approx(4, rel=2e-4)
    assert study_of(tmp_path, yaml_text, activity=table).activity[0].value == 100


def test_foci_distribution_stands_for_cells_and_foci() -> None:
    rows = read_study(COMPLETE).foci
    assert [(row.time_h, row.cells, row.foci) for row in rows] == [
        (-1, 200, 60),
        (1, 100, 80),
        (4, 100, 80),
    ]
    assert rows[0].distribution is None
    assert rows[2].distribution == (50, 30, 10, 10, 0, 0, 0)
    assert (rows[2].slide, rows[2].reader) == ("b", "r1")


def test_six_or_more_foci_allow_a_larger_total(tmp_path: Path) -> None:
    table = "cycle,time_h,cells,foci,c0,c1,c2,c3,c4,c5,c6\n1,1,10,20,8,0,0,0,0,0,2\n"
    row = study_of(tmp_path, MINIMAL + CYCLE, foci=table).foci[0]
    assert row.foci == 20


def test_doses_know_their_method() -> None:
    rows = {(row.cycle, row.region): row for row in read_study(COMPLETE).doses}
    assert rows[1, "liver"].method == "image"
    assert rows[1, "marrow"].method == "blood"
    assert rows[2, "kidneys"].sd == 0.06


def test_marrow_doses_of_both_methods_may_stand_together(tmp_path: Path) -> None:
    table = "cycle,region,dose_gy_per_gbq,method\n1,marrow,0.093,image\n1,marrow,0.015,blood\n"
    study = study_of(tmp_path, MINIMAL + CYCLE, doses=table)
    assert [(row.method, row.dose_gy_per_gbq) for row in study.doses] == [
        ("blood", 0.015),
        ("image", 0.093),
    ]
    assert study.marrow_dose_method == "image"


def test_marrow_method_is_blood_without_images(tmp_path: Path) -> None:
    assert study_of(tmp_path, MINIMAL).marrow_dose_method == "blood"
    chosen = "methods: {marrow_dose: blood}\n"
    (tmp_path / "chosen").mkdir()
    table = "cycle,region,dose_gy_per_gbq,method\n1,marrow,0.093,image\n"
    assert study_of(tmp_path / "chosen", MINIMAL + CYCLE + chosen, doses=table).doses
    assert read_study(tmp_path / "chosen").marrow_dose_method == "blood"


def test_study_without_cycles_rests_on_the_population(tmp_path: Path) -> None:
    counts = "day,platelets\n-3,210\n"
    study = study_of(tmp_path, MINIMAL, counts=counts)
    assert study.cycles == ()
    assert study.decision_day == 0
    assert study.patient_id == tmp_path.name
    assert study.patient.height_cm == 163
    assert [text.partition(":")[0] for text in study.rests_on] == [
        "activity.csv", "foci.csv", "counts.csv", "doses.csv",
    ]  # fmt: skip
    assert "missing" in study.rests_on[0]
    assert study.rests_on[2] == "counts.csv: 1 row"
    with pytest.raises(HemadoseError, match="cycle 1"):
        study.cycle_day(1)
    with pytest.raises(StudyError, match="still planned"):
        study_of(tmp_path, MINIMAL, counts="day,platelets\n3,210\n")


@pytest.mark.parametrize(
    ("therapy", "label", "cycles", "intervals", "cap"),
    [
        ("nuclide: Lu-177, agent: PSMA-617", "pluvicto", 6, (42, 56, 70), 7.4),
        ("nuclide: lu-177, agent: DOTATATE", "lutathera", 4, (56, 70, 84), 7.4),
        ("nuclide: LU177, agent: PSMA-I&T", "none", 4, (42, 56, 70), 7.4),
        ("nuclide: 177Lu, agent: PSMA-617, label: none", "none", 4, (42, 56, 70), 7.4),
        (
            "nuclide: i131, agent: iodide, planned_activity_gbq: 4",
            "none", 2, (180, 270, 365), 4,
        ),
    ],
)  # fmt: skip
def test_defaults_of_the_therapy(
    tmp_path: Path,
    therapy: str,
    label: str,
    cycles: int,
    intervals: tuple[float, ...],
    cap: float,
) -> None:
    text = MINIMAL.replace("nuclide: lu177, agent: DOTATATE", therapy)
    found = study_of(tmp_path, text).therapy
    assert found.label == label
    assert found.planned_cycles == cycles
    assert found.interval_days == intervals
    assert found.max_activity_gbq == pytest.approx(cap)


def test_assumptions_name_the_defaults_that_were_used(tmp_path: Path) -> None:
    by_default = study_of(tmp_path, MINIMAL).assumptions
    keys = {text.partition(" = ")[0] for text in by_default}
    assert "patient.height_cm" in keys
    assert "limits.grade3_tolerance.platelets" in keys
    assert "therapy.interval_days" in keys
    assert "therapy.max_activity_gbq" not in keys, "the label's own activity is not assumed"
    assert "limits.blood_dose_tolerance" not in keys, "used for I-131 only"
    given_by_user = study_of(tmp_path, MINIMAL + "limits: {kidney_bed_gy: 23}\n").assumptions
    assert any(text.startswith("limits.kidney_bed_gy = 40") for text in by_default)
    assert not any(text.startswith("limits.kidney_bed_gy") for text in given_by_user)
    assert all("ASSUMED" in text for text in by_default)


def test_decision_is_the_latest_date_with_data(tmp_path: Path) -> None:
    activity = "cycle,time_h,region,value,unit\n1,168,kidneys,40,MBq\n"
    assert study_of(tmp_path, MINIMAL + CYCLE, activity=activity).decision_day == 7
    counts = "day,platelets\n33.5,180\n"
    assert study_of(tmp_path, MINIMAL + CYCLE, counts=counts).decision_day == 33.5


def test_order_of_rows_does_not_matter(folder: Path) -> None:
    expected = read_study(folder)
    for name in FILES[1:]:
        header, *rows = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join([header, *reversed(rows)]))
    found = read_study(folder)
    for before, after in ((expected.activity, found.activity), (expected.doses, found.doses)):
        assert [(row.cycle, row.region) for row in before] == [
            (row.cycle, row.region) for row in after
        ]
    assert [row.values for row in expected.counts] == [row.values for row in found.counts]


@pytest.mark.parametrize(
    "transform",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", " , "),
        lambda text: "\n".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()
        ),
    ],
    ids=["BOM", "CRLF", "CR", "no last newline", "blank lines", "semicolons", "spaces", "quotes"],
)
def test_tables_of_every_legal_shape(folder: Path, transform: Any) -> None:
    expected = read_study(folder)
    for name in FILES[1:]:
        path = folder / name
        path.write_bytes(transform(path.read_text()).encode())
    found = read_study(folder)
    assert [row.value for row in found.activity] == [row.value for row in expected.activity]
    assert [row.foci for row in found.foci] == [row.foci for row in expected.foci]
    assert [row.values for row in found.counts] == [row.values for row in expected.counts]
    assert [row.dose_gy_per_gbq for row in found.doses] == [
        row.dose_gy_per_gbq for row in expected.doses
    ]


def test_yaml_with_byte_order_mark_and_windows_lines(folder: Path) -> None:
    text = (folder / "study.yaml").read_text().replace("\n", "\r\n")
    (folder / "study.yaml").write_bytes(("\ufeff" + text).encode())
    assert read_study(folder).patient_id == "P-01"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7400", 7400), ("7.4e3", 7400.0), ("1e3", 1000.0), (".5", 0.5), ("-3", -3),
        ("yes", True), ("No", False), ("~", None), ("", None), ("2025-03-03", "2025-03-03"),
        ("'yes'", "yes"), ("1:30", "1:30"), ("010", "010"), ("0x10", "0x10"), ("1_000", "1_000"),
        (".inf", ".inf"), ("off", "off"), ("[1, 2.5]", (1, 2.5)),
        ("{b: {c: x}}", {"b": {"c": "x"}}),
        ("9" * 30, "9" * 30), ("no one", "no one"), ("é", "é"),
    ],
)  # fmt: skip
def test_yaml_scalars_have_no_traps(text: str, value: object) -> None:
    found = parse_yaml(f"a: {text}", "study.yaml").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_blank_keys_count_as_left_out(tmp_path: Path) -> None:
    study = study_of(tmp_path, MINIMAL + "cycles:\nlimits:\n  kidney_bed_gy:\nmethods: {}\n")
    assert study.limits.kidney_bed_gy == 40
    assert any("kidney_bed_gy" in text for text in study.assumptions)


def test_number_as_pseudonym(tmp_path: Path) -> None:
    assert study_of(tmp_path, MINIMAL.replace("{sex", "{id: 17, sex")).patient_id == "17"
    assert study_of(tmp_path, MINIMAL.replace("{sex", "{id: 017, sex")).patient_id == "017"


def test_other_names_inside_the_folder(folder: Path) -> None:
    (folder / "lab").mkdir()
    shutil.move(folder / "counts.csv", folder / "lab" / "blood counts.csv")
    with (folder / "study.yaml").open("a") as stream:
        stream.write("files: {counts: lab/blood counts.csv}\n")
    assert len(read_study(folder).counts) == 3


def test_other_files_are_left_alone(folder: Path) -> None:
    (folder / "truth.csv").write_text("anything")
    (folder / "notes.txt").write_bytes(b"\xff")
    assert read_study(folder).activity


def test_nothing_is_written(folder: Path) -> None:
    def state() -> dict[str, tuple[str, int]]:
        return {
            str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in folder.rglob("*")
            if path.is_file()
        }

    before = state()
    read_study(folder)
    assert state() == before


def test_study_is_frozen() -> None:
    study = read_study(COMPLETE)
    with pytest.raises(AttributeError):
        study.decision_day = 3.0  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        study.patient.weight_kg = 3.0  # type: ignore[misc]


def test_cohort_is_sorted(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.yaml").write_text(MINIMAL)
    (tmp_path / "notes").mkdir()
    assert [path.name for path in read_cohort(tmp_path)] == ["a", "b", "c"]
    assert read_cohort(tmp_path / "a") == [tmp_path.resolve() / "a"]


def test_reading_is_fast() -> None:
    read_study(COMPLETE)
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        read_study(COMPLETE)
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.2


def test_import_needs_no_heavy_packages() -> None:
    code = (
        "import sys, hemadose.study as s; "
        "heavy = {'pandas', 'scipy', 'matplotlib', 'numba', 'sympy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
