"""Absorbed dose to kidneys, liver, spleen, salivary glands and tumours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy.typing as npt

from dosimetry._sources import (
    check_sources,
    cross_dose,
    dose_curves,
    emission_notes,
    scaled_all,
    self_s_value,
    table_for,
)
from dosimetry.anatomy import Anatomy
from dosimetry.chains import RadiationSource, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.results import AbsorbedDose
from dosimetry.s_values import SValueTable
from dosimetry.spheres import (
    SOFT_TISSUE_DENSITY_G_PER_ML,
    sphere_assumptions,
    sphere_s_value,
)
from kinetics import SumOfExponentials

SOLID_ORGANS = ("kidneys", "liver", "spleen")
"""Organs whose activity is part of a study; `organ_dose` covers all organs of the S table."""

_NO_ORGANS = ("marrow", "whole_body", "osteogenic_cells", "blood")  # targets with another way


def organ_dose(
    region: str,
    activity_mbq: SumOfExponentials,
    source: RadiationSource,
    *,
    anatomy: Anatomy,
    other_mbq: Mapping[str, SumOfExponentials] | None = None,
    whole_body_mbq: SumOfExponentials | None = None,
    s_values: SValueTable | None = None,
    bone_in_remainder: bool = False,
    s_value_factor: npt.ArrayLike = 1.0,
) -> AbsorbedDose:
    r"""Absorbed dose to a solid organ.

    Parameters
    ----------
    region : {"kidneys", "liver", "spleen", "salivary_glands", "lungs"}
        The organ; kidneys means both, salivary_glands all large ones together.
    activity_mbq : SumOfExponentials
        Activity in the organ (MBq), physical decay inside the rates.
    source : str, Nuclide or DecayChain
        What decays; a name stands for the nuclide without its progeny.
    anatomy : Anatomy
        The patient; the mass of the organ scales the self-dose.
    other_mbq : mapping of str to SumOfExponentials, optional
        Activity (MBq) of other regions: kidneys, liver, spleen, marrow or any other source of
        the S table. The organ itself may be among them and is skipped.
    whole_body_mbq : SumOfExponentials, optional
        Activity in the whole body (MBq); without it the remainder is left out.
    s_values : SValueTable, optional
        The user's own S values in place of the shipped ones.
    bone_in_remainder : bool
        Whether bone mineral takes up activity like the rest of the body.
    s_value_factor : array_like, broadcast against the draws
        Uncertainty of the model as factors with mean one.

    Returns
    -------
    AbsorbedDose
        Method ``"image"``; contributions by radiation of the organ itself (``self``), of each
        other region and of the remainder.

    Notes
    -----
    :math:`D = \tilde{A} (S_e\, m_{ref}/m + S_\gamma (m_{ref}/m)^{2/3})
    + \sum_i \tilde{A}_i S_i + \tilde{A}_{RoB} S_{RoB}`; alpha particles scale like electrons.

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
    emitter = emitter_of(source)
    table = table_for(source, anatomy, s_values)
    organs = [t for t, s in table.values if t == s and t not in _NO_ORGANS]
    if region not in organs:
        raise DosimetryError(
            f"region must be one of {', '.join(organs)}, got {region!r}; marrow, blood and tumours "
            "have functions of their own"
        )
    regions = dict(other_mbq or {}) | {region: activity_mbq}
    whole_body = {} if whole_body_mbq is None else {"whole-body": whole_body_mbq}
    check_sources(regions | whole_body, emitter)
    curves = dose_curves("self", activity_mbq, self_s_value(region, table, anatomy))
    cross, notes = cross_dose(
        region, regions, whole_body_mbq, table, anatomy, bone_in_remainder=bone_in_remainder
    )
    return AbsorbedDose(
        region=region,
        method="image",
        contributions=scaled_all(curves | cross, s_value_factor),
        assumptions=(
            *anatomy.mass_assumption(region),
            *emission_notes(emitter),
            *table.assumptions,
            *notes,
        ),
    )


def tumour_dose(
    activity_mbq: SumOfExponentials,
    source: RadiationSource,
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
    source : str, Nuclide or DecayChain
        What decays; a name stands for the nuclide without its progeny.
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
        Method ``"image"``; contributions ``self_electrons``, ``self_photons`` and, for alpha
        emitters, ``self_alpha``.

    Raises
    ------
    DosimetryError
        If the region is not named as a tumour, the mass is not positive, or the curve was
        decay-corrected.

    Examples
    --------
    >>> curve = SumOfExponentials(amplitude=[50.0], rate_per_h=[0.012])
    >>> round(float(tumour_dose(curve, "Lu-177", mass_g=20.0).dose_gy))
    18
    """
    if region != "tumour" and not region.startswith("tumour_"):
        raise DosimetryError(f"a tumour is named 'tumour' or 'tumour_<name>', got {region!r}")
    emitter = emitter_of(source)
    check_sources({region: activity_mbq}, emitter)
    s_value = sphere_s_value(source, mass_g=mass_g, density_g_per_ml=density_g_per_ml)
    return AbsorbedDose(
        region=region,
        method="image",
        contributions=scaled_all(dose_curves("self", activity_mbq, s_value), s_value_factor),
        assumptions=(
            *sphere_assumptions(source),
            f"density of the tumour {density_g_per_ml:g} g/mL; dose from other regions is left out",
            *emission_notes(emitter),
        ),
    )
