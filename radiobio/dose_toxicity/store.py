"""Fits on disk: netCDF with the draws in the group "posterior", as ArviZ keeps them."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from radiobio.dose_toxicity.covariates import Marginal
from radiobio.dose_toxicity.priors import DoseToxicityPriors
from radiobio.dose_toxicity.regression import Regression
from radiobio.dose_toxicity.result import DoseToxicityFit
from radiobio.errors import RadiobioError

_FORMAT = "hemadose dose toxicity 1"


def save_fit(fit: DoseToxicityFit, path: str | os.PathLike[str]) -> None:
    """Write a fit as netCDF.

    Parameters
    ----------
    fit : DoseToxicityFit
        Fit.
    path : path
        File; ``arviz.from_netcdf`` reads its draws.
    """
    import xarray as xr

    data = xr.Dataset(
        {"coefficient": (("chain", "draw", "name"), fit.draws),
         "new_centre": (("chain", "draw"), fit.new_centre)},
        coords={"chain": np.arange(fit.draws.shape[0]), "draw": np.arange(fit.draws.shape[1]),
                "name": list(fit.names)},
        attrs={"format": _FORMAT, "setting": json.dumps(_setting(fit))},
    )  # fmt: skip
    data.to_netcdf(os.fspath(path), group="posterior", engine="h5netcdf")


def load_fit(path: str | os.PathLike[str]) -> DoseToxicityFit:
    """Read a fit that `save_fit` wrote.

    Raises
    ------
    RadiobioError
        If the file is no such fit.
    """
    import xarray as xr

    place = os.fspath(path)
    try:
        with xr.open_dataset(place, group="posterior", engine="h5netcdf") as data:
            if data.attrs.get("format") != _FORMAT:
                raise RadiobioError(f"{place}: this is no fit written by save_fit")
            setting = json.loads(data.attrs["setting"])
            draws = np.asarray(data["coefficient"].values, dtype=np.float64)
            new = np.asarray(data["new_centre"].values, dtype=np.float64)
            names = tuple(str(name) for name in data["name"].values)
        return _fit(setting, names, draws, new)
    except RadiobioError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RadiobioError(f"{place}: this is no fit written by save_fit ({error})") from None


_PRIOR_FIELDS = ("outcome", "therapy", "names", "sources", "reference", "mix", "baseline", "grade",
                 "log_sd_centre", "sd_centre_scale", "assumptions")  # fmt: skip
_REGRESSION_FIELDS = ("model", "covariates", "old_centres", "new_centres", "n_patients",
                      "dose_range")  # fmt: skip
_FIT_FIELDS = ("method", "diagnostics", "status", "log_evidence", "n_patients", "n_events",
               "assumptions")  # fmt: skip


def _setting(fit: DoseToxicityFit) -> dict[str, Any]:
    regression, priors = fit.regression, fit.regression.priors
    return {
        "priors": {
            **{name: getattr(priors, name) for name in _PRIOR_FIELDS},
            "mean": priors.mean.tolist(), "covariance": priors.covariance.tolist(),
        },
        "regression": {
            **{name: getattr(regression, name) for name in _REGRESSION_FIELDS},
            "marginals": {name: (fill.code.tolist(), fill.probability.tolist())
                          for name, fill in regression.marginals.items()},
        },
        "fit": {name: getattr(fit, name) for name in _FIT_FIELDS},
    }  # fmt: skip


def _fit(setting: Any, names: tuple[str, ...], draws: Any, new: Any) -> DoseToxicityFit:
    """Fit of what `_setting` gave, whose tuples JSON has made lists."""
    given = setting["priors"]
    mean, covariance = np.array(given.pop("mean")), np.array(given.pop("covariance"))
    priors = DoseToxicityPriors(**_tuples(given), mean=mean, covariance=covariance)
    given = setting["regression"]
    marginals = {
        name: Marginal(np.array(code), np.array(probability))
        for name, (code, probability) in given.pop("marginals").items()
    }
    ranges = {name: tuple(value) for name, value in given.pop("dose_range").items()}
    regression = Regression(**_tuples(given), dose_range=ranges, priors=priors, marginals=marginals)
    return DoseToxicityFit(
        regression=regression, names=names, draws=draws, new_centre=new, **_tuples(setting["fit"])
    )


def _tuples(given: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
