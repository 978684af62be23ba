"""What is assumed of each blood lineage before the patient's own counts are seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import check_whole, number, numbers
from radiobio.counts.course import CountParameters
from radiobio.counts.covariates import covariate_assumption, log_kill_shift
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
# Loss of marrow reserve per gray of image-based marrow dose, median and log SD; ASSUMED, see
# `lineage_prior`
_RESERVE_LOSS_PER_GY, _RESERVE_LOSS_LOG_SD = 0.03, 1.3
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
    log_mean, log_sd : ndarray, shape (4,) or (n, 4)
        Of the natural logarithms, in the order of `PARAMETER_NAMES`; for n patients side by side.
    circulating_loss_per_h : float or None
        Loss rate of circulating cells (1/h); None is that of the chain.
    residual_cv : float
        Coefficient of variation of a count around the model.
    assumptions : tuple of str
        What is assumed, in words, for the user to read.
    reserve_loss_per_gy : float
        Median loss of marrow reserve per marrow dose (1/Gy); zero is none.
    reserve_loss_log_sd : float
        SD of its logarithm; zero keeps it at the median.
    """

    lineage: str
    dose_method: str
    log_mean: FloatArray
    log_sd: FloatArray
    circulating_loss_per_h: float | None
    residual_cv: float
    assumptions: tuple[str, ...]
    reserve_loss_per_gy: float = 0.0
    reserve_loss_log_sd: float = 0.0

    def parameters(
        self, standardised: npt.ArrayLike, reserve: npt.ArrayLike | None = None
    ) -> CountParameters:
        """Parameters at standard-normal coordinates.

        Parameters
        ----------
        standardised : array_like, shape (*leading axes of the prior, ..., 4)
            In the order of `PARAMETER_NAMES`.
        reserve : array_like, shape as `standardised` without the last axis, optional
            Coordinate of the reserve loss; its median without.
        """
        z = numbers(standardised, "standardised")
        if z.ndim < self.log_mean.ndim or z.shape[-1] != len(PARAMETER_NAMES):
            raise RadiobioError(
                f"standardised must have the leading axes of the prior {self.log_mean.shape[:-1]} "
                f"and {len(PARAMETER_NAMES)} coordinates on its last axis, got shape {z.shape}"
            )
        gap = (1,) * (z.ndim - self.log_mean.ndim)
        mean, sd = (
            x.reshape(*x.shape[:-1], *gap, x.shape[-1]) for x in (self.log_mean, self.log_sd)
        )
        baseline, transit_h, feedback, kill = np.moveaxis(np.exp(mean + sd * z), -1, 0)
        loss = self.circulating_loss_per_h
        lost = np.asarray(self.reserve_loss_per_gy)
        if reserve is not None:
            lost = lost * np.exp(self.reserve_loss_log_sd * np.asarray(reserve))
        return CountParameters(
            baseline, transit_h, feedback, kill, None if loss is None else np.asarray(loss), lost
        )

    def sample(self, n_draws: int, rng: np.random.Generator) -> CountParameters:
        """Draws from the prior, shape (*leading axes of the prior, n_draws)."""
        check_whole(n_draws, "n_draws")
        z = rng.standard_normal((*self.log_mean.shape[:-1], n_draws, 4))
        if self.reserve_loss_log_sd == 0:
            return self.parameters(z)
        return self.parameters(z, rng.standard_normal(z.shape[:-1]))


def lineage_prior(
    lineage: str,
    dose_method: str,
    *,
    baseline: npt.ArrayLike | None = None,
    baseline_cv: float | None = None,
    covariates: Mapping[str, npt.ArrayLike] | None = None,
    reserve_loss: bool = False,
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
    baseline : array_like, shape () or (n,), optional
        The patient's own count before therapy (1e9/L; haemoglobin g/L); ``nan`` is unknown.
        Either give it here or hand it to `fit_counts` among the counts, not both.
    baseline_cv : float, optional
        Its coefficient of variation; the lineage's residual one by default.
    covariates : mapping of str to array_like () or (n,), optional
        What is known before treatment, see `radiobio.counts.covariates`: ``bone_metastases``,
        ``diffuse_bone_metastases``, ``prior_taxane``, ``prior_radium223`` (0 or 1),
        ``age_years``, ``creatinine_clearance_ml_per_min``; ``nan`` is unknown. They shift the
        kill.
    reserve_loss : bool
        Whether marrow reserve is lost for good with dose; not by default.

    Returns
    -------
    LineagePrior

    Raises
    ------
    RadiobioError
        If the lineage, method or a covariate is not known, or the baseline is not above zero.

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
    * Reserve loss: a median of 0.03 per Gy with a log standard deviation of 1.3. The same
      virtual patients then reach grade 3 in 12 %, for over six months in 2.5 %, and 79 % of
      those with fewer than 150 platelets recover; published are 11 % and, with transfusions,
      4.7 % (15 of 320 patients, Bergsma 2016, doi:10.1007/s00259-015-3193-4) and 68 %
      (NETTER-1). A compromise, not a fit, and off by default: nothing measured tells it from
      slow recovery within a few cycles.
    * Baselines: adults' usual counts. Residual CVs: within-person variation plus model error.

    Examples
    --------
    >>> prior = lineage_prior("platelets", "image", baseline=210.0)
    >>> prior.sample(2, np.random.default_rng(1)).shape
    (2,)
    """
    if not isinstance(lineage, str) or lineage not in _MEDIANS:
        raise RadiobioError(f"lineage {lineage!r} is not known; known: {list(_MEDIANS)}")
    if not isinstance(dose_method, str) or dose_method not in _KILL_FACTOR:
        known = list(_KILL_FACTOR)
        raise RadiobioError(f"dose_method {dose_method!r} is not known; known: {known}")
    typical, transit_d, feedback, kill = _MEDIANS[lineage]
    log_sd = np.array([*_LOG_SDS[lineage], _LOG_SD_KILL])
    factor = _KILL_FACTOR[dose_method]
    medians = np.array([typical, transit_d * 24.0, feedback, kill * factor])
    log_mean = np.log(medians)
    if baseline is not None:
        log_mean, log_sd = _with_baseline(lineage, log_mean, log_sd, baseline, baseline_cv)
    if covariates is not None:
        log_mean = _shifted(log_mean, log_kill_shift(lineage, covariates))
        log_sd = np.broadcast_to(log_sd, log_mean.shape)
    return LineagePrior(
        lineage,
        dose_method,
        log_mean,
        log_sd,
        1.0 / _RED_CELL_LIFE_H if lineage == "haemoglobin" else None,
        _RESIDUAL_CV[lineage],
        _assumptions(lineage, dose_method, medians, tuple(covariates or ()), reserve_loss),
        _RESERVE_LOSS_PER_GY * factor if reserve_loss else 0.0,
        _RESERVE_LOSS_LOG_SD if reserve_loss else 0.0,
    )


def _with_baseline(
    lineage: str,
    log_mean: FloatArray,
    log_sd: FloatArray,
    baseline: npt.ArrayLike,
    baseline_cv: float | None,
) -> tuple[FloatArray, FloatArray]:
    """Log medians and SDs with a measured baseline, where there is one."""
    cv = _RESIDUAL_CV[lineage] if baseline_cv is None else number(baseline_cv, "baseline_cv")
    own = numbers(baseline, "baseline")
    if (own <= 0).any() or np.isinf(own).any() or own.ndim > 1 or not 0 < cv <= 10:
        raise RadiobioError(
            "baseline must be above zero, one number or of shape (n,), and its CV above zero, up "
            f"to 10; got a baseline of shape {own.shape} from {np.min(own, initial=np.inf):g} on "
            f"and a CV of {cv:g}"
        )
    known = ~np.isnan(own)
    means, sds = (np.tile(x, (*own.shape, 1)) for x in (log_mean, log_sd))
    means[..., 0] = np.where(known, np.log(np.where(known, own, 1.0)), log_mean[0])
    sds[..., 0] = np.where(known, np.sqrt(np.log1p(cv**2)), log_sd[0])
    return means, sds


def _shifted(log_mean: FloatArray, shift: FloatArray) -> FloatArray:
    """Log medians of leading shape () or (n,) with the kill's shift added."""
    try:
        shape = np.broadcast_shapes(log_mean.shape[:-1], shift.shape)
    except ValueError:
        raise RadiobioError("the shapes of baseline and covariates do not broadcast") from None
    if len(shape) > 1:
        raise RadiobioError(f"covariates must be numbers or have shape (n,), got {shape}")
    shifted = np.array(np.broadcast_to(log_mean, (*shape, log_mean.shape[-1])))
    shifted[..., -1] += shift
    return shifted


def _assumptions(
    lineage: str,
    dose_method: str,
    medians: FloatArray,
    covariates: tuple[str, ...],
    reserve_loss: bool,
) -> tuple[str, ...]:
    _, transit_h, feedback, kill = medians
    lost = "ASSUMED: no permanent loss of marrow reserve from cycle to cycle"
    if reserve_loss:
        lost = (
            f"ASSUMED: {_RESERVE_LOSS_PER_GY * _KILL_FACTOR[dose_method]:.3g} of the marrow "
            f"reserve lost for good per Gy (median; log SD {_RESERVE_LOSS_LOG_SD:g}), set near "
            "published long-lasting toxicity"
        )
    elsewise = "ASSUMED: no effect of metastases or earlier therapy beyond the baseline count"
    return (
        f"ASSUMED: {lineage} follow a transit-compartment model with a mean transit time of "
        f"{transit_h / 24.0:g} d and a feedback exponent of {feedback:g} (population medians); no "
        "human radionuclide parameters are published",
        f"ASSUMED: {kill:.3g} log kill of {lineage} precursors per Gy of "
        + _KILL_BASIS[dose_method],
        lost,
        covariate_assumption(lineage, covariates) if covariates else elsewise,
        f"ASSUMED: counts scatter around the model with a CV of {_RESIDUAL_CV[lineage]:.0%}",
    )
