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


def test_bad_phantoms_are_refused():
    with pytest.raises(DosimetryError, match="from 1 to 15"):
        torso_phantom(voxel_mm=40.0)
    with pytest.raises(DosimetryError, match="needs rng"):
        torso_phantom(relative_noise=0.1)
