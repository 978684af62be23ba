"""Double integrals of two dose rates with decaying sublethal damage between them."""

from __future__ import annotations

import numpy as np

from kinetics import SumOfExponentials
from kinetics.curves import FloatArray

_CLOSE = 0.05  # relative distance of two rates below which a series takes over
_N_SERIES = 14  # terms of it: 0.05^14 is below the last digit


def pair_dose(
    first: SumOfExponentials,
    second: SumOfExponentials,
    repair_rate_per_h: FloatArray,
    share: FloatArray,
    *,
    delay_h: float,
    left_h: FloatArray,
) -> FloatArray:
    r"""Integral of f(t) g(s) exp(-mu |t - s|) over both times, shape (...), Gy^2.

    `first` starts at zero, `second` `delay_h` (at least 0) later; both stop `left_h` (...) after
    the start of the second. Repair rates and shares have shape (..., n_components).

    With :math:`E(a)=\int_0^\tau e^{-au}du`, its divided difference
    :math:`F(a,b)=(E(a)-E(b))/(b-a)` and
    :math:`K=(e^{-\lambda_i\Delta}-e^{-\mu\Delta})/(\mu-\lambda_i)` a pair of terms gives

    .. math::
        e^{-\lambda_i\Delta}\,[F(\lambda_i+\lambda_j,\mu+\lambda_j)
        + F(\lambda_i+\lambda_j,\lambda_i+\mu)] + K\,E(\mu+\lambda_j)

    """
    # axes: (..., component, term of first, term of second)
    mu = repair_rate_per_h[..., :, None, None]
    rate_i, rate_j = (
        np.where(c.amplitude == 0, 1.0, c.rate_per_h) for c in (first, second)
    )  # fmt: skip
    a = rate_i[..., None, :, None]
    b = rate_j[..., None, None, :]
    tau = left_h[..., None, None, None]
    value = divided(a + b, mu + b, tau) + divided(a + b, a + mu, tau)
    if delay_h > 0:
        gap = np.abs(mu - a) * delay_h
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(gap > 0, -np.expm1(-gap) / gap, 1.0)
        earlier = delay_h * np.exp(-np.minimum(a, mu) * delay_h) * ratio
        value = np.exp(-a * delay_h) * value + earlier * integrated(mu + b, tau)
    weight = first.amplitude[..., None, :, None] * second.amplitude[..., None, None, :]
    return np.asarray((share * (weight * value).sum((-1, -2))).sum(-1))


def integrated(rate_per_h: FloatArray, until_h: FloatArray) -> FloatArray:
    """Integral of exp(-rate u) from zero to a time, which may be infinite."""
    rate, until = np.broadcast_arrays(rate_per_h, until_h)
    x = rate * np.where(np.isinf(until), 0.0, until)
    with np.errstate(divide="ignore", invalid="ignore"):
        stopped = until * np.where(x > 0, -np.expm1(-x) / x, 1.0)
        return np.asarray(np.where(np.isinf(until), 1.0 / rate, stopped))


def divided(a: FloatArray, b: FloatArray, until_h: FloatArray) -> FloatArray:
    r"""Divided difference :math:`(E(a)-E(b))/(b-a)` of `integrated`, also where a and b meet.

    With the smaller rate m and d = |b - a| it is
    :math:`\sum_{n\ge1}(-d)^{n-1}P(n+1, m\tau)/m^{n+1}`, P the regularised incomplete gamma
    function; used where d is below 5 % of m or of :math:`1/\tau`.
    """
    from scipy.special import gammainc, gammaln

    with np.errstate(divide="ignore", invalid="ignore"):
        whole = 1.0 / (a * b)
    if np.isinf(until_h).all():
        return np.asarray(whole)
    a, b, tau, whole = np.broadcast_arrays(a, b, until_h, whole)
    endless = np.isinf(tau)
    stop = np.where(endless, 1.0, tau)
    small, gap = np.minimum(a, b), np.abs(b - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = (integrated(small, stop) - integrated(small + gap, stop)) / gap
    close = gap * stop < _CLOSE * np.maximum(small * stop, 1.0)
    n = np.arange(1, _N_SERIES + 1)
    x = (small * stop)[close][:, None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        moment = np.where(
            x > 1e-9, gammainc(n + 1.0, x) * np.exp(-(n + 1) * np.log(x)), np.exp(-gammaln(n + 2.0))
        )
    step = (gap * stop)[close][:, None]
    result = np.array(direct)
    result[close] = ((-step) ** (n - 1) * moment).sum(-1) * stop[close] ** 2
    return np.asarray(np.where(endless, whole, result))
