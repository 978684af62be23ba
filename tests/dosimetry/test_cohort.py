import numpy as np
import pytest

from dosimetry import (
    Anatomy,
    DosimetryError,
    MarrowBloodRatio,
    blood_dose,
    cohort_doses,
    decay_chain,
    marrow_dose_blood_method,
    marrow_dose_image_method,
    nuclide,
    organ_dose,
)
from kinetics import SumOfExponentials

SHAPE = (5, 2, 300)  # more draws than one block of the kernel holds
ORGANS = ("kidneys", "liver", "spleen")
PATIENTS = [
    Anatomy("male", 80.0, 178.0, 0.4, {"kidneys": 340.0}),
    Anatomy("female", 55.0, 160.0, 0.36),
    Anatomy("male", 95.0, 185.0, 0.42, {"marrow": 1300.0, "spleen": 210.0}),
    Anatomy("female", 71.0, 168.0, 0.38, {"liver": 1900.0}),
    Anatomy("male", 66.0, 170.0, 0.41),
]


def curve(rng, size, slow, n_terms=2, shape=SHAPE):
    amplitude = size * rng.uniform(0.2, 1.0, (*shape, n_terms))
    rate = slow * 3.0 ** np.arange(n_terms) * rng.uniform(1.0, 1.3, (*shape, n_terms))
    return SumOfExponentials(amplitude, rate)


def cohort(seed=1):
    rng = np.random.default_rng(seed)
    return {
        "blood": curve(rng, 0.2, 0.03, 3),
        "kidneys": curve(rng, 200.0, 0.015),
        "liver": curve(rng, 150.0, 0.012),
        "spleen": curve(rng, 60.0, 0.012, 1),
        "whole_body": curve(rng, 9000.0, 0.02),
    }


def patient(curves, p):
    return {name: SumOfExponentials(c.amplitude[p], c.rate_per_h[p]) for name, c in curves.items()}


@pytest.mark.parametrize("marrow_model", ["icrp133", "olinda2"])
@pytest.mark.parametrize("source", ["I-131", "Lu-177", "Y-90"])
def test_each_patient_gets_the_dose_of_the_functions_for_one(source, marrow_model):
    curves = cohort()
    ratio = np.random.default_rng(2).lognormal(0, 0.2, SHAPE)
    found = cohort_doses(curves, source, anatomies=PATIENTS, ratio=ratio, marrow_model=marrow_model)
    assert set(found.dose_gy) == {"blood", "marrow", *ORGANS}
    for p, anatomy in enumerate(PATIENTS):
        own = patient(curves, p)
        body, organs = own["whole_body"], {name: own[name] for name in ORGANS}
        alone = {
            "blood": blood_dose(own["blood"], source, anatomy=anatomy, whole_body_mbq=body),
            "marrow": marrow_dose_blood_method(
                own["blood"],
                source,
                anatomy=anatomy,
                ratio=MarrowBloodRatio("measured", ratio[p], ()),
                organ_mbq=organs,
                whole_body_mbq=body,
                marrow_model=marrow_model,
            ),
        } | {
            name: organ_dose(
                name, own[name], source, anatomy=anatomy, other_mbq=organs, whole_body_mbq=body
            )
            for name in ORGANS
        }
        for name, dose in alone.items():
            np.testing.assert_allclose(found.dose_gy[name][p], dose.dose_gy, rtol=1e-10)


def test_the_image_method_and_its_contributions_agree_too():
    curves = cohort() | {"marrow": curve(np.random.default_rng(3), 0.05, 0.02)}
    found = cohort_doses(curves, "Lu-177", anatomies=PATIENTS, contributions=True)
    assert found.marrow_method == "image"
    own = patient(curves, 2)
    alone = marrow_dose_image_method(
        own["marrow"],
        "Lu-177",
        anatomy=PATIENTS[2],
        organ_mbq={name: own[name] for name in ORGANS},
        whole_body_mbq=own["whole_body"],
    ).contribution_gy()
    assert {c for region, c in found.dose_gy if region == "marrow"} == set(alone)
    for name, dose in alone.items():
        np.testing.assert_allclose(found.dose_gy["marrow", name][2], dose, rtol=1e-10)


def test_a_decay_chain_keeps_the_alpha_dose_apart():
    chain = decay_chain("Ac-225")
    found = cohort_doses(
        {"blood": curve(np.random.default_rng(4), 1e-4, 0.03)},
        chain,
        anatomies=PATIENTS,
        contributions=True,
    )
    alpha, electrons = (
        found.dose_gy["blood", f"self_{part}"].sum() for part in ("alpha", "electrons")
    )
    energy = chain.energy_mev
    assert alpha / electrons == pytest.approx(
        (energy["alpha"] + energy["alpha_recoil"]) / chain.electron_energy_mev, rel=1e-10
    )


def test_factors_and_totals():
    curves = cohort()
    factor = np.random.default_rng(5).lognormal(0, 0.1, SHAPE[2])
    plain = cohort_doses(curves, "Lu-177", anatomies=PATIENTS, contributions=True)
    scaled = cohort_doses(curves, "Lu-177", anatomies=PATIENTS, s_value_factor={"marrow": factor})
    parts = sum(dose for (region, _), dose in plain.dose_gy.items() if region == "marrow")
    np.testing.assert_allclose(scaled.dose_gy["marrow"], parts * factor, rtol=1e-12)
    table = scaled.to_frame()
    assert len(table) == 5 * 2 * 5
    row = table.query("patient == 1 and cycle == 2 and region == 'kidneys'").iloc[0]
    assert row["mean_gy"] == pytest.approx(scaled.dose_gy["kidneys"][1, 1].mean())


def test_one_cycle_serves_all_and_one_patient_is_enough():
    rng = np.random.default_rng(6)
    shared = curve(rng, 0.2, 0.03, shape=(1, 1, 1))
    found = cohort_doses({"blood": shared}, "Lu-177", anatomies=PATIENTS, ratio=np.ones((1, 3, 10)))
    assert found.dose_gy["marrow"].shape == (5, 3, 10)
    assert np.ptp(found.dose_gy["blood"], axis=(1, 2)).max() == 0
    alone = SumOfExponentials([1000.0], [0.03])
    found = cohort_doses({"blood": shared, "whole_body": alone}, "Lu-177", anatomies=PATIENTS)
    assert found.dose_gy["marrow"].shape == (5, 1, 1)


def test_bad_input_is_refused():
    curves = cohort()
    with pytest.raises(DosimetryError, match="must broadcast to"):
        cohort_doses(curves, "Lu-177", anatomies=PATIENTS[:3])
    with pytest.raises(DosimetryError, match="'blood' or 'marrow'"):
        cohort_doses({"kidneys": curves["kidneys"]}, "Lu-177", anatomies=PATIENTS)
    with pytest.raises(DosimetryError, match="pancreas"):
        cohort_doses(curves | {"pancreas": curves["liver"]}, "Lu-177", anatomies=PATIENTS)
    with pytest.raises(DosimetryError, match="s_value_factor names"):
        cohort_doses(curves, "Lu-177", anatomies=PATIENTS, s_value_factor={"lungs": 1.0})
    with pytest.raises(DosimetryError, match="does not broadcast"):
        cohort_doses(curves, "Lu-177", anatomies=PATIENTS, s_value_factor={"marrow": np.ones(7)})
    spread = [*PATIENTS[:4], Anatomy("male", 66.0, 170.0, 0.4, {"kidneys": [300.0, 310.0]})]
    with pytest.raises(DosimetryError, match="one kidneys mass"):
        cohort_doses(curves, "Lu-177", anatomies=spread)
    corrected = SumOfExponentials(curves["blood"].amplitude, curves["blood"].rate_per_h * 0.01)
    with pytest.raises(DosimetryError, match="decay"):
        cohort_doses(curves | {"blood": corrected}, "Lu-177", anatomies=PATIENTS)


def test_impossible_values_are_refused():
    curves = cohort()
    blood = curves["blood"]
    with pytest.raises(DosimetryError, match="divide kBq/mL"):
        cohort_doses(curves | {"blood": blood.scaled(1e4)}, "Lu-177", anatomies=PATIENTS)
    with pytest.raises(DosimetryError, match="ratio must be finite"):
        cohort_doses(curves, "Lu-177", anatomies=PATIENTS, ratio=-1.0)
    with pytest.raises(DosimetryError, match="density"):
        cohort_doses(curves, "Lu-177", anatomies=PATIENTS, blood_density_g_per_ml=0.0)
    with pytest.raises(DosimetryError, match="one patient or more"):
        cohort_doses(curves, "Lu-177", anatomies=[])
    rate = blood.rate_per_h.copy()
    rate[2, 1, 7, 0] = 0.0
    endless = SumOfExponentials(blood.amplitude, rate)
    with pytest.raises(DosimetryError, match="never decays"):
        cohort_doses(curves | {"blood": endless}, "Lu-177", anatomies=PATIENTS)


def test_without_a_whole_body_curve_the_blood_stands_in_for_it():
    blood = cohort()["blood"].decayed(nuclide("Tc-99m").decay_per_h)
    found = cohort_doses({"blood": blood}, "Tc-99m", anatomies=PATIENTS).dose_gy["blood"]
    own = patient({"blood": blood}, 3)["blood"]
    alone = blood_dose(own, "Tc-99m", anatomy=PATIENTS[3]).dose_gy
    np.testing.assert_allclose(found[3], alone, rtol=1e-10)
