"""Absorbed dose to the blood: its own beta particles and photons from the whole body."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dosimetry._sources import Curves, check_sources, scaled_all
from dosimetry.anatomy import REFERENCE_MASS_G, Anatomy
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import Nuclide, nuclide
from dosimetry.results import AbsorbedDose
from dosimetry.s_values import has_s_values, s_value_table
from kinetics import SumOfExponentials

CONVENTIONAL_BLOOD_DENSITY_G_PER_ML = 1.0
"""Density behind the published blood-dose coefficients; the physical value is 1.06 g/mL."""


def photon_coefficient(source: str | Nuclide, sex: str) -> float:
    r"""Photon dose to the body per time-integrated activity, times weight^(2/3).

    Parameters
    ----------
    source : str or Nuclide
        A nuclide with S values (Lu-177, I-131).
    sex : {"male", "female"}
        Reference adult.

    Returns
    -------
    float
        c in Gy kg^(2/3)/(MBq h), so that the dose is :math:`c\,w^{-2/3}\,\tilde{A}_{WB}`.

    Notes
    -----
    :math:`c = (S_{TB \leftarrow TB} - \Delta_e/M) M^{2/3}`, computed here from the S table.
    Lu-177: 1.85e-6 (men), the value quoted from Eberlein et al. 2015; I-131: 1.873e-5 (men)
    against the 1.88e-5 quoted from the EANM procedure (both read second-hand).

    References
    ----------
    Lassmann M et al. EANM Dosimetry Committee series on standard operational procedures for
    pre-therapeutic dosimetry I: blood and bone marrow dosimetry in differentiated thyroid
    cancer therapy. Eur J Nucl Med Mol Imaging 2008;35:1405-1412,
    doi:10.1007/s00259-008-0761-x. Eberlein U et al. Eur J Nucl Med Mol Imaging
    2015;42:1739-1749, doi:10.1007/s00259-015-3083-9.

    Examples
    --------
    >>> round(photon_coefficient("I-131", "male") * 1000, 5)  # Gy kg^(2/3)/(GBq h)
    0.01873
    """
    name = source if isinstance(source, str) else source.name
    whole_body = s_value_table(name, sex).s_value("whole_body", "whole_body")
    weight_kg = REFERENCE_MASS_G[sex]["whole_body"] / 1000
    return float(whole_body.photon * weight_kg ** (2 / 3))


def whole_blood_from_plasma(
    plasma_mbq_per_ml: SumOfExponentials, haematocrit: npt.ArrayLike
) -> SumOfExponentials:
    r"""Concentration in whole blood from plasma, :math:`C_{blood} = C_{plasma}(1 - Hct)`.

    ASSUMED: the ligand does not enter the cells.

    Parameters
    ----------
    plasma_mbq_per_ml : SumOfExponentials
        Concentration in plasma (MBq/mL).
    haematocrit : array_like, broadcast against the draws
        Volume fraction of red cells, between 0 and 1.

    Raises
    ------
    DosimetryError
        If the haematocrit is not between 0 and 1.
    """
    fraction = np.asarray(haematocrit, dtype=np.float64)
    if not ((fraction > 0) & (fraction < 1)).all():
        raise DosimetryError(f"haematocrit must lie between 0 and 1, got {haematocrit!r}")
    return plasma_mbq_per_ml.scaled(1 - fraction)


def blood_dose(
    blood_mbq_per_ml: SumOfExponentials,
    source: str | Nuclide,
    *,
    anatomy: Anatomy,
    whole_body_mbq: SumOfExponentials | None = None,
    blood_density_g_per_ml: float = CONVENTIONAL_BLOOD_DENSITY_G_PER_ML,
    s_value_factor: npt.ArrayLike = 1.0,
) -> AbsorbedDose:
    r"""Absorbed dose to the blood.

    Parameters
    ----------
    blood_mbq_per_ml : SumOfExponentials
        Activity concentration in whole blood (MBq/mL), physical decay inside the rates.
    source : str or Nuclide
        Any nuclide of ICRP 107; photons from the body are added where S values exist.
    anatomy : Anatomy
        The patient.
    whole_body_mbq : SumOfExponentials, optional
        Activity in the whole body (MBq). Without it, the activity of the blood alone stands in.
    blood_density_g_per_ml : float
        Density of blood. The published coefficients use 1.0 (default); 1.06 is physical.
    s_value_factor : array_like, broadcast against the draws
        Uncertainty of the model as factors with mean one (see `s_value_factor`).

    Returns
    -------
    AbsorbedDose
        Region and method ``"blood"``; contributions ``self_electrons``, for alpha emitters
        ``self_alpha`` and ``self_alpha_recoil``, and ``whole_body_photons``.

    Notes
    -----
    :math:`D = \tilde{c}_{blood}\,\Delta/\rho + c\,w^{-2/3}\,\tilde{A}_{WB}`. Charged particles are
    absorbed where they are emitted. For Lu-177 and density 1 this is 85.3 Gy mL/(GBq h) and
    0.00185 Gy kg^(2/3)/(GBq h).

    References
    ----------
    See `photon_coefficient`.

    Raises
    ------
    DosimetryError
        If the curves were decay-corrected or the density is not positive.

    Examples
    --------
    >>> from dosimetry import reference_anatomy
    >>> curve = SumOfExponentials(amplitude=[0.5, 0.1], rate_per_h=[1.2, 0.03])
    >>> dose = blood_dose(curve, "Lu-177", anatomy=reference_anatomy("male"))
    >>> round(float(dose.dose_gy), 3)
    0.322
    """
    emitter = nuclide(source) if isinstance(source, str) else source
    if not blood_density_g_per_ml > 0:
        raise DosimetryError(f"blood density must be positive, got {blood_density_g_per_ml!r}")
    given = {"blood": blood_mbq_per_ml}
    if whole_body_mbq is not None:
        given["whole-body"] = whole_body_mbq
    check_sources(given, emitter)
    curves = _self_curves(blood_mbq_per_ml.scaled(1000 / blood_density_g_per_ml), emitter)
    photons, notes = _photons(blood_mbq_per_ml, whole_body_mbq, emitter, anatomy)
    return AbsorbedDose(
        region="blood",
        method="blood",
        contributions=scaled_all(curves | photons, s_value_factor),
        assumptions=(
            f"ASSUMED: blood density {blood_density_g_per_ml:g} g/mL (1.0 is the convention of the "
            "published coefficients, 1.06 the physical value)",
            "charged particles are absorbed within the blood",
            *notes,
        ),
    )


def _self_curves(blood_mbq_per_kg: SumOfExponentials, emitter: Nuclide) -> Curves:
    deltas = {
        "self_electrons": emitter.delta_electron_gy_kg_per_mbq_h,
        "self_alpha": emitter.delta_alpha_gy_kg_per_mbq_h,
        "self_alpha_recoil": emitter.delta_alpha_recoil_gy_kg_per_mbq_h,
    }
    return {
        name: blood_mbq_per_kg.scaled(delta)
        for name, delta in deltas.items()
        if delta > 0 or name == "self_electrons"
    }


def _photons(
    blood_mbq_per_ml: SumOfExponentials,
    whole_body_mbq: SumOfExponentials | None,
    emitter: Nuclide,
    anatomy: Anatomy,
) -> tuple[Curves, tuple[str, ...]]:
    """Dose rate by photons from the whole body, and what was assumed."""
    if not has_s_values(emitter.name):
        return {}, (
            f"no S values for {emitter.name}: photons from the body are left out, and progeny "
            "is not counted",
        )
    notes: tuple[str, ...] = ()
    if whole_body_mbq is None:
        whole_body_mbq = blood_mbq_per_ml.scaled(anatomy.blood_volume_ml)
        notes = (
            "no whole-body curve: the activity in the blood (Nadler 1962 volume) stands in for "
            "it, so that the photon dose is a lower bound",
        )
    per_mbq = photon_coefficient(emitter, anatomy.sex) * anatomy.weight_kg ** (-2 / 3)
    return {"whole_body_photons": whole_body_mbq.scaled(per_mbq)}, notes
