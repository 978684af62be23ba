"""Simulated cohorts, written with plain loops and formulas of their own."""

import numpy as np
import pandas as pd

from radiobio.dose_toxicity import cohort_of_frame

BONE = ("none", "few", "diffuse")


def cohort_frame(
    rng, n, truth, priors, *, methods=("image",), n_centres=3, missing=0.0, prefix="", top=4
):
    """Patients of a table; `truth` holds coefficients by name, `centre[k]` among them."""
    gap = [np.exp(truth.get(f"log_gap[{k}]", 0.4)) for k in range(1, top)]
    anchor, rows = priors.grade, []
    for i in range(n):
        method = methods[i % len(methods)]
        centre = f"C{rng.integers(n_centres)}"
        dose = priors.reference[method] * rng.lognormal(-0.1, 0.5)
        bone = int(rng.choice(3, p=[0.3, 0.4, 0.3]))
        flags = {
            "prior_taxane": int(rng.random() < 0.5),
            "prior_ra223": int(rng.random() < 0.15),
            "kidney_dysfunction": int(rng.random() < 0.2),
        }
        age = float(rng.normal(70, 8))
        z = rng.standard_normal()
        column = {"baseline_log": z, "bone_few": bone == 1, "bone_diffuse": bone == 2,
                  "age_over_70": age > 70, **flags}  # fmt: skip
        eta = truth[f"intercept[{method}]"] + truth.get(f"centre[{centre}]", 0.0)
        eta += truth[f"slope[{method}]"] * (dose / priors.reference[method] - 1)
        for name, value in column.items():
            eta += truth.get(name, 0.0) * (float(value) - priors.mix.get(name, 0.0))
        level = 0
        u = rng.random()
        for k in range(1, top + 1):
            cut = sum(gap[anchor - 1 : k - 1]) - sum(gap[k - 1 : anchor - 1])
            level += u < 1 / (1 + np.exp(cut - eta))
        row = {
            "patient": f"{prefix}p{i}", "centre": centre, "dose_method": method,
            "marrow_dose_gy": dose if method != "activity" else np.nan,
            "activity_gbq": dose if method == "activity" else np.nan,
            "lineage": priors.outcome, "worst_grade": int(level),
            "baseline_count": priors.baseline[0] * np.exp(priors.baseline[1] * z),
            "bone_metastases": BONE[bone], **flags, "age_years": age,
        }  # fmt: skip
        for name in ("baseline_count", "bone_metastases", "prior_taxane", "age_years"):
            if rng.random() < missing:
                row[name] = "" if name == "bone_metastases" else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def cohort(rng, n, truth, priors, **options):
    return cohort_of_frame(cohort_frame(rng, n, truth, priors, **options))


def prior_draw(rng, priors, *, n_centres=3):
    """Coefficients and centres' effects drawn from the priors."""
    values = rng.multivariate_normal(priors.mean, priors.covariance)
    truth = dict(zip(priors.names, values, strict=True))
    sd = abs(priors.sd_centre_scale * rng.standard_normal())
    truth["log_sd_centre"] = float(np.log(sd))
    for k in range(n_centres):
        truth[f"centre[C{k}]"] = sd * rng.standard_normal()
    return truth
