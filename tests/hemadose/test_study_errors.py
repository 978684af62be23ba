"""Broken study folders: each kind gives one clear sentence with its place."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hemadose.errors import HemadoseError, StudyError
from hemadose.study import read_cohort, read_study

COMPLETE = Path(__file__).parent / "data" / "complete_study"
Break = Callable[[Path], None]


def swap(file: str, old: str, new: str) -> Break:
    """Replace text that stands in the file exactly once."""

    def apply(folder: Path) -> None:
        path = folder / file
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new))

    return apply


def write(file: str, content: str | bytes) -> Break:
    def apply(folder: Path) -> None:
        data = content.encode() if isinstance(content, str) else content
        (folder / file).write_bytes(data)

    return apply


def recode(file: str, encoding: str, old: str = "", new: str = "") -> Break:
    def apply(folder: Path) -> None:
        text = (folder / file).read_text().replace(old, new)
        (folder / file).write_bytes(text.encode(encoding))

    return apply


def link_outside(file: str) -> Break:
    def apply(folder: Path) -> None:
        outside = folder.parent / "outside.csv"
        shutil.move(folder / file, outside)
        (folder / file).symlink_to(outside)

    return apply


def also(*steps: Break) -> Break:
    def apply(folder: Path) -> None:
        for step in steps:
            step(folder)

    return apply


def add(key_block: str) -> Break:
    def apply(folder: Path) -> None:
        with (folder / "study.yaml").open("a") as stream:
            stream.write(key_block)

    return apply


def remove(file: str) -> Break:
    return lambda folder: (folder / file).unlink()


def rename(old: str, new: str) -> Break:
    return lambda folder: shutil.move(folder / old, folder / new)


def make_folder(file: str) -> Break:
    def apply(folder: Path) -> None:
        (folder / file).unlink()
        (folder / file).mkdir()

    return apply


Y, A, F, C, D = "study.yaml", "activity.csv", "foci.csv", "counts.csv", "doses.csv"
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"
HEAD_A = "cycle,time_h,region,value,unit"

# name: (break, file, row, key or column, words of the message)
CASES: dict[str, tuple[Break, str, int | None, str | None, tuple[str, ...]]] = {
    # study.yaml: the text
    "no study.yaml": (remove(Y), Y, None, None, ("missing",)),
    "empty yaml": (write(Y, ""), Y, None, None, ("empty",)),
    "only comments": (write(Y, "# nothing\n"), Y, 2, None, ("keys with values",)),
    "top level list": (write(Y, "- patient\n"), Y, 1, None, ("keys with values",)),
    "bad indentation": (swap(Y, "  sex: male", " sex: male"), Y, 4, None, ("not valid YAML",)),
    "tab indentation": (swap(Y, "  sex: male", "\tsex: male"), Y, 4, None, ("not valid YAML",)),
    "yaml bomb": (write(Y, BOMB), Y, 1, "a", ("anchor", "'&a'")),
    "alias": (swap(Y, "id: P-01", "id: *x"), Y, 3, "patient.id", ("alias", "'*x'")),
    "python tag": (
        swap(Y, "id: P-01", "id: !!python/object/apply:os.getcwd []"),
        Y, 3, "patient.id", ("tag", "plain value"),
    ),
    "duplicate key": (
        swap(Y, "  weight_kg: 82", "  sex: female"), Y, 5, "patient.sex", ("twice", "row 4"),
    ),
    "deep nesting": (write(Y, "a: " + "[" * 5000), Y, 1, "a", ("nested deeper",)),
    "two documents": (add("---\na: 1\n"), Y, 30, None, ("second document",)),
    "too large yaml": (add("#" * 300_000), Y, None, None, ("larger", "262,144")),
    "latin-1 yaml": (
        recode(Y, "latin-1", "P-01", "Jos\u00e9"), Y, 3, None, ("0xE9", "Latin-1", "UTF-8"),
    ),
    "utf-16 yaml": (recode(Y, "utf-16"), Y, 1, None, ("0xFF 0xFE", "UTF-8")),
    "bad escape": (swap(Y, "P-01", '"\\UFFFFFFFF"'), Y, None, None, ("not valid YAML",)),
    # study.yaml: the keys
    "misspelt section": (swap(Y, "patient:", "patientt:"), Y, 2, "patientt", ("'patient'",)),
    "misspelt key": (
        swap(Y, "weight_kg", "wieght_kg"), Y, 5, "patient.wieght_kg", ("'weight_kg'", "height_cm"),
    ),
    "misspelt blank key": (
        swap(Y, "haematocrit: 0.38", "hematocrit:"), Y, 7, "patient.hematocrit", ("'haematocrit'",),
    ),
    "missing key": (swap(Y, "  sex: male\n", ""), Y, 2, "patient.sex", ("missing", "female")),
    "merge key": (
        swap(Y, "  id: P-01", "  <<: {id: x}"), Y, 3, "patient.'<<'", ("unknown key",),
    ),
    "section is a number": (
        swap(Y, "{kidneys: 310}", "310"), Y, 9, "patient.organ_mass_g", ("mapping", "kidneys"),
    ),
    "name of a person": (swap(Y, "P-01", "Jo Doe"), Y, 3, "patient.id", ("'Jo Doe'", "Pseudonym")),
    "long id": (swap(Y, "P-01", "x" * 65), Y, 3, "patient.id", ("64",)),
    "unknown sex": (swap(Y, "sex: male", "sex: m"), Y, 4, "patient.sex", ("'m'", "male, female")),
    "text weight": (swap(Y, "82", "82 kg"), Y, 5, "patient.weight_kg", ("'82 kg'", "from 25 to")),
    "boolean weight": (swap(Y, "82", "yes"), Y, 5, "patient.weight_kg", ("'yes'", "a number")),
    "nan weight": (swap(Y, "82", ".nan"), Y, 5, "patient.weight_kg", ("'.nan'", "a number")),
    "infinite weight": (swap(Y, "82", "1e999"), Y, 5, "patient.weight_kg", ("'1e999'",)),
    "sexagesimal weight": (swap(Y, "82", "1:22"), Y, 5, "patient.weight_kg", ("'1:22'",)),
    "octal weight": (swap(Y, "82", "0122"), Y, 5, "patient.weight_kg", ("'0122'",)),
    "height in metres": (swap(Y, "178", "1.78"), Y, 6, "patient.height_cm", ("metres", "178")),
    "haematocrit in percent": (swap(Y, "0.38", "38"), Y, 7, "patient.haematocrit", ("0.65",)),
    "no is not none": (
        swap(Y, "metastases: few", "metastases: no"),
        Y, 11, "patient.bone_metastases", ("'no'", "none, few"),
    ),
    "list expected": (
        swap(Y, "[taxane]", "taxane"), Y, 10, "patient.prior_therapies", ("list", "taxane"),
    ),
    "unknown prior therapy": (
        swap(Y, "[taxane]", "[taxol]"), Y, 10, "patient.prior_therapies[1]", ("taxane",),
    ),
    "unknown nuclide": (
        swap(Y, "177Lu", "Ac-225"), Y, 13, "therapy.nuclide", ("'Ac-225'", "Lu-177, I-131"),
    ),
    "unknown agent": (
        swap(Y, "agent: PSMA-617", "agent: psma617"), Y, 14, "therapy.agent", ("'PSMA-617'",),
    ),
    "nuclide and agent": (swap(Y, "177Lu", "I-131"), Y, 12, "therapy", ("PSMA-617", "Lu-177")),
    "label of another agent": (
        swap(Y, "agent: PSMA-617", "agent: PSMA-617\n  label: lutathera"),
        Y, 12, "therapy", ("lutathera", "pluvicto or none"),
    ),
    "iodine without activity": (
        also(swap(Y, "177Lu", "I-131"), swap(Y, "agent: PSMA-617", "agent: iodide")),
        Y, 12, "therapy", ("planned_activity_gbq is required",),
    ),
    "planned above the cap": (
        swap(Y, "agent: PSMA-617", "agent: PSMA-617\n  planned_activity_gbq: 9.3"),
        Y, 12, "therapy", ("9.3", "7.4"),
    ),
    "intervals not increasing": (
        swap(Y, "agent: PSMA-617", "agent: PSMA-617\n  interval_days: [56, 42]"),
        Y, 12, "therapy", ("increase",),
    ),
    "no interval": (
        swap(Y, "agent: PSMA-617", "agent: PSMA-617\n  interval_days: []"),
        Y, 15, "therapy.interval_days", ("at least 1",),
    ),
    "too many tumours": (
        swap(Y, "  tumour_1: {mass_g: 24}",
             "\n".join(f"  tumour_{i}: {{mass_g: 2}}" for i in range(51))),
        Y, 15, "tumours", ("at most 50",),
    ),
    "tumour name": (
        swap(Y, "tumour_1: {mass_g", "lesion: {mass_g"), Y, 16, "tumours.lesion", ("tumour_1",),
    ),
    "tumour without mass": (
        swap(Y, "{mass_g: 24}", "{}"), Y, 16, "tumours.tumour_1.mass_g", ("missing", "number"),
    ),
    "cycle number gap": (
        swap(Y, "- number: 2", "- number: 3"), Y, 21, "cycles[2].number", ("got 3", "legal is 2"),
    ),
    "cycle number twice": (
        swap(Y, "- number: 2", "- number: 1"), Y, 21, "cycles[2].number", ("got 1", "legal is 2"),
    ),
    "cycles out of order": (
        swap(Y, "2025-04-14", "2025-02-14"), Y, 22, "cycles[2].start", ("after the start",),
    ),
    "date not ISO": (
        swap(Y, "2025-04-14", "14.04.2025"), Y, 22, "cycles[2].start", ("ISO", "'14.04.2025'"),
    ),
    "time zone": (
        swap(Y, "2025-03-03T10:30", "2025-03-03T10:30Z"), Y, 19, "cycles[1].start", ("zone",),
    ),
    "impossible date": (
        swap(Y, "2025-05-20", "2025-02-30"), Y, 25, "decision.date", ("'2025-02-30'", "ISO"),
    ),
    "activity in GBq": (
        swap(Y, "7400", "7.4"), Y, 20, "cycles[1].activity_mbq", ("GBq", "write 7400"),
    ),
    "negative activity": (
        swap(Y, "7400", "-7400"), Y, 20, "cycles[1].activity_mbq", ("'-7400'", "from 50"),
    ),
    "early decision": (
        swap(Y, "2025-05-20", "2025-04-01"), Y, 25, "decision.date", ("last cycle", "2025-04-14"),
    ),
    "tolerance in percent": (
        swap(Y, "tolerance: 0.2", "tolerance: 20"),
        Y, 27, "limits.grade3_tolerance.platelets", ("above 0 and below 1",),
    ),
    "unknown lineage": (
        swap(Y, "tolerance: 0.2", "tolerance: {thrombocytes: 0.2}"),
        Y, 27, "limits.grade3_tolerance.thrombocytes", ("unknown key", "platelets"),
    ),
    "residual of an unknown region": (
        swap(Y, "{kidneys: 0.1}", "{kidney: 0.1}"),
        Y, 29, "methods.residual_cv.kidney", ("'kidneys'",),
    ),
    "residual in percent": (
        swap(Y, "{kidneys: 0.1}", "{kidneys: 10}"), Y, 29, "methods.residual_cv.kidneys", ("to 1",),
    ),
    "measured ratio without value": (
        add("  rmblr: measured\n"), Y, 28, "methods", ("rmblr_value", "rmblr_sd"),
    ),
    "spread of a recovery that is not given": (
        add("  marrow_recovery_sd: 0.1\n"), Y, 28, "methods", ("marrow_recovery_sd needs",),
    ),
    "recovery in percent": (
        add("  marrow_recovery: 80\n"), Y, 30, "methods.marrow_recovery", ("to 1.5",),
    ),
    "sgouros without haematocrit": (
        also(add("  rmblr: sgouros\n"), swap(Y, "  haematocrit: 0.38\n", "")),
        Y, 29, "methods.rmblr", ("haematocrit",),
    ),
    "image without marrow rows": (
        also(add("  marrow_dose: image\n"), swap(A, "2,24,marrow,20,kBq/mL,,\n", "")),
        Y, 30, "methods.marrow_dose", ("marrow rows",),
    ),
    "wrong schema": (swap(Y, "schema: 1", "schema: 2"), Y, 1, "schema", ("'2'", "legal is 1")),
    # files
    "path outside": (
        add("files: {counts: ../counts.csv}\n"), Y, 30, "files.counts", ("'../counts.csv'",),
    ),
    "absolute path": (
        add("files: {counts: /etc/passwd}\n"), Y, 30, "files.counts", ("'/etc/passwd'", "inside"),
    ),
    "named file missing": (
        add("files: {counts: blood.csv}\n"), Y, 30, "files.counts", ("not in the study folder",),
    ),
    "one file for two tables": (
        add("files: {foci: counts.csv}\n"), Y, 30, "files.counts", ("another table",),
    ),
    "link outside": (link_outside(C), C, None, None, ("outside", "inside")),
    "folder for a file": (make_folder(C), C, None, None, ("regular file",)),
    "misspelt file": (rename(C, "count.csv"), "count.csv", None, None, ("'counts.csv'",)),
    "upper-case file": (rename(C, "Counts.CSV"), "Counts.CSV", None, None, ("'counts.csv'",)),
    # tables: the text
    "empty table": (write(A, ""), A, None, None, ("empty",)),
    "blank table": (write(A, "\n ,,\n"), A, 1, None, ("no header",)),
    "header only": (write(A, HEAD_A + "\n"), A, 1, None, ("no rows",)),
    "latin-1 table": (
        recode(F, "latin-1", "200,60,,,,,,,,a", "200,60,,,,,,,,\u00e4"), F, 2, None, ("0xE4",),
    ),
    "utf-16 table": (recode(A, "utf-16"), A, 1, None, ("UTF-16",)),
    "nul byte": (recode(A, "utf-8", "180", "1\x0080"), A, 2, None, ("NUL",)),
    "large table": (write(A, b"1" * (5 * 1024 * 1024 + 1)), A, None, None, ("larger",)),
    "too many rows": (
        write(A, HEAD_A + "\n" + "1,1,blood,1,kBq/mL\n" * 20_001), A, None, None, ("20000",),
    ),
    "tab separated": (recode(A, "utf-8", ",", "\t"), A, 1, None, ("commas", "semicolons")),
    "mixed separators": (swap(A, "sd,blq", "sd;blq"), A, 1, None, ("commas", "semicolons")),
    "open quote": (swap(A, "1,2,blood", '"1,2,blood'), A, 2, None, ("quotes",)),
    "line break in a cell": (swap(A, "kidneys", '"kid\nneys"'), A, 5, None, ("several lines",)),
    "missing column": (swap(A, "value", "sd2"), A, 1, "sd2", ("unknown column", "'sd'")),
    "column left out": (
        write(A, "cycle,time_h,region,value\n1,2,blood,3\n"), A, 1, "unit", ("missing", "MBq"),
    ),
    "misspelt column": (swap(A, "time_h", "time"), A, 1, "time", ("'time_h'",)),
    "column twice": (swap(A, "sd,blq", "sd,sd"), A, 1, "sd", ("twice",)),
    "short row": (swap(A, "150,MBq,15,", "150,MBq"), A, 5, None, ("5 cells", "legal are 7")),
    "long row": (swap(A, "0.004,MBq/mL", "0,004,MBq/mL"), A, 4, None, ("8 cells", "decimal")),
    # activity.csv
    "decimal comma": (swap(A, "0.004", '"0,004"'), A, 4, "value", ("decimal point", "'0.004'")),
    "thousands": (swap(A, "180", '"1,180.0"'), A, 2, "value", ("'1,180.0'",)),
    "text in a number": (swap(A, "150", "ca. 150"), A, 5, "value", ("'ca. 150'", "a number")),
    "nan value": (swap(A, "150", "NaN"), A, 5, "value", ("'NaN'", "a number")),
    "infinite value": (swap(A, "150", "1e400"), A, 5, "value", ("'1e400'",)),
    "empty value": (swap(A, "150", ""), A, 5, "value", ("empty", "above 0")),
    "zero value": (swap(A, "150", "0"), A, 5, "value", ("'0'", "above 0")),
    "negative time": (swap(A, "1,72,", "1,-72,"), A, 4, "time_h", ("'-72'", "from 0 to 2000")),
    "time in seconds": (swap(A, "1,72,", "1,259200,"), A, 4, "time_h", ("to 2000",)),
    "unknown cycle": (swap(A, "2,24,marrow", "3,24,marrow"), A, 8, "cycle", ("cycle 3", "1, 2")),
    "fractional cycle": (swap(A, "2,24,marrow", "1.5,24,marrow"), A, 8, "cycle", ("whole",)),
    "unknown region": (swap(A, "kidneys", "kidney"), A, 5, "region", ("'kidneys'",)),
    "undeclared tumour": (swap(A, "tumour_1", "tumour_2"), A, 6, "region", ("under tumours",)),
    "unit of the organ": (swap(A, "150,MBq", "150,MBq/mL"), A, 5, "unit", ("MBq, kBq", "%IA")),
    "unit of the blood": (swap(A, "180,kBq/mL", "180,kBq"), A, 2, "unit", ("kBq/mL", "%IA/L")),
    "unit in millis": (swap(A, "150,MBq", "150,mBq"), A, 5, "unit", ("'MBq'",)),
    "negative sd": (swap(A, "MBq,15", "MBq,-15"), A, 5, "sd", ("'-15'", "above 0")),
    "flag in words": (swap(A, "MBq/mL,,1", "MBq/mL,,yes"), A, 4, "blq", ("0, 1",)),
    "sample twice": (swap(A, "1,72,blood", "1,24,blood"), A, 4, None, ("row 3", "keep one")),
    "more than administered": (swap(A, "6.9,GBq", "9.9,GBq"), A, 7, "value", ("7400", "9.9 GBq")),
    "blood in kBq as MBq": (swap(A, "180,kBq/mL", "180,MBq/mL"), A, 2, "value", ("check value",)),
    "sample after the next cycle": (
        swap(A, "1,72,", "1,1900,"), A, 4, "time_h", ("start of cycle 2",),
    ),
    "sample after the decision": (swap(A, "2,24,", "2,1900,"), A, 8, "time_h", ("the decision",)),
    # foci.csv
    "no cells": (swap(F, "-1,200", "-1,0"), F, 2, "cells", ("from 1",)),
    "fractional foci": (swap(F, "200,60", "200,60.5"), F, 2, "foci", ("whole number",)),
    "distribution against cells": (swap(F, "1,1,100", "1,1,90"), F, 3, "cells", ("add up to 100",)),
    "distribution against foci": (swap(F, "100,80", "100,90"), F, 3, "foci", ("hold 80",)),
    "distribution with a gap": (
        swap(F, "4,,,50,30,", "4,,,50,,"), F, 4, "c1", ("empty",),
    ),
    "foci without cells": (
        write(F, "cycle,time_h,foci\n1,1,5\n"), F, 2, "cells", ("missing", "c0 to c6"),
    ),
    "c columns incomplete": (
        write(F, "cycle,time_h,c0,c1\n1,1,5,2\n"), F, 2, "c2", ("all of c0 to c6",),
    ),
    "too many foci": (swap(F, "200,60", "200,60000"), F, 2, "foci", ("50 a cell",)),
    "early baseline": (swap(F, "1,-1,", "1,-300,"), F, 2, "time_h", ("from -240",)),
    "foci twice": (
        also(swap(F, "1,4,", "1,1,"), swap(F, "0,b,r1", "0,a,r1")), F, 4, None, ("row 3",),
    ),
    # counts.csv
    "haemoglobin in g/dL": (swap(C, "128", "12.8"), C, 2, "haemoglobin", ("g/dL", "by 10")),
    "a count of zero": (swap(C, "210", "0"), C, 2, "platelets", ("above 0", "limit of detection")),
    "platelets per uL": (swap(C, "210", "210000"), C, 2, "platelets", ("per uL", "1000")),
    "neutrophils per uL": (swap(C, "3.4", "3400"), C, 2, "neutrophils", ("per uL",)),
    "less than its parts": (swap(C, "1.2,5.2", "1.2,2.2"), C, 2, "leukocytes", ("4.6",)),
    "day twice": (swap(C, "20.5", "41.0"), C, 4, None, ("row 3",)),
    "no count": (swap(C, "20.5,150,,2.5,,4.0", "20.5,,,,,"), C, 3, None, ("at least one",)),
    "count after the decision": (swap(C, "41,", "79,"), C, 4, "day", ("day 78", "decision")),
    "date for a day": (swap(C, "41,", "2025-04-13,"), C, 4, "day", ("'2025-04-13'", "a number")),
    # doses.csv
    "dose and samples": (swap(D, "2,kidneys", "1,kidneys"), D, 2, "region", ("row 5", "remove")),
    "marrow without method": (
        swap(D, "0.016,,blood", "0.016,,"), D, 3, "method", ("empty", "blood, image"),
    ),
    "kidneys by blood": (swap(D, "0.06,image", "0.06,blood"), D, 2, "method", ("legal is image",)),
    "dose in mGy": (swap(D, "0.016", "16"), D, 3, "dose_gy_per_gbq", ("to 5",)),
    "negative dose": (swap(D, "0.43", "-0.43"), D, 2, "dose_gy_per_gbq", ("'-0.43'",)),
    "dose twice": (swap(D, "1,liver,0.1,0.02,", "2,kidneys,0.1,,"), D, 4, None, ("row 2",)),
    "comment line": (swap(D, "cycle,region", "# Table 3\ncycle,region"), D, 1, "'# Table 3'", ()),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(COMPLETE, tmp_path / "patient"))


def assert_one_sentence(error: StudyError) -> None:
    text = str(error)
    assert text.endswith(".")
    assert "\n" not in text
    assert text.isprintable()
    assert not re.search(r"\. [A-Z]", text), "two sentences"
    assert not re.search(r"Traceback|pydantic|Error\b|input_value|NoneType", text)
    assert len(text) < 500
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("name", CASES)
def test_broken_input_gives_one_sentence_with_its_place(name: str, folder: Path) -> None:
    break_it, file, row, column, words = CASES[name]
    break_it(folder)
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    error = caught.value
    assert_one_sentence(error)
    text = str(error)
    assert error.file == f"patient/{file}"
    assert text.startswith(error.file)
    assert error.row == row, text
    assert error.column == column, text
    if row is not None:
        assert f", row {row}" in text
    if column is not None:
        assert f"{'key' if file == Y else 'column'} {column}:" in text
    for word in words:
        assert word in text
    assert sorted(path.name for path in folder.iterdir()) == before


def test_there_are_many_kinds() -> None:
    assert len(CASES) >= 45


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such folder") as caught:
        read_study(tmp_path / "nobody")
    assert_one_sentence(caught.value)


def test_a_file_in_place_of_the_folder() -> None:
    with pytest.raises(StudyError, match=r"this is a file, legal is a study folder"):
        read_study(COMPLETE / "study.yaml")


def test_link_circle(folder: Path) -> None:
    (folder / "counts.csv").unlink()
    (folder / "counts.csv").symlink_to(folder / "counts.csv")
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    assert "counts.csv" in str(caught.value)
    assert_one_sentence(caught.value)


def test_unreadable_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StudyError, match=r"cannot be read \(Permission denied\)") as caught:
        read_study(folder)
    assert_one_sentence(caught.value)


def test_folder_name_with_a_line_break_stays_on_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "a\nb"
    folder.mkdir()
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    assert_one_sentence(caught.value)


def test_cohort_without_studies(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(StudyError, match=r"study\.yaml") as caught:
        read_cohort(tmp_path)
    assert_one_sentence(caught.value)


def test_errors_share_the_base_class() -> None:
    assert issubclass(StudyError, HemadoseError)
    assert issubclass(HemadoseError, ValueError)
