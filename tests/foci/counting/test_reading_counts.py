"""Tables of counts: what is read, and errors that name file, row and column."""

import numpy as np
import pytest
from scipy import optimize, stats

from foci import FociError
from foci.counting.reading_counts import read_counts


@pytest.fixture
def write(tmp_path):
    def write_text(text):
        path = tmp_path / "counts.csv"
        path.write_text(text, "utf-8")
        return path

    return write_text


def test_slides_of_two_patients(write):
    table = read_counts(write(
        "patient,cycle,time_h,slide,reader,cells,foci\n"
        "P1,1,-1,a,KL,100,20\n"
        "P1,1,2.5,b,KL,100,61\n"
        "P1,1,2.5,c,KL,50,33\n\n"
        "P2,2,4,d,MN,80,12\n"
    ))  # fmt: skip
    before, after = table.samples("P1")
    assert (before.is_baseline, before.foci) == (True, 20)
    assert (after.time_h, after.cells, after.foci) == (2.5, 150, 94)
    assert table.samples("P2")[0].cycle == 2
    assert table.rows[3].line == 6
    slide = table.rows[1].as_slide()
    assert (slide.slide, slide.reader, slide.per_cell) == ("b", "KL", 0.61)
    assert table.notices == ()


def test_classes_of_a_calibration_series(write):
    table = read_counts(write("dose_gy;C0;C1;C2+\n0;90;9;0\n0.05;40;30;20\n"))
    first, second = table.rows
    assert (first.dose_gy, first.cells, first.foci) == (0.0, 99, 9)
    assert first.distribution == (90, 9, 0)
    assert not first.open_last_class
    assert second.open_last_class
    best = optimize.minimize_scalar(
        lambda m: m * 70 - 30 * np.log(m) - 20 * stats.poisson.logsf(1, m), bounds=(0.1, 3)
    )
    assert second.foci == round(90 * best.x) > 70
    assert second.as_slide().distribution is None
    assert "row 3: 20 cells are in the open last class: at least 70 foci" in table.notices[0]


def test_totals_beside_classes_must_agree(write):
    table = read_counts(write("time_h,cells,foci,C0,C1,C2+\n2,90,75,40,30,20\n"))
    assert table.samples()[0].foci == 75
    assert table.notices == ()
    with pytest.raises(FociError, match="row 2, column foci: got 69, but the classes hold 70 or"):
        read_counts(write("time_h,foci,C0,C1,C2+\n2,69,40,30,20\n"))
    with pytest.raises(FociError, match="row 2, column cells: got 91, but the classes hold 90"):
        read_counts(write("time_h,cells,C0,C1,C2\n2,91,40,30,20\n"))


def test_unknown_columns_are_refused_or_ignored_with_a_notice(write):
    path = write("cells,foci,colour\n10,3,red\n")
    with pytest.raises(FociError, match="row 1, column colour: unknown column, legal are patient"):
        read_counts(path)
    table = read_counts(path, ignore_unknown_columns=True)
    assert table.notices == ("counts.csv: the column colour was ignored",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("cells,foci\n", "no rows"),
        ("cells\n10\n", "column foci: the column is missing"),
        ("cells,cells,foci\n1,1,1\n", "stands twice"),
        ("cells,foci\n10\n", "row 2: the row has 1 cells, legal are 2"),
        ("cells,foci\n10,3.5\n", "row 2, column foci: got '3.5', legal is a whole number from 0"),
        ("cells,foci\n10,-3\n", "row 2, column foci: got '-3'"),
        ("cells,foci\n0,0\n", "row 2, column cells: got 0, legal is a whole number from 1"),
        ("cells,foci\n10,\n", "row 2, column cells: the counts are missing"),
        ("cells,foci\n10,1001\n", "row 2, column foci: 1001 foci in 10 cells.*exchanged"),
        ("cells,foci,time_h\n10,3,soon\n", "row 2, column time_h: got 'soon', legal is a finite"),
        ("cells,foci,dose_gy\n10,3,-1\n", "row 2, column dose_gy: got '-1'.*from 0"),
        ("cells,foci,cycle\n10,3,0\n", "row 2, column cycle: got 0, legal is a whole number"),
        ("C0,C2\n3,4\n", "without a gap"),
        ("C0,C1+,C2\n3,4,1\n", "only the last may be open"),
        ("C0,C1\n0,0\n", "column cells: a sample needs cells"),
    ],
)
def test_errors_name_file_row_and_column(write, text, words):
    with pytest.raises(FociError, match=words) as caught:
        read_counts(write(text))
    assert str(caught.value).startswith("counts.csv")


def test_samples_need_times_and_one_reading_a_slide(write):
    with pytest.raises(FociError, match="time_h is missing"):
        read_counts(write("cells,foci\n10,3\n")).samples()
    with pytest.raises(FociError, match="no patient 'X'"):
        read_counts(write("cells,foci\n10,3\n")).samples("X")
    table = read_counts(write("time_h,slide,reader,cells,foci\n1,a,KL,10,3\n1,a,MN,10,4\n"))
    with pytest.raises(FociError, match="slide a stands there twice"):
        table.samples()


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FociError, match="cannot be read"):
        read_counts(tmp_path / "none.csv")
    (tmp_path / "bad.csv").write_bytes(b"cells,foci\n\xff,1\n")
    with pytest.raises(FociError, match="UTF-8"):
        read_counts(tmp_path / "bad.csv")
