"""Blood dose of a patient from the foci alone: a known shape of dose rate, an unknown scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from foci.checks import check_share, numbers
from foci.counting.counts import FociSample, log_likelihood
from foci.counting.open_class import open_class_dispersion, open_class_words
from foci.errors import FociError
from foci.repair.prior import Dispersion, RepairDraws, background_at, dispersions_of
from foci.sample_dose.dose_prior import DosePrior
from foci.sample_dose.intervals import central_interval
from kinetics import SumOfExponentials, effective_sample_size, normalised_weights, resample
from kinetics.curves import FloatArray
from radiobio.damage.dsb import foci_per_cell

_GRID_POINTS = 400  # doses at which the likelihood is evaluated for each draw
_LOW_ESS = 100.0  # fewer effective draws than this are not to be trusted


class SplitSamples(NamedTuple):
    """Samples of one cycle before and after the administration, in order of time."""

    before: list[FociSample]
    after: list[FociSample]
    dispersion_before: list[float]
    dispersion_after: list[float]


@dataclass(frozen=True, eq=False)
class FociDoseEstimate:
    """Blood dose from foci alone.

    Attributes
    ----------
    dose_gy : ndarray, shape (n,)
        Posterior draws of the blood dose to infinity.
    dose_at_sample_gy : ndarray, shape (n, n_samples)
        Dose already received at each sample after the administration, in order of time.
    interval_gy : tuple of float
        Central interval of `dose_gy` at `level`.
    level : float
        Coverage of the interval.
    effective_sample_size : float
        Effective number of the repair draws.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    dose_gy: FloatArray
    dose_at_sample_gy: FloatArray
    interval_gy: tuple[float, float]
    level: float
    effective_sample_size: float
    status: str
    assumptions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Median, interval and status, without the draws."""
        return {
            "dose_gy": float(np.median(self.dose_gy)),
            "interval_gy": self.interval_gy,
            "level": self.level,
            "dose_at_sample_gy": np.median(self.dose_at_sample_gy, axis=0).tolist(),
            "effective_sample_size": self.effective_sample_size,
            "status": self.status,
            "assumptions": self.assumptions,
        }


def predict_foci(
    dose_rate: SumOfExponentials, time_h: npt.ArrayLike, repair_draws: RepairDraws
) -> FloatArray:
    """Mean foci per cell expected in samples at `time_h`, one row for each draw.

    Parameters
    ----------
    dose_rate : SumOfExponentials, leading shape () or (n_draws,)
        Dose rate to the blood (Gy/h).
    time_h : array_like, shape (n_times,) or scalar
        Time after the administration (h), zero or positive.
    repair_draws : RepairDraws
        Induction, repair and background.

    Returns
    -------
    ndarray, shape (n_draws, n_times), or (n_draws,) for a scalar time

    Raises
    ------
    FociError
        If the dose rate has another number of draws.

    Examples
    --------
    >>> from foci import RepairModel, draw_repair, eberlein_2015
    >>> repair = draw_repair(RepairModel(eberlein_2015()), 2000, np.random.default_rng(1))
    >>> mean = predict_foci(SumOfExponentials([0.01], [0.1]), [1.0, 24.0], repair)
    >>> mean.shape, bool(mean[:, 0].mean() > 0.1)
    ((2000, 2), True)
    """
    if dose_rate.shape not in ((), (len(repair_draws),)):
        raise FociError(
            f"the dose rate has leading shape {dose_rate.shape}; it must be () or match the "
            f"{len(repair_draws)} repair draws"
        )
    return foci_per_cell(
        dose_rate,
        numbers(time_h, "time_h"),
        induction_per_gy=repair_draws.induction_per_gy,
        repair_rate_per_h=repair_draws.repair_rate_per_h,
        fraction=repair_draws.fraction,
        background_per_cell=repair_draws.background_per_cell,
    )


def blood_dose_from_foci(
    samples: Sequence[FociSample],
    dose_rate_shape: SumOfExponentials,
    *,
    repair_draws: RepairDraws,
    rng: np.random.Generator,
    prior: DosePrior | None = None,
    dispersion: Dispersion = 1.0,
    level: float = 0.90,
) -> FociDoseEstimate:
    r"""Estimate the blood dose of one cycle from its foci, without any activity measurement.

    Parameters
    ----------
    samples : sequence of FociSample
        Samples of one cycle, at least one after the administration. A baseline among them
        replaces the background of `repair_draws` (it must not be used in both: it is not,
        the background is then drawn anew).
    dose_rate_shape : SumOfExponentials, leading shape () or (n_draws,)
        Blood dose rate in any unit: only its shape in time is used (from a population or from
        the patient's earlier cycles); with draws, its uncertainty too.
    repair_draws : RepairDraws
        Draws of induction, repair and background; their number is the number of draws returned.
    rng : numpy.random.Generator
        Source of randomness.
    prior : DosePrior, optional
        Prior of the dose; log-uniform from 1 mGy to 10 Gy by default.
    dispersion : float or sequence of float
        Variance over mean of the counts, one for all or one for each sample in the order given.
    level : float
        Coverage of the interval.

    Raises
    ------
    FociError
        If the samples are of several cycles or all before the administration, or the shape has
        no finite positive integral.

    Notes
    -----
    With foci per gray :math:`u_j(t)` of repair draw j, the mean is :math:`b_j + D u_j(t)`. The
    dose D is integrated over a grid for each j; the draws j are weighted by that integral and
    resampled, and D is drawn from the grid of the chosen j.

    Examples
    --------
    >>> import numpy as np
    >>> from foci import RepairModel, draw_repair, eberlein_2015
    >>> rng = np.random.default_rng(1)
    >>> repair = draw_repair(RepairModel(eberlein_2015()), 2000, rng)
    >>> counts = [(-1.0, 40), (1.0, 90), (24.0, 52)]
    >>> samples = [FociSample(1, time_h, 200, foci) for time_h, foci in counts]
    >>> shape = SumOfExponentials([0.01, 0.001], [0.5, 0.02])
    >>> estimate = blood_dose_from_foci(samples, shape, repair_draws=repair, rng=rng)
    >>> estimate.status, bool(0.02 < np.median(estimate.dose_gy) < 0.2)
    ('ok', True)
    """
    before, after, phi_before, phi_after = split_baseline(samples, dispersion)
    if not after:
        raise FociError("no sample after the administration: foci cannot give a dose")
    check_share(level, "level")
    prior = prior or DosePrior()
    n = len(repair_draws)
    time = np.array([sample.time_h for sample in after])
    shape = _unit_dose(dose_rate_shape)
    background = repair_draws.background_per_cell
    if before:
        background = background_at(rng.standard_normal(n), before, dispersion=phi_before)
    per_gy = predict_foci(shape, time, replace(repair_draws, background_per_cell=np.zeros(n)))
    log_dose, log_density = prior.log_dose_grid(_GRID_POINTS)
    log_posterior = np.tile(log_density, (n, 1))
    for sample, slope, phi in zip(after, per_gy.T, phi_after, strict=True):
        mean = background[:, None] + np.exp(log_dose) * slope[:, None]
        log_posterior += log_likelihood(sample.foci, sample.cells, mean, dispersion=phi)
    rows, cells, ess = _draw_cells(log_posterior, rng)
    step = log_dose[1] - log_dose[0]
    dose = np.exp(log_dose[cells] + step * (rng.random(n) - 0.5))
    received = np.broadcast_to(shape.cumulative(time), (n, len(time)))[rows]
    return FociDoseEstimate(
        dose_gy=dose,
        dose_at_sample_gy=dose[:, None] * received,
        interval_gy=central_interval(dose, level, n_effective=min(ess, n)),
        level=level,
        effective_sample_size=ess,
        status=_status(ess, n, cells, prior),
        assumptions=(
            *repair_draws.assumptions,
            *(() if before else repair_draws.background_assumptions),
            "the blood dose rate has the given shape in time; only its scale is estimated",
            f"prior of the dose {prior.kind} {prior.low_gy:g} to {prior.high_gy:g} Gy ASSUMED",
            *counting_assumptions([*phi_before, *phi_after]),
            *open_class_words([*before, *after]),
        ),
    )


def split_baseline(samples: Sequence[FociSample], dispersion: Dispersion = 1.0) -> SplitSamples:
    """Samples of one cycle before and after the administration, in order of time.

    Dispersions are those given, times what an open last class loses.
    """
    cycles = {sample.cycle for sample in samples}
    if len(cycles) > 1:
        raise FociError(f"samples of one cycle are needed, got cycles {sorted(cycles)}")
    given = zip(samples, dispersions_of(samples, dispersion), strict=True)
    pairs = [(sample, phi * open_class_dispersion(sample)) for sample, phi in given]
    ordered = sorted(pairs, key=lambda pair: pair[0].time_h)
    return SplitSamples(
        before=[sample for sample, _ in ordered if sample.is_baseline],
        after=[sample for sample, _ in ordered if not sample.is_baseline],
        dispersion_before=[phi for sample, phi in ordered if sample.is_baseline],
        dispersion_after=[phi for sample, phi in ordered if not sample.is_baseline],
    )


def counting_assumptions(dispersion: Sequence[float]) -> tuple[str, ...]:
    """What every use of counted foci assumes."""
    low, high = min(dispersion, default=1.0), max(dispersion, default=1.0)
    values = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    counts = "Poisson" if high == 1 else f"overdispersed (variance {values} x mean)"
    return (
        f"counts are {counts} ASSUMED",
        "sampled lymphocytes received the blood dose and stopped repairing when drawn ASSUMED",
    )


def _unit_dose(shape: SumOfExponentials) -> SumOfExponentials:
    """The curve scaled to an integral of one gray."""
    total = shape.integral()
    if not (np.isfinite(total).all() and (total > 0).all()):
        raise FociError("the shape of the dose rate needs a finite positive integral")
    return shape.scaled(1 / total)


def _draw_cells(
    log_posterior: FloatArray, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], float]:
    """Rows (repair draws) and columns (grid cells) drawn from the joint posterior, and the ESS."""
    top = log_posterior.max(axis=1)
    if not np.isfinite(top.max()):
        raise FociError("the counts are impossible under every draw")
    top = np.maximum(top, top.max() - 700)
    density = np.exp(log_posterior - top[:, None])
    with np.errstate(divide="ignore"):
        log_weight = top + np.log(density.sum(axis=1))
    rows = resample(normalised_weights(log_weight), len(top), rng)
    edges = np.cumsum(density[rows], axis=1)
    point = rng.random(len(rows)) * edges[:, -1]
    cells = (edges <= point[:, None]).sum(axis=1)
    return rows, cells, effective_sample_size(log_weight)


def _status(ess: float, n: int, cells: npt.NDArray[np.intp], prior: DosePrior) -> str:
    """What is wrong with the estimate, in words."""
    words = low_ess_status(ess, n)
    margin = _GRID_POINTS // 20
    if prior.kind == "log_uniform" and np.mean(cells < margin) > 0.01:
        words.append("no dose is excluded downwards: the lower limit is that of the prior")
    ends = prior.kind in ("uniform", "log_uniform")
    if ends and np.mean(cells >= _GRID_POINTS - margin) > 0.01:
        words.append("no dose is excluded upwards: the upper limit is that of the prior")
    return "; ".join(words) or "ok"


def low_ess_status(ess: float, n: int) -> list[str]:
    """Warning that too few draws carry the weight; empty if there are enough."""
    if ess >= _LOW_ESS:
        return []
    return [f"too few effective draws to be trusted: {ess:.0f} of {n}; use more draws"]
