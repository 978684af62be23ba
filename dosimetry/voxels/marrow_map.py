"""Red marrow within vertebrae: where it lies, its activity and its dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.voxels.image import VoxelImage, require_same_grid
from dosimetry.voxels.regions import Mask, region_weights

if TYPE_CHECKING:
    from dosimetry.s_values import SValueTable

FloatArray = npt.NDArray[np.float64]
Fraction = npt.ArrayLike | VoxelImage

MARROW_DENSITY_G_PER_ML = 1.03
"""ASSUMED density of red marrow (ICRU Report 46)."""

VERTEBRA_MODELS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "uniform": (
        (),
        "ASSUMED: red marrow has the concentration of the whole vertebra (lower end)",
    ),
    "marrow_space": (
        ("spongiosa_fraction", "marrow_fraction"),
        "ASSUMED: the activity of a vertebra lies evenly in its marrow, red and yellow",
    ),
    "red_marrow": (
        ("spongiosa_fraction", "marrow_fraction", "cellularity"),
        "ASSUMED: all activity of a vertebra lies in its red marrow (upper end)",
    ),
}
"""Models of where the activity of a vertebra lies: the fractions each needs, and its assumption."""


def red_marrow_map(
    vertebrae: Mask,
    grid: VoxelImage,
    *,
    spongiosa_fraction: float | VoxelImage,
    marrow_fraction: float | VoxelImage,
    cellularity: float | VoxelImage,
    marrow_density_g_per_ml: float = MARROW_DENSITY_G_PER_ML,
    density_g_per_ml: VoxelImage | None = None,
) -> VoxelImage:
    r"""Red marrow of each voxel of the vertebrae.

    Parameters
    ----------
    vertebrae : VoxelImage or ndarray
        Mask of the vertebrae.
    grid : VoxelImage
        Any image on the grid wanted.
    spongiosa_fraction : float or VoxelImage
        Share of the volume that is spongiosa (trabecular bone and marrow), not cortical bone.
    marrow_fraction : float or VoxelImage
        Share of spongiosa that is marrow: one less the fraction of trabecular bone.
    cellularity : float or VoxelImage
        Share of marrow that is red. Reference values by bone and age are in ICRP Publication 70,
        Table 41; in a patient it is about one less the fat fraction of marrow (MRI, dual-energy
        CT). No value is taken for granted here.
    marrow_density_g_per_ml : float
        Density of red marrow (ASSUMED 1.03).
    density_g_per_ml : VoxelImage, optional
        Density of the voxels, to have the share of mass.

    Returns
    -------
    VoxelImage
        Mass of red marrow per volume of the voxel (``"g/mL"``; its total over a region is the mass
        of red marrow), or per mass of the voxel (``"g/g"``) with `density_g_per_ml`.

    Raises
    ------
    DosimetryError
        If a fraction is not within 0 and 1, grids differ, or the mask is empty.

    References
    ----------
    ICRP Publication 70. Basic anatomical and physiological data for use in radiological
    protection: the skeleton. Ann ICRP 1995;25(2).
    """
    weights = region_weights(vertebrae, grid, "vertebrae")
    if not marrow_density_g_per_ml > 0:
        raise DosimetryError(f"marrow density must be positive, got {marrow_density_g_per_ml!r}")
    share = weights * marrow_density_g_per_ml
    for name, part in (
        ("spongiosa_fraction", spongiosa_fraction),
        ("marrow_fraction", marrow_fraction),
        ("cellularity", cellularity),
    ):
        share = share * _checked_fraction(name, part, grid)
    if density_g_per_ml is None:
        return grid.with_values(share, "g/mL")
    require_same_grid(grid=grid, density=density_g_per_ml)
    density = np.asarray(density_g_per_ml.values, dtype=np.float64)
    if density_g_per_ml.unit != "g/mL" or not (density[share > 0] > 0).all():
        raise DosimetryError("the density of vertebrae must be above 0, in 'g/mL'")
    share = np.divide(share, density, out=np.zeros_like(share), where=share > 0)
    if (share > 1).any():
        raise DosimetryError(
            f"red marrow would outweigh its voxel in {int((share > 1).sum())} voxels: the density "
            "and the fractions do not go together"
        )
    return grid.with_values(share, "g/g")


@dataclass(frozen=True, eq=False)
class VertebralMarrowDose:
    """Self-dose of the red marrow from the activity of vertebrae.

    Attributes
    ----------
    model : str
        Name in `VERTEBRA_MODELS`.
    concentration_mbq_h_per_ml : ndarray, shape (n_draws,) or ()
        Time-integrated activity concentration of red marrow.
    contribution_gy : mapping of str to ndarray
        ``self_electrons``, ``self_photons`` and, where there are any, ``self_alpha`` (Gy).
    assumptions : tuple of str
        What was assumed, in words.
    """

    model: str
    concentration_mbq_h_per_ml: FloatArray
    contribution_gy: Mapping[str, FloatArray]
    assumptions: tuple[str, ...]

    @property
    def dose_gy(self) -> FloatArray:
        """Absorbed dose of all radiation types (Gy), without RBE."""
        return np.asarray(sum(self.contribution_gy.values()))


def vertebral_marrow_dose(
    tia: VoxelImage,
    vertebrae: Mask,
    table: SValueTable,
    *,
    model: str,
    spongiosa_fraction: Fraction | None = None,
    marrow_fraction: Fraction | None = None,
    cellularity: Fraction | None = None,
    recovery: npt.ArrayLike = 1.0,
    marrow_density_g_per_ml: float = MARROW_DENSITY_G_PER_ML,
    background_mbq_h_per_ml: npt.ArrayLike = 0.0,
) -> VertebralMarrowDose:
    r"""Self-dose of the red marrow from the concentration in vertebrae.

    Parameters
    ----------
    tia : VoxelImage
        Time-integrated activity concentration (MBq h/mL).
    vertebrae : VoxelImage or ndarray
        Mask of vertebrae without metastases.
    table : SValueTable
        S values with ``marrow`` as source and target.
    model : {"uniform", "marrow_space", "red_marrow"}
        Where the activity of a vertebra lies, see `VERTEBRA_MODELS`.
    spongiosa_fraction, marrow_fraction, cellularity : float, array_like or VoxelImage, optional
        As in `red_marrow_map`; those the model needs. Arrays are draws, shape (n_draws,).
    recovery : array_like
        Recovery coefficient of the vertebrae; draws are welcome.
    marrow_density_g_per_ml : float
        Density of red marrow (ASSUMED 1.03).
    background_mbq_h_per_ml : array_like
        Concentration that spills in from the surroundings, taken off before the recovery.

    Returns
    -------
    VertebralMarrowDose

    Raises
    ------
    DosimetryError
        If the model is unknown, a fraction it needs is missing or one it does not use is given,
        or a value is not legal.

    Notes
    -----
    :math:`\tilde{c}_{RM} = (\tilde{c}_{VOI} - \tilde{c}_{bg})/(R f)` with f the product of the
    model's fractions, and :math:`D = \tilde{c}_{RM}/\rho_{RM}\; m_{RM}\,S(RM \leftarrow RM)`: the
    mass of marrow cancels.

    The dose of a map in vertebrae is NOT this dose. A voxel kernel lets the energy of electrons
    stay in the soft tissue of the voxel, the absorbed fraction of 1. In spongiosa marrow is laced
    with trabeculae and fat, so that electrons from red marrow leave part of their energy there:
    the skeletal models give S(RM <- RM) with absorbed fractions of about 0.5 to 0.6 for the
    electrons of Lu-177. On the other hand the map dilutes the activity over bone and yellow
    marrow. Photons from the rest of the body are not in this dose; add cross-doses.
    """
    weights = region_weights(vertebrae, tia, "vertebrae")
    if tia.unit != "MBq h/mL":
        raise DosimetryError(f"the map must be in 'MBq h/mL', got {tia.unit!r}")
    given = {
        "spongiosa_fraction": spongiosa_fraction,
        "marrow_fraction": marrow_fraction,
        "cellularity": cellularity,
    }
    factor = _model_fraction(model, given, weights, tia)
    share = np.asarray(recovery, dtype=np.float64)
    if not (np.isfinite(share).all() and (share > 0).all() and marrow_density_g_per_ml > 0):
        raise DosimetryError("recovery and marrow density must be finite and above 0")
    values = np.asarray(tia.values, dtype=np.float64)
    mean = float(values[weights > 0] @ weights[weights > 0] / weights.sum())
    if not np.isfinite(mean):
        raise DosimetryError("the map is not finite in the vertebrae")
    background = np.asarray(background_mbq_h_per_ml, dtype=np.float64)
    concentration = np.asarray((mean - background) / (share * factor))
    s_value = table.s_value("marrow", "marrow")
    per_gram = concentration / marrow_density_g_per_ml * table.mass_g["marrow"]
    parts = {
        "self_electrons": s_value.electron,
        "self_photons": s_value.photon,
        "self_alpha": s_value.alpha,
    }
    return VertebralMarrowDose(
        model=model,
        concentration_mbq_h_per_ml=concentration,
        contribution_gy={
            name: np.asarray(per_gram * part) for name, part in parts.items() if np.any(part)
        },
        assumptions=(
            VERTEBRA_MODELS[model][1],
            f"ASSUMED: marrow density {marrow_density_g_per_ml:g} g/mL",
            "ASSUMED: all red marrow has the concentration of that in these vertebrae",
            *table.assumptions,
        ),
    )


def marrow_weighted_dose(dose_gy: VoxelImage, marrow: VoxelImage) -> float:
    """Mean voxel dose, weighted by the red marrow that each voxel holds (Gy).

    The dose of a map where marrow lies; not the dose to marrow (see `vertebral_marrow_dose`).

    Parameters
    ----------
    dose_gy : VoxelImage
        Dose (Gy).
    marrow : VoxelImage
        From `red_marrow_map`, in g/mL.

    Raises
    ------
    DosimetryError
        If units or grids do not match, or there is no marrow.
    """
    require_same_grid(dose=dose_gy, marrow=marrow)
    if (dose_gy.unit, marrow.unit) != ("Gy", "g/mL"):
        raise DosimetryError(
            f"give a dose in 'Gy' and marrow in 'g/mL', got {dose_gy.unit!r} and {marrow.unit!r}"
        )
    mass = np.asarray(marrow.values, dtype=np.float64)
    if not mass.sum() > 0:
        raise DosimetryError("the marrow map is empty")
    values = np.asarray(dose_gy.values, dtype=np.float64)
    return float(values[mass > 0] @ mass[mass > 0] / mass.sum())


def _checked_fraction(name: str, part: Fraction, grid: VoxelImage) -> FloatArray:
    if isinstance(part, VoxelImage):
        require_same_grid(grid=grid, **{name: part})
        part = part.values
    fraction = np.asarray(part, dtype=np.float64)
    if not (np.isfinite(fraction).all() and (fraction >= 0).all() and (fraction <= 1).all()):
        raise DosimetryError(f"{name} must lie within 0 and 1, got {part!r}")
    return fraction


def _model_fraction(
    model: str, given: Mapping[str, Fraction | None], weights: FloatArray, grid: VoxelImage
) -> FloatArray:
    """Share of the vertebral volume that holds the activity, draws first."""
    if model not in VERTEBRA_MODELS:
        raise DosimetryError(f"model must be one of {tuple(VERTEBRA_MODELS)}, got {model!r}")
    needed = VERTEBRA_MODELS[model][0]
    for name, part in given.items():
        if (part is not None) != (name in needed):
            what = "needs" if name in needed else "does not use"
            raise DosimetryError(f"the model {model!r} {what} {name}")
    by_voxel, overall = weights, np.asarray(1.0)
    for name in needed:
        part = given[name]
        fraction = _checked_fraction(name, part, grid)  # type: ignore[arg-type]
        if isinstance(part, VoxelImage):
            by_voxel = by_voxel * fraction
        else:
            overall = overall * fraction
    factor = np.asarray(overall * float(by_voxel.sum() / weights.sum()))
    if not (factor > 0).all():
        raise DosimetryError("the fractions leave no marrow in the vertebrae")
    return factor
