"""Dose rate per activity of every region, from the dosimetry functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from dosimetry import (
    SOFT_TISSUE_DENSITY_G_PER_ML,
    AbsorbedDose,
    Anatomy,
    blood_dose,
    marrow_dose_blood_method,
    marrow_dose_image_method,
    nuclide,
    organ_dose,
    rmblr,
    sphere_s_value,
)
from kinetics import SumOfExponentials
from kinetics.curves import FloatArray

# Probe curves: of a size that a body could hold, each with a decay rate of its own (1/h above the
# physical decay), by which its share of a dose rate is told from that of the others.
_PROBES = {
    "whole_body": (1000.0, 0.01),
    "blood": (1e-3, 0.02),
    "kidneys": (10.0, 0.03),
    "liver": (10.0, 0.04),
    "marrow": (1e-3, 0.05),
}

DoseCoefficients = Mapping[str, Mapping[str, float]]
"""Gy/h per MBq (blood, marrow: per MBq/mL), by dose and by the region that holds the activity."""


def dose_coefficients(
    regions: Iterable[str],
    source: str,
    *,
    anatomy: Anatomy,
    dose_method: str,
    tumour_volume_ml: float,
) -> DoseCoefficients:
    """Dose rates per activity in each region of a typical patient.

    Dose rates are linear in the activities, so that one call of each dosimetry function, with
    curves that differ in their rates, tells them for all patients.

    Parameters
    ----------
    regions : iterable of str
        Regions with a curve: ``"blood"``, ``"whole_body"``, ``"kidneys"`` and ``"tumour"``, with
        or without ``"liver"`` and ``"marrow"``.
    source : str
        Nuclide.
    anatomy : Anatomy
        Typical patient.
    dose_method : {"blood", "image"}
        How the marrow dose is found.
    tumour_volume_ml : float
        Volume of the tumour (mL).

    Returns
    -------
    mapping of str to mapping of str to float
        For ``blood_dose``, ``marrow_dose``, ``kidney_dose`` and ``tumour_dose`` the dose rate
        (Gy/h) per activity (MBq; blood and marrow MBq/mL) by region.
    """
    decay = nuclide(source).decay_per_h
    probes = {
        region: SumOfExponentials(
            np.array([_PROBES[region][0]]), np.array([_PROBES[region][1] + decay])
        )
        for region in regions
        if region in _PROBES
    }
    organs = {name: probe for name, probe in probes.items() if name in ("kidneys", "liver")}
    body = probes["whole_body"]
    if dose_method == "blood":
        marrow = marrow_dose_blood_method(
            probes["blood"], source, anatomy=anatomy, ratio=rmblr("unity"), organ_mbq=organs,
            whole_body_mbq=body,
        )  # fmt: skip
    else:
        marrow = marrow_dose_image_method(
            probes["marrow"], source, anatomy=anatomy, organ_mbq=organs, whole_body_mbq=body
        )
    kidneys = organ_dose(
        "kidneys", probes["kidneys"], source, anatomy=anatomy, other_mbq=organs,
        whole_body_mbq=body,
    )  # fmt: skip
    blood = blood_dose(probes["blood"], source, anatomy=anatomy, whole_body_mbq=body)
    return {
        "blood_dose": _by_region(blood, decay),
        "marrow_dose": _by_region(marrow, decay),
        "kidney_dose": _by_region(kidneys, decay),
        "tumour_dose": {"tumour": float(tumour_s_value(source)(np.asarray(tumour_volume_ml)))},
    }


def tumour_s_value(source: str) -> Callable[[npt.ArrayLike], FloatArray]:
    """Self-dose rate of a spherical tumour (Gy/h per MBq) as a function of its volume (mL)."""

    def s_value(volume_ml: npt.ArrayLike) -> FloatArray:
        mass_g = np.asarray(volume_ml, dtype=np.float64) * SOFT_TISSUE_DENSITY_G_PER_ML
        return np.asarray(sphere_s_value(source, mass_g=mass_g).total)

    return s_value


def _by_region(dose: AbsorbedDose, decay_per_h: float) -> dict[str, float]:
    """Share of each probe in a dose rate, per activity."""
    rate = dose.dose_rate
    found: dict[str, float] = {}
    for amplitude, term in zip(rate.amplitude, rate.rate_per_h - decay_per_h, strict=True):
        region = min(_PROBES, key=lambda name: abs(_PROBES[name][1] - term))
        found[region] = found.get(region, 0.0) + float(amplitude) / _PROBES[region][0]
    return found
