"""Cohorts of virtual patients: kinetics, doses and foci of a population, all patients at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from hemadose.errors import HemadoseError
from hemadose.trials.patients.dose_coefficients import DoseCoefficients, tumour_s_value
from kinetics import SumOfExponentials
from kinetics.curves import FloatArray
from kinetics.models import Curves, ResidualError
from radiobio import foci_per_cell

DOSE_FACTORS = ("marrow_dose_factor", "kidney_dose_factor", "tumour_dose_factor")
FOCI_PARAMETERS = ("foci_per_gy_factor", "repair_rate_per_h")
_FACTOR_OF_DOSE = {
    "marrow_dose": "marrow_dose_factor",
    "kidney_dose": "kidney_dose_factor",
    "tumour_dose": "tumour_dose_factor",
}


@dataclass(frozen=True, eq=False)
class Cohort:
    r"""A population of patients under one radioligand.

    .. math:: \log\phi_c = \log\tilde\phi + \beta^T x + \delta_c + \eta + \kappa_c,\quad
              \eta \sim N(0, \omega^2),\ \kappa_c \sim N(0, \pi^2)

    with covariates x, a change :math:`\delta_c` with the cycle that all patients share (applied
    by `curves`), and variation between patients and between cycles.

    Attributes
    ----------
    name, agent, nuclide : str
        Name of the cohort, the ligand and its nuclide.
    label : str
        Product label that the cohort's patients are treated under, or ``"none"``.
    dose_method : str
        How its marrow dose is defined, ``"blood"`` or ``"image"``; the priors of the counts are
        those of that method.
    planned_cycles : int
        Cycles of the usual schedule.
    interval_days, planned_gbq : float
        Its interval (d) and activity per cycle (GBq).
    parameters : tuple of str
        Names of the p log parameters: kinetics, then the factors of the doses, then
        ``foci_per_gy_factor`` and ``repair_rate_per_h``.
    log_median, log_sd_patient, log_sd_cycle : ndarray, shape (p,)
        Median and standard deviations of the logarithms between patients and between cycles.
    log_cycle_change : ndarray, shape (n_cycles, p)
        What is added in each cycle; later cycles share the last row.
    covariate_reference : mapping of str to float
        Covariates that shift the parameters, at the value that `log_median` belongs to.
    covariate_exponent : mapping of str to ndarray (p,)
        Exponents of (covariate / reference).
    kinetics : callable
        ``kinetics(log_kinetic (..., k), activity_mbq (...))`` gives the curve of each region.
    dose_coefficients : mapping
        As `dose_coefficients` returns them.
    kill_factor : float
        Factor on the assumed kill per gray of `radiobio.lineage_prior`, which was set to patients
        on 177Lu-DOTATATE.
    foci_per_gy : float
        Foci induced per cell and Gy of blood dose.
    residual : mapping of str to ResidualError
        Residual error of a measurement in each region.
    source : str
        Publication, or "ASSUMED".
    assumptions : tuple of str
        What is assumed, in words.
    """

    name: str
    agent: str
    nuclide: str
    label: str
    dose_method: str
    planned_cycles: int
    interval_days: float
    planned_gbq: float
    parameters: tuple[str, ...]
    log_median: FloatArray
    log_sd_patient: FloatArray
    log_sd_cycle: FloatArray
    log_cycle_change: FloatArray
    covariate_reference: Mapping[str, float]
    covariate_exponent: Mapping[str, FloatArray]
    kinetics: Callable[[FloatArray, FloatArray], Curves]
    dose_coefficients: DoseCoefficients
    kill_factor: float
    foci_per_gy: float
    residual: Mapping[str, ResidualError]
    source: str
    assumptions: tuple[str, ...]

    @property
    def residual_cv(self) -> dict[str, float]:
        """Coefficient of variation of a measurement in each region (its proportional part)."""
        return {region: error.proportional for region, error in self.residual.items()}

    def index(self, parameter: str) -> int:
        """Position of a parameter."""
        return self.parameters.index(parameter)

    def offsets(self, covariates: Mapping[str, npt.ArrayLike]) -> FloatArray:
        """What the patients' covariates add to `log_median`.

        Parameters
        ----------
        covariates : mapping of str to array_like, shape (n,)
            ``tumour_volume_ml`` and the others of `covariate_reference`; one that is missing, or
            ``nan``, counts as the reference. Others, such as ``bone_metastases``, do not act on
            kinetics or doses and are skipped.

        Returns
        -------
        ndarray, shape (n, p)

        Raises
        ------
        HemadoseError
            If a covariate is not above zero.
        """
        lengths = [np.shape(value) for value in covariates.values()]
        shape = np.broadcast_shapes(*lengths) if lengths else ()
        total = np.zeros((*shape, len(self.parameters)))
        for name, reference in self.covariate_reference.items():
            value = np.asarray(covariates.get(name, reference), dtype=np.float64)
            if (value <= 0).any() or np.isinf(value).any():
                raise HemadoseError(f"{name} must be above zero, got {value.min():g}")
            value = np.where(np.isnan(value), reference, value)
            total += np.log(value / reference)[..., None] * self.covariate_exponent[name]
            if name == "tumour_volume_ml":
                s_value = tumour_s_value(self.nuclide)
                total[..., self.index("tumour_dose_factor")] += np.log(
                    s_value(value) / s_value(reference)
                )
        return total

    def curves(
        self, log_parameter: npt.ArrayLike, *, activity_gbq: npt.ArrayLike, cycle: npt.ArrayLike
    ) -> Curves:
        """Activities and dose rates after one administration.

        Parameters
        ----------
        log_parameter : array_like, shape (..., p)
            Log parameters of the cycle, without `log_cycle_change`.
        activity_gbq : array_like, shape (...)
            Activity (GBq); zero gives curves that are zero.
        cycle : array_like of int, shape (...)
            Number of the cycle, from 1.

        Returns
        -------
        dict of str to SumOfExponentials, leading shape (...)
            ``blood`` (MBq/mL), ``whole_body``, ``kidneys``, ``tumour`` (MBq), where imaged
            ``marrow`` (MBq/mL), and the dose rates ``blood_dose``, ``marrow_dose``,
            ``kidney_dose`` and ``tumour_dose`` (Gy/h).

        Raises
        ------
        HemadoseError
            If the number of parameters is not p, an activity is negative or a cycle below 1.
        """
        log_value = self._checked(log_parameter)
        activity, number = (np.asarray(x) for x in (activity_gbq, cycle))
        if not (np.isfinite(activity) & (activity >= 0)).all() or (number < 1).any():
            raise HemadoseError("activity_gbq must be zero or more and cycle at least 1")
        last = len(self.log_cycle_change)
        shifted = log_value + self.log_cycle_change[np.minimum(number, last) - 1]
        given = np.broadcast_to(activity, shifted.shape[:-1]).astype(np.float64)
        zero = given == 0
        n_kinetic = len(self.parameters) - len(DOSE_FACTORS) - len(FOCI_PARAMETERS)
        curves = self.kinetics(shifted[..., :n_kinetic], 1000.0 * np.where(zero, 1.0, given))
        if zero.any():
            curves = {region: curve.scaled(~zero) for region, curve in curves.items()}
        for dose, coefficients in self.dose_coefficients.items():
            rate = _combined(coefficients, curves)
            if dose in _FACTOR_OF_DOSE:
                rate = rate.scaled(np.exp(shifted[..., self.index(_FACTOR_OF_DOSE[dose])]))
            curves[dose] = rate
        return curves

    def foci_per_cell(
        self,
        log_parameter: npt.ArrayLike,
        *,
        activity_gbq: npt.ArrayLike,
        cycle: npt.ArrayLike,
        time_h: npt.ArrayLike,
        background_per_cell: npt.ArrayLike = 0.0,
    ) -> FloatArray:
        """Mean foci per blood cell that one administration causes.

        Parameters
        ----------
        log_parameter, activity_gbq, cycle
            As in `curves`.
        time_h : array_like, shape (n_times,)
            Times after the administration (h).
        background_per_cell : array_like, shape (...)
            Spontaneous foci, added.

        Returns
        -------
        ndarray, shape (..., n_times)
        """
        curves = self.curves(log_parameter, activity_gbq=activity_gbq, cycle=cycle)
        return self.foci_of(
            log_parameter, curves["blood_dose"], time_h, background_per_cell=background_per_cell
        )

    def foci_of(
        self,
        log_parameter: npt.ArrayLike,
        blood_dose_rate: SumOfExponentials,
        time_h: npt.ArrayLike,
        *,
        background_per_cell: npt.ArrayLike = 0.0,
    ) -> FloatArray:
        """As `foci_per_cell`, from a dose rate of the blood (Gy/h) that is known already."""
        value = np.exp(self._checked(log_parameter)[..., [self.index(n) for n in FOCI_PARAMETERS]])
        return foci_per_cell(
            blood_dose_rate,
            time_h,
            induction_per_gy=self.foci_per_gy * value[..., 0],
            repair_rate_per_h=value[..., 1:],
            background_per_cell=background_per_cell,
        )

    def _checked(self, log_parameter: npt.ArrayLike) -> FloatArray:
        value = np.asarray(log_parameter, dtype=np.float64)
        if value.ndim == 0 or value.shape[-1] != len(self.parameters):
            raise HemadoseError(
                f"log_parameter needs a last axis of {len(self.parameters)} ({self.name}: "
                f"{', '.join(self.parameters)}), got shape {value.shape}"
            )
        return value


def _combined(coefficients: Mapping[str, float], curves: Curves) -> SumOfExponentials:
    """Weighted sum of curves; terms of curves that share their rates are added up."""

    def joined(a: SumOfExponentials, b: SumOfExponentials) -> SumOfExponentials:
        if a.n_terms == b.n_terms and np.array_equal(a.rate_per_h, b.rate_per_h):
            return SumOfExponentials(a.amplitude + b.amplitude, a.rate_per_h)
        return a + b

    return reduce(joined, (curves[name].scaled(c) for name, c in coefficients.items()))
