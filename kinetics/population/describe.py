"""Population data as tables: summaries, observations and doses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinetics.population.data import IntArray, PopulationData
from kinetics.structures.structure import DOSE_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

_WHOLE = ("compartment", "steady_state", "additional", "reset")


def occasion_of(start: IntArray) -> IntArray:
    """Occasion of each row, from where the rows of each occasion start."""
    return np.repeat(np.arange(len(start) - 1), np.diff(start))


def data_summary(data: PopulationData) -> pd.DataFrame:
    """Summary of the observations and doses, a row a region and one for all.

    Returns
    -------
    DataFrame
        Index: region, ``all`` last. Columns: subjects, occasions and observations;
        observations below the limit (number, and percent); observations of known standard
        deviation; fewest, median and most samples an occasion (of those with any); first and
        last time (h); median, least and greatest of the values that are not below the limit;
        doses of the occasions.
    """
    import pandas as pd

    occasion = occasion_of(data.observation_start)
    doses = np.diff(data.dose_start)
    rows = {}
    for index, name in [*enumerate(data.regions), (-1, "all")]:
        chosen = (data.region == index) | (index < 0)
        kept = occasion[chosen]
        samples = np.unique(kept, return_counts=True)
        rows[name] = {
            "subjects": len(np.unique(data.occasion_subject[kept])),
            "occasions": len(samples[0]),
            "observations": len(kept),
            "below_limit": int(data.below_limit[chosen].sum()),
            "below_limit_pct": 100.0 * data.below_limit[chosen].mean() if len(kept) else 0.0,
            "known_sd": int(np.isfinite(data.sd[chosen]).sum()),
            **_spread(samples[1], "samples"),
            **_spread(data.time_h[chosen], "time_h"),
            **_spread(data.value[chosen & ~data.below_limit], "value"),
            "doses": int(doses[samples[0]].sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("region")


def _spread(value: np.ndarray, name: str) -> dict[str, float]:
    if not len(value):
        return {f"{name}_{what}": np.nan for what in ("min", "median", "max")}
    return {
        f"{name}_min": float(value.min()),
        f"{name}_median": float(np.median(value)),
        f"{name}_max": float(value.max()),
    }


def covariate_summary(data: PopulationData) -> pd.DataFrame:
    """Summary of the covariates over the occasions, a row a covariate.

    Returns
    -------
    DataFrame
        Index: covariate. Columns: mean, sd, min, median, max, number of distinct values, and of
        subjects in whom it changes between occasions.
    """
    import pandas as pd

    rows = {}
    for name, value in data.covariates.items():
        by_subject = pd.Series(value).groupby(data.occasion_subject).nunique()
        rows[name] = {
            "mean": value.mean(),
            "sd": value.std(ddof=1) if len(value) > 1 else np.nan,
            "min": value.min(),
            "median": np.median(value),
            "max": value.max(),
            "distinct": len(np.unique(value)),
            "changing_subjects": int((by_subject > 1).sum()),
        }
    columns = ["mean", "sd", "min", "median", "max", "distinct", "changing_subjects"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return frame.rename_axis("covariate")


def observations_frame(data: PopulationData) -> pd.DataFrame:
    """Observations as a table that `population_data` reads back, covariates included."""
    import pandas as pd

    occasion = occasion_of(data.observation_start)
    return pd.DataFrame(
        {
            **_who(data, occasion),
            "time_h": data.time_h,
            "region": np.array(data.regions, dtype=object)[data.region],
            "value": data.value,
            "sd": data.sd,
            "below_limit": data.below_limit,
            "row": data.row,
            **{name: value[occasion] for name, value in data.covariates.items()},
        }
    )


def doses_frame(data: PopulationData) -> pd.DataFrame:
    """Doses as a table that `population_data` reads back."""
    import pandas as pd

    table = {name: data.doses[:, k] for k, name in enumerate(DOSE_COLUMNS)}
    whole = {name: table[name].astype(np.int64) for name in _WHOLE}
    return pd.DataFrame({**_who(data, occasion_of(data.dose_start)), **table, **whole})


def _who(data: PopulationData, occasion: IntArray) -> dict[str, np.ndarray]:
    return {
        "subject": np.array(data.subjects, dtype=object)[data.occasion_subject[occasion]],
        "occasion": np.array(data.occasion_label, dtype=object)[occasion],
    }
