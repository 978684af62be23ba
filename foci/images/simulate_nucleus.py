"""One simulated nucleus: its shape, its texture in layers, its foci, and their image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foci.images.simulate_conditions import Conditions, Microscope

Array = npt.NDArray[np.floating]

SPOT_BOTH, SPOT_GAMMA, SPOT_53BP1 = 0, 1, 2
_LAYER_UM = 0.6
_FWHM = 2 * np.sqrt(2 * np.log(2))
_HALF_WIDTH = np.sqrt(2 * np.log(2))  # half width at half maximum of a Gaussian, in sigma
_BUMPS = (2, 3, 4, 5)


@dataclass(frozen=True, eq=False)
class Shape:
    """Outline and height of a nucleus around the origin.

    Attributes
    ----------
    axes_um : tuple of float
        Half axes (um).
    angle : float
        Of the long axis (rad).
    height_um : float
        Half the height (um).
    bumps, phases : ndarray
        Relative amplitude and phase of each bump of the outline.
    depth_um : float
        Height of the nucleus's middle over the mean of the slide (um).
    """

    axes_um: tuple[float, float]
    angle: float
    height_um: float
    bumps: Array
    phases: Array
    depth_um: float

    @property
    def reach_um(self) -> float:
        """Largest distance of the outline from the middle (um)."""
        return max(self.axes_um) * (1 + float(np.abs(self.bumps).sum()))

    def radius(self, y_um: Array, x_um: Array) -> Array:
        """Distance from the middle over that of the outline in the same direction."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        u = (x_um * c + y_um * s) / self.axes_um[0]
        v = (y_um * c - x_um * s) / self.axes_um[1]
        theta = np.arctan2(v, u)
        outline = np.ones_like(theta)
        for m, amplitude, phase in zip(_BUMPS, self.bumps, self.phases, strict=True):
            outline += amplitude * np.cos(m * theta + phase)
        return np.asarray(np.hypot(u, v) / outline)


def random_shape(conditions: Conditions, rng: np.random.Generator) -> Shape:
    """Draw the shape of one nucleus."""
    cells = conditions.cells
    diameter = cells.diameter_um * np.exp(cells.diameter_cv * rng.standard_normal())
    ratio = max(1.0, 1 + (cells.elongation - 1) * (1 + 0.3 * rng.standard_normal()))
    half = diameter / 2
    depth = cells.tilt_um * rng.standard_normal()
    if rng.random() < cells.out_of_focus_share:
        depth += cells.out_of_focus_um * rng.choice((-1, 1))
    return Shape(
        axes_um=(half * np.sqrt(ratio), half / np.sqrt(ratio)),
        angle=rng.uniform(0, np.pi),
        height_um=half * cells.height_share,
        bumps=cells.irregularity * rng.standard_normal(len(_BUMPS)) / np.sqrt(2),
        phases=rng.uniform(0, 2 * np.pi, len(_BUMPS)),
        depth_um=depth,
    )


def blur_um(microscope: Microscope, channel: int, defocus_um: Array) -> Array:
    """Lateral standard deviation of a point's image at a distance from the focal plane (um).

    Wide field: sigma(z) = sigma_xy sqrt(1 + (z / z_half)^2), where z_half is the half width at
    half maximum on the axis (ASSUMED form: light is kept, and the peak falls to a half at z_half).
    A confocal image keeps sigma_xy. The pixel's own width (pixel / sqrt(12)) is added.
    """
    sigma = microscope.sigma_xy_um(channel)
    growth = np.zeros_like(defocus_um)
    if not microscope.confocal:
        growth = (defocus_um / (_HALF_WIDTH * microscope.sigma_z_um(channel))) ** 2
    return np.asarray(np.sqrt(sigma**2 * (1 + growth) + microscope.pixel_um**2 / 12))


def section_weight(
    microscope: Microscope, channel: int, defocus_um: Array, width_um: float
) -> Array:
    """Share of the light of an object of axial width sigma `width_um` that a plane receives."""
    if not microscope.confocal:
        return np.ones_like(defocus_um)
    return np.asarray(
        np.exp(-0.5 * defocus_um**2 / (microscope.sigma_z_um(channel) ** 2 + width_um**2))
    )


def nucleoplasm(
    shape: Shape, grid_um: tuple[Array, Array], conditions: Conditions, rng: np.random.Generator
) -> Array:
    """Noiseless image of a nucleus without foci, 1 at the middle; (channel, plane, y, x)."""
    from scipy.fft import irfft2, rfft2

    microscope = conditions.microscope
    y, x = grid_um
    density, layers_um = _density(shape, grid_um, conditions, rng)
    spectrum = rfft2(density)  # (channel, layer, y, frequency)
    frequencies = _frequencies(len(y), len(x), microscope.pixel_um)
    planes = microscope.planes_um()
    defocus = planes[:, None] - (shape.depth_um + layers_um)
    image = np.empty((3, len(planes), len(y), len(x)), np.float32)
    for channel in range(3):
        sigma = blur_um(microscope, channel, defocus)
        weight = section_weight(microscope, channel, defocus, 0.0)
        weight = weight / section_weight(microscope, channel, layers_um, 0.0).sum()
        along_y, along_x = (
            np.exp(-2 * (np.pi * sigma[..., None] * f) ** 2).astype(np.float32) for f in frequencies
        )
        along_y *= weight[..., None].astype(np.float32)
        for k in range(len(planes)):
            blurred = spectrum[channel] * along_y[k][:, :, None]
            blurred *= along_x[k][:, None, :]
            image[channel, k] = irfft2(blurred.sum(axis=0), s=(len(y), len(x)))
    return np.maximum(image, 0.0)


def spot_positions(shape: Shape, n: int, rng: np.random.Generator) -> Array:
    """Draw positions in the nucleus, uniform in its volume and a little inside; (n, 3) z, y, x."""
    found = np.empty((0, 3))
    reach = shape.reach_um
    while len(found) < n:
        z, y, x = rng.uniform(-1, 1, (3, 4 * n + 8)) * np.array([[0.9], [reach], [reach]])
        inside = shape.radius(y, x) ** 2 + z**2 < 0.92**2
        new = np.stack([z * shape.height_um, y, x], axis=-1)[inside]
        found = np.concatenate([found, new])
    return found[:n]


def add_spot(
    image: Array,
    grid_um: tuple[Array, Array],
    microscope: Microscope,
    channel: int,
    spot: tuple[float, float, float, float, float],
) -> None:
    """Add a Gaussian spot (z, y, x, width sigma in um; height in focus, unblurred) to an image."""
    z, y, x, width, height = spot
    defocus = microscope.planes_um() - z
    sigma = np.hypot(width, blur_um(microscope, channel, defocus))
    peak = height * (width / sigma) ** 2 * section_weight(microscope, channel, defocus, width)
    for k in range(len(defocus)):
        along_y = np.exp(-0.5 * ((grid_um[0] - y) / sigma[k]) ** 2)
        along_x = np.exp(-0.5 * ((grid_um[1] - x) / sigma[k]) ** 2)
        image[k] += peak[k] * along_y[:, None] * along_x


def _density(
    shape: Shape, grid_um: tuple[Array, Array], conditions: Conditions, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Dye in layers of the nucleus (channel, layer, y, x), and the layers' heights (um)."""
    cells, staining, pixel = conditions.cells, conditions.staining, conditions.microscope.pixel_um
    n = max(4, round(2 * shape.height_um / _LAYER_UM))
    heights = ((np.arange(n) + 0.5) / n * 2 - 1) * shape.height_um
    radius = shape.radius(grid_um[0][:, None], grid_um[1][None, :])
    outline = (1 - (heights / shape.height_um) ** 2) ** (1 / cells.flatness)
    edge_px = np.sqrt(shape.axes_um[0] * shape.axes_um[1]) / pixel
    inside = np.clip((outline[:, None, None] - radius) * edge_px + 0.5, 0, 1).astype(np.float32)
    inside *= _without_nucleoli(shape, heights, grid_um, conditions, rng)
    layer = 2 * shape.height_um / n
    size = (n, *radius.shape)
    dna = _texture(rng, size, cells.texture_um, pixel, layer)
    shared, *own = (_texture(rng, size, staining.texture_um, pixel, layer) for _ in range(3))
    common, rest = np.sqrt(staining.shared_texture), np.sqrt(1 - staining.shared_texture)
    fields = [dna, *(common * shared + rest * each for each in own)]
    density = np.empty((3, *size), np.float32)
    for k, (texture, cv) in enumerate(
        zip(fields, (cells.texture_cv, *staining.texture_cv), strict=True)
    ):
        s = np.sqrt(np.log1p(cv**2))
        density[k] = inside * np.exp(np.float32(s) * texture - np.float32(s**2 / 2))
    return density, heights


def _without_nucleoli(
    shape: Shape,
    heights_um: Array,
    grid_um: tuple[Array, Array],
    conditions: Conditions,
    rng: np.random.Generator,
) -> Array:
    cells = conditions.cells
    share = np.ones((len(heights_um), len(grid_um[0]), len(grid_um[1])), np.float32)
    n = rng.poisson(cells.nucleoli)
    for z, y, x in 0.8 * spot_positions(shape, n, rng):
        width = cells.nucleolus_um / _FWHM * np.exp(0.2 * rng.standard_normal())
        dips = [
            np.exp(-(((axis - middle) / (width * 1.4)) ** 4)).astype(np.float32)
            for axis, middle in zip((heights_um, *grid_um), (0.5 * z, y, x), strict=True)
        ]
        dip = dips[0][:, None, None] * dips[1][:, None] * dips[2]
        share *= 1 - np.float32(1 - cells.nucleolus_share) * dip
    return share


def _texture(
    rng: np.random.Generator,
    size: tuple[int, int, int],
    length_um: float,
    pixel_um: float,
    layer_um: float,
) -> Array:
    """Gaussian field of unit variance, correlation exp(-(r / length)^2) in a layer."""
    from scipy.fft import irfft2, rfft2

    f_y, f_x = _frequencies(size[1], size[2], pixel_um)
    noise = rng.standard_normal(size, dtype=np.float32)
    rho = np.exp(-((layer_um / length_um) ** 2))
    for k in range(1, size[0]):
        noise[k] = rho * noise[k - 1] + np.sqrt(1 - rho**2) * noise[k]
    along_y = np.exp(-0.5 * (np.pi * length_um * f_y) ** 2)
    along_x = np.exp(-0.5 * (np.pi * length_um * f_x) ** 2)
    both_x = np.exp(-0.5 * (np.pi * length_um * np.fft.fftfreq(size[2], pixel_um)) ** 2)
    scale = np.sqrt((along_y**2).mean() * (both_x**2).mean())
    response = (along_y[:, None] * along_x / scale).astype(np.float32)
    return np.asarray(irfft2(rfft2(noise) * response, s=size[1:]))


def _frequencies(n_y: int, n_x: int, pixel_um: float) -> tuple[Array, Array]:
    return np.fft.fftfreq(n_y, pixel_um), np.fft.rfftfreq(n_x, pixel_um)
