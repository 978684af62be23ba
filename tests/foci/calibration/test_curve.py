import json

import numpy as np
import pytest

from foci.calibration import (
    CalibrationCurve,
    calibration_line,
    eberlein_2015,
    read_curve,
    write_curve,
)
from foci.errors import FociError

COVARIANCE = np.array(
    [[2.2e-7, -9.9e-7, 4.4e-7], [-9.9e-7, 2.7e-5, -1.5e-5], [4.4e-7, -1.5e-5, 1.6e-5]]
)
CURVE = CalibrationCurve(
    np.array([0.0013, 0.021, 0.063]),
    COVARIANCE,
    irradiation_h=0.0,
    repair_h=48.0,
    source="dicentrics",
    dispersion=1.2,
    assumptions=("one", "two"),
    max_dose_gy=5.0,
)


def test_published_line_says_what_is_assumed():
    line = eberlein_2015(slope_cv=0.2)
    assert line.slope_per_gy == 14.7
    assert line.slope_sd == pytest.approx(2.94)
    assert any("20% ASSUMED" in words for words in line.assumptions)
    with pytest.raises(FociError, match="slope_cv"):
        eberlein_2015(slope_cv=-0.1)


def test_mean_gradient_and_slope():
    dose = np.array([[0.0, 0.5], [1.0, 4.0]])
    assert CURVE.mean_per_cell(dose) == pytest.approx(0.0013 + 0.021 * dose + 0.063 * dose**2)
    assert CURVE.gradient(dose).shape == (2, 2, 3)
    step = 1e-6
    rise = (CURVE.mean_per_cell(dose + step) - CURVE.mean_per_cell(dose - step)) / (2 * step)
    assert CURVE.slope_at(dose) == pytest.approx(rise, rel=1e-6)
    assert CURVE.mean_per_cell(2.0).shape == ()


def test_sd_by_simulation():
    draws = np.random.default_rng(1).multivariate_normal(CURVE.coefficients, COVARIANCE, 200_000)
    for dose in (0.0, 1.0, 5.0):
        simulated = (draws @ [1, dose, dose**2]).std()
        assert CURVE.sd_per_cell(dose) == pytest.approx(simulated, rel=0.01)


def test_a_line_has_its_numbers_in_place():
    line = calibration_line(14.7, 0.9, intercept_per_cell=0.2, intercept_sd=0.02, covariance=-0.006)
    assert (line.intercept_per_cell, line.intercept_sd) == (0.2, pytest.approx(0.02))
    assert (line.slope_per_gy, line.slope_sd) == (14.7, pytest.approx(0.9))
    assert line.covariance[0, 1] == line.covariance[1, 0] == -0.006
    assert line.is_linear
    assert line.turning_dose_gy == np.inf
    frame = line.to_frame()
    assert frame.correlation_linear[0] == pytest.approx(-0.006 / (0.02 * 0.9))


def test_dose_of_the_turn():
    saturating = CalibrationCurve(np.array([0.2, 10.0, -2.0]), np.zeros((3, 3)))
    grid = np.linspace(0, 5, 100_001)
    highest = grid[saturating.mean_per_cell(grid).argmax()]
    assert saturating.turning_dose_gy == pytest.approx(highest, abs=1e-4)


@pytest.mark.parametrize(
    "fields",
    [
        {"slope_per_gy": 0.0},
        {"slope_sd": -1.0},
        {"covariance": 1.0},
        {"irradiation_h": -1.0},
        {"repair_h": -1.0},
        {"repair_h": np.inf},
        {"dispersion": 0.5},
        {"max_dose_gy": 0.0},
        {"intercept_per_cell": -0.1},
        {"slope_per_gy": np.nan},
    ],
)
def test_impossible_lines_are_refused(fields):
    with pytest.raises(FociError):
        calibration_line(**({"slope_per_gy": 14.7, "slope_sd": 1.0} | fields))


@pytest.mark.parametrize(
    ("coefficients", "covariance", "words"),
    [
        ([0.1], np.zeros((1, 1)), "2 \\(line\\) or 3"),
        ([0.1, 1.0], np.zeros((3, 3)), "shape"),
        ([-0.1, 1.0], np.zeros((2, 2)), "intercept"),
        ([0.1, 0.0, 0.0], np.zeros((3, 3)), "must rise"),
        ([0.1, -1.0, 1.0], np.zeros((3, 3)), "must rise"),
        ([0.1, 1.0], [[1.0, 0.5], [0.2, 1.0]], "symmetric"),
        ([0.1, 1.0], [[-1.0, 0.0], [0.0, 1.0]], "symmetric"),
        ([0.1, 1.0], [[1.0, 2.0], [2.0, 1.0]], "exceeds"),
        ([0.1, 1, 1], [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]], "semi-definite"),
    ],
)
def test_impossible_curves_are_refused(coefficients, covariance, words):
    with pytest.raises(FociError, match=words):
        CalibrationCurve(np.array(coefficients), np.array(covariance))


def test_a_file_gives_the_same_curve_back(tmp_path):
    path = tmp_path / "curve.json"
    write_curve(CURVE, path)
    again = read_curve(path)
    assert again.to_dict() == CURVE.to_dict()
    assert json.loads(path.read_text("utf-8"))["repair_h"] == 48.0
    write_curve(eberlein_2015(), path)
    assert read_curve(path).max_dose_gy is None


def broken(**changes):
    fields = {"format": "foci calibration curve 1", **CURVE.to_dict(), **changes}
    return json.dumps({name: value for name, value in fields.items() if value != "drop"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1, column 2: not JSON"),
        ("[1, 2]", "no calibration curve"),
        ("{}", "no calibration curve"),
        (broken(irradiation_h="drop"), "fields missing: irradiation_h"),
        (broken(slope=3), "unknown fields slope"),
        (broken(coefficients=["a", 1]), "field coefficients: numbers expected"),
        (broken(coefficients=[0.1, -1.0]), "must rise"),
        (broken(covariance=[[1, 2], [3]]), "field covariance"),
        (broken(irradiation_h="1"), "field irradiation_h: numbers expected"),
        (broken(repair_h=True), "field repair_h"),
        (broken(source=3), "field source: text expected"),
        (broken(assumptions="one"), "field assumptions"),
        (broken(max_dose_gy="5"), "field max_dose_gy"),
    ],
)
def test_broken_files_are_refused_with_their_name(tmp_path, text, words):
    path = tmp_path / "mine.json"
    path.write_text(text, "utf-8")
    with pytest.raises(FociError, match=words) as raised:
        read_curve(path)
    assert "mine.json" in str(raised.value)


def test_files_that_are_no_text_or_missing(tmp_path):
    with pytest.raises(FociError, match="cannot be read"):
        read_curve(tmp_path / "none.json")
    (tmp_path / "picture.json").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(FociError, match="no text file"):
        read_curve(tmp_path / "picture.json")
