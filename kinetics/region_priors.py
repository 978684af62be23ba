"""Assumed single-region priors for what no published population model covers."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np

from kinetics.curve_fits.forms import CurveForm, curve_form
from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.models import Curves, KineticModel, ResidualError

# ASSUMED coefficients of variation of a single measurement, where no published model gives one
_RESIDUAL_CV = {"blood": 0.10, "whole_body": 0.10, "marrow": 0.25, "tumour": 0.20}
_ORGAN_RESIDUAL_CV = 0.15
_OPEN_LOG_SD = 1.2  # spread of a form that the table does not list: the samples decide


@cache
def _table() -> dict[tuple[str, str], tuple[CurveForm, FloatArray]]:
    """Default form and columns (log median, log sd patient, log sd cycle) per agent and region."""
    rows: dict[tuple[str, str], dict[str, tuple[float, float, float]]] = {}
    forms: dict[tuple[str, str], str] = {}
    text = Path(__file__).with_name("data").joinpath("region_priors.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        key = (row["agent"], row["region"])
        forms[key] = row["form"]
        rows.setdefault(key, {})[row["parameter"]] = (
            float(np.log(float(row["median"]))),
            float(row["log_sd_patient"]),
            float(row["log_sd_cycle"]),
        )
    return {
        key: (
            curve_form(forms[key]),
            np.array([rows[key][p] for p in curve_form(forms[key]).parameters]),
        )
        for key in rows
    }


def region_model(
    agent: str,
    region: str,
    *,
    decay_per_h: float,
    form: str | None = None,
    residual_cv: float | None = None,
) -> KineticModel:
    """Assumed prior of one region.

    Parameters
    ----------
    agent : str
        ``"PSMA-617"``, ``"PSMA-I&T"``, ``"DOTATATE"`` or ``"iodide"``.
    region : str
        ``"blood"``, ``"whole_body"``, ``"kidneys"``, ``"liver"``, ``"spleen"``, ``"marrow"`` or a
        tumour.
    decay_per_h : float
        Physical decay constant (1/h).
    form : str, optional
        Curve form; the table's default when missing. Another form gets medians derived from the
        default and a spread so wide that the samples decide.
    residual_cv : float, optional
        Coefficient of variation of a measurement (fraction).

    Raises
    ------
    KineticsError
        If the table has no row for the agent and region.
    """
    family = "tumour" if region.startswith("tumour") else region
    try:
        default, columns = _table()[agent, family]
    except KeyError:
        legal = sorted(r for a, r in _table() if a == agent)
        raise KineticsError(
            f"no prior for {agent} in {region!r}; legal are {', '.join(legal) or 'no regions'}"
        ) from None
    chosen = curve_form(form or default.name)
    if chosen is not default:
        columns = _translated(default, columns, chosen)

    def curves(log_parameter: FloatArray, activity_mbq: float, cycle: int) -> Curves:
        curve = chosen.curve(log_parameter, decay_per_h=decay_per_h)
        return {region: curve.scaled(activity_mbq)}

    cv = residual_cv or _RESIDUAL_CV.get(family, _ORGAN_RESIDUAL_CV)
    return KineticModel(
        name=f"{chosen.name}, {agent} {region}",
        regions=(region,),
        parameters=chosen.parameters,
        log_median=columns[:, 0],
        log_sd_patient=columns[:, 1],
        log_sd_cycle=columns[:, 2],
        curves=curves,
        residual={region: ResidualError(cv)},
        decay_per_h=decay_per_h,
        source="ASSUMED",
        assumptions=(
            f"ASSUMED: a wide prior of the {region} kinetics of {agent} (no population model is "
            f"published), residual error {100 * cv:.0f} % where the data give no sd",
        ),
        form_name=chosen.name,
    )


def _translated(default: CurveForm, columns: FloatArray, form: CurveForm) -> FloatArray:
    """Medians of another form from those of the default, with wide spreads."""
    log_median = columns[:, 0]
    if default.name == "uptake":
        amplitude, life, rise = log_median
        fast, slow = life - np.log(4.0), life + np.log(2.0)
        first = second = amplitude - np.log(2.0)
    elif default.name == "retention":
        odds, fast, slow = log_median
        first, second = -np.log1p(np.exp(odds)), odds - np.log1p(np.exp(odds))
        amplitude, life, rise = (first + second) / 2, (fast + slow) / 2, fast
    else:
        first, second, fast, slow = log_median
        amplitude, life, rise = (first + second) / 2, (fast + slow) / 2, fast
    medians = {
        "mono": [amplitude, life],
        "bi": [first, second, fast, slow],
        "tri": [first, (first + second) / 2, second, fast, (fast + slow) / 2, slow],
        "uptake": [amplitude, life, rise],
        "retention": [second - first, fast, slow],
    }[form.name]
    cycle = [0.2 if name.startswith("amplitude") else 0.1 for name in form.parameters]
    return np.column_stack([medians, np.full(len(medians), _OPEN_LOG_SD), cycle])
