"""Masks from NIfTI labels, DICOM SEG and RTSTRUCT against volumes known beforehand."""

import nibabel as nib
import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.imaging import read_masks, write_nifti
from dosimetry.voxels import VoxelImage, contour_fractions
from tests.dosimetry.imaging.dicom_builders import FRAME, base, rtstruct, save, seg

AFFINE = np.array([[-4.0, 0, 0, 40], [0, -4.0, 0, 60], [0, 0, 4.0, -8], [0, 0, 0, 1]])
SHAPE = (20, 30, 8)
LIKE = VoxelImage(np.zeros(SHAPE), AFFINE, "MBq/mL")
LABELS = np.zeros(SHAPE, np.int16)
LABELS[2:6, 3:9, 1:4] = 3
LABELS[10:14, 3:9, 1:4] = 7
NAMES = {3: "kidney_left", 7: "kidney_right"}


def label_file(folder, values=LABELS, affine=AFFINE, name="labels.nii.gz", names=None):
    image = VoxelImage(values, affine, "label")
    return write_nifti(image, folder / name, labels=names, overwrite=True)


# ---- NIfTI


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("map.csv", "label,name\n3,kidney_left\n7,kidney_right\n"),
        ("map.json", '{"3": "kidney_left", "7": "kidney_right", "0": "background"}'),
        ("dataset.json", '{"labels": {"background": 0, "kidney_left": 3, "kidney_right": 7}}'),
        ("map.yaml", "3: kidney_left\n7: kidney_right\n"),
        (None, ""),
    ],
)
def test_labels_are_split_by_the_names_of_a_map_or_of_the_header(tmp_path, file, text):
    path = label_file(tmp_path, names=None if file else NAMES)
    if file:
        (tmp_path / file).write_text(text)
    masks = read_masks(path, LIKE, labels=tmp_path / file if file else None)
    assert sorted(masks.regions) == sorted(NAMES.values())
    for label, name in NAMES.items():
        np.testing.assert_array_equal(masks.regions[name].values, label == LABELS)
        assert masks.regions[name].unit == "fraction"


def test_labels_without_names_and_names_without_labels(tmp_path):
    path = label_file(tmp_path)
    assert sorted(read_masks(path, LIKE).regions) == ["label_3", "label_7"]
    (tmp_path / "m.csv").write_text("label,name\n3,kidney_left\n9,spleen\n")
    masks = read_masks(path, LIKE, labels=tmp_path / "m.csv")
    assert sorted(masks.regions) == ["kidney_left", "label_7"]
    assert "labels without a name in the map: 7" in masks.notes
    assert any("'spleen' (label 9) is empty" in note for note in masks.notes)
    with pytest.raises(DosimetryError, match=r"'spleen'.*is empty"):
        read_masks(path, LIKE, labels=tmp_path / "m.csv", names=["spleen"])
    with pytest.raises(DosimetryError, match=r"no region 'heart'.*kidney_left"):
        read_masks(path, LIKE, labels=tmp_path / "m.csv", names=["heart"])


def test_a_mask_in_another_orientation_is_put_in_place(tmp_path):
    canonical = nib.as_closest_canonical(nib.Nifti1Image(LABELS, AFFINE))
    nib.save(canonical, tmp_path / "c.nii.gz")
    assert not np.allclose(canonical.affine, AFFINE)
    masks = read_masks(tmp_path / "c.nii.gz", LIKE)
    np.testing.assert_array_equal(masks.regions["label_3"].values, LABELS == 3)


def test_a_fine_mask_is_refused_or_becomes_fractions(tmp_path):
    fine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    fine[:3, 3] -= fine[:3, :3] @ [0.5, 0.5, 0.5]
    values = np.kron(LABELS, np.ones((2, 2, 2), np.int16))
    values[4, :, :] = 0  # half of a plane of voxels
    path = label_file(tmp_path, values, fine)
    with pytest.raises(DosimetryError, match="another grid"):
        read_masks(path, LIKE)
    expected = (LABELS == 3).astype(float)
    expected[2] /= 2
    masks = read_masks(path, LIKE, resample=True)
    np.testing.assert_allclose(masks.regions["label_3"].values, expected)


def test_a_mask_outside_the_image_is_named(tmp_path):
    moved = AFFINE.copy()
    moved[2, 3] = 400
    with pytest.raises(DosimetryError, match="region 'label_3' lies outside the image"):
        read_masks(label_file(tmp_path, affine=moved), LIKE)
    tall = np.zeros((20, 30, 40), np.int16)
    tall[..., :8] = LABELS
    tall[5, 5, 30] = 9
    tall[2:6, 3:9, 8:10] = 3  # on three planes of the image, and two above it
    masks = read_masks(label_file(tmp_path, tall), LIKE)
    assert sorted(masks.regions) == ["label_3", "label_7"]
    assert masks.notes == (
        "40 % of region 'label_3' lies outside the image",
        "left out: region 'label_9' lies outside the image",
    )
    with pytest.raises(DosimetryError, match="'label_9' lies outside"):
        read_masks(tmp_path / "labels.nii.gz", LIKE, names=["label_9"])


def test_a_folder_holds_one_mask_a_file(tmp_path):
    folder = tmp_path / "segmentations"
    for label, name in NAMES.items():
        label_file(folder, (label == LABELS).astype(np.uint8), name=f"{name}.nii.gz")
    masks = read_masks(folder, LIKE)
    assert sorted(masks.regions) == sorted(NAMES.values())
    (folder / "map.csv").write_text("file,name\nkidney_left.nii.gz,left\n")
    masks = read_masks(folder, LIKE, labels=folder / "map.csv")
    assert list(masks.regions) == ["left"]
    label_file(folder, LABELS, name="all.nii.gz")
    with pytest.raises(DosimetryError, match="a mask of one region has 0 and 1"):
        read_masks(folder, LIKE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DosimetryError, match="no NIfTI file"):
        read_masks(tmp_path / "empty", LIKE)


def test_values_that_are_no_labels_are_refused(tmp_path):
    for values in (LABELS + 0.5, -LABELS.astype(float)):
        image = nib.Nifti1Image(values, AFFINE)
        nib.save(image, tmp_path / "f.nii")
        with pytest.raises(DosimetryError, match="no label image"):
            read_masks(tmp_path / "f.nii", LIKE)
    with pytest.raises(DosimetryError, match="hold no region"):
        read_masks(label_file(tmp_path, np.zeros_like(LABELS)), LIKE)


BAD_MAPS = {
    "columns.csv": ("id,region\n3,a\n", "row 1: the columns are 'id,region'"),
    "float.csv": ("label,name\n3.5,a\n", "row 2: the label is '3.5'"),
    "short.csv": ("label,name\n3\n", "row 2: 1 cells"),
    "twice.csv": ("label,name\n3,a\n3,b\n", "row 3: 'b' comes twice"),
    "same.csv": ("label,name\n3,a\n4,a\n", "row 3: 'a' comes twice"),
    "nameless.csv": ("label,name\n3,\n", "row 2: the name is empty"),
    "empty.csv": ("label,name\n", "names no label"),
    "broken.json": ("{3:", "not valid JSON"),
    "list.json": ("[1, 2]", "legal is a mapping"),
    "nested.json": ('{"3": {"name": "a"}}', "is no name"),
    "deep.json": ("[" * 100_000, "not valid JSON"),
    "python.yaml": ("3: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
    "map.txt": ("3 a", "ends in .csv, .json"),
    "latin.csv": ("label,name\n3,h\xe9\n".encode("latin-1"), "not UTF-8"),
    "large.csv": ("x" * 1_000_001, "larger than the legal"),
    "outside.csv": ("file,name\n../secret.nii.gz,a\n", "row 2, column file.*outside the folder"),
    "absolute.csv": ("file,name\n/etc/passwd,a\n", "row 2, column file.*outside the folder"),
    "absent.csv": ("file,name\nb.nii.gz,a\n", "row 2, column file: there is no 'b.nii.gz'"),
}


@pytest.mark.parametrize("name", sorted(BAD_MAPS))
def test_a_bad_label_map_is_refused_with_its_place(tmp_path, name):
    text, message = BAD_MAPS[name]
    folder = tmp_path / "study"
    folder.mkdir()
    label_file(tmp_path, name="secret.nii.gz")
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    path = folder if "file,name" in str(text) else label_file(tmp_path)
    with pytest.raises(DosimetryError, match=message):
        read_masks(path, LIKE, labels=folder / name)


# ---- DICOM SEG


def frames_of(mask, number, order):
    """Frames of a mask on the grid LIKE, planes in the order given, empty ones left out."""
    made = []
    for k in order:
        if mask[:, :, k].any():
            made.append((number, (-40.0, -60.0, -8.0 + 4 * k), mask[:, :, k].T))
    return made


def test_segments_with_frames_in_any_order_and_gaps(tmp_path):
    left, right = LABELS == 3, LABELS == 7
    left[2, 3, 6] = True  # planes 4 and 5 have no frame
    frames = [*frames_of(right, 2, [2, 1, 3]), *frames_of(left, 1, [6, 1, 3, 2])]
    path = save(seg(frames, labels=("kidney_left", "kidney_right")), tmp_path / "seg.dcm")
    masks = read_masks(path, LIKE, frame_of_reference_uid=FRAME)
    np.testing.assert_array_equal(masks.regions["kidney_left"].values, left)
    np.testing.assert_array_equal(masks.regions["kidney_right"].values, right)


def test_fractions_are_scaled_by_their_maximum(tmp_path):
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:6, 4:8, 2] = [50, 100, 200, 200]
    ds = seg(frames_of(mask, 1, [2]), kind="FRACTIONAL", labels=("tumour",), maximum=200)
    masks = read_masks(save(ds, tmp_path / "f.dcm"), LIKE)
    np.testing.assert_allclose(masks.regions["tumour"].values, mask / 200.0)
    ds.SegmentationFractionalType = "PROBABILITY"
    assert "ASSUMED" in read_masks(save(ds, tmp_path / "p.dcm"), LIKE).notes[0]
    ds.MaximumFractionalValue = 100
    with pytest.raises(DosimetryError, match="values up to 2"):
        read_masks(save(ds, tmp_path / "m.dcm"), LIKE)


def test_a_segmentation_on_a_finer_grid_is_resampled_if_allowed(tmp_path):
    # pixels of 2 mm whose outer edges agree with voxels of 4 mm; planes every 4 mm
    frames = [(1, (-41.0, -61.0, -8.0 + 4 * k), np.kron(LABELS[:, :, k].T == 3, np.ones((2, 2))))
              for k in range(1, 4)]  # fmt: skip
    path = save(seg(frames, labels=("kidney",), spacing=(2.0, 2.0)), tmp_path / "seg.dcm")
    with pytest.raises(DosimetryError, match="another grid"):
        read_masks(path, LIKE)
    masks = read_masks(path, LIKE, resample=True)
    np.testing.assert_allclose(masks.regions["kidney"].values, LABELS == 3, atol=1e-6)


def bad_seg(case):
    frames = frames_of(LABELS == 3, 1, [1, 2, 3])
    if case == "outside":
        return seg([(n, (500.0, 0, 0), m) for n, _, m in frames[:1]], labels=("a",))
    if case == "twice":
        return seg([frames[0], frames[0]], labels=("a",))
    if case == "uneven":
        moved = [(1, (p[0], p[1], p[2] + 1.5 * (k == 2)), m) for k, (_, p, m) in enumerate(frames)]
        return seg(moved, labels=("a",))
    ds = seg(frames, labels=("a", "b"))
    if case == "frame of reference":
        ds.FrameOfReferenceUID = "1.2.3"
    elif case == "type":
        ds.SegmentationType = "SURFACE"
    elif case == "no position":
        del ds.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    elif case == "no segment":
        del ds.PerFrameFunctionalGroupsSequence[1].SegmentIdentificationSequence
    elif case == "all empty":
        ds.PixelData = bytes(len(ds.PixelData))
    return ds


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("all empty", "mask of region 'a' is empty"),
        ("frame of reference", "another frame of reference"),
        ("no position", "no plane position"),
        ("no segment", "does not say its segment"),
        ("outside", "'a' lies outside the image"),
        ("twice", "lie at the same place"),
        ("type", "legal are BINARY, FRACTIONAL"),
        ("uneven", "uneven distances"),
    ],
)
def test_a_bad_segmentation_is_refused_in_words(tmp_path, case, message):
    path = save(bad_seg(case), tmp_path / "seg.dcm")
    with pytest.raises(DosimetryError, match=message):
        read_masks(path, LIKE, frame_of_reference_uid=FRAME)


def test_only_masks_are_masks(tmp_path):
    path = save(base("CT"), tmp_path / "ct.dcm")
    with pytest.raises(DosimetryError, match="'CT', legal for masks are SEG and RTSTRUCT"):
        read_masks(path, LIKE)
    path = save(seg(frames_of(LABELS == 3, 1, [1]), labels=("a",)), tmp_path / "seg.dcm")
    with pytest.raises(DosimetryError, match="a label map is for NIfTI"):
        read_masks(path, LIKE, labels=tmp_path / "map.csv")


# ---- RTSTRUCT


def circle(radius, z, centre=(0.0, 0.0), n=720):
    angle = 2 * np.pi * np.arange(n) / n
    return np.column_stack(
        [centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle), np.full(n, z)]
    )


def lifted(points, z):
    return np.asarray(points) + np.array([0.0, 0.0, z])


def drawn(tmp_path, regions, like=LIKE, **options):
    path = save(rtstruct(regions), tmp_path / "rs.dcm")
    return read_masks(path, like, **options)


def volume_ml(mask):
    return float(mask.values.sum()) * mask.voxel_ml


def test_a_cylinder_has_its_volume(tmp_path):
    levels = [-2.0, 1.0, 4.0, 7.0]  # every 3 mm: other planes than those of the image
    masks = drawn(tmp_path, {"cylinder": [circle(20.0, z) for z in levels]})
    assert volume_ml(masks.regions["cylinder"]) == pytest.approx(np.pi * 400 * 12e-3, rel=2e-3)
    mask = masks.regions["cylinder"]
    along_z = np.asarray(mask.values).sum(axis=(0, 1)) * 16  # mm2 in each plane of the image
    reach = np.array(
        [max(0, min(z + 2, 8.5) - max(z - 2, -3.5)) / 4 for z in -8 + 4.0 * np.arange(8)]
    )
    np.testing.assert_allclose(along_z, np.pi * 400 * reach, rtol=3e-3)


def test_a_square_on_voxel_edges_is_exact(tmp_path):
    square = np.array([[-6.0, -14, 0], [10, -14, 0], [10, 2, 0], [-6, 2, 0]])
    masks = drawn(tmp_path, {"square": [lifted(square, z) for z in (0.0, 4.0)]})
    values = np.asarray(masks.regions["square"].values)
    assert set(np.unique(values)) == {0.0, 1.0}
    # LPS x from -6 to 10 is RAS -10 to 6; voxel i lies at 40 - 4 i, so i = 9 to 12
    index = np.argwhere(values)
    np.testing.assert_array_equal(index.min(axis=0), [9, 12, 2])
    np.testing.assert_array_equal(index.max(axis=0), [12, 15, 3])


def test_part_of_a_voxel_counts_as_part(tmp_path):
    thin = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    masks = drawn(tmp_path, {"thin": [thin, lifted(thin, 2.0)]})
    assert volume_ml(masks.regions["thin"]) == pytest.approx(4 * 4e-3, rel=1e-9)
    assert np.asarray(masks.regions["thin"].values).max() < 0.3


def test_inner_contours_and_keyholes_are_holes_and_islands_are_not(tmp_path):
    ring = [circle(20.0, 0.0), circle(10.0, 0.0), circle(5.0, 0.0)]
    outer, inner = circle(20.0, 0.0), circle(10.0, 0.0)
    keyhole = np.vstack([outer, outer[:1], inner[:1], inner[::-1], outer[:1]])
    masks = drawn(
        tmp_path,
        {
            "ring": [lifted(c, z) for z in (0.0, 4.0) for c in ring],
            "keyhole": [lifted(keyhole, z) for z in (0.0, 4.0)],
        },
    )
    ring_ml = np.pi * (400 - 100 + 25) * 8e-3
    assert volume_ml(masks.regions["ring"]) == pytest.approx(ring_ml, rel=3e-3)
    assert volume_ml(masks.regions["keyhole"]) == pytest.approx(np.pi * 300 * 8e-3, rel=3e-3)
    centre = np.asarray(masks.regions["keyhole"].values)[10, 15, 2]
    assert centre == 0


def test_the_direction_of_drawing_and_the_grid_do_not_matter(tmp_path):
    contours = [circle(17.0, z, (3.0, -7.0)) for z in (0.0, 4.0)]
    straight = drawn(tmp_path, {"a": contours}).regions["a"]
    turned = drawn(tmp_path, {"a": [c[::-1] for c in contours]}).regions["a"]
    np.testing.assert_allclose(straight.values, turned.values, atol=1e-6)
    # the same grid with axes in the order z, x, y
    affine = np.column_stack([AFFINE[:, 2], AFFINE[:, 0], AFFINE[:, 1], AFFINE[:, 3]])
    like = VoxelImage(np.zeros((8, 20, 30)), affine, "MBq/mL")
    permuted = drawn(tmp_path, {"a": contours}, like).regions["a"]
    np.testing.assert_allclose(
        np.asarray(permuted.values), np.asarray(straight.values).transpose(2, 0, 1), atol=1e-6
    )


def test_monte_carlo_agrees_on_a_star(tmp_path):
    """An odd, non-convex shape: fraction of random points inside, by winding of matplotlib."""
    from matplotlib.path import Path

    angle = 2 * np.pi * np.arange(10) / 10
    radius = np.where(np.arange(10) % 2, 8.0, 25.0)
    star = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(10)])
    mask = drawn(tmp_path, {"star": [star, lifted(star, 4)]}).regions["star"]
    rng = np.random.default_rng(2)
    n = 4000
    for i, j in [(10, 15), (8, 15), (10, 20), (12, 12), (6, 14), (13, 16)]:
        x = -(40 - 4 * i) + rng.uniform(-2, 2, n)  # LPS
        y = -(60 - 4 * j) + rng.uniform(-2, 2, n)
        inside = Path(star[:, :2]).contains_points(np.column_stack([x, y])).mean()
        error = 4 * np.sqrt(max(inside * (1 - inside), 1 / n) / n) + 0.01
        assert abs(float(mask.values[i, j, 2]) - inside) < error


def test_contours_of_a_file_and_of_the_library_are_one(tmp_path):
    contours = [circle(17.0, z, (3.0, -7.0)) for z in (0.0, 3.0, 6.0)]
    mask = drawn(tmp_path, {"a": contours}).regions["a"]
    right_anterior = [contour * (-1.0, -1.0, 1.0) for contour in contours]
    np.testing.assert_allclose(mask.values, contour_fractions(right_anterior, LIKE), atol=1e-4)


def test_one_plane_takes_the_step_of_the_file_or_says_what_is_assumed(tmp_path):
    masks = drawn(tmp_path, {"a": [circle(20, z) for z in (0.0, 2.0, 4.0)], "b": [circle(10, 4.0)]})
    assert volume_ml(masks.regions["b"]) == pytest.approx(np.pi * 100 * 2e-3, rel=5e-3)
    alone = drawn(tmp_path, {"b": [circle(10, 4.0)]})
    assert volume_ml(alone.regions["b"]) == pytest.approx(np.pi * 100 * 4e-3, rel=5e-3)
    assert alone.notes[0].startswith("ASSUMED: region 'b' has one plane")


def test_gaps_empty_regions_and_lost_parts_are_told(tmp_path):
    masks = drawn(
        tmp_path,
        {
            "gap": [circle(20, z) for z in (0.0, 4.0, 12.0)],
            "none": [],
            "line": [[[0, 0, z], [9, 9, z], [5, 5, z]] for z in (0.0, 4.0)],
            "edge": [circle(10, z, (-40.0, 0.0)) for z in (0.0, 4.0)],
        },
    )
    words = " | ".join(masks.notes)
    assert "'gap' has planes without a contour between" in words
    assert "left out: region 'none' has no closed contour" in words
    assert "left out: region 'line': no point lies within the contours" in words
    assert "% of region 'edge' lies outside the image" in words
    with pytest.raises(DosimetryError, match="'none' has no closed contour"):
        drawn(tmp_path, {"none": [], "a": [circle(9, 0.0)]}, names=["none"])


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({"far": [circle(9, 500.0), circle(9, 504.0)]}, "'far' lies outside the image"),
        ({"tilted": [circle(9, 0.0) @ [[1, 0, 0.3], [0, 1, 0], [0, 0, 1]]]}, "planes of the image"),
        ({"huge": [circle(1e9, 0.0)]}, "voxels from the image: give coordinates in mm"),
        ({"line": [[[0, 0, 0], [1, 1, 0]]]}, "'line' has 6 numbers"),
        ({"none": []}, "'none' has no closed contour"),
    ],
)
def test_bad_contours_are_refused_in_words(tmp_path, regions, message):
    with pytest.raises(DosimetryError, match=message):
        drawn(tmp_path, regions)


def test_contours_of_another_space_or_open_ones_are_no_mask(tmp_path):
    with pytest.raises(DosimetryError, match="another frame of reference"):
        drawn(tmp_path, {"a": [circle(9, 0.0)]}, frame_of_reference_uid="1.2.3")
    path = save(rtstruct({"a": [circle(9, 0.0)]}, "OPEN_PLANAR"), tmp_path / "open.dcm")
    with pytest.raises(DosimetryError, match="no closed contour"):
        read_masks(path, LIKE)
