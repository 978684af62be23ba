"""Dose of a whole-body irradiation from aberrations: delta method and Merkle's limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from foci.calibration.curve import CalibrationCurve
from foci.cytogenetics.counts import AberrationCounts
from foci.errors import FociError
from foci.sample_dose.inverse import dose_from_curve
from foci.sample_dose.merkle import merkle_dose

Method = Literal["delta", "merkle", "merkle-dispersed"]


@dataclass(frozen=True)
class AberrationDose:
    """Dose read from aberrations.

    Attributes
    ----------
    dose_gy : float
        Estimate (Gy).
    interval_gy : tuple of float or None
        Its limits, not below zero; None where the doses are not one bounded interval.
    per_cell : float
        Aberrations per cell.
    per_cell_interval : tuple of float
        Their limits, not below zero.
    method : str
        How the limits were found.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    dose_gy: float
    interval_gy: tuple[float, float] | None
    per_cell: float
    per_cell_interval: tuple[float, float]
    method: str
    status: str
    assumptions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def whole_body_dose(
    counts: AberrationCounts,
    curve: CalibrationCurve,
    *,
    method: Method = "delta",
    level: float | None = None,
) -> AberrationDose:
    r"""Dose of a homogeneous whole-body irradiation from the yield of aberrations.

    Parameters
    ----------
    counts : AberrationCounts
        Aberrations of the person.
    curve : CalibrationCurve
        Curve of the laboratory, where needed through `protracted_curve`, `painted_curve` and
        `curve_with_background`.
    method : {"delta", "merkle", "merkle-dispersed"}
        Symmetric limits by the delta method; Merkle's exact limits of the count crossed with the
        band of the curve; or those after biodosetools' widening for overdispersed cells.
    level : float, optional
        Coverage; missing: 0.95 for the delta method, 0.83 for count and curve of Merkle's (which
        together give about 95 %).

    Raises
    ------
    FociError
        If the method is unknown, or a distribution is needed and missing.

    Notes
    -----
    Delta: variance of the yield :math:`s^2/N` where the cells are overdispersed, else
    :math:`X/N^2` (which a missing distribution also means).

    References
    ----------
    IAEA, Cytogenetic Dosimetry, EPR-Biodosimetry 2011 (Vienna: IAEA). Merkle W. Radiat Environ
    Biophys 1983;21:217-233, doi:10.1007/BF01323412.

    Examples
    --------
    >>> import numpy as np
    >>> curve = CalibrationCurve(
    ...     np.array([1.28032e-3, 2.103872e-2, 6.303253e-2]),
    ...     np.array([[2.2222e-7, -9.949e-7, 4.380e-7], [-9.949e-7, 2.66013e-5, -1.51049e-5],
    ...               [4.380e-7, -1.51049e-5, 1.60591e-5]]))
    >>> counts = AberrationCounts.from_distribution((302, 28, 22, 8, 1))
    >>> dose = whole_body_dose(counts, curve)
    >>> round(dose.dose_gy, 2), tuple(round(limit, 2) for limit in dose.interval_gy)
    (1.93, (1.65, 2.21))
    """
    from scipy.special import ndtri

    sample = counts.as_sample()
    if method == "delta":
        inverse = dose_from_curve(
            sample,
            curve,
            level=0.95 if level is None else level,
            dispersion=1.0,
            count_variance="dispersion" if counts.distribution is None else "empirical",
        )
        low, high = inverse.delta_interval_gy
        half = float(ndtri((1 + inverse.level) / 2)) * inverse.per_cell_sd
        return AberrationDose(
            max(inverse.dose_gy, 0.0),
            (max(low, 0.0), max(high, 0.0)),
            inverse.per_cell,
            (max(inverse.per_cell - half, 0.0), inverse.per_cell + half),
            method,
            inverse.status,
            inverse.assumptions,
        )
    if method not in ("merkle", "merkle-dispersed"):
        raise FociError(f"method must be 'delta', 'merkle' or 'merkle-dispersed', got {method!r}")
    both = 0.83 if level is None else level
    merkle = merkle_dose(
        sample,
        curve,
        count_level=both,
        curve_level=both,
        dispersion=1.0,
        dispersed=method == "merkle-dispersed",
    )
    return AberrationDose(
        max(merkle.dose_gy, 0.0),
        merkle.interval_gy,
        merkle.per_cell,
        merkle.per_cell_interval,
        method,
        merkle.status,
        merkle.assumptions,
    )
