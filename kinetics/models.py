"""Prior knowledge of a patient's kinetics: published population models and assumed priors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray, SumOfExponentials

Curves = dict[str, SumOfExponentials]


@dataclass(frozen=True)
class ResidualError:
    """Combined residual error: variance (proportional f)^2 + additive^2.

    Attributes
    ----------
    proportional : float
        Coefficient of variation (fraction).
    additive : float
        Standard deviation at the time of injection, in the unit of the region (MBq, MBq/mL); it
        decays with the nuclide, because population models are fitted to decay-corrected data.
    """

    proportional: float
    additive: float = 0.0

    def sd(self, prediction: FloatArray, decay: FloatArray) -> FloatArray:
        """Standard deviation at `prediction`, `decay` = exp(-lambda t) of each sample."""
        return np.hypot(self.proportional * prediction, self.additive * decay)


@dataclass(frozen=True, eq=False)
class KineticModel:
    r"""A model of one or more regions whose log parameters vary between patients and cycles.

    .. math:: \log\phi_c = \log\tilde\phi + \eta + \kappa_c,\quad
              \eta \sim N(0, \omega^2),\ \kappa_c \sim N(0, \pi^2)

    Attributes
    ----------
    name : str
        Name of the model.
    regions : tuple of str
        Regions that it predicts.
    parameters : tuple of str
        Names of the parameters.
    log_median, log_sd_patient, log_sd_cycle : ndarray, shape (n_parameters,)
        Population median and the standard deviations between patients (the published
        uncertainty of the median included) and between cycles, of the logarithms.
    curves : callable
        ``curves(log_parameter (..., p), activity_mbq, cycle)`` gives the curve of each region in
        MBq (blood, marrow: MBq/mL), physical decay included.
    residual : mapping
        Residual error of each region.
    decay_per_h : float
        Physical decay constant (1/h).
    source : str
        Publication, or "ASSUMED".
    assumptions : tuple of str
        What is assumed rather than published.
    form_name : str
        Curve form of a single-region model; empty for a compartment model.
    """

    name: str
    regions: tuple[str, ...]
    parameters: tuple[str, ...]
    log_median: FloatArray
    log_sd_patient: FloatArray
    log_sd_cycle: FloatArray
    curves: Callable[[FloatArray, float, int], Curves]
    residual: Mapping[str, ResidualError]
    decay_per_h: float
    source: str
    assumptions: tuple[str, ...] = ()
    form_name: str = ""
