"""Who was treated at which level, and who had a dose-limiting toxicity."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from radiobio.dose_finding.checks import IntArray, check_patients
from radiobio.errors import RadiobioError

_COHORT = re.compile(r"([1-9]\d{0,5})([NT]+)")


def read_outcomes(text: str) -> tuple[IntArray, IntArray]:
    """Outcomes in the usual short form, e.g. ``"1NNN 2NTN"``.

    Parameters
    ----------
    text : str
        Cohorts: number of the level (1 is the lowest), then N (no toxicity) or T (toxicity) for
        each patient.

    Returns
    -------
    level_index : ndarray of int, shape (n_patients,)
        Index of the level, from 0.
    toxic : ndarray of int, shape (n_patients,)
        1 where the patient had a dose-limiting toxicity.

    Raises
    ------
    RadiobioError
        If the text has another form.

    Examples
    --------
    >>> read_outcomes("1N 2TN")
    (array([0, 1, 1]), array([0, 1, 0]))
    """
    index: list[int] = []
    toxic: list[int] = []
    if not isinstance(text, str):
        raise RadiobioError(f"outcomes must be text such as '1NNN 2NTN', got {text!r}")
    for word in text.split():
        match = _COHORT.fullmatch(word)
        if match is None:
            raise RadiobioError(
                f"outcomes {word!r} are not legal: write the number of the level (from 1), then N "
                "or T for each patient, such as '2NTN'"
            )
        index += [int(match[1]) - 1] * len(match[2])
        toxic += [int(letter == "T") for letter in match[2]]
    return np.array(index, np.int64), np.array(toxic, np.int64)


def count_outcomes(
    level_index: npt.ArrayLike, toxic: npt.ArrayLike, *, n_levels: int
) -> tuple[IntArray, IntArray]:
    """Patients treated and patients with a toxicity, level by level.

    Parameters
    ----------
    level_index, toxic : array_like of int, shape (n_patients,)
        As of `read_outcomes`.
    n_levels : int
        Number of levels.

    Returns
    -------
    treated, toxic : ndarray of int, shape (n_levels,)

    Raises
    ------
    RadiobioError
        If a level does not exist, or the outcomes are not 0 or 1.

    Examples
    --------
    >>> count_outcomes([0, 1, 1], [0, 1, 0], n_levels=3)
    (array([1, 2, 0]), array([0, 1, 0]))
    """
    index, outcome = check_patients(level_index, toxic, n_levels)
    n = int(n_levels)
    treated = np.bincount(index, minlength=n).astype(np.int64)
    return treated, np.bincount(index[outcome == 1], minlength=n).astype(np.int64)
