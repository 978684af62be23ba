"""Yields, painting, background and the comparison of laboratories."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from foci import CalibrationCurve, FociError
from foci.cytogenetics import (
    AberrationCounts,
    background_translocations,
    curve_with_background,
    genome_factor,
    laboratory_scores,
    painted_curve,
    painted_fraction,
    whole_body_dose,
    yield_table,
)

REFERENCE = Path(__file__).parents[2] / "reference"
LABS = pd.read_csv(REFERENCE / "foci_interlab.csv")
SERIES = pd.read_csv(REFERENCE / "foci_micronuclei_series.csv")
DOSE_CURVES = {"A1": [0.00119, 0.01904, 0.09688], "A2": [0.0005, 0.0142, 0.0759]}
ALGORITHMS = (("A", "z_a"), ("B", "z_b"), ("Q/Hampel", "z_q"))
FULL = CalibrationCurve(np.array([0.002, 0.009, 0.018]), np.diag([1e-7, 1e-5, 1e-6]))


def test_yields_of_a_published_series():
    distributions = SERIES[[f"C{k}" for k in range(7)]].to_numpy().tolist()
    table = yield_table(SERIES.dose_gy, distributions)
    assert table.dispersion_index.to_numpy() == pytest.approx(SERIES.dispersion_index, abs=6e-7)
    assert table.u.to_numpy() == pytest.approx(SERIES.u, abs=6e-7)
    cells = np.repeat(np.arange(7), distributions[-1])
    assert table.sd_per_cell.iloc[-1] == pytest.approx(cells.std(ddof=1) / len(cells) ** 0.5)


def test_yields_without_aberrations_say_so():
    table = yield_table([0.0], [(50, 1)])
    assert "too few" in table.status[0]
    with pytest.raises(FociError, match="2 doses"):
        yield_table([0.0, 1.0], [(50, 1)])


@pytest.mark.parametrize(
    "row", list(LABS.itertuples()), ids=lambda row: f"{row.laboratory}-{row.sample}"
)
def test_doses_of_the_laboratories(row):
    curve = CalibrationCurve(np.array(DOSE_CURVES[row.laboratory]), np.zeros((3, 3)))
    dose = whole_body_dose(AberrationCounts(row.cells, row.dicentrics), curve).dose_gy
    assert dose == pytest.approx(row.dose_gy, abs=1e-4)  # coefficients have 5 decimals


@pytest.mark.parametrize("row", [row for row in LABS.itertuples() if row.laboratory == "A2"])
def test_limits_of_a_laboratory_without_overdispersion(row):
    # Merkle 95/95; the covariances of laboratory A1 were not published
    curve = CalibrationCurve(np.array(DOSE_CURVES["A2"]), np.diag([5e-4, 4.4e-3, 2.7e-3]) ** 2)
    counts = AberrationCounts(row.cells, row.dicentrics)
    dose = whole_body_dose(counts, curve, method="merkle", level=0.95)
    assert dose.interval_gy == pytest.approx((row.lower_gy, row.upper_gy), abs=1.5e-4)


@pytest.mark.parametrize(("algorithm", "column"), ALGORITHMS)
@pytest.mark.parametrize("sample", [1, 2, 3])
def test_published_scores(algorithm, column, sample):
    group = LABS[LABS["sample"] == sample]
    reference = float(group.reference_gy.iloc[0])
    scores = laboratory_scores(group.dose_gy, reference=reference, algorithm=algorithm)
    published = group[column].to_numpy()
    # two laboratories: the spread is their difference, known to 1e-4 Gy from printed doses
    gap = abs(np.diff(group.dose_gy.to_numpy())[0])
    assert scores.z == pytest.approx(published, rel=1.2e-4 / gap, abs=2e-3)
    assert np.diff(scores.z)[0] == pytest.approx(np.diff(published)[0], abs=1.1e-4)
    assert scores.deviation == pytest.approx(group.dose_gy.to_numpy() - reference)


@pytest.mark.parametrize(("algorithm", "z"), [("A", 0.4675), ("B", 0.4939), ("Q/Hampel", 0.3376)])
def test_published_scores_of_yields(algorithm, z):
    for values in ((0.700, 0.555), (1.020, 0.735), (1.840, 1.265)):
        scores = laboratory_scores(values, algorithm=algorithm)
        assert scores.z == pytest.approx([z, -z], abs=5e-5)


def test_published_algorithm_a_of_three_laboratories():
    # biodosetools' example of calc.zValue.new: each laboratory has a reference of its own
    values = np.array([3.65, 2.5, 4.85])
    sd = laboratory_scores(values).robust_sd
    z = (values - [3.5, 3.0, 4.25]) / sd
    assert z == pytest.approx([0.1126264, -0.3754214, 0.4505056], abs=5e-8)


@pytest.mark.parametrize(("algorithm", "_"), ALGORITHMS)
def test_robust_estimates_of_normal_values_and_of_outliers(algorithm, _):
    rng = np.random.default_rng(3)
    x = rng.normal(3.0, 0.5, 400)
    clean = laboratory_scores(x, algorithm=algorithm)
    assert clean.robust_mean == pytest.approx(3.0, abs=4 * 0.5 / 20)
    assert clean.robust_sd == pytest.approx(0.5, rel=0.12)
    x[:20] = 50.0
    spoilt = laboratory_scores(x, algorithm=algorithm)
    assert spoilt.robust_mean == pytest.approx(3.0, abs=0.15)
    assert spoilt.robust_sd == pytest.approx(0.5, rel=0.25)
    assert (spoilt.to_frame().verdict[:20] == "unsatisfactory").all()


@pytest.mark.parametrize(("algorithm", "_"), ALGORITHMS)
def test_scores_do_not_depend_on_the_unit(algorithm, _):
    x = np.array([2.1, 2.4, 2.2, 3.9, 2.0, 2.3])
    gy = laboratory_scores(x, reference=2.2, algorithm=algorithm)
    mgy = laboratory_scores(1e3 * x, reference=2.2e3, algorithm=algorithm)
    assert mgy.z == pytest.approx(gy.z, rel=1e-9)


def test_scores_refuse_what_has_no_spread():
    with pytest.raises(FociError, match="same value"):
        laboratory_scores([2.0, 2.0, 2.0, 3.0])
    with pytest.raises(FociError, match="two finite"):
        laboratory_scores([2.0])
    with pytest.raises(FociError, match="algorithm"):
        laboratory_scores([2.0, 3.0], algorithm="C")


def test_genome_factor_of_the_iaea_example():
    assert genome_factor({"red": [1, 2, 4], "green": [3, 5, 6]}, "male") == pytest.approx(
        0.585, abs=5e-4
    )
    assert sum(painted_fraction([n], "female") for n in [*range(1, 23), "X"]) == pytest.approx(1)
    assert painted_fraction([*range(1, 23), "X", "y"], "male") == pytest.approx(1)


def test_genome_factor_by_drawing_breaks():
    # exchanges between two random places of the genome, seen where the colours differ;
    # 0.974 is the share between different chromosomes, left out of both
    rng = np.random.default_rng(1)
    red, green = painted_fraction([1, 2, 4], "male"), painted_fraction([3, 5, 6], "male")
    colours = rng.choice(3, size=(2, 1_000_000), p=[red, green, 1 - red - green])
    seen = (colours[0] != colours[1]).mean() / 0.974
    factor = genome_factor({"red": [1, 2, 4], "green": [3, 5, 6]}, "male")
    assert seen == pytest.approx(factor, abs=4 * 0.5e-3)
    one = genome_factor({"red": [1, 2, 4, 3, 5, 6]}, "male")
    assert one < factor  # exchanges between red and green are not seen in one colour


def test_painting_and_background_change_the_curve_alone():
    painted = painted_curve(FULL, 0.5)
    counts = AberrationCounts(1000, 40)
    half = whole_body_dose(counts, painted)
    whole = whole_body_dose(AberrationCounts(1000, 80), FULL)
    assert half.dose_gy == pytest.approx(whole.dose_gy)
    older = curve_with_background(FULL, 0.01, 0.002)
    assert whole_body_dose(AberrationCounts(1000, 10), older).dose_gy == 0
    assert older.sd_per_cell(0.0) == pytest.approx(0.002)


def test_background_rises_with_age_and_smoking():
    values = [background_translocations(age).per_cell for age in range(0, 86, 5)]
    assert (np.diff(values) > 0).all()
    assert values[0] == pytest.approx(np.exp(-7.925))
    smoker = background_translocations(50, ever_smoker=True).per_cell
    assert smoker / background_translocations(50).per_cell == pytest.approx(1.19)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: painted_fraction(["23"], "male"), "23"),
        (lambda: painted_fraction(["Y"], "female"), "Y"),
        (lambda: painted_fraction([1, "1"], "male"), "twice"),
        (lambda: painted_fraction([1], "x"), "sex"),
        (lambda: genome_factor({"red": []}, "male"), "painted"),
        (lambda: genome_factor({"red": [1], "green": [1]}, "male"), "twice"),
        (lambda: background_translocations(90), "age"),
        (lambda: background_translocations(30, spread_cv=-1), "spread_cv"),
        (lambda: painted_curve(FULL, 1.2), "genome_factor"),
        (lambda: curve_with_background(FULL, -0.1, 0.0), "background"),
    ],
)
def test_impossible_arguments_are_refused(call, words):
    with pytest.raises(FociError, match=words):
        call()
