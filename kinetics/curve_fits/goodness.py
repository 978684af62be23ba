"""Gates that a fitted curve should pass before its time-integrated activity is used."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kinetics.curve_fits.cohort_result import CohortFit
from kinetics.curves import FloatArray
from kinetics.errors import KineticsError

_HARDIANSYAH = "Hardiansyah et al. EJNMMI Phys 2021, doi:10.1186/s40658-021-00427-x"
_WALD = "Wald & Wolfowitz, Ann Math Stat 1940, doi:10.1214/aoms/1177731909; 5 % is a convention"
_CV_LIMIT_PCT, _CORRELATION_LIMIT, _EXTRAPOLATED_LIMIT_PCT, _P_LIMIT = 50.0, 0.8, 20.0, 0.05
_CHI_SQUARE = "ASSUMED: chi-square test at 5 %, a convention; rests on the standard deviations"
_EXTRAPOLATED_SOURCE = "ASSUMED: a common limit whose source could not be verified"


@dataclass(frozen=True)
class Gate:
    """One check of a fit.

    Attributes
    ----------
    name : str
        What is checked.
    value, limit : float
        What was found, and the limit. NaN where it cannot be told.
    passed : bool or None
        None where it cannot be told.
    words : str
        The finding in words.
    source : str
        Where the limit comes from; ``ASSUMED`` where it has no verified source.
    """

    name: str
    value: float
    limit: float
    passed: bool | None
    words: str
    source: str


def extrapolated_fraction(fit: CohortFit) -> FloatArray:
    """Part of the time-integrated activity after the last quantified sample, shape (n,)."""
    quantified = np.isfinite(fit.value) & ~fit.below_limit
    last = np.where(quantified, fit.time_h, 0.0).max(1)
    fraction = np.full(len(fit), np.nan)
    fitted = fit.fitted
    curve = fit[fitted].curve
    late = curve.amplitude / curve.rate_per_h * np.exp(-curve.rate_per_h * last[fitted][:, None])
    fraction[fitted] = late.sum(1) / fit.tia[fitted]
    return fraction


def goodness_of_fit(fit: CohortFit, patient: int = 0) -> tuple[Gate, ...]:
    """Gates of one patient's fit.

    Relative standard error of each parameter below 50 %, absolute correlation of each pair of
    parameters below 0.8, less than 20 % of the time-integrated activity extrapolated beyond the
    last sample (ASSUMED), residuals of the size that their standard deviations say, and of signs
    that change at random.

    Parameters
    ----------
    fit : CohortFit
        The fits.
    patient : int
        Which patient.

    Raises
    ------
    KineticsError
        If the patient has no fit.

    Examples
    --------
    >>> import numpy as np
    >>> from kinetics.curve_fits.cohort_fit import fit_cohort
    >>> t = np.array([4.0, 24.0, 72.0])
    >>> fit = fit_cohort(t, np.exp(-0.01 * t), 0.05, form="mono", decay_per_h=0.004)
    >>> [gate.name for gate in goodness_of_fit(fit) if gate.passed is False]
    ['extrapolated fraction (%)']
    """
    one = fit[patient]
    if not one.fitted[0]:
        raise KineticsError(f"patient {patient} has no fit: {one.status[0]}")
    names, covariance = one.form.parameters, one.log_covariance[0]
    sd = np.sqrt(np.diag(covariance))
    gates = [_cv_gate(name, 100.0 * float(s)) for name, s in zip(names, sd, strict=True)]
    gates += [
        _correlation_gate(f"{names[j]} and {names[i]}", covariance[i, j], float(sd[i] * sd[j]))
        for i in range(len(names))
        for j in range(i)
    ]
    late = 100.0 * float(extrapolated_fraction(one)[0])
    gates.append(
        Gate(
            "extrapolated fraction (%)",
            late,
            _EXTRAPOLATED_LIMIT_PCT,
            late < _EXTRAPOLATED_LIMIT_PCT,
            f"{late:.3g} % of the TIA lies after the last sample",
            _EXTRAPOLATED_SOURCE,
        )
    )
    order = np.argsort(one.time_h[0], kind="stable")
    return (*gates, _chi_square_gate(one), _runs_gate(one.residual[0][order]))


def _cv_gate(name: str, cv_pct: float) -> Gate:
    known = math.isfinite(cv_pct)
    words = f"{cv_pct:.3g} %" if known else "the samples do not determine it"
    passed = cv_pct < _CV_LIMIT_PCT
    return Gate(f"CV of {name} (%)", cv_pct, _CV_LIMIT_PCT, passed, words, _HARDIANSYAH)


def _correlation_gate(pair: str, covariance: float, scale: float) -> Gate:
    name, limit = f"correlation of {pair}", _CORRELATION_LIMIT
    if not (math.isfinite(scale) and scale > 0):
        words = "cannot be told, a parameter is undetermined"
        return Gate(name, math.nan, limit, None, words, _HARDIANSYAH)
    value = float(covariance) / scale
    return Gate(name, value, limit, abs(value) < limit, f"{value:+.2f}", _HARDIANSYAH)


def _chi_square_gate(one: CohortFit) -> Gate:
    """Probability of residuals as large, were the standard deviations right."""
    from scipy.special import chdtrc

    name, chi_square = "size of residuals", float(one.chi_square[0])
    quantified = np.isfinite(one.value[0]) & ~one.below_limit[0]
    freedom = int(quantified.sum()) - one.form.n_parameters
    if freedom < 1:
        words = "no samples left over to judge by"
        return Gate(name, math.nan, _P_LIMIT, None, words, _CHI_SQUARE)
    p = float(chdtrc(freedom, chi_square))
    size = "as the standard deviations say" if p >= _P_LIMIT else "larger than they should be"
    words = f"{size} (chi-square {chi_square:.3g} with {freedom} degrees of freedom, p = {p:.2g})"
    return Gate(name, p, _P_LIMIT, p >= _P_LIMIT, words, _CHI_SQUARE)


def _runs_gate(residual: FloatArray) -> Gate:
    """Probability of as few runs of one sign as seen, were the signs in random order."""
    name = "pattern of residuals"
    sign = np.sign(residual[np.isfinite(residual) & (residual != 0)])
    above, below = int((sign > 0).sum()), int((sign < 0).sum())
    runs = 1 + int((np.diff(sign) != 0).sum()) if len(sign) else 0
    least = sum(_p_runs(r, above, below) for r in (2,)) if above and below else math.nan
    if not least < _P_LIMIT:
        words = f"{len(sign)} residuals are too few to show a pattern"
        return Gate(name, math.nan, _P_LIMIT, None, words, _WALD)
    p = sum(_p_runs(r, above, below) for r in range(2, runs + 1))
    pattern = "random" if p >= _P_LIMIT else "systematic: too few changes of sign"
    words = f"{pattern} ({runs} runs among {len(sign)} residuals, p = {p:.2g})"
    return Gate(name, p, _P_LIMIT, p >= _P_LIMIT, words, _WALD)


def _p_runs(runs: int, above: int, below: int) -> float:
    """Probability of exactly `runs` runs in a random order of two kinds."""
    k, odd = divmod(runs, 2)
    c = math.comb
    if odd:
        ways = c(above - 1, k) * c(below - 1, k - 1) + c(above - 1, k - 1) * c(below - 1, k)
    else:
        ways = 2 * c(above - 1, k - 1) * c(below - 1, k - 1)
    return ways / c(above + below, above)
