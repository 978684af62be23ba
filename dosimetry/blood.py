"""Absorbed dose to the blood: its own charged particles and photons from the whole body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dosimetry._sources import (
    check_blood_amount,
    check_sources,
    dose_curves,
    emission_notes,
    local_s_value,
    positive_density,
    scaled_all,
    scaled_by,
)
from dosimetry.anatomy import Anatomy
from dosimetry.chains import RadiationSource, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.results import AbsorbedDose
from dosimetry.s_values import SValue, s_value_table
from kinetics import SumOfExponentials

CONVENTIONAL_BLOOD_DENSITY_G_PER_ML = 1.0
"""Density behind the published blood-dose coefficients; the physical value is 1.06 g/mL."""


@dataclass(frozen=True)
class BloodDoseCoefficients:
    r"""Coefficients of the blood dose per administered activity.

    :math:`D/A_0 = (a_e + a_\alpha)\,\tau_{mL} + c\,w^{-2/3}\,\tau_{WB}`, with the residence time
    in a millilitre of blood (h/mL) and in the whole body (h) and the weight w in kilograms.

    Attributes
    ----------
    electron_gy_ml_per_gbq_h, alpha_gy_ml_per_gbq_h : float
        Self dose by electrons and by alpha particles with their recoil nuclei.
    photon_gy_kg23_per_gbq_h : float
        Photons from the whole body (Gy kg^(2/3)/(GBq h)).
    """

    electron_gy_ml_per_gbq_h: float
    alpha_gy_ml_per_gbq_h: float
    photon_gy_kg23_per_gbq_h: float


def blood_dose_coefficients(
    source: RadiationSource,
    sex: str,
    *,
    blood_density_g_per_ml: float = CONVENTIONAL_BLOOD_DENSITY_G_PER_ML,
) -> BloodDoseCoefficients:
    r"""Coefficients of the blood dose, computed from the decay data and the S table.

    Parameters
    ----------
    source : str, Nuclide or DecayChain
        What decays.
    sex : {"male", "female"}
        Reference adult behind the photon coefficient.
    blood_density_g_per_ml : float
        Density of blood (g/mL).

    Notes
    -----
    :math:`a = \Delta/\rho` and :math:`c = S_\gamma(TB \leftarrow TB)\,M^{2/3}`. For I-131 the
    published pair is 108 and 0.0188 (Lassmann 2008; here 110.65 at 1 g/mL, 104.4 at 1.06 g/mL, and
    0.01873 for men), for Lu-177 85.3 and 0.00185 (Eberlein 2015; here 85.32 and 0.00185).

    References
    ----------
    See `photon_coefficient`.

    Raises
    ------
    DosimetryError
        If the density is not positive or the source is not covered.

    Examples
    --------
    >>> found = blood_dose_coefficients("Lu-177", "male")
    >>> round(found.electron_gy_ml_per_gbq_h, 2), round(found.photon_gy_kg23_per_gbq_h, 5)
    (85.32, 0.00185)
    """
    positive_density("blood", blood_density_g_per_ml)
    local = local_s_value(emitter_of(source))
    return BloodDoseCoefficients(
        electron_gy_ml_per_gbq_h=float(1000 * local.electron / blood_density_g_per_ml),
        alpha_gy_ml_per_gbq_h=float(1000 * local.alpha / blood_density_g_per_ml),
        photon_gy_kg23_per_gbq_h=1000 * photon_coefficient(source, sex),
    )


def photon_coefficient(source: RadiationSource, sex: str) -> float:
    r"""Photon dose to the body per time-integrated activity, times weight^(2/3).

    Parameters
    ----------
    source : str, Nuclide or DecayChain
        What decays.
    sex : {"male", "female"}
        Reference adult.

    Returns
    -------
    float
        c in Gy kg^(2/3)/(MBq h), so that the dose is :math:`c\,w^{-2/3}\,\tilde{A}_{WB}`.

    Notes
    -----
    :math:`c = S_\gamma(TB \leftarrow TB) M^{2/3}`, the photon part of the S table. Lu-177: 1.85e-6
    (men), the value quoted from Eberlein et al. 2015; I-131: 1.873e-5 (men) against the 1.88e-5
    quoted from the EANM procedure (both read second-hand).

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
    table = s_value_table(source, sex)
    weight_kg = table.mass_g["whole_body"] / 1000
    return float(table.s_value("whole_body", "whole_body").photon * weight_kg ** (2 / 3))


def whole_blood_from_plasma(
    plasma_mbq_per_ml: SumOfExponentials,
    haematocrit: npt.ArrayLike,
    *,
    cell_to_plasma_ratio: npt.ArrayLike = 0.0,
) -> SumOfExponentials:
    r"""Concentration in whole blood from plasma.

    Parameters
    ----------
    plasma_mbq_per_ml : SumOfExponentials
        Concentration in plasma (MBq/mL).
    haematocrit : array_like, broadcast against the draws
        Volume fraction of red cells, between 0 and 1.
    cell_to_plasma_ratio : array_like, broadcast against the draws
        Concentration in red cells over that in plasma; 0 (ASSUMED) if the ligand stays outside.

    Notes
    -----
    :math:`C_{blood} = C_{plasma}(1 - Hct + k\,Hct)` with the ratio k of cells to plasma.

    Raises
    ------
    DosimetryError
        If the haematocrit is not between 0 and 1 or the ratio is negative.
    """
    fraction = np.asarray(haematocrit, dtype=np.float64)
    ratio = np.asarray(cell_to_plasma_ratio, dtype=np.float64)
    if not ((fraction > 0) & (fraction < 1)).all():
        raise DosimetryError(
            f"haematocrit must lie between 0 and 1, got {haematocrit!r}; divide per cent by 100"
        )
    if not (np.isfinite(ratio).all() and (ratio >= 0).all()):
        raise DosimetryError(f"cell_to_plasma_ratio must be >= 0, got {cell_to_plasma_ratio!r}")
    share = 1 - fraction + ratio * fraction
    return scaled_by(plasma_mbq_per_ml, share, "the blood's share of the plasma concentration")


def blood_dose(
    blood_mbq_per_ml: SumOfExponentials,
    source: RadiationSource,
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
    source : str, Nuclide or DecayChain
        What decays; a name stands for the nuclide without its progeny.
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
        Region and method ``"blood"``; contributions ``self_electrons``, ``self_alpha`` (with the
        recoil nuclei) and ``whole_body_photons``.

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
        If the curves were decay-corrected, the concentration is not in MBq/mL, or the density
        is not positive.

    Examples
    --------
    >>> from dosimetry import reference_anatomy
    >>> curve = SumOfExponentials(amplitude=[0.5, 0.1], rate_per_h=[1.2, 0.03])
    >>> dose = blood_dose(curve, "Lu-177", anatomy=reference_anatomy("male"))
    >>> round(float(dose.dose_gy), 3)
    0.322
    """
    positive_density("blood", blood_density_g_per_ml)
    emitter = emitter_of(source)
    given = {"blood": blood_mbq_per_ml}
    if whole_body_mbq is not None:
        given["whole-body"] = whole_body_mbq
    check_sources(given, emitter)
    check_blood_amount(blood_mbq_per_ml, whole_body_mbq, anatomy.blood_volume_ml())
    notes = emission_notes(emitter)
    if whole_body_mbq is None:
        whole_body_mbq = scaled_by(blood_mbq_per_ml, anatomy.blood_volume_ml(), "the blood volume")
        notes = (
            *notes,
            "no whole-body curve: the activity in the blood stands in for it, so that the photon "
            f"dose is a lower bound; {anatomy.blood_volume_note()}",
        )
    per_gram = blood_mbq_per_ml.scaled(1 / blood_density_g_per_ml)
    per_mbq = photon_coefficient(source, anatomy.sex) * anatomy.weight_kg ** (-2 / 3)
    curves = dose_curves("self", per_gram, local_s_value(emitter))
    curves |= dose_curves("whole_body", whole_body_mbq, SValue(0.0, per_mbq))
    return AbsorbedDose(
        region="blood",
        method="blood",
        contributions=scaled_all(curves, s_value_factor),
        assumptions=(
            f"ASSUMED: blood density {blood_density_g_per_ml:g} g/mL (1.0 is the convention of the "
            "published coefficients, 1.06 the physical value)",
            "charged particles are absorbed within the blood",
            f"photons of the whole body: S values of {s_value_table(source, anatomy.sex).source}, "
            "scaled with weight^(-2/3)",
            *notes,
        ),
    )
