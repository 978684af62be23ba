"""The phantom is what it says: activity, times and volumes."""

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.imaging import (
    nifti_label_names,
    read_masks,
    read_nifti,
    torso_phantom,
    write_phantom,
)
from dosimetry.recovery import sphere_diameter_mm, sphere_peak_recovery
from kinetics import SumOfExponentials


def test_activity_decays_to_the_time_integrated_activity():
    times = np.linspace(0, 2000, 401)
    phantom = torso_phantom(voxel_mm=15.0, times_h=times)
    curve = np.stack([np.asarray(image.values) for image in phantom.images])
    total = np.trapezoid(curve, times, axis=0)
    np.testing.assert_allclose(total, phantom.tia.values, rtol=1e-3, atol=1e-12)


def test_volumes_are_those_of_the_shapes():
    phantom = torso_phantom(voxel_mm=3.0, times_h=(24.0,))
    labels = np.asarray(phantom.labels.values)
    for label, axes in ((3, (25, 25, 50)), (5, (14, 14, 14))):
        volume = (labels == label).sum() * phantom.labels.voxel_ml
        assert volume == pytest.approx(4 / 3 * np.pi * np.prod(axes) / 1000, rel=0.03)
    assert sorted(np.unique(labels)) == [0, *sorted(phantom.names)]


def test_noise_is_of_the_size_asked_for_and_repeats():
    clean = torso_phantom(voxel_mm=10.0, times_h=(24.0,)).images[0].values
    noisy = [
        torso_phantom(voxel_mm=10.0, times_h=(24.0,), relative_noise=0.1,
                      rng=np.random.default_rng(3)).images[0].values
        for _ in range(2)
    ]  # fmt: skip
    np.testing.assert_array_equal(*noisy)
    body = np.asarray(clean) > 0
    ratio = np.asarray(noisy[0])[body] / np.asarray(clean)[body]
    assert ratio.std() == pytest.approx(0.1, rel=0.05)


def test_what_is_written_is_read(tmp_path):
    phantom = torso_phantom(voxel_mm=15.0)
    folder = write_phantom(phantom, tmp_path / "p")
    assert nifti_label_names(folder / "labels.nii.gz") == phantom.names
    image = read_nifti(folder / "activity_096h.nii.gz")
    np.testing.assert_allclose(image.values, phantom.images[1].values, rtol=1e-6)
    masks = read_masks(folder / "labels.nii.gz", image)
    assert set(masks.regions) == set(phantom.names.values())
    with pytest.raises(DosimetryError, match="exists"):
        write_phantom(phantom, folder)


def test_activity_of_regions_is_as_given_and_nowhere_else():
    curve = SumOfExponentials([0.3, -0.2], [0.01, 0.5])
    phantom = torso_phantom(
        voxel_mm=10.0, times_h=(0.0, 30.0), activity_mbq_per_ml={"vertebrae": curve}
    )
    labels = np.asarray(phantom.labels.values)
    for image, value in zip(phantom.images, (0.1, float(curve(30.0))), strict=True):
        np.testing.assert_allclose(image.values, np.where(labels >= 10, value, 0.0), atol=1e-15)
    np.testing.assert_allclose(phantom.tia.values, np.where(labels >= 10, 29.6, 0.0))
    one = {"vertebrae": curve, "vertebrae_L2": curve.scaled(2.0)}
    image = torso_phantom(voxel_mm=10.0, times_h=(0.0,), activity_mbq_per_ml=one).images[0]
    assert set(np.round(np.unique(image.values), 12)) == {0.0, 0.1, 0.2}


def test_the_blur_has_its_width_and_conserves_activity():
    """Between body and air an edge becomes an error function; the tumour's recovery is known."""
    flat = SumOfExponentials([1.0], [0.01])
    options = {"voxel_mm": 2.0, "times_h": (0.0,)}
    sharp, shown = (
        torso_phantom(activity_mbq_per_ml={"tumour": flat}, fwhm_mm=fwhm, **options).images[0]
        for fwhm in (0.0, 12.0)
    )
    assert np.sum(shown.values) == pytest.approx(np.sum(sharp.values), rel=1e-4)
    ml = float(np.sum(sharp.values)) * sharp.voxel_ml
    assert np.max(shown.values) == pytest.approx(
        float(sphere_peak_recovery(sphere_diameter_mm(ml), 12.0)), rel=0.02
    )


def test_bad_phantoms_are_refused():
    with pytest.raises(DosimetryError, match="'spleen', legal are vertebrae, body"):
        torso_phantom(activity_mbq_per_ml={"spleen": SumOfExponentials([1.0], [0.1])})
    with pytest.raises(DosimetryError, match="fwhm_mm"):
        torso_phantom(fwhm_mm=-1.0)
    with pytest.raises(DosimetryError, match="from 1 to 15"):
        torso_phantom(voxel_mm=40.0)
    with pytest.raises(DosimetryError, match="needs rng"):
        torso_phantom(relative_noise=0.1)
