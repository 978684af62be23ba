"""What is assumed of each blood lineage before the patient's own counts are seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.counts.course import CountParameters
from radiobio.errors import RadiobioError

PARAMETER_NAMES = ("baseline", "mean_transit_time_h", "feedback_exponent", "kill_per_gy")

_RED_CELL_LIFE_H = 120.0 * 24.0
_LOG_SD_KILL = 0.5

# Per lineage: median baseline, mean transit time (d), feedback exponent, log kill per gray of
# image-based marrow dose; their log standard deviations (that of the kill is common);
# coefficient of variation of a count around the model. All ASSUMED, see `lineage_prior`.
_MEDIANS = {
    "platelets": (240.0, 18.5, 0.17, 1.0),
    "haemoglobin": (130.0, 8.0, 0.10, 0.2),
    "neutrophils": (4.2, 14.0, 0.17, 0.9),
    "lymphocytes": (1.6, 7.0, 0.10, 1.5),
    "leukocytes": (6.5, 14.0, 0.17, 0.75),
}
_LOG_SDS = {
    "platelets": (0.28, 0.2, 0.3),
    "haemoglobin": (0.11, 0.25, 0.3),
    "neutrophils": (0.35, 0.3, 0.3),
    "lymphocytes": (0.35, 0.3, 0.3),
    "leukocytes": (0.30, 0.3, 0.3),
}
_RESIDUAL_CV = {
    "platelets": 0.15,
    "haemoglobin": 0.05,
    "neutrophils": 0.30,
    "lymphocytes": 0.25,
    "leukocytes": 0.20,
}
# Image-based over blood-based marrow dose: means of 16 patients on 177Lu-DOTATATE, 0.0697 and
# 0.0164 Gy/GBq (PMC10478826, Table 3, its patient 5 left out as in the source). Free iodide is
# not taken up by marrow, so its blood-based dose stands for the marrow dose itself (ASSUMED).
_KILL_FACTOR = {"image": 1.0, "blood": 0.0697 / 0.0164, "blood_iodide": 1.0}
_MATCHED = "marrow dose (median), set to match published grades under 4 x 7.4 GBq 177Lu-DOTATATE"
_KILL_BASIS = {
    "image": f"image-based {_MATCHED}; it holds for that dose method only",
    "blood": f"blood-based {_MATCHED}; it holds for that dose method only",
    "blood_iodide": "blood-based marrow dose (median), that of image-based doses, as marrow takes "
    "up no iodide",
}


@dataclass(frozen=True, eq=False)
class LineagePrior:
    """Independent log-normal priors of one lineage's `CountParameters`.

    Attributes
    ----------
    lineage, dose_method : str
        As given to `lineage_prior`.
    log_mean, log_sd : ndarray, shape (4,)
        Of the natural logarithms, in the order of `PARAMETER_NAMES`.
    circulating_loss_per_h : float or None
        Loss rate of circulating cells (1/h); None is that of the chain.
    residual_cv : float
        Coefficient of variation of a count around the model.
    assumptions : tuple of str
        What is assumed, in words, for the user to read.
    """

    lineage: str
    dose_method: str
    log_mean: FloatArray
    log_sd: FloatArray
    circulating_loss_per_h: float | None
    residual_cv: float
    assumptions: tuple[str, ...]

    def parameters(self, standardised: npt.ArrayLike) -> CountParameters:
        """Parameters at standard-normal coordinates of shape (..., 4)."""
        values = np.exp(self.log_mean + self.log_sd * np.asarray(standardised, dtype=np.float64))
        baseline, transit_h, feedback, kill = np.moveaxis(values, -1, 0)
        loss = self.circulating_loss_per_h
        return CountParameters(
            baseline, transit_h, feedback, kill, None if loss is None else np.asarray(loss)
        )

    def sample(self, n_draws: int, rng: np.random.Generator) -> CountParameters:
        """Draws from the prior, shape (n_draws,)."""
        return self.parameters(rng.standard_normal((n_draws, len(self.log_mean))))


def lineage_prior(
    lineage: str,
    dose_method: str,
    *,
    baseline: float | None = None,
    baseline_cv: float | None = None,
) -> LineagePrior:
    """Prior of one lineage for marrow doses of one dosimetry method.

    Parameters
    ----------
    lineage : {"platelets", "haemoglobin", "neutrophils", "lymphocytes", "leukocytes"}
        Which cells.
    dose_method : {"blood", "image", "blood_iodide"}
        How the marrow dose was obtained: from the activity in blood, or from images of the
        vertebrae. The two differ about fourfold in the same patients on 177Lu, so that one kill
        per gray cannot serve both; never mix them. ``"blood_iodide"`` is the blood method for
        131I-iodide, which marrow does not take up.
    baseline : float, optional
        The patient's own count before therapy (1e9/L; haemoglobin g/L). Either give it here or
        hand it to `fit_counts` among the counts, not both.
    baseline_cv : float, optional
        Its coefficient of variation; the lineage's residual one by default.

    Returns
    -------
    LineagePrior

    Raises
    ------
    RadiobioError
        If the lineage or method is not known, or the baseline is not above zero.

    Notes
    -----
    No human parameters of such a model under radionuclide therapy are published, so all are
    ASSUMED, with these reasons:

    * Platelets: a mean transit time of 18.5 d puts the nadir 5.1 weeks after the first
      administration (effective half-life 2.5 d), the median of NETTER-1 (Lutathera label).
    * Neutrophils, leukocytes: 14 d puts it in week 4, before the window of 31 to 45 days with
      the strongest dose response (Persson 2024, doi:10.1186/s13550-024-01077-7) closes.
    * Lymphocytes: killed where they are; 7 d, an early nadir, slow recovery.
    * Haemoglobin: 8 d of maturation and red cells that live 120 d.
    * Feedback exponents near those of chemotherapy (0.145 to 0.24; Friberg et al. 2002,
      doi:10.1200/JCO.2002.02.140; Kloft et al. 2006, doi:10.1158/1078-0432.CCR-06-0815), 0.1
      for the pools that recover slowly.
    * Kill per gray: chosen so that virtual patients (4 x 7.4 GBq every 8 weeks, marrow doses of
      PMC10478826 Table 3) show incidences close to NETTER-1 (grade 1 or more / 3 or more:
      platelets 53/1 %, neutrophils 26/3 %, anaemia 81/0 % against 54/1 % in the control arm),
      to Groener 2021 for leukocytes (grade 3 or more 3.6 %, doi:10.1186/s13550-021-00805-7) and
      to Widjaja 2021 for lymphocytes (58 % any grade after one cycle,
      doi:10.1007/s00259-021-05412-1). Marrow dose predicts toxicity weakly, so its log standard
      deviation is wide: 0.5.
    * 131I-iodide: the kill per gray of image-based doses. A blood-based one would make 2 Gy, the
      blood dose that radioiodine therapy is held below (Benua et al. 1962; Lassmann et al. 2008,
      doi:10.1007/s00259-008-0761-x), lethal to the marrow, which it is not.
    * Baselines: adults' usual counts. Residual CVs: within-person variation plus model error.

    Examples
    --------
    >>> prior = lineage_prior("platelets", "image", baseline=210.0)
    >>> prior.sample(2, np.random.default_rng(1)).shape
    (2,)
    """
    if lineage not in _MEDIANS:
        raise RadiobioError(f"lineage {lineage!r} is not known; known: {list(_MEDIANS)}")
    if dose_method not in _KILL_FACTOR:
        known = list(_KILL_FACTOR)
        raise RadiobioError(f"dose_method {dose_method!r} is not known; known: {known}")
    typical, transit_d, feedback, kill = _MEDIANS[lineage]
    log_sd = np.array([*_LOG_SDS[lineage], _LOG_SD_KILL])
    if baseline is not None:
        cv = _RESIDUAL_CV[lineage] if baseline_cv is None else baseline_cv
        if not (baseline > 0 and cv > 0):
            raise RadiobioError(f"baseline and its CV must be above zero: {baseline}, {cv}")
        typical, log_sd[0] = baseline, np.sqrt(np.log1p(cv**2))
    kill *= _KILL_FACTOR[dose_method]
    medians = np.array([typical, transit_d * 24.0, feedback, kill])
    return LineagePrior(
        lineage,
        dose_method,
        np.log(medians),
        log_sd,
        1.0 / _RED_CELL_LIFE_H if lineage == "haemoglobin" else None,
        _RESIDUAL_CV[lineage],
        _assumptions(lineage, dose_method, transit_d, feedback, kill),
    )


def _assumptions(
    lineage: str, dose_method: str, transit_d: float, feedback: float, kill: float
) -> tuple[str, ...]:
    return (
        f"ASSUMED: {lineage} follow a transit-compartment model with a mean transit time of "
        f"{transit_d:g} d and a feedback exponent of {feedback:g} (population medians); no human "
        "radionuclide parameters are published",
        f"ASSUMED: {kill:.3g} log kill of {lineage} precursors per Gy of "
        + _KILL_BASIS[dose_method],
        "ASSUMED: no permanent loss of marrow reserve from cycle to cycle, no effect of "
        "metastases or earlier therapy beyond the baseline count",
        f"ASSUMED: counts scatter around the model with a CV of {_RESIDUAL_CV[lineage]:.0%}",
    )
