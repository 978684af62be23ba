"""What is known of one patient: draws of parameters, curves, integrals and forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.errors import KineticsError
from kinetics.population.data import PopulationData
from kinetics.population.model import PopulationModel

if TYPE_CHECKING:
    import pandas as pd

NEXT = "next"


@dataclass(frozen=True, eq=False)
class IndividualPosterior:
    """Posterior of one patient's kinetics in every occasion (cycle) and the next.

    Attributes
    ----------
    model : PopulationModel
        The population.
    data : PopulationData
        The patient's data.
    method : str
        ``laplace``, ``importance`` or ``mcmc``; ``population`` without samples.
    parameter : ndarray, shape (n_draws, n_occasions, p)
        Draws of the structural parameters.
    next_parameter : ndarray, shape (n_draws, p)
        Draws for a further occasion: the patient's own effects with fresh variability between
        occasions.
    map_parameter : ndarray, shape (n_occasions, p)
        Maximum a posteriori of the random effects (population parameters at their estimates).
    effective_sample_size : float
        Importance sampling: of the weights; Markov chains: of the worst effect; Laplace: of the
        weights that would correct it.
    status : str
        ``"ok"``, or what is wrong, in words.
    decay_corrected : bool
        Whether the data, and so the model's predictions, are corrected for physical decay.
    decay_per_h : float or None
        Physical decay constant (1/h) that curves and integrals of decay-corrected models receive.
    assumptions : tuple of str
        What is assumed.
    """

    model: PopulationModel
    data: PopulationData
    method: str
    parameter: FloatArray
    next_parameter: FloatArray
    map_parameter: FloatArray
    effective_sample_size: float
    status: str
    decay_corrected: bool
    decay_per_h: float | None
    assumptions: tuple[str, ...] = ()

    def draws(self, occasion: str | None = None) -> FloatArray:
        """Structural parameters (n_draws, p) of an occasion by its label.

        Parameters
        ----------
        occasion : str, optional
            Label of the occasion, or ``"next"``; the last one when missing.
        """
        if occasion == NEXT:
            return self.next_parameter
        return np.ascontiguousarray(self.parameter[:, self._index(occasion)])

    def curves(
        self, region: str | None = None, *, occasion: str | None = None
    ) -> SumOfExponentials:
        """Activity curves with physical decay in them, one a draw.

        Parameters
        ----------
        region : str, optional
            Region of the structure; the first when missing.
        occasion : str, optional
            Label of the occasion, or ``"next"`` (with the last one's doses); the last when missing.

        Raises
        ------
        KineticsError
            If the structure has no curves, or the doses are not boluses at time 0.
        """
        doses = self._doses(occasion)
        if len(doses) and (doses[:, [0, 3]] != 0).any():
            raise KineticsError(
                "after infusions or later doses the curve is no sum of exponentials from time 0; "
                "use predict for values and tia for the integral"
            )
        return self._unit_curves(region, occasion).scaled(self._amount(doses))

    def tia(self, region: str | None = None, *, occasion: str | None = None) -> FloatArray:
        r"""Draws of the time-integrated activity from zero to infinity, shape (n_draws,).

        The unit of the observations times h. The response to a unit dose integrates exactly,
        :math:`\sum_i a_i/(\lambda_i + \lambda_p)`; it is multiplied by the total amount.

        Parameters
        ----------
        region, occasion
            As in `curves`.

        Raises
        ------
        KineticsError
            If the structure has no curves, doses go elsewhere than into the first compartment, or
            doses of a decay-corrected model are not boluses at time 0.
        """
        doses = self._doses(occasion)
        if self.decay_corrected and len(doses) and (doses[:, [0, 3]] != 0).any():
            raise KineticsError(
                "decay-corrected activities after infusions or later doses have no common "
                "reference time: use data that are not decay-corrected"
            )
        return self._unit_curves(region, occasion).integral() * self._amount(doses)

    def predict(
        self,
        time_h: npt.ArrayLike,
        *,
        region: str | None = None,
        occasion: str | None = None,
    ) -> FloatArray:
        """Predictions as the data are recorded (decay-corrected or not), without residual error.

        Parameters
        ----------
        time_h : array_like, shape (n_times,)
            Times since the start of the occasion (h).
        region, occasion
            As in `curves`; any structure and any doses are legal.

        Returns
        -------
        ndarray, shape (n_draws, n_times)
        """
        from kinetics.individual._kernels import predictions

        time = np.atleast_1d(np.asarray(time_h, dtype=np.float64))
        regions = self.model.structure.regions
        index = regions.index(self._region(region))
        rows = np.ascontiguousarray(np.column_stack([time, np.full(len(time), float(index))]))
        out = np.empty((len(self.parameter), len(time)))
        predictions(
            self.model.structure.predict, self.draws(occasion), rows, self._doses(occasion), out
        )
        return out

    def to_frame(self, *, level: float = 0.9) -> pd.DataFrame:
        """Time-integrated activity: a row an occasion (the next included) and region.

        Columns: mean, sd, cv_pct, median and the limits of the interval that holds `level` of
        the posterior.
        """
        import pandas as pd

        rows = {}
        for occasion in (*self.data.occasion_label, NEXT):
            for region in self.model.residual:
                rows[occasion, region] = summary(self.tia(region, occasion=occasion), level)
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["occasion", "region"])

    def _index(self, occasion: str | None) -> int:
        labels = self.data.occasion_label
        if occasion is None:
            return len(labels) - 1
        if occasion not in labels:
            raise KineticsError(
                f"there is no occasion {occasion!r}; there are {', '.join(labels)} and {NEXT!r}"
            )
        return labels.index(occasion)

    def _region(self, region: str | None) -> str:
        regions = self.model.structure.regions
        if region is not None and region not in regions:
            raise KineticsError(f"there is no region {region!r}; there are {', '.join(regions)}")
        return region or regions[0]

    def _doses(self, occasion: str | None) -> FloatArray:
        o = self._index(None if occasion == NEXT else occasion)
        a, b = self.data.dose_start[o : o + 2]
        return np.ascontiguousarray(self.data.doses[a:b], dtype=np.float64)

    def _unit_curves(self, region: str | None, occasion: str | None) -> SumOfExponentials:
        curves = self.model.structure.curves
        if curves is None:
            raise KineticsError(
                f"{self.model.structure.name} is not a sum of exponentials; only predict is "
                "possible"
            )
        curve = curves(self.draws(occasion))[self._region(region)]
        if self.decay_corrected and self.decay_per_h is not None:
            return curve.decayed(self.decay_per_h)
        return curve

    def _amount(self, doses: FloatArray) -> float:
        if not self.model.structure.needs_dose:
            return 1.0
        if (doses[:, 2] != 0).any() or (doses[:, 4] != 0).any() or (doses[:, 3] < 0).any():
            raise KineticsError(
                "curves are the response to doses into the first compartment, without steady "
                "state or modelled rates"
            )
        return float((doses[:, 1] * (1.0 + doses[:, 6])).sum())


def summary(tia: FloatArray, level: float) -> dict[str, float]:
    """Mean, sd, CV, median and interval of draws."""
    tail = (1.0 - level) / 2.0
    lower, median, upper = np.quantile(tia, [tail, 0.5, 1.0 - tail])
    mean, sd = float(tia.mean()), float(tia.std(ddof=1))
    return {
        "mean": mean,
        "sd": sd,
        "cv_pct": 100.0 * sd / abs(mean),
        "median": float(median),
        "lower": float(lower),
        "upper": float(upper),
    }
