"""Absorbed dose to the red marrow, from blood samples or from images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dosimetry._marrow import (
    MarrowSurroundings,
    marrow_dose,
    with_large_vessels,
)
from dosimetry._sources import check_blood_amount, positive_density, scaled_by
from dosimetry.anatomy import MARROW_DENSITY_G_PER_ML, Anatomy
from dosimetry.blood import CONVENTIONAL_BLOOD_DENSITY_G_PER_ML
from dosimetry.chains import RadiationSource
from dosimetry.errors import DosimetryError
from dosimetry.marrow_blood_ratio import MarrowBloodRatio
from dosimetry.metastases import SkeletalMetastasis
from dosimetry.results import AbsorbedDose
from dosimetry.s_values import SValueTable
from kinetics import SumOfExponentials


def marrow_dose_blood_method(
    blood_mbq_per_ml: SumOfExponentials,
    source: RadiationSource,
    *,
    anatomy: Anatomy,
    ratio: MarrowBloodRatio,
    organ_mbq: Mapping[str, SumOfExponentials] | None = None,
    whole_body_mbq: SumOfExponentials | None = None,
    metastases: Mapping[str, SkeletalMetastasis] | None = None,
    large_vessel_volume_ml: npt.ArrayLike | None = None,
    marrow_model: str = "olinda2",
    s_values: SValueTable | None = None,
    bone_in_remainder: bool = False,
    blood_density_g_per_ml: float = CONVENTIONAL_BLOOD_DENSITY_G_PER_ML,
    s_value_factor: npt.ArrayLike = 1.0,
) -> AbsorbedDose:
    r"""Absorbed dose to the red marrow from the activity concentration in blood.

    Parameters
    ----------
    blood_mbq_per_ml : SumOfExponentials
        Concentration in whole blood (MBq/mL), physical decay inside the rates.
    source : str, Nuclide or DecayChain
        What decays; a name stands for the nuclide without its progeny.
    anatomy : Anatomy
        The patient.
    ratio : MarrowBloodRatio
        From `rmblr`; its draws broadcast against those of the curve.
    organ_mbq : mapping of str to SumOfExponentials, optional
        Activity (MBq) of kidneys, liver, spleen (or other sources of the S table).
    whole_body_mbq : SumOfExponentials, optional
        Activity in the whole body (MBq); without it the remainder is left out.
    metastases : mapping of str to SkeletalMetastasis, optional
        Metastases in the skeleton by name (``"tumour_<name>"``), inside the whole body.
    large_vessel_volume_ml : array_like, optional
        Blood in heart and large vessels (mL) that is a source of its own; without it, this blood
        is part of the remainder.
    marrow_model : {"olinda2", "icrp133"}
        See `s_value_table`.
    s_values : SValueTable, optional
        The user's own S values in place of the shipped ones and their `marrow_model`.
    bone_in_remainder : bool
        Whether bone mineral takes up activity like the rest of the body.
    blood_density_g_per_ml : float
        1.0 by convention, as in `blood_dose`.
    s_value_factor : array_like, broadcast against the draws
        Uncertainty of the model as factors with mean one.

    Returns
    -------
    AbsorbedDose
        Region ``"marrow"``, method ``"blood"``.

    Notes
    -----
    :math:`D = \tilde{c}_{blood}\,RMBLR\,m/\rho\; S(RM \leftarrow RM) + \sum_i \tilde{A}_i S_i
    + \tilde{A}_{RoB}\,S(RM \leftarrow RoB)` with
    :math:`\tilde{A}_{RoB} = \tilde{A}_{WB} - \tilde{A}_{RM} - \sum_i \tilde{A}_i`. As S scales with
    1/m, the marrow mass m cancels from the dose by charged particles.

    References
    ----------
    Hindorf C, Glatting G, Chiesa C, Lindén O, Flux G. EANM Dosimetry Committee guidelines for
    bone marrow and whole-body dosimetry. Eur J Nucl Med Mol Imaging 2010;37:1238-1250,
    doi:10.1007/s00259-010-1422-4.

    Raises
    ------
    DosimetryError
        If a nuclide or region is not covered, a curve was decay-corrected or is in the wrong
        unit, or the organs hold more than the whole body.

    Examples
    --------
    >>> from dosimetry import reference_anatomy, rmblr
    >>> curve = SumOfExponentials(amplitude=[0.5, 0.1], rate_per_h=[1.2, 0.03])
    >>> dose = marrow_dose_blood_method(
    ...     curve, "Lu-177", anatomy=reference_anatomy("male"), ratio=rmblr("unity")
    ... )
    >>> round(float(dose.dose_gy), 3)
    0.182
    """
    density = positive_density("blood", blood_density_g_per_ml)
    check_blood_amount(blood_mbq_per_ml, whole_body_mbq, anatomy.blood_volume_ml())
    organs, vessel_notes = with_large_vessels(organ_mbq, blood_mbq_per_ml, large_vessel_volume_ml)
    around = MarrowSurroundings(
        anatomy=anatomy,
        organ_mbq=organs,
        whole_body_mbq=whole_body_mbq,
        metastases=metastases,
        marrow_model=marrow_model,
        s_values=s_values,
        bone_in_remainder=bone_in_remainder,
        s_value_factor=s_value_factor,
    )
    return marrow_dose(
        {"self": scaled_by(blood_mbq_per_ml, ratio.value, "the ratio").scaled(1 / density)},
        source,
        around,
        method="blood",
        notes=(*ratio.assumptions, f"ASSUMED: blood density {density:g} g/mL", *vessel_notes),
    )


def marrow_dose_image_method(
    marrow_mbq_per_ml: SumOfExponentials,
    source: RadiationSource,
    *,
    anatomy: Anatomy,
    recovery: npt.ArrayLike = 1.0,
    red_marrow_fraction: npt.ArrayLike = 1.0,
    organ_mbq: Mapping[str, SumOfExponentials] | None = None,
    whole_body_mbq: SumOfExponentials | None = None,
    metastases: Mapping[str, SkeletalMetastasis] | None = None,
    marrow_model: str = "olinda2",
    s_values: SValueTable | None = None,
    bone_in_remainder: bool = False,
    marrow_density_g_per_ml: float = MARROW_DENSITY_G_PER_ML,
    s_value_factor: npt.ArrayLike = 1.0,
) -> AbsorbedDose:
    r"""Absorbed dose to the red marrow from the concentration in a marrow volume of interest.

    Parameters
    ----------
    marrow_mbq_per_ml : SumOfExponentials
        Concentration in the volume of interest (MBq/mL; L2 to L4 or any other), physical decay
        inside the rates.
    recovery : array_like, broadcast against the draws
        Recovery coefficient by which the concentration is divided: 0.78 was measured for an
        80 mL insert in place of L2 to L4 (EJNMMI Res 2018;8:100). Draws carry its uncertainty
        (see `lognormal_factor`); 1 if the image is corrected already.
    red_marrow_fraction : array_like, broadcast against the draws
        Volume share of red marrow in the volume of interest, where all its activity is taken to
        lie: see `red_marrow_fraction`. With 1 the whole volume counts as red marrow.
    organ_mbq : mapping of str to SumOfExponentials, optional
        As in `marrow_dose_blood_method`; the blood of heart and large vessels as
        ``"heart_contents"``.
    marrow_density_g_per_ml : float
        Density of red marrow (ASSUMED 1.03 g/mL).
    source, anatomy, whole_body_mbq, metastases, marrow_model, s_values, bone_in_remainder
        As in `marrow_dose_blood_method`.
    s_value_factor : array_like, broadcast against the draws
        As in `marrow_dose_blood_method`.

    Returns
    -------
    AbsorbedDose
        Region ``"marrow"``, method ``"image"``.

    Notes
    -----
    As `marrow_dose_blood_method` with the concentration in red marrow
    :math:`C_{VOI}/(R\,f_{RM})`, ASSUMED to hold for all red marrow.

    Raises
    ------
    DosimetryError
        As `marrow_dose_blood_method`, or if recovery or fraction are out of range.
    """
    density = positive_density("marrow", marrow_density_g_per_ml)
    curve, notes = in_red_marrow(marrow_mbq_per_ml, recovery, red_marrow_fraction)
    around = MarrowSurroundings(
        anatomy=anatomy,
        organ_mbq=organ_mbq,
        whole_body_mbq=whole_body_mbq,
        metastases=metastases,
        marrow_model=marrow_model,
        s_values=s_values,
        bone_in_remainder=bone_in_remainder,
        s_value_factor=s_value_factor,
    )
    return marrow_dose(
        {"self": curve.scaled(1 / density)},
        source,
        around,
        method="image",
        notes=(*notes, f"ASSUMED: marrow density {density:g} g/mL"),
    )


def in_red_marrow(
    voi_mbq_per_ml: SumOfExponentials, recovery: npt.ArrayLike, fraction: npt.ArrayLike
) -> tuple[SumOfExponentials, tuple[str, ...]]:
    """Concentration in red marrow from that of a volume of interest, and what was assumed."""
    recovered = _mean_within("recovery", recovery, most=1.5)
    marrow = _mean_within("red_marrow_fraction", fraction, most=1.0)
    curve = scaled_by(voi_mbq_per_ml, 1 / recovered, "recovery")
    curve = scaled_by(curve, 1 / marrow, "red_marrow_fraction")
    return curve, (
        "ASSUMED: the volume of interest stands for all red marrow",
        f"recovery coefficient {recovered.mean():.3g}; ASSUMED: all activity of the volume of "
        f"interest lies in red marrow, {marrow.mean():.3g} of its volume",
    )


def red_marrow_fraction(
    *, marrow_space_fraction: npt.ArrayLike, cellularity: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Volume share of red marrow in a volume of spongiosa.

    Parameters
    ----------
    marrow_space_fraction : array_like
        Share of the marrow space in the volume of interest (the rest is bone mineral), 0 to 1.
    cellularity : array_like
        Share of red (not fatty) marrow in the marrow space, 0 to 1.

    Raises
    ------
    DosimetryError
        If a share is not between 0 and 1.

    Examples
    --------
    >>> round(float(red_marrow_fraction(marrow_space_fraction=0.85, cellularity=0.7)), 3)
    0.595
    """
    space = _mean_within("marrow_space_fraction", marrow_space_fraction, most=1.0)
    red = _mean_within("cellularity", cellularity, most=1.0)
    return np.asarray(space * red)


def red_marrow_fraction_of_share(
    marrow_share: npt.ArrayLike,
    *,
    voi_volume_ml: npt.ArrayLike,
    anatomy: Anatomy,
    marrow_density_g_per_ml: float = MARROW_DENSITY_G_PER_ML,
) -> npt.NDArray[np.float64]:
    r"""Volume share of red marrow in a volume of interest that holds a known share of all marrow.

    The dose of `marrow_dose_image_method` is then that of the activity in the volume of interest
    divided by `marrow_share`, in all red marrow of the patient.

    Parameters
    ----------
    marrow_share : array_like
        Share of the body's red marrow that lies in the volume of interest, 0 to 1.
    voi_volume_ml : array_like
        Its volume (mL).
    anatomy : Anatomy
        The patient, for the mass of all red marrow.
    marrow_density_g_per_ml : float
        Density of red marrow.

    Notes
    -----
    :math:`f_{RM} = s\,m_{RM}/(\rho V)`.

    Raises
    ------
    DosimetryError
        If more red marrow would lie in the volume than fits.

    Examples
    --------
    >>> from dosimetry import reference_anatomy
    >>> man = reference_anatomy("male")
    >>> round(float(red_marrow_fraction_of_share(0.067, voi_volume_ml=130.0, anatomy=man)), 3)
    0.585
    """
    share = _mean_within("marrow_share", marrow_share, most=1.0)
    volume = np.asarray(voi_volume_ml, dtype=np.float64)
    if not (np.isfinite(volume).all() and (volume > 0).all()):
        raise DosimetryError(f"voi_volume_ml must be positive, got {voi_volume_ml!r}")
    density = positive_density("marrow", marrow_density_g_per_ml)
    return _mean_within(
        "red marrow in the volume of interest, as a share of it,",
        share * anatomy.mass_g("marrow") / (density * volume),
        most=1.0,
    )


def _mean_within(name: str, value: npt.ArrayLike, *, most: float) -> npt.NDArray[np.float64]:
    """Positive values whose mean is not above `most` (single draws may be)."""
    values = np.asarray(value, dtype=np.float64)
    if not (np.isfinite(values).all() and (values > 0).all() and values.mean() <= most):
        raise DosimetryError(
            f"{name} must lie in 0 to {most:g}, got {values.min():g} to {values.max():g}"
        )
    return values
