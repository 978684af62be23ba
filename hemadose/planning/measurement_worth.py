"""What one more measurement would be worth before a study's next cycle is decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from foci import RepairModel, draw_repair, predict_foci
from hemadose.assessment.assess import Assessment
from hemadose.assessment.damage import study_calibration
from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.problem import Choice, Problem, checked_problem
from hemadose.planning.recommend import decide, decide_weighted, exceeding
from hemadose.planning.recommendation import Measurement
from hemadose.planning.risks import Risks
from hemadose.planning.rules import LabelDecision
from hemadose.planning.situation import FloatArray, Situation

_N_OUTCOMES = 400
_FEW = 30  # effective draws
_IMAGE_H, _BLOOD_H, _WHOLE_BODY_H, _FOCI_H = 72.0, 24.0, 48.0, 2.0  # ASSUMED sampling times
_CELLS = (100, 500)

WORTH_ASSUMPTIONS = (
    "ASSUMED: one more measurement errs as the study's methods say and tells of the patient what "
    "the models say; sampling times are 24 h (blood, marrow), 48 h (whole body), 72 h (kidneys) "
    "and 2 h (foci) after the last cycle, and today for a blood count.",
)


class Planned(NamedTuple):
    """A measurement: its name, what it measures in each draw, sd of the log errors, its day.

    ``value`` has the shape (n_values, n_draws), ``log_sd`` (n_values,).
    """

    name: str
    value: FloatArray
    log_sd: FloatArray
    day: float


def study_measurements(
    assessment: Assessment,
    situation: Situation,
    limits: PlanningLimits,
    risks: Risks,
    label: LabelDecision,
    *,
    rng: np.random.Generator,
) -> tuple[Measurement, ...]:
    """What more measurements of a study would be worth; the model's decision if the label holds.

    Parameters
    ----------
    assessment : Assessment
        The chain's result.
    situation : Situation
        The same patient as a policy sees it.
    limits : PlanningLimits
        For the lowest useful and the highest activity.
    risks : Risks
        Risks on the grid.
    label : LabelDecision
        What the label says.
    rng : numpy.random.Generator
        For the outcomes.
    """
    problem = checked_problem(
        risks.activity_gbq,
        risks.interval_days,
        risks.constraints,
        limits.max_activity_gbq,
        limits.min_useful_activity_gbq,
        label,
    )
    if problem.label_code != 0:  # the model alone
        problem = replace(problem, label_code=0, n_label=len(problem.activity))
    tumour = situation.tumour_gy_per_gbq[0, :, 0] if assessment.study.tumours else None
    return tuple(
        measurement_worth(
            planned,
            problem,
            tumour_gy_per_gbq=tumour,
            decision_day=assessment.study.decision_day,
            rng=rng,
        )
        for planned in planned_measurements(assessment, situation)
    )


def measurement_worth(
    planned: Planned,
    problem: Problem,
    *,
    tumour_gy_per_gbq: FloatArray | None,
    decision_day: float,
    rng: np.random.Generator,
) -> Measurement:
    r"""How often one more measurement would change the decision, and what it would gain.

    Parameters
    ----------
    planned : Planned
        The measurement.
    problem : Problem
        The grid, limits and draws of the decision.
    tumour_gy_per_gbq : ndarray, shape (n_draws,), or None
        Tumour dose per activity of the next cycle.
    decision_day : float
        Day of the decision.
    rng : numpy.random.Generator
        For the outcomes.

    Notes
    -----
    Preposterior analysis as in `value_of_sample`, with the decision of the study itself: outcome
    :math:`y_j = x_{i(j)} + s z_j`, with x the logarithm of the value, gives draw i the weight
    :math:`e^{-(y_j - x_i)^2 / 2s^2}` (a product over the values measured), and the decision is
    made anew with these weights. The same weights dealt to the draws at random show how often
    chance alone changes it.

    References
    ----------
    Raiffa H, Schlaifer R. Applied Statistical Decision Theory. Harvard 1961.
    """
    x = np.log(planned.value)
    n_draws = x.shape[-1]
    truth = rng.permutation(np.arange(_N_OUTCOMES) * n_draws // _N_OUTCOMES)
    sd = planned.log_sd[:, None]
    outcome = x[:, truth] + sd * rng.standard_normal((len(x), _N_OUTCOMES))
    log_weight = -0.5 * (((outcome[..., None] - x[:, None]) / sd[..., None]) ** 2).sum(0)
    weight = np.exp(log_weight - log_weight.max(-1, keepdims=True))
    weight *= n_draws / weight.sum(-1, keepdims=True)
    columns = exceeding(problem)
    now = decide(problem, columns.sum(0).reshape(1, *_cells(problem)), n_draws)
    informed = decide_weighted(problem, columns, weight, n_draws)
    dealt = rng.permuted(weight, axis=-1)
    chance = float(_changed(now, decide_weighted(problem, columns, dealt, n_draws)).mean())
    share = float(_changed(now, informed).mean())
    before, after = _activity(problem, now), _activity(problem, informed)
    more = after - before
    tumour, tumour_error = None, None
    if tumour_gy_per_gbq is not None:
        gain = more * (weight @ tumour_gy_per_gbq) / n_draws
        tumour, tumour_error = float(gain.mean()), _error(gain)
    ess = float(np.median(n_draws**2 / (weight**2).sum(-1)))
    smoothed = (share * _N_OUTCOMES + 1) / (_N_OUTCOMES + 2)
    error = float(np.sqrt(smoothed * (1 - smoothed) / _N_OUTCOMES))
    return Measurement(
        name=planned.name,
        still_possible=planned.day >= decision_day,
        change_probability=share,
        change_error=error,
        change_by_chance=chance,
        activity_gain_gbq=float(more.mean()),
        activity_gain_error_gbq=_error(more),
        tumour_gain_gy=tumour,
        tumour_gain_error_gy=tumour_error,
        effective_sample_size=ess,
        status=_status(share, error, chance, ess),
    )


def planned_measurements(assessment: Assessment, situation: Situation) -> Iterator[Planned]:
    """Measurements worth thinking of, each with its value in the draws of the situation.

    Parameters
    ----------
    assessment : Assessment
        The chain's result.
    situation : Situation
        The same patient as a policy sees it.
    """
    study = assessment.study
    count = [(c.state[..., 4] * c.parameters.baseline)[0] for c in situation.counts]
    residual = [_log_sd(assessment.counts[c.lineage].prior.residual_cv) for c in situation.counts]
    yield Planned("full blood count today", np.array(count), np.array(residual), study.decision_day)
    if not study.cycles:
        return
    n = situation.marrow_gy_per_gbq.shape[-1]
    last = study.cycles[-1].number
    given = {row.region for row in study.doses}
    for region, time_h, text in _samples(assessment):
        if region not in given:
            yield _activity_sample(assessment, region, time_h, text, n)
    if "blood" not in given:
        per_cell = _foci_per_cell(assessment, last, n)
        dispersion = assessment.foci.dispersion if assessment.foci else 1.0
        for cells in _CELLS:
            yield Planned(
                f"foci in {cells} cells {_FOCI_H:g} h after cycle {last}",
                per_cell[None],
                np.sqrt([dispersion / (cells * np.median(per_cell))]),
                study.cycle_day(last) + _FOCI_H / 24.0,
            )


def _samples(assessment: Assessment) -> list[tuple[str, float, str]]:
    """Region, time and wording of the activity measurements that the decision could rest on."""
    iodine = assessment.study.therapy.nuclide == "I-131"
    by_image = assessment.doses.marrow_method == "image"
    found = []
    if iodine or not by_image:
        found.append(("blood", _BLOOD_H, "blood sample"))
    if by_image:
        found.append(("marrow", _BLOOD_H, "image of the marrow"))
    if iodine:
        found.append(("whole_body", _WHOLE_BODY_H, "whole-body measurement"))
    else:
        found.append(("kidneys", _IMAGE_H, "image of the kidneys"))
    return found


def _activity_sample(
    assessment: Assessment, region: str, time_h: float, text: str, n: int
) -> Planned:
    study, kinetics = assessment.study, assessment.kinetics
    last = study.cycles[-1].number
    value = kinetics.curves[last][region][:n](time_h)
    model = next(fit.model for fit in kinetics.fits if region in fit.model.regions)
    middle = np.median(value)
    decay = np.exp(-model.decay_per_h * np.array(time_h))
    sd = model.residual[region].sd(np.array(middle), decay)
    return Planned(
        f"{text} {time_h:g} h after cycle {last}",
        np.maximum(value, 1e-6 * middle)[None],
        np.array([_log_sd(float(sd / middle))]),
        study.cycle_day(last) + time_h / 24.0,
    )


def _foci_per_cell(assessment: Assessment, cycle: int, n: int) -> FloatArray:
    """Mean foci per cell in each draw, with its own induction and repair."""
    rate = assessment.doses.doses[cycle]["blood"].dose_rate[:n]
    if assessment.foci is not None:
        repair = assessment.foci.repair
    else:  # a fixed seed of its own: the plan's other random numbers stay as they are
        calibration, _ = study_calibration(assessment.study)
        repair = draw_repair(RepairModel(calibration), assessment.n_draws, np.random.default_rng(0))
    own = replace(
        repair,
        induction_per_gy=repair.induction_per_gy[:n],
        repair_rate_per_h=repair.repair_rate_per_h[:n],
        background_per_cell=repair.background_per_cell[:n],
    )
    return predict_foci(rate, _FOCI_H, own)


def _log_sd(cv: float) -> float:
    return float(np.sqrt(np.log1p(cv**2)))


def _cells(problem: Problem) -> tuple[int, int, int]:
    return len(problem.constraints), len(problem.interval), len(problem.activity)


def _changed(now: Choice, other: Choice) -> np.ndarray:
    """Whether action, interval or activity (by more than one step) differ."""
    differs = other.action != now.action[0]
    if now.action[0] == 0:
        differs |= np.abs(other.activity - now.activity[0]) > 1
        differs |= other.interval != now.interval[0]
    return np.asarray(differs)


def _activity(problem: Problem, choice: Choice) -> FloatArray:
    return np.where(choice.action == 0, problem.activity[np.maximum(choice.activity, 0)], 0.0)


def _error(values: FloatArray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _status(share: float, error: float, chance: float, ess: float) -> str:
    text = f"It changes the decision with probability {share:.2f} ± {error:.2f}"
    if share <= chance + 2 * error:
        text += ", no more than chance would" if chance > 0 else ""
    text += "."
    if ess < _FEW:
        text += f" Too few draws for it (worth {ess:.0f}): its worth is overstated."
    return text
