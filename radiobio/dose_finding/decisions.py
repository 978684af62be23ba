"""The next level from a posterior: overdose control, target interval, closest to the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import check_share, check_whole, number
from radiobio.dose_finding.blrm import BlrmPosterior
from radiobio.dose_finding.checks import check_index
from radiobio.dose_finding.crm import CrmPosterior
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    import pandas as pd

Posterior = BlrmPosterior | CrmPosterior
Rule = Literal["overdose_control", "target_interval", "closest"]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LevelDecision:
    """Which level the next cohort gets, and how sure the arithmetic of it is.

    Attributes
    ----------
    index : int or None
        Index of the level; None where no level may be given.
    level : float
        The level; nan where there is none.
    rule : str
        The rule.
    levels, risk_of_overdose : ndarray, shape (n_levels,)
        The levels, and the posterior probability of a risk of at least `toxic_from`.
    score : ndarray, shape (n_levels,)
        The highest is chosen (among the admissible ones).
    eligible : ndarray of bool, shape (n_levels,)
        Allowed by the steps and by coherence.
    admissible : ndarray of bool, shape (n_levels,)
        Eligible, and the probability of overdose is below the limit.
    flip_distance : float
        Smallest change of the probabilities (or of the estimates) that changes the decision.
    near_threshold : bool
        Whether `flip_distance` is within the margin or the numerical error.
    binding : str
        What stopped a higher level in words.
    """

    index: int | None
    level: float
    rule: str
    levels: FloatArray
    risk_of_overdose: FloatArray
    score: FloatArray
    eligible: BoolArray
    admissible: BoolArray
    flip_distance: float
    near_threshold: bool
    binding: str

    def to_frame(self) -> pd.DataFrame:
        """One row a level."""
        import pandas as pd

        names = ("risk_of_overdose", "score", "eligible", "admissible")
        frame = pd.DataFrame({"level": self.levels} | {name: getattr(self, name) for name in names})
        return frame.assign(chosen=np.arange(self.levels.size) == self.index)


def choose_level(
    posterior: Posterior,
    *,
    rule: Rule = "overdose_control",
    target: float = 0.30,
    toxic_from: float = 0.35,
    most_overdose: float | None = 0.25,
    last_index: int | None = None,
    last_toxic: int = 0,
    most_steps: int | None = None,
    most_ratio: float | None = None,
    coherent: bool = True,
    margin: float = 0.01,
) -> LevelDecision:
    """Level of the next cohort.

    Parameters
    ----------
    posterior : BlrmPosterior or CrmPosterior
        Of the risk.
    rule : {"overdose_control", "target_interval", "closest"}
        Highest admissible level (EWOC); admissible level with the most probability in the
        posterior's interval; admissible level with the estimate closest to the target (posterior
        mean of the BLRM, plug-in estimate of the CRM).
    target : float
        Targeted risk, for "closest".
    toxic_from : float
        Risks from here on are an overdose.
    most_overdose : float, optional
        A level is admissible while P(risk >= toxic_from) is below this (0.25 is the published
        choice); None for no overdose control.
    last_index : int, optional
        Level of the last cohort, from 0.
    last_toxic : int
        Toxicities in the last cohort.
    most_steps : int, optional
        Most levels above the highest one used so far; 1 never skips a level.
    most_ratio : float, optional
        Highest level as a multiple of the highest one used so far.
    coherent : bool
        No level above the last one right after a toxicity in it (needs `last_index`).
    margin : float
        Decisions that a change of a probability by this much would flip are flagged; 0.01 is
        ASSUMED (the Monte Carlo error of about 2,000 independent draws at 0.25).

    Returns
    -------
    LevelDecision

    Raises
    ------
    RadiobioError
        If a setting is not legal.

    Notes
    -----
    A fixed limit of the overdose probability is coherent where one parameter decides. With two,
    a toxicity far below the recommended level can flatten the curve and so raise the
    recommendation (rarely, under wide priors): `coherent` forbids it after the last cohort.

    Another level j is chosen instead when its probability of overdose comes below the limit and
    its score above that of the chosen one, or when the chosen one is no longer admissible: the
    smallest such change is `flip_distance`.

    References
    ----------
    Babb J, Rogatko A, Zacks S. Stat Med 1998;17:1103-1120 (EWOC). Neuenschwander B, Branson M,
    Gsponer T. Stat Med 2008;27:2420-2439. Coherence: Cheung YK. Biometrika 2005;92:863-873;
    Wheeler GM. Stat Pap 2018;59:801-811, doi:10.1007/s00362-016-0790-7 (a limit that is raised
    whatever the outcomes are escalates after toxicities).

    Examples
    --------
    >>> from radiobio.dose_finding import LogisticPrior, blrm_posterior
    >>> prior = LogisticPrior([2.15, 0.52], [[0.7056, 0.134], [0.134, 0.64]], 250.0)
    >>> posterior = blrm_posterior([10.0, 20.0, 25.0], [4, 0, 2], [0, 0, 2], prior=prior)
    >>> choose_level(posterior, rule="closest", most_overdose=None).level
    20.0
    """
    if rule not in ("overdose_control", "target_interval", "closest"):
        raise RadiobioError(
            f"rule {rule!r} is not known; known: 'overdose_control', 'target_interval', 'closest'"
        )
    if rule == "overdose_control" and most_overdose is None:
        raise RadiobioError("rule 'overdose_control' needs most_overdose")
    limit = np.inf if most_overdose is None else check_share(most_overdose, "most_overdose")
    least = number(margin, "margin")
    if not 0 <= least < 1:
        raise RadiobioError(f"margin must be 0 or more and below 1, got {margin}")
    risk = posterior.above(toxic_from)
    goal = check_share(target, "target")
    score = _score(posterior, rule, goal)
    reachable = _reachable(posterior, most_steps, most_ratio)
    incoherent = _incoherent(posterior, coherent, last_index, last_toxic)
    eligible = reachable & ~incoherent
    admissible = eligible & (risk < limit)
    index = (
        int(np.flatnonzero(admissible)[score[admissible].argmax()]) if admissible.any() else None
    )
    distance = _flip_distance(
        index, risk, limit, score, eligible, ranked=rule == "overdose_control"
    )
    return LevelDecision(
        index=index, level=np.nan if index is None else float(posterior.levels[index]), rule=rule,
        levels=posterior.levels, risk_of_overdose=risk, score=score, eligible=eligible,
        admissible=admissible, flip_distance=distance,
        near_threshold=distance <= max(least, posterior.numerical_error),
        binding=_binding(index, reachable, incoherent, risk < limit),
    )  # fmt: skip


def too_toxic(
    posterior: Posterior, *, toxic_from: float, confidence: float, index: int = 0
) -> tuple[bool, float]:
    """Whether a level (the lowest) is too toxic to go on.

    Parameters
    ----------
    posterior : BlrmPosterior or CrmPosterior
        Of the risk.
    toxic_from : float
        Risks from here on are too high.
    confidence : float
        The trial stops when P(risk >= toxic_from) is above this.
    index : int
        The level, from 0.

    Returns
    -------
    stop : bool
    probability : float
        P(risk >= toxic_from), to be compared with the confidence by the reader too.

    Raises
    ------
    RadiobioError
        If the level does not exist or a share is not legal.
    """
    here = check_index(index, "index", posterior.levels.size)
    probability = float(posterior.above(toxic_from)[here])
    return probability > check_share(confidence, "confidence"), probability


def _score(posterior: Posterior, rule: str, target: float) -> FloatArray:
    if rule == "overdose_control":
        return np.arange(posterior.levels.size, dtype=np.float64)
    if rule == "target_interval":
        return posterior.on_target
    return -np.abs(posterior.estimate - target)


def _reachable(posterior: Posterior, most_steps: int | None, most_ratio: float | None) -> BoolArray:
    """Levels that the allowed steps reach; before the first patient, only the lowest."""
    used = np.flatnonzero(posterior.treated)
    levels = posterior.levels
    reachable = np.ones(levels.size, dtype=bool)
    if most_steps is not None:
        check_whole(most_steps, "most_steps", least=0)
        reachable &= np.arange(levels.size) <= (used[-1] + most_steps if used.size else 0)
    if most_ratio is not None:
        if not 1 <= number(most_ratio, "most_ratio") < np.inf:
            raise RadiobioError(f"most_ratio must be 1 or more, got {most_ratio}")
        highest = levels[used[-1]] if used.size else levels[0] / most_ratio
        reachable &= levels <= highest * most_ratio * (1 + 1e-12)
    return reachable


def _incoherent(
    posterior: Posterior, coherent: bool, last_index: int | None, last_toxic: int
) -> BoolArray:
    """Levels that would escalate right after a toxicity."""
    n = posterior.levels.size
    check_whole(last_toxic, "last_toxic", least=0)
    if last_index is None:
        if last_toxic:
            raise RadiobioError("last_toxic needs last_index, the level of the last cohort")
        return np.zeros(n, dtype=bool)
    last = check_index(last_index, "last_index", n)
    if last_toxic > posterior.toxic[last]:
        raise RadiobioError(
            f"last_toxic is {last_toxic}, but the data have {posterior.toxic[last]} "
            "toxicities at that level"
        )
    return (np.arange(n) > last) & bool(coherent and last_toxic > 0)


def _flip_distance(
    index: int | None, risk: FloatArray, limit: float, score: FloatArray, eligible: BoolArray,
    *, ranked: bool,
) -> float:  # fmt: skip
    """Smallest change of the probabilities, or of the scores, that gives another level."""
    others = eligible.copy()
    if index is None:
        return float((risk[others] - limit).min(initial=np.inf))
    others[index] = False
    to_enter = np.maximum(risk[others] - limit, 0.0)
    if ranked:
        behind = np.where(score[others] > score[index], 0.0, np.inf)
    else:
        behind = np.maximum(score[index] - score[others], 0.0) / 2
    return float(min(limit - risk[index], np.maximum(to_enter, behind).min(initial=np.inf)))


def _binding(
    index: int | None, reachable: BoolArray, incoherent: BoolArray, safe: BoolArray
) -> str:
    """Why the next higher level was not chosen."""
    after = 0 if index is None else index + 1
    if after == reachable.size:
        return "the highest level is reached"
    if not safe[after]:
        return "overdose control"
    if incoherent[after]:
        return "coherence: a toxicity was just seen"
    return "the score" if reachable[after] else "the allowed step"
