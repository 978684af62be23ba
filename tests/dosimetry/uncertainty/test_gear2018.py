import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.recovery import (
    RecoveryCoefficient,
    recovery_curve,
    sphere_diameter_mm,
    sphere_recovery,
)
from dosimetry.recovery.blurred_sphere import sphere_counts_ratio
from dosimetry.uncertainty import DoseMeasurement, dose_uncertainty, plot_budget, voi_relative_sd

REFERENCE = Path(__file__).parents[2] / "reference" / "dosimetry_uncertainty_kidneys.csv"
PUBLISHED = {
    row["source"]: float(row["relative_sd_pct"]) / 100
    for row in csv.DictReader(REFERENCE.read_text().splitlines())
}
CURVE = recovery_curve(
    "log_logistic",
    {"half_volume_ml": 5.0, "exponent": 0.85},
    [[0.09, -0.006], [-0.006, 0.0025]],
    smallest_ml=0.5,
    largest_ml=500.0,
)
TUMOUR = DoseMeasurement(
    tia_mbq_h=900.0,
    tia_sd_mbq_h=60.0,
    s_value_gy_per_mbq_h=9e-3,
    volume_ml=9.0,
    voi_relative_sd=0.2,
    recovery=CURVE,
    calibration_relative_sd=0.04,
    spect_fwhm_mm=10.0,
    s_value_exponent=0.98,
    s_value_relative_sd=0.03,
)


def test_published_budget_of_the_kidneys():
    kidneys = DoseMeasurement(
        tia_mbq_h=2e4,
        tia_sd_mbq_h=PUBLISHED["tia"] * 2e4,
        s_value_gy_per_mbq_h=2.8e-4,
        volume_ml=300.0,
        voi_relative_sd=PUBLISHED["voi"],
        calibration_relative_sd=PUBLISHED["calibration"],
        s_value_relative_sd=PUBLISHED["s_value"],
    )
    result = dose_uncertainty(kidneys)
    assert result.relative_uncertainty == pytest.approx(PUBLISHED["total"], abs=5e-4)
    assert result.dose_gy == pytest.approx(5.6)
    for source in ("tia", "s_value", "voi", "calibration"):
        assert result.contributions_gy[source] == pytest.approx(5.6 * PUBLISHED[source])


def test_small_tumours_span_the_published_range():
    """154 tumours had 14 to 102 % (Finocchiaro 2020, doi:10.1186/s40658-020-00328-5)."""
    found = []
    for volume in (1.0, 5.0, 20.0, 100.0, 500.0):
        sd = float(voi_relative_sd(volume, voxel_mm=4.42, fwhm_mm=9.0))
        tumour = replace(TUMOUR, volume_ml=volume, voi_relative_sd=sd, spect_fwhm_mm=9.0)
        found.append(dose_uncertainty(tumour).relative_uncertainty)
    assert found[1:] == sorted(found[1:], reverse=True)
    assert 0.4 < max(found) < 1.02
    assert found[-1] == pytest.approx(0.14, abs=0.03)


def test_sensitivity_to_the_volume_by_differences():
    """Twin: measure again with an outline that is a little larger or smaller."""
    step = 1e-3
    own = float(sphere_recovery(sphere_diameter_mm(9.0), 10.0))

    def dose(size):
        counts = float(sphere_counts_ratio(np.array([9.0 * size]), 9.0, 10.0)[0])
        recovered = CURVE(9.0 * size) / CURVE(9.0)
        power = own / float(CURVE(9.0))
        return counts**power / float(recovered) * size**-0.98

    slope = (np.log(dose(1 + step)) - np.log(dose(1 - step))) / (2 * step)
    assert dose_uncertainty(TUMOUR).sensitivity["voi"] == pytest.approx(slope, rel=5e-3)


def test_two_views_of_one_variance():
    result = dose_uncertainty(TUMOUR)
    relative = result.relative_uncertainty**2
    factors = result.tia_relative_sd**2 + result.s_value_relative_sd**2
    assert factors + 2 * result.covariance_relative == pytest.approx(relative)
    assert sum(result.variance_share_pct.values()) == pytest.approx(100.0)
    frame = result.to_frame()
    shares = frame.groupby("view")["variance_share_pct"].sum()
    assert shares.to_numpy() == pytest.approx([100.0, 100.0])
    row = frame.query("source == 'covariance'")
    assert row["variance_share_pct"].item() < 0
    assert np.isnan(row["uncertainty_gy"].item())


def test_the_shared_volume_cancels_in_part():
    """Leaving the covariance out overstates the uncertainty of a small tumour."""
    result = dose_uncertainty(TUMOUR)
    assert result.covariance_relative < 0
    assert np.hypot(result.tia_relative_sd, result.s_value_relative_sd) > (
        1.1 * result.relative_uncertainty
    )


def test_recovery_alone_makes_the_covariance_positive():
    """Without the counts, a larger outline lowers both the recovered activity and S."""
    assert dose_uncertainty(replace(TUMOUR, spect_fwhm_mm=None)).covariance_relative > 0


def test_a_curve_stands_for_its_coefficient_at_the_volume():
    one = dose_uncertainty(replace(TUMOUR, recovery=CURVE.coefficient(9.0)))
    assert one.contributions_gy == pytest.approx(dict(dose_uncertainty(TUMOUR).contributions_gy))


def test_plot_of_the_budget():
    result = dose_uncertainty(TUMOUR)
    ax = plot_budget(result)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    shares = [bar.get_width() for bar in ax.patches]
    assert labels[-1] == "volume of interest"
    assert shares == sorted(shares)
    assert sum(shares) == pytest.approx(100.0)
    assert ax.texts[-1].get_text().endswith(f"({result.contributions_gy['voi']:.2g} Gy)")
    sure = DoseMeasurement(100.0, 0.0, 1e-2, volume_ml=10.0, voi_relative_sd=0.0)
    assert plot_budget(dose_uncertainty(sure), ax) is ax


def test_nothing_uncertain():
    sure = DoseMeasurement(100.0, 0.0, 1e-2, volume_ml=10.0, voi_relative_sd=0.0)
    result = dose_uncertainty(sure)
    assert result.standard_uncertainty_gy == 0
    assert set(result.variance_share_pct.values()) == {0.0}
    assert result.to_frame()["variance_share_pct"].eq(0).all()


def test_scales_with_the_dose():
    one, ten = (
        dose_uncertainty(TUMOUR),
        dose_uncertainty(replace(TUMOUR, s_value_gy_per_mbq_h=9e-2)),
    )
    assert ten.standard_uncertainty_gy == pytest.approx(10 * one.standard_uncertainty_gy)
    assert ten.relative_uncertainty == pytest.approx(one.relative_uncertainty)


def test_assumptions_say_what_was_left_out():
    plain = replace(TUMOUR, recovery=RecoveryCoefficient(0.7, 0.03), spect_fwhm_mm=None)
    notes = " ".join(dose_uncertainty(plain).assumptions)
    assert "do not depend on the outline" in notes
    assert "does not change with the volume" in notes
    assert "uniform sphere" in " ".join(dose_uncertainty(TUMOUR).assumptions)
    assert "extrapolated" in " ".join(dose_uncertainty(replace(TUMOUR, volume_ml=0.4)).assumptions)
    vague = dose_uncertainty(replace(TUMOUR, voi_relative_sd=0.5)).assumptions
    assert "known to 50 % only" in vague[-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("calibration_relative_sd", -0.1),
        ("s_value_exponent", np.nan),
        ("s_value_gy_per_mbq_h", 0.0),
        ("s_value_relative_sd", np.inf),
        ("spect_fwhm_mm", 0.0),
        ("tia_mbq_h", -5.0),
        ("tia_sd_mbq_h", -5.0),
        ("voi_relative_sd", np.nan),
        ("volume_ml", 0.0),
    ],
)
def test_wrong_values_are_refused(name, value):
    with pytest.raises(DosimetryError, match=f"{name} must be"):
        replace(TUMOUR, **{name: value})
