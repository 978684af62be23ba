"""Simulated images of immunostained nuclei whose foci are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from foci.errors import FociError
from foci.images.image import DNA, MARKERS, NucleusImage
from foci.images.simulate_camera import photograph
from foci.images.simulate_conditions import Conditions
from foci.images.simulate_nucleus import (
    SPOT_53BP1,
    SPOT_BOTH,
    SPOT_GAMMA,
    Shape,
    add_spot,
    nucleoplasm,
    random_shape,
    spot_positions,
)

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.floating]

_FWHM = 2 * np.sqrt(2 * np.log(2))
_TRIES = 200
_SPACE = 1.9  # side of a nucleus's share of the field, in diameters
_MARGIN_UM = 1.2
_SPOT_NAMES = ("both", *MARKERS)


@dataclass(frozen=True, eq=False)
class SimulatedImage:
    """A simulated image and the truth about it.

    Attributes
    ----------
    image : NucleusImage
        As a microscope would give it.
    labels : ndarray of int, shape (y, x)
        Number of the nucleus at each pixel, from 1; 0 beside nuclei.
    foci_per_nucleus : ndarray of int, shape (n,)
        True foci (spots in both markers) of nuclei 1 to n.
    spots : ndarray, shape (m, 5)
        Nucleus, kind (0 a focus, 1 in gamma-H2AX only, 2 in 53BP1 only), z in um over the mean
        height of the slide, y and x in pixels.
    out_of_focus, weak : ndarray of bool, shape (n,)
        Nuclei that lie beside the focal plane, and those hardly stained.
    dose_gy : float or None
        Dose the foci were drawn for.
    conditions : Conditions
        What the image was made with.
    """

    image: NucleusImage
    labels: npt.NDArray[np.int32]
    foci_per_nucleus: npt.NDArray[np.int64]
    spots: Array
    out_of_focus: npt.NDArray[np.bool_]
    weak: npt.NDArray[np.bool_]
    dose_gy: float | None
    conditions: Conditions

    @property
    def foci(self) -> Array:
        """True foci only: rows of nucleus, z in um, y and x in pixels."""
        return np.asarray(self.spots[self.spots[:, 1] == SPOT_BOTH][:, [0, 2, 3, 4]])

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Every parameter of the simulation, in words."""
        return self.conditions.assumptions

    def to_frame(self) -> pd.DataFrame:
        """One row a spot: nucleus, markers it shows in, z in um, y and x in pixels."""
        import pandas as pd

        frame = pd.DataFrame(self.spots, columns=["nucleus", "shows_in", "z_um", "y_px", "x_px"])
        names = [_SPOT_NAMES[int(kind)] for kind in self.spots[:, 1]]
        return frame.assign(nucleus=frame["nucleus"].astype(int), shows_in=names)


def simulate_image(
    n_nuclei: int = 1,
    *,
    rng: np.random.Generator,
    dose_gy: float = 0.0,
    foci_per_gy: float = 14.7,
    baseline_per_cell: float = 0.1,
    foci_counts: Sequence[int] | None = None,
    conditions: Conditions | None = None,
    field_px: tuple[int, int] | None = None,
    cut_out: bool = False,
) -> SimulatedImage:
    """Simulate a field of stained nuclei, or one nucleus, with known foci.

    Parameters
    ----------
    n_nuclei : int
        Number of nuclei.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same image.
    dose_gy, foci_per_gy, baseline_per_cell : float
        Foci of a nucleus are Poisson with mean baseline + foci_per_gy * dose (ASSUMED defaults).
    foci_counts : sequence of int, optional
        Foci of each nucleus, instead of drawing them.
    conditions : Conditions, optional
        Microscope, cells and staining.
    field_px : tuple of int, optional
        Height and width; without it, the field has room for the nuclei.
    cut_out : bool
        Set pixels beside nuclei to 0, as files of nuclei that were cut out have them.

    Returns
    -------
    SimulatedImage
        Image, true labels and true spots.

    Raises
    ------
    FociError
        If a number is not legal or the field is too small for a nucleus.

    Notes
    -----
    A nucleus is a body with a bumpy outline, cut into layers of about 0.6 um. Dye in a layer is
    log-normal with a Gaussian correlation; each layer is blurred by the point-spread function at
    its distance from each focal plane and the layers are added. Spots are Gaussians, blurred
    likewise. Photoelectrons are Poisson (normal where all pixels expect 30 or more), read noise is
    normal, grey values are rounded and cut at full scale.

    Examples
    --------
    >>> import numpy as np
    >>> simulated = simulate_image(3, rng=np.random.default_rng(1), foci_counts=[0, 2, 1])
    >>> simulated.foci_per_nucleus.tolist(), len(simulated.foci)
    ([0, 2, 1], 3)
    >>> simulated.image.markers
    ('gamma_h2ax', '53bp1')
    """
    conditions = conditions or Conditions()
    counts = _counts(n_nuclei, foci_counts, baseline_per_cell + foci_per_gy * dose_gy, rng)
    shapes = [random_shape(conditions, rng) for _ in counts]
    field = field_px or _room(shapes, conditions)
    centres = _places(shapes, field, conditions, rng)
    electrons, labels, spots, weak = _draw_all(shapes, centres, counts, field, conditions, rng)
    _add_debris(electrons, labels, conditions, rng)
    grey = photograph(electrons, conditions, rng)
    if cut_out:
        grey = grey * (labels > 0).astype(grey.dtype)
    microscope = conditions.microscope
    stack = microscope.planes > 1
    limit = abs(conditions.cells.out_of_focus_um) / 2
    image = NucleusImage(
        {name: grey[k] if stack else grey[k, 0] for k, name in enumerate((DNA, *MARKERS))},
        pixel_um=microscope.pixel_um,
        plane_spacing_um=microscope.plane_spacing_um if stack else None,
        full_scale=microscope.full_scale,
        source=f"simulated, {len(counts)} nuclei",
    )
    return SimulatedImage(
        image=image,
        labels=labels,
        foci_per_nucleus=counts,
        spots=spots,
        out_of_focus=np.array([abs(shape.depth_um) > limit for shape in shapes]),
        weak=weak,
        dose_gy=None if foci_counts is not None else dose_gy,
        conditions=conditions,
    )


def _counts(
    n_nuclei: int, given: Sequence[int] | None, mean: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    if n_nuclei < 1:
        raise FociError(f"n_nuclei must be 1 or more, got {n_nuclei}")
    if given is None:
        if not (mean >= 0 and np.isfinite(mean)):
            raise FociError(f"mean foci per nucleus must be 0 or more, got {mean}")
        return rng.poisson(mean, n_nuclei)
    counts = np.asarray(given)
    if counts.shape != (n_nuclei,) or (counts < 0).any() or (counts != counts.astype(int)).any():
        raise FociError(
            f"foci_counts must hold {n_nuclei} whole numbers from 0, one a nucleus, got {given}"
        )
    return counts.astype(np.int64)


def _room(shapes: Sequence[Shape], conditions: Conditions) -> tuple[int, int]:
    reach = max(shape.reach_um for shape in shapes)
    least = 2 * (reach + _MARGIN_UM)
    side = max(least, _SPACE * conditions.cells.diameter_um * np.sqrt(len(shapes)))
    pixels = int(np.ceil(side / conditions.microscope.pixel_um))
    return pixels, pixels


def _places(
    shapes: Sequence[Shape],
    field_px: tuple[int, int],
    conditions: Conditions,
    rng: np.random.Generator,
) -> Array:
    """Middles of the nuclei (um; y, x): apart from each other, or beside one on purpose."""
    size = np.array(field_px) * conditions.microscope.pixel_um
    cells = conditions.cells
    placed = np.empty((0, 2))
    reaches = np.array([shape.reach_um for shape in shapes])
    for k, reach in enumerate(reaches):
        margin = 0.0 if cells.cut_by_edge else reach
        if (size < 2 * margin).any():
            raise FociError(
                f"a field of {field_px[0]} x {field_px[1]} pixels is too small for a nucleus of "
                f"{2 * reach:.1f} um; give a larger field_px"
            )
        beside = k > 0 and rng.random() < cells.touching_share
        for _ in range(_TRIES):
            if beside:
                other = rng.integers(k)
                direction = rng.uniform(0, 2 * np.pi)
                distance = (reach + reaches[other]) * (1 - cells.overlap * rng.random())
                place = placed[other] + distance * np.array([np.sin(direction), np.cos(direction)])
            else:
                place = rng.uniform(margin, size - margin)
            apart = np.hypot(*(placed - place).T) / (reach + reaches[:k])
            least = 1 - cells.overlap if beside else 1.05
            inside = (place >= margin).all() and (place <= size - margin).all()
            if inside and (apart >= least).all():
                break
        else:  # a crowded field: wherever it falls
            place = rng.uniform(margin, size - margin)
        placed = np.vstack([placed, place])
    return placed


def _draw_all(
    shapes: Sequence[Shape],
    centres_um: Array,
    counts: npt.NDArray[np.int64],
    field_px: tuple[int, int],
    conditions: Conditions,
    rng: np.random.Generator,
) -> tuple[Array, npt.NDArray[np.int32], Array, npt.NDArray[np.bool_]]:
    from scipy.fft import next_fast_len

    microscope, cells = conditions.microscope, conditions.cells
    electrons = np.zeros((3, microscope.planes, *field_px), np.float32)
    labels = np.zeros(field_px, np.int32)
    weak = rng.random(len(shapes)) < cells.weak_share
    spots = []
    for k, (shape, centre, n) in enumerate(zip(shapes, centres_um, counts, strict=True)):
        half = int(np.ceil((shape.reach_um + _MARGIN_UM) / microscope.pixel_um))
        half = next_fast_len(2 * half) // 2
        corner = np.round(centre / microscope.pixel_um).astype(int) - half
        grid = (
            (np.arange(2 * half) + corner[0]) * microscope.pixel_um - centre[0],
            (np.arange(2 * half) + corner[1]) * microscope.pixel_um - centre[1],
        )
        brightness = _brightness(conditions, rng, weak=bool(weak[k]))
        crop = nucleoplasm(shape, grid, conditions, rng) * brightness[:, None, None, None]
        found = _add_spots(crop, shape, grid, int(n), brightness, conditions, rng)
        found[:, 0] = k + 1
        found[:, 3:] = (found[:, 3:] + centre) / microscope.pixel_um
        spots.append(found)
        here, there = _overlap(corner, 2 * half, field_px)
        electrons[:, :, here[0], here[1]] += crop[:, :, there[0], there[1]]
        inside = (shape.radius(grid[0][:, None], grid[1][None, :]) < 1)[there]
        target = labels[here]
        target[inside & (target == 0)] = k + 1
    return electrons, labels, np.concatenate(spots), weak


def _brightness(conditions: Conditions, rng: np.random.Generator, *, weak: bool) -> Array:
    staining = conditions.staining
    mean = np.array([staining.dna_electrons, *staining.marker_electrons])
    brightness = mean * np.exp(staining.brightness_cv * rng.standard_normal(3))
    if weak:
        brightness[1:] *= conditions.cells.weak_brightness
    return brightness


def _add_spots(
    crop: Array,
    shape: Shape,
    grid_um: tuple[Array, Array],
    n_foci: int,
    brightness: Array,
    conditions: Conditions,
    rng: np.random.Generator,
) -> Array:
    """Add foci and spots of a single marker to a crop; their rows, middles in um."""
    staining = conditions.staining
    lost = n_foci * (1 / staining.colocalised_share - 1) / 2
    singles = [rng.poisson(lost + rate) for rate in staining.single_marker_spots]
    kinds = np.repeat([SPOT_BOTH, SPOT_GAMMA, SPOT_53BP1], [n_foci, *singles])
    places = spot_positions(shape, len(kinds), rng)
    places[:, 0] += shape.depth_um
    width_sd = np.sqrt(np.log1p(staining.focus_fwhm_cv**2))
    height_sd = np.sqrt(np.log1p(staining.contrast_cv**2))
    rho = staining.contrast_correlation
    for kind, place in zip(kinds, places, strict=True):
        width = staining.focus_fwhm_um / _FWHM * np.exp(width_sd * rng.standard_normal())
        first, second = rng.standard_normal(2)
        heights = np.exp(height_sd * np.array([first, rho * first + np.sqrt(1 - rho**2) * second]))
        shift = staining.shift_um * rng.standard_normal((2, 2))
        for marker in (1, 2):
            if kind in (SPOT_BOTH, marker):
                y, x = place[1:] + shift[marker - 1] / np.sqrt(2)
                height = brightness[marker] * staining.contrast * heights[marker - 1]
                spot = (place[0], y, x, width, height)
                add_spot(crop[marker], grid_um, conditions.microscope, marker, spot)
    return np.column_stack([np.zeros(len(kinds)), kinds, places])


def _overlap(
    corner: npt.NDArray[np.int64], side: int, field_px: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    here, there = [], []
    for first, size in zip(corner, field_px, strict=True):
        begin, end = max(0, int(first)), min(size, int(first) + side)
        here.append(slice(begin, max(begin, end)))
        there.append(slice(begin - int(first), max(begin, end) - int(first)))
    return (here[0], here[1]), (there[0], there[1])


def _add_debris(
    electrons: Array,
    labels: npt.NDArray[np.int32],
    conditions: Conditions,
    rng: np.random.Generator,
) -> None:
    microscope, staining = conditions.microscope, conditions.staining
    grid = tuple(np.arange(n) * microscope.pixel_um for n in labels.shape)
    brightness = (staining.dna_electrons, *staining.marker_electrons)
    for _ in range(rng.poisson(conditions.cells.debris_per_nucleus * labels.max())):
        y, x = rng.uniform(0, labels.shape)
        if labels[int(y), int(x)]:
            continue
        channel = rng.integers(3)
        width = rng.uniform(0.1, 0.6)
        height = brightness[channel] * rng.uniform(0.5, 3)
        middle = (rng.normal(), y * microscope.pixel_um, x * microscope.pixel_um)
        spot = (*middle, width, height)
        add_spot(electrons[channel], (grid[0], grid[1]), microscope, int(channel), spot)
