"""Foci of all cycles brought to bear on joint draws of kinetics, dose and repair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.counts import FociSample, log_likelihood
from foci.errors import FociError
from foci.estimate import counting_assumptions, low_ess_status, predict_foci, split_baseline
from foci.repair import RepairDraws, RepairModel
from kinetics import (
    KineticsError,
    SumOfExponentials,
    effective_sample_size,
    normalised_weights,
    resample,
    sample_posterior,
)
from kinetics.curves import FloatArray

_CONFLICT = 0.01  # prior-predictive p below which the status speaks of a conflict
_PROPOSALS_PER_DRAW = 8
_FARTHEST = 8.0  # standardised coordinates beyond it count as it
_KNOTS = np.arange(-3.0, 3.1, 0.5)  # normal quantiles between which the dose is interpolated

Curves = Mapping[int, SumOfExponentials]
Samples = Mapping[int, tuple[list[FociSample], list[FociSample]]]
RepairAt = Callable[[FloatArray], dict[int, RepairDraws]]


@dataclass(frozen=True, eq=False)
class FociUpdate:
    """Equally weighted joint draws of dose, repair and background given counted foci.

    Attributes
    ----------
    indices : ndarray of int, shape (n,)
        Rows of the dose draws.
    repair : RepairDraws
        Induction and repair rates that go with them, n rows; its background is that of the
        first cycle with samples.
    background_per_cell : dict of int to ndarray, shape (n,)
        Spontaneous foci of each cycle that go with them.
    effective_sample_size : float
        The smaller of the effective sample sizes of the two stages of sampling.
    prior_predictive_p : float
        Two-sided mid-p of the total foci after the administrations under the draws before the
        update; small means the counts conflict with the dose or with the repair prior.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    indices: npt.NDArray[np.intp]
    repair: RepairDraws
    background_per_cell: dict[int, FloatArray]
    effective_sample_size: float
    prior_predictive_p: float
    status: str
    assumptions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Diagnostics and status, without the draws."""
        return {
            "effective_sample_size": self.effective_sample_size,
            "prior_predictive_p": self.prior_predictive_p,
            "status": self.status,
            "assumptions": self.assumptions,
        }


def update_draws(
    dose_rate: Curves,
    samples_by_cycle: Mapping[int, Sequence[FociSample]],
    prior: RepairModel,
    *,
    rng: np.random.Generator,
    dispersion: float = 1.0,
    n_draws: int | None = None,
) -> FociUpdate:
    r"""Draw dose rate, repair and backgrounds jointly, given the foci counted in all cycles.

    Induction and repair rates of a draw hold in every cycle. Each cycle has its own background,
    known from its own baseline or, without one, from the prior.

    Parameters
    ----------
    dose_rate : mapping of int to SumOfExponentials, leading shape (n_dose,)
        Blood dose rate of each cycle (Gy/h), rows in the same order in every cycle.
    samples_by_cycle : mapping of int to sequence of FociSample
        Samples of each cycle; every cycle needs its dose rate.
    prior : RepairModel
        Induction, repair rates and background before any focus is counted.
    rng : numpy.random.Generator
        Source of randomness.
    dispersion : float
        Variance over mean of the counts.
    n_draws : int, optional
        Number of draws returned; as many as dose draws by default.

    Returns
    -------
    FociUpdate
        Without a sample after an administration the dose draws stay as they are.

    Raises
    ------
    FociError
        If the dose draws do not match, a cycle has no dose rate, a sample is under the wrong
        cycle, or the counts are impossible.

    Notes
    -----
    The standard-normal coordinates are those of `RepairModel.at`, one background for each cycle,
    and the rank of the dose draw: its normal quantile. Dose draws are ranked by the excess foci
    they predict in all samples at the median of the prior. The coordinates are first sampled
    (`sample_posterior`) with a smooth stand-in for the dose, the draw of most typical shape scaled
    to the interpolated excess, and counts as much more dispersed as the draws differ in shape;
    each sample then takes the dose draw of its rank and is weighted with the exact density over
    the smooth one. The result is the joint posterior, with log likelihood
    :math:`\sum_s \log p(x_s \mid n_s \mu_s)` of the samples after the administrations; baselines
    enter through the background.

    Examples
    --------
    >>> import numpy as np
    >>> from foci import RepairModel, eberlein_2015
    >>> rng = np.random.default_rng(1)
    >>> dose = rng.lognormal(np.log(0.1), 0.4, 500)
    >>> rate = SumOfExponentials(0.5 * dose[:, None], [[0.5]])
    >>> samples = {1: [FociSample(1, -1.0, 200, 40), FociSample(1, 2.0, 200, 290)]}
    >>> update = update_draws({1: rate}, samples, RepairModel(eberlein_2015()), rng=rng)
    >>> update.status, bool(dose[update.indices].mean() > dose.mean())
    ('ok', True)
    """
    n_dose = _number_of_draws(dose_rate)
    n = n_dose if n_draws is None else n_draws
    if n < 1:
        raise FociError(f"n_draws must be 1 or more, got {n}")
    samples = {
        cycle: _samples_of(cycle, given, dose_rate)
        for cycle, given in sorted(samples_by_cycle.items())
    }
    n_coordinates = prior.n_coordinates + len(samples)
    repair_at = _repair_by_cycle(prior, samples, dispersion)
    if any(after for _, after in samples.values()):
        z, indices, ess, p_value, status = _posterior(
            dose_rate, samples, repair_at, _starts(prior, n_coordinates), rng, dispersion, n
        )
    else:
        z, indices = rng.standard_normal((n, n_coordinates)), np.arange(n) * n_dose // n
        ess, p_value = float(n), 1.0
        status = "no sample after an administration: the draws are unchanged"
    repair = repair_at(z)
    return FociUpdate(
        indices=indices,
        repair=next(iter(repair.values()), prior.at(z[:, : prior.n_coordinates])),
        background_per_cell={cycle: draws.background_per_cell for cycle, draws in repair.items()},
        effective_sample_size=ess,
        prior_predictive_p=p_value,
        status=status,
        assumptions=(
            *prior.assumptions,
            *dict.fromkeys(
                words for draws in repair.values() for words in draws.background_assumptions
            ),
            "induction and repair rates of the patient are the same in every cycle ASSUMED",
            "no foci are left from earlier cycles beyond those of the baseline ASSUMED",
            *counting_assumptions(dispersion),
        ),
    )


def _posterior(
    dose_rate: Curves,
    samples: Samples,
    repair_at: RepairAt,
    starts: FloatArray,
    rng: np.random.Generator,
    dispersion: float,
    n: int,
) -> tuple[FloatArray, npt.NDArray[np.intp], float, float, str]:
    """Coordinates and dose draws given the foci, ESS, prior-predictive p and status."""
    foci, cells = _counted(samples)
    n_coordinates, n_kept = starts.shape[1], _PROPOSALS_PER_DRAW * n
    median = np.zeros((_number_of_draws(dose_rate), n_coordinates))
    smooth, draw_of, shape_cv = _dose_by_rank(dose_rate, samples, repair_at(median))
    exact, wide = np.full(len(foci), dispersion), dispersion + foci * shape_cv**2

    def log_density(z: FloatArray, curves: Curves, variance: FloatArray) -> FloatArray:
        mean = _expected(curves, samples, repair_at(z))
        density = -0.5 * (z**2).sum(-1)
        for i, phi in enumerate(variance):
            density += log_likelihood(foci[i], cells[i], mean[:, i], dispersion=float(phi))
        return np.asarray(density)

    before = rng.standard_normal((n_kept, n_coordinates))
    expected = _expected(_rows(dose_rate, draw_of(before)), samples, repair_at(before)) @ cells
    p_value = _mid_p(int(foci.sum()), expected, dispersion)
    try:
        first = sample_posterior(
            lambda z: log_density(z, smooth(z), wide),
            starts,
            rng=rng,
            n_draws=n_kept,
            n_proposals=2 * n_kept,
        )
    except KineticsError:
        raise FociError("the counted foci are impossible under the typical draw") from None
    z, chosen = first.draws, draw_of(first.draws)
    log_weight = log_density(z, _rows(dose_rate, chosen), exact)
    log_weight -= log_density(z, smooth(z), wide)
    if not np.isfinite(log_weight).any():
        raise FociError("the counted foci are impossible under every draw")
    ess = min(first.effective_sample_size, effective_sample_size(log_weight))
    kept = resample(normalised_weights(log_weight), n, rng)
    return z[kept], chosen[kept], ess, p_value, _status(ess, n_kept, p_value, first.status)


def _number_of_draws(dose_rate: Curves) -> int:
    """Common number of dose draws."""
    shapes = {curve.shape for curve in dose_rate.values()}
    if len(shapes) != 1:
        raise FociError(f"every cycle needs the same draws of the dose rate, got {shapes}")
    shape = shapes.pop()
    if len(shape) != 1 or shape[0] == 0:
        raise FociError(f"dose rates need leading shape (n_dose,), got {shape}")
    return shape[0]


def _samples_of(
    cycle: int, samples: Sequence[FociSample], dose_rate: Curves
) -> tuple[list[FociSample], list[FociSample]]:
    """Checked samples of a cycle, before and after the administration."""
    if cycle not in dose_rate:
        raise FociError(f"cycle {cycle} has foci samples but no dose rate")
    wrong = [sample.cycle for sample in samples if sample.cycle != cycle]
    if wrong:
        raise FociError(f"a sample of cycle {wrong[0]} was given under cycle {cycle}")
    return split_baseline(samples)


def _counted(samples: Samples) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Foci and cells of all samples after the administrations, each (n_samples,)."""
    after = [sample for _, group in samples.values() for sample in group]
    return np.array([s.foci for s in after]), np.array([s.cells for s in after])


def _repair_by_cycle(prior: RepairModel, samples: Samples, dispersion: float) -> RepairAt:
    """Map joint coordinates to repair and background of each cycle with samples.

    The coordinates are those of the prior without its background, one background for each
    cycle, and last the dose rank.
    """
    shared = list(range(prior.n_coordinates - 1))

    def repair_at(z: FloatArray) -> dict[int, RepairDraws]:
        near = np.clip(z, -_FARTHEST, _FARTHEST)
        return {
            cycle: prior.at(
                near[:, [*shared, len(shared) + i]], baseline=before, dispersion=dispersion
            )
            for i, (cycle, (before, _)) in enumerate(samples.items())
        }

    return repair_at


def _starts(prior: RepairModel, n_coordinates: int) -> FloatArray:
    """The median of the prior, and slow and fast repair."""
    starts = np.zeros((3, n_coordinates))
    starts[:, 3 : prior.n_coordinates - 1] = np.array([0.0, -1.5, 1.5])[:, None]
    return starts


def _expected(curves: Curves, samples: Samples, repair: Mapping[int, RepairDraws]) -> FloatArray:
    """Mean foci per cell of all samples after the administrations, shape (n, n_samples)."""
    parts = [
        predict_foci(curves[cycle], [sample.time_h for sample in after], repair[cycle])
        for cycle, (_, after) in samples.items()
        if after
    ]
    return np.concatenate(parts, axis=-1)


def _rows(curves: Curves, indices: npt.NDArray[np.intp]) -> Curves:
    """The same draws of every cycle."""
    return {cycle: curve[indices] for cycle, curve in curves.items()}


def _dose_by_rank(
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

    n_dose = _number_of_draws(dose_rate)
    repair = {
        cycle: replace(draws, background_per_cell=np.zeros(n_dose))
        for cycle, draws in typical.items()
    }
    excess = np.maximum(_expected(dose_rate, samples, repair) * _counted(samples)[1], 1e-12)
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


def _mid_p(observed: int, expected: FloatArray, dispersion: float) -> float:
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


def _status(ess: float, n: int, p_value: float, search: str) -> str:
    """What is wrong with the update, in words."""
    words = low_ess_status(ess, n)
    if not words and search != "ok":
        words.append(search)
    if p_value < _CONFLICT:
        words.append(
            f"conflict: the counted foci lie outside what the draws predict (p = {p_value:.2g})"
        )
    return "; ".join(words) or "ok"
