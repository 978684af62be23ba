"""Absorbed dose to the red marrow, from blood samples or from images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dosimetry._sources import check_sources, cross_dose, scaled_all, self_dose
from dosimetry.anatomy import Anatomy
from dosimetry.blood import CONVENTIONAL_BLOOD_DENSITY_G_PER_ML
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import FloatArray, Nuclide, nuclide
from dosimetry.results import AbsorbedDose
from dosimetry.s_values import MARROW_MODEL_NOTES, s_value_table
from dosimetry.uncertainty import lognormal_factor
from kinetics import SumOfExponentials

RMBLR_MODELS = ("unity", "sgouros", "measured")
"""Names of the models of the red-marrow-to-blood ratio."""

RMBLR_CV = 0.25
"""ASSUMED relative standard deviation of the ratio where none was published."""

MARROW_DENSITY_G_PER_ML = 1.03
"""ASSUMED density of a marrow volume of interest (red marrow of ICRU Report 46)."""

_EXTRACELLULAR_FRACTION = 0.19  # Sgouros 1993


@dataclass(frozen=True, eq=False)
class MarrowBloodRatio:
    """Red-marrow-to-blood concentration ratio (RMBLR) of a named model.

    Attributes
    ----------
    model : str
        ``"unity"``, ``"sgouros"`` or ``"measured"``.
    value : ndarray, shape (n_draws,) or ()
        Marrow concentration over blood concentration.
    assumptions : tuple of str
        What was assumed.
    """

    model: str
    value: FloatArray
    assumptions: tuple[str, ...]


def rmblr(
    model: str,
    *,
    haematocrit: float | None = None,
    value: float | None = None,
    sd: float | None = None,
    cv: float = RMBLR_CV,
    n_draws: int | None = None,
    rng: np.random.Generator | None = None,
) -> MarrowBloodRatio:
    r"""Red-marrow-to-blood ratio of activity concentration.

    Parameters
    ----------
    model : {"unity", "sgouros", "measured"}
        ``unity``: 1, for peptides and PSMA ligands, that do not bind to marrow cells.
        ``sgouros``: :math:`0.19/(1-Hct)`, for antibodies: the tracer stays in plasma and the
        extracellular fluid of marrow. ``measured``: `value` with `sd`.
    haematocrit : float, optional
        For ``sgouros``.
    value, sd : float, optional
        For ``measured``: the ratio and its standard deviation.
    cv : float
        Relative standard deviation for the other models (ASSUMED 0.25).
    n_draws : int, optional
        Number of log-normal draws; the central value alone if not given.
    rng : numpy.random.Generator, optional
        Source of randomness, needed with `n_draws`.

    References
    ----------
    Forrer F et al. Eur J Nucl Med Mol Imaging 2009;36:1138 (177Lu-DOTATATE: marrow concentration
    equals that of blood). Sgouros G. J Nucl Med 1993;34:689-694.

    Raises
    ------
    DosimetryError
        If the model is unknown, or what it needs is missing or out of range.

    Examples
    --------
    >>> round(float(rmblr("sgouros", haematocrit=0.47).value), 3)
    0.358
    """
    centre, spread, note = _ratio(model, haematocrit, value, sd, cv)
    if n_draws is None:
        return MarrowBloodRatio(model, np.asarray(centre), (note,))
    if rng is None:
        raise DosimetryError("draws of the marrow-to-blood ratio need rng")
    draws = lognormal_factor(centre, spread, n_draws=n_draws, rng=rng)
    return MarrowBloodRatio(model, draws, (note,))


def _ratio(
    model: str, haematocrit: float | None, value: float | None, sd: float | None, cv: float
) -> tuple[float, float, str]:
    """Mean, relative deviation and description of a named ratio."""
    if model not in RMBLR_MODELS:
        raise DosimetryError(f"rmblr model must be one of {RMBLR_MODELS}, got {model!r}")
    if model == "unity":
        note = f"ASSUMED: marrow concentration equals blood (Forrer 2009), CV {cv:.0%}"
        return 1.0, cv, note
    if model == "sgouros":
        if haematocrit is None or not 0 < haematocrit < 1:
            raise DosimetryError(f"sgouros needs a haematocrit in (0, 1), got {haematocrit!r}")
        centre = _EXTRACELLULAR_FRACTION / (1 - haematocrit)
        note = f"ASSUMED: RMBLR 0.19/(1-Hct) = {centre:.2f} (Sgouros 1993), CV {cv:.0%}"
        return centre, cv, note
    if value is None or sd is None or not (value > 0 and sd >= 0):
        raise DosimetryError(f"measured needs value > 0 and sd >= 0, got {value!r} and {sd!r}")
    return value, sd / value, f"RMBLR measured: {value:g} +- {sd:g}"


def marrow_dose_blood_method(
    blood_mbq_per_ml: SumOfExponentials,
    source: str | Nuclide,
    *,
    anatomy: Anatomy,
    ratio: MarrowBloodRatio,
    organ_mbq: Mapping[str, SumOfExponentials] | None = None,
    whole_body_mbq: SumOfExponentials | None = None,
    marrow_model: str = "olinda2",
    bone_in_remainder: bool = False,
    blood_density_g_per_ml: float = CONVENTIONAL_BLOOD_DENSITY_G_PER_ML,
    s_value_factor: npt.ArrayLike = 1.0,
) -> AbsorbedDose:
    r"""Absorbed dose to the red marrow from the activity concentration in blood.

    Parameters
    ----------
    blood_mbq_per_ml : SumOfExponentials
        Concentration in whole blood (MBq/mL), physical decay inside the rates.
    source : str or Nuclide
        Lu-177 or I-131.
    anatomy : Anatomy
        The patient.
    ratio : MarrowBloodRatio
        From `rmblr`; its draws broadcast against those of the curve.
    organ_mbq : mapping of str to SumOfExponentials, optional
        Activity (MBq) of kidneys, liver, spleen (or other sources of the S table).
    whole_body_mbq : SumOfExponentials, optional
        Activity in the whole body (MBq); without it the remainder is left out.
    marrow_model : {"olinda2", "icrp133"}
        See `s_value_table`.
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
    1/m, the marrow mass m cancels from the dose by electrons.

    References
    ----------
    Hindorf C, Glatting G, Chiesa C, Lindén O, Flux G. EANM Dosimetry Committee guidelines for
    bone marrow and whole-body dosimetry. Eur J Nucl Med Mol Imaging 2010;37:1238-1250,
    doi:10.1007/s00259-010-1422-4.

    Raises
    ------
    DosimetryError
        If a nuclide or region is not covered, a curve was decay-corrected, or the organs hold
        more than the whole body.

    Examples
    --------
    >>> from dosimetry import reference_anatomy
    >>> curve = SumOfExponentials(amplitude=[0.5, 0.1], rate_per_h=[1.2, 0.03])
    >>> dose = marrow_dose_blood_method(
    ...     curve, "Lu-177", anatomy=reference_anatomy("male"), ratio=rmblr("unity")
    ... )
    >>> round(float(dose.dose_gy), 3)
    0.182
    """
    if not blood_density_g_per_ml > 0:
        raise DosimetryError(f"blood density must be positive, got {blood_density_g_per_ml!r}")
    per_gram = blood_mbq_per_ml.scaled(ratio.value).scaled(1 / blood_density_g_per_ml)
    return _marrow_dose(
        per_gram,
        nuclide(source) if isinstance(source, str) else source,
        method="blood",
        anatomy=anatomy,
        organ_mbq=organ_mbq or {},
        whole_body_mbq=whole_body_mbq,
        marrow_model=marrow_model,
        bone_in_remainder=bone_in_remainder,
        s_value_factor=s_value_factor,
        notes=(*ratio.assumptions, f"ASSUMED: blood density {blood_density_g_per_ml:g} g/mL"),
    )


def marrow_dose_image_method(
    marrow_mbq_per_ml: SumOfExponentials,
    source: str | Nuclide,
    *,
    anatomy: Anatomy,
    organ_mbq: Mapping[str, SumOfExponentials] | None = None,
    whole_body_mbq: SumOfExponentials | None = None,
    marrow_model: str = "olinda2",
    bone_in_remainder: bool = False,
    marrow_density_g_per_ml: float = MARROW_DENSITY_G_PER_ML,
    s_value_factor: npt.ArrayLike = 1.0,
) -> AbsorbedDose:
    r"""Absorbed dose to the red marrow from the concentration in a marrow volume of interest.

    Parameters
    ----------
    marrow_mbq_per_ml : SumOfExponentials
        Concentration in the volume of interest (MBq/mL), recovery corrected, physical decay
        inside the rates.
    marrow_density_g_per_ml : float
        Density of the marrow (ASSUMED 1.03 g/mL).
    source, anatomy, organ_mbq, whole_body_mbq, marrow_model, bone_in_remainder, s_value_factor
        As in `marrow_dose_blood_method`.

    Returns
    -------
    AbsorbedDose
        Region ``"marrow"``, method ``"image"``.

    Notes
    -----
    As `marrow_dose_blood_method` with the concentration in marrow taken from the image; ASSUMED
    to hold for all red marrow.

    Raises
    ------
    DosimetryError
        As `marrow_dose_blood_method`.
    """
    if not marrow_density_g_per_ml > 0:
        raise DosimetryError(f"marrow density must be positive, got {marrow_density_g_per_ml!r}")
    return _marrow_dose(
        marrow_mbq_per_ml.scaled(1 / marrow_density_g_per_ml),
        nuclide(source) if isinstance(source, str) else source,
        method="image",
        anatomy=anatomy,
        organ_mbq=organ_mbq or {},
        whole_body_mbq=whole_body_mbq,
        marrow_model=marrow_model,
        bone_in_remainder=bone_in_remainder,
        s_value_factor=s_value_factor,
        notes=(
            "ASSUMED: the volume of interest stands for all red marrow",
            f"ASSUMED: marrow density {marrow_density_g_per_ml:g} g/mL",
        ),
    )


def _marrow_dose(
    marrow_mbq_per_g: SumOfExponentials,
    emitter: Nuclide,
    *,
    method: str,
    anatomy: Anatomy,
    organ_mbq: Mapping[str, SumOfExponentials],
    whole_body_mbq: SumOfExponentials | None,
    marrow_model: str,
    bone_in_remainder: bool,
    s_value_factor: npt.ArrayLike,
    notes: tuple[str, ...],
) -> AbsorbedDose:
    table = s_value_table(emitter.name, anatomy.sex, marrow_model=marrow_model)
    if "marrow" in organ_mbq:
        raise DosimetryError("organ_mbq holds the other regions; marrow is the first argument")
    whole_body = {} if whole_body_mbq is None else {"whole-body": whole_body_mbq}
    check_sources({"marrow": marrow_mbq_per_g} | dict(organ_mbq) | whole_body, emitter)
    activity_mbq = marrow_mbq_per_g.scaled(anatomy.mass_g("marrow"))
    cross, cross_notes = cross_dose(
        "marrow",
        dict(organ_mbq) | {"marrow": activity_mbq},
        whole_body_mbq,
        table,
        anatomy,
        bone_in_remainder=bone_in_remainder,
    )
    curves = self_dose(activity_mbq, "marrow", table, anatomy) | cross
    return AbsorbedDose(
        region="marrow",
        method=method,
        contributions=scaled_all(curves, s_value_factor),
        assumptions=(
            *notes,
            MARROW_MODEL_NOTES[marrow_model],
            *anatomy.mass_assumption("marrow"),
            *cross_notes,
        ),
    )
