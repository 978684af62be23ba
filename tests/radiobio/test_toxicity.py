import csv
from pathlib import Path

import numpy as np
import pytest

from radiobio import (
    GRADE3_LIMIT,
    CountCourse,
    RadiobioError,
    ctcae_grade,
    ctcae_limits,
    reaches_grade,
)

REFERENCE = Path(__file__).parents[1] / "reference"
NORMAL = {
    "platelets": 150.0,
    "haemoglobin": 120.0,
    "neutrophils": 1.8,
    "lymphocytes": 1.0,
    "leukocytes": 4.0,
}


def table():
    with (REFERENCE / "radiobio_ctcae_v5.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row['lineage']}-{row['grade']}")
def test_every_row_of_the_criteria(row):
    lineage, grade = row["lineage"], float(row["grade"])
    normal = NORMAL[lineage]
    upper = normal if row["upper_exclusive"] == "LLN" else float(row["upper_exclusive"])
    lower = float(row["lower_inclusive"] or 0.0)
    inside = [lower, (lower + upper) / 2, np.nextafter(upper, 0)]
    np.testing.assert_array_equal(ctcae_grade(lineage, inside, lower_limit_of_normal=normal), grade)
    assert ctcae_grade(lineage, upper, lower_limit_of_normal=normal) == grade - 1
    if grade == 3:
        assert GRADE3_LIMIT[lineage] == upper == ctcae_limits(lineage)[1]


def test_haemoglobin_has_no_grade_4():
    assert ctcae_grade("haemoglobin", 10.0) == 3


def test_what_cannot_be_graded_is_nan():
    grade = ctcae_grade("platelets", [200.0, 100.0, 74.9, np.nan])
    np.testing.assert_array_equal(grade, [np.nan, np.nan, 2.0, np.nan])
    some = ctcae_grade("platelets", [100.0, 100.0], lower_limit_of_normal=[150.0, np.nan])
    np.testing.assert_array_equal(some, [1.0, np.nan])


def test_low_limit_of_normal_does_not_hide_grade_2():
    assert ctcae_grade("platelets", 72.0, lower_limit_of_normal=70.0) == 2


def test_what_is_not_legal():
    with pytest.raises(RadiobioError, match="version"):
        ctcae_grade("platelets", 10.0, version="6.0")
    with pytest.raises(RadiobioError, match="lineage"):
        ctcae_grade("PLT", 10.0)
    with pytest.raises(RadiobioError, match="negative"):
        ctcae_grade("platelets", -1.0)


def test_reaches_grade():
    course = CountCourse(
        np.array([0.0, 1.0]), np.array([[200.0, 50.0], [200.0, 49.0], [24.0, 90.0]]), np.zeros(5)
    )
    np.testing.assert_array_equal(reaches_grade(course, "platelets"), [False, True, True])
    np.testing.assert_array_equal(reaches_grade(course, "platelets", grade=2), True)
    np.testing.assert_array_equal(reaches_grade(course, "platelets", grade=4), [0, 0, 1])
    with pytest.raises(RadiobioError, match="grade must be 2 to 3"):
        reaches_grade(course, "haemoglobin", grade=4)
