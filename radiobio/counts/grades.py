"""Toxicity grades of simulated blood counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radiobio.checks import check_whole
from radiobio.counts.course import CountCourse
from radiobio.errors import RadiobioError
from radiobio.toxicity import ctcae_limits


def reaches_grade(course: CountCourse, lineage: str, *, grade: int = 3) -> npt.NDArray[np.bool_]:
    """Whether each simulated course falls to a CTCAE v5.0 grade or worse.

    Parameters
    ----------
    course : CountCourse, leading shape (...)
        Simulated counts; days a few apart or fewer, so that the nadir is not missed.
    lineage : str
        As in `radiobio.toxicity.ctcae_grade`.
    grade : int
        Grade 2 or above. Its probability is the mean of the result over the draws.

    Returns
    -------
    ndarray of bool, shape (...)

    Raises
    ------
    RadiobioError
        If a blood count alone cannot give that grade.
    """
    limits = ctcae_limits(lineage)
    check_whole(grade, "grade")
    if grade not in range(2, 2 + len(limits)):
        raise RadiobioError(f"grade must be 2 to {1 + len(limits)} for {lineage}, got {grade}")
    return np.asarray(course.nadir() < limits[grade - 2])
