"""Published dose ranges, reached from published kinetics: range checks, not exact values."""

import pytest

from dosimetry import (
    blood_dose,
    marrow_dose_blood_method,
    nuclide,
    organ_dose,
    reference_anatomy,
    rmblr,
)
from dosimetry.chains import decay_chain
from dosimetry.rbe import rbe_weighted
from kinetics import SumOfExponentials, published_model, region_model

MAN = reference_anatomy("male")
AGENTS = ["PSMA-617", "PSMA-I&T"]


def typical_psma(agent, name):
    """Curves of the typical patient of Siebinga 2023 and 2024 without tumours, per GBq."""
    model = published_model(agent, decay_per_h=nuclide(name).decay_per_h)
    return model.curves(model.log_median, 1000.0, 1)


def marrow(curves, source, ratio):
    organs = {region: curves[region] for region in ("kidneys", "liver") if region in curves}
    return marrow_dose_blood_method(
        curves["blood"],
        source,
        anatomy=MAN,
        ratio=ratio,
        organ_mbq=organs,
        whole_body_mbq=curves["whole_body"],
    )


@pytest.mark.parametrize("agent", AGENTS)
def test_lutetium_psma(agent):
    """0.030 +- 0.008 Gy/GBq to the marrow (7 patients, PMC5472088): reached where the electrons
    stay in the marrow as in older marrow models; the phantoms of today let 43 % escape."""
    curves = typical_psma(agent, "Lu-177")
    dose = marrow(curves, "Lu-177", rmblr("unity"))
    parts = dose.by_origin()
    all_kept = blood_dose(curves["blood"], "Lu-177", anatomy=MAN).contribution_gy()
    older = dose.dose_gy - parts["self"] + all_kept["self_electrons"]
    assert 0.022 < older < 0.038
    assert 0.5 < dose.dose_gy / older < 0.7
    kidneys = organ_dose("kidneys", curves["kidneys"], "Lu-177", anatomy=MAN).dose_gy
    assert 0.27 < kidneys < 0.91  # 177Lu-DOTATATE, EJNMMI Res 2018;8:100: of the same size


def test_bismuth_psma():
    """0.52 Sv(RBE5)/GBq to the marrow by 213Bi-PSMA-617 (PMC5700223) lies between the two
    ratios of marrow to blood."""
    chain = decay_chain("Bi-213")
    curves = typical_psma("PSMA-617", "Bi-213")
    low, high = (
        rbe_weighted(marrow(curves, chain, ratio))
        for ratio in (rmblr("sgouros", haematocrit=0.42), rmblr("unity"))
    )
    assert low.weighted < 0.52 < high.weighted
    assert low.weighted == pytest.approx(0.52, rel=0.3)
    assert low.unit == "Gy(RBE5)"


def test_actinium_psma_is_nearly_all_alpha():
    chain = decay_chain("Ac-225")
    dose = marrow(typical_psma("PSMA-617", "Ac-225"), chain, rmblr("unity"))
    parts = dose.by_radiation()
    assert parts["alpha"] > 0.95 * dose.dose_gy
    weighted = rbe_weighted(dose).weighted
    assert weighted == pytest.approx(dose.dose_gy + 4 * parts["alpha"])


def test_dotatate_by_the_blood_method():
    """Medians of 15.3 to 28.3 mGy/GBq by the number of exponentials (131 cycles)."""
    decay = nuclide("Lu-177").decay_per_h
    curves = {}
    for region in ("blood", "whole_body", "kidneys", "liver"):
        model = region_model("DOTATATE", region, decay_per_h=decay)
        curves |= model.curves(model.log_median, 1000.0, 1)
    assert 0.0153 < marrow(curves, "Lu-177", rmblr("unity")).dose_gy < 0.0283


def test_iodide_without_a_thyroid():
    """0.20 mGy/MBq (men) by IDAC-Dose 2.1 with a thyroid; after thyroidectomy a part of it."""
    decay = nuclide("I-131").decay_per_h
    curves = {}
    for region in ("blood", "whole_body"):
        model = region_model("iodide", region, decay_per_h=decay)
        curves |= model.curves(model.log_median, 1.0, 1)
    found = 1000 * marrow(curves, "I-131", rmblr("unity")).dose_gy
    assert 0.04 < found < 0.20


def test_radium():
    """30 mGy/MBq (ICRP 137 injection, /20) and 71 by the older model (Lassmann 2013): a quarter of
    all decays in trabecular bone gives less in its volume and more on its surface. The share is
    ASSUMED, so that only the order is shown."""
    chain = decay_chain("Ra-223")
    share = SumOfExponentials([0.25], [chain.decay_per_h])
    nothing = SumOfExponentials([0.0], [1.0])
    volume, surface = (
        marrow_dose_blood_method(
            nothing,
            chain,
            anatomy=MAN,
            ratio=rmblr("unity"),
            organ_mbq={region: share},
            marrow_model="icrp133",
        ).by_radiation()["alpha"]
        for region in ("trabecular_bone", "trabecular_bone_surface")
    )
    assert 0.010 < volume < 0.030 < 0.071 < surface < 0.25
