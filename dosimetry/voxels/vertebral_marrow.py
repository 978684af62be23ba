"""Dose of the red marrow from the activity of vertebrae on a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dosimetry._sources import positive_density
from dosimetry.anatomy import MARROW_DENSITY_G_PER_ML
from dosimetry.errors import DosimetryError
from dosimetry.results import AbsorbedDose, contribution_frame, split_contribution
from dosimetry.voxels.image import FloatArray, VoxelImage
from dosimetry.voxels.marrow_map import (
    Fraction,
    checked_fraction,
    positive_draws,
)
from dosimetry.voxels.regions import Mask, region_statistics, region_weights

if TYPE_CHECKING:
    import pandas as pd

    from dosimetry.s_values import SValueTable

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


@dataclass(frozen=True, eq=False)
class VertebralMarrowDose:
    """Dose of the red marrow from the activity of vertebrae, as `AbsorbedDose` without its time.

    Attributes
    ----------
    model : str
        Name in `VERTEBRA_MODELS`.
    concentration_mbq_h_per_ml : ndarray, shape of the draws
        Time-integrated activity concentration of red marrow.
    contributions_gy : mapping of str to ndarray
        Dose (Gy) by origin and radiation, keyed ``{origin}_{radiation}`` as in `AbsorbedDose`:
        ``self`` and the origins of the cross dose. Parts that are zero are left out.
    assumptions : tuple of str
        What was assumed, in words.
    region, method : str
        ``"marrow"`` and ``"voxels"``, for `require_same_method`.
    """

    model: str
    concentration_mbq_h_per_ml: FloatArray
    contributions_gy: Mapping[str, FloatArray]
    assumptions: tuple[str, ...]
    region: str = "marrow"
    method: str = "voxels"

    @property
    def dose_gy(self) -> FloatArray:
        """Absorbed dose of all contributions (Gy), without RBE, shape of the draws."""
        return np.asarray(sum(self.contributions_gy.values()))

    def contribution_gy(self) -> dict[str, FloatArray]:
        """Absorbed dose by contribution (Gy), each of the shape of the draws."""
        return dict(self.contributions_gy)

    def to_frame(self) -> pd.DataFrame:
        """Table of the contributions and the total, as `AbsorbedDose.to_frame`."""
        return contribution_frame(self.contribution_gy() | {"total": self.dose_gy}, "gy")


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
    concentration_factor: npt.ArrayLike = 1.0,
    s_value_factor: npt.ArrayLike = 1.0,
    cross_from: AbsorbedDose | None = None,
) -> VertebralMarrowDose:
    r"""Dose of the red marrow from the concentration in vertebrae.

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
    concentration_factor : array_like, broadcast against the draws
        Uncertainty of the map's mean in the vertebrae (curve, noise, calibration) as factors with
        mean one, see `lognormal_factor`. With 1 the mean counts as exact.
    s_value_factor : array_like, broadcast against the draws
        Uncertainty of the S value as factors with mean one; acts on the self-dose.
    cross_from : AbsorbedDose, optional
        Marrow dose of the same patient by any other method, as `marrow_dose_image_method` with
        `organ_mbq` and `whole_body_mbq`: what it holds of origins other than the marrow itself is
        added. Without it the result is the self-dose, a lower bound.

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
    :math:`\tilde{c}_{RM} = (k\tilde{c}_{VOI} - \tilde{c}_{bg})/(R f)` with k the factor of the
    concentration and f the product of the model's fractions, and
    :math:`D = \tilde{c}_{RM}/\rho_{RM}\; m_{RM}\,S(RM \leftarrow RM) + D_{cross}`: the mass of
    marrow cancels from the self-dose.

    The dose of a map in vertebrae is NOT this dose. A voxel kernel lets the energy of electrons
    stay in the soft tissue of the voxel, the absorbed fraction of 1. In spongiosa marrow is laced
    with trabeculae and fat, so that electrons from red marrow leave part of their energy there:
    the skeletal models give S(RM <- RM) with absorbed fractions of about 0.5 to 0.6 for the
    electrons of Lu-177. On the other hand the map dilutes the activity over bone and yellow
    marrow.
    """
    weights = region_weights(vertebrae, tia, "vertebrae")
    if tia.unit != "MBq h/mL":
        raise DosimetryError(f"the map must be in 'MBq h/mL', got {tia.unit!r}")
    given = {
        "spongiosa_fraction": spongiosa_fraction,
        "marrow_fraction": marrow_fraction,
        "cellularity": cellularity,
    }
    density = positive_density("marrow", marrow_density_g_per_ml)
    draws = {
        "fractions": _model_fraction(model, given, weights, tia),
        "recovery": positive_draws("recovery", recovery),
        "concentration_factor": positive_draws("concentration_factor", concentration_factor),
        "s_value_factor": positive_draws("s_value_factor", s_value_factor),
        "background_mbq_h_per_ml": np.asarray(background_mbq_h_per_ml, dtype=np.float64),
    }
    cross, notes = _cross_dose(cross_from)
    _require_fit(draws | cross)
    mean = region_statistics(tia, {"vertebrae": weights})["vertebrae"].mean
    net = mean * draws["concentration_factor"] - draws["background_mbq_h_per_ml"]
    if not net.mean() > 0:
        raise DosimetryError(
            f"the background leaves no activity in the vertebrae, whose mean is {mean:.4g} MBq h/mL"
        )
    concentration = np.asarray(net / (draws["recovery"] * draws["fractions"]))
    per_s_value = concentration / density * table.mass_g["marrow"] * draws["s_value_factor"]
    s_value = table.s_value("marrow", "marrow")
    parts = {"alpha": s_value.alpha, "electrons": s_value.electron, "photons": s_value.photon}
    own = {f"self_{name}": per_s_value * part for name, part in parts.items() if np.any(part)}
    names = [*own, *cross]
    return VertebralMarrowDose(
        model=model,
        concentration_mbq_h_per_ml=concentration,
        contributions_gy=dict(
            zip(names, np.broadcast_arrays(*own.values(), *cross.values()), strict=True)
        ),
        assumptions=(
            VERTEBRA_MODELS[model][1],
            f"ASSUMED: marrow density {density:g} g/mL",
            "ASSUMED: all red marrow has the concentration of that in these vertebrae",
            *notes,
            *table.assumptions,
        ),
    )


def _cross_dose(dose: AbsorbedDose | None) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """Parts of a marrow dose that do not come from the marrow itself, and what is said of them."""
    if dose is None:
        return {}, ("self-dose alone, a lower bound: radiation of other regions is not in it",)
    if dose.region != "marrow":
        raise DosimetryError(f"cross_from must be a dose to marrow, got one to {dose.region}")
    cross = {
        name: part
        for name, part in dose.contribution_gy().items()
        if split_contribution(name)[0].split("_")[0] != "self"
    }
    if not cross:
        raise DosimetryError(
            f"the dose by {dose.method} in cross_from has no part from other regions: give it "
            "organ_mbq or whole_body_mbq"
        )
    origins = dict.fromkeys(split_contribution(name)[0] for name in cross)
    return cross, (f"dose from {', '.join(origins)}: as in the marrow dose by {dose.method}",)


def _require_fit(draws: Mapping[str, FloatArray]) -> None:
    try:
        np.broadcast_shapes(*(values.shape for values in draws.values()))
    except ValueError:
        shapes = {name: values.shape for name, values in draws.items() if values.ndim}
        raise DosimetryError(f"the draws do not fit together: {shapes}") from None


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
        fraction = checked_fraction(name, part, grid)  # type: ignore[arg-type]
        if isinstance(part, VoxelImage):
            by_voxel = by_voxel * fraction
        else:
            overall = overall * fraction
    factor = np.asarray(overall * float(by_voxel.sum() / weights.sum()))
    if not (factor > 0).all():
        raise DosimetryError("the fractions leave no marrow in the vertebrae")
    return factor
