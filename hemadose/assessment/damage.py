"""Foci: what they say of the blood dose alone, and how they reweight the kinetic draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dosimetry import AbsorbedDose
from foci import (
    CalibrationCurve,
    DoseAgreement,
    FociDoseEstimate,
    FociSample,
    FociUpdate,
    RepairDraws,
    RepairModel,
    agreement,
    blood_dose_from_foci,
    calibration_line,
    dispersion_test,
    draw_repair,
    eberlein_2015,
    update_draws,
)
from hemadose.study import FociRow, Study

_REPAIR_PER_DRAW = 8  # repair draws for each dose draw where foci alone give the dose
_CONFLICT_P = 0.01  # below it the foci contradict the kinetics and do not reweight them
_LEAST_EFFECTIVE = 100.0


@dataclass(frozen=True, eq=False)
class StudyFoci:
    """What the foci of a study say.

    Attributes
    ----------
    samples : mapping of int to tuple of FociSample
        By cycle.
    calibration : CalibrationCurve
        Line of the laboratory.
    dispersion : float
        Variance over mean of the counts.
    alone : mapping of int to FociDoseEstimate
        Blood dose of each cycle from foci alone.
    physical_gy : mapping of int to ndarray, shape (n_draws,)
        Blood dose of each cycle from activity measurements alone (Gy), before the update.
    agreement : mapping of int to DoseAgreement
        Physical dose against the dose from foci.
    update : FociUpdate
        Joint draws of dose and repair given the foci, whether used or not.
    used : bool
        Whether the update was taken over.
    index : ndarray of int
        Draws to keep: resampled if used, unchanged otherwise.
    repair : RepairDraws
        Induction and repair that go with the draws kept.
    background_per_cell : mapping of int to ndarray, shape (n_draws,)
        Spontaneous foci of each cycle that go with the draws kept.
    status : str
        ``"ok"``, or why the foci were not used, or what is wrong, in words.
    assumptions : tuple of str
        In words.
    """

    samples: Mapping[int, tuple[FociSample, ...]]
    calibration: CalibrationCurve
    dispersion: float
    alone: Mapping[int, FociDoseEstimate]
    physical_gy: Mapping[int, npt.NDArray[np.float64]]
    agreement: Mapping[int, DoseAgreement]
    update: FociUpdate
    used: bool
    index: npt.NDArray[np.intp]
    repair: RepairDraws
    background_per_cell: Mapping[int, npt.NDArray[np.float64]]
    status: str
    assumptions: tuple[str, ...]


def read_foci(
    study: Study, blood: Mapping[int, AbsorbedDose], *, rng: np.random.Generator
) -> StudyFoci | None:
    """Evaluate the foci of a study against its blood doses; None if there are no foci.

    The update is taken over only if it can be trusted: enough effective draws, and no conflict
    (prior-predictive p < 0.01) between foci and kinetics, which would point to the wrong
    calibration rather than to a different dose.

    Parameters
    ----------
    study : Study
        The study.
    blood : mapping of int to AbsorbedDose
        Blood dose of each cycle, leading axis draws.
    rng : numpy.random.Generator
        Source of randomness.
    """
    samples = _samples(study)
    if not any(s.time_h >= 0 for group in samples.values() for s in group):
        return None
    calibration, notes = study_calibration(study)
    dispersion = study.methods.foci_dispersion or _dispersion(samples)
    rates = {cycle: blood[cycle].dose_rate for cycle in samples}
    n_draws = next(iter(rates.values())).shape[0]
    prior = RepairModel(calibration)
    update = update_draws(rates, samples, prior, rng=rng, dispersion=dispersion)
    repair = draw_repair(prior, _REPAIR_PER_DRAW * n_draws, rng)
    alone, agreements = {}, {}
    for cycle, group in samples.items():
        if any(s.time_h >= 0 for s in group):
            shape = rates[cycle][np.arange(len(repair)) % n_draws]
            alone[cycle] = blood_dose_from_foci(
                group, shape, repair_draws=repair, rng=rng, dispersion=dispersion
            )
            agreements[cycle] = agreement(blood[cycle].dose_gy, alone[cycle].dose_gy)
    used = (
        update.prior_predictive_p >= _CONFLICT_P
        and update.effective_sample_size >= _LEAST_EFFECTIVE
    )
    kept = update
    if not used:
        before = {cycle: [s for s in group if s.is_baseline] for cycle, group in samples.items()}
        kept = update_draws(rates, before, prior, rng=rng, dispersion=dispersion)
    return StudyFoci(
        samples=samples,
        calibration=calibration,
        dispersion=dispersion,
        alone=alone,
        physical_gy={cycle: blood[cycle].dose_gy for cycle in alone},
        agreement=agreements,
        update=update,
        used=used,
        index=kept.indices,
        repair=kept.repair,
        background_per_cell=kept.background_per_cell,
        status=_status(update, agreements, used),
        assumptions=tuple(dict.fromkeys((*notes, *update.assumptions))),
    )


def _status(update: FociUpdate, agreements: Mapping[int, DoseAgreement], used: bool) -> str:
    """Whether the foci were used, and what speaks against them."""
    conflicts = [
        f"in cycle {cycle} there is a {result.status} (p = {result.p_value:.2g})"
        for cycle, result in agreements.items()
        if result.status.startswith("conflict")
    ]
    if used and not conflicts:
        return update.status
    start = "used" if used else "not used to update the kinetics"
    return "; ".join([start, *conflicts, *([] if update.status == "ok" else [update.status])])


def _samples(study: Study) -> dict[int, tuple[FociSample, ...]]:
    cycles = sorted({row.cycle for row in study.foci})
    return {
        cycle: tuple(
            FociSample(row.cycle, row.time_h, row.cells, row.foci, _exact(row))
            for row in study.foci
            if row.cycle == cycle
        )
        for cycle in cycles
    }


def _exact(row: FociRow) -> tuple[int, ...] | None:
    """The distribution, unless its last class (6 and more) hides how many foci there were."""
    if row.distribution is None:
        return None
    total = sum(foci * cells for foci, cells in enumerate(row.distribution))
    return row.distribution if total == row.foci else None


def study_calibration(study: Study) -> tuple[CalibrationCurve, tuple[str, ...]]:
    """The laboratory's own line, or the published one with a warning.

    Parameters
    ----------
    study : Study
        The study.
    """
    own = study.methods.foci_calibration
    if own is None:
        return eberlein_2015(), (
            "ASSUMED: the published calibration of another laboratory (Eberlein 2015, 14.7 foci "
            "per cell and Gy) applies here; laboratories differ by an order of magnitude",
        )
    line = calibration_line(
        slope_per_gy=own.slope_per_gy,
        slope_sd=own.slope_sd,
        irradiation_h=own.irradiation_h,
        source=own.source or "study.yaml",
    )
    return line, ()


def _dispersion(samples: Mapping[int, tuple[FociSample, ...]]) -> float:
    """Pooled dispersion index of the distributions, where they deviate from Poisson."""
    tests = [
        dispersion_test(s.distribution)
        for group in samples.values()
        for s in group
        if s.distribution is not None and s.foci > 1
    ]
    if not tests or max(test.u for test in tests) <= 1.96:
        return 1.0
    return max(1.0, float(np.mean([test.index for test in tests])))
