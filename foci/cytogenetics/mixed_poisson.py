"""Two doses in one person: a mixture of two Poisson distributions of aberrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from foci.calibration.curve import CalibrationCurve
from foci.calibration.dose_sets import rising_dose
from foci.checks import check_share
from foci.cytogenetics.counts import AberrationCounts
from foci.errors import FociError
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd

_STARTS = ((0.2, 1.5, 0.3), (0.5, 1.6, 0.5), (0.8, 1.2, 0.1))  # share, factors of the mean
_SHARES = (0.01, 0.99)
_BOUND = 1e-6


@dataclass(frozen=True, eq=False)
class MixedDoses:
    """Two doses and the share of cells that received each, the higher one first.

    Attributes
    ----------
    dose_gy, dose_sd_gy : ndarray, shape (2,)
        Doses and standard deviations (Gy).
    per_cell, per_cell_sd : ndarray, shape (2,)
        Aberrations per cell of each part.
    scored_share, scored_share_sd : float
        Share of the scored cells in the part of the higher dose.
    body_share, body_share_sd : float
        Share of the lymphocytes in it, before cells were lost.
    level : float
        Coverage of the limits in `to_frame`.
    p_value : float
        Likelihood-ratio test of one Poisson distribution, chi-square with two degrees of
        freedom: conservative, since one dose lies on the edge of the mixture.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    dose_gy: FloatArray
    dose_sd_gy: FloatArray
    per_cell: FloatArray
    per_cell_sd: FloatArray
    scored_share: float
    scored_share_sd: float
    body_share: float
    body_share_sd: float
    level: float
    p_value: float
    status: str
    assumptions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def to_frame(self) -> pd.DataFrame:
        """One row a part: yield and dose with limits, not below zero."""
        import pandas as pd
        from scipy.special import ndtri

        z = float(ndtri((1 + self.level) / 2))
        columns = {}
        for name, value, sd in (
            ("per_cell", self.per_cell, self.per_cell_sd),
            ("dose_gy", self.dose_gy, self.dose_sd_gy),
        ):
            columns[name] = value
            columns[f"{name}_low"] = np.maximum(value - z * sd, 0.0)
            columns[f"{name}_high"] = value + z * sd
        return pd.DataFrame(columns, index=["higher", "lower"])


def mixed_poisson_doses(
    counts: AberrationCounts,
    curve: CalibrationCurve,
    *,
    survival_dose_gy: float = 2.7,
    lowest_per_cell: float | None = None,
    level: float = 0.95,
) -> MixedDoses:
    r"""Two doses and their shares from the distribution of aberrations among the cells.

    Parameters
    ----------
    counts : AberrationCounts
        Aberrations with their distribution.
    curve : CalibrationCurve
        Curve of the laboratory.
    survival_dose_gy : float
        Dose d0 (Gy) that lets a share 1/e of the cells reach the scored division.
    lowest_per_cell : float, optional
        Lower bound of both yields; missing: the intercept of the curve, which is a dose of zero.
    level : float
        Coverage of the limits in `to_frame`.

    Raises
    ------
    FociError
        Without a distribution, or where no cell holds two aberrations or more.

    Notes
    -----
    :math:`P(k) = f\,\mathrm{Pois}(k \mid y_1) + (1-f)\,\mathrm{Pois}(k \mid y_2)`, maximum
    likelihood from several starts; standard deviations from the inverse of the observed
    information of all three parameters, also where one of them is at its bound (the status then
    says so). Share of the body :math:`F_1 = f/(f + (1-f)e^{(D_2-D_1)/d_0})`.

    References
    ----------
    Pujol M et al. Radiat Res 2016;185:151-162, doi:10.1667/RR14145.1.

    Examples
    --------
    >>> curve = CalibrationCurve(np.array([0.001, 0.02, 0.06]), np.diag([1e-7, 1e-5, 1e-5]))
    >>> counts = AberrationCounts.from_distribution((160, 55, 19, 17, 9, 4))
    >>> mixed = mixed_poisson_doses(counts, curve)
    >>> mixed.per_cell.round(2), round(mixed.scored_share, 2)
    (array([2.14, 0.23]), 0.28)
    """
    if counts.distribution is None or counts.aberrations <= counts.cells - counts.distribution[0]:
        raise FociError(
            "two doses need a distribution in which some cells hold two aberrations or more"
        )
    check_share(level, "level")
    if not (np.isfinite(survival_dose_gy) and survival_dose_gy > 0):
        raise FociError(f"survival_dose_gy must be positive, got {survival_dose_gy}")
    low = curve.intercept_per_cell if lowest_per_cell is None else lowest_per_cell
    if not 0 <= low < np.inf:
        raise FociError(f"lowest_per_cell must be zero or positive, got {lowest_per_cell}")
    low = max(low, 1e-8)
    n = np.asarray(counts.distribution, dtype=np.float64)
    best, height = _maximum(n, counts.per_cell, low)
    sd = _standard_deviations(_information(n, best))
    f, y = float(best[0]), best[1:]
    dose = np.array([max(rising_dose(curve.coefficients, float(v)), 0.0) for v in y])
    if not np.isfinite(dose).all():
        raise FociError(f"the curve never rises to {y[0]:.3g} aberrations per cell: no dose fits")
    slope = curve.slope_at(dose)
    dose_sd = np.full(2, np.inf)  # a curve without a slope at zero dose
    rises = slope > 0
    dose_sd[rises] = (np.hypot(sd[1:], curve.sd_per_cell(dose)))[rises] / slope[rises]
    share = 1 / (1 + (1 - f) / f * np.exp((dose[1] - dose[0]) / survival_dose_gy))
    steep = share * (1 - share)
    share_sd = steep * np.sqrt(
        (sd[0] / (f * (1 - f))) ** 2 + (dose_sd**2).sum() / survival_dose_gy**2
    )
    return MixedDoses(
        dose_gy=dose,
        dose_sd_gy=np.asarray(dose_sd),
        per_cell=y,
        per_cell_sd=sd[1:],
        scored_share=f,
        scored_share_sd=float(sd[0]),
        body_share=float(share),
        body_share_sd=float(share_sd),
        level=level,
        p_value=_p_value(n, counts.per_cell, height),
        status=_status(f, y, low, sd),
        assumptions=(
            *curve.assumptions,
            f"irradiated cells reach division e-fold less often for each {survival_dose_gy:.3g} "
            "Gy ASSUMED",
        ),
    )


def _log_probability(k: FloatArray, y: float) -> FloatArray:
    from scipy.special import gammaln

    return np.asarray(k * np.log(y) - y - gammaln(k + 1))


def _maximum(n: FloatArray, mean: float, low: float) -> tuple[FloatArray, float]:
    """Share of the higher yield and both yields, and the log likelihood."""
    from scipy.optimize import minimize

    k = np.arange(len(n), dtype=np.float64)

    def objective(x: FloatArray) -> tuple[float, FloatArray]:
        a, b = np.exp(_log_probability(k, x[1])), np.exp(_log_probability(k, x[2]))
        p = x[0] * a + (1 - x[0]) * b
        parts = np.array([a - b, x[0] * a * (k / x[1] - 1), (1 - x[0]) * b * (k / x[2] - 1)])
        return -float(n @ np.log(p)), -(parts / p) @ n

    best: FloatArray | None = None
    height = np.inf
    for share, high, small in _STARTS:
        start = np.array([share, max(mean * high, 2 * low), max(mean * small, 1.1 * low)])
        found = minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[_SHARES, (low, None), (low, None)],
            options={"ftol": 1e-13, "gtol": 1e-7, "maxiter": 500},
        )
        if found.fun < height:
            best, height = np.asarray(found.x), float(found.fun)
    assert best is not None
    if best[1] < best[2]:
        best = np.array([1 - best[0], best[2], best[1]])
    return best, -height


def _information(n: FloatArray, x: FloatArray) -> FloatArray:
    """Observed information of share and yields: minus the second derivatives."""
    k = np.arange(len(n), dtype=np.float64)
    f, y1, y2 = x
    a, b = np.exp(_log_probability(k, y1)), np.exp(_log_probability(k, y2))
    p = f * a + (1 - f) * b
    a1, b1 = a * (k / y1 - 1), b * (k / y2 - 1)
    a2 = a * ((k / y1 - 1) ** 2 - k / y1**2)
    b2 = b * ((k / y2 - 1) ** 2 - k / y2**2)
    first = np.array([a - b, f * a1, (1 - f) * b1]) / p
    second = np.zeros((3, 3, len(k)))
    second[0, 1] = second[1, 0] = a1
    second[0, 2] = second[2, 0] = -b1
    second[1, 1], second[2, 2] = f * a2, (1 - f) * b2
    return np.asarray(np.einsum("ik,jk,k->ij", first, first, n) - second / p @ n)


def _p_value(n: FloatArray, mean: float, height: float) -> float:
    from scipy.stats import chi2

    one = float(n @ _log_probability(np.arange(len(n), dtype=np.float64), mean))
    return float(chi2.sf(max(2 * (height - one), 0.0), 2))


def _standard_deviations(information: FloatArray) -> FloatArray:
    """Roots of the diagonal of the inverse; NaN where it is no covariance."""
    if np.linalg.eigvalsh(information)[0] <= 0:
        return np.full(len(information), np.nan)
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(information))))


def _status(f: float, y: FloatArray, low: float, sd: FloatArray) -> str:
    words = []
    if not np.isfinite(sd).all():
        words.append(
            "the likelihood has no peak in all three parameters: the counts do not show two doses, "
            "and no standard deviation can be given"
        )
    if y[1] <= low * (1 + _BOUND):
        words.append(
            f"the lower yield is at its bound of {low:.3g} per cell: its limits are not to be "
            "trusted; partial_body_dose describes the same"
        )
    if not _SHARES[0] + _BOUND < f < _SHARES[1] - _BOUND:
        words.append("the share is at its bound: one Poisson distribution fits as well")
    return "; ".join(words) or "ok"
