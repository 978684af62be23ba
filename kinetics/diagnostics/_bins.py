"""Strata and time bins of a predictive check, and quantiles with values below the limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from kinetics.diagnostics._rows import occasion_of_rows
from kinetics.errors import KineticsError
from kinetics.population.data import PopulationData

_MOST_LEVELS = 6


@dataclass(frozen=True, eq=False)
class Stratum:
    """Observations that are compared together.

    Attributes
    ----------
    name : str
        Region, and level of the covariate.
    rows : list of ndarray of int
        Observations of each bin.
    heads : list of dict
        What identifies each bin in a table.
    """

    name: str
    rows: list[np.ndarray]
    heads: list[dict[str, object]]


def strata(
    data: PopulationData,
    bins: int | Sequence[float],
    stratify: str | None,
    usable: np.ndarray,
) -> tuple[list[Stratum], list[str]]:
    """Strata of the usable observations, and notes."""
    labels = _levels(data, stratify)
    out: list[Stratum] = []
    notes: list[str] = []
    for r, region in enumerate(data.regions):
        for label in dict.fromkeys(labels.tolist()):
            chosen = np.flatnonzero(usable & (data.region == r) & (labels == label))
            if not len(chosen):
                continue
            name = f"{region}, {label}" if label else region
            edges = bin_edges(data.time_h[chosen], bins)
            place = np.searchsorted(edges, data.time_h[chosen], side="right") - 1
            place[data.time_h[chosen] == edges[-1]] = len(edges) - 2
            outside = (place < 0) | (place > len(edges) - 2)
            if outside.any():
                notes.append(f"{name}: {int(outside.sum())} observations lie outside the bins")
            rows = [chosen[place == b] for b in range(len(edges) - 1)]
            kept = [(part, b) for b, part in enumerate(rows) if len(part)]
            heads: list[dict[str, object]] = [
                {
                    "stratum": name, "region": region, "bin": number,
                    "time_h": float(np.median(data.time_h[part])),
                    "start_h": float(edges[b]), "stop_h": float(edges[b + 1]),
                }
                for number, (part, b) in enumerate(kept)
            ]  # fmt: skip
            if kept:
                out.append(Stratum(name, [part for part, _ in kept], heads))
    if not out:
        raise KineticsError("no observation lies in the bins")
    return out, notes


def _levels(data: PopulationData, stratify: str | None) -> np.ndarray:
    """Label (n,) of the level of a covariate; empty text without one."""
    if stratify is None or stratify == "region":
        return np.full(len(data.value), "", dtype=object)
    if stratify not in data.covariates:
        raise KineticsError(
            f"stratify = {stratify!r}; legal are the covariates "
            f"({', '.join(data.covariates) or 'none'}) or None"
        )
    value = np.asarray(data.covariates[stratify])[occasion_of_rows(data)]
    if len(np.unique(value)) <= _MOST_LEVELS:
        return np.array([f"{stratify} = {v:g}" for v in value], dtype=object)
    middle = float(np.median(data.covariates[stratify]))
    low, high = f"{stratify} ≤ {middle:g}", f"{stratify} > {middle:g}"
    return np.where(value <= middle, low, high).astype(object)


def bin_edges(time_h: FloatArray, bins: int | Sequence[float]) -> FloatArray:
    """Edges (n_bins + 1,) of bins in time, h; between times where the number is given."""
    if not isinstance(bins, (int, np.integer)):
        edges = np.asarray(bins, dtype=np.float64)
        if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise KineticsError("edges of bins are at least two ascending times (h)")
        return edges
    if bins < 1:
        raise KineticsError(f"{bins} bins; at least 1 is legal")
    times = np.unique(time_h)
    if len(times) <= bins:
        upper = times[:-1]
    else:
        inner = np.quantile(time_h, np.arange(1, bins) / bins, method="lower")
        upper = np.unique(inner)
        upper = upper[upper < times[-1]]
    following = times[np.searchsorted(times, upper, side="right")]
    reach = 0.5 if len(times) == 1 else 0.0
    return np.concatenate([[times[0] - reach], 0.5 * (upper + following), [times[-1] + reach]])


def quantiles_of(value: FloatArray, level: FloatArray, axis: int = -1) -> FloatArray:
    """Quantiles by linear interpolation; minus infinity where one falls below the limit.

    Parameters
    ----------
    value : ndarray, shape (..., n)
        Values; minus infinity below the limit.
    level : ndarray, shape (q,)
        Levels of the quantiles.
    axis : int
        The axis of n; the quantiles take its place.
    """
    ordered = np.sort(np.moveaxis(value, axis, -1), axis=-1)
    position = level * (ordered.shape[-1] - 1)
    lower, upper = np.floor(position).astype(int), np.ceil(position).astype(int)
    a, b = ordered[..., lower], ordered[..., upper]
    with np.errstate(invalid="ignore"):
        between = np.where(np.isneginf(a), -np.inf, a + (position - lower) * (b - a))
    return np.moveaxis(between, -1, axis)
