"""What foci samples are worth: how much they narrow the blood dose, counted or planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from foci.counting.counts import FociSample, log_likelihood
from foci.counting.open_class import open_class_dispersion
from foci.errors import FociError
from foci.patient_dose.estimate import SplitSamples
from foci.patient_dose.sample_model import (
    Curves,
    Samples,
    counted,
    expected_foci,
    number_of_draws,
    repair_by_cycle,
    rows_of,
    samples_by_cycle_of,
)
from foci.patient_dose.update import FociUpdate, update_draws
from foci.repair.prior import Dispersion, RepairDraws, RepairModel
from kinetics import effective_sample_size, normalised_weights
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd

_N_BOOTSTRAP = 200
_LEAST_EFFECTIVE = 50.0


@dataclass(frozen=True)
class Worth:
    """How much one sample, or several, narrow the total blood dose.

    Attributes
    ----------
    sample : str
        Which.
    log_sd_without, log_sd_with : float
        Standard deviation of the log dose without and with it; with a planned sample, the root of
        the expected variance.
    variance_reduction : float
        Share of the variance of the log dose that it takes away; a sample that contradicts the
        others may have a negative one.
    monte_carlo_error : float
        Standard error of the reduction from the number of draws.
    effective_sample_size : float
        Of the draws the variances are taken over.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    sample: str
    log_sd_without: float
    log_sd_with: float
    variance_reduction: float
    monte_carlo_error: float
    effective_sample_size: float
    status: str


def worth_frame(worth: Sequence[Worth]) -> pd.DataFrame:
    """One row per sample."""
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in worth])


def sample_worth(
    update: FociUpdate,
    dose_rate: Curves,
    samples_by_cycle: Mapping[int, Sequence[FociSample]],
    prior: RepairModel,
    *,
    rng: np.random.Generator,
    dispersion: float | Mapping[int, Dispersion] = 1.0,
) -> tuple[Worth, ...]:
    r"""What each counted sample was worth: the variance of the log dose with and without it.

    Parameters
    ----------
    update : FociUpdate
        Result of `update_draws` for the same arguments.
    dose_rate, samples_by_cycle, prior, dispersion
        As given to `update_draws`.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    tuple of Worth
        All samples together against the dose draws as they were, then each left out in turn.

    Notes
    -----
    Draws of the prior (dose draws, repair, backgrounds given their baselines) and draws of the
    update together are weighted to the posterior without one sample, by the ratio of its density
    to that of the mixture, whose constants follow by iteration (Meng and Wong's bridge). The prior
    draws bound the weights where a sample decided most. Without a baseline the background is
    another one: there the update is made anew. Errors come from a bootstrap of the dose draws.

    References
    ----------
    Meng XL, Wong WH. Stat Sin 1996;6:831-860; Kong A et al. J R Stat Soc B 2003;65:585-604,
    doi:10.1111/1467-9868.00404.

    Examples
    --------
    >>> import numpy as np
    >>> from foci import eberlein_2015
    >>> from kinetics import SumOfExponentials
    >>> rng = np.random.default_rng(1)
    >>> rate = {1: SumOfExponentials(0.05 * rng.lognormal(0, 0.4, (500, 1)), [[0.5]])}
    >>> samples = {1: [FociSample(1, -1.0, 200, 40), FociSample(1, 2.0, 200, 290)]}
    >>> prior = RepairModel(eberlein_2015())
    >>> update = update_draws(rate, samples, prior, rng=rng)
    >>> worth = sample_worth(update, rate, samples, prior, rng=rng)
    >>> [row.sample for row in worth]
    ['all', 'cycle 1, baseline', 'cycle 1, 2 h']
    """
    split = samples_by_cycle_of(samples_by_cycle, dose_rate, dispersion)
    log_dose = log_total_dose(dose_rate)
    if not any(cycle.after for cycle in split.values()):
        raise FociError("no sample after an administration: nothing narrows the dose")
    mixture = _Mixture.of(update, dose_rate, split, prior, rng)
    value = log_dose[mixture.indices]
    copies = _bootstrap_copies(mixture.indices, rng)
    full = mixture.log_weight(mixture.log_likelihood.sum(-1))
    rows = [_worth("all", mixture.log_weight(np.zeros(len(value))), full, value, copies)]
    for cycle, given in split.items():
        if given.before:
            rest = {c: [*s.after, *(s.before if c != cycle else [])] for c, s in split.items()}
            phi = {c: _given_dispersions(s, with_baseline=c != cycle) for c, s in split.items()}
            other = update_draws(
                dose_rate, rest, prior, rng=rng, dispersion=phi, n_draws=len(update.indices)
            )
            rows.append(_worth_of_updates(f"cycle {cycle}, baseline", other, update, log_dose, rng))
        for sample in given.after:
            column = mixture.columns[cycle, id(sample)]
            without = np.delete(mixture.log_likelihood, column, axis=1).sum(-1)
            name = f"cycle {cycle}, {sample.time_h:g} h"
            rows.append(_worth(name, mixture.log_weight(without), full, value, copies))
    return tuple(rows)


def _given_dispersions(samples: SplitSamples, *, with_baseline: bool) -> list[float]:
    """Dispersions of the samples after, and before, as the caller gave them."""
    pairs = list(zip(samples.after, samples.dispersion_after, strict=True))
    if with_baseline:
        pairs += zip(samples.before, samples.dispersion_before, strict=True)
    return [phi / open_class_dispersion(sample) for sample, phi in pairs]


@dataclass(frozen=True, eq=False)
class _Mixture:
    """Draws of the prior and of the update together, and the samples' log likelihoods there."""

    indices: npt.NDArray[np.intp]
    log_likelihood: FloatArray
    columns: dict[tuple[int, int], int]
    log_share: FloatArray

    @classmethod
    def of(
        cls,
        update: FociUpdate,
        dose_rate: Curves,
        split: Samples,
        prior: RepairModel,
        rng: np.random.Generator,
    ) -> _Mixture:
        n, n_dose = len(update.indices), number_of_draws(dose_rate)
        n_prior = max(n, n_dose)
        z = rng.standard_normal((n_prior, prior.n_coordinates + len(split)))
        at_prior = rng.permutation(np.arange(n_prior) % n_dose)
        draws = [
            (at_prior, repair_by_cycle(prior, split)(z)),
            (update.indices, repair_of(update)),
        ]
        foci, cells, phi = counted(split)
        parts = []
        for rows, repair in draws:
            mean = expected_foci(rows_of(dose_rate, rows), split, repair)
            parts.append(
                np.stack(
                    [
                        log_likelihood(x, m, mean[:, i], dispersion=float(by))
                        for i, (x, m, by) in enumerate(zip(foci, cells, phi, strict=True))
                    ],
                    axis=-1,
                )
            )
        values = np.concatenate(parts)
        keys = [(cycle, id(sample)) for cycle, given in split.items() for sample in given.after]
        total = values.sum(-1)
        return cls(
            indices=np.concatenate([at_prior, update.indices]),
            log_likelihood=values,
            columns={key: i for i, key in enumerate(keys)},
            log_share=_bridge(total, n_prior, n),
        )

    def log_weight(self, log_likelihood: FloatArray) -> FloatArray:
        """Log weights of the draws for the prior times a likelihood."""
        return np.asarray(log_likelihood - self.log_share)


def _bridge(total: FloatArray, n_prior: int, n_update: int) -> FloatArray:
    """Log density of the mixture over that of the prior, its evidence the root of the bridge."""
    from scipy.optimize import brentq
    from scipy.special import logsumexp

    share = np.log(np.array([n_prior, n_update]) / (n_prior + n_update))

    def log_mixture(log_evidence: float) -> FloatArray:
        return np.asarray(np.logaddexp(share[0], share[1] + total - log_evidence))

    def excess(log_evidence: float) -> float:
        return float(
            logsumexp(total - log_mixture(log_evidence)) - np.log(len(total)) - log_evidence
        )

    # the evidence lies below the highest likelihood, and above the prior's lower estimates of it
    high = float(total.max()) + 1.0
    low = high - 10.0
    while excess(low) < 0:
        low -= high - low
    return log_mixture(brentq(excess, low, high, xtol=1e-9))


def repair_of(update: FociUpdate) -> dict[int, RepairDraws]:
    """Repair draws of every cycle with its own background."""
    return {
        cycle: replace(update.repair, background_per_cell=background)
        for cycle, background in update.background_per_cell.items()
    }


def log_total_dose(dose_rate: Curves) -> FloatArray:
    """Log of the blood dose of all cycles together, shape (n_dose,)."""
    total = np.sum([curve.integral() for curve in dose_rate.values()], axis=0)
    if not (np.isfinite(total).all() and (total > 0).all()):
        raise FociError("the dose rates need a finite positive integral")
    return np.asarray(np.log(total))


def _bootstrap_copies(indices: npt.NDArray[np.intp], rng: np.random.Generator) -> FloatArray:
    """Bootstrap weights (Poisson) of the draws, alike for those of one dose draw."""
    group = np.unique(indices, return_inverse=True)[1]
    copies = rng.poisson(1.0, (_N_BOOTSTRAP, int(group.max()) + 1))
    return np.asarray(copies[:, group], dtype=np.float64)


def variances(weight: FloatArray, value: FloatArray) -> FloatArray:
    """Variances of a value under rows of weights."""
    weight = weight / np.maximum(weight.sum(-1, keepdims=True), 1e-300)
    mean = weight @ value
    return np.asarray(np.maximum(weight @ value**2 - mean**2, 0.0))


def _worth(
    name: str, without: FloatArray, full: FloatArray, value: FloatArray, copies: FloatArray
) -> Worth:
    """Worth from the log weights without and with a sample."""
    weights = [normalised_weights(log_weight) for log_weight in (without, full)]
    centred = value - value.mean()
    before, after = (float(variances(weight[None], centred)[0]) for weight in weights)
    again = [variances(copies * weight, centred) for weight in weights]
    ratio = again[1] / np.maximum(again[0], 1e-300)
    ess = min(effective_sample_size(without), effective_sample_size(full))
    return worth_row(name, before, after, float(ratio.std()), ess)


def _worth_of_updates(
    name: str, without: FociUpdate, full: FociUpdate, log_dose: FloatArray, rng: np.random.Generator
) -> Worth:
    """Worth from two updates."""
    spread, errors = [], []
    for update in (without, full):
        value = log_dose[update.indices] - log_dose.mean()
        again = variances(_bootstrap_copies(update.indices, rng), value)
        spread.append(float(value.var()))
        errors.append(float(again.std()) / max(spread[-1], 1e-300))
    error = float(np.hypot(errors[0], errors[1])) * spread[1] / max(spread[0], 1e-300)
    ess = min(without.distinct_doses, full.distinct_doses)
    return worth_row(name, spread[0], spread[1], error, ess)


def worth_row(name: str, before: float, after: float, error: float, ess: float) -> Worth:
    """Worth from the variances of the log dose without and with a sample."""
    status = "ok"
    if ess < _LEAST_EFFECTIVE:
        status = f"too few effective draws to be trusted: {ess:.0f}; use more draws"
    reduction = 1 - after / before if before > 0 else 0.0
    return Worth(name, float(np.sqrt(before)), float(np.sqrt(after)), reduction, error, ess, status)
