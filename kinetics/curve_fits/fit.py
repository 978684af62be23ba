"""Least-squares fit of one time-activity curve, and the choice among curve forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kinetics.curve_fits.forms import CurveForm, curve_form
from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.errors import KineticsError

if TYPE_CHECKING:
    import pandas as pd

_HALF_LIFE_GRID_H = np.geomspace(0.1, 2000.0, 25)  # starts of the search
_N_STARTS = 6
_FITTED_FORMS = ("mono", "bi", "tri", "uptake")


@dataclass(frozen=True, eq=False)
class CurveFit:
    r"""Weighted least-squares fit of one curve form.

    Attributes
    ----------
    form : CurveForm
        The fitted form.
    decay_per_h : float
        Physical decay constant (1/h) that the curve was fitted with.
    log_parameter, log_covariance : ndarray, shapes (p,) and (p, p)
        Estimates and covariance of the logarithms of the parameters; an infinite diagonal
        element marks a parameter that the data do not determine.
    curve : SumOfExponentials
        The fitted curve, physical decay included.
    chi_square : float
        Weighted sum of squared residuals.
    aicc : float
        :math:`\chi^2 + 2K + 2K(K+1)/(N-K-1)` with known standard deviations (Burnham &
        Anderson 2002); infinite where :math:`N \le K+1`.
    n_samples : int
        Number of samples fitted.
    status : str
        ``"ok"`` or what is wrong, in words.
    """

    form: CurveForm
    decay_per_h: float
    log_parameter: FloatArray
    log_covariance: FloatArray
    curve: SumOfExponentials
    chi_square: float
    aicc: float
    n_samples: int
    status: str

    def draws(self, n_draws: int, *, rng: np.random.Generator) -> SumOfExponentials:
        """Curves with log parameters drawn from the normal law of the fit, shape (n_draws,).

        Raises
        ------
        KineticsError
            If the samples do not determine every parameter.
        """
        if not np.isfinite(self.log_covariance).all():
            raise KineticsError(
                f"no draws: {self.status}; fit a form with fewer parameters than {self.form.name}"
            )
        log_parameter = rng.multivariate_normal(
            self.log_parameter, self.log_covariance, size=n_draws
        )
        return self.form.curve(log_parameter, decay_per_h=self.decay_per_h)

    def to_frame(self) -> pd.DataFrame:
        """One row a parameter: estimate and relative standard error (%)."""
        import pandas as pd

        error = 100 * np.sqrt(np.diag(self.log_covariance))
        return pd.DataFrame(
            {
                "parameter": self.form.parameters,
                "estimate": np.exp(self.log_parameter),
                "relative_standard_error_pct": error,
            }
        )


def fit_curve(
    time_h: npt.ArrayLike,
    value: npt.ArrayLike,
    sd: npt.ArrayLike,
    *,
    form: str,
    decay_per_h: float,
) -> CurveFit:
    """Fit one curve form by weighted least squares from several starts.

    The amplitudes are linear once the half-lives are given, so the starts come from an exhaustive
    grid of half-lives with the best amplitudes for each; the best few are refined by
    Levenberg-Marquardt in log parameters.

    Parameters
    ----------
    time_h, value, sd : array_like, shape (n_samples,)
        Sampling times (h), measured values (NOT decay-corrected), standard deviations.
    form : str
        ``"mono"``, ``"bi"``, ``"tri"`` or ``"uptake"``.
    decay_per_h : float
        Physical decay constant (1/h).

    Raises
    ------
    KineticsError
        If there are fewer samples than parameters, or a value is not usable.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.array([4.0, 24.0, 72.0, 168.0])
    >>> fit = fit_curve(t, 50 * np.exp(-0.02 * t), 0.1 * np.ones(4), form="mono", decay_per_h=0.004)
    >>> float(fit.curve.integral().round(3))
    2500.0
    """
    from scipy.optimize import least_squares

    chosen = curve_form(form)
    if form not in _FITTED_FORMS:
        raise KineticsError(f"{form!r} is not fitted; legal are {', '.join(_FITTED_FORMS)}")
    t, y, s = _checked(time_h, value, sd)
    if len(t) < chosen.n_parameters:
        raise KineticsError(f"{form!r} needs at least {chosen.n_parameters} samples, got {len(t)}")

    def residual(log_parameter: FloatArray) -> FloatArray:
        return (chosen.curve(_limited(log_parameter), decay_per_h=decay_per_h)(t) - y) / s

    fits = [
        least_squares(residual, start, method="lm", xtol=1e-12, ftol=1e-12)
        for start in _starts(chosen, t, y, s, decay_per_h)
    ]
    best = min(fits, key=lambda result: float(result.cost))
    order = _ordered(chosen, best.x)
    log_parameter = _limited(best.x[order])
    covariance, determined = _covariance(best.jac[:, order])
    chi_square, n, k = 2 * float(best.cost), len(t), chosen.n_parameters
    aicc = chi_square + 2 * k + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else np.inf
    status = "ok" if determined else "the samples do not determine every parameter"
    if not best.success:
        status = f"not converged: {best.message}"
    curve = chosen.curve(log_parameter, decay_per_h=decay_per_h)
    return CurveFit(
        chosen, decay_per_h, log_parameter, covariance, curve, chi_square, aicc, n, status
    )


def fit_curves(
    time_h: npt.ArrayLike,
    value: npt.ArrayLike,
    sd: npt.ArrayLike,
    *,
    decay_per_h: float,
    forms: Sequence[str] = _FITTED_FORMS,
) -> list[CurveFit]:
    """Fits of every form that the number of samples allows (N > K + 1), the lowest AICc first.

    Parameters are those of `fit_curve`; `forms` names the candidates. An empty list means that
    there are too few samples to compare forms.
    """
    t, y, s = _checked(time_h, value, sd)
    fits = [
        fit_curve(t, y, s, form=name, decay_per_h=decay_per_h)
        for name in forms
        if len(t) > curve_form(name).n_parameters + 1
    ]
    return sorted(fits, key=lambda fit: fit.aicc)


def akaike_weights(aicc: npt.ArrayLike) -> FloatArray:
    r"""Akaike weights :math:`w_i \propto e^{-\Delta_i/2}`, shape (n_models,)."""
    delta = np.asarray(aicc, dtype=np.float64)
    weight = np.exp(-0.5 * (delta - delta.min()))
    return np.asarray(weight / weight.sum())


def _checked(*columns: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    t, y, s = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(c, dtype=np.float64)) for c in columns)
    )
    if not all(np.isfinite(x).all() for x in (t, y, s)):
        raise KineticsError("times, values and standard deviations must be finite")
    if (t < 0).any() or (s <= 0).any():
        raise KineticsError("times must be >= 0 h and standard deviations > 0")
    return t, y, s


def _limited(log_parameter: FloatArray) -> FloatArray:
    """Keep an undetermined parameter from overflowing."""
    return np.clip(log_parameter, -60.0, 60.0)


def _starts(
    form: CurveForm, t: FloatArray, y: FloatArray, s: FloatArray, decay_per_h: float
) -> list[FloatArray]:
    """Best half-lives of an exhaustive grid, with the amplitudes that suit them."""
    n_lives = form.n_parameters // 2 if form.name != "uptake" else 2
    grid = _HALF_LIFE_GRID_H[:: 2 if n_lives == 3 else 1]
    lives = np.array(list(combinations(grid, n_lives)))
    if form.name == "uptake":
        lives = lives[:, ::-1]  # clearance first, then the faster uptake
        unit = form.curve(
            np.log(np.column_stack([np.ones(len(lives)), lives])), decay_per_h=decay_per_h
        )
        basis = unit(t)[:, :, None]
    else:
        rate = np.log(2.0) / lives + decay_per_h
        basis = np.exp(-rate[:, None, :] * t[:, None])
    basis, target = basis / s[:, None], y / s
    amplitude = np.maximum(np.linalg.pinv(basis) @ target, 1e-6 * np.abs(y).max() + 1e-300)
    cost = ((np.einsum("gtk,gk->gt", basis, amplitude) - target) ** 2).sum(-1)
    best = np.argsort(cost)[:_N_STARTS]
    return [np.log(np.concatenate([amplitude[i], lives[i]])) for i in best]


def _ordered(form: CurveForm, log_parameter: FloatArray) -> npt.NDArray[np.intp]:
    """Indices that put the phases in order of their half-lives, the fastest first."""
    if form.name == "uptake":
        return np.arange(3)
    n = form.n_parameters // 2
    order = np.argsort(log_parameter[n:])
    return np.concatenate([order, n + order])


def _covariance(jacobian: Any) -> tuple[FloatArray, bool]:
    """Inverse of J'J, infinite for what the data leave open."""
    information = jacobian.T @ jacobian
    eigenvalue, vector = np.linalg.eigh(information)
    known = eigenvalue > 1e-10 * max(float(eigenvalue.max()), 1e-300)
    covariance = (vector[:, known] / eigenvalue[known]) @ vector[:, known].T
    open_parameter = (vector[:, ~known] ** 2).sum(1) > 1e-6
    covariance[open_parameter, open_parameter] = np.inf
    return covariance, bool(known.all())
