import numpy as np
import pytest

from foci.calibration import CalibrationCurve, fit_calibration
from foci.calibration.plots import plot_calibration
from foci.counting.poisson_limits import garwood_limits


def test_the_picture_shows_curve_band_and_samples():
    fit = fit_calibration([0, 0.02, 0.05, 0.1], [500] * 4, [110, 255, 470, 842], dispersion=2.0)
    ax = plot_calibration(fit, in_mgy=True)
    line = ax.lines[0]
    dose = line.get_xdata() / 1000
    assert line.get_ydata() == pytest.approx(fit.curve.mean_per_cell(dose))
    assert dose.max() == pytest.approx(0.105)
    bars = ax.containers[0]
    low, high = bars[2][0].get_segments()[1][:, 1]
    expected = 2 * np.array(garwood_limits(255 / 2, 0.95)) / 500
    assert [low, high] == pytest.approx(expected)
    assert ax.get_xlabel() == "absorbed dose (mGy)"


def test_a_curve_without_samples_and_with_a_warning():
    curve = CalibrationCurve(
        np.array([0.2, 10.0, -2.0]), np.diag([1e-4, 0.04, 0.01]), status="of a doubtful kind"
    )
    ax = plot_calibration(curve)
    assert not ax.containers
    assert ax.get_title(loc="left") == "of a doubtful kind"
