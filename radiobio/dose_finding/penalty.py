"""Asymmetric loss of the risk at each level, so that overdosing counts more than underdosing."""

from __future__ import annotations

import numpy as np

from kinetics.curves import FloatArray
from radiobio.checks import check_share, number
from radiobio.dose_finding.crm import CrmPosterior
from radiobio.dose_finding.quadrature import bounds, lines
from radiobio.errors import RadiobioError


def cibp_loss(posterior: CrmPosterior, target: float, *, asymmetry: float) -> FloatArray:
    """Expected loss of the convex infinite bounds penalisation (CIBP) at each level.

    Parameters
    ----------
    posterior : CrmPosterior
        Of the risk.
    target : float
        Targeted risk.
    asymmetry : float
        Above 0 and below 2; below 1 overdosing is penalised more.

    Returns
    -------
    ndarray, shape (n_levels,)
        E[(p - target)^2 / (p^a (1 - p)^(2 - a))]; the level with the smallest is chosen. ``inf``
        where the expectation does not exist.

    Raises
    ------
    RadiobioError
        If the target or the asymmetry is not legal.

    Notes
    -----
    Under a normal prior of beta the risk has a double exponential tail towards zero, log p about
    -c exp(beta) (c of a level is minus the logarithm of its guess, or intercept minus its logit):
    1/p^a has an expectation at a level only if a times its c is at most the sum of c over the
    patients with a toxicity. Means over posterior draws hide that.

    References
    ----------
    Mozgunov P, Jaki T. Stat Med 2020;39:906-922, doi:10.1002/sim.8450.
    """
    goal, a = check_share(target, "target"), number(asymmetry, "asymmetry")
    if not 0 < a < 2:
        raise RadiobioError(f"asymmetry must be above 0 and below 2, got {asymmetry}")
    curve = posterior._curve
    out = np.full(curve.coded.size, np.inf)
    exists = a * -curve.coded <= -(posterior.toxic @ curve.coded)
    for level in np.flatnonzero(exists):

        def log_weight(beta: FloatArray, level: np.intp = level) -> FloatArray:
            log_risk, log_rest = curve.log_risks(beta[0])
            penalty = -a * log_risk[level] - (2 - a) * log_rest[level]
            return np.asarray(posterior._log_density(beta) + penalty)

        low, high, _ = bounds(log_weight, *posterior._reach, drop=45.0)
        line = lines(log_weight, low, high, n_panels=128, log_scale=posterior.log_evidence)
        out[level] = line.mass[0] @ (curve.risk(line.node[0])[level] - goal) ** 2
    return out
