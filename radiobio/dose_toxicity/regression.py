"""What the regression knows of a table: columns, levels and centres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from radiobio.dose_toxicity.cohort_table import CohortTable
from radiobio.dose_toxicity.covariates import (
    COEFFICIENTS,
    COVARIATES,
    Marginal,
    coded,
    completed,
    marginal,
)
from radiobio.dose_toxicity.likelihood import Design, IntArray
from radiobio.dose_toxicity.posterior import Posterior
from radiobio.dose_toxicity.priors import DoseToxicityPriors
from radiobio.errors import RadiobioError

MODELS = ("logistic", "ordinal")


@dataclass(frozen=True, eq=False)
class Regression:
    """A regression as it was set up for a table.

    Attributes
    ----------
    model : {"logistic", "ordinal"}
        Which.
    priors : DoseToxicityPriors
        Its priors.
    covariates : tuple of str
        Covariates that the table knows of at least one patient.
    marginals : mapping of str to Marginal
        What stands for a missing value of each of them.
    old_centres, new_centres : tuple of str
        Centres whose effect the priors know from an update, and centres of the table that they do
        not know.
    n_patients : mapping of str to int
        Patients of each method.
    dose_range : mapping of str to tuple of float
        Lowest and highest dose of each method with patients (Gy; GBq).
    """

    model: str
    priors: DoseToxicityPriors
    covariates: tuple[str, ...]
    marginals: Mapping[str, Marginal]
    old_centres: tuple[str, ...]
    new_centres: tuple[str, ...]
    n_patients: Mapping[str, int]
    dose_range: Mapping[str, tuple[float, float]]

    @property
    def n_cuts(self) -> int:
        """Number of cuts between levels of the outcome."""
        if self.model == "logistic":
            return 1
        return 3 if self.priors.outcome == "haemoglobin" else 4

    @property
    def anchor(self) -> int:
        """Cut that lies at zero: that of the grade of the intercepts."""
        return 1 if self.model == "logistic" else self.priors.grade

    @property
    def grades(self) -> tuple[int, ...]:
        """Grades g for which the model gives P(worst grade >= g)."""
        return (self.priors.grade,) if self.model == "logistic" else tuple(
            range(1, self.n_cuts + 1)
        )  # fmt: skip

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the columns."""
        by_method = [f"{kind}[{m}]" for m in self.priors.methods for kind in ("intercept", "slope")]
        effects = [name for group in COEFFICIENTS.values() for name in group]
        return (*by_method, *effects, *(f"centre[{name}]" for name in self.old_centres))

    @property
    def gaps(self) -> tuple[str, ...]:
        """Names of the logs of gaps between cuts."""
        return tuple(f"log_gap[{k}]" for k in range(1, self.n_cuts))

    def columns(
        self,
        dose_method: tuple[str, ...],
        dose: FloatArray,
        covariates: Mapping[str, FloatArray],
        centre: tuple[str | None, ...],
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        """Columns of patients, each way to fill in missing covariates a row.

        Returns
        -------
        columns, probability, start
            As of `completed`, all columns of `coefficients`.
        """
        n, methods = len(dose), self.priors.methods
        lead = np.zeros((n, 2 * len(methods)))
        tail = np.zeros((n, len(self.old_centres)))
        for i, method in enumerate(dose_method):
            k = methods.index(method)
            lead[i, 2 * k] = 1.0
            lead[i, 2 * k + 1] = dose[i] / self.priors.reference[method] - 1.0
            if centre[i] in self.old_centres:
                tail[i, self.old_centres.index(str(centre[i]))] = 1.0
        codes = {name: coded(name, covariates[name], self.priors.baseline) for name in COVARIATES}
        filled, probability, start = completed(self.covariates, codes, self.marginals, n)
        middle = self._deviations(codes, filled, start)
        times = np.diff(start)
        whole = np.hstack([np.repeat(lead, times, axis=0), middle, np.repeat(tail, times, axis=0)])
        return whole, probability, start

    def _deviations(
        self, codes: Mapping[str, FloatArray], filled: FloatArray, start: IntArray
    ) -> FloatArray:
        """Columns of all covariates less the mix of the priors; zero where nothing is known."""
        blocks, at = [], 0
        for name in COVARIATES:
            width = len(COEFFICIENTS[name])
            if name in self.covariates:
                block = filled[:, at : at + width]
                at += width
            else:
                block = np.repeat(codes[name], np.diff(start), axis=0)
            block = block - [self.priors.mix.get(column, 0.0) for column in COEFFICIENTS[name]]
            blocks.append(np.where(np.isnan(block), 0.0, block))
        return np.hstack(blocks)

    def posterior(self, table: CohortTable) -> Posterior:
        """Log posterior of a table that this regression was set up for."""
        columns, probability, start = self.columns(
            table.dose_method, table.exposure, table.covariates, table.centre
        )
        level = self.level(table.worst_grade)
        centre = np.array([
            self.new_centres.index(name) if name in self.new_centres else -1
            for name in table.centre
        ])  # fmt: skip
        times = np.diff(start)
        mean, covariance = self.priors.subset((*self.coefficients, *self.gaps))
        design = Design(
            columns, np.repeat(centre, times), len(self.new_centres), np.log(probability), start,
            np.repeat(level, times), self.n_cuts, self.anchor,
        )  # fmt: skip
        return Posterior(
            design, mean, covariance, self.priors.log_sd_centre, self.priors.sd_centre_scale
        )

    def level(self, worst_grade: IntArray) -> IntArray:
        """Level of the outcome: the grade, or whether it is reached."""
        if self.model == "ordinal":
            return worst_grade
        return (worst_grade >= self.priors.grade).astype(np.int64)


def set_up(table: CohortTable, model: str, priors: DoseToxicityPriors) -> Regression:
    """Regression of a table of one outcome; RadiobioError where they do not go together."""
    if model not in MODELS:
        raise RadiobioError(f"model {model!r}; legal: {', '.join(MODELS)}")
    unknown = sorted(set(table.dose_method) - set(priors.methods))
    if unknown:
        raise RadiobioError(
            f"there are no priors for the dose methods {unknown}; there are for "
            f"{list(priors.methods)}; add one with priors.with_method(name, reference_dose_gy=...)"
        )
    used = tuple(c for c in COVARIATES if not np.isnan(table.covariates[c]).all())
    marginals = {
        name: marginal(name, coded(name, table.covariates[name], priors.baseline)) for name in used
    }
    known = {name[len("centre[") : -1] for name in priors.names if name.startswith("centre[")}
    old = tuple(sorted(known))
    new = tuple(sorted(set(table.centre) - known))
    methods = np.array(table.dose_method)
    ranges = {}
    for method in priors.methods:
        doses = table.exposure[methods == method]
        if len(doses):
            ranges[method] = (float(doses.min()), float(doses.max()))
    counts = {method: int((methods == method).sum()) for method in priors.methods}
    return Regression(model, priors, used, marginals, old, new, counts, ranges)
