"""Foci of all cycles brought to bear on joint draws of kinetics, dose and repair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.counts import FociSample, log_likelihood
from foci.errors import FociError
from foci.estimate import counting_assumptions, low_ess_status, predict_foci, split_baseline
from foci.repair import RepairDraws, draw_background
from kinetics import SumOfExponentials, effective_sample_size, normalised_weights, resample
from kinetics.curves import FloatArray

_CONFLICT = 0.01  # prior-predictive p below which the status speaks of a conflict


@dataclass(frozen=True, eq=False)
class FociUpdate:
    """Joint draws reweighted by counted foci.

    Attributes
    ----------
    indices : ndarray of int, shape (n_draws,)
        Rows of the dose draws after resampling; equally weighted.
    repair_indices : ndarray of int, shape (n_draws,)
        Rows of the repair draws that go with them.
    log_weight : ndarray, shape (n_repair_draws,)
        Log likelihood of the foci under each joint draw.
    background_per_cell : dict of int to ndarray, shape (n_repair_draws,)
        Spontaneous foci of each cycle used with each joint draw.
    effective_sample_size : float
        Effective number of joint draws.
    prior_predictive_p : float
        Two-sided mid-p of the total foci after the administrations under the draws before the
        update; small means the counts conflict with the dose or with the repair prior.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    indices: npt.NDArray[np.intp]
    repair_indices: npt.NDArray[np.intp]
    log_weight: FloatArray
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
    dose_rate: Mapping[int, SumOfExponentials],
    samples_by_cycle: Mapping[int, Sequence[FociSample]],
    repair_draws: RepairDraws,
    *,
    rng: np.random.Generator,
    dispersion: float = 1.0,
) -> FociUpdate:
    r"""Weight joint draws of dose rate and repair by the foci counted in all cycles.

    Induction and repair rates of a draw hold in every cycle. The background is drawn for each
    cycle from its own baseline; a cycle without one takes the background of `repair_draws`.

    Parameters
    ----------
    dose_rate : mapping of int to SumOfExponentials, leading shape (n_draws,)
        Blood dose rate of each cycle (Gy/h), rows in the same order in every cycle.
    samples_by_cycle : mapping of int to sequence of FociSample
        Samples of each cycle; every cycle needs its dose rate.
    repair_draws : RepairDraws
        As many as dose draws, or a multiple: row j then goes with dose row j modulo n_draws.
        Ten to thirty times as many is cheap and raises the effective sample size.
    rng : numpy.random.Generator
        Source of randomness.
    dispersion : float
        Variance over mean of the counts.

    Raises
    ------
    FociError
        If the draws do not match, a cycle has no dose rate, or a sample is under the wrong cycle.

    Notes
    -----
    The background is drawn from its conditional given the baseline, whose probability is the
    same for every draw, so only the samples after the administration enter the weights:
    :math:`\log w_j = \sum_s \log p(x_s \mid n_s \mu_{js})`.

    Examples
    --------
    >>> import numpy as np
    >>> from foci import RepairModel, draw_repair, eberlein_2015
    >>> rng = np.random.default_rng(1)
    >>> dose = rng.lognormal(np.log(0.1), 0.4, 1000)
    >>> rate = SumOfExponentials(0.5 * dose[:, None], [[0.5]])
    >>> repair = draw_repair(RepairModel(eberlein_2015()), 4000, rng)
    >>> samples = {1: [FociSample(1, -1.0, 200, 40), FociSample(1, 2.0, 200, 290)]}
    >>> update = update_draws({1: rate}, samples, repair, rng=rng)
    >>> update.status, bool(dose[update.indices].mean() > dose.mean())
    ('ok', True)
    """
    n = _number_of_draws(dose_rate, len(repair_draws))
    pairs = np.arange(len(repair_draws)) % n
    log_weight = np.zeros(len(repair_draws))
    expected, observed = np.zeros(len(repair_draws)), 0
    backgrounds: dict[int, FloatArray] = {}
    background_assumptions: tuple[str, ...] = ()
    for cycle, samples in sorted(samples_by_cycle.items()):
        before, after = _samples_of(cycle, samples, dose_rate)
        background = repair_draws.background_per_cell
        if before:
            background = draw_background(before, len(repair_draws), rng, dispersion=dispersion)
        else:
            background_assumptions = repair_draws.background_assumptions
        backgrounds[cycle] = background
        if not after:
            continue
        time = [sample.time_h for sample in after]
        repair = replace(repair_draws, background_per_cell=background)
        mean = predict_foci(dose_rate[cycle][pairs], time, repair)
        cells = np.array([sample.cells for sample in after])
        foci = np.array([sample.foci for sample in after])
        log_weight += log_likelihood(foci, cells, mean, dispersion=dispersion).sum(-1)
        expected += mean @ cells
        observed += int(foci.sum())
    if not np.isfinite(log_weight).any():
        raise FociError("the counted foci are impossible under every draw")
    ess = effective_sample_size(log_weight)
    chosen = resample(normalised_weights(log_weight), n, rng)
    p_value = _mid_p(observed, expected, dispersion) if expected.any() else 1.0
    return FociUpdate(
        indices=pairs[chosen],
        repair_indices=chosen,
        log_weight=log_weight,
        background_per_cell=backgrounds,
        effective_sample_size=ess,
        prior_predictive_p=p_value,
        status=_status(ess, len(pairs), p_value, bool(expected.any())),
        assumptions=(
            *repair_draws.assumptions,
            *background_assumptions,
            "induction and repair rates of the patient are the same in every cycle ASSUMED",
            "no foci are left from earlier cycles beyond those of the baseline ASSUMED",
            *counting_assumptions(dispersion),
        ),
    )


def _number_of_draws(dose_rate: Mapping[int, SumOfExponentials], n_repair: int) -> int:
    """Common number of dose draws; the number of repair draws must be a multiple."""
    shapes = {curve.shape for curve in dose_rate.values()}
    if len(shapes) != 1:
        raise FociError(f"every cycle needs the same draws of the dose rate, got {shapes}")
    shape = shapes.pop()
    if len(shape) != 1 or shape[0] == 0 or n_repair % shape[0] != 0:
        raise FociError(
            f"dose rates need leading shape (n_draws,) and the number of repair draws "
            f"({n_repair}) must be a multiple of it, got {shape}"
        )
    return shape[0]


def _samples_of(
    cycle: int, samples: Sequence[FociSample], dose_rate: Mapping[int, SumOfExponentials]
) -> tuple[list[FociSample], list[FociSample]]:
    """Checked samples of a cycle, before and after the administration."""
    if cycle not in dose_rate:
        raise FociError(f"cycle {cycle} has foci samples but no dose rate")
    wrong = [sample.cycle for sample in samples if sample.cycle != cycle]
    if wrong:
        raise FociError(f"a sample of cycle {wrong[0]} was given under cycle {cycle}")
    return split_baseline(samples)


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


def _status(ess: float, n: int, p_value: float, any_sample: bool) -> str:
    """What is wrong with the update, in words."""
    if not any_sample:
        return "no sample after an administration: the draws are unchanged"
    words = low_ess_status(ess, n)
    if p_value < _CONFLICT:
        words.append(
            f"conflict: the counted foci lie outside what the draws predict (p = {p_value:.2g})"
        )
    return "; ".join(words) or "ok"
