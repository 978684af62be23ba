"""Foci counted in images of nuclei, a second of one core."""

from __future__ import annotations

import numpy as np

from benchmarks.timing import announce, process_seconds, require, row
from foci.images import (
    Conditions,
    Microscope,
    NucleusImage,
    count_foci,
    segment_nuclei,
    simulate_image,
)
from foci.images.segment import plane_of

N_NUCLEI = 40
DOSE_GY = 0.05
FAINTEST = 0.05  # least response blob_log keeps, its documented example


def blob_log_count(image: NucleusImage) -> int:
    """Count as a script would: blobs of each marker a nucleus, those in both within 0.5 um."""
    from skimage.feature import blob_log
    from skimage.measure import regionprops

    total = 0
    for region in regionprops(segment_nuclei(image).labels):
        found = []
        for name in image.markers:
            values = np.where(region.image, plane_of(image.channels[name])[region.slice], 0)
            sizes = np.array([0.15, 0.5]) / image.pixel_um
            scaled = values / values.max()
            found.append(blob_log(scaled, *sizes, num_sigma=5, threshold=FAINTEST)[:, :2])
        first, second = found
        if len(first) and len(second):
            apart = np.hypot(*(first[:, None] - second[None]).transpose(2, 0, 1))
            total += int((apart.min(axis=1) * image.pixel_um < 0.5).sum())
    return total


def foci_image_rows() -> None:
    """Fields of lymphocytes: one plane, and a stack of nine."""
    for name, planes in (("one plane", 1), ("9 planes", 9)):
        announce(f"simulating {N_NUCLEI} nuclei, {name}")
        simulated = simulate_image(
            N_NUCLEI,
            rng=np.random.default_rng(7),
            dose_gy=DOSE_GY,
            conditions=Conditions(Microscope(planes=planes)),
        )
        image, true = simulated.image, int(simulated.foci_per_nucleus.sum())
        ours = count_foci(image).expected_foci
        require(abs(ours - true) < 0.35 * true, f"{ours:.1f} foci counted, {true} are there")
        seconds = process_seconds(lambda image=image: count_foci(image))
        row(
            f"foci in {N_NUCLEI} nuclei, {name} ({N_NUCLEI / seconds:.0f} nuclei/s)",
            seconds,
            {"skimage blob_log": process_seconds(lambda image=image: blob_log_count(image))},
            f"true {true}, here {ours:.1f}, blob_log {blob_log_count(image)}",
        )
