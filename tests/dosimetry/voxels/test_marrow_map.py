"""Red marrow in vertebrae: maps, models, doses."""

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.results import AbsorbedDose, require_same_method
from dosimetry.s_values import SValue, SValueTable
from dosimetry.voxels import (
    VERTEBRA_MODELS,
    VoxelImage,
    marrow_weighted_dose,
    red_marrow_map,
    region_statistics,
    vertebral_marrow_dose,
)
from kinetics import SumOfExponentials

GRID = np.diag([5.0, 5.0, 4.0, 1.0])  # 0.1 mL
SHAPE = (6, 6, 6)
PARTS = {"spongiosa_fraction": 0.8, "marrow_fraction": 0.9, "cellularity": 0.6}


def image(values, unit):
    return VoxelImage(np.broadcast_to(values, SHAPE).copy(), GRID, unit)


def vertebrae():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1:4, 1:5, 2:5] = True
    return mask


def table(alpha=0.0):
    own = {("marrow", "marrow"): SValue(4.0e-5, 2.0e-6, alpha)}
    return SValueTable("X-1", "male", "made up", None, "made up", {"marrow": 1170.0}, own)


def test_map_totals_are_the_mass_of_marrow():
    tia = image(1.0, "MBq h/mL")
    marrow = red_marrow_map(vertebrae(), tia, **PARTS)
    row = region_statistics(marrow, {"v": vertebrae()})["v"]
    assert marrow.unit == "g/mL"
    assert row.total == pytest.approx(36 * 0.1 * 0.8 * 0.9 * 0.6 * 1.03)
    assert not np.asarray(marrow.values)[~vertebrae()].any()


def test_share_of_mass_with_a_density_map():
    tia = image(1.0, "MBq h/mL")
    share = red_marrow_map(vertebrae(), tia, **PARTS, density_g_per_ml=image(1.2, "g/mL"))
    assert share.unit == "g/g"
    assert share.values[2, 2, 3] == pytest.approx(0.8 * 0.9 * 0.6 * 1.03 / 1.2)
    with pytest.raises(DosimetryError, match="outweigh"):
        red_marrow_map(vertebrae(), tia, **PARTS, density_g_per_ml=image(0.3, "g/mL"))


def test_fractions_may_be_maps():
    cellularity = np.zeros(SHAPE)
    cellularity[2] = 0.5
    parts = PARTS | {"cellularity": image(cellularity, "1")}
    marrow = np.asarray(red_marrow_map(vertebrae(), image(1.0, "Gy"), **parts).values)
    assert marrow[2, 2, 3] == pytest.approx(0.8 * 0.9 * 0.5 * 1.03)
    assert not marrow[1].any()


FACTORS = {"uniform": 1.0, "marrow_space": 0.8 * 0.9, "red_marrow": 0.8 * 0.9 * 0.6}


@pytest.mark.parametrize("model", sorted(VERTEBRA_MODELS))
def test_models(model):
    parts = {name: PARTS[name] for name in VERTEBRA_MODELS[model][0]}
    tia = image(2.0, "MBq h/mL")
    dose = vertebral_marrow_dose(tia, vertebrae(), table(), model=model, recovery=0.8, **parts)
    concentration = 2.0 / 0.8 / FACTORS[model]
    assert float(dose.concentration_mbq_h_per_ml) == pytest.approx(concentration)
    assert float(dose.dose_gy) == pytest.approx(concentration / 1.03 * 1170 * 4.2e-5)
    assert sorted(dose.contribution_gy()) == ["self_electrons", "self_photons"]
    assert dose.assumptions[0].startswith("ASSUMED")


def test_activity_in_red_marrow_is_conserved():
    """Concentration times volume of red marrow is the activity of the vertebrae, uneven or not."""
    rng = np.random.default_rng(0)
    tia = image(rng.random(SHAPE), "MBq h/mL")
    parts = PARTS | {"cellularity": image(rng.uniform(0.2, 0.9, SHAPE), "1")}
    dose = vertebral_marrow_dose(tia, vertebrae(), table(), model="red_marrow", **parts)
    marrow_g = region_statistics(red_marrow_map(vertebrae(), tia, **parts), {"v": vertebrae()})["v"]
    total = region_statistics(tia, {"v": vertebrae()})["v"].total
    assert float(dose.concentration_mbq_h_per_ml) * marrow_g.total / 1.03 == pytest.approx(total)


def test_draws_and_alpha_and_background():
    draws = np.array([0.4, 0.5, 0.6])
    dose = vertebral_marrow_dose(
        image(2.0, "MBq h/mL"), vertebrae(), table(alpha=1e-3), model="red_marrow",
        spongiosa_fraction=0.8, marrow_fraction=0.9, cellularity=draws,
        background_mbq_h_per_ml=0.5,
    )  # fmt: skip
    assert dose.dose_gy.shape == (3,)
    np.testing.assert_allclose(dose.concentration_mbq_h_per_ml, 1.5 / (0.72 * draws))
    ratio = dose.contributions_gy["self_alpha"] / dose.contributions_gy["self_electrons"]
    np.testing.assert_allclose(ratio, 25.0)


def absorbed(region="marrow", own_only=False):
    """A marrow dose of 0.5 Gy from itself, 0.3 and 0.02 Gy from elsewhere."""
    decay = np.log(2) / 160
    curves = {"self_blood_electrons": 0.5, "kidneys_photons": [0.2, 0.4], "remainder_photons": 0.02}
    if own_only:
        curves = {"self_photons": 0.5}
    return AbsorbedDose(
        region, "image",
        {name: SumOfExponentials(np.multiply(gy, decay)[..., None], [decay])
         for name, gy in curves.items()}, ("made up",),
    )  # fmt: skip


def uniform(**options):
    return vertebral_marrow_dose(
        image(2.0, "MBq h/mL"), vertebrae(), table(), model="uniform", **options
    )


def test_draws_of_the_concentration_and_of_the_s_value_are_factors():
    plain = float(uniform().dose_gy)
    factor = np.array([0.8, 1.0, 1.2])
    dose = uniform(concentration_factor=factor)
    np.testing.assert_allclose(dose.dose_gy, plain * factor)
    np.testing.assert_allclose(uniform(s_value_factor=factor).dose_gy, plain * factor)
    net = uniform(concentration_factor=factor, background_mbq_h_per_ml=0.5)
    np.testing.assert_allclose(net.concentration_mbq_h_per_ml, 2.0 * factor - 0.5)
    frame = dose.to_frame().set_index("contribution")
    assert frame.loc["total", "mean_gy"] == pytest.approx(plain)
    assert frame.loc["total", "sd_gy"] == pytest.approx(plain * factor.std())
    assert frame.loc["self_electrons", ["origin", "radiation"]].tolist() == ["self", "electrons"]


def test_single_draws_of_a_share_may_pass_one_as_in_the_image_method():
    draws = np.array([0.9, 1.05])
    dose = vertebral_marrow_dose(
        image(2.0, "MBq h/mL"), vertebrae(), table(), model="red_marrow",
        **(PARTS | {"cellularity": draws}),
    )  # fmt: skip
    assert dose.dose_gy.shape == (2,)


def test_the_cross_dose_of_another_method_is_added_without_its_self_dose():
    alone, added = uniform(), uniform(cross_from=absorbed())
    np.testing.assert_allclose(added.dose_gy - alone.dose_gy, [0.22, 0.42])
    frame = added.to_frame().set_index("contribution")
    assert set(frame["origin"]) == {"self", "kidneys", "remainder", "total"}
    assert frame.loc["kidneys_photons", "mean_gy"] == pytest.approx(0.3)
    assert frame["mean_gy"].drop("total").sum() == pytest.approx(frame.loc["total", "mean_gy"])
    assert any("lower bound" in note for note in alone.assumptions)
    assert not any("lower bound" in note for note in added.assumptions)
    assert "dose from kidneys, remainder: as in the marrow dose by image" in added.assumptions


def test_doses_of_voxels_are_not_pooled_with_others():
    assert require_same_method(uniform(), uniform()) == "voxels"
    with pytest.raises(DosimetryError, match="marrow by image, marrow by voxels"):
        require_same_method(uniform(), absorbed())


def test_weighted_dose():
    dose = np.zeros(SHAPE)
    dose[2] = 3.0
    marrow = np.zeros(SHAPE)
    marrow[2, 0, 0], marrow[3, 0, 0] = 0.6, 0.2
    assert marrow_weighted_dose(image(dose, "Gy"), image(marrow, "g/mL")) == pytest.approx(2.25)
    with pytest.raises(DosimetryError, match="empty"):
        marrow_weighted_dose(image(dose, "Gy"), image(0.0, "g/mL"))
    with pytest.raises(DosimetryError, match="'Gy/h'"):
        marrow_weighted_dose(image(dose, "Gy/h"), image(marrow, "g/mL"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "bone"}, "'bone'"),
        ({"cellularity": None}, "needs cellularity"),
        ({"model": "marrow_space"}, "does not use cellularity"),
        ({"cellularity": 70.0}, "cellularity must be above 0, 1 at most in the mean, got 70.0"),
        ({"cellularity": 0.0}, "cellularity"),
        ({"cellularity": np.linspace(0.9, 1.3, 900)}, r"got 900 draws from 0.9 to 1.3, mean 1.1$"),
        ({"cellularity": image(1.2, "1")}, "within 0 and 1, the map goes from 1.2 to 1.2"),
        ({"cellularity": image(0.0, "1")}, "no marrow"),
        ({"recovery": 0.0}, "recovery"),
        ({"concentration_factor": [1.0, -1.0]}, "concentration_factor must be finite and above 0"),
        ({"concentration_factor": np.ones(3), "recovery": np.ones(4)}, "do not fit together"),
        ({"background_mbq_h_per_ml": 1.5}, "background leaves no activity"),
        ({"marrow_density_g_per_ml": 1030.0}, "density"),
        ({"cross_from": absorbed(region="kidneys")}, "one to kidneys"),
        ({"cross_from": absorbed(own_only=True)}, "no part from other regions"),
        ({"tia": image(1.0, "MBq/mL")}, "MBq h/mL"),
        ({"tia": image(np.nan, "MBq h/mL")}, "not finite"),
    ],
)
def test_what_is_refused(change, message):
    options = {"tia": image(1.0, "MBq h/mL"), "model": "red_marrow"} | PARTS | change
    with pytest.raises(DosimetryError, match=message):
        vertebral_marrow_dose(options.pop("tia"), vertebrae(), table(), **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cellularity": 1.2}, "cellularity"),
        ({"cellularity": [0.5, 0.6]}, "no draws"),
        ({"marrow_density_g_per_ml": 0.0}, "density"),
        ({"density_g_per_ml": image(1.0, "HU")}, "g/mL"),
    ],
)
def test_maps_that_are_refused(change, message):
    with pytest.raises(DosimetryError, match=message):
        red_marrow_map(vertebrae(), image(1.0, "Gy"), **(PARTS | change))
