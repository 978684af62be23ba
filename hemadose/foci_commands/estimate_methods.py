"""The dose of one sample by each estimator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hemadose.errors import HemadoseError

if TYPE_CHECKING:
    from foci import CalibrationCurve, DosePrior, FociSample, InverseDose

METHODS = ("delta", "fieller", "merkle", "bayes", "partial-body")
NO_INTERVAL = (float("nan"), float("nan"))


@dataclass(frozen=True)
class MethodDose:
    """Dose of a sample by one estimator.

    Attributes
    ----------
    method : str
        Which.
    dose_mgy : float
        Estimate; of the irradiated cells with ``"partial-body"``.
    interval_mgy : tuple of float
        Its interval; nan where there is no bounded one.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        In words.
    fraction, fraction_interval : float and tuple of float
        Irradiated share of the cells; nan but with ``"partial-body"``.
    """

    method: str
    dose_mgy: float
    interval_mgy: tuple[float, float]
    status: str
    assumptions: tuple[str, ...] = ()
    fraction: float = float("nan")
    fraction_interval: tuple[float, float] = NO_INTERVAL


@dataclass(frozen=True)
class MethodOptions:
    """Options of the estimators.

    Attributes
    ----------
    method : str
        One of `METHODS`, or ``"all"``.
    level : float
        Coverage of the intervals.
    dispersion : float
        Variance over mean of the counts.
    prior : DosePrior or None
        Of the Bayesian dose.
    """

    method: str
    level: float
    dispersion: float
    prior: DosePrior | None

    def wants(self, method: str) -> bool:
        """Whether a method is asked for."""
        return self.method in ("all", method)


def doses_of(
    sample: FociSample,
    baseline: FociSample | None,
    curve: CalibrationCurve,
    options: MethodOptions,
) -> tuple[MethodDose, ...]:
    """Doses of a sample irradiated and kept like the calibration samples.

    Parameters
    ----------
    sample, baseline : FociSample
        The sample, and that before the administration; without one the curve's background.
    curve : CalibrationCurve
        Curve of the same laboratory.
    options : MethodOptions
        What is asked for.

    Raises
    ------
    HemadoseError
        If a partial-body dose is asked for and the sample does not allow it.
    """
    found = list(_read_backwards(sample, baseline, curve, options))
    if options.wants("merkle"):
        found.append(_merkle(sample, baseline, curve, options))
    if options.wants("bayes"):
        found.append(_bayes(sample, baseline, curve, options))
    if options.wants("partial-body"):
        lacking = _lacking(sample, baseline)
        if not lacking and baseline is not None:
            found.append(_partial_body(sample, baseline, curve, options))
        elif options.method == "partial-body":
            raise HemadoseError(f"--method partial-body: {lacking}")
    return tuple(found)


def _read_backwards(
    sample: FociSample,
    baseline: FociSample | None,
    curve: CalibrationCurve,
    options: MethodOptions,
) -> Iterator[MethodDose]:
    from foci import dose_from_curve

    if not (options.wants("delta") or options.wants("fieller")):
        return
    read = dose_from_curve(
        sample, curve, baseline=baseline, level=options.level, dispersion=options.dispersion
    )
    if options.wants("delta"):
        yield _method("delta", read.dose_gy, read.delta_interval_gy, _of_delta(read), read)
    if options.wants("fieller"):
        limits = read.fieller_interval_gy or NO_INTERVAL
        yield _method("fieller", read.dose_gy, limits, read.status, read)


def _of_delta(read: InverseDose) -> str:
    """Status of the delta interval."""
    if read.status == "ok" and read.g > 0.1:
        return f"the slope is uncertain (g = {read.g:.2g}): prefer Fieller's interval"
    return read.status


def _method(
    method: str,
    dose_gy: float,
    interval_gy: tuple[float, float],
    status: str,
    read: InverseDose,
) -> MethodDose:
    return MethodDose(method, 1000 * dose_gy, _mgy(interval_gy), status, read.assumptions)


def _merkle(
    sample: FociSample,
    baseline: FociSample | None,
    curve: CalibrationCurve,
    options: MethodOptions,
) -> MethodDose:
    from foci import merkle_dose

    read = merkle_dose(
        sample,
        curve,
        baseline=baseline,
        count_level=options.level,
        curve_level=options.level,
        dispersion=options.dispersion,
    )
    limits = _mgy(read.interval_gy or NO_INTERVAL)
    return MethodDose("merkle", 1000 * read.dose_gy, limits, read.status, read.assumptions)


def _bayes(
    sample: FociSample,
    baseline: FociSample | None,
    curve: CalibrationCurve,
    options: MethodOptions,
) -> MethodDose:
    from foci import dose_posterior

    read = dose_posterior(
        sample,
        curve,
        baseline=baseline,
        prior=options.prior,
        dispersion=options.dispersion,
        level=options.level,
    )
    low, high = read.shortest_gy.tolist()
    return MethodDose(
        "bayes", 1000 * float(read.median_gy), _mgy((low, high)), read.status[0], read.assumptions
    )


def _lacking(sample: FociSample, baseline: FociSample | None) -> str:
    """Why a sample allows no partial-body dose; empty if it does."""
    if baseline is None:
        return "it needs the patient's own baseline"
    if sample.distribution is None:
        return (
            f"cycle {sample.cycle}, {sample.time_h:g} h: it needs the distribution of the foci "
            "over the cells, the columns C0, C1, ... of one slide"
        )
    if sample.open_last_class:
        return (
            f"cycle {sample.cycle}, {sample.time_h:g} h: the open class "
            f"C{len(sample.distribution) - 1}+ holds cells; give all classes"
        )
    return ""


def _partial_body(
    sample: FociSample, baseline: FociSample, curve: CalibrationCurve, options: MethodOptions
) -> MethodDose:
    from foci import partial_body

    read = partial_body(sample, baseline, curve=curve, level=options.level)
    dose = float("nan") if read.dose_gy is None else read.dose_gy
    return MethodDose(
        "partial-body",
        1000 * dose,
        _mgy(read.dose_interval_gy or NO_INTERVAL),
        read.status,
        read.assumptions,
        read.fraction,
        read.fraction_interval,
    )


def _mgy(interval_gy: tuple[float, float]) -> tuple[float, float]:
    """An interval in mGy; nan if it is not bounded."""
    low, high = (1000 * float(end) for end in interval_gy)
    return (low, high) if np.isfinite([low, high]).all() else NO_INTERVAL
