"""Continual reassessment method (CRM) with one parameter, by quadrature; TITE weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import check_share, number, numbers
from radiobio.dose_finding.blrm import TARGET_INTERVAL
from radiobio.dose_finding.checks import IntArray, check_interval, check_levels, check_patients
from radiobio.dose_finding.outcomes import count_outcomes
from radiobio.dose_finding.quadrature import (
    LineDensity,
    Lines,
    bounds,
    expit,
    lines,
    mass_below,
)
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    import pandas as pd

CrmModel = Literal["power", "logistic"]
_TOLERANCE = 1e-8
_MOST_REFINEMENTS = 6
_WIDEST = 30.0


@dataclass(frozen=True)
class _Curve:
    """Risk as a function of beta: logit or log of the skeleton times exp(beta)."""

    model: CrmModel
    intercept: float
    coded: FloatArray  # logit(skeleton) - intercept, or log(skeleton)

    def risk(self, beta: FloatArray) -> FloatArray:
        """Risk at each level and beta, shape (n_levels, n)."""
        scaled = self.coded[:, None] * np.exp(beta)
        return expit(self.intercept + scaled) if self.model == "logistic" else np.exp(scaled)

    def log_risks(self, beta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Logarithms of the risk and of one minus the risk, each (n_levels, n)."""
        scaled = self.coded[:, None] * np.exp(beta)
        if self.model == "logistic":
            logit = self.intercept + scaled
            return -np.logaddexp(0.0, -logit), -np.logaddexp(0.0, logit)
        return scaled, np.log(-np.expm1(np.minimum(scaled, -1e-300)))

    def beta_at(self, risk: float) -> FloatArray:
        """The beta at which each level has this risk; the risk falls with beta.

        Minus infinity where the risk is always lower.
        """
        goal = np.log(risk)
        if self.model == "logistic":
            goal = np.log(risk / (1 - risk)) - self.intercept
        return np.log(goal / self.coded) if goal < 0 else np.full(self.coded.size, -np.inf)


@dataclass(frozen=True)
class CrmPosterior:
    """Posterior of a one-parameter CRM.

    Attributes
    ----------
    levels : ndarray, shape (n_levels,)
        Levels, or 1, 2, ... where none were given.
    skeleton : ndarray, shape (n_levels,)
        Prior guesses of the risk.
    treated, toxic : ndarray of int, shape (n_levels,)
        The data.
    beta_mean, beta_variance : float
        Posterior of the parameter.
    plug_in : ndarray, shape (n_levels,)
        Risk at the posterior mean of the parameter.
    mean, sd : ndarray, shape (n_levels,)
        Posterior mean and standard deviation of the risk.
    interval, under, on_target, over
        As of `BlrmPosterior`.
    log_evidence : float
        Logarithm of the marginal likelihood.
    numerical_error : float
        Largest difference of a number to the next coarser quadrature with a narrower range.
    status : str
        "ok", or that the quadrature did not reach its tolerance.
    assumptions : tuple of str
        What the numbers rest on.
    """

    levels: FloatArray
    skeleton: FloatArray
    treated: IntArray
    toxic: IntArray
    beta_mean: float
    beta_variance: float
    plug_in: FloatArray
    mean: FloatArray
    sd: FloatArray
    interval: tuple[float, float]
    under: FloatArray
    on_target: FloatArray
    over: FloatArray
    log_evidence: float
    numerical_error: float
    status: str
    assumptions: tuple[str, ...]
    _curve: _Curve = field(repr=False)
    _line: Lines = field(repr=False)
    _log_density: LineDensity = field(repr=False)
    _reach: tuple[FloatArray, FloatArray] = field(repr=False)

    @property
    def estimate(self) -> FloatArray:
        """Estimate of the risk that `choose_level` compares with a target: the plug-in one."""
        return self.plug_in

    def above(self, threshold: float) -> FloatArray:
        """Posterior probability that the risk of each level is at least `threshold` (0 to 1)."""
        return _above(self._curve, self._line, check_share(threshold, "threshold"))

    def to_frame(self) -> pd.DataFrame:
        """One row a level."""
        import pandas as pd

        names = ("skeleton", "treated", "toxic", "plug_in", "mean", "sd", "under", "on_target",
                 "over")  # fmt: skip
        return pd.DataFrame({"level": self.levels} | {name: getattr(self, name) for name in names})


def crm_posterior(
    skeleton: npt.ArrayLike,
    level_index: npt.ArrayLike,
    toxic: npt.ArrayLike,
    *,
    model: CrmModel = "power",
    prior_mean: float = 0.0,
    prior_sd: float = float(np.sqrt(1.34)),
    intercept: float = 3.0,
    weight: npt.ArrayLike | None = None,
    levels: npt.ArrayLike | None = None,
    interval: tuple[float, float] = TARGET_INTERVAL,
) -> CrmPosterior:
    """Posterior of the CRM with the power or the one-parameter logistic model.

    Parameters
    ----------
    skeleton : array_like, shape (n_levels,)
        Prior guesses of the risk at each level, rising, between 0 and 1.
    level_index : array_like of int, shape (n_patients,)
        Level of each patient, from 0; see `read_outcomes`.
    toxic : array_like of int, shape (n_patients,)
        1 where the patient had a dose-limiting toxicity.
    model : {"power", "logistic"}
        p = skeleton ** exp(beta), or logit p = intercept + exp(beta) x with x such that p is the
        skeleton at beta = 0.
    prior_mean, prior_sd : float
        Normal prior of beta; 1.34 is the usual variance (Cheung 2011).
    intercept : float
        Of the logistic model; 3 is usual.
    weight : array_like, shape (n_patients,), optional
        Share of the time of observation that is over (0 to 1), for those without a toxicity
        (TITE-CRM); those with one count fully and need 1.
    levels : array_like, shape (n_levels,), optional
        Values of the levels.
    interval : tuple of float
        Limits of the targeted risk.

    Returns
    -------
    CrmPosterior

    Raises
    ------
    RadiobioError
        If the skeleton does not rise, or the data or the settings are not legal.

    Notes
    -----
    The likelihood of a patient is p (toxicity) or 1 - weight p. One line of Gauss-Legendre
    panels over beta; probabilities of a risk above a threshold are integrals up to the beta at
    which the curve crosses it.

    References
    ----------
    O'Quigley J, Pepe M, Fisher L. Biometrics 1990;46:33-48. Cheung YK, Chappell R. Biometrics
    2000;56:1177-1182 (TITE). Cheung YK. Dose finding by the continual reassessment method. 2011.

    Examples
    --------
    >>> from radiobio.dose_finding import crm_posterior, read_outcomes
    >>> index, toxic = read_outcomes("3N 5N 5T 3N 4N")
    >>> guess = [0.05, 0.12, 0.25, 0.40, 0.55]
    >>> posterior = crm_posterior(guess, index, toxic, model="logistic")
    >>> posterior.plug_in.round(2)
    array([0.01, 0.03, 0.08, 0.18, 0.33])
    """
    guess = _check_skeleton(skeleton)
    index, outcome = check_patients(level_index, toxic, guess.size)
    seen = _check_weight(weight, outcome)
    limits = check_interval(interval)
    centre, sd = number(prior_mean, "prior_mean"), number(prior_sd, "prior_sd")
    if not (abs(centre) <= _WIDEST and 0 < sd <= _WIDEST):
        raise RadiobioError(
            f"got prior_mean {centre:g} and prior_sd {sd:g} of the logarithm of a power; legal are "
            f"-{_WIDEST:g} to {_WIDEST:g}, and above 0 up to {_WIDEST:g}"
        )
    curve = _curve(guess, model, number(intercept, "intercept"))

    def log_posterior(beta: FloatArray) -> FloatArray:
        log_risk, log_rest = curve.log_risks(beta[0])
        log_density = -0.5 * ((beta[0] - centre) / sd) ** 2 - np.log(sd * np.sqrt(2 * np.pi))
        log_density += log_risk[index[outcome == 1]].sum(0)
        part = seen[outcome == 0]
        for at, share in zip(index[outcome == 0], part, strict=True):
            log_density += log_rest[at] if share == 1 else np.log1p(-share * np.exp(log_risk[at]))
        return np.asarray(log_density)[None]

    reach = (np.array([centre - 15.0 * sd]), np.array([centre + 15.0 * sd]))
    line, log_evidence = _line(log_posterior, reach, 0)
    summary = _summary(curve, line, limits)
    for refinement in range(1, _MOST_REFINEMENTS + 1):
        coarse = summary
        line, log_evidence = _line(log_posterior, reach, refinement)
        summary = _summary(curve, line, limits)
        error = float(np.abs(summary - coarse).max())
        if error < _TOLERANCE:
            break
    mean, spread, under, over = summary
    beta_mean = float(line.mass[0] @ line.node[0])
    treated, n_toxic = count_outcomes(index, outcome, n_levels=guess.size)
    values = np.arange(1.0, guess.size + 1) if levels is None else check_levels(levels)
    if values.size != guess.size:
        raise RadiobioError(f"levels need {guess.size} values as the skeleton, got {values.size}")
    return CrmPosterior(
        levels=values, skeleton=guess, treated=treated, toxic=n_toxic, beta_mean=beta_mean,
        beta_variance=float(line.mass[0] @ (line.node[0] - beta_mean) ** 2),
        plug_in=curve.risk(np.array([beta_mean]))[:, 0], mean=mean, sd=spread, interval=limits,
        under=under, on_target=1.0 - under - over, over=over, log_evidence=log_evidence,
        numerical_error=error, _curve=curve, _line=line, _log_density=log_posterior, _reach=reach,
        status="ok" if error < _TOLERANCE else f"the quadrature is only good to {error:.1e}",
        assumptions=(
            f"{model} curve with one parameter: its shape is that of the skeleton",
            "patients are independent",
        ) + (() if weight is None else ("toxicities come evenly over the time of observation",)),
    )  # fmt: skip


def _check_skeleton(skeleton: npt.ArrayLike) -> FloatArray:
    guess = numbers(skeleton, "skeleton")
    rising = guess.ndim == 1 and guess.size > 0 and (np.diff(guess) > 0).all()
    if not rising or not ((guess > 0) & (guess < 1)).all():
        raise RadiobioError("skeleton must be rising numbers above 0 and below 1")
    return guess


def _check_weight(weight: npt.ArrayLike | None, outcome: IntArray) -> FloatArray:
    share = np.ones(outcome.size) if weight is None else numbers(weight, "weight")
    if share.shape != outcome.shape or not ((share >= 0) & (share <= 1)).all():
        raise RadiobioError("weight needs one number of 0 to 1 for each patient")
    if (share[outcome == 1] != 1).any():
        raise RadiobioError("weight must be 1 for patients with a toxicity: they count fully")
    return share


def _curve(skeleton: FloatArray, model: str, intercept: float) -> _Curve:
    if model == "power":
        return _Curve("power", 0.0, np.log(skeleton))
    if model == "logistic":
        coded = np.log(skeleton / (1 - skeleton)) - intercept
        if not ((coded < 0).all() and intercept <= _WIDEST):
            raise RadiobioError(
                f"intercept {intercept:g} must be at most {_WIDEST:g} and above the logit of the "
                "highest guess of the skeleton, or the risk would fall with beta at some levels "
                "and rise at others"
            )
        return _Curve("logistic", intercept, coded)
    raise RadiobioError(f"model {model!r} is not known; known: 'power', 'logistic'")


def _line(
    log_posterior: LineDensity, reach: tuple[FloatArray, FloatArray], refinement: int
) -> tuple[Lines, float]:
    """Normalised posterior on panels; each refinement adds panels and widens the range."""
    drop = 34.0 + 3.0 * refinement
    low, high, highest = bounds(log_posterior, *reach, drop=drop)
    total = 0.0
    for _ in range(2):  # the second time with the integral one
        scale = float(highest[0]) + (np.log(total) if total else 0.0)
        line = lines(log_posterior, low, high, n_panels=8 * 2**refinement, log_scale=scale)
        total = float(line.mass.sum())
    return line, float(scale)


def _above(curve: _Curve, line: Lines, threshold: float) -> FloatArray:
    cut = np.maximum(curve.beta_at(threshold), -1e6)
    return np.clip(mass_below(line, cut[:, None])[:, 0], 0.0, 1.0)


def _summary(curve: _Curve, line: Lines, interval: tuple[float, float]) -> FloatArray:
    """Mean, standard deviation, probability below and above the interval, (4, n_levels)."""
    risk = curve.risk(line.node[0])
    mean = risk @ line.mass[0]
    sd = np.sqrt(((risk - mean[:, None]) ** 2) @ line.mass[0])
    above = [_above(curve, line, limit) for limit in interval]
    return np.stack([mean, sd, 1.0 - above[0], above[1]])
