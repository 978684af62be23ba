import json

import numpy as np
import pytest

from dosimetry import DosimetryError
from dosimetry.s_values.readers import (
    read_pytheranostics,
    read_sphere_s_values,
    read_voxel_kernel,
)
from tests.dosimetry.s_values.readers.tables_by_physics import (
    PRINTED,
    REGIONS,
    SOURCES,
    matrix_text,
    parts_by_physics,
)


@pytest.fixture
def write(tmp_path):
    def _write(text, name):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def part_text(name, index):
    parts = parts_by_physics(name)
    lines = ["Target," + ",".join(PRINTED[s] for s in SOURCES)]
    for target in REGIONS:
        cells = ",".join(f"{parts[target, s][index] / 3.6:.9E}" for s in SOURCES)
        lines.append(f"{PRINTED[target]},{cells}")
    return "\n".join(lines)


def test_totals_are_those_of_olinda(write):
    text = "Target" + matrix_text("Lu-177", title=False)
    path = write(text, "Lu177-Male-Svalues.csv")
    table = read_pytheranostics(path, nuclide="Lu177", sex="male")
    assert table.phantom == "ICRP 89 adult male"
    for pair, (electron, photon, _) in parts_by_physics("Lu-177").items():
        assert table.values[pair].electron == pytest.approx(electron, rel=1e-6, abs=1e-15)
        assert table.values[pair].photon == pytest.approx(photon, rel=1e-4)


def test_a_pair_of_beta_and_gamma_needs_no_splitting(write):
    beta = write(part_text("Lu-177", 0), "177Lu_S_values_male_olinda_BETA.csv")
    gamma = write(part_text("Lu-177", 1), "177Lu_S_values_male_olinda_GAMMA.csv")
    table = read_pytheranostics(beta, gamma_path=gamma, nuclide="Lu-177", sex="male")
    for pair, (electron, photon, _) in parts_by_physics("Lu-177").items():
        assert table.values[pair].electron == pytest.approx(electron, rel=1e-8)
        assert table.values[pair].photon == pytest.approx(photon, rel=1e-8)
    assert not any("counted as photons" in a for a in table.assumptions)


def test_the_pair_must_match(write):
    beta = write(part_text("Lu-177", 0), "b.csv")
    gamma = write(part_text("Lu-177", 1).replace("Liver", "Spleen"), "g.csv")
    with pytest.raises(DosimetryError, match=r"b\.csv and g\.csv differ: kidneys <- liver"):
        read_pytheranostics(beta, gamma_path=gamma, nuclide="Lu-177", sex="male")


SPHERES = {"100%/0%": {"tumor_mass": [0.1, 1.0, 10.0], "total_s_value": [2.2e-10, 2.3e-11, 2e-12]}}


def test_spheres(write):
    table = read_sphere_s_values(write(json.dumps(SPHERES), "spheres.json"))["100%/0%"]
    np.testing.assert_allclose(table[:, 0], [0.1, 1.0, 10.0])
    np.testing.assert_allclose(table[:, 1], [0.792, 0.0828, 0.0072], rtol=1e-12)  # times 3.6e9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "this is no JSON"),
        ("[" * 100_000, "this is no JSON of S values"),
        (
            '{"a": {"tumor_mass": [' + "1" * 5000 + '], "total_s_value": [1]}}',
            "no JSON of S values",
        ),
        ('{"a": {"tumor_mass": [' + "1" * 400 + '], "total_s_value": [1]}}', "column a: legal are"),
        ("[]", "legal is an object of compositions"),
        (json.dumps({"a": {"tumor_mass": [1, 2]}}), "column a: legal are the number lists"),
        (json.dumps({"a": {"tumor_mass": [1], "total_s_value": [1, 2]}}), "column a: "),
        (json.dumps({"a": {"tumor_mass": [2, 1], "total_s_value": [1, 2]}}), "masses must rise"),
        (json.dumps({"a": {"tumor_mass": [1, 2], "total_s_value": [1, 0]}}), "positive"),
        ('{"a": {"tumor_mass": [1, 2], "total_s_value": [1, NaN]}}', "positive"),
    ],
)
def test_broken_spheres(write, content, message):
    with pytest.raises(DosimetryError, match=message):
        read_sphere_s_values(write(content, "spheres.json"))


NAME = "Lu177-4.80-mm-mGyperMBqs-Soft.csv"
OCTANT = np.arange(27.0)[::-1].reshape(3, 3, 3) / 100  # invented


def octant_text(octant):
    blocks = ["\n".join(",".join(f"{v:.6E}" for v in row) for row in block) for block in octant]
    return "\n\n".join(blocks) + "\n"


def test_a_kernel_is_mirrored(write):
    kernel = read_voxel_kernel(write(octant_text(OCTANT), NAME), density_g_per_ml=1.04)
    assert (kernel.nuclide, kernel.voxel_mm) == ("Lu-177", (4.8, 4.8, 4.8))
    assert kernel.gy_per_mbq_h.shape == (5, 5, 5)
    for i, j, k in np.ndindex(5, 5, 5):
        own = OCTANT[abs(i - 2), abs(j - 2), abs(k - 2)]
        assert kernel.gy_per_mbq_h[i, j, k] == pytest.approx(3.6 * own)


@pytest.mark.parametrize(("reach_mm", "n"), [(0.0, 1), (4.8, 3), (5.0, 3), (9.6, 5), (99.0, 5)])
def test_a_kernel_is_cut_at_its_reach(write, reach_mm, n):
    path = write(octant_text(OCTANT), NAME)
    full = read_voxel_kernel(path, density_g_per_ml=1.0).gy_per_mbq_h
    cut = read_voxel_kernel(path, density_g_per_ml=1.0, reach_mm=reach_mm).gy_per_mbq_h
    low = (5 - n) // 2
    np.testing.assert_array_equal(cut, full[low : low + n, low : low + n, low : low + n])


@pytest.mark.parametrize("reach_mm", [-5.0, np.nan, np.inf])
def test_a_reach_that_cannot_be(write, reach_mm):
    path = write(octant_text(OCTANT), NAME)
    with pytest.raises(DosimetryError, match="reach_mm must be"):
        read_voxel_kernel(path, density_g_per_ml=1.0, reach_mm=reach_mm)


def test_names_and_arguments_of_a_kernel(write):
    path = write(octant_text(OCTANT), "kernel.csv")
    with pytest.raises(DosimetryError, match="give nuclide and voxel_mm"):
        read_voxel_kernel(path, density_g_per_ml=1.0)
    kernel = read_voxel_kernel(path, nuclide="Y-90", voxel_mm=3.0, density_g_per_ml=1.0)
    assert (kernel.nuclide, kernel.voxel_mm[0]) == ("Y-90", 3.0)
    named = write(octant_text(OCTANT), NAME)
    with pytest.raises(
        DosimetryError, match=r"its name says Lu-177, 4\.8 mm; the arguments Lu-177, 3"
    ):
        read_voxel_kernel(named, voxel_mm=3.0, density_g_per_ml=1.0)
    with pytest.raises(DosimetryError, match="voxel_mm must be positive"):
        read_voxel_kernel(path, nuclide="Y-90", voxel_mm=0.0, density_g_per_ml=1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (octant_text(OCTANT[:2]), "legal is a cube"),
        (
            octant_text(OCTANT).replace("2.600000E-01,", "", 1),
            "row 1: the rows of this block differ",
        ),
        (octant_text(OCTANT).replace("2.600000E-01", "x"), "row 1, column 1: got 'x'"),
        ("version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    ],
)
def test_broken_kernels(write, text, message):
    with pytest.raises(DosimetryError, match=message):
        read_voxel_kernel(write(text, NAME), density_g_per_ml=1.0)
