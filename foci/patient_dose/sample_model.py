"""Samples of all cycles: what they counted, and what dose and repair predict for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from foci.counting.counts import FociSample, log_likelihood
from foci.errors import FociError
from foci.patient_dose.estimate import SplitSamples, predict_foci, split_baseline
from foci.repair.prior import Dispersion, RepairDraws, RepairModel
from kinetics import SumOfExponentials
from kinetics.curves import FloatArray

_FARTHEST = 8.0  # standardised coordinates beyond it count as it
_KNOTS = np.arange(-3.0, 3.1, 0.5)  # normal quantiles between which the dose is interpolated

Curves = Mapping[int, SumOfExponentials]
Samples = Mapping[int, SplitSamples]
RepairAt = Callable[[FloatArray], dict[int, RepairDraws]]


def number_of_draws(dose_rate: Curves) -> int:
    """Common number of dose draws."""
    shapes = {curve.shape for curve in dose_rate.values()}
    if len(shapes) != 1:
        raise FociError(f"every cycle needs the same draws of the dose rate, got {shapes}")
    shape = shapes.pop()
    if len(shape) != 1 or shape[0] == 0:
        raise FociError(f"dose rates need leading shape (n_dose,), got {shape}")
    return shape[0]


def samples_of(
    cycle: int, samples: Sequence[FociSample], dose_rate: Curves, dispersion: Dispersion
) -> SplitSamples:
    """Checked samples of a cycle, before and after the administration."""
    if cycle not in dose_rate:
        raise FociError(f"cycle {cycle} has foci samples but no dose rate")
    wrong = [sample.cycle for sample in samples if sample.cycle != cycle]
    if wrong:
        raise FociError(f"a sample of cycle {wrong[0]} was given under cycle {cycle}")
    return split_baseline(samples, dispersion)


def samples_by_cycle_of(
    samples_by_cycle: Mapping[int, Sequence[FociSample]],
    dose_rate: Curves,
    dispersion: float | Mapping[int, Dispersion],
) -> Samples:
    """Checked samples of every cycle, in order."""
    if isinstance(dispersion, Mapping):
        missing = sorted(samples_by_cycle.keys() - dispersion.keys())
        if missing:
            raise FociError(f"dispersion has no value for cycle {missing[0]}: give one each")
        by_cycle = dict(dispersion)
    else:
        by_cycle = dict.fromkeys(samples_by_cycle, dispersion)
    return {
        cycle: samples_of(cycle, given, dose_rate, by_cycle[cycle])
        for cycle, given in sorted(samples_by_cycle.items())
    }


def counted(
    samples: Samples,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """Foci, cells and dispersions of all samples after the administrations, each (n_samples,)."""
    after = [sample for split in samples.values() for sample in split.after]
    phi = [value for split in samples.values() for value in split.dispersion_after]
    return np.array([s.foci for s in after]), np.array([s.cells for s in after]), np.array(phi)


def repair_by_cycle(prior: RepairModel, samples: Samples) -> RepairAt:
    """Map joint coordinates to repair and background of each cycle with samples.

    The coordinates are those of the prior without its background, one background for each
    cycle, and last the dose rank.
    """
    shared = list(range(prior.n_coordinates - 1))

    def repair_at(z: FloatArray) -> dict[int, RepairDraws]:
        near = np.clip(z, -_FARTHEST, _FARTHEST)
        return {
            cycle: prior.at(
                near[:, [*shared, len(shared) + i]],
                baseline=split.before,
                dispersion=split.dispersion_before,
            )
            for i, (cycle, split) in enumerate(samples.items())
        }

    return repair_at


def starts_of(prior: RepairModel, n_coordinates: int) -> FloatArray:
    """The median of the prior, and slow and fast repair."""
    starts = np.zeros((3, n_coordinates))
    starts[:, 3 : prior.n_coordinates - 1] = np.array([0.0, -1.5, 1.5])[:, None]
    return starts


def expected_foci(
    curves: Curves, samples: Samples, repair: Mapping[int, RepairDraws]
) -> FloatArray:
    """Mean foci per cell of all samples after the administrations, shape (n, n_samples)."""
    parts = [
        predict_foci(curves[cycle], [sample.time_h for sample in split.after], repair[cycle])
        for cycle, split in samples.items()
        if split.after
    ]
    return np.concatenate(parts, axis=-1)


def rows_of(curves: Curves, indices: npt.NDArray[np.intp]) -> Curves:
    """The same draws of every cycle."""
    return {cycle: curve[indices] for cycle, curve in curves.items()}


def dose_by_rank(
    dose_rate: Curves, samples: Samples, typical: Mapping[int, RepairDraws]
) -> tuple[
    Callable[[FloatArray], Curves], Callable[[FloatArray], npt.NDArray[np.intp]], FloatArray
]:
    """Smooth dose rates and dose draws at the last of the coordinates, the normal rank.

    Also the CV of each sample's share of the excess foci, shape (n_samples,). `typical` is the
    median of the prior, once for each dose draw.
    """
    from scipy.interpolate import PchipInterpolator
    from scipy.special import ndtr

    n_dose = number_of_draws(dose_rate)
    repair = {
        cycle: replace(draws, background_per_cell=np.zeros(n_dose))
        for cycle, draws in typical.items()
    }
    excess = np.maximum(expected_foci(dose_rate, samples, repair) * counted(samples)[1], 1e-12)
    total = excess.sum(-1)
    share = excess / total[:, None]
    mean_share = share.mean(0)
    order = np.argsort(total, kind="stable")
    middle = np.argmin(((share - mean_share) ** 2 / mean_share).sum(-1), keepdims=True)
    log_scale = PchipInterpolator(
        _KNOTS, np.quantile(np.log(total), ndtr(_KNOTS)) - np.log(total[middle])
    )

    def smooth(z: FloatArray) -> Curves:
        scale = np.exp(log_scale(np.clip(z[:, -1], _KNOTS[0], _KNOTS[-1])))
        return {cycle: curve[middle].scaled(scale) for cycle, curve in dose_rate.items()}

    def draw_of(z: FloatArray) -> npt.NDArray[np.intp]:
        rank = np.floor(ndtr(z[:, -1]) * n_dose).astype(np.intp)
        return np.asarray(order[np.minimum(rank, n_dose - 1)])

    return smooth, draw_of, share.std(0) / mean_share


def mid_p(observed: int, expected: FloatArray, dispersion: float) -> float:
    """Two-sided mid-p value of a total count, averaged over its expected values."""
    from scipy.special import betainc, gammaincc

    at = np.exp(log_likelihood(observed, 1, expected, dispersion=dispersion))
    if observed == 0:
        below = np.zeros_like(expected)
    elif dispersion == 1:
        below = gammaincc(observed, expected)
    else:
        below = betainc(expected / (dispersion - 1), observed, 1 / dispersion)
    lower = float((below + at / 2).mean())
    return 2 * min(lower, 1 - lower)
