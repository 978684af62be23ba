"""Units, density, names of others, and whole files."""

import numpy as np
import pandas as pd
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.imaging import density_from_hu, in_mbq_per_ml, write_table
from dosimetry.imaging.safety import (
    files_of,
    imaging_package,
    path_inside,
    region_name,
    table_text,
    whole_file,
)
from dosimetry.voxels.image import VoxelImage

AFFINE = np.diag([5.0, 4.0, 2.5, 1.0])  # 0.05 mL


def line(values, unit):
    return VoxelImage(np.array(values, dtype=float).reshape(1, 1, -1), AFFINE, unit)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("MBq/mL", 1.0), ("kBq/mL", 1e-3), ("Bq/mL", 1e-6), ("MBq", 20.0), ("Bq", 2e-5)],
)
def test_activity_comes_to_mbq_per_ml(unit, factor):
    got = in_mbq_per_ml(line([1.0, 2.0], unit))
    assert got.unit == "MBq/mL"
    np.testing.assert_allclose(got.values.ravel(), [factor, 2 * factor])


@pytest.mark.parametrize("unit", ["Gy", "counts", "SUV", ""])
def test_other_units_are_no_activity(unit):
    with pytest.raises(DosimetryError, match="legal are MBq/mL"):
        in_mbq_per_ml(line([1.0], "x"), unit or None)


def test_density_follows_the_published_segments():
    # Schneider 2000: 1.018 + 0.893e-3 HU, 1.003 + 1.169e-3 HU, 1.017 + 0.592e-3 HU
    hu = np.array([-98.0, -40, 14, 23, 60, 100, 101, 800, 1600])
    expected = np.select([hu <= 14, hu <= 100], [1.018 + 0.893e-3 * hu, 1.003 + 1.169e-3 * hu],
                         1.017 + 0.592e-3 * hu)  # fmt: skip
    got = density_from_hu(line(hu, "HU"))
    assert got.unit == "g/mL"
    np.testing.assert_allclose(got.values.ravel(), expected, atol=1.2e-3)
    ends = density_from_hu(line([-1100, -1000, 3000, 9000], "HU"))
    np.testing.assert_allclose(ends.values.ravel(), [0.00121, 0.00121, 2.8, 2.8])


def test_density_by_the_points_of_a_scanner():
    got = density_from_hu(line([-1000, 0, 500], "HU"), [(-1000, 0.001), (0, 1.0), (1000, 1.6)])
    np.testing.assert_allclose(got.values.ravel(), [0.001, 1.0, 1.3])


@pytest.mark.parametrize(
    ("values", "unit", "relation", "message"),
    [
        ([0.0], "g/mL", "schneider2000", "have the unit HU"),
        ([-3024.0, 0.0], "HU", "schneider2000", "are no CT numbers"),
        ([np.nan], "HU", "schneider2000", "are no CT numbers"),
        ([0.0], "HU", "bilinear", "no density relation 'bilinear'; legal are schneider2000"),
        ([0.0], "HU", [(0, 1.0)], "two or more pairs"),
        ([0.0], "HU", [(0, 1.0), (-5, 2.0)], "rises in HU"),
        ([0.0], "HU", [(0, 0.0), (5, 2.0)], "densities are positive"),
    ],
)
def test_bad_densities_are_refused(values, unit, relation, message):
    with pytest.raises(DosimetryError, match=message):
        density_from_hu(line(values, unit), relation)


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1"])
def test_no_cell_is_a_formula(tmp_path, text):
    path = write_table(pd.DataFrame({"region": [text], "mean": [-1.25]}), tmp_path / "t.csv")
    cell = pd.read_csv(path)["region"][0]
    assert cell.startswith("'")
    assert "\n" not in cell
    assert pd.read_csv(path)["mean"][0] == -1.25


def test_control_characters_leave_cells():
    assert table_text("a\x1b[31mb\r\nc") == "a [31mb  c"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "link", "a\0b"])
def test_paths_that_leave_the_folder_are_refused(tmp_path, name):
    folder = tmp_path / "study"
    folder.mkdir()
    (tmp_path / "x").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "x")
    with pytest.raises(DosimetryError, match="outside the folder|no path"):  # noqa: RUF043
        path_inside(folder, name)
    with pytest.raises(DosimetryError, match="outside the folder"):
        files_of(folder)


def test_a_failure_while_writing_leaves_nothing(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")

    def fail():
        with whole_file(path, overwrite=True) as draft:
            draft.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_package_that_is_not_there_is_named():
    with pytest.raises(DosimetryError, match=r'pip install "hemadose\[imaging\]"'):
        imaging_package("pydicom_that_is_not_installed")


@pytest.mark.parametrize(
    ("text", "name"), [("a\x1b[31m", "a [31m"), (" GTV 1\r\n", "GTV 1"), ("x" * 99, "x" * 64)]
)
def test_names_of_regions_cannot_steer_a_terminal(text, name):
    assert region_name(text) == name
