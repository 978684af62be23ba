"""How simulated images of nuclei are made: the microscope, the cells and their staining.

Every default is ASSUMED, a choice of design within what lymphocyte and fibroblast preparations
look like, unless its description names a source. None is a measured property of any laboratory.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from foci.errors import FociError

KINDS = ("lymphocytes", "fibroblasts", "any")
BITS = (8, 12, 16)
_AIRY_SIGMA = 0.21  # least-squares Gaussian of the Airy pattern, in wavelengths / NA
_AXIAL_SIGMA = 0.78  # curvature of the paraxial axial intensity: 2 sqrt(6) / (2 pi)


@dataclass(frozen=True)
class Microscope:
    """Objective, focal planes and camera. All defaults ASSUMED, wavelengths excepted.

    Attributes
    ----------
    pixel_um : float
        Side of a pixel in the specimen (um).
    numerical_aperture, refractive_index : float
        Of the objective and of its immersion.
    emission_um : tuple of float
        Peak emission of DNA, gamma-H2AX and 53BP1 dyes (um). ASSUMED: values usual for DAPI, Alexa
        Fluor 488 and 568, not looked up.
    confocal : bool
        Optical sections; otherwise wide field, where out-of-focus light stays in the image.
    planes : int
        1 for a single focal plane, more for a stack centred on the nuclei.
    plane_spacing_um : float
        Distance between planes (um).
    illumination_fall : float
        Loss of light from the brightest point of the field to its far corner.
    bits : int
        8, 12 or 16 bits a pixel.
    full_scale_electrons : tuple of float
        Photoelectrons at the largest grey value, of DNA, gamma-H2AX and 53BP1, each with an
        exposure of its own (the gain is this over the grey values).
    offset_share : float
        Grey value without light over the largest.
    read_noise_electrons : float
        Standard deviation of the camera's read noise.
    """

    pixel_um: float = 0.1
    numerical_aperture: float = 1.4
    refractive_index: float = 1.515
    emission_um: tuple[float, float, float] = (0.461, 0.519, 0.603)
    confocal: bool = False
    planes: int = 1
    plane_spacing_um: float = 0.4
    illumination_fall: float = 0.1
    bits: int = 12
    full_scale_electrons: tuple[float, float, float] = (8000.0, 5000.0, 5000.0)
    offset_share: float = 0.02
    read_noise_electrons: float = 4.0

    def __post_init__(self) -> None:
        _require_positive(self, "pixel_um", "numerical_aperture", "refractive_index")
        _require_positive(self, "planes", "plane_spacing_um")
        _require_share(self, "illumination_fall", "offset_share")
        if len(self.full_scale_electrons) != 3 or not min(self.full_scale_electrons) > 0:
            raise FociError(
                f"full_scale_electrons must be three positive numbers, got "
                f"{self.full_scale_electrons}"
            )
        if self.bits not in BITS:
            raise FociError(f"bits must be one of {BITS}, got {self.bits}")
        if self.read_noise_electrons < 0:
            raise FociError(f"read_noise_electrons must be 0 or more, got {self}")

    @property
    def full_scale(self) -> int:
        """Largest grey value."""
        return int(2**self.bits - 1)

    def sigma_xy_um(self, channel: int) -> float:
        """Lateral standard deviation of the point-spread function in focus (um).

        0.21 wavelengths / NA, the least-squares Gaussian of the Airy pattern (B. Zhang et al.,
        Appl. Opt. 46:1819, 2007, doi:10.1364/AO.46.001819, compare such Gaussians).
        """
        return _AIRY_SIGMA * self.emission_um[channel] / self.numerical_aperture

    def sigma_z_um(self, channel: int) -> float:
        """Axial standard deviation of the point-spread function (um).

        0.78 n wavelengths / NA^2: the Gaussian with the curvature of the paraxial intensity on
        the axis, (sin(u/4) / (u/4))^2 with u = 2 pi z NA^2 / (n wavelength).
        """
        scale = self.refractive_index * self.emission_um[channel]
        return _AXIAL_SIGMA * scale / self.numerical_aperture**2

    def planes_um(self) -> npt.NDArray[np.floating]:
        """Heights of the focal planes over the nuclei's mean height (um)."""
        return (np.arange(self.planes) - (self.planes - 1) / 2) * self.plane_spacing_um


@dataclass(frozen=True)
class Cells:
    """Nuclei: size, shape, texture of the DNA, and how they lie. All defaults ASSUMED.

    Attributes
    ----------
    diameter_um, diameter_cv : float
        Mean diameter (geometric mean of the two axes; um) and its relative spread. Lymphocyte
        nuclei of 6.2 to 7.5 um are usual in track simulations; fibroblasts reach 20 um.
    elongation : float
        Long over short axis.
    height_share : float
        Height over diameter.
    flatness : float
        2 for an ellipsoid, larger for a nucleus with a flat top.
    irregularity : float
        Relative size of bumps and dents of the outline.
    nucleoli, nucleolus_um, nucleolus_share : float
        Mean number, diameter (um), and brightness over that of the nucleoplasm.
    texture_cv, texture_um : float
        Relative spread of the DNA within a nucleus, and the distance at which its correlation
        falls to 1/e (um).
    touching_share, overlap : float
        Share of nuclei put beside another one, and by how much of the distance they overlap at
        most.
    tilt_um : float
        Standard deviation of a nucleus's height over the slide (um).
    out_of_focus_share, out_of_focus_um : float
        Share of nuclei that lie this far above or below the others (um).
    weak_share, weak_brightness : float
        Share of nuclei that are hardly stained by the markers, and their relative brightness.
    debris_per_nucleus : float
        Specks outside nuclei, bright in one channel.
    cut_by_edge : bool
        Nuclei may reach over the edge of the field.
    """

    diameter_um: float = 6.85
    diameter_cv: float = 0.05
    elongation: float = 1.1
    height_share: float = 0.65
    flatness: float = 3.0
    irregularity: float = 0.03
    nucleoli: float = 1.0
    nucleolus_um: float = 1.0
    nucleolus_share: float = 0.5
    texture_cv: float = 0.5
    texture_um: float = 0.5
    touching_share: float = 0.1
    overlap: float = 0.15
    tilt_um: float = 0.2
    out_of_focus_share: float = 0.02
    out_of_focus_um: float = 4.0
    weak_share: float = 0.02
    weak_brightness: float = 0.1
    debris_per_nucleus: float = 0.03
    cut_by_edge: bool = False

    def __post_init__(self) -> None:
        _require_positive(self, "diameter_um", "elongation", "height_share", "flatness")
        _require_positive(self, "nucleolus_um", "texture_um")
        shares = ("diameter_cv", "irregularity", "touching_share", "overlap")
        _require_share(self, *shares, "out_of_focus_share", "weak_share")


@dataclass(frozen=True)
class Staining:
    """Brightness of the channels, foci, and spots that are none. All defaults ASSUMED.

    Pairs are gamma-H2AX and 53BP1.

    Attributes
    ----------
    dna_electrons, marker_electrons : float, pair of float
        Photoelectrons a pixel at the middle of an average nucleus, foci apart.
    brightness_cv : float
        Relative spread of the brightness between nuclei, each channel for itself.
    background_electrons : float
        Photoelectrons a pixel beside nuclei.
    texture_cv : pair of float
        Relative spread of a marker within the nucleoplasm, before projection.
    texture_um : float
        Distance at which its correlation falls to 1/e (um).
    shared_texture : float
        Share of the markers' texture (of its variance) that both have in common.
    focus_fwhm_um, focus_fwhm_cv : float
        Median full width at half maximum of a focus (um) before the microscope blurs it, and its
        relative spread; foci of the first half hour are smaller. 0.5 and 0.25 put 95 % between
        0.31 and 0.81 um.
    contrast, contrast_cv : float
        Median peak height of a focus in focus and unblurred, over the brightness of the middle of
        its nucleus, and its relative spread (log-normal). 3 and 0.4 put 95 % between 1.4 and 6.3.
    contrast_correlation : float
        Correlation of the two markers' log contrasts.
    colocalised_share : float
        Of spots at double-strand breaks, how many show in both markers. Foci are the spots in
        both; the others are counted as spots of a single marker.
    single_marker_spots : pair of float
        Further spots a nucleus that show in one marker only, whatever the dose.
    shift_um : float
        Standard deviation, an axis, of the distance between a focus's two markers (um).
    """

    dna_electrons: float = 2000.0
    marker_electrons: tuple[float, float] = (400.0, 400.0)
    brightness_cv: float = 0.2
    background_electrons: float = 60.0
    texture_cv: tuple[float, float] = (0.5, 0.4)
    texture_um: float = 0.4
    shared_texture: float = 0.3
    focus_fwhm_um: float = 0.5
    focus_fwhm_cv: float = 0.25
    contrast: float = 3.0
    contrast_cv: float = 0.4
    contrast_correlation: float = 0.6
    colocalised_share: float = 0.9
    single_marker_spots: tuple[float, float] = (0.1, 0.1)
    shift_um: float = 0.04

    def __post_init__(self) -> None:
        _require_positive(self, "dna_electrons", "texture_um", "focus_fwhm_um", "contrast")
        _require_positive(self, "colocalised_share")
        _require_share(self, "shared_texture", "colocalised_share", "contrast_correlation")


@dataclass(frozen=True)
class Conditions:
    """Everything an image is simulated with.

    Attributes
    ----------
    microscope, cells, staining : Microscope, Cells, Staining
        As described there.
    """

    microscope: Microscope = field(default_factory=Microscope)
    cells: Cells = field(default_factory=Cells)
    staining: Staining = field(default_factory=Staining)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Every parameter and its value, in words."""
        return tuple(
            f"ASSUMED (simulated image): {f.name} = {getattr(part, f.name)}"
            for part in (self.microscope, self.cells, self.staining)
            for f in fields(part)
        )


def random_conditions(rng: np.random.Generator, *, kind: str = "any") -> Conditions:
    """Draw conditions over a wide range, for training on what many laboratories might send.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    kind : str
        ``"lymphocytes"`` (0.1 to 0.16 um a pixel, high aperture), ``"fibroblasts"`` (0.2 to 0.35
        um a pixel, 12 to 18 um), or ``"any"`` of the two.

    Returns
    -------
    Conditions
        All ranges are ASSUMED.

    Raises
    ------
    FociError
        If `kind` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> conditions = random_conditions(np.random.default_rng(1), kind="lymphocytes")
    >>> 6.2 <= conditions.cells.diameter_um <= 7.5
    True
    """
    if kind not in KINDS:
        raise FociError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    fibroblasts = kind == "fibroblasts" or (kind == "any" and rng.random() < 0.5)
    draw = rng.uniform
    staining = _random_staining(rng)
    microscope = Microscope(
        pixel_um=draw(0.2, 0.35) if fibroblasts else draw(0.1, 0.16),
        numerical_aperture=draw(0.5, 0.8) if fibroblasts else draw(1.2, 1.45),
        refractive_index=1.0 if fibroblasts else 1.515,
        illumination_fall=draw(0, 0.3),
        bits=int(rng.choice(BITS)),
        full_scale_electrons=(
            staining.dna_electrons * draw(1.5, 5.0),
            staining.marker_electrons[0] * np.exp(draw(np.log(5), np.log(25))),
            staining.marker_electrons[1] * np.exp(draw(np.log(5), np.log(25))),
        ),
        offset_share=draw(0, 0.03),
        read_noise_electrons=draw(2, 8),
    )
    cells = Cells(
        diameter_um=draw(12, 18) if fibroblasts else draw(6.2, 7.5),
        elongation=draw(1.1, 1.6) if fibroblasts else draw(1.0, 1.2),
        height_share=draw(0.2, 0.35) if fibroblasts else draw(0.45, 0.8),
        flatness=draw(2, 5),
        irregularity=draw(0, 0.06),
        nucleoli=draw(0, 4) if fibroblasts else draw(0, 1.5),
        nucleolus_um=draw(1.3, 3.0) if fibroblasts else draw(0.7, 1.3),
        nucleolus_share=draw(0.1, 0.8),
        texture_cv=draw(0.1, 0.5) if fibroblasts else draw(0.15, 0.7),
        texture_um=draw(0.4, 1.0) if fibroblasts else draw(0.3, 0.7),
        touching_share=draw(0, 0.3),
    )
    return Conditions(microscope, cells, staining)


def _random_staining(rng: np.random.Generator) -> Staining:
    draw = rng.uniform
    return Staining(
        dna_electrons=np.exp(draw(np.log(100), np.log(4000))),
        marker_electrons=(
            np.exp(draw(np.log(20), np.log(900))),
            np.exp(draw(np.log(20), np.log(900))),
        ),
        brightness_cv=draw(0.1, 0.4),
        background_electrons=draw(1, 40),
        texture_cv=(draw(0.2, 3.0), draw(0.2, 2.0)),
        texture_um=draw(0.2, 0.6),
        shared_texture=draw(0, 0.5),
        focus_fwhm_um=draw(0.35, 0.7),
        focus_fwhm_cv=draw(0.15, 0.3),
        contrast=draw(1.5, 5.0),
        contrast_cv=draw(0.3, 0.5),
        contrast_correlation=draw(0.3, 0.8),
        colocalised_share=draw(0.8, 1.0),
        single_marker_spots=(draw(0, 0.4), draw(0, 0.4)),
        shift_um=draw(0, 0.08),
    )


def _require_positive(part: object, *names: str) -> None:
    for name in names:
        if not getattr(part, name) > 0:
            raise FociError(f"{name} must be positive, got {getattr(part, name)}")


def _require_share(part: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(part, name) <= 1:
            raise FociError(f"{name} must lie between 0 and 1, got {getattr(part, name)}")
