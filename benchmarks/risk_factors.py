"""What risk models are worth at 70 to 320 patients: simulated cohorts with published effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.timing import announce
from radiobio.risk_factors import GROENER, assess_risk_factors, simulated_psma_cohort
from radiobio.risk_factors.measures import calibration_slope

SIZES = (70, 140, 320)
MODELS = ("logistic", "boosting")
N_COHORTS = 20
N_NEW = 20_000
N_NOISE = 3
PREDICTORS = [*GROENER, *(f"noise_{k + 1}" for k in range(N_NOISE))]
MEASURES = ("auc", "scaled_brier", "log_loss", "calibration_slope")


@dataclass(frozen=True, eq=False)
class Outcome:
    """Cross-validated and true measures of one model, (n_cohorts,) each."""

    validated: dict[str, npt.NDArray[np.float64]]
    true: dict[str, npt.NDArray[np.float64]]
    covered: dict[str, float]


def simulate(
    n_patients: int, *, n_cohorts: int = N_COHORTS, models: tuple[str, ...] = MODELS,
    n_repeats: int = 1, n_bootstrap: int = 200, strength: float = 1.0, seed: int = 1,
) -> dict[str, Outcome]:  # fmt: skip
    """Assess cohorts and try each final model on new patients of the same kind."""
    rng = np.random.default_rng([seed, n_patients])
    new = simulated_psma_cohort(N_NEW, n_noise=N_NOISE, strength=strength, rng=rng)
    y = new["severe"].to_numpy(dtype=np.float64)
    rows: dict[str, list[list[float]]] = {name: [] for name in models}
    while len(rows[models[0]]) < n_cohorts:
        table = simulated_psma_cohort(n_patients, n_noise=N_NOISE, strength=strength, rng=rng)
        if table["severe"].sum() < 5 or (table[PREDICTORS].nunique() < 2).any():
            continue
        found = assess_risk_factors(
            table, outcome="severe", predictors=PREDICTORS, models=models, n_repeats=n_repeats,
            n_bootstrap=n_bootstrap, n_refits=0, rng=rng,
        )  # fmt: skip
        for name in models:
            risk = found.final[name].predict(new, outside="flag").probability
            truth = true_measures(risk, y, float(table["severe"].mean()))
            estimates = [found.estimate(name, measure) for measure in MEASURES]
            rows[name].append([
                *(e.value for e in estimates), *truth, *(e.low for e in estimates),
                *(e.high for e in estimates),
            ])  # fmt: skip
    return {name: _outcome(np.array(values)) for name, values in rows.items()}


def true_measures(
    risk: npt.NDArray[np.float64], y: npt.NDArray[np.float64], share: float
) -> tuple[float, float, float, float]:
    """AUC, scaled Brier score, log loss and calibration slope in new patients."""
    from scipy.stats import rankdata

    n_events = int(y.sum())
    rank = rankdata(risk)
    auc = (rank[y == 1].sum() - n_events * (n_events + 1) / 2) / (n_events * (len(y) - n_events))
    scaled = 1 - np.mean((risk - y) ** 2) / np.mean((share - y) ** 2)
    p = np.clip(risk, 1e-12, 1 - 1e-12)
    loss = -np.mean(np.where(y == 1, np.log(p), np.log1p(-p)))
    ones = np.ones((1, len(y)))
    slope = calibration_slope(risk[None], share * ones, y, ones)[0]
    return float(auc), float(scaled), float(loss), float(slope)


def _outcome(values: npt.NDArray[np.float64]) -> Outcome:
    n = len(MEASURES)
    validated, true, low, high = (values[:, k * n : (k + 1) * n] for k in range(4))
    covered = {}
    for k, measure in enumerate(MEASURES):
        known = np.isfinite(low[:, k]) & np.isfinite(true[:, k])
        inside = (low[:, k] <= true[:, k]) & (true[:, k] <= high[:, k])
        covered[measure] = float(inside[known].mean()) if known.any() else float("nan")
    return Outcome(
        {name: validated[:, k] for k, name in enumerate(MEASURES)},
        {name: true[:, k] for k, name in enumerate(MEASURES)}, covered,
    )  # fmt: skip


def risk_factor_rows() -> None:
    """Print AUC, scaled Brier score, log loss and slope in new patients, and as validated."""
    announce(f"risk factors: {N_COHORTS} cohorts of {SIZES} patients (2 minutes)")
    for n_patients in SIZES:
        for name, found in simulate(n_patients).items():
            parts = []
            for measure in MEASURES:
                true, seen = found.true[measure], found.validated[measure]
                parts.append(
                    f"{measure} {np.nanmedian(true):.3f} (validated {np.nanmedian(seen):.3f} +- "
                    f"{np.nanstd(seen):.3f}, covered {found.covered[measure]:.0%})"
                )
            print(f"n = {n_patients:3d}, {name:9s} " + "; ".join(parts), flush=True)


if __name__ == "__main__":
    risk_factor_rows()
