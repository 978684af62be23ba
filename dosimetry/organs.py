"""Absorbed dose to kidneys, liver, spleen and tumours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dosimetry._sources import check_sources, cross_dose, scaled_all, self_dose
from dosimetry.anatomy import Anatomy
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import Nuclide, nuclide
from dosimetry.results import AbsorbedDose
from dosimetry.s_values import s_value_table
from dosimetry.spheres import SOFT_TISSUE_DENSITY_G_PER_ML, sphere_s_value
from kinetics import SumOfExponentials

SOLID_ORGANS = ("kidneys", "liver", "spleen")
"""Organs that `organ_dose` covers."""


def organ_dose(
    region: str,
    activity_mbq: SumOfExponentials,
    source: str | Nuclide,
    *,
    anatomy: Anatomy,
    other_mbq: Mapping[str, SumOfExponentials] | None = None,
    whole_body_mbq: SumOfExponentials | None = None,
    bone_in_remainder: bool = False,
    s_value_factor: npt.ArrayLike = 1.0,
) -> AbsorbedDose:
    r"""Absorbed dose to a solid organ.

    Parameters
    ----------
    region : {"kidneys", "liver", "spleen"}
        The organ; kidneys means both.
    activity_mbq : SumOfExponentials
        Activity in the organ (MBq), physical decay inside the rates.
    source : str or Nuclide
        Lu-177 or I-131.
    anatomy : Anatomy
        The patient; the mass of the organ scales the self-dose.
    other_mbq : mapping of str to SumOfExponentials, optional
        Activity (MBq) of other regions: kidneys, liver, spleen, marrow. The organ itself may be
        among them and is skipped.
    whole_body_mbq : SumOfExponentials, optional
        Activity in the whole body (MBq); without it the remainder is left out.
    bone_in_remainder : bool
        Whether bone mineral takes up activity like the rest of the body.
    s_value_factor : array_like, broadcast against the draws
        Uncertainty of the model as factors with mean one.

    Returns
    -------
    AbsorbedDose
        Method ``"image"``; contributions ``self_electrons``, ``self_photons``, one for each
        other region, and ``remainder``.

    Notes
    -----
    :math:`D = \tilde{A} (S_e\, m_{ref}/m + S_\gamma (m_{ref}/m)^{2/3})
    + \sum_i \tilde{A}_i S_i + \tilde{A}_{RoB} S_{RoB}`.

    Raises
    ------
    DosimetryError
        If a nuclide or region is not covered, a curve was decay-corrected, or the regions hold
        more than the whole body.

    Examples
    --------
    >>> from dosimetry import reference_anatomy
    >>> kidneys = SumOfExponentials(amplitude=[150.0], rate_per_h=[0.0173])
    >>> dose = organ_dose("kidneys", kidneys, "Lu-177", anatomy=reference_anatomy("male"))
    >>> round(float(dose.dose_gy), 2)
    2.42
    """
    if region not in SOLID_ORGANS:
        raise DosimetryError(f"region must be one of {SOLID_ORGANS}, got {region!r}")
    emitter = nuclide(source) if isinstance(source, str) else source
    table = s_value_table(emitter.name, anatomy.sex)
    regions = dict(other_mbq or {}) | {region: activity_mbq}
    whole_body = {} if whole_body_mbq is None else {"whole-body": whole_body_mbq}
    check_sources(regions | whole_body, emitter)
    cross, notes = cross_dose(
        region, regions, whole_body_mbq, table, anatomy, bone_in_remainder=bone_in_remainder
    )
    curves = self_dose(activity_mbq, region, table, anatomy) | cross
    return AbsorbedDose(
        region=region,
        method="image",
        contributions=scaled_all(curves, s_value_factor),
        assumptions=(*anatomy.mass_assumption(region), *notes),
    )


def tumour_dose(
    activity_mbq: SumOfExponentials,
    source: str | Nuclide,
    *,
    mass_g: npt.ArrayLike,
    region: str = "tumour",
    density_g_per_ml: float = SOFT_TISSUE_DENSITY_G_PER_ML,
    s_value_factor: npt.ArrayLike = 1.0,
) -> AbsorbedDose:
    """Absorbed dose to a tumour, taken as a sphere with evenly spread activity.

    Parameters
    ----------
    activity_mbq : SumOfExponentials
        Activity in the tumour (MBq), physical decay inside the rates.
    source : str or Nuclide
        Any beta or photon emitter of ICRP 107.
    mass_g : array_like, broadcast against the draws
        Mass of the tumour (g).
    region : str
        Name of the tumour: ``"tumour"`` or ``"tumour_<name>"``.
    density_g_per_ml : float
        Density of the tumour (g/mL).
    s_value_factor : array_like, broadcast against the draws
        Uncertainty of the model as factors with mean one.

    Returns
    -------
    AbsorbedDose
        Method ``"image"``; contributions ``self_electrons`` and ``self_photons``.

    Raises
    ------
    DosimetryError
        If the mass is not positive, the nuclide emits alpha particles, or the curve was
        decay-corrected.

    Examples
    --------
    >>> curve = SumOfExponentials(amplitude=[50.0], rate_per_h=[0.012])
    >>> round(float(tumour_dose(curve, "Lu-177", mass_g=20.0).dose_gy), 1)
    17.7
    """
    emitter = nuclide(source) if isinstance(source, str) else source
    check_sources({region: activity_mbq}, emitter)
    s_value = sphere_s_value(emitter, mass_g=mass_g, density_g_per_ml=density_g_per_ml)
    curves = {
        "self_electrons": activity_mbq.scaled(np.asarray(s_value.electron)),
        "self_photons": activity_mbq.scaled(np.asarray(s_value.photon)),
    }
    return AbsorbedDose(
        region=region,
        method="image",
        contributions=scaled_all(curves, s_value_factor),
        assumptions=(
            f"ASSUMED: the tumour is a sphere of {density_g_per_ml:g} g/mL with activity spread "
            "evenly; dose from other regions is left out",
        ),
    )
