"""One study in, its kinetics, doses, damage and counts out, each with its draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dosimetry import nuclide
from hemadose.assessment.activity import StudyKinetics, fit_study
from hemadose.assessment.counts import LineageCounts, fit_study_counts
from hemadose.assessment.damage import StudyFoci, read_foci
from hemadose.assessment.doses import StudyDoses, blood_doses, dose_model, study_doses
from hemadose.study import Study


@dataclass(frozen=True, eq=False)
class Assessment:
    """Everything known of a patient before the next cycle is planned.

    Attributes
    ----------
    study : Study
        What was given.
    kinetics : StudyKinetics
        Curves, after the update by foci.
    doses : StudyDoses
        Absorbed doses of every cycle and the prediction for the next.
    foci : StudyFoci or None
        What the foci say; None without foci.
    counts : dict of str to LineageCounts
        By lineage.
    n_draws : int
        Number of posterior draws.
    assumptions, warnings : tuple of str
        In words.
    refusals : tuple of str
        Warnings so grave that no plan may rest on the result.
    """

    study: Study
    kinetics: StudyKinetics
    doses: StudyDoses
    foci: StudyFoci | None
    counts: dict[str, LineageCounts]
    n_draws: int
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    refusals: tuple[str, ...]


def assess(
    study: Study,
    *,
    rng: np.random.Generator,
    n_draws: int = 1000,
    progress: Callable[[str], None] = lambda step: None,
) -> Assessment:
    """Run the chain from samples to blood counts.

    Kinetics are fitted first; foci, where there are any, reweight their draws through the blood
    dose; the doses of all regions follow from the reweighted draws; the marrow dose rate drives
    the blood counts, which the patient's own counts update.

    Parameters
    ----------
    study : Study
        From `read_study`.
    rng : numpy.random.Generator
        Source of randomness; the same seed gives the same numbers.
    n_draws : int
        Number of posterior draws.
    progress : callable
        Called with the name of each step as it begins.

    Returns
    -------
    Assessment
    """
    progress("kinetics")
    decay_per_h = nuclide(study.therapy.nuclide).decay_per_h
    kinetics = fit_study(study, decay_per_h=decay_per_h, rng=rng, n_draws=n_draws)
    progress("foci")
    model = dose_model(study, rng=rng, n_draws=n_draws)
    foci = read_foci(study, blood_doses(study, kinetics, model), rng=rng)
    if foci is not None and foci.used:
        kinetics, model = kinetics.take(foci.index), model.take(foci.index)
    progress("doses")
    doses = study_doses(study, kinetics, model, rng=rng)
    progress("blood counts")
    counts = fit_study_counts(
        study, doses, next_activity_gbq=kinetics.next_activity_gbq, rng=rng, n_draws=n_draws
    )
    notes = (
        *study.assumptions,
        *kinetics.assumptions,
        *doses.assumptions,
        *(foci.assumptions if foci else ()),
        *(note for c in counts.values() for note in c.prior.assumptions),
        *_transferred(study),
    )
    unsampled = [
        f"{c.lineage}: {c.posterior.status}" for c in counts.values() if c.posterior.status != "ok"
    ]
    warnings = (
        *kinetics.warnings,
        *((f"foci: {foci.status}",) if foci and foci.status != "ok" else ()),
        *unsampled,
    )
    return Assessment(
        study=study,
        kinetics=kinetics,
        doses=doses,
        foci=foci,
        counts=counts,
        n_draws=n_draws,
        assumptions=tuple(dict.fromkeys(notes)),
        warnings=tuple(dict.fromkeys(warnings)),
        refusals=(*kinetics.refusals, *unsampled),
    )


def _transferred(study: Study) -> tuple[str, ...]:
    """Say where the count model is used for another agent than it was matched to."""
    if study.therapy.agent == "DOTATATE":
        return ()
    return (
        "ASSUMED: the count model, matched to 177Lu-DOTATATE, holds for "
        f"{study.therapy.nuclide} {study.therapy.agent}",
    )
