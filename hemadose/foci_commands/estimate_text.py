"""What `hemadose foci estimate` says in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hemadose.foci_commands.estimate_results import CycleResult, Estimate, SampleResult

if TYPE_CHECKING:
    from hemadose.foci_commands.estimate_course import CourseDose


def estimate_text(found: Estimate) -> str:
    """Counts, doses and what they rest on, in words and columns."""
    lines = [f"Calibration: {found.curve.source or 'without a name'}"]
    if found.curve.status != "ok":
        lines.append(f"  Warning: {found.curve.status}")
    for result in found.cycles:
        lines += ["", *_cycle(result, found)]
    lines += ["", *_meaning(found)]
    lines += [f"Note: {note}" for note in found.notes]
    if found.assumptions:
        lines += ["It rests on:", *(f"- {words}" for words in found.assumptions)]
    return "\n".join([*lines, "Research use, not a medical device."])


def _cycle(result: CycleResult, found: Estimate) -> list[str]:
    title, baseline = result.cycle.title, result.cycle.pooled_baseline
    words = result.cycle.note
    if baseline:
        words = (
            f"baseline {baseline.foci} foci in {baseline.cells} cells, {baseline.per_cell:.3f} "
            "per cell" + (f" ({words})" if words else "")
        )
    lines = [f"{title}: {words}"]
    for one in result.samples:
        lines += _sample(one, found, with_doses=result.course is None)
    return lines + (_course(result, found.level) if result.course else [])


def _sample(one: SampleResult, found: Estimate, *, with_doses: bool) -> list[str]:
    sample = one.sample
    lines = [
        f" {sample.time_h:g} h: {sample.foci} foci in {sample.cells} cells, {sample.per_cell:.3f} "
        "per cell",
        f"  above the background {one.excess_per_cell:.3f} +- {one.excess_sd:.3f} per cell"
        f"{_p(one)}",
    ]
    if one.limits:
        doses = ("", "")
        if one.limit_doses:
            doses = (
                f" ({1000 * one.limit_doses.threshold_dose_gy:.1f} mGy)",
                f" ({1000 * one.limit_doses.detection_limit_dose_gy:.1f} mGy)",
            )
        lines.append(
            f"  decision threshold {one.limits.threshold_per_cell:.3f}{doses[0]}, detection limit "
            f"{one.limits.detection_limit_per_cell:.3f} per cell{doses[1]}"
        )
    if one.test:
        lines.append(
            f"  cells: {one.test.status} (index {one.test.index:.2f}, p = {one.test.p_value:.2g})"
        )
    if one.status != "ok":
        lines.append(f"  Warning: {one.status}")
    return lines + (_doses(one, found.level) if with_doses else [])


def _p(one: SampleResult) -> str:
    if np.isnan(one.p_value):
        return ""
    return f", p = {one.p_value:.2g} (exact, Poisson counts)"


def _doses(one: SampleResult, level: float) -> list[str]:
    lines = [f"  {'':<14}{'dose (mGy)':>10}  {level:.0%} interval"]
    for dose in one.doses:
        share = ""
        if np.isfinite(dose.fraction):
            low, high = dose.fraction_interval
            share = f" in {dose.fraction:.0%} of the cells ({low:.0%} to {high:.0%})"
        note = "" if dose.status == "ok" else f"  [{dose.status}]"
        shown = _interval(dose.interval_mgy)
        lines.append(f"  {dose.method:<14}{dose.dose_mgy:>10.1f}  {shown}{share}{note}")
    return lines


def _course(result: CycleResult, level: float) -> list[str]:
    course = result.course
    assert course is not None
    note = "" if course.status == "ok" else f"  [{course.status}]"
    lines = [
        f" Blood dose of the cycle: {course.total_mgy:.3g} mGy, {level:.0%} interval "
        f"{_interval(course.interval_mgy)}{note}"
    ]
    rows = zip(result.samples, course.received_mgy, course.received_interval_mgy, strict=True)
    for one, dose, interval in rows:
        lines.append(
            f"  received up to {one.sample.time_h:g} h: {dose:.3g} mGy ({_interval(interval)})"
        )
    return lines + _worth(course)


def _worth(course: CourseDose) -> list[str]:
    lines = ["  share of the variance of the log dose that a sample took away:"]
    for row in course.worth:
        name = "all samples" if row.sample == "all" else row.sample.split(", ")[-1]
        note = "" if row.status == "ok" else f"  [{row.status}]"
        lines.append(
            f"   {name:<12}{100 * row.variance_reduction:>6.1f} +- "
            f"{100 * row.monte_carlo_error:.1f} %{note}"
        )
    return lines


def _interval(interval: tuple[float, float]) -> str:
    if not np.isfinite(interval).all():
        return "not bounded"
    return f"{interval[0]:.3g} to {interval[1]:.3g}"


def _meaning(found: Estimate) -> list[str]:
    """For which samples the doses hold."""
    curve = found.curve
    protocol = f"for {curve.irradiation_h:g} h and kept for {curve.repair_h:g} h more"
    if found.with_phases:
        return [
            f"The slope of the curve (cells irradiated {protocol}) was corrected for repair once, "
            "here;",
            "give a curve that was not corrected before. The dose rate has the shape of --phase.",
        ]
    return [
        f"These doses are of samples irradiated like the calibration, {protocol}.",
        "The curve holds the repair of that time: correct for it once, never twice. They are not",
        "the blood dose of a patient, whose dose rate and repair --phase allows for.",
    ]
