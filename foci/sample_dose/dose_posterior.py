"""Bayesian dose of blood samples irradiated like those of a calibration curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from foci.calibration import CalibrationCurve
from foci.calibration.dose_sets import excess_sd
from foci.checks import check_share, numbers
from foci.counting.count_mean import MeanPrior, log_marginal
from foci.counting.counts import FociSample
from foci.counting.open_class import open_class_dispersion, open_class_words
from foci.errors import FociError
from foci.repair.prior import (
    BACKGROUND_MEAN_PER_CELL,
    BACKGROUND_SHAPE,
    Dispersion,
    background_gamma,
    dispersions_of,
)
from foci.sample_dose.dose_grid import (
    Grid,
    adaptive_grid,
    median_and_mode,
    quantiles,
    shortest_interval,
)
from foci.sample_dose.dose_prior import DosePrior
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd

IntervalKind = Literal["shortest", "equal_tailed"]

_WIDEST_GY = 10.0  # upper end of the default prior
_EDGE = 1e-2  # density at an edge of the prior, as a share of the highest, that is spoken of
_SECOND_MODE = 1e-2  # height of a second mode, as a share of the highest, that is spoken of
_BAND_Z = 1.959964
_N_BAND = 2001  # doses at which the band is looked at


@dataclass(frozen=True, eq=False)
class DosePosterior:
    """Posterior of the dose of each sample, on a grid of doses of its own.

    Leading axes are the samples: ``(n,)``, or ``()`` for a single one.

    Attributes
    ----------
    grid_gy, density_per_gy : ndarray, shape (..., n_grid)
        Doses and the posterior density there.
    mean_gy, sd_gy, median_gy, mode_gy : ndarray, shape (...)
        Summaries of the posterior.
    shortest_gy : ndarray, shape (..., 2)
        Shortest interval that holds `level`: of highest density where there is one mode. It
        starts at zero dose where the counts do not exclude it.
    equal_tailed_gy : ndarray, shape (..., 2)
        Interval with the same probability below and above. It never contains zero dose.
    level : float
        Probability of the intervals.
    log_evidence : ndarray, shape (...)
        Log probability of the count before it was seen.
    status : tuple of str
        For each sample ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    grid_gy: FloatArray
    density_per_gy: FloatArray
    mean_gy: FloatArray
    sd_gy: FloatArray
    median_gy: FloatArray
    mode_gy: FloatArray
    shortest_gy: FloatArray
    equal_tailed_gy: FloatArray
    level: float
    log_evidence: FloatArray
    status: tuple[str, ...]
    assumptions: tuple[str, ...]

    def interval_gy(self, kind: IntervalKind = "shortest") -> FloatArray:
        """Interval of one kind, shape (..., 2)."""
        if kind not in ("shortest", "equal_tailed"):
            raise FociError(f"kind must be 'shortest' or 'equal_tailed', got {kind!r}")
        return self.shortest_gy if kind == "shortest" else self.equal_tailed_gy

    def quantile_gy(self, probability: npt.ArrayLike) -> FloatArray:
        """Dose below which the posterior holds a probability, shape (..., *probability.shape)."""
        share = numbers(probability, "probability")
        if not ((share >= 0) & (share <= 1)).all():
            raise FociError(f"probabilities lie between 0 and 1, got {share}")
        grid = Grid(np.atleast_2d(self.grid_gy), np.atleast_2d(self.density_per_gy))
        found = quantiles(grid, np.broadcast_to(share.ravel(), (len(grid.x), share.size)))
        return found.reshape(*self.grid_gy.shape[:-1], *share.shape)

    def draws_gy(self, n_draws: int, rng: np.random.Generator) -> FloatArray:
        """Draws of the dose, shape (n_draws, ...)."""
        grid = Grid(np.atleast_2d(self.grid_gy), np.atleast_2d(self.density_per_gy))
        found = quantiles(grid, rng.random((len(grid.x), n_draws)))
        return np.asarray(np.moveaxis(found.reshape(*self.grid_gy.shape[:-1], n_draws), -1, 0))

    def to_frame(self) -> pd.DataFrame:
        """One row per sample: summaries, both intervals, evidence and status."""
        import pandas as pd

        columns = {
            name: np.atleast_1d(getattr(self, name))
            for name in ("mean_gy", "sd_gy", "median_gy", "mode_gy")
        }
        for name in ("shortest", "equal_tailed"):
            limits = np.atleast_2d(getattr(self, f"{name}_gy"))
            columns |= {f"{name}_low_gy": limits[:, 0], f"{name}_high_gy": limits[:, 1]}
        columns["log_evidence"] = np.atleast_1d(self.log_evidence)
        return pd.DataFrame(columns).assign(level=self.level, status=list(self.status))


def dose_posterior(
    samples: FociSample | Sequence[FociSample],
    curve: CalibrationCurve,
    *,
    baseline: FociSample | Sequence[FociSample] | None = None,
    prior: DosePrior | None = None,
    mean_prior: MeanPrior = "gamma",
    dispersion: Dispersion | None = None,
    level: float = 0.95,
) -> DosePosterior:
    r"""Posterior of the dose of samples irradiated and kept like those of the calibration.

    For samples after an administration use `blood_dose_from_foci`: there the dose rate and repair
    decide how many foci are left.

    Parameters
    ----------
    samples : FociSample or sequence of FociSample
        One sample or many; each gets a posterior of its own.
    curve : CalibrationCurve
        Curve of the same laboratory.
    baseline : FociSample or sequence of FociSample, optional
        Unirradiated sample of the same person, one for all samples or one each; it then replaces
        the intercept of the curve, with its own counting error.
    prior : DosePrior, optional
        Prior of the dose; uniform from 0 to 10 Gy by default. Log-uniform priors exclude zero dose.
    mean_prior : {"gamma", "normal"}
        Distribution of the mean count per cell at a given dose; the normal one is cut off at zero.
    dispersion : float or sequence of float, optional
        Variance over mean of the counts, one for all or one for each sample; that of the curve by
        default.
    level : float
        Probability of the intervals.

    Returns
    -------
    DosePosterior

    Raises
    ------
    FociError
        If the counts are impossible at every dose of the prior, or numbers do not fit together.

    Notes
    -----
    :math:`p(D\mid x) \propto p(D)\int p(x\mid n m)\,p(m\mid D)\,dm`. The mean :math:`m` has
    expectation :math:`\mu = f(D)` and variance :math:`v = g^T\Sigma g`, g the gradient of the
    curve. With a baseline, :math:`\mu = b + f(D) - f(0)` and :math:`v = v_b + g^T\Sigma g` with the
    intercept's part of g zero; :math:`b, v_b` are mean and variance of the gamma posterior of the
    baseline. Overdispersed counts weigh :math:`1/\phi` (quasi-likelihood). The integral over the
    dose is taken on a grid that closes in on each sample's posterior.

    The probability of an interval is right on average over doses drawn from the prior. At a fixed
    dose within two standard errors of zero it is wrong for the equal-tailed interval (which cannot
    contain zero dose); the shortest one keeps near its level there.

    References
    ----------
    Higueras M et al. Proc R Soc A 2015;471:20140588, doi:10.1098/rspa.2014.0588; Morina D et al.
    J Radiol Prot 2015;35:557, doi:10.1088/0952-4746/35/3/557.

    Examples
    --------
    >>> from foci import FociSample, eberlein_2015
    >>> found = dose_posterior(
    ...     FociSample(1, 1.0, 500, 260), eberlein_2015(), baseline=FociSample(1, -1.0, 500, 100)
    ... )
    >>> float(found.median_gy.round(4)), found.shortest_gy.round(3).tolist(), found.status
    (0.0221, [0.016, 0.029], ('ok',))
    """
    one = isinstance(samples, FociSample)
    given = [samples] if isinstance(samples, FociSample) else list(samples)
    if not given:
        raise FociError("no sample was given")
    check_share(level, "level")
    phi = np.array(dispersions_of(given, curve.dispersion if dispersion is None else dispersion))
    background = _background(baseline, len(given), phi)
    phi = phi * np.array([open_class_dispersion(sample) for sample in given])
    foci, cells = (np.array([float(getattr(s, k)) for s in given]) for k in ("foci", "cells"))
    prior = prior or DosePrior(0.0, _WIDEST_GY, "uniform")

    def log_density(dose: FloatArray, rows: slice | npt.NDArray[np.intp]) -> FloatArray:
        mean, variance = _mean_and_variance(
            curve, dose, None if background is None else background[rows]
        )
        count, total, by = foci[rows, None], cells[rows, None], phi[rows, None]
        value = log_marginal(count, total, mean, variance, by, mean_prior)
        return np.asarray(value + prior.log_density(dose))

    low, high = prior.support_gy
    turn = [curve.turning_dose_gy] if low < curve.turning_dose_gy < high else []
    grid, log_evidence = adaptive_grid(log_density, len(given), [low, *turn, high])
    tail = (1 - level) / 2
    limits = quantiles(grid, np.broadcast_to([tail, 1 - tail], (len(given), 2)))
    median, mode = median_and_mode(grid)
    mean, sd = grid.moments()
    shortest = shortest_interval(grid, level)
    band = _band_words(curve, prior, background, limits[:, 1])
    status = _statuses(grid, prior, curve, limits[:, 1], band)
    shape = () if one else (len(given),)
    return DosePosterior(
        grid_gy=grid.x.reshape(*shape, -1),
        density_per_gy=grid.y.reshape(*shape, -1),
        mean_gy=mean.reshape(shape),
        sd_gy=sd.reshape(shape),
        median_gy=median.reshape(shape),
        mode_gy=mode.reshape(shape),
        shortest_gy=shortest.reshape(*shape, 2),
        equal_tailed_gy=limits.reshape(*shape, 2),
        level=level,
        log_evidence=log_evidence.reshape(shape),
        status=status,
        assumptions=(
            *_assumptions(curve, prior, mean_prior, baseline is not None, phi),
            *open_class_words(given),
        ),
    )


def _background(
    baseline: FociSample | Sequence[FociSample] | None, n: int, phi: FloatArray
) -> FloatArray | None:
    """Mean and variance of each sample's own background, shape (n, 2)."""
    if baseline is None:
        return None
    given = [baseline] * n if isinstance(baseline, FociSample) else list(baseline)
    if len(given) != n:
        raise FociError(f"give one baseline, or one for each of the {n} samples; got {len(given)}")
    given_phi = phi * np.array([open_class_dispersion(sample) for sample in given])
    pairs = zip(given, given_phi.tolist(), strict=True)
    parameters = np.array([background_gamma([s], dispersion=value) for s, value in pairs])
    shape, rate = parameters.T
    return np.stack([shape / rate, shape / rate**2], axis=-1)


def _mean_and_variance(
    curve: CalibrationCurve, dose: FloatArray, background: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Expectation and variance of the mean count per cell at each dose."""
    if background is None:
        return curve.mean_per_cell(dose), curve.sd_per_cell(dose) ** 2
    excess = curve.mean_per_cell(dose) - curve.intercept_per_cell
    return background[:, :1] + excess, background[:, 1:] + excess_sd(curve, dose) ** 2


def _band_words(
    curve: CalibrationCurve,
    prior: DosePrior,
    background: FloatArray | None,
    upper: FloatArray,
) -> list[str]:
    """What of the curve makes the dose of each sample ambiguous; empty words where nothing does."""
    dose = np.linspace(*prior.support_gy, _N_BAND)
    mean, variance = _mean_and_variance(
        curve, dose, None if background is None else background.mean(0, keepdims=True)
    )
    limit_falls = np.diff(mean.ravel() - _BAND_Z * np.sqrt(variance.ravel())) < 0
    words = []
    for end in upper.tolist():
        at = min(int(np.searchsorted(dose, end)), len(dose) - 1)
        said = ""
        if end > curve.turning_dose_gy:
            said = (
                f"the calibration curve falls above {curve.turning_dose_gy:.3g} Gy: one count fits "
                "two doses, and only the prior tells them apart"
            )
        elif limit_falls[max(at - 1, 0)]:
            said = (
                f"the lower limit of the calibration curve falls at {end:.3g} Gy: its coefficients "
                "are too uncertain to limit the dose from above"
            )
        words.append(said)
    return words


def _statuses(
    grid: Grid,
    prior: DosePrior,
    curve: CalibrationCurve,
    upper: FloatArray,
    band: list[str],
) -> tuple[str, ...]:
    """What is wrong with each posterior, in words."""
    low, high = prior.support_gy
    peak = grid.y.max(-1)
    modes = grid.n_modes(_SECOND_MODE)
    lowest = "zero dose is not excluded" if low == 0 else "no dose is excluded downwards"
    limit = np.inf if curve.max_dose_gy is None else curve.max_dose_gy
    found = []
    for row, count in enumerate(modes.tolist()):
        at_low = grid.x[row, 0] <= low and grid.y[row, 0] > _EDGE * peak[row]
        at_high = grid.x[row, -1] >= high and grid.y[row, -1] > _EDGE * peak[row]
        cases = (
            (band[row] != "", band[row]),
            (count > 1, f"the posterior has {count} modes: the mean and the interval mix them"),
            (at_low, lowest),
            (at_high, "no dose is excluded upwards: the upper limit is that of the prior"),
            (upper[row] > limit, f"the curve is extrapolated beyond {limit:g} Gy"),
            (curve.status != "ok", f"calibration: {curve.status}"),
        )
        found.append("; ".join(words for holds, words in cases if holds) or "ok")
    return tuple(found)


def _assumptions(
    curve: CalibrationCurve, prior: DosePrior, mean_prior: str, own: bool, phi: FloatArray
) -> tuple[str, ...]:
    background = (
        f"spontaneous foci from the person's own baseline with a gamma prior of shape "
        f"{BACKGROUND_SHAPE:g} and mean {BACKGROUND_MEAN_PER_CELL:g} per cell ASSUMED"
        if own
        else "no baseline sample: spontaneous foci are those of the calibration curve ASSUMED"
    )
    counts = "Poisson" if (phi == 1).all() else f"overdispersed by {phi.min():g} to {phi.max():g}"
    return (
        *curve.assumptions,
        background,
        f"mean count at a given dose {mean_prior}-distributed ASSUMED",
        f"prior of the dose {prior.kind} {prior.low_gy:g} to {prior.high_gy:g} Gy ASSUMED",
        f"counts are {counts} ASSUMED",
        "the whole sample was irradiated, and kept like the calibration samples ASSUMED",
    )
