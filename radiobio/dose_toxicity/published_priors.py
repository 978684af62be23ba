"""Published effects on haematological toxicity as priors, each with its source."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from radiobio.counts.lineage_priors import lineage_prior
from radiobio.dose_toxicity.covariates import COEFFICIENTS
from radiobio.dose_toxicity.likelihood import sigmoid
from radiobio.dose_toxicity.priors import DoseToxicityPriors
from radiobio.errors import RadiobioError

OUTCOMES = ("any", "platelets", "haemoglobin", "neutrophils", "lymphocytes", "leukocytes")
THERAPIES = ("177Lu-PSMA", "177Lu-DOTATATE")

_GROENER = "Groener 2021, EJNMMI Res, doi 10.1186/s13550-021-00805-7, 177Lu-PSMA-617, n = 140"
_PERSSON = "Persson 2024, EJNMMI Res, doi 10.1186/s13550-024-01077-7, 177Lu-DOTATATE, n = 59"
_BERGSMA = "Bergsma 2016, doi 10.1007/s00259-015-3193-4, 177Lu-DOTATATE, n = 320"
_PSMA_IT = "Karimzadeh 2025 (doi:10.1007/s00259-025-07200-7), 177Lu-PSMA-I&T, n = 182"
_WIDJAJA = "Widjaja 2021, doi 10.1007/s00259-021-05412-1, 177Lu-PSMA-617, n = 67"
_NETTER = "NETTER-1, Lutathera label, n = 111"
_HR_AS_OR = "hazard ratio taken for an odds ratio (ASSUMED); SE from the p value"

# Share of patients with grade 3 or more and where it comes from.
_INCIDENCE = {
    "177Lu-PSMA": {
        "any": (0.093, f"SOURCED 9.3 %: {_GROENER}"),
        "haemoglobin": (0.071, f"SOURCED 7.1 %: {_GROENER}"),
        "leukocytes": (0.036, f"SOURCED 3.6 %: {_GROENER}"),
        "platelets": (0.043, f"SOURCED 4.3 %: {_GROENER}"),
        "neutrophils": (0.036, f"ASSUMED as leukocytes, 3.6 %: {_GROENER}"),
        "lymphocytes": (
            0.065,
            f"DERIVED: 58.2 % of any grade after cycle 1 ({_WIDJAJA}), two cuts of 1.5 lower",
        ),
    },
    "177Lu-DOTATATE": {
        "any": (34 / 320, f"SOURCED 34/320: {_BERGSMA}"),
        "haemoglobin": (0.5 / 112, f"DERIVED (0 + 1/2)/(111 + 1): {_NETTER}"),
        "leukocytes": (0.03, f"ASSUMED as neutrophils, 3 %: {_NETTER}"),
        "platelets": (0.01, f"SOURCED 1 %: {_NETTER}"),
        "neutrophils": (0.03, f"SOURCED 3 %: {_NETTER}"),
        "lymphocytes": (0.065, "ASSUMED as under 177Lu-PSMA"),
    },
}
_INTERCEPT_SD = 1.0
_GAP = (0.4, 0.5)  # of the log distance between cuts: medians 1.5, 90 % 0.66 to 3.4
_SLOPE = (0.4, 0.5)
_SLOPE_SOURCE = (
    "ASSUMED: a weak response that may be none or slightly negative (21 % of the mass below zero). "
    f"Cumulative activity p = 0.33 in 13 events of 140 gives 0.44 +- 0.45 for 24.6 GBq, {_GROENER} "
    "(DERIVED, positive sign assumed); no marrow dose clearly predicted altered treatment, "
    f"{_PERSSON}"
)
# Dose (Gy; activity GBq) of a whole treatment; four cycles are ASSUMED where a cycle is published.
_REFERENCE = {
    "177Lu-PSMA": {
        "image": (4 * 1.9, "4 x 1.9 Gy, PubMed 41345337, MIRD spongiosa, cycle 1, n = 20"),
        "blood": (4 * 0.08, "4 x 0.08 Gy, PubMed 41345337, aorta, cycle 1, n = 20"),
        "activity": (24.6, f"mean cumulative 24.6 GBq, {_GROENER}"),
    },
    "177Lu-DOTATATE": {
        "image": (4 * 0.42, f"4 x 0.42 Gy, {_PERSSON}"),
        "planar": (0.64, "Svensson 2016, doi 10.1186/s40658-016-0157-0, mean 24 GBq, n = 46"),
        "blood": (0.0164 * 29.6, "0.0164 Gy/GBq x 29.6 GBq, PMC10478826 Table 3, n = 16"),
        "activity": (29.6, "4 x 7.4 GBq, Lutathera label"),
    },
}
# ASSUMED mix of covariates at which the published incidences hold.
_MIX = {
    "177Lu-PSMA": {"bone_few": 0.5, "bone_diffuse": 0.3, "prior_taxane": 0.5, "prior_ra223": 0.15,
                   "kidney_dysfunction": 0.2, "age_over_70": 0.5},
    "177Lu-DOTATATE": {"bone_few": 0.3, "bone_diffuse": 0.1, "prior_taxane": 0.0,
                       "prior_ra223": 0.0, "kidney_dysfunction": 0.2, "age_over_70": 0.3},
}  # fmt: skip

_BASELINE_WEAK = (-0.5, 0.75, "ASSUMED: lower before, lower after; no published size")
# Baseline count: log odds ratio per standard deviation of the log count.
_BASELINE = {
    # per g/dL: -0.2231 (p = 0.033) and -0.3011 (p = 0.002), inverse-variance mean -0.265
    "any": (-0.265 * 13.0 * 0.11, 0.3,
            f"DERIVED from HR 0.80 and 0.74 per g/dL of haemoglobin, {_PSMA_IT}; {_HR_AS_OR}, "
            "widened to 0.3 (ASSUMED)"),
    "haemoglobin": (-0.6539 * 13.0 * 0.11, 0.1987 * 13.0 * 0.11,
                    f"DERIVED from HR 0.52 per g/dL, severe anaemia, p < 0.001, {_PSMA_IT}; "
                    f"{_HR_AS_OR}"),
    "leukocytes": (-2.2996 / 1.6, 1.3222 / 1.6,
                   f"DERIVED from HR 9.97 below 5.6e9/L, p = 0.082, {_WIDJAJA}; {_HR_AS_OR}; a cut "
                   "taken for the median, whose halves lie 1.6 SD apart (ASSUMED)"),
}  # fmt: skip
_TAXANE = {
    "177Lu-PSMA": (1.5304, 0.6741, f"SOURCED OR 4.62 (1.23-17.28), G>=3, {_GROENER}"),
    "177Lu-DOTATATE": (0.0, 0.75, f"ASSUMED size: chemotherapy not associated, {_BERGSMA}"),
}
_RA223 = {
    "platelets": (1.8610, 0.8063,
                  f"DERIVED from HR 6.43, severe thrombocytopenia, p = 0.021, {_PSMA_IT}; "
                  f"{_HR_AS_OR}"),
    "": (0.0, 1.0, f"ASSUMED size: not significant (p = 0.93), {_GROENER}"),
}  # fmt: skip
_KIDNEY = {
    "haemoglobin": (1.3376, 0.5884,
                    f"DERIVED from HR 3.81, severe anaemia, p = 0.023, {_PSMA_IT}; {_HR_AS_OR}"),
    "": (0.5, 0.75, f"ASSUMED size: renal function significant, {_BERGSMA}"),
}  # fmt: skip
_BONE_DIFFUSE = (
    1.6253,
    0.7896,
    f"SOURCED OR 5.08 (1.08-23.86), disseminated or diffuse bone, G>=3, {_GROENER}",
)
_BONE_FEW = (
    0.8, 0.8,
    f"ASSUMED: half the effect of diffuse bone metastases; OR 6.0 without interval for any, "
    f"{_PERSSON}",
)  # fmt: skip
_AGE = (0.4, 0.6, f"ASSUMED size: age above 70 significant, {_BERGSMA}")


def published_priors(
    outcome: str = "any", *, therapy: str = "177Lu-PSMA", grade: int = 3
) -> DoseToxicityPriors:
    """Priors of the dose-toxicity regression from published cohorts.

    Parameters
    ----------
    outcome : {"any", "platelets", "haemoglobin", "neutrophils", "lymphocytes", "leukocytes"}
        Lineage whose worst grade is the outcome; "any" is the worst of all.
    therapy : {"177Lu-PSMA", "177Lu-DOTATATE"}
        Whose incidences, reference doses and mix of patients hold.
    grade : int
        Grade (1 to 4) whose log odds the intercepts are.

    Returns
    -------
    DoseToxicityPriors
        Independent normal priors; ``.to_frame()`` shows the source of each.

    Raises
    ------
    RadiobioError
        If outcome, therapy or grade is not known.

    Notes
    -----
    Intercepts are the log odds at the mean of the mix with which a cohort of that mix has the
    published incidence of grade >= 3 on average (patients differ, so that the log odds of the
    incidence itself would give too many events); SD 1 (ASSUMED: published shares of grade >= 3
    platelets of 1, 4.3 and 8 % have that spread on the logit scale). Another grade moves them by
    1.5 a step (ASSUMED, between the 1.2 and 2.4 a step of neutrophils and platelets in NETTER-1).
    Slopes are log odds ratios of one reference dose, each method with its own: an image-based and
    a blood-based gray differ several-fold. Effects from univariate analyses of small cohorts tend
    to be too large; `DoseToxicityPriors.with_prior` replaces any.

    Examples
    --------
    >>> priors = published_priors("platelets", therapy="177Lu-DOTATATE")
    >>> priors.methods
    ('image', 'planar', 'blood', 'activity')
    >>> round(float(priors.mean[priors.index("slope[image]")]), 2)
    0.4
    """
    if outcome not in OUTCOMES or therapy not in THERAPIES:
        raise RadiobioError(
            f"got the outcome {outcome!r} and therapy {therapy!r}; legal outcomes are "
            f"{list(OUTCOMES)}, therapies {list(THERAPIES)}"
        )
    if grade not in (1, 2, 3, 4) or (outcome == "haemoglobin" and grade == 4):
        raise RadiobioError(
            f"grade {grade!r} of {outcome}: legal are 1 to 4, of haemoglobin 1 to 3 (no laboratory "
            "value gives grade 4)"
        )
    share, source = _INCIDENCE[therapy][outcome]
    steps = 3 - grade
    spread = float(np.hypot(1.5 if outcome == "lymphocytes" else _INTERCEPT_SD, 0.8 * steps))
    if steps:
        source += f"; moved by {steps} cuts of 1.5 (ASSUMED)"
    effects = [
        _BASELINE.get(outcome, _BASELINE_WEAK), _BONE_FEW, _BONE_DIFFUSE, _TAXANE[therapy],
        _RA223.get(outcome, _RA223[""]), _KIDNEY.get(outcome, _KIDNEY[""]), _AGE,
    ]  # fmt: skip
    names = [name for group in COEFFICIENTS.values() for name in group]
    size = {name: effect[0] for name, effect in zip(names, effects, strict=True)}
    centre = _intercept(share, size, _MIX[therapy]) + 1.5 * steps
    rows: dict[str, tuple[float, float, str]] = {}
    for method in _REFERENCE[therapy]:
        rows[f"intercept[{method}]"] = (centre, spread, source)
        rows[f"slope[{method}]"] = (*_SLOPE, _SLOPE_SOURCE)
    rows.update(zip(names, effects, strict=True))
    top = 3 if outcome == "haemoglobin" else 4
    for k in range(1, top):
        rows[f"log_gap[{k}]"] = (*_GAP, "ASSUMED: see the intercepts")
    lineage = lineage_prior("haemoglobin" if outcome == "any" else outcome, "image")
    return DoseToxicityPriors(
        outcome=outcome, therapy=therapy, names=tuple(rows),
        mean=np.array([row[0] for row in rows.values()]),
        covariance=np.diag([row[1] ** 2 for row in rows.values()]),
        sources=tuple(row[2] for row in rows.values()),
        reference={method: dose for method, (dose, _) in _REFERENCE[therapy].items()},
        mix=dict(_MIX[therapy]), grade=grade,
        baseline=(float(np.exp(lineage.log_mean[0])), float(lineage.log_sd[0])),
        assumptions=_assumptions(outcome, therapy),
    )  # fmt: skip


def _intercept(share: float, size: Mapping[str, float], mix: Mapping[str, float]) -> float:
    """Log odds at the mean of the mix for which patients of that mix have the share on average."""
    flags = [name for name in mix if name not in ("bone_few", "bone_diffuse")]
    few, diffuse = mix["bone_few"], mix["bone_diffuse"]
    node, weight = np.polynomial.hermite_e.hermegauss(21)
    shift = size["baseline_log"] * node
    probability = weight / weight.sum()
    bone = np.array([0.0, size["bone_few"], size["bone_diffuse"]])
    columns = [(bone, np.array([1.0 - few - diffuse, few, diffuse]))]
    columns += [(np.array([0.0, size[name]]), np.array([1.0 - mix[name], mix[name]]))
                for name in flags]  # fmt: skip
    for value, chance in columns:
        shift = (shift[:, None] + value - value @ chance).ravel()
        probability = (probability[:, None] * chance).ravel()
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = probability @ sigmoid(middle + shift) < share
        low, high = (middle, high) if below else (low, middle)
    return 0.5 * (low + high)


def _assumptions(outcome: str, therapy: str) -> tuple[str, ...]:
    doses = "; ".join(f"{method}: {text}" for method, (_, text) in _REFERENCE[therapy].items())
    mix = ", ".join(f"{name} {share:g}" for name, share in _MIX[therapy].items())
    baseline = "haemoglobin (g/L)" if outcome == "any" else outcome
    return (
        f"ASSUMED: {_SLOPE_SOURCE.removeprefix('ASSUMED: ')}",
        f"ASSUMED: reference doses of a treatment of four cycles ({doses})",
        "ASSUMED: the published incidences are the mean of a cohort with this mix of covariates, "
        f"independent of each other, and with baseline counts as the lineage prior: {mix}",
        "ASSUMED: the SD between centres is half-normal with scale 0.5 (log odds)",
        f"ASSUMED: baseline_count is {baseline}, standardised by the median and log SD of the "
        "count model's lineage prior",
    )
