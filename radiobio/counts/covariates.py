"""What is known before treatment, as a factor on the kill per gray of marrow dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import numbers
from radiobio.errors import RadiobioError

MOST_LOG_KILL = float(np.log(2.0))
"""Bound of the sum of all shifts: together they at most double or halve the kill."""

_WHITE_AND_RED = ("platelets", "haemoglobin", "neutrophils", "lymphocytes", "leukocytes")


@dataclass(frozen=True)
class CovariateEffect:
    """Effect of one covariate on the logarithm of the kill per gray.

    Attributes
    ----------
    name : str
        As the keys of `lineage_prior`'s covariates.
    log_kill : float
        Difference between patients with and without it.
    share : float
        Share of patients with it to whom the population median belongs (ASSUMED).
    lineages : tuple of str
        Lineages it acts on.
    odds_ratio : float
        Odds ratio that the difference stands for, shrunk.
    outcome : str
        Of what.
    basis : str
        Where the odds ratio comes from.
    above, below : float or None
        A number counts as "with it" beyond this value; without either it must be 0 to 1.
    """

    name: str
    log_kill: float
    share: float
    lineages: tuple[str, ...]
    odds_ratio: float
    outcome: str
    basis: str
    above: float | None = None
    below: float | None = None

    def presence(self, value: FloatArray) -> FloatArray:
        """0 or 1 (or a probability between them), ``nan`` for unknown."""
        unknown = np.isnan(value)
        if (value < 0).any() or np.isinf(value).any():
            raise RadiobioError(f"{self.name} must be finite and zero or positive; nan is unknown")
        if self.above is not None:
            return np.where(unknown, np.nan, value > self.above)
        if self.below is not None:
            return np.where(unknown, np.nan, value < self.below)
        if (value > 1).any():
            raise RadiobioError(f"{self.name} must be 0 or 1 (or a probability); nan is unknown")
        return value


_GROENER = "Groener 2021, doi:10.1186/s13550-021-00805-7"
_KARIMZADEH = "Karimzadeh 2025, 182 patients on 177Lu-PSMA-I&T, doi:10.1007/s00259-025-07200-7"
_PERSSON = "Persson 2024, doi:10.1186/s13550-024-01077-7"
_BERGSMA = "Bergsma 2016, doi:10.1007/s00259-015-3193-4"
_SEVERE = "platelets, haemoglobin, neutrophils or leukocytes of grade 3 or more"

COVARIATE_EFFECTS: Mapping[str, CovariateEffect] = MappingProxyType(
    {
        effect.name: effect
        for effect in (
            CovariateEffect(
                "bone_metastases", 0.5, 0.5, _WHITE_AND_RED, 3.0, "any of grade 2 or more",
                f"odds ratio 6.0 of treatment-altering toxicity, no interval ({_PERSSON})",
            ),
            CovariateEffect(
                "diffuse_bone_metastases", 0.35, 0.5, _WHITE_AND_RED, 2.7, _SEVERE,
                "odds ratio 5.08 (1.08 to 23.86) of disseminated or diffuse bone involvement "
                f"({_GROENER})",
            ),
            CovariateEffect(
                "prior_taxane", 0.35, 0.5, _WHITE_AND_RED, 2.9, _SEVERE,
                f"odds ratio 4.62 (1.23 to 17.28) ({_GROENER}); chemotherapy none ({_BERGSMA})",
            ),
            CovariateEffect(
                "prior_radium223", 0.35, 0.1, ("platelets",), 3.1, "platelets of grade 3 or more",
                f"hazard ratio 6.43, p = 0.021 ({_KARIMZADEH}); none, p = 0.93 ({_GROENER})",
            ),
            CovariateEffect(
                "age_years", 0.2, 0.5, _WHITE_AND_RED, 1.9, _SEVERE,
                f"over 70 years significant, no size given ({_BERGSMA}): the least odds ratio that "
                "34 events in 320 patients show", above=70.0,
            ),
            CovariateEffect(
                "creatinine_clearance_ml_per_min", 0.3, 0.25, ("haemoglobin",), 2.7,
                "haemoglobin of grade 3", "kidney dysfunction, hazard ratio 3.81 of severe "
                f"anaemia, p = 0.023 ({_KARIMZADEH})", below=60.0,
            ),
        )
    }
)  # fmt: skip
"""Effects by name; all ASSUMED, see `log_kill_shift`."""


def log_kill_shift(lineage: str, covariates: Mapping[str, npt.ArrayLike]) -> FloatArray:
    r"""Shift of the logarithm of the kill per gray.

    Parameters
    ----------
    lineage : str
        Which cells.
    covariates : mapping of str to array_like (...)
        Values by the names of `COVARIATE_EFFECTS`; ``nan`` is unknown, and so is a name left out.

    Returns
    -------
    ndarray, shape (...)
        Between minus and plus `MOST_LOG_KILL`.

    Raises
    ------
    RadiobioError
        If the lineage or a name is not known, a value is not legal or shapes do not broadcast.

    Notes
    -----
    ASSUMED. Published odds and hazard ratios come from small cohorts, selected for being
    significant; log odds ratios are shrunk as under a normal prior with mean zero and SD one,
    :math:`\beta/(1 + s^2)` with the standard error s from the interval or p value (that of the
    diffuse bone involvement for Persson's, which has none; for age the least that 34 events among
    320 patients, a third of them exposed, can show). The difference in log kill is the one that
    gives virtual patients (4 x 7.4 GBq of 177Lu-DOTATATE) about that odds ratio of the outcome. It
    is centred on a share of patients, so that a mixed cohort keeps the incidences that the kill
    was set to; the sum is bounded.

    The baseline count predicts best (leukocytes below 5.6e9/L: hazard ratio 34,
    doi:10.1007/s00259-021-05412-1), and part of what these covariates carry is a low baseline
    already. The shift therefore is meant beside a measured baseline, and the shrinkage covers
    what would count twice.
    """
    if lineage not in _WHITE_AND_RED:
        raise RadiobioError(f"lineage {lineage!r} is not known; known: {list(_WHITE_AND_RED)}")
    if not isinstance(covariates, Mapping):
        raise RadiobioError(f"covariates must be a mapping of names to values, got {covariates!r}")
    total = np.zeros(())
    for name, given in covariates.items():
        effect = COVARIATE_EFFECTS.get(name)
        if effect is None:
            known = list(COVARIATE_EFFECTS)
            raise RadiobioError(f"covariate {name!r} is not known; known: {known}")
        presence = effect.presence(numbers(given, name))
        if lineage not in effect.lineages:
            continue
        shift = np.where(np.isnan(presence), 0.0, effect.log_kill * (presence - effect.share))
        try:
            total = total + shift
        except ValueError:
            raise RadiobioError("the covariates' shapes do not broadcast") from None
    return np.asarray(np.clip(total, -MOST_LOG_KILL, MOST_LOG_KILL))


def covariate_assumption(lineage: str, names: tuple[str, ...]) -> str:
    """What is assumed of these covariates, in words."""
    used = [
        f"{name} multiplies it by {np.exp(effect.log_kill):.2g} ({effect.basis})"
        for name, effect in COVARIATE_EFFECTS.items()
        if name in names and lineage in effect.lineages
    ]
    if not used:
        return f"ASSUMED: no effect of {', '.join(names)} on {lineage} beyond the baseline count"
    return (
        f"ASSUMED: the kill of {lineage} per Gy depends on covariates, at most twofold together: "
        + "; ".join(used)
    )
