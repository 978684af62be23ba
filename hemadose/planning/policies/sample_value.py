"""What one more measurement would be worth before the next cycle is decided."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.policies.explain import check_one_patient
from hemadose.planning.policies.subsets import take_draws, take_patients
from hemadose.planning.situation import TREAT, FloatArray, IntArray, Policy, Situation

_FEW = 30  # effective draws; ASSUMED enough for a tolerance of a quarter


@dataclass(frozen=True)
class SampleValue:
    """Expected change of one patient's next cycle by a measurement before it is decided.

    Attributes
    ----------
    tumour_gain_gy, tumour_gain_error_gy : float
        Expected gain in tumour dose of the next cycle (Gy) and its Monte-Carlo error.
    activity_gain_gbq, activity_gain_error_gbq : float
        The same for the activity (GBq).
    change_probability, change_error : float
        Probability that the action or the activity (by more than a step) changes, and its error.
    risk_before, risk_after : float
        Expected largest probability among the risks that the policy judges, relative to deciding
        now; ``nan`` if it judges none.
    effective_sample_size : float
        Median number of draws that the reweighted ones are worth; below about 30 the gain is
        biased upwards by chance.
    status : str
        One sentence.
    assumptions : tuple of str
        What is assumed.
    """

    tumour_gain_gy: float
    tumour_gain_error_gy: float
    activity_gain_gbq: float
    activity_gain_error_gbq: float
    change_probability: float
    change_error: float
    risk_before: float
    risk_after: float
    effective_sample_size: float
    status: str
    assumptions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain Python values."""
        return asdict(self)


def value_of_sample(
    policy: Policy,
    situation: Situation,
    *,
    measured_gy_per_gbq: FloatArray,
    log_sd: float,
    rng: np.random.Generator,
    n_outcomes: int = 400,
    step_gbq: float = 0.1,
) -> SampleValue:
    r"""Value of a measurement of a dose, such as a blood sample or a foci count, before deciding.

    Hypothetical outcomes are drawn from what is known, the draws are reweighted by each of them
    and resampled, and the policy decides again: a preposterior analysis.

    Parameters
    ----------
    policy : Policy
        Any policy.
    situation : Situation
        One patient (n = 1).
    measured_gy_per_gbq : ndarray, shape (n_draws,)
        What the measurement would tell, in each draw, such as ``marrow_gy_per_gbq[0]``; above 0.
    log_sd : float
        Standard deviation of the measurement's log error.
    rng : numpy.random.Generator
        For the outcomes.
    n_outcomes : int
        Hypothetical outcomes.
    step_gbq : float
        Activities that differ by more than this have changed (GBq).

    Returns
    -------
    SampleValue

    Raises
    ------
    HemadosePlanningError
        If there is more than one patient, a value is not legal, or the shapes do not fit.

    Notes
    -----
    Outcome :math:`y_j = x_{i(j)} + s z_j` with x the logarithm of `measured_gy_per_gbq` gives
    draw i the weight :math:`e^{-(y_j - x_i)^2/2s^2}`. The gain is the mean over outcomes of the
    tumour dose :math:`A_j\,E[d \mid y_j]` less that of deciding now. Resampling is systematic, so
    that a measurement without information changes nothing.

    References
    ----------
    Raiffa H, Schlaifer R. Applied Statistical Decision Theory. Harvard 1961 (preposterior
    analysis).
    """
    check_one_patient(situation)
    x = _log_values(measured_gy_per_gbq, situation)
    if not (np.isfinite(log_sd) and log_sd > 0):
        raise HemadosePlanningError(f"log_sd must be above 0, got {log_sd!r}")
    if n_outcomes < 2:
        raise HemadosePlanningError(f"n_outcomes must be 2 or more, got {n_outcomes!r}")
    n_draws = len(x)
    # every draw serves as the truth equally often
    truth = rng.permutation(np.arange(n_outcomes) * n_draws // n_outcomes)
    outcome = x[truth] + log_sd * rng.standard_normal(n_outcomes)
    log_weight = -0.5 * ((outcome[:, None] - x) / log_sd) ** 2
    weight = np.exp(log_weight - log_weight.max(-1, keepdims=True))
    weight /= weight.sum(-1, keepdims=True)
    copies = take_patients(situation, np.zeros(n_outcomes, dtype=np.int64))
    informed = take_draws(copies, systematic_draws(weight))
    before, after = policy(situation), policy(informed)

    tumour = situation.tumour_gy_per_gbq[0, :, 0]
    now_gbq = float(before.activity_gbq[0])
    dose = after.activity_gbq * (weight @ tumour) - now_gbq * (weight @ tumour)
    more = after.activity_gbq - now_gbq
    changed = (after.action != before.action[0]) | (np.abs(more) > step_gbq + 1e-9)
    risky = after.probability.shape[1] > 0
    ess = float(np.median(1 / (weight**2).sum(-1)))
    gain, error = float(dose.mean()), float(dose.std(ddof=1) / np.sqrt(n_outcomes))
    share = float(changed.mean())
    return SampleValue(
        tumour_gain_gy=gain,
        tumour_gain_error_gy=error,
        activity_gain_gbq=float(more.mean()),
        activity_gain_error_gbq=float(more.std(ddof=1) / np.sqrt(n_outcomes)),
        change_probability=share,
        change_error=_share_error(share, n_outcomes),
        risk_before=_largest(before.probability, before.action) if risky else np.nan,
        risk_after=_largest(after.probability, after.action) if risky else np.nan,
        effective_sample_size=ess,
        status=f"The decision changes with probability {share:.2f}; the next cycle's tumour dose "
        f"is expected to change by {gain:+.3g} Gy (Monte-Carlo error {error:.2g})."
        + (f" The draws are few for it: worth {ess:.0f}." if ess < _FEW else ""),
        assumptions=(
            f"ASSUMED: the measurement has a log-normal error of SD {log_sd:g} and tells of "
            "nothing but the quantity given.",
            "Only the next cycle is valued.",
        ),
    )


def systematic_draws(weight: FloatArray) -> IntArray:
    """Draws resampled in proportion to their weights, in order, with least chance.

    Parameters
    ----------
    weight : ndarray, shape (n, n_draws)
        Weights that sum to 1.

    Returns
    -------
    ndarray of int, shape (n, n_draws)
        Equal weights give every draw once.
    """
    n_draws = weight.shape[-1]
    position = (np.arange(n_draws) + 0.5) / n_draws
    edges = np.cumsum(weight, axis=-1)
    edges[:, -1] = 1.0
    return np.stack([np.searchsorted(row, position) for row in edges])


def _log_values(measured: FloatArray, situation: Situation) -> FloatArray:
    values = np.asarray(measured, dtype=np.float64)
    wanted = situation.marrow_gy_per_gbq.shape[1:]
    if values.shape != wanted or not (np.isfinite(values) & (values > 0)).all():
        raise HemadosePlanningError(
            f"measured_gy_per_gbq must be {wanted[0]} numbers above 0, one a draw; got shape "
            f"{values.shape}"
        )
    return np.log(values)


def _share_error(share: float, n: int) -> float:
    smoothed = (share * n + 1) / (n + 2)
    return float(np.sqrt(smoothed * (1 - smoothed) / n))


def _largest(probability: FloatArray, action: IntArray) -> float:
    """Mean over the outcomes of the largest probability, 0 where nothing is given."""
    worst = np.where(action == TREAT, np.nan_to_num(probability).max(-1), 0.0)
    return float(worst.mean())
