"""A population model bound to its data: the arrays that the kernels take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kinetics.errors import KineticsError
from kinetics.estimation._arrays import Design, Gradient
from kinetics.estimation.vector import FreeVector, free_vector
from kinetics.population.data import IntArray, PopulationData
from kinetics.population.model import TRANSFORMS, PopulationModel
from kinetics.population.residual import KINDS, SIGMA_COLUMN


@dataclass(frozen=True, eq=False)
class Problem:
    """Model, data and the arrays made of them.

    Attributes
    ----------
    model : PopulationModel
        The model with its start values.
    data : PopulationData
        The data.
    vector : FreeVector
        The free parameters.
    design : Design
        Arrays of the kernels.
    n_effects : ndarray of int, shape (n_subjects,)
        Random effects of each subject: those of the subject, then of each of its occasions.
    """

    model: PopulationModel
    data: PopulationData
    vector: FreeVector
    design: Design
    n_effects: IntArray

    @property
    def predict(self) -> Any:
        """Compiled structural model."""
        return self.model.structure.predict

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return len(self.n_effects)

    def subject_of_row(self) -> IntArray:
        """Subject of each observation, shape (n,)."""
        return np.repeat(self.data.occasion_subject, np.diff(self.data.observation_start))

    def empty_effects(self) -> np.ndarray:
        """Random effects at zero, shape (n_subjects, most effects of a subject)."""
        return np.zeros((self.n_subjects, int(self.n_effects.max(initial=0))))

    def empty_gradient(self) -> Gradient:
        """Arrays for the kernels' derivatives, at zero."""
        n, model = self.n_subjects, self.model
        e, k = len(model.random), len(model.varying)
        return Gradient(
            np.zeros((len(self.data.occasion_subject), len(model.parameters))),
            np.zeros((n, e, e)),
            np.zeros((n, k)),
            np.zeros((n, len(self.vector.regions), 3)),
        )


def bind(model: PopulationModel, data: PopulationData) -> Problem:
    """Check that a model suits its data and lay out the arrays.

    Raises
    ------
    KineticsError
        If a region has no residual error, a covariate is missing, doses are missing, or known
        standard deviations or positive values are needed and absent.
    """
    regions = _regions(model, data)
    _check_rows(model, data, regions)
    structural = model.structure
    code = np.array([structural.regions.index(r) for r in regions])
    names = list(model.parameters)
    free = free_vector(model, data, regions)
    error = np.zeros(len(structural.regions), dtype=np.int64)
    estimated = np.zeros((len(structural.regions), 3), dtype=np.int64)
    for r, region in enumerate(structural.regions):
        if region not in model.residual:
            continue
        kind, parts = KINDS[model.residual[region].kind]
        error[r] = kind
        for part in parts:
            estimated[r, SIGMA_COLUMN[part]] = f"{part}_{region}" in free.names
    n_occasions = np.bincount(data.occasion_subject, minlength=len(data.subjects))
    needed = [
        name in model.random + model.varying
        or name in free.names
        or any(n.startswith(f"{name}_") and n in free.names for n in model.values)
        for name in names
    ]
    eta, kappa = (
        np.array([names.index(n) for n in items], dtype=np.int64)
        for items in (model.random, model.varying)
    )
    occasion_start = np.concatenate([[0], np.cumsum(n_occasions)]).astype(np.int64)
    within = np.arange(len(data.occasion_subject)) - occasion_start[data.occasion_subject]
    design = Design(
        rows=np.ascontiguousarray(np.column_stack([data.time_h, code[data.region]]).astype(float)),
        value=np.ascontiguousarray(data.value, dtype=np.float64),
        known_sd=np.ascontiguousarray(data.sd, dtype=np.float64),
        censored=data.below_limit.astype(np.int64),
        occasion=np.repeat(within, np.diff(data.observation_start)).astype(np.int64),
        row_start=np.ascontiguousarray(data.observation_start, dtype=np.int64),
        doses=np.ascontiguousarray(data.doses, dtype=np.float64).reshape(-1, 8),
        dose_start=np.ascontiguousarray(data.dose_start, dtype=np.int64),
        occasion_start=occasion_start,
        transform=np.array(
            [TRANSFORMS.index(p.transform) for p in model.parameters.values()], dtype=np.int64
        ),
        differentiated=np.array(needed, dtype=np.int64),
        eta=eta,
        kappa=kappa,
        acting=np.concatenate([eta, kappa]),
        error=error,
        estimated=estimated,
    )
    n_effects = len(model.random) + n_occasions * len(model.varying)
    full = free_vector(model, data, structural.regions)
    return Problem(model, data, _with_names(full, free), design, n_effects.astype(np.int64))


def _with_names(full: FreeVector, free: FreeVector) -> FreeVector:
    """The vector with the kernels' region table: every region of the structure in its order."""
    return FreeVector(
        full.model, full.regions, full.covariates, full.subject_of_occasion, free.names, free.labels
    )


def _regions(model: PopulationModel, data: PopulationData) -> tuple[str, ...]:
    """The data's regions by the structure's names; a single region goes by any name."""
    if len(data.regions) == 1 and len(model.residual) == 1:
        return tuple(model.residual)
    missing = [r for r in data.regions if r not in model.residual]
    if missing:
        raise KineticsError(
            f"the model has no residual error for region {', '.join(missing)}; it has "
            f"{', '.join(model.residual)}"
        )
    return data.regions


def _check_rows(model: PopulationModel, data: PopulationData, regions: tuple[str, ...]) -> None:
    if not len(data.value):
        raise KineticsError("the data have no observations")
    if model.structure.needs_dose:
        bare = (np.diff(data.dose_start) == 0) & (np.diff(data.observation_start) > 0)
        if bare.any():
            subject = data.subjects[data.occasion_subject[np.flatnonzero(bare)[0]]]
            raise KineticsError(
                f"{model.structure.name} needs doses, but subject {subject} has none in "
                f"{int(bare.sum())} occasion(s)"
            )
    for r, region in enumerate(regions):
        rows = data.region == r
        kind = model.residual[region].kind
        if kind == "known" and not (data.sd[rows] > 0).all():
            bad = data.row[rows][~(data.sd[rows] > 0)][0]
            raise KineticsError(
                f"{region}: the error 'known' needs a positive standard deviation in every row; "
                f"row {bad} has none"
            )
        if kind == "lognormal" and not (data.value[rows] > 0).all():
            bad = data.row[rows][~(data.value[rows] > 0)][0]
            raise KineticsError(
                f"{region}: a log-normal error needs positive values; row {bad} has "
                f"{data.value[rows][~(data.value[rows] > 0)][0]:g}"
            )
