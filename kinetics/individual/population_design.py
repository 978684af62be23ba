"""Design of a population study: Fisher information, standard errors, D-optimality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.individual.virtual_patients import effect_map, residual_sd
from kinetics.population.model import PopulationModel, effect_names
from kinetics.population.residual import KINDS
from kinetics.structures.structure import dose_table

if TYPE_CHECKING:
    import pandas as pd

APPROXIMATIONS = ("block", "full")
_RELATIVE_STEP = 1e-5


@dataclass(frozen=True, eq=False)
class PopulationInformation:
    """Fisher information of a population design.

    Attributes
    ----------
    names : tuple of str
        Population parameters that are estimated (see `PopulationModel.values`).
    values : ndarray, shape (n,)
        Their values.
    matrix : ndarray, shape (n, n)
        Expected Fisher information of all subjects.
    """

    names: tuple[str, ...]
    values: FloatArray
    matrix: FloatArray

    @property
    def criterion(self) -> float:
        """D-criterion, the determinant to the power 1/n; 0 if a parameter stays undetermined."""
        sign, log_det = np.linalg.slogdet(self.matrix)
        return float(np.exp(log_det / len(self.names))) if sign > 0 else 0.0

    def to_frame(self) -> pd.DataFrame:
        """Expected standard errors, a row a parameter; NaN if one stays undetermined."""
        import pandas as pd

        se = np.full(len(self.names), np.nan)
        scale = np.sqrt(np.diag(self.matrix))
        if (scale > 0).all():
            relative = self.matrix / np.outer(scale, scale)
            if np.linalg.eigvalsh(relative)[0] > 1e-12:
                se = np.sqrt(np.diag(np.linalg.inv(relative))) / scale
        table = pd.DataFrame({"value": self.values, "se": se}, index=list(self.names))
        with np.errstate(divide="ignore"):
            table["rse_pct"] = 100.0 * table["se"] / table["value"].abs()
        return table.rename_axis("parameter")


def population_information(
    model: PopulationModel,
    schedules_h: Sequence[npt.ArrayLike],
    n_subjects: Sequence[int],
    *,
    region: str | None = None,
    activity_mbq: float = 1.0,
    approximation: str = "block",
) -> PopulationInformation:
    r"""Expected Fisher information of a design by linearisation at zero random effects (FO).

    Measurements of a subject are normal with mean f and covariance
    :math:`V = F \Omega F^T + \mathrm{diag}(g^2)`; the elements are
    :math:`\partial_i f^T V^{-1} \partial_j f + \frac12 \mathrm{tr}(V^{-1} \partial_i V\,
    V^{-1} \partial_j V)`. The block form leaves out how V depends on typical parameters. One
    occasion a subject: variability between occasions widens V but is not estimated. Covariates
    are at their reference.

    Parameters
    ----------
    model : PopulationModel
        Model with its values; fixed parameters are known.
    schedules_h : sequence of array_like
        Sampling times (h) of each group of subjects.
    n_subjects : sequence of int
        Subjects of each group.
    region : str, optional
        Observed region; the first when missing.
    activity_mbq : float
        Amount of the bolus into the first compartment at time 0 (MBq, or the model's unit).
    approximation : str
        ``block`` or ``full``.

    Raises
    ------
    KineticsError
        If an argument is not legal or no parameter is estimated.

    References
    ----------
    Retout S, Mentre F. J Biopharm Stat 2003;13:209-227, doi:10.1081/BIP-120019267.
    Nyberg J et al. Br J Clin Pharmacol 2015;79:6-17, doi:10.1111/bcp.12352.
    """
    if approximation not in APPROXIMATIONS:
        raise KineticsError(f"approximation {approximation!r}; legal: {', '.join(APPROXIMATIONS)}")
    if len(schedules_h) != len(n_subjects) or not schedules_h:
        raise KineticsError(
            f"{len(schedules_h)} schedules for {len(n_subjects)} groups of subjects"
        )
    where = region or next(iter(model.residual))
    if where not in model.residual:
        raise KineticsError(f"there is no region {where!r}; there are {', '.join(model.residual)}")
    names = _estimated(model, where)
    matrix = np.zeros((len(names), len(names)))
    for times, count in zip(schedules_h, n_subjects, strict=True):
        moments = _moments(model, where, activity_mbq, np.asarray(times, dtype=np.float64))
        matrix += count * _elementary(model, names, moments, approximation == "full")
    values = np.array([model.values[name] for name in names])
    return PopulationInformation(names, values, matrix)


def relative_efficiency(design: PopulationInformation, reference: PopulationInformation) -> float:
    """Ratio of the D-criteria of two designs of the same parameters.

    Parameters
    ----------
    design, reference : PopulationInformation
        The designs; 0.8 means that the reference needs 80 % of the design's subjects.

    Raises
    ------
    KineticsError
        If the parameters differ or the reference leaves one undetermined.
    """
    if design.names != reference.names:
        raise KineticsError("the designs estimate different parameters")
    if not reference.criterion > 0:
        raise KineticsError("the reference design leaves a parameter undetermined")
    return design.criterion / reference.criterion


def best_population_schedule(
    model: PopulationModel,
    times_h: npt.ArrayLike,
    n_samples: int,
    *,
    n_subjects: int = 1,
    region: str | None = None,
    activity_mbq: float = 1.0,
) -> tuple[tuple[float, ...], PopulationInformation]:
    """D-optimal schedule of one group by exchange of single times (block approximation).

    The search starts from evenly spread candidates and ends where no exchange of one time helps.

    Parameters
    ----------
    model : PopulationModel
        Model with its values.
    times_h : array_like
        Candidate times (h).
    n_samples : int
        Samples of a subject, at different times.
    n_subjects : int
        Subjects.
    region, activity_mbq
        As in `population_information`.

    Raises
    ------
    KineticsError
        If there are fewer times than samples.
    """
    times = np.unique(np.asarray(times_h, dtype=np.float64))
    if not 1 <= n_samples <= len(times):
        raise KineticsError(f"n_samples must be from 1 to the {len(times)} times, not {n_samples}")

    def evaluated(index: tuple[int, ...]) -> PopulationInformation:
        return population_information(
            model, [times[list(index)]], [n_subjects], region=region, activity_mbq=activity_mbq
        )

    chosen = tuple(np.linspace(0, len(times) - 1, n_samples).astype(int).tolist())
    best = evaluated(chosen)
    while True:
        trials = [
            tuple(sorted((*chosen[:k], *chosen[k + 1 :], t)))
            for k in range(n_samples)
            for t in range(len(times))
            if t not in chosen
        ]
        found = [(trial, evaluated(trial)) for trial in trials]
        top = max(found, key=lambda pair: pair[1].criterion, default=(chosen, best))
        if top[1].criterion <= best.criterion * (1.0 + 1e-9):
            return tuple(float(times[i]) for i in chosen), best
        chosen, best = top


Moments = Callable[[PopulationModel], tuple[FloatArray, FloatArray]]


def _estimated(model: PopulationModel, region: str) -> tuple[str, ...]:
    """Free parameters that a design of one region and occasion can determine."""
    effects = [key for name, p in model.parameters.items() for key in effect_names(name, p)]
    other = [
        f"{part}_{r}"
        for r, error in model.residual.items()
        if r != region
        for part in KINDS[error.kind][1]
    ]
    cycle = [f"cycle_sd_{name}" for name in model.varying]
    left_out = {*model.fixed, *effects, *other, *cycle}
    names = tuple(name for name in model.values if name not in left_out)
    if not names:
        raise KineticsError("every parameter is fixed: there is nothing to estimate")
    return names


def _moments(model: PopulationModel, region: str, amount: float, times: FloatArray) -> Moments:
    """Mean and covariance of a subject's measurements as a function of the population model."""
    structure = model.structure
    index = float(structure.regions.index(region))
    rows = np.ascontiguousarray(np.column_stack([times, np.full(len(times), index)]))
    doses = dose_table(amount=amount) if structure.needs_dose else np.empty((0, 8))

    def moments(at: PopulationModel) -> tuple[FloatArray, FloatArray]:
        parameter = np.array([p.value for p in at.parameters.values()])
        f, jacobian = np.empty(len(times)), np.empty((len(times), len(parameter)))
        structure.predict(parameter, rows, doses, f, jacobian)
        _, root = effect_map(at)
        slope = np.array([_slope(p.transform, p.value) for p in at.parameters.values()])
        spread = (jacobian * slope) @ root
        error = at.residual[region]
        sd = residual_sd(error, f)
        if error.kind == "lognormal":  # of the logarithm
            return np.log(f), (spread / f[:, None]) @ (spread / f[:, None]).T + np.diag(sd**2)
        return f, spread @ spread.T + np.diag(sd**2)

    return moments


def _slope(transform: str, value: float) -> float:
    """Derivative of a structural parameter by its transformed value."""
    return {"log": value, "logit": value * (1.0 - value), "identity": 1.0}[transform]


def _elementary(
    model: PopulationModel, names: tuple[str, ...], moments: Moments, full: bool
) -> FloatArray:
    """Information of one subject."""
    _, covariance = moments(model)
    inverse = np.linalg.inv(covariance)
    by_mean, by_covariance = [], []
    for name in names:
        value = model.values[name]
        step = _RELATIVE_STEP * max(abs(value), 1e-3)
        up, down = (moments(model.with_values({name: value + s * step})) for s in (1.0, -1.0))
        typical = name in model.parameters
        by_mean.append((up[0] - down[0]) / (2.0 * step))
        change = (up[1] - down[1]) / (2.0 * step)
        by_covariance.append(np.zeros_like(change) if typical and not full else change)
    mean, scaled = np.array(by_mean), np.array([inverse @ change for change in by_covariance])
    return np.asarray(mean @ inverse @ mean.T + 0.5 * np.einsum("iab,jba->ij", scaled, scaled))
