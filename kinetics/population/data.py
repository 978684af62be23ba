"""The data of a population: subjects, cycles, doses, observations and covariates as flat arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PopulationData:
    """Observations and doses of a population, ordered by subject, occasion and time.

    An occasion is a treatment cycle; without cycles every subject has one. Each occasion starts
    from an empty system and counts its own time.

    Attributes
    ----------
    subjects : tuple of str
        Identifier of each subject.
    occasion_subject : ndarray of int, shape (n_occasions,)
        Index of the subject of each occasion, ascending.
    occasion_label : tuple of str
        Label of each occasion (cycle number).
    covariates : mapping of str to ndarray, shape (n_occasions,)
        Numeric covariates; constant within an occasion.
    regions : tuple of str
        Names of the observed regions.
    observation_start : ndarray of int, shape (n_occasions + 1,)
        Observations of occasion k are rows ``observation_start[k]:observation_start[k + 1]``.
    time_h, value : ndarray, shape (n,)
        Time and observation; where `below_limit`, the value is the limit of quantification.
    region : ndarray of int, shape (n,)
        Index into `regions`.
    below_limit : ndarray of bool, shape (n,)
        Whether the value was below the limit.
    sd : ndarray, shape (n,)
        Known standard deviation of the observation; NaN where there is none.
    row : ndarray of int, shape (n,)
        Line of the file that each observation came from, or its index.
    dose_start : ndarray of int, shape (n_occasions + 1,)
        Doses of occasion k are rows ``dose_start[k]:dose_start[k + 1]``.
    doses : ndarray, shape (n_doses, 8)
        Dose table; columns `kinetics.structures.DOSE_COLUMNS`.
    """

    subjects: tuple[str, ...]
    occasion_subject: IntArray
    occasion_label: tuple[str, ...]
    covariates: Mapping[str, FloatArray]
    regions: tuple[str, ...]
    observation_start: IntArray
    time_h: FloatArray
    value: FloatArray
    region: IntArray
    below_limit: npt.NDArray[np.bool_]
    sd: FloatArray
    row: IntArray
    dose_start: IntArray
    doses: FloatArray
