import matplotlib as mpl
import numpy as np
import pytest
from scipy import stats

from foci import FociError, FociSample, dose_from_curve, eberlein_2015
from foci.calibration import calibration_line
from foci.counting.conditional_test import p_values
from foci.detectability.cells_needed import cells_needed
from foci.detectability.power import Counting, detection_power
from foci.detectability.power_study import plot_power, power_study

CURVE = eberlein_2015(slope_cv=0.05)


def simulated(counting, cells, mean, runs, rng):
    """Share of simulated pairs of counts that are found significant."""
    before = counting.baseline_cells or cells
    means = counting.baseline_per_cell * before, mean * cells
    if counting.dispersion == 1:
        x0, x1 = (rng.poisson(m, runs) for m in means)
    else:
        phi = counting.dispersion
        x0, x1 = (rng.negative_binomial(m / (phi - 1), 1 / phi, runs) for m in means)
    above = x1 / cells > x0 / before
    if counting.method == "currie":
        b = x0 / before
        spread = np.sqrt(counting.dispersion * b * (1 / cells + 1 / before))
        return (x1 / cells - b > stats.norm.ppf(1 - counting.alpha) * spread).mean()
    p = p_values(x1, x0, cells, before, counting.alternative, counting.dispersion)
    return ((p < counting.alpha) & above).mean()


@pytest.mark.parametrize(
    "counting",
    [
        Counting(0.2),
        Counting(0.2, baseline_cells=500, alternative="greater"),
        Counting(0.35, method="currie"),
        Counting(0.2, dispersion=1.6),
        Counting(0.35, method="currie", dispersion=1.6, baseline_cells=300),
    ],
    ids=["two-sided", "greater", "currie", "dispersed", "currie-dispersed"],
)
@pytest.mark.parametrize("dose_gy", [0.0, 0.012])
def test_power_against_simulation(counting, dose_gy):
    rng = np.random.default_rng(8)
    runs = 10_000 if counting.method == "exact" and counting.dispersion > 1 else 100_000
    power = float(detection_power(dose_gy, CURVE, counting, cells=100))
    share = simulated(counting, 100, counting.baseline_per_cell + 14.7 * dose_gy, runs, rng)
    assert power == pytest.approx(share, abs=4 * np.sqrt(power * (1 - power) / runs) + 1e-9)


@pytest.mark.parametrize("b", [0.02, 0.2, 1.0])
@pytest.mark.parametrize("cells", [50, 500])
def test_exact_test_keeps_its_level_and_currie_does_not(b, cells):
    level = float(detection_power(0.0, CURVE, Counting(b), cells=cells))
    one_sided = Counting(b, alternative="greater")
    assert level < 0.0251
    assert float(detection_power(0.0, CURVE, one_sided, cells=cells)) < 0.0501
    dispersed = Counting(b, alternative="greater", dispersion=1.5)
    # the pooled mean put in costs the exactness; the sparsest counts are worst
    assert float(detection_power(0.0, CURVE, dispersed, cells=cells)) < 0.075
    currie = float(detection_power(0.0, CURVE, Counting(b, method="currie"), cells=cells))
    assert 0.04 < currie < 0.14 or b * cells < 5


def test_power_rises_with_dose_and_with_cells():
    power = power_study(np.linspace(0, 0.05, 26), CURVE, Counting(0.2)).power
    assert (np.diff(power, axis=1) >= 0).all()
    assert (np.diff(power[:, 5]) > 0).all()


def test_smallest_detectable_doses_have_the_power_asked_for():
    study = power_study(np.linspace(0, 0.05, 11), CURVE, Counting(0.2), cells=[50, 200], target=0.8)
    for n, dose in zip((50, 200), study.detectable_dose_gy, strict=True):
        assert float(detection_power(dose, CURVE, Counting(0.2), cells=n)) == pytest.approx(0.8)
    assert study.to_frame().shape == (22, 3)
    low = power_study([0.0, 0.001], CURVE, Counting(0.2), cells=[50])
    assert np.isnan(low.detectable_dose_gy[0])


def test_cells_needed_are_the_fewest():
    counting = Counting(0.2, dispersion=1.3)
    need = cells_needed(0.015, CURVE, counting, power=0.8)
    assert need.status == "ok"
    powers = [
        float(detection_power(0.015, CURVE, counting, cells=n))
        for n in range(need.detection - 2, need.detection + 6)
    ]
    assert min(powers[2:]) >= 0.8 - 1e-12
    assert min(powers[:2]) < 0.8
    # the half-width of the delta interval with so many cells
    n = need.precision
    sample = FociSample(1, 1.0, n, round(n * (0.2 + 14.7 * 0.015)))
    dose = dose_from_curve(
        sample, CURVE, baseline=FociSample(1, -1.0, n, round(0.2 * n)), dispersion=1.3
    )
    low, high = dose.delta_interval_gy
    assert (high - low) / 2 / dose.dose_gy == pytest.approx(0.2, rel=0.01)


def test_hundred_cells_cannot_see_five_milligray():
    assert float(detection_power(0.005, CURVE, Counting(0.2), cells=100)) < 0.2
    assert cells_needed(0.005, CURVE, Counting(0.2)).detection > 500


def test_what_no_number_of_cells_can_do_is_said():
    vague = calibration_line(14.7, 14.7 * 0.15)
    need = cells_needed(0.05, vague, Counting(0.2))
    assert need.precision is None
    assert "uncertainty of the curve" in need.status
    few = cells_needed(0.001, CURVE, Counting(0.2, baseline_cells=50))
    assert few.detection is None
    assert "200,000" in few.status


def test_a_baseline_without_foci_has_power_too():
    clean = Counting(0.0)
    assert float(detection_power(0.0, CURVE, clean, cells=100)) == 0
    # two-sided against none in as many cells: 6 foci are significant, 5 are not (p = 1/16)
    assert float(detection_power(0.01, CURVE, clean, cells=100)) == pytest.approx(
        stats.poisson.sf(5, 14.7)
    )


def test_figure_shows_every_number_of_cells():
    mpl.use("Agg")
    study = power_study(np.linspace(0, 0.05, 11), CURVE, Counting(0.2), cells=[50, 500])
    ax = plot_power(study)
    assert [text.get_text().split(":")[0] for text in ax.get_legend().get_texts()] == [
        "50 cells",
        "500 cells",
    ]
    assert ax.lines[1].get_ydata() == pytest.approx(study.power[1])
    mpl.pyplot.close(ax.figure)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Counting(-0.1), "baseline_per_cell"),
        (lambda: Counting(0.1, baseline_cells=0), "baseline_cells"),
        (lambda: Counting(0.1, method="bayes"), "method"),
        (lambda: Counting(0.1, alternative="less"), "alternative"),
        (lambda: Counting(0.1, alpha=0), "alpha"),
        (lambda: Counting(0.1, dispersion=0.9), "dispersion"),
        (lambda: detection_power(-1.0, CURVE, Counting(0.1), cells=10), "doses"),
        (lambda: detection_power(0.1, CURVE, Counting(0.1), cells=0), "cells"),
        (lambda: cells_needed(0.0, CURVE, Counting(0.1)), "dose_gy"),
        (lambda: cells_needed(0.1, CURVE, Counting(0.1), power=1.0), "power"),
        (lambda: power_study([0.1, 0.0], CURVE, Counting(0.1)), "rising"),
        (lambda: power_study([0.0, 0.1], CURVE, Counting(0.1), target=1), "target"),
    ],
)
def test_impossible_arguments_are_refused(call, words):
    with pytest.raises(FociError, match=words):
        call()
