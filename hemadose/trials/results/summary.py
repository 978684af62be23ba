"""Operating characteristics of a trial's arms with their Monte Carlo error, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hemadose.trials.results.metrics import kind_of, patient_metrics
from hemadose.trials.results.moments import Z95, Moments, merged, moments_of, wilson

if TYPE_CHECKING:
    import pandas as pd

    from hemadose.planning.situation import FloatArray
    from hemadose.trials.settings import TrialSettings


@dataclass(frozen=True)
class Tally:
    """What is kept of the rows seen so far.

    Attributes
    ----------
    metrics : tuple of str
        Names of the columns.
    values : mapping of str to Moments
        Metrics of each arm.
    differences : mapping of str to Moments
        Arm minus reference arm, patient by patient.
    """

    metrics: tuple[str, ...]
    values: dict[str, Moments]
    differences: dict[str, Moments]


def tally(tables: Iterable[pd.DataFrame], trial: TrialSettings, *, planned_cycles: int) -> Tally:
    """Sum up the chunks of a trial; memory does not grow with their number.

    Parameters
    ----------
    tables : iterable of DataFrame
        Chunks in order, one row a patient and arm.
    trial : TrialSettings
        Its arms and the reference.
    planned_cycles : int
        Cycles that the true tolerance is meant for.
    """
    whole: Tally | None = None
    for table in tables:
        part = _chunk_tally(table, trial, planned_cycles)
        whole = part if whole is None else _together(whole, part)
    if whole is None:
        raise ValueError("a trial has at least one chunk")
    return whole


def summary_table(found: Tally, trial: TrialSettings) -> pd.DataFrame:
    """Operating characteristics, one row an arm and metric.

    Parameters
    ----------
    found : Tally
        As `tally` returns it.
    trial : TrialSettings
        Its arms and the reference.

    Returns
    -------
    DataFrame
        ``arm``, ``policy``, ``metric``, ``kind`` (mean over patients, or share of them), ``n``
        (patients to whom it applies), ``value``, its Monte Carlo standard error ``se`` and 95 %
        interval ``lower`` to ``upper`` (Wilson's for a share, normal for a mean). ``difference``
        and ``ratio`` compare with the reference arm in the same patients, each with standard
        error and normal 95 % interval; that of the ratio is by the delta method.
    """
    import pandas as pd

    reference = found.values[trial.reference_arm]
    frames = []
    for arm in trial.arms:
        values, step = found.values[arm.name], found.differences[arm.name]
        names = pd.Series(found.metrics)
        frame = pd.DataFrame({"arm": arm.name, "policy": arm.policy, "metric": names})
        frame["kind"] = names.map(kind_of)
        frame["n"] = values.n.astype(np.int64)
        frame["value"] = np.where(values.n > 0, values.mean, np.nan)
        frame["se"] = values.se
        share = (frame["kind"] == "share").to_numpy()
        low, high = wilson(np.where(share, values.mean, np.nan), values.n)
        frame["lower"] = np.where(share, low, frame["value"] - Z95 * frame["se"])
        frame["upper"] = np.where(share, high, frame["value"] + Z95 * frame["se"])
        if arm.name != trial.reference_arm:
            frame["difference"] = np.where(step.n > 0, step.mean, np.nan)
            frame = _with_interval(frame, "difference", step.se)
            ratio, ratio_se = _ratio(values, reference, step)
            frame["ratio"] = np.where(share, np.nan, ratio)
            frame = _with_interval(frame, "ratio", np.where(share, np.nan, ratio_se))
        frames.append(frame[frame["n"] > 0])
    table = pd.concat(frames, ignore_index=True)
    return table.reindex(columns=list(COLUMNS))


COLUMNS = (
    *("arm", "policy", "metric", "kind", "n", "value", "se", "lower", "upper"),
    *("difference", "difference_se", "difference_lower", "difference_upper"),
    *("ratio", "ratio_se", "ratio_lower", "ratio_upper"),
)


def _with_interval(frame: pd.DataFrame, name: str, se: FloatArray) -> pd.DataFrame:
    import pandas as pd

    value = frame[name]
    return frame.join(
        pd.DataFrame(
            {
                f"{name}_se": se,
                f"{name}_lower": value - Z95 * se,
                f"{name}_upper": value + Z95 * se,
            }
        )
    )


def _ratio(arm: Moments, reference: Moments, step: Moments) -> tuple[FloatArray, FloatArray]:
    """Ratio of means and its standard error, where both hold the same patients and are not 0.

    With d = x - r, cov(x, r) = (var x + var r - var d) / 2.
    """
    legal = (arm.n == reference.n) & (arm.n == step.n) & (reference.mean > 0) & (arm.mean > 0)
    x, r, n = (np.where(legal, v, np.nan) for v in (arm.mean, reference.mean, arm.n))
    covariance = (arm.variance + reference.variance - step.variance) / 2
    relative = arm.variance / x**2 + reference.variance / r**2 - 2 * covariance / (x * r)
    return x / r, x / r * np.sqrt(np.maximum(relative, 0.0) / n)


def _chunk_tally(table: pd.DataFrame, trial: TrialSettings, planned_cycles: int) -> Tally:
    metrics = patient_metrics(table, planned_cycles=planned_cycles)
    arms = {
        arm.name: metrics[(table["arm"] == arm.name).to_numpy()].to_numpy() for arm in trial.arms
    }
    reference = arms[trial.reference_arm]
    return Tally(
        tuple(map(str, metrics)),
        {name: moments_of(rows) for name, rows in arms.items()},
        {name: moments_of(rows - reference) for name, rows in arms.items()},
    )


def _together(a: Tally, b: Tally) -> Tally:
    if a.metrics != b.metrics:
        names = tuple(dict.fromkeys((*a.metrics, *b.metrics)))
        a, b = _with_metrics(a, names), _with_metrics(b, names)
    return Tally(
        a.metrics,
        {arm: merged(a.values[arm], b.values[arm]) for arm in a.values},
        {arm: merged(a.differences[arm], b.differences[arm]) for arm in a.values},
    )


def _with_metrics(found: Tally, names: tuple[str, ...]) -> Tally:
    """The same tally with more columns, in which nothing was seen."""
    place = [names.index(name) for name in found.metrics]

    def wider(part: Moments) -> Moments:
        columns = np.zeros((3, len(names)))
        columns[:, place] = part.n, part.mean, part.squares
        return Moments(*columns)

    return Tally(
        names,
        {arm: wider(part) for arm, part in found.values.items()},
        {arm: wider(part) for arm, part in found.differences.items()},
    )
