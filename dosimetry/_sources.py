"""What blood, marrow and organ dose share: checks of the sources and the cross dose."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dosimetry.anatomy import REFERENCE_MASS_G, Anatomy
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import Nuclide
from dosimetry.s_values import SValue, SValueTable, scaled_self_s_value
from kinetics import SumOfExponentials

_SLOWEST_SHARE = 0.95  # of the physical decay; a fitted rate may fall a little short of it
_CROSS_SOURCES = ("marrow", "kidneys", "liver", "spleen", "trabecular_bone", "cortical_bone")
Curves = dict[str, SumOfExponentials]


def check_sources(curves: Mapping[str, SumOfExponentials], nuclide: Nuclide) -> None:
    """Refuse draws that do not fit together and curves without physical decay."""
    try:
        np.broadcast_shapes(*(curve.shape for curve in curves.values()))
    except ValueError:
        shapes = {name: curve.shape for name, curve in curves.items()}
        raise DosimetryError(f"the draws of the curves do not fit together: {shapes}") from None
    for name, curve in curves.items():
        rate = np.where(curve.amplitude == 0, np.inf, curve.rate_per_h).min(-1)
        if np.median(rate) < _SLOWEST_SHARE * nuclide.decay_per_h:
            raise DosimetryError(
                f"the {name} curve falls at {float(np.median(rate)):.3g} /h, slower than "
                f"{nuclide.name} decays ({nuclide.decay_per_h:.3g} /h); physical decay must be "
                "inside the rates: call .decayed(nuclide.decay_per_h) on a decay-corrected curve"
            )


def scaled_all(curves: Mapping[str, SumOfExponentials], factor: npt.ArrayLike) -> Curves:
    """Every curve times one factor, or one factor per draw."""
    try:
        return {name: curve.scaled(factor) for name, curve in curves.items()}
    except ValueError:
        shapes = {name: curve.shape for name, curve in curves.items()}
        raise DosimetryError(
            f"a factor of shape {np.shape(factor)} does not fit the draws of {shapes}"
        ) from None


def self_dose(
    activity_mbq: SumOfExponentials, region: str, table: SValueTable, anatomy: Anatomy
) -> Curves:
    """Dose rate (Gy/h) of a region from its own activity, at the patient's mass."""
    s_value = scaled_self_s_value(
        table.s_value(region, region),
        reference_g=REFERENCE_MASS_G[anatomy.sex][region],
        patient_g=anatomy.mass_g(region),
    )
    return {
        "self_electrons": activity_mbq.scaled(s_value.electron),
        "self_photons": activity_mbq.scaled(s_value.photon),
    }


def cross_dose(
    target: str,
    activity_mbq: Mapping[str, SumOfExponentials],
    whole_body_mbq: SumOfExponentials | None,
    table: SValueTable,
    anatomy: Anatomy,
    *,
    bone_in_remainder: bool,
) -> tuple[Curves, tuple[str, ...]]:
    """Dose rates (Gy/h) from the other regions and the remainder, and what was assumed.

    `activity_mbq` holds every region given apart, the target's own activity among them.
    """
    unknown = sorted(set(activity_mbq) - set(_CROSS_SOURCES))
    if unknown:
        raise DosimetryError(
            f"no S values for the sources {unknown}; known: {', '.join(_CROSS_SOURCES)} "
            "(leave tumours in the whole body)"
        )
    curves = {
        source: curve.scaled(table.s_value(target, source).total)
        for source, curve in activity_mbq.items()
        if source != target
    }
    if whole_body_mbq is None:
        return curves, (
            f"no whole-body curve: the remainder of the body is left out, so that the dose to "
            f"{target} is a lower bound",
        )
    remainder, notes = _remainder_activity(activity_mbq, whole_body_mbq)
    s_value = _at_weight(
        table.remainder(target, activity_mbq, bone_in_remainder=bone_in_remainder), anatomy
    )
    curves["remainder"] = remainder.scaled(s_value.total)
    bone = "takes up activity like soft tissue" if bone_in_remainder else "has no uptake"
    return curves, (
        f"ASSUMED: bone mineral {bone}",
        "ASSUMED: activity outside the given regions is spread evenly over the rest of the body; "
        "its photon dose scales with weight^(-2/3)",
        *notes,
    )


def _at_weight(s_value: SValue, anatomy: Anatomy) -> SValue:
    reference_g = REFERENCE_MASS_G[anatomy.sex]["whole_body"]
    ratio = reference_g / (1000 * anatomy.weight_kg)
    return SValue(s_value.electron, s_value.photon * ratio ** (2 / 3))


def _remainder_activity(
    activity_mbq: Mapping[str, SumOfExponentials], whole_body_mbq: SumOfExponentials
) -> tuple[SumOfExponentials, tuple[str, ...]]:
    remainder = whole_body_mbq
    for curve in activity_mbq.values():
        remainder = remainder + curve.scaled(-1.0)
    tia = remainder.integral()
    share = float(np.mean(tia < 0))
    if share > 0.5:
        raise DosimetryError(
            f"the regions {', '.join(activity_mbq)} hold more activity than the whole body "
            f"(remainder {float(np.median(tia)):.3g} MBq h); check units and decay correction"
        )
    if share == 0:
        return remainder, ()
    return remainder, (f"the remainder of the body is negative in {share:.1%} of the draws",)
