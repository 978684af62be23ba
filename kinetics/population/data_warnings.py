"""What a population cannot tell, in words: legal data that is of little use."""

from __future__ import annotations

import numpy as np

from kinetics.population.data import PopulationData
from kinetics.population.describe import occasion_of
from kinetics.structures.structure import DOSE_COLUMNS

_MANY_BELOW = 0.5
_MOST_NAMED = 10


def data_warnings(data: PopulationData) -> list[str]:
    """Say what in the data will make an estimate poor or impossible.

    Parameters
    ----------
    data : PopulationData
        The data.

    Returns
    -------
    list of str
        A sentence each; empty if nothing was found.

    Examples
    --------
    >>> import pandas as pd
    >>> from kinetics.population.build import population_data
    >>> table = pd.DataFrame({"subject": [1, 2, 3], "time_h": 20.0, "value": [9.0, 8.0, 7.0]})
    >>> for sentence in data_warnings(population_data(table)):
    ...     print(sentence)
    every subject has a single observation: the spread between subjects and the residual error \
cannot be told apart
    all observations are at the same time, 20 h: rates cannot be estimated
    """
    return [*_subjects(data), *_regions(data), *_times(data), *_doses(data), *_covariates(data)]


def _subjects(data: PopulationData) -> list[str]:
    subject = data.occasion_subject[occasion_of(data.observation_start)]
    count = np.bincount(subject, minlength=len(data.subjects))
    found = []
    if not len(data.value):
        return ["there is no observation"]
    if np.any(count == 0):
        names = _named(np.array(data.subjects, dtype=object)[count == 0])
        found.append(f"without any observation, and so without influence: subject {names}")
    if len(data.subjects) == 1:
        found.append("there is a single subject: the spread between subjects cannot be estimated")
    elif np.all(count <= 1):
        found.append(
            "every subject has a single observation: the spread between subjects and the residual "
            "error cannot be told apart"
        )
    return found


def _regions(data: PopulationData) -> list[str]:
    found = []
    for index, name in enumerate(data.regions):
        chosen = data.region == index
        if not chosen.any():
            found.append(f"{name}: there is no observation")
            continue
        below = data.below_limit[chosen]
        value = data.value[chosen & ~data.below_limit]
        if below.all():
            found.append(f"{name}: all {len(below)} observations are below the limit")
        elif below.mean() > _MANY_BELOW:
            found.append(
                f"{name}: {below.sum()} of {len(below)} observations are below the limit; "
                "estimates rest on the few others"
            )
        if len(value) > 1 and np.all(value == value[0]):
            found.append(f"{name}: all observations have the same value, {value[0]:g}")
        found += _not_positive(name, value, data.value[chosen & data.below_limit])
    return found


def _not_positive(name: str, value: np.ndarray, limit: np.ndarray) -> list[str]:
    found = []
    for count, what in ((int(np.sum(value < 0)), "below 0"), (int(np.sum(value == 0)), "of 0")):
        if count:
            found.append(
                f"{name}: {_count(count, 'observation')} {what}: a log-normal error cannot take "
                "such values"
            )
    if np.any(limit <= 0):
        found.append(f"{name}: there are limits of quantification of 0 or less")
    return found


def _times(data: PopulationData) -> list[str]:
    found = []
    if len(data.time_h) > 1 and np.all(data.time_h == data.time_h[0]):
        found.append(
            f"all observations are at the same time, {data.time_h[0]:g} h: rates cannot be "
            "estimated"
        )
    rows = np.column_stack(
        [occasion_of(data.observation_start), data.region, data.time_h, data.value]
    )[~data.below_limit]
    repeated = len(rows) - len(np.unique(rows, axis=0))
    if repeated:
        found.append(
            f"{_count(repeated, 'observation')} of the same time, region and value as another one"
        )
    return found


def _doses(data: PopulationData) -> list[str]:
    amount, time = (data.doses[:, DOSE_COLUMNS.index(name)] for name in ("amount", "time_h"))
    acting = (amount > 0) | (data.doses[:, DOSE_COLUMNS.index("steady_state")] > 0)
    if not acting.any():
        return ["there is no dose: only a model in time alone can be fitted"]
    occasion = occasion_of(data.dose_start)
    first = np.full(len(data.occasion_label), np.inf)
    np.minimum.at(first, occasion[acting], time[acting])
    found = []
    without = np.flatnonzero(np.isinf(first))
    if len(without):
        names = _named([_occasion(data, k) for k in without])
        found.append(f"without any dose, so that predictions are 0: {names}")
    row = occasion_of(data.observation_start)
    early = np.isfinite(first[row]) & (data.time_h < first[row])
    if early.any():
        found.append(
            f"{_count(int(early.sum()), 'observation')} before the first dose of the occasion, "
            "where the prediction is 0"
        )
    return found


def _covariates(data: PopulationData) -> list[str]:
    found = []
    for name, value in data.covariates.items():
        if len(value) > 1 and np.all(value == value[0]):
            found.append(f"the covariate {name} is {value[0]:g} everywhere and explains nothing")
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _occasion(data: PopulationData, index: np.signedinteger) -> str:
    name = f"subject {data.subjects[data.occasion_subject[index]]}"
    several = len(data.occasion_label) > len(data.subjects)
    return f"{name} occasion {data.occasion_label[index]}" if several else name


def _named(names: object) -> str:
    listed = [str(name) for name in np.asarray(names, dtype=object)]
    more = f" and {len(listed) - _MOST_NAMED} more" if len(listed) > _MOST_NAMED else ""
    return ", ".join(listed[:_MOST_NAMED]) + more
