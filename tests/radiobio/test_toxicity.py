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
from radiobio.toxicity import creatinine_grade

REFERENCE = Path(__file__).parents[1] / "reference"
NORMAL = {
    "platelets": 150.0,
    "haemoglobin": 120.0,
    "neutrophils": 1.8,
    "lymphocytes": 1.0,
    "leukocytes": 4.0,
}


def table():
    rows = []
    for version in ("5", "6"):
        with (REFERENCE / f"radiobio_ctcae_v{version}.csv").open() as file:
            rows += [row | {"version": f"{version}.0"} for row in csv.DictReader(file)]
    return rows


@pytest.mark.parametrize(
    "row", table(), ids=lambda row: f"{row['version']}-{row['lineage']}-{row['grade']}"
)
def test_every_row_of_the_criteria(row):
    version = row["version"]
    lineage, grade = row["lineage"], float(row["grade"])
    normal = NORMAL[lineage]
    upper = normal if row["upper_exclusive"] == "LLN" else float(row["upper_exclusive"])
    lower = float(row["lower_inclusive"] or 0.0)
    inside = [lower, (lower + upper) / 2, np.nextafter(upper, 0)]
    found = ctcae_grade(lineage, inside, lower_limit_of_normal=normal, version=version)
    np.testing.assert_array_equal(found, grade)
    above = ctcae_grade(lineage, upper, lower_limit_of_normal=normal, version=version)
    assert above == grade - 1
    if grade == 3:
        assert ctcae_limits(lineage, version=version)[1] == upper
        assert version == "6.0" or GRADE3_LIMIT[lineage] == upper


def test_haemoglobin_has_no_grade_4():
    assert ctcae_grade("haemoglobin", 10.0) == 3


def test_what_cannot_be_graded_is_nan():
    grade = ctcae_grade("platelets", [200.0, 100.0, 74.9, np.nan])
    np.testing.assert_array_equal(grade, [np.nan, np.nan, 2.0, np.nan])
    some = ctcae_grade("platelets", [100.0, 100.0], lower_limit_of_normal=[150.0, np.nan])
    np.testing.assert_array_equal(some, [1.0, np.nan])


def test_low_limit_of_normal_does_not_hide_grade_2():
    assert ctcae_grade("platelets", 72.0, lower_limit_of_normal=70.0) == 2


def test_version_6_grades_neutrophils_without_a_limit_of_normal():
    grade = ctcae_grade("neutrophils", [9.0, 1.6, 1.4, 0.09], version="6.0")
    np.testing.assert_array_equal(grade, [0.0, 0.0, 1.0, 4.0])
    np.testing.assert_array_equal(
        ctcae_grade("neutrophils", 1.6, lower_limit_of_normal=1.8, version="6.0"), 0.0
    )
    assert np.isnan(ctcae_grade("neutrophils", 1.6))
    assert np.isnan(ctcae_grade("neutrophils", np.nan, version="6.0"))


def test_version_6_has_no_lymphocytes():
    with pytest.raises(RadiobioError, match="use version"):
        ctcae_grade("lymphocytes", 0.1, version="6.0")


def test_the_worse_of_laboratory_and_clinic_counts():
    grade = ctcae_grade(
        "haemoglobin", [70.0, 85.0, 85.0, 130.0, np.nan], clinical_grade=[4, 3, np.nan, 3, 4]
    )
    np.testing.assert_array_equal(grade, [4.0, 3.0, 2.0, 3.0, 4.0])
    assert ctcae_grade("platelets", 5.0, clinical_grade=3, version="6.0") == 4
    with pytest.raises(RadiobioError, match="no clinical criterion"):
        ctcae_grade("platelets", 5.0, clinical_grade=4)
    with pytest.raises(RadiobioError, match="3, 4 or nan"):
        ctcae_grade("haemoglobin", 5.0, clinical_grade=2)


@pytest.mark.parametrize(("multiple", "grade"), [(1.0, 0), (1.5, 1), (1.51, 2), (3.0, 2), (3.01, 3),
                                             (6.0, 3), (6.01, 4)])  # fmt: skip
def test_creatinine_by_the_upper_limit_of_normal(multiple, grade):
    for version in ("5.0", "6.0"):
        found = creatinine_grade(
            multiple * 100.0, upper_limit_of_normal=100.0, baseline=1e4, version=version
        )
        assert found == grade


def test_creatinine_by_the_baseline():
    given = {"upper_limit_of_normal": 110.0, "lower_limit_of_normal": 60.0}
    value = [80.0, 95.0, 160.0, 700.0]
    # version 5: 1.5 and 3 times any baseline; version 6: only of a baseline below normal
    found = creatinine_grade(value, baseline=[70.0, 60.0, 50.0, 50.0], **given)
    np.testing.assert_array_equal(found, [0.0, 2.0, 3.0, 4.0])
    found = creatinine_grade(value, baseline=[70.0, 60.0, 50.0, 50.0], version="6.0", **given)
    np.testing.assert_array_equal(found, [0.0, 0.0, 3.0, 4.0])
    assert np.isnan(creatinine_grade(100.0, baseline=90.0))
    assert creatinine_grade(200.0, baseline=90.0) == 2
    assert np.isnan(creatinine_grade(np.nan, upper_limit_of_normal=110.0))
    with pytest.raises(RadiobioError, match="baseline"):
        creatinine_grade(100.0, baseline=-1.0)
    with pytest.raises(RadiobioError, match="shapes"):
        creatinine_grade([1.0, 2.0], baseline=[1.0, 2.0, 3.0])


def test_what_is_not_legal():
    with pytest.raises(RadiobioError, match="version"):
        ctcae_grade("platelets", 10.0, version="4.0")
    with pytest.raises(RadiobioError, match="version"):
        creatinine_grade(10.0, version="4.0")
    with pytest.raises(RadiobioError, match="lineage"):
        ctcae_grade("PLT", 10.0)
    with pytest.raises(RadiobioError, match="0 or more"):
        ctcae_grade("platelets", [5.0, -1.0])
    for given, message in (
        ({"value": np.inf}, "inf"),
        ({"value": "ten"}, "must be numbers"),
        ({"lower_limit_of_normal": 0.0}, "above zero"),
        ({"value": [1.0, 2.0], "lower_limit_of_normal": [1.0, 2.0, 3.0]}, "broadcast"),
        ({"version": []}, "not known"),
        ({"lineage": ["platelets"]}, "not known"),
        ({"lineage": "haemoglobin", "lower_limit_of_normal": 12.0}, "g/dL"),
    ):
        with pytest.raises(RadiobioError, match=message):
            ctcae_grade(**({"lineage": "platelets", "value": 60.0} | given))
    for given, message in (
        ({"upper_limit_of_normal": 0.0}, "above zero"),
        ({"baseline": 0.0}, "above zero"),
        ({"value": np.inf}, "inf"),
        ({"lower_limit_of_normal": 130.0}, "above upper_limit"),
        ({"baseline": [1.0, 2.0], "value": [1.0, 2.0, 3.0]}, "broadcast"),
    ):
        with pytest.raises(RadiobioError, match=message):
            creatinine_grade(**({"value": 90.0, "upper_limit_of_normal": 110.0} | given))


def test_a_low_limit_of_normal_leaves_no_grade_1():
    found = ctcae_grade("platelets", [76.0, 70.0, 59.0], lower_limit_of_normal=60.0)
    np.testing.assert_array_equal(found, [0.0, 2.0, 2.0])


@pytest.mark.parametrize("version", ["5.0", "6.0"])
def test_each_limit_belongs_to_the_better_grade(version):
    for lineage in ("haemoglobin", "leukocytes", "neutrophils", "platelets"):
        for worse, limit in enumerate(ctcae_limits(lineage, version=version), start=2):
            at = ctcae_grade(lineage, limit, lower_limit_of_normal=500.0, version=version)
            below = ctcae_grade(lineage, np.nextafter(limit, 0.0), version=version)
            assert (at, below) == (worse - 1, worse)
    for grade, factor in enumerate((1.0, 1.5, 3.0, 6.0)):
        limit = 100.0 * factor
        given = {"upper_limit_of_normal": 100.0, "version": version}
        assert creatinine_grade(limit, **given) == grade
        assert creatinine_grade(np.nextafter(limit, 1e9), **given) == grade + 1


def test_reaches_grade():
    course = CountCourse(
        np.array([0.0, 1.0]), np.array([[200.0, 50.0], [200.0, 49.0], [24.0, 90.0]]), np.zeros(5)
    )
    np.testing.assert_array_equal(reaches_grade(course, "platelets"), [False, True, True])
    np.testing.assert_array_equal(reaches_grade(course, "platelets", grade=2), True)
    np.testing.assert_array_equal(reaches_grade(course, "platelets", grade=4), [0, 0, 1])
    with pytest.raises(RadiobioError, match="grade must be 2 to 3"):
        reaches_grade(course, "haemoglobin", grade=4)
