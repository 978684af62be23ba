"""Samples, curves, parameters and time-integrated activities as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hemadose.planning.plan import Plan
from hemadose.report.summary import FloatArray, band, cycle_rows, spread, unit_of
from kinetics import KineticModel, SumOfExponentials, akaike_weights

if TYPE_CHECKING:
    import pandas as pd

_SHORTEST_H, _USUAL_END_H, _N_TIMES = 0.25, 168.0, 48
_PRIOR_DRAWS = 300


def samples_and_fit(plan: Plan) -> pd.DataFrame:
    """Samples, posterior band of every curve, and prior band where there are samples.

    Returns
    -------
    pandas.DataFrame
        ``kind`` is ``sample`` (``value``, ``sd``, ``below_limit``), ``posterior`` or ``prior``
        (``q05``, ``q50``, ``q95``); MBq, for blood and marrow MBq/mL.
    """
    import pandas as pd

    samples = plan.study.activity
    measured = pd.DataFrame(
        [("sample", s.cycle, s.region, s.time_h, s.value, s.sd, s.blq) for s in samples],
        columns=["kind", "cycle", "region", "time_h", "value", "sd", "below_limit"],
    )
    sampled = {(s.cycle, s.region) for s in samples}
    time_h = _times(max([s.time_h for s in samples], default=0.0))
    models = {r: fit.model for fit in plan.assessment.kinetics.fits for r in fit.model.regions}
    parts = [measured.astype({"sd": float})]
    for cycle in cycle_rows(plan):
        for region, curve in plan.assessment.kinetics.curves[cycle.number].items():
            bands = {"posterior": cycle.factor * curve(time_h)}
            if (cycle.number, region) in sampled:
                prior = _prior(models[region], region, cycle.number, 1000 * cycle.activity_gbq)
                bands["prior"] = prior(time_h)
            parts += [
                pd.DataFrame(
                    {
                        "kind": kind,
                        "cycle": cycle.number,
                        "region": region,
                        "time_h": time_h,
                        **band(values),
                    }
                )
                for kind, values in bands.items()
            ]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    table = table.reindex(columns=[*measured.columns, "q05", "q50", "q95"])
    table.insert(3, "unit", table["region"].map(unit_of))
    return table


def _times(last_sample_h: float) -> FloatArray:
    end_h = max(_USUAL_END_H, 1.1 * last_sample_h)
    return np.concatenate([[0.0], np.geomspace(_SHORTEST_H, end_h, _N_TIMES)]).round(3)


def _prior(model: KineticModel, region: str, cycle: int, activity_mbq: float) -> SumOfExponentials:
    """Curves of the population; the numbers are the same for every study."""
    z = np.random.default_rng(1).standard_normal((_PRIOR_DRAWS, len(model.parameters)))
    log_sd = np.hypot(model.log_sd_patient, model.log_sd_cycle)
    return model.curves(model.log_median + log_sd * z, activity_mbq, cycle)[region]


def parameter_table(plan: Plan) -> pd.DataFrame:
    """Parameters of each model and cycle: prior median and log sd, posterior 5, 50 and 95 %."""
    import pandas as pd

    foci = plan.assessment.foci
    index = foci.index if foci is not None and foci.used else slice(None)
    rows = []
    for fit in plan.assessment.kinetics.fits:
        model = fit.model
        log_sd = np.hypot(model.log_sd_patient, model.log_sd_cycle)
        for cycle, log_parameter in fit.log_parameter.items():
            quantile = band(np.exp(log_parameter[index]))
            rows += [
                {
                    "model": model.name,
                    "regions": " ".join(model.regions),
                    "source": model.source,
                    "cycle": cycle,
                    "parameter": name,
                    "prior_median": float(np.exp(model.log_median[j])),
                    "prior_log_sd": float(log_sd[j]),
                    **{level: float(values[j]) for level, values in quantile.items()},
                    "n_samples": sum(s.cycle == cycle for s in fit.samples),
                    "effective_sample_size": fit.effective_sample_size,
                    "status": fit.status,
                }
                for j, name in enumerate(model.parameters)
            ]
    return pd.DataFrame(rows)


def curve_forms(plan: Plan) -> pd.DataFrame:
    """Curve forms compared by AICc, the best first; an infinite AICc is left empty."""
    import pandas as pd

    columns = ["region", "cycle", "form", "chosen", "n_samples", "n_parameters", "chi_square",
               "aicc", "delta_aicc", "akaike_weight", "estimates", "status"]  # fmt: skip
    rows = []
    for choice in plan.assessment.kinetics.form_choices:
        aicc = np.array([fit.aicc for fit in choice.candidates])
        weights = akaike_weights(aicc)
        for rank, fit in enumerate(choice.candidates):
            values = np.exp(fit.log_parameter)
            estimates = [f"{n}={v:.4g}" for n, v in zip(fit.form.parameters, values, strict=True)]
            finite = bool(np.isfinite(fit.aicc))
            rows.append(
                (choice.region, choice.cycle, fit.form.name, rank == 0, fit.n_samples,
                 fit.form.n_parameters, fit.chi_square, fit.aicc if finite else np.nan,
                 fit.aicc - aicc[0] if finite else np.nan, weights[rank], " ".join(estimates),
                 fit.status)
            )  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def time_integrated_activity(plan: Plan) -> pd.DataFrame:
    """Time-integrated activity to complete decay, and per administered activity (`tiac`, h)."""
    import pandas as pd

    rows = []
    for cycle in cycle_rows(plan):
        for region, curve in plan.assessment.kinetics.curves[cycle.number].items():
            draws = cycle.factor * curve.integral()
            unit = unit_of(region)
            rows.append(
                {
                    "cycle": cycle.number,
                    "predicted": cycle.predicted,
                    "activity_gbq": cycle.activity_gbq,
                    "region": region,
                    "unit": unit.replace("MBq", "MBq h"),
                    **spread(draws),
                    "mean_tiac": float(draws.mean()) / (1000 * cycle.activity_gbq),
                    "tiac_unit": "h" if unit == "MBq" else "h/mL",
                }
            )
    return pd.DataFrame(rows)
