"""Cohort tables: what is read, and messages that name file, row, column and what is legal."""

import contextlib
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radiobio.dose_toxicity import (
    COHORT_COLUMNS,
    cohort_of_frame,
    join_cohorts,
    read_cohort_csv,
    write_cohort_template,
)
from radiobio.errors import RadiobioError

HEADER = (
    "patient,centre,dose_method,marrow_dose_gy,activity_gbq,lineage,worst_grade,baseline_count,"
    "bone_metastases,prior_taxane,prior_ra223,kidney_dysfunction,age_years"
)
ROW = "p1,A,image,1.9,,platelets,3,180,few,1,0,0,74"


def write(tmp_path, *rows, header=HEADER):
    place = tmp_path / "cohort.csv"
    place.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return place


def test_a_table_is_read_as_written(tmp_path):
    table = read_cohort_csv(write(tmp_path, ROW, "p2,B,activity,,22,platelets,0,,,NA,.,yes,"))
    assert table.patient == ("p1", "p2")
    assert table.centre == ("A", "B")
    assert table.exposure.tolist() == [1.9, 22.0]
    assert table.worst_grade.tolist() == [3, 0]
    assert table.covariates["bone_metastases"][0] == 1.0
    assert table.covariates["kidney_dysfunction"].tolist() == [0.0, 1.0]
    for name in ("baseline_count", "bone_metastases", "prior_taxane", "prior_ra223", "age_years"):
        assert np.isnan(table.covariates[name][1])


def test_covariates_and_centre_may_be_absent(tmp_path):
    header = "patient;dose_method;marrow_dose_gy;lineage;worst_grade"
    table = read_cohort_csv(write(tmp_path, "a;image;1.5;any;2", header=header))
    assert table.centre == ("one centre",)
    assert all(np.isnan(values).all() for values in table.covariates.values())


CELLS = {
    "worst_grade": ["", "5", "2.5", "-1", "three", "inf", "nan"],
    "lineage": ["", "thrombocytes"],
    "dose_method": ["", "x" * 81],
    "patient": ["", "a\x07b"],
    "marrow_dose_gy": ["", "-1", "500", "1,9", "inf"],
    "baseline_count": ["0", "-3", "many"],
    "bone_metastases": ["some", "3"],
    "prior_taxane": ["2", "maybe"],
    "age_years": ["-1", "240"],
}


@pytest.mark.parametrize(
    ("column", "cell"), [(name, cell) for name in sorted(CELLS) for cell in CELLS[name]]
)
def test_a_wrong_cell_is_named(tmp_path, column, cell):
    cells = ROW.split(",")
    cells[HEADER.split(",").index(column)] = f'"{cell}"'
    place = write(tmp_path, ROW.replace("p1", "p0"), ",".join(cells))
    with pytest.raises(RadiobioError, match=rf"cohort.csv, row 3, column {column}: .*"):
        read_cohort_csv(place)


def test_grade_four_of_haemoglobin_is_refused(tmp_path):
    row = ROW.replace("platelets,3", "haemoglobin,4")
    with pytest.raises(RadiobioError, match="0 to 3 for haemoglobin"):
        read_cohort_csv(write(tmp_path, row))


def test_a_patient_twice_is_refused(tmp_path):
    with pytest.raises(RadiobioError, match=r"row 3, column patient: 'p1' .*first in row 2"):
        read_cohort_csv(write(tmp_path, ROW, ROW))


@pytest.mark.parametrize(
    ("header", "message"),
    [("patient,dose_method,lineage,marrow_dose_gy", "columns worst_grade are missing"),
     (HEADER + ",colour", "column 'colour' is not known")],
)  # fmt: skip
def test_a_wrong_header_is_named(tmp_path, header, message):
    row = ",".join(["1"] * len(header.split(",")))
    with pytest.raises(RadiobioError, match=message):
        read_cohort_csv(write(tmp_path, row, header=header))


def test_rows_of_wrong_length_and_empty_files_are_refused(tmp_path):
    with pytest.raises(RadiobioError, match="row 2"):
        read_cohort_csv(write(tmp_path, ROW + ",9"))
    with pytest.raises(RadiobioError, match="no rows"):
        read_cohort_csv(write(tmp_path))
    with pytest.raises(RadiobioError, match="cannot be read"):
        read_cohort_csv(tmp_path / "absent.csv")


def test_two_dose_methods_of_one_patient_need_a_choice(tmp_path):
    table = read_cohort_csv(write(tmp_path, ROW, ROW.replace("image,1.9", "blood,0.08")))
    with pytest.raises(RadiobioError, match="choose one with dose_method="):
        table.of("platelets")
    assert table.of("platelets", dose_method="blood").exposure.tolist() == [0.08]
    with pytest.raises(RadiobioError, match="no row of lineage 'any'"):
        table.of("any")


def test_template_reads_and_names_every_column(tmp_path):
    place = write_cohort_template(tmp_path / "template.csv")
    text = place.read_text("utf-8")
    assert all(f"# {name}: " in text for name in COHORT_COLUMNS)
    table = read_cohort_csv(place)
    assert table.exposure.tolist() == [1.9, 22.2]


def test_frames_and_files_go_there_and_back(tmp_path):
    table = read_cohort_csv(write(tmp_path, ROW, "p2,B,activity,,22,any,0,,,,,,"))
    frame = table.to_frame()
    again = cohort_of_frame(frame)
    pd.testing.assert_frame_equal(again.to_frame(), frame)
    frame.to_csv(tmp_path / "again.csv", index=False)
    pd.testing.assert_frame_equal(read_cohort_csv(tmp_path / "again.csv").to_frame(), frame)
    assert len(join_cohorts(table, again)) == 4


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=200).map(lambda t: f"{HEADER}\n{t}".encode("utf-8", "replace")),
    )
)
def test_any_bytes_end_in_a_table_or_a_clear_error(tmp_path, content):
    place = tmp_path / "fuzz.csv"
    place.write_bytes(content)
    with contextlib.suppress(RadiobioError):
        assert len(read_cohort_csv(place)) >= 1


HEAD = "patient,dose_method,marrow_dose_gy,lineage,worst_grade,baseline_count"


@pytest.mark.parametrize(
    ("encode", "change"),
    [
        (lambda text: ("\ufeff" + text).encode(), None),
        (lambda text: text.replace("\n", "\r\n").encode(), None),
        (lambda text: text.replace(",", ";").encode(), None),
        (lambda text: text.replace("p1", "=cmd|' /C calc'!A0").encode(), None),  # text, not run
        (lambda text: text.replace(",", ";").replace("1.9", "1,9").encode(), "'1,9'"),
        (lambda text: text.encode("utf-16"), "UTF-8"),
        (lambda text: text.replace("1.9", "inf").encode(), "'inf'"),
        (lambda text: text.replace("platelets,3,180", "haemoglobin,3,9.5").encode(), "not in g/L"),
        (lambda text: (text + text.split("\n")[1]).encode(), "second time"),
    ],
)
def test_files_as_clinics_write_them(tmp_path, encode, change):
    place = tmp_path / "cohort.csv"
    place.write_bytes(encode(f"{HEAD}\np1,image,1.9,platelets,3,180\n"))
    if change is None:
        table = read_cohort_csv(place)
        assert (table.exposure[0], int(table.worst_grade[0])) == (1.9, 3)
        return
    with pytest.raises(RadiobioError, match=re.escape(change)):
        read_cohort_csv(place)


def test_a_separator_is_one_character(tmp_path):
    with pytest.raises(RadiobioError, match="one character"):
        read_cohort_csv(tmp_path / "cohort.csv", separator="::")
