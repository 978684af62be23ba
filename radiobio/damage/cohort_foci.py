"""Foci of a cohort, summarised over the draws of each patient without keeping them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.cores import on_all_cores
from kinetics.curves import FloatArray
from radiobio.checks import not_negative, times
from radiobio.damage._focus_curves import focus_curves, focus_response
from radiobio.errors import RadiobioError
from radiobio.repair import repair_components

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class CohortFoci:
    """Foci per cell of a cohort over its draws.

    Attributes
    ----------
    time_h : ndarray, shape (n_times,)
        Times after the administration (h).
    mean_per_cell, sd_per_cell : ndarray, shape (n_patients, n_times)
        Mean and standard deviation (n - 1) over the draws; the latter is nan for a single draw.
    quantile : tuple of float
        Probabilities of the quantiles.
    quantile_per_cell : ndarray, shape (n_quantiles, n_patients, n_times)
    n_draws : int
        Draws behind each value.
    status : str
        ``"ok"``, or why there is no standard deviation.
    """

    time_h: FloatArray
    mean_per_cell: FloatArray
    sd_per_cell: FloatArray
    quantile: tuple[float, ...]
    quantile_per_cell: FloatArray
    n_draws: int
    status: str

    def to_frame(self) -> pd.DataFrame:
        """One row a patient and time.

        Returns
        -------
        pandas.DataFrame
            Columns ``patient`` (from 0), ``time_h``, ``mean_per_cell``, ``sd_per_cell`` and one
            a quantile (``q05_per_cell``).
        """
        import pandas as pd

        n_patients, n_times = self.mean_per_cell.shape
        columns: dict[str, npt.NDArray[np.generic]] = {
            "patient": np.repeat(np.arange(n_patients), n_times),
            "time_h": np.tile(self.time_h, n_patients),
            "mean_per_cell": self.mean_per_cell.ravel(),
            "sd_per_cell": self.sd_per_cell.ravel(),
        }
        for chance, values in zip(self.quantile, self.quantile_per_cell, strict=True):
            whole, _, rest = f"{100 * chance:g}".partition(".")
            percent = "_".join(part for part in (whole.zfill(2), rest) if part)
            columns[f"q{percent}_per_cell"] = values.ravel()
        return pd.DataFrame(columns)


def cohort_foci(
    dose_rate: SumOfExponentials,
    time_h: npt.ArrayLike,
    *,
    induction_per_gy: npt.ArrayLike,
    repair_rate_per_h: npt.ArrayLike,
    fraction: npt.ArrayLike = 1.0,
    background_per_cell: npt.ArrayLike = 0.0,
    maturation_rate_per_h: npt.ArrayLike | None = None,
    clearance_rate_per_h: npt.ArrayLike | None = None,
    quantile: Sequence[float] = (0.05, 0.5, 0.95),
) -> CohortFoci:
    """Mean, spread and quantiles of the foci of many patients, on all cores.

    `foci_per_cell` with the draws of a patient reduced at once: 10,000 patients with 1,000 draws
    at 10 times would be 0.8 GB.

    Parameters
    ----------
    dose_rate : SumOfExponentials, leading shape (n_patients, n_draws)
        Absorbed dose rate to the cells (Gy/h).
    time_h : array_like, shape (n_times,)
        Times after the administration (h), zero or positive.
    induction_per_gy, repair_rate_per_h, fraction, background_per_cell, maturation_rate_per_h, \
clearance_rate_per_h
        As in `foci_per_cell`; leading axes broadcast against (n_patients, n_draws), so that a
        value a patient has shape (n_patients, 1).
    quantile : sequence of float
        Probabilities of the quantiles over the draws.

    Returns
    -------
    CohortFoci

    Raises
    ------
    RadiobioError
        As `foci_per_cell`; or if the leading shape is not (n_patients, n_draws), there is no
        draw, or a probability is not between 0 and 1.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> blood = SumOfExponentials([0.012, 0.002], [0.46, 0.023])
    >>> drawn = blood[None, None].scaled(rng.lognormal(0.0, 0.2, (3, 500)))
    >>> foci = cohort_foci(drawn, [1.0, 24.0], induction_per_gy=14.7, repair_rate_per_h=0.25)
    >>> foci.mean_per_cell.shape
    (3, 2)
    """
    chances = tuple(float(chance) for chance in quantile)
    if not all(0 <= chance <= 1 for chance in chances):
        raise RadiobioError(f"quantile must be probabilities between 0 and 1, got {chances}")
    curves = focus_curves(
        dose_rate,
        np.atleast_1d(times(time_h)),
        focus_response(
            *repair_components(repair_rate_per_h, fraction),
            maturation_rate_per_h=maturation_rate_per_h,
            clearance_rate_per_h=clearance_rate_per_h,
        ),
        not_negative(induction_per_gy, "induction_per_gy"),
        not_negative(background_per_cell, "background_per_cell"),
    )
    if len(curves.shape) != 2 or 0 in curves.shape:
        raise RadiobioError(
            f"the curves have leading shape {curves.shape}; it must be (n_patients, n_draws)"
        )
    n_patients, n_draws = curves.shape
    n_times = len(curves.time_h)
    mean, sd = np.empty((n_patients, n_times)), np.full((n_patients, n_times), np.nan)
    quantiles = np.empty((len(chances), n_patients, n_times))
    place = np.array(chances) * (n_draws - 1)
    below, above = np.floor(place).astype(int), np.ceil(place).astype(int)
    share = place - below

    def run(start: int, stop: int) -> None:
        foci = np.empty((n_draws, n_times))
        for patient in range(start, stop):
            curves.fill(foci, patient * n_draws, (patient + 1) * n_draws)
            mean[patient] = foci.mean(0)
            if n_draws > 1:
                sd[patient] = foci.std(0, ddof=1)
            ascending = np.sort(np.ascontiguousarray(foci.T), axis=1)
            quantiles[:, patient] = (
                ascending[:, below] * (1 - share) + ascending[:, above] * share
            ).T

    on_all_cores(n_patients, run)
    status = "ok" if n_draws > 1 else "one draw a patient: no standard deviation"
    return CohortFoci(curves.time_h, mean, sd, chances, quantiles, n_draws, status)
