"""Marrow dose in two parts: activity of the blood in marrow, and specific uptake by marrow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dosimetry._marrow import (
    MarrowSurroundings,
    marrow_dose,
    with_large_vessels,
)
from dosimetry._sources import check_blood_amount, check_sources, positive_density, scaled_by
from dosimetry.anatomy import MARROW_DENSITY_G_PER_ML, Anatomy
from dosimetry.blood import CONVENTIONAL_BLOOD_DENSITY_G_PER_ML
from dosimetry.chains import RadiationSource, emitter_of
from dosimetry.marrow import in_red_marrow
from dosimetry.marrow_blood_ratio import MarrowBloodRatio
from dosimetry.metastases import SkeletalMetastasis
from dosimetry.results import AbsorbedDose
from dosimetry.s_values import SValueTable
from kinetics import SumOfExponentials


def marrow_dose_two_component(
    marrow_mbq_per_ml: SumOfExponentials,
    blood_mbq_per_ml: SumOfExponentials,
    source: RadiationSource,
    *,
    anatomy: Anatomy,
    ratio: MarrowBloodRatio,
    recovery: npt.ArrayLike = 1.0,
    red_marrow_fraction: npt.ArrayLike = 1.0,
    organ_mbq: Mapping[str, SumOfExponentials] | None = None,
    whole_body_mbq: SumOfExponentials | None = None,
    metastases: Mapping[str, SkeletalMetastasis] | None = None,
    large_vessel_volume_ml: npt.ArrayLike | None = None,
    marrow_model: str = "olinda2",
    s_values: SValueTable | None = None,
    bone_in_remainder: bool = False,
    blood_density_g_per_ml: float = CONVENTIONAL_BLOOD_DENSITY_G_PER_ML,
    marrow_density_g_per_ml: float = MARROW_DENSITY_G_PER_ML,
    s_value_factor: npt.ArrayLike = 1.0,
) -> AbsorbedDose:
    r"""Absorbed dose to the red marrow from images and blood samples together.

    What the image shows beyond the blood in marrow is specific uptake, such as binding of
    177Lu-DOTATATE to somatostatin receptors of marrow cells.

    Parameters
    ----------
    marrow_mbq_per_ml, recovery, red_marrow_fraction, marrow_density_g_per_ml
        As in `marrow_dose_image_method`.
    blood_mbq_per_ml, ratio, blood_density_g_per_ml, large_vessel_volume_ml
        As in `marrow_dose_blood_method`; the ratio is the one of the blood's part alone.
    source, anatomy, organ_mbq, whole_body_mbq, metastases, marrow_model, s_values
        As in `marrow_dose_blood_method`.
    bone_in_remainder : bool
        As in `marrow_dose_blood_method`.
    s_value_factor : array_like, broadcast against the draws
        Uncertainty of the model as factors with mean one.

    Returns
    -------
    AbsorbedDose
        Region ``"marrow"``, method ``"two_component"``; the self dose stands in the contributions
        of the origins ``self_blood`` and ``self_specific``. The latter is negative in draws where
        the image shows less than the blood explains.

    Notes
    -----
    :math:`C_{specific} = C_{image}/\rho_{RM} - RMBLR\,C_{blood}/\rho_{blood}`, both per gram. The
    self dose is that of the image method; the blood tells its parts.

    References
    ----------
    Hemmingsson J et al. 2023, PMC10478826 (specific and nonspecific marrow dose of 17 patients,
    177Lu-DOTATATE).

    Raises
    ------
    DosimetryError
        As `marrow_dose_blood_method` and `marrow_dose_image_method`.
    """
    blood_density = positive_density("blood", blood_density_g_per_ml)
    marrow_density = positive_density("marrow", marrow_density_g_per_ml)
    check_sources({"blood": blood_mbq_per_ml, "marrow": marrow_mbq_per_ml}, emitter_of(source))
    check_blood_amount(blood_mbq_per_ml, whole_body_mbq, anatomy.blood_volume_ml())
    image, image_notes = in_red_marrow(marrow_mbq_per_ml, recovery, red_marrow_fraction)
    from_blood = scaled_by(blood_mbq_per_ml, ratio.value, "the ratio").scaled(1 / blood_density)
    specific = image.scaled(1 / marrow_density) + from_blood.scaled(-1.0)
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
        {"self_specific": specific, "self_blood": from_blood},
        source,
        around,
        method="two_component",
        notes=(
            *ratio.assumptions,
            *image_notes,
            f"ASSUMED: densities of blood {blood_density:g} and marrow {marrow_density:g} g/mL",
            *vessel_notes,
            *_negative_note(specific),
        ),
    )


def _negative_note(specific: SumOfExponentials) -> tuple[str, ...]:
    share = float(np.mean(specific.integral() < 0))
    if share == 0:
        return ()
    return (
        f"specific uptake is negative in {share:.1%} of the draws: the blood explains more than "
        "the image shows; check recovery, red marrow fraction and the ratio",
    )
