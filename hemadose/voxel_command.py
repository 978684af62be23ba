"""`hemadose voxel`: activity images to maps of dose, histograms and doses of regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from hemadose.errors import HemadoseError
from hemadose.voxel_inputs import VoxelInputs, VoxelOptions, read_inputs
from hemadose.voxel_tables import marrow_table, region_table, voxel_notes

if TYPE_CHECKING:
    import pandas as pd

    from dosimetry.chains import DecayChain
    from dosimetry.transport.voxel_kernel import VoxelKernel
    from dosimetry.voxels.dvh import DoseVolumeHistogram
    from dosimetry.voxels.image import VoxelImage
    from dosimetry.voxels.tia_result import TiaMap
    from kinetics import SumOfExponentials

METHODS = ("mono", "trapezoid", "shared")
STEPS = ("reading", "time-activity", "kernel", "dose", "regions", "writing")
REST = "rest_of_image"
_LN2 = float(np.log(2))
_CURVE_SD = 0.1
_CURVE_SD_ASSUMED = (
    f"ASSUMED: the mean activity of a region is known to {100 * _CURVE_SD:g} % at each time, which "
    "decides between the forms of its curve (--method shared)"
)


@dataclass(frozen=True)
class DoseOptions:
    """Options of `hemadose voxel` that say what to compute.

    Attributes
    ----------
    method : str
        How several images become time-integrated activity: one of `METHODS`.
    effective_half_life_h : float or None
        For one image: effective half-life of all voxels; without it, a map of dose rate.
    kernel_mm : float
        How far from a voxel its radiation is followed.
    above_gy : tuple of float
        Doses x of V_x.
    geud_a : float or None
        Exponent of the equivalent uniform dose.
    sex : str or None
        Whose marrow S values are used; without it, no dose of marrow.
    marrow_fractions : tuple of float
        Share of spongiosa in vertebrae, of marrow in spongiosa, of red in marrow; may be empty.
    """

    method: str = "mono"
    effective_half_life_h: float | None = None
    kernel_mm: float = 100.0
    above_gy: tuple[float, ...] = ()
    geud_a: float | None = None
    sex: str | None = None
    marrow_fractions: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class VoxelResult:
    """Maps and doses of regions.

    Attributes
    ----------
    nuclide : str
        Radionuclide.
    inputs : VoxelInputs
        What was read.
    method : str
        How the activity was integrated in time.
    tia : TiaMap or None
        Time-integrated activity; None for a map of dose rate.
    dose : VoxelImage
        Gy, or Gy/h.
    histograms : tuple of DoseVolumeHistogram
        One a region.
    regions, marrow : DataFrame
        One row a region; one row a model of where the activity of vertebrae lies.
    assumptions, notes : tuple of str
        In words.
    """

    nuclide: str
    inputs: VoxelInputs
    method: str
    tia: TiaMap | None
    dose: VoxelImage
    histograms: tuple[DoseVolumeHistogram, ...]
    regions: pd.DataFrame
    marrow: pd.DataFrame
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]


def voxel_dose(
    paths: Sequence[Path],
    reading: VoxelOptions,
    wanted: DoseOptions,
    *,
    progress: Callable[[str], None] = lambda step: None,
) -> VoxelResult:
    """Compute maps and tables from activity images.

    Parameters
    ----------
    paths : sequence of Path
        One a time point.
    reading, wanted : VoxelOptions, DoseOptions
        How to read, what to compute.
    progress : callable
        Called with each of `STEPS` as it begins.

    Raises
    ------
    HemadoseError
        If an input is not legal.
    """
    try:
        return _voxel_dose(paths, reading, wanted, progress)
    except DosimetryError as error:
        raise HemadoseError(str(error)) from None


def _voxel_dose(
    paths: Sequence[Path],
    reading: VoxelOptions,
    wanted: DoseOptions,
    progress: Callable[[str], None],
) -> VoxelResult:
    from dosimetry.chains import decay_chain
    from dosimetry.voxels import dose_map
    from dosimetry.voxels.density import LEAST_DENSITY_G_PER_ML

    _require_legal(wanted, len(paths))
    progress("reading")
    chain = decay_chain(reading.nuclide)
    inputs = read_inputs(paths, reading, half_life_h=chain.half_life_h)
    progress("time-activity")
    tia, method = _time_integrated(inputs, wanted, chain)
    progress("kernel")
    kernel = _kernel(chain, inputs.images[0], wanted.kernel_mm)
    progress("dose")
    source = inputs.images[0] if tia is None else tia.tia
    dose = dose_map(source, kernel, density_g_per_ml=inputs.density)
    progress("regions")
    histograms = _histograms(dose, inputs) if tia is not None else ()
    marrow, marrow_assumptions = marrow_table(tia, inputs, wanted, chain)
    emitted = chain.electron_energy_mev + chain.photon_energy_mev + chain.alpha_energy_mev
    left_out = 1 - kernel.absorbed_mev / (emitted + chain.energy_mev["alpha_recoil"])
    assumptions = [*chain.assumptions, *kernel.assumptions, *marrow_assumptions]
    assumptions.append(
        f"radiation is followed to {wanted.kernel_mm:g} mm from a voxel (--kernel-mm): "
        f"{100 * left_out:.0f} % of the energy emitted in endless tissue goes further or leaves "
        "the image; nothing comes from beyond its edges"
    )
    if inputs.density is None:
        assumptions.append(
            f"ASSUMED: uniform soft tissue of {kernel.density_g_per_ml:g} g/mL (no --ct, --density)"
        )
    else:
        assumptions.append(
            "ASSUMED: each voxel absorbs the energy it would in soft tissue throughout, by its "
            f"own mass; voxels below {LEAST_DENSITY_G_PER_ML:g} g/mL count as air and hold no dose"
        )
    if chain.alpha_energy_mev > 0:
        assumptions.append("doses of alpha particles, electrons and photons are summed without RBE")
    assumptions += tia.assumptions if tia is not None else ()
    notes = (*inputs.notes, *(tia.notes if tia is not None else ()))
    notes += voxel_notes(tia, histograms, wanted)
    assumptions += [note for note in notes if "ASSUMED" in note]
    return VoxelResult(
        reading.nuclide,
        inputs,
        method,
        tia,
        dose,
        histograms,
        region_table(dose, tia, inputs, histograms, wanted),
        marrow,
        tuple(dict.fromkeys(assumptions)),
        tuple(note for note in notes if "ASSUMED" not in note),
    )


def _require_legal(wanted: DoseOptions, n_images: int) -> None:
    if wanted.method not in METHODS:
        raise HemadoseError(f"--method: got {wanted.method!r}, legal are {', '.join(METHODS)}")
    if wanted.effective_half_life_h is not None and n_images > 1:
        raise HemadoseError("--half-life is for one image; several images have their own curve")
    if not 0 < wanted.kernel_mm < np.inf:
        raise HemadoseError(f"--kernel-mm: got {wanted.kernel_mm:g}, legal is a number above 0")
    if not all(0 < dose < np.inf for dose in wanted.above_gy):
        raise HemadoseError("--above: legal are doses above 0 Gy, as 2,10")
    if wanted.geud_a is not None and (wanted.geud_a == 0 or not np.isfinite(wanted.geud_a)):
        raise HemadoseError(f"--geud: got {wanted.geud_a:g}, legal is a finite number but 0")
    if wanted.marrow_fractions and (
        len(wanted.marrow_fractions) != 3 or not all(0 < f <= 1 for f in wanted.marrow_fractions)
    ):
        raise HemadoseError(
            "--marrow-fractions: legal are three numbers in (0, 1], as 0.8,0.85,0.6"
        )
    if wanted.marrow_fractions and wanted.sex is None:
        raise HemadoseError("--marrow-fractions goes with --sex, whose marrow S values are used")


def _kernel(chain: DecayChain, image: VoxelImage, kernel_mm: float) -> VoxelKernel:
    from dosimetry.voxels import voxel_kernel

    half_width = [
        min(int(np.ceil(kernel_mm / size)), n - 1)
        for size, n in zip(image.voxel_mm, image.shape, strict=True)
    ]
    return voxel_kernel(chain, voxel_mm=image.voxel_mm, half_width=half_width)


def _time_integrated(
    inputs: VoxelInputs, wanted: DoseOptions, chain: DecayChain
) -> tuple[TiaMap | None, str]:
    from dosimetry.voxels import single_time_tia_map, tia_map

    images, times = inputs.images, inputs.times_h
    if len(images) == 1 and wanted.effective_half_life_h is None:
        return None, "dose rate"
    if times is None:
        raise HemadoseError("the time of the image is not known: give --times")
    if len(images) == 1:
        life_h = wanted.effective_half_life_h or chain.half_life_h
        if not 0 < life_h <= chain.half_life_h * (1 + 1e-9):
            raise HemadoseError(
                f"--half-life: got {life_h:g} h, legal is above 0 and up to the physical "
                f"{chain.half_life_h:.5g} h"
            )
        rate = max(_LN2 / life_h, chain.decay_per_h)
        single = single_time_tia_map(images[0], times[0], rate, decay_per_h=chain.decay_per_h)
        return single, "single time point"
    if wanted.method == "shared":
        return _shared(inputs, chain), "shared"
    return tia_map(
        images, times, decay_per_h=chain.decay_per_h, method=wanted.method
    ), wanted.method


def _shared(inputs: VoxelInputs, chain: DecayChain) -> TiaMap:
    """Every region by its own curve, small ones first, and the rest of the image by one."""
    from dataclasses import replace

    from dosimetry.voxels import shared_tia_map

    images, times = inputs.images, inputs.times_h or ()
    free = np.ones(images[0].shape, dtype=bool)
    parts: list[TiaMap] = []
    notes: list[str] = []
    regions = {name: np.asarray(mask.values) > 0.5 for name, mask in inputs.masks.regions.items()}
    smallest_first = sorted(regions.items(), key=lambda region: int(region[1].sum()))
    for name, inside in [*smallest_first, (REST, free)]:
        mine = inside & free
        if name != REST and mine.sum() < inside.sum():
            shared = 100 * (1 - mine.sum() / inside.sum())
            notes.append(f"{name}: {shared:.0f} % of it lies in smaller regions and follows those")
        if not mine.any():
            continue
        free = free & ~mine
        curve, words = _region_curve(images, times, mine, chain)
        notes.append(f"{name}: {words}")
        parts.append(shared_tia_map(images, times, curve, mask=mine))
    tia = sum(np.asarray(part.tia.values) for part in parts)
    status = sum(np.asarray(part.status.values) for part in parts)
    first = parts[0]
    return replace(
        first,
        tia=first.tia.with_values(np.asarray(tia), first.tia.unit),
        status=first.status.with_values(np.asarray(status), first.status.unit),
        notes=(*first.notes, *notes),
        assumptions=(*first.assumptions, _CURVE_SD_ASSUMED),
    )


def _region_curve(
    images: Sequence[VoxelImage],
    times: Sequence[float],
    mask: npt.NDArray[np.bool_],
    chain: DecayChain,
) -> tuple[SumOfExponentials, str]:
    """Curve of the mean activity: the form with the lowest AICc, mono-exponential if too few."""
    from kinetics import SumOfExponentials
    from kinetics.curve_fits.fit import fit_curve, fit_curves

    mean = np.array([np.asarray(image.values)[mask].mean(dtype=np.float64) for image in images])
    if not (mean > 0).all():
        physical = SumOfExponentials(np.array([1.0]), np.array([chain.decay_per_h]))
        return physical, "ASSUMED: physical decay, as its mean activity is not positive"
    sd = _CURVE_SD * mean
    decay = chain.decay_per_h
    fits = fit_curves(times, mean, sd, decay_per_h=decay, forms=("mono", "bi", "uptake"))
    best = fits[0] if fits else fit_curve(times, mean, sd, form="mono", decay_per_h=decay)
    lives = ", ".join(f"{_LN2 / rate:.4g}" for rate in np.ravel(best.curve.rate_per_h))
    return best.curve, f"{best.form.name} curve, effective half-life {lives} h"


def _histograms(dose: VoxelImage, inputs: VoxelInputs) -> tuple[DoseVolumeHistogram, ...]:
    from dosimetry.voxels import dose_volume_histogram

    return tuple(
        dose_volume_histogram(dose, mask, name=name) for name, mask in inputs.masks.regions.items()
    )


def numbers(text: str | None, option: str) -> tuple[float, ...]:
    """Read an option of numbers between commas.

    Raises
    ------
    HemadoseError
        If one is no number.
    """
    try:
        return tuple(float(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise HemadoseError(f"{option}: got {text!r}, legal are numbers between commas") from None
