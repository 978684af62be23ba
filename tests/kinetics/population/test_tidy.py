"""Tidy tables: observations and doses in files."""

import numpy as np
import pytest

from kinetics.population.errors import PopulationDataError
from kinetics.population.tidy import read_tidy

SAMPLES = """patient,cycle,region,time_h,activity_mbq,sd,below_limit,tumour_volume_ml
P01,1,blood,2,80,4,0,31.5
P01,1,kidneys,24,120.5,,,
P01,2,blood,2,70,4,1,
P02,1,blood,2,60,4,false,12
"""
DOSES = """patient,cycle,activity_mbq,duration_h
P01,1,7400,0.5
P01,2,7300,
P02,1,7000,0
"""


@pytest.fixture
def write(tmp_path):
    def file(text, name="samples.csv"):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return file


def test_every_cycle_is_its_own_occasion(write):
    data = read_tidy(write(SAMPLES), write(DOSES, "doses.csv"))
    assert data.subjects == ("P01", "P02")
    assert data.occasion_label == ("1", "2", "1")
    assert data.regions == ("blood", "kidneys")
    np.testing.assert_array_equal(data.value, [80, 120.5, 70, 60])
    np.testing.assert_array_equal(data.sd, [4, np.nan, 4, 4])
    np.testing.assert_array_equal(data.below_limit, [False, False, True, False])
    np.testing.assert_array_equal(data.row, [2, 3, 4, 5])
    np.testing.assert_array_equal(data.covariates["tumour_volume_ml"], [31.5, 31.5, 12])
    np.testing.assert_array_equal(data.doses[:, [0, 1, 3]], [[0, 7400, 14800], [0, 7300, 0],
                                                             [0, 7000, 0]])  # fmt: skip


def test_without_doses_a_unit_bolus(write):
    data = read_tidy(write("patient,time_h,value\n001,1,5\n002,1,6\n"))
    assert data.subjects == ("001", "002")
    assert data.regions == ("blood",)
    np.testing.assert_array_equal(data.doses[:, 1], [1, 1])


def test_other_names_and_marks(write):
    text = "Patient;hours;counts;dose;weight_kg\nA;1,5;5,25;10;70,5\n\n# a remark\nA;3;1e1;10;.\n"
    data = read_tidy(
        write(text),
        columns={"hours": "time_h", "dose": "amount"},
        value_column="counts",
        decimal=",",
    )
    np.testing.assert_array_equal(data.time_h, [1.5, 3])
    np.testing.assert_array_equal(data.value, [5.25, 10])
    np.testing.assert_array_equal(data.row, [2, 5])
    assert data.doses[0, 1] == 10
    assert data.covariates["weight_kg"][0] == 70.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "samples.csv: the file is empty"),
        ("patient,time_h,value\n", "samples.csv: the table has a header but no rows"),
        ("patient,time_h\nA,1\n", "row 1: there is no value, activity_mbq, activity_mbq_per_ml"),
        ("patient,time_h,value,activity_mbq\nA,1,1,1\n", "there are value, activity_mbq; legal is"),
        ("patient,value\nA,1\n", "column time_h: the column is missing; there are patient, value"),
        ("patient,time_h,value\nA,1\n", "row 2: the row has 2 cells, legal are 3"),
        ("patient,time_h,value\nA,1,2\nA,1,2,5\n", "row 3: the row has 4 cells, legal are 3"),
        ("patient,time_h,value,Value\nA,1,2,3\n", "row 1: there are columns named value twice"),
        ("patient,time_h,value,\nA,1,2,3\n", "row 1: there are columns without a name"),
        ('patient,time_h,value\n"A\nB",1,2\n', "a quoted cell runs over several lines"),
        ("patient,time_h,value\n" + "A" * 200_000 + ",1,2\n", "the file is no table .field larger"),
        ("patient,time_h,value\n\nA,9:30,2\n", "row 3, column time_h: got '9:30', legal is a num"
         "ber of hours; write a clock time as hours"),
        ("patient,time_h,value\nA,2024-05-01,2\n", "write a date as hours since the first dose"),
        ('patient,time_h,value\nA,1,"2,5"\n', "got '2,5', legal is a number; write the decimal"),
        ("patient,time_h,value,sex\nA,1,2,M\nB,1,2,F\n", "row 2, column sex: got 'M', legal is a "
         "number; code text as numbers .as 0 and 1.*; 1 more rows are like it"),
    ],
)  # fmt: skip
def test_errors_name_file_row_and_column(write, text, message):
    with pytest.raises(PopulationDataError, match=message):
        read_tidy(write(text))


def test_errors_of_files(write, tmp_path):
    with pytest.raises(PopulationDataError, match="the file cannot be read"):
        read_tidy(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("patient,time_h,value\nJosé,1,2\n".encode("latin-1"))
    with pytest.raises(PopulationDataError, match="not UTF-8"):
        read_tidy(tmp_path / "latin.csv")
    samples = write("patient,time_h,value,amount\nA,1,2,3\n")
    with pytest.raises(PopulationDataError, match=r"the doses stand in doses\.csv as well"):
        read_tidy(samples, write("patient,amount\nA,1\n", "doses.csv"))
    doses = write("patient,amount,additional\nA,5,x\nA,,1\n", "doses.csv")
    with pytest.raises(PopulationDataError) as caught:
        read_tidy(write("patient,time_h,value\nA,1,2\n"), doses)
    assert [text.split(":")[0] for text in caught.value.problems] == [
        "doses.csv, row 2, column additional",
        "doses.csv, row 3, column amount",
        "doses.csv, row 3, column interval_h",
    ]
