"""What is known of induction, repair and background before a patient's foci are counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foci.calibration import CalibrationCurve
from foci.checks import check_whole, numbers
from foci.counting.counts import FociSample, check_dispersion
from foci.counting.open_class import open_class_dispersion
from foci.errors import FociError
from kinetics.curves import FloatArray
from radiobio.damage.dsb import induction_from_apparent_slope

BACKGROUND_SHAPE, BACKGROUND_MEAN_PER_CELL = 0.5, 0.3  # gamma prior of the spontaneous foci

Dispersion = float | Sequence[float]


@dataclass(frozen=True)
class RepairModel:
    """Prior of one patient's induction, repair rates and background of foci.

    Foci are induced in proportion to the dose rate and repaired in parallel pools, each at its
    own first-order rate.

    Parameters
    ----------
    calibration : CalibrationCurve
        Line of the laboratory that counts. Its apparent slope is corrected here, once, for the
        repair during its irradiation and until its cells were fixed.
    repair_rate_per_h : tuple of float
        Median repair rate of each pool (1/h).
    rate_log_sd : tuple of float
        Between-patient standard deviation of the log rate of each pool. ASSUMED.
    fraction : tuple of float
        Share of the foci in each pool; sums to one.
    induction_cv : float
        Between-patient CV of the induction. ASSUMED.
    calibration_rate_per_h, calibration_rate_sd_per_h : float
        Repair rate in vitro (1/h) by which the calibration slope is corrected, and its SD.
    background_shape, background_mean_per_cell : float
        Gamma prior of the spontaneous foci per cell. ASSUMED.

    Notes
    -----
    Rates are log-normal. The median is the ex vivo group rate after 131I, 0.25 +- 0.05 /h. No
    distribution in vivo could be verified; a log SD of 0.8 (95 % from 0.05 to 1.2 /h) is ASSUMED
    so that two or three samples of the patient decide, not the prior.
    An induction CV of 15 % is ASSUMED: of the 22 % spread between patients at 50 mGy ex vivo
    (0.72 +- 0.16), counting about 100 cells takes 14 % and the dose 5 %.
    The background prior has the shape of Jeffreys' prior (1/2) and a mean of 0.3 per cell,
    between the 0.25 and 0.41 of two patient series; it weighs as much as 1.7 cells counted.

    References
    ----------
    Schumann S et al. Eur J Nucl Med Mol Imaging 2022;49:1447 (PMC8940852). Background: Ritt P et
    al. J Nucl Med 2021;62:379-385, doi:10.2967/jnumed.120.243782; Doai M et al. Ann Nucl Med
    2013;27:233-238, doi:10.1007/s12149-012-0678-0.
    """

    calibration: CalibrationCurve
    repair_rate_per_h: tuple[float, ...] = (0.25,)
    rate_log_sd: tuple[float, ...] = (0.8,)
    fraction: tuple[float, ...] = (1.0,)
    induction_cv: float = 0.15
    calibration_rate_per_h: float = 0.25
    calibration_rate_sd_per_h: float = 0.05
    background_shape: float = BACKGROUND_SHAPE
    background_mean_per_cell: float = BACKGROUND_MEAN_PER_CELL

    def __post_init__(self) -> None:
        if not len(self.repair_rate_per_h) == len(self.rate_log_sd) == len(self.fraction) > 0:
            raise FociError("repair_rate_per_h, rate_log_sd and fraction need one value per pool")
        rates = numbers([*self.repair_rate_per_h, self.calibration_rate_per_h], "repair rates")
        if not ((rates > 0) & np.isfinite(rates)).all():
            raise FociError("repair rates must be positive and finite")
        spread = [*self.rate_log_sd, self.induction_cv, self.calibration_rate_sd_per_h]
        sd = numbers(spread, "standard deviations")
        if not ((sd >= 0) & np.isfinite(sd)).all():
            raise FociError("standard deviations must be zero or positive, and finite")
        share = numbers(self.fraction, "fraction")
        if not ((share >= 0).all() and abs(share.sum() - 1) <= 1e-9):
            raise FociError(f"fraction must be positive and sum to one, got {self.fraction}")
        gamma = numbers([self.background_shape, self.background_mean_per_cell], "background")
        if not ((gamma > 0) & np.isfinite(gamma)).all():
            raise FociError("the gamma prior of the background needs positive parameters")
        if not self.calibration.is_linear:
            raise FociError("the calibration must be a straight line: induction follows the dose")

    @property
    def n_coordinates(self) -> int:
        """Number of standard-normal coordinates of one draw."""
        return 4 + len(self.fraction)

    def at(
        self,
        standardised: npt.ArrayLike,
        *,
        baseline: Iterable[FociSample] = (),
        dispersion: Dispersion = 1.0,
    ) -> RepairDraws:
        r"""Induction, repair rates and background at standard-normal coordinates.

        Parameters
        ----------
        standardised : array_like, shape (n, n_coordinates)
            Calibration slope, repair rate in vitro, patient factor of the induction, repair rate
            of each pool, background. Independent standard normals give draws of the prior.
        baseline : iterable of FociSample
            Samples before any administration; they sharpen the background.
        dispersion : float or sequence of float
            Variance over mean of the baseline counts, one for all or one for each.

        Returns
        -------
        RepairDraws

        Notes
        -----
        Induction is the apparent slope times :math:`kT/(1-e^{-kT})\,e^{kr}`, T the time of
        irradiation of the calibration, r that from its end to the fixation and k the rate in
        vitro; so what `foci_per_cell` predicts for such an irradiation is the calibration line
        itself. Do not correct the slope beforehand.
        """
        z = np.asarray(standardised, dtype=np.float64)
        if z.ndim != 2 or z.shape[1] != self.n_coordinates:
            raise FociError(f"coordinates need shape (n, {self.n_coordinates}), got {z.shape}")
        line = self.calibration
        slope = _log_normal(line.slope_per_gy, line.slope_sd / line.slope_per_gy, z[:, 0])
        cv_in_vitro = self.calibration_rate_sd_per_h / self.calibration_rate_per_h
        rate_in_vitro = _log_normal(self.calibration_rate_per_h, cv_in_vitro, z[:, 1])
        apparent = slope * _log_normal(1.0, self.induction_cv, z[:, 2])
        at_the_end = apparent * np.exp(rate_in_vitro * line.repair_h)
        baseline = tuple(baseline)
        assumed = (
            "no baseline sample: spontaneous foci from a wide gamma prior with mean "
            f"{self.background_mean_per_cell:g} per cell ASSUMED",
        )
        return RepairDraws(
            induction_from_apparent_slope(at_the_end, rate_in_vitro, line.irradiation_h),
            np.array(self.repair_rate_per_h) * np.exp(np.array(self.rate_log_sd) * z[:, 3:-1]),
            np.array(self.fraction),
            background_at(
                z[:, -1],
                baseline,
                dispersion=dispersion,
                prior_shape=self.background_shape,
                prior_mean_per_cell=self.background_mean_per_cell,
            ),
            assumptions=self.assumptions,
            background_assumptions=() if baseline else assumed,
        )

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What this prior assumes, in words."""
        rates = ", ".join(f"{rate:g} /h" for rate in self.repair_rate_per_h)
        spread = ", ".join(f"{sd:g}" for sd in self.rate_log_sd)
        return (
            *self.calibration.assumptions,
            f"repair rate in vivo log-normal about {rates} with log SD {spread} ASSUMED",
            f"induction varies between patients with a CV of {self.induction_cv:.0%} ASSUMED",
        )


@dataclass(frozen=True, eq=False)
class RepairDraws:
    """Joint draws of one patient's induction, repair and background.

    Attributes
    ----------
    induction_per_gy : ndarray, shape (n,)
        Foci induced per cell and Gy, before any repair.
    repair_rate_per_h : ndarray, shape (n, n_pools)
        Repair rate of each pool (1/h).
    fraction : ndarray, shape (n_pools,)
        Share of the foci in each pool.
    background_per_cell : ndarray, shape (n,)
        Spontaneous foci per cell.
    assumptions : tuple of str
        What was assumed of induction and repair.
    background_assumptions : tuple of str
        What was assumed of the background; it matters only where no baseline replaces it.
    """

    induction_per_gy: FloatArray
    repair_rate_per_h: FloatArray
    fraction: FloatArray
    background_per_cell: FloatArray
    assumptions: tuple[str, ...]
    background_assumptions: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of draws."""
        return len(self.induction_per_gy)


def draw_repair(
    prior: RepairModel,
    n_draws: int,
    rng: np.random.Generator,
    *,
    baseline: Iterable[FociSample] = (),
    dispersion: Dispersion = 1.0,
) -> RepairDraws:
    r"""Draw induction, repair rates and background.

    Parameters
    ----------
    prior : RepairModel
        What is known beforehand.
    n_draws : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.
    baseline : iterable of FociSample
        Samples before any administration; they sharpen the background.
    dispersion : float or sequence of float
        Variance over mean of the baseline counts, one for all or one for each.

    Returns
    -------
    RepairDraws

    Examples
    --------
    >>> import numpy as np
    >>> from foci import eberlein_2015
    >>> prior = RepairModel(eberlein_2015())
    >>> draws = draw_repair(prior, 20_000, np.random.default_rng(1))
    >>> bool(abs(draws.induction_per_gy.mean() / 14.7 - 1.13) < 0.01)
    True
    """
    check_whole(n_draws, "n_draws")
    baseline = tuple(baseline)
    given = zip(baseline, dispersions_of(baseline, dispersion), strict=True)
    phi = [by * open_class_dispersion(sample) for sample, by in given]
    standardised = rng.standard_normal((n_draws, prior.n_coordinates))
    return prior.at(standardised, baseline=baseline, dispersion=phi)


def background_at(
    standardised: FloatArray,
    baseline: Iterable[FociSample],
    *,
    dispersion: Dispersion = 1.0,
    prior_shape: float = BACKGROUND_SHAPE,
    prior_mean_per_cell: float = BACKGROUND_MEAN_PER_CELL,
) -> FloatArray:
    """Spontaneous foci per cell given baseline samples, at standard-normal coordinates.

    Parameters
    ----------
    standardised : ndarray, shape (n,)
        Normal quantiles of the background; beyond +-8 they count as +-8.
    baseline, dispersion, prior_shape, prior_mean_per_cell
        As in `background_gamma`.

    Returns
    -------
    ndarray, shape (n,)
    """
    from scipy.special import gammaincinv, ndtr

    shape, rate = background_gamma(
        baseline,
        dispersion=dispersion,
        prior_shape=prior_shape,
        prior_mean_per_cell=prior_mean_per_cell,
    )
    return np.asarray(gammaincinv(shape, ndtr(np.clip(standardised, -8.0, 8.0))) / rate)


def background_gamma(
    baseline: Iterable[FociSample],
    *,
    dispersion: Dispersion = 1.0,
    prior_shape: float = BACKGROUND_SHAPE,
    prior_mean_per_cell: float = BACKGROUND_MEAN_PER_CELL,
) -> tuple[float, float]:
    r"""Shape and rate (cells) of the gamma distribution of the spontaneous foci per cell.

    Parameters
    ----------
    baseline : iterable of FociSample
        Samples before any administration, or none.
    dispersion : float or sequence of float
        Variance over mean of their counts, one for all or one for each.
    prior_shape, prior_mean_per_cell : float
        Gamma prior.

    Notes
    -----
    Conjugate: :math:`b \sim \Gamma(s + \sum x/\phi,\ s/m + \sum n/\phi)` for x foci in n cells,
    prior shape s and prior mean m. Overdispersed counts weigh :math:`1/\phi` (quasi-likelihood).
    """
    baseline = list(baseline)
    phi = dispersions_of(baseline, dispersion)
    foci = sum(sample.foci / by for sample, by in zip(baseline, phi, strict=True))
    cells = sum(sample.cells / by for sample, by in zip(baseline, phi, strict=True))
    return prior_shape + foci, prior_shape / prior_mean_per_cell + cells


def dispersions_of(samples: Sequence[FociSample], dispersion: Dispersion) -> list[float]:
    """One checked dispersion (variance over mean) for each sample."""
    given = numbers(dispersion, "dispersion")
    if given.shape not in ((), (len(samples),)):
        raise FociError(
            f"dispersion needs one value, or one for each of {len(samples)} samples; got shape "
            f"{given.shape}"
        )
    phi: list[float] = np.broadcast_to(given, (len(samples),)).tolist()
    for value in [*phi, *given.ravel().tolist()]:
        check_dispersion(value)
    return phi


def _log_normal(mean: float, cv: float, standardised: FloatArray) -> FloatArray:
    """Log-normal with the given mean and CV at standard-normal coordinates."""
    variance = np.log1p(cv**2)
    return np.asarray(mean * np.exp(np.sqrt(variance) * standardised - variance / 2))
