"""The rows of one arm: what was given, what truly happened, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hemadose.planning.situation import FloatArray, IntArray
from hemadose.trials.course import LEVELS, Book

if TYPE_CHECKING:
    import pandas as pd

    from hemadose.trials.clinic.records import Clinic
    from hemadose.trials.patients.true_course import TrueCourse


def rows_of(
    book: Book,
    true: TrueCourse,
    clinic: Clinic,
    *,
    patient: IntArray,
    arm: str,
    policy: str,
    tolerance_gbq: FloatArray,
) -> pd.DataFrame:
    """One row a patient.

    Parameters
    ----------
    book, true, clinic
        As they stand at the end of the arm.
    patient : ndarray of int, shape (n,)
        Index of each patient in the trial.
    arm, policy : str
        Names.
    tolerance_gbq : ndarray, shape (n,)
        True tolerated activity of all planned cycles together.
    """
    import pandas as pd

    treated = np.flatnonzero(book.n_cycles > 0)
    covered = np.full(book.n, np.nan)
    if treated.size:
        low, high = np.quantile(clinic.marrow_dose_draws(treated), LEVELS, axis=-1)
        dose = true.marrow_dose_gy[treated]
        covered[treated] = (dose >= low) & (dose <= high)
    cycles = {f"activity_cycle_{k + 1}_gbq": col for k, col in enumerate(book.given_gbq.T)}
    lineages = {
        f"{word}_{lineage}": values
        for word, by_lineage in (
            ("lowest", true.lowest),
            ("worst_grade", true.worst_grade),
            ("days_grade3", true.days_grade3),
        )
        for lineage, values in by_lineage.items()
    }
    return pd.DataFrame(
        {
            "patient": patient,
            "arm": arm,
            "policy": policy,
            "n_cycles": book.n_cycles,
            "activity_gbq": book.given_gbq.sum(axis=1),
            **cycles,
            "tumour_dose_gy": true.tumour_dose_gy,
            "marrow_dose_gy": true.marrow_dose_gy,
            "kidney_dose_gy": true.kidney_dose_gy,
            "kidney_bed_gy": true.kidney_bed_gy,
            **lineages,
            "tolerance_gbq": tolerance_gbq,
            "delay_days": book.delay_days,
            "ended_by": book.ended_by,
            "last_day": book.last_day,
            "marrow_covered": covered,
            **{f"n_{name}": values for name, values in book.tallies.items()},
        }
    )
