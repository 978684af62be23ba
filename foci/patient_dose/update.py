"""Foci of all cycles brought to bear on joint draws of kinetics, dose and repair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from foci.counting.counts import FociSample, log_likelihood
from foci.counting.open_class import open_class_words
from foci.errors import FociError
from foci.patient_dose.estimate import counting_assumptions, low_ess_status
from foci.patient_dose.sample_model import (
    Curves,
    RepairAt,
    Samples,
    counted,
    dose_by_rank,
    expected_foci,
    mid_p,
    number_of_draws,
    repair_by_cycle,
    rows_of,
    samples_by_cycle_of,
    starts_of,
)
from foci.repair.prior import Dispersion, RepairDraws, RepairModel
from foci.sample_dose.intervals import effective_number
from kinetics import (
    KineticsError,
    effective_sample_size,
    normalised_weights,
    resample,
    sample_posterior,
)
from kinetics.curves import FloatArray

_CONFLICT = 0.01  # prior-predictive p below which the status speaks of a conflict
_FEW_DOSES = 40.0  # effective distinct dose draws below which the status says so
_PROPOSALS_PER_DRAW = 8


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
    sample_p_values : dict of int to ndarray, shape (n_samples,)
        The same for each sample after the administration alone, by cycle, in order of time.
    distinct_doses : float
        Effective number of distinct dose draws among `indices`. Quantiles of the dose come from so
        many draws: `central_interval` allows for it.
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
    sample_p_values: dict[int, FloatArray]
    distinct_doses: float
    status: str
    assumptions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Diagnostics and status, without the draws."""
        return {
            "effective_sample_size": self.effective_sample_size,
            "prior_predictive_p": self.prior_predictive_p,
            "sample_p_values": {c: p.tolist() for c, p in self.sample_p_values.items()},
            "distinct_doses": self.distinct_doses,
            "status": self.status,
            "assumptions": self.assumptions,
        }


def update_draws(
    dose_rate: Curves,
    samples_by_cycle: Mapping[int, Sequence[FociSample]],
    prior: RepairModel,
    *,
    rng: np.random.Generator,
    dispersion: float | Mapping[int, Dispersion] = 1.0,
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
    dispersion : float or mapping of int to (float or sequence of float)
        Variance over mean of the counts: one for all, or for each cycle one or one for each of its
        samples in the order given.
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
    >>> from kinetics import SumOfExponentials
    >>> rng = np.random.default_rng(1)
    >>> dose = rng.lognormal(np.log(0.1), 0.4, 500)
    >>> rate = SumOfExponentials(0.5 * dose[:, None], [[0.5]])
    >>> samples = {1: [FociSample(1, -1.0, 200, 40), FociSample(1, 2.0, 200, 290)]}
    >>> update = update_draws({1: rate}, samples, RepairModel(eberlein_2015()), rng=rng)
    >>> update.status, bool(dose[update.indices].mean() > dose.mean())
    ('ok', True)
    """
    n_dose = number_of_draws(dose_rate)
    n = n_dose if n_draws is None else n_draws
    if n < 1:
        raise FociError(f"n_draws must be 1 or more, got {n}")
    samples = samples_by_cycle_of(samples_by_cycle, dose_rate, dispersion)
    n_coordinates = prior.n_coordinates + len(samples)
    repair_at = repair_by_cycle(prior, samples)
    if any(split.after for split in samples.values()):
        found = _posterior(dose_rate, samples, repair_at, starts_of(prior, n_coordinates), rng, n)
    else:
        found = _Found(
            z=rng.standard_normal((n, n_coordinates)),
            indices=np.arange(n) * n_dose // n,
            ess=float(n),
            p_value=1.0,
            sample_p_values=np.empty(0),
            status="no sample after an administration: the draws are unchanged",
        )
    repair = repair_at(found.z)
    ends = np.cumsum([len(split.after) for split in samples.values()])
    by_cycle = np.split(found.sample_p_values, ends[:-1]) if samples else []
    phi = [x for s in samples.values() for x in (*s.dispersion_before, *s.dispersion_after)]
    return FociUpdate(
        indices=found.indices,
        repair=next(iter(repair.values()), prior.at(found.z[:, : prior.n_coordinates])),
        background_per_cell={cycle: draws.background_per_cell for cycle, draws in repair.items()},
        effective_sample_size=found.ess,
        prior_predictive_p=found.p_value,
        sample_p_values=dict(zip(samples, by_cycle, strict=True)),
        distinct_doses=effective_number(found.indices),
        status=found.status,
        assumptions=(
            *prior.assumptions,
            *dict.fromkeys(
                words for draws in repair.values() for words in draws.background_assumptions
            ),
            "induction and repair rates of the patient are the same in every cycle ASSUMED",
            "no foci are left from earlier cycles beyond those of the baseline ASSUMED",
            *counting_assumptions(phi),
            *open_class_words(x for s in samples.values() for x in (*s.before, *s.after)),
        ),
    )


class _Found(NamedTuple):
    """Coordinates and dose draws given the foci, and how well they were found."""

    z: FloatArray
    indices: npt.NDArray[np.intp]
    ess: float
    p_value: float
    sample_p_values: FloatArray
    status: str


def _posterior(
    dose_rate: Curves,
    samples: Samples,
    repair_at: RepairAt,
    starts: FloatArray,
    rng: np.random.Generator,
    n: int,
) -> _Found:
    """Joint draws given the foci."""
    foci, cells, exact = counted(samples)
    n_coordinates, n_kept = starts.shape[1], _PROPOSALS_PER_DRAW * n
    n_dose = number_of_draws(dose_rate)
    median = np.zeros((n_dose, n_coordinates))
    smooth, draw_of, shape_cv = dose_by_rank(dose_rate, samples, repair_at(median))
    wide = exact + foci * shape_cv**2

    def log_density(z: FloatArray, curves: Curves, variance: FloatArray) -> FloatArray:
        mean = expected_foci(curves, samples, repair_at(z))
        density = -0.5 * (z**2).sum(-1)
        for i, phi in enumerate(variance):
            density += log_likelihood(foci[i], cells[i], mean[:, i], dispersion=float(phi))
        return np.asarray(density)

    before = rng.standard_normal((n_kept, n_coordinates))
    mean = expected_foci(rows_of(dose_rate, draw_of(before)), samples, repair_at(before)) * cells
    share = mean.mean(0) + 1e-300
    overall = float(np.average(exact, weights=share)) if np.ptp(exact) > 0 else float(exact[0])
    p_value = mid_p(int(foci.sum()), mean.sum(-1), overall)
    each = [mid_p(int(x), m, float(phi)) for x, m, phi in zip(foci, mean.T, exact, strict=True)]
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
    log_weight = log_density(z, rows_of(dose_rate, chosen), exact)
    log_weight -= log_density(z, smooth(z), wide)
    if not np.isfinite(log_weight).any():
        raise FociError("the counted foci are impossible under every draw")
    ess = min(first.effective_sample_size, effective_sample_size(log_weight))
    kept = resample(normalised_weights(log_weight), n, rng)
    words = [_status(ess, n_kept, p_value, first.status)]
    distinct = effective_number(chosen[kept])
    if distinct < min(_FEW_DOSES, n / 2, n_dose / 2):
        words = [w for w in words if w != "ok"]
        words.append(
            f"only {distinct:.0f} distinct dose draws are left: intervals of the dose are coarse; "
            "give more dose draws"
        )
    return _Found(z[kept], chosen[kept], ess, p_value, np.array(each), "; ".join(words))


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
