"""What blood, marrow and organ dose share: checks of the sources, self and cross dose."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from dosimetry.anatomy import REFERENCE_MASS_G, Anatomy
from dosimetry.chains import Emitter, RadiationSource, decay_chain, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import GY_KG_PER_MBQ_H_PER_MEV, Nuclide, nuclide_names
from dosimetry.s_values import (
    SValue,
    SValueTable,
    s_value_table,
    scaled_cross_s_value,
    scaled_self_s_value,
)
from kinetics import SumOfExponentials

FloatArray = npt.NDArray[np.float64]
Curves = dict[str, SumOfExponentials]

_LEAST_PROGENY = 0.01  # of the energy of a nuclide; a smaller addition needs no words
_WITHOUT_PROGENY = (  # whose chains need not be read, which takes a second or two
    "Cu-64", "Cu-67", "F-18", "Ga-68", "Ho-166", "I-131", "In-111", "Lu-177", "Re-188", "Sm-153",
    "Tb-161", "Tc-99m", "Y-90",
)  # fmt: skip
BLOOD_REGIONS = ("blood", "heart_contents")  # lie in other regions, stay in the S value of RoB

_SLOWEST_SHARE = 0.95  # of the physical decay; a fitted rate may fall a little short of it
_MOST_ACTIVITY_MBQ = 1e6  # ASSUMED: no therapy gives 1 TBq, so more is kBq or Bq read as MBq
_MOST_DENSITY_G_PER_ML = 25.0  # no element is denser; more is kg/m3 read as g/mL
_MOST_OF_BODY = 2.0  # ASSUMED: blood samples and body counts may disagree by this factor


def local_s_value(emitter: Emitter) -> SValue:
    """Dose per decay where charged particles stay in 1 g of tissue (Gy g/(MBq h)), no photons."""
    energy = emitter.energy_mev
    alpha = (energy["alpha"] + energy["alpha_recoil"]) * GY_KG_PER_MBQ_H_PER_MEV
    return SValue(
        electron=1000 * emitter.delta_electron_gy_kg_per_mbq_h, photon=0.0, alpha=1000 * alpha
    )


def emission_notes(emitter: Emitter) -> tuple[str, ...]:
    """What is counted of the progeny, in words."""
    if isinstance(emitter, Nuclide):
        return _progeny_note(emitter.name)
    return (
        f"ASSUMED: the progeny of {emitter.name} that is retained decays where its parent does, "
        "and its dose follows the parent's curve",
        *emitter.assumptions,
    )


@cache
def _progeny_note(name: str) -> tuple[str, ...]:
    if name in _WITHOUT_PROGENY or name not in nuclide_names():
        return ()
    chain = decay_chain(name)
    own, all_ = (sum(part.energy_mev.values()) for part in (chain.parent, chain))
    if all_ <= (1 + _LEAST_PROGENY) * own:
        return ()
    daughters = ", ".join(member.nuclide.name for member in chain.members[1:])
    return (
        f"{name} without its progeny: give decay_chain({name!r}) to count it ({daughters}; "
        f"{own:.3g} of {all_:.3g} MeV per decay are counted here)",
    )


def dose_curves(origin: str, activity_mbq: SumOfExponentials, s_value: SValue) -> Curves:
    """Dose rate (Gy/h) by radiation, keyed ``{origin}_{radiation}``; parts of zero are left out."""
    parts = {"alpha": s_value.alpha, "electrons": s_value.electron, "photons": s_value.photon}
    return {
        f"{origin}_{radiation}": scaled_by(activity_mbq, part, f"S value or mass of {origin}")
        for radiation, part in parts.items()
        if np.any(np.asarray(part) != 0)
    }


def check_sources(curves: Mapping[str, SumOfExponentials], emitter: Emitter) -> None:
    """Refuse draws that do not fit together, and curves that cannot be activities."""
    try:
        np.broadcast_shapes(*(curve.shape for curve in curves.values()))
    except ValueError:
        shapes = {name: curve.shape for name, curve in curves.items()}
        raise DosimetryError(f"the draws of the curves do not fit together: {shapes}") from None
    longest_h = max(1 / emitter.decay_per_h, 1.0)
    for name, curve in curves.items():
        _check_integral(name, curve.integral(), most_mbq_h=_MOST_ACTIVITY_MBQ * longest_h)
        rate = np.where(curve.amplitude == 0, np.inf, curve.rate_per_h).min(-1)
        if np.median(rate) < _SLOWEST_SHARE * emitter.decay_per_h:
            raise DosimetryError(
                f"the {name} curve falls at {float(np.median(rate)):.3g} /h, slower than "
                f"{emitter.name} decays ({emitter.decay_per_h:.3g} /h); physical decay must be "
                "inside the rates: call .decayed(nuclide.decay_per_h) on a decay-corrected curve"
            )


def _check_integral(name: str, tia_mbq_h: FloatArray, *, most_mbq_h: float) -> None:
    if not tia_mbq_h.size:
        raise DosimetryError(f"the {name} curve has no draws; legal is one curve or some draws")
    if not np.isfinite(tia_mbq_h).all():
        raise DosimetryError(
            f"the {name} curve never decays in some draws; physical decay must be inside the "
            "rates: call .decayed(nuclide.decay_per_h) on a decay-corrected curve"
        )
    middle = float(np.median(tia_mbq_h))
    if not 0 <= middle <= most_mbq_h:
        raise DosimetryError(
            f"the {name} curve has an integral of {middle:.3g} MBq h (MBq h/mL); legal is 0 to "
            f"{most_mbq_h:.3g}, as of 1 TBq: check its sign, and convert Bq and kBq to MBq"
        )


def check_blood_amount(
    blood_mbq_per_ml: SumOfExponentials,
    whole_body_mbq: SumOfExponentials | None,
    blood_volume_ml: npt.ArrayLike,
) -> None:
    """Refuse a concentration whose activity in all the blood cannot be (kBq read as MBq).

    Medians over the last axis (draws) count; of a cohort every patient and cycle.
    """
    in_blood = scaled_by(blood_mbq_per_ml, blood_volume_ml, "the blood volume")
    start = float(_median_of_draws(in_blood(0.0)).max())
    if start > _MOST_ACTIVITY_MBQ:
        raise DosimetryError(
            f"the blood curve means {start:.3g} MBq in all the blood at time zero; it must be in "
            "MBq/mL: divide kBq/mL by 1000"
        )
    if whole_body_mbq is None:
        return
    found, body = (_median_of_draws(c.integral()) for c in (in_blood, whole_body_mbq))
    if (found > _MOST_OF_BODY * body).any():
        raise DosimetryError(
            f"the blood holds more activity than the whole body ({found.max():.3g} against "
            f"{body.min():.3g} MBq h); check the units (MBq/mL, not kBq/mL) and decay correction"
        )


def _median_of_draws(values: FloatArray) -> FloatArray:
    return np.asarray(np.median(np.atleast_1d(values), axis=-1))


def scaled_all(curves: Mapping[str, SumOfExponentials], factor: npt.ArrayLike) -> Curves:
    """Every curve times one factor, or one factor per draw."""
    return {name: scaled_by(curve, factor, "a factor") for name, curve in curves.items()}


def scaled_by(curve: SumOfExponentials, factor: npt.ArrayLike, what: str) -> SumOfExponentials:
    """The curve times a factor that is finite, not negative and fits its draws."""
    values = np.asarray(factor, dtype=np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise DosimetryError(f"{what} must be finite and zero or more, got {factor!r}")
    try:
        np.broadcast_shapes(curve.shape, values.shape)
    except ValueError:
        raise DosimetryError(
            f"{what} of shape {values.shape} does not fit the draws of shape {curve.shape}"
        ) from None
    return curve.scaled(values)


def positive_density(name: str, density_g_per_ml: float) -> float:
    """The density (g/mL), if it can be one."""
    if not 0 < density_g_per_ml <= _MOST_DENSITY_G_PER_ML:
        raise DosimetryError(
            f"{name} density must lie in 0 to {_MOST_DENSITY_G_PER_ML:g} g/mL, got "
            f"{density_g_per_ml!r}; divide kg/m3 by 1000"
        )
    return density_g_per_ml


def table_for(
    source: RadiationSource,
    anatomy: Anatomy,
    given: SValueTable | None,
    *,
    marrow_model: str = "olinda2",
) -> SValueTable:
    """The S values of the reference adult, or the user's own if they are for this case."""
    if given is None:
        return s_value_table(source, anatomy.sex, marrow_model=marrow_model)
    name = emitter_of(source).name
    if (given.nuclide, given.sex) != (name, anatomy.sex):
        raise DosimetryError(
            f"the S values given are for {given.nuclide}, {given.sex}; needed are those for "
            f"{name}, {anatomy.sex}"
        )
    return given


def self_s_value(region: str, table: SValueTable, anatomy: Anatomy) -> SValue:
    """S value of a region for its own activity, at the patient's mass."""
    s_value = table.s_value(region, region)
    if region not in table.mass_g:
        raise DosimetryError(
            f"the S values of {table.source} come without the mass of the {region}, so that they "
            "cannot be scaled to the patient: give mass_g to the table"
        )
    return scaled_self_s_value(
        s_value, reference_g=table.mass_g[region], patient_g=anatomy.mass_g(region)
    )


def cross_dose(
    target: str,
    activity_mbq: Mapping[str, SumOfExponentials],
    whole_body_mbq: SumOfExponentials | None,
    table: SValueTable,
    anatomy: Anatomy,
    *,
    bone_in_remainder: bool,
    elsewhere_mbq: Mapping[str, SumOfExponentials] | None = None,
) -> tuple[Curves, tuple[str, ...]]:
    """Dose rates (Gy/h) from the other regions and the remainder, and what was assumed.

    `activity_mbq` holds every region given apart, the target's own activity among them;
    `elsewhere_mbq` what is no part of the remainder though the table has no S value for it.
    """
    known = [s for t, s in table.values if t == target and s not in ("whole_body", target)]
    unknown = sorted(set(activity_mbq) - {*known, target})
    if unknown:
        raise DosimetryError(
            f"no S values for the sources {unknown}; known: {', '.join(known)} "
            "(leave tumours in the whole body; marrow doses take those in the skeleton as "
            "metastases)"
        )
    curves: Curves = {}
    for source, curve in activity_mbq.items():
        if source != target:
            curves |= dose_curves(source, curve, table.s_value(target, source))
    unscaled = (
        ("ASSUMED: dose from other organs as in the reference adult, not scaled to the patient",)
        if curves
        else ()
    )
    if whole_body_mbq is None:
        return curves, (
            *unscaled,
            f"no whole-body curve: the remainder of the body is left out, so that the dose to "
            f"{target} is a lower bound",
        )
    apart = dict(activity_mbq) | dict(elsewhere_mbq or {})
    remainder, notes = _remainder_activity(apart, whole_body_mbq)
    regions = [source for source in activity_mbq if source not in BLOOD_REGIONS]
    s_value = scaled_cross_s_value(
        table.remainder(target, regions, bone_in_remainder=bone_in_remainder),
        reference_weight_kg=table.mass_g["whole_body"] / 1000,
        patient_weight_kg=anatomy.weight_kg,
        photon_scaling="body_weight",
    )
    curves |= dose_curves("remainder", remainder, s_value)
    bone = "takes up activity like soft tissue" if bone_in_remainder else "has no uptake"
    return curves, (
        *unscaled,
        f"ASSUMED: bone mineral {bone}",
        "ASSUMED: activity outside the given regions is spread evenly over the rest of the body; "
        "its photon dose scales with weight^(-2/3)",
        *notes,
    )


def whole_body_photon_scale(sex: str, weight_kg: npt.ArrayLike) -> FloatArray:
    """Photon dose from the body against that of the reference adult, as weight^(-2/3)."""
    reference_g = REFERENCE_MASS_G[sex]["whole_body"]
    return np.asarray((reference_g / (1000 * np.asarray(weight_kg))) ** (2 / 3))


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
