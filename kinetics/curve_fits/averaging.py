"""Time-integrated activity averaged over curve forms by their Akaike weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics.curve_fits.cohort_result import CohortFit
from kinetics.curves import FloatArray
from kinetics.errors import KineticsError


@dataclass(frozen=True, eq=False)
class AveragedTia:
    """Model-averaged time-integrated activity of n patients.

    Attributes
    ----------
    forms : tuple of str
        Names of the m forms.
    weight : ndarray, shape (n, m)
        Akaike weights; zero for a form without fit or with too few samples, NaN where no form
        can be compared.
    tia, tia_sd : ndarray, shape (n,)
        Averaged time-integrated activity and its standard error, the spread between forms
        included.
    status : ndarray of str, shape (n,)
        ``"ok"`` or what is wrong, in words.
    """

    forms: tuple[str, ...]
    weight: FloatArray
    tia: FloatArray
    tia_sd: FloatArray
    status: npt.NDArray[np.str_]


def average_tia(fits: Sequence[CohortFit]) -> AveragedTia:
    r"""Average the time-integrated activity of several forms fitted to the same samples.

    .. math:: w_i \propto e^{-\Delta_i/2},\quad \bar A = \sum w_i A_i,\quad
              \mathrm{var}(\bar A) = \Big[\sum w_i\sqrt{\mathrm{var}(A_i) + (A_i-\bar A)^2}\Big]^2

    Parameters
    ----------
    fits : sequence of CohortFit
        One a form, all of the same samples.

    Raises
    ------
    KineticsError
        If the fits are none, or not of the same samples.

    References
    ----------
    Burnham KP, Anderson DR. Model Selection and Multimodel Inference, 2nd ed. Springer 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from kinetics.curve_fits.cohort_fit import fit_cohort
    >>> t = np.array([1.0, 4.0, 24.0, 72.0, 168.0])
    >>> y = 50 * np.exp(-0.02 * t)
    >>> fits = [fit_cohort(t, y, 0.1 * y, form=f, decay_per_h=0.004) for f in ("mono", "uptake")]
    >>> average_tia(fits).weight.round(2).tolist()
    [[1.0, 0.0]]
    """
    if not fits:
        raise KineticsError("there is no fit to average")
    if any(not np.array_equal(fit.value, fits[0].value, equal_nan=True) for fit in fits):
        raise KineticsError("the fits are not of the same samples")
    aicc = np.stack([fit.aicc for fit in fits], axis=-1)
    some = np.isfinite(aicc).any(1)
    least = np.where(some, aicc.min(1), 0.0)
    weight = np.exp(-0.5 * (aicc - least[:, None]))
    weight = weight / np.where(some, weight.sum(1), np.nan)[:, None]
    used = weight > 0
    tia_i = np.where(used, np.stack([fit.tia for fit in fits], axis=-1), 0.0)
    sd_i = np.where(used, np.stack([fit.tia_sd for fit in fits], axis=-1), 0.0)
    tia = (weight * tia_i).sum(1)
    apart = np.where(used, tia_i - tia[:, None], 0.0)
    tia_sd = (weight * np.hypot(sd_i, apart)).sum(1)
    status = np.where(some, "ok", "too few samples to compare forms (N <= K + 1)")
    status = np.where(some & ~np.isfinite(tia_sd), "a form leaves the TIA undetermined", status)
    names = tuple(fit.form.name for fit in fits)
    return AveragedTia(names, weight, tia, tia_sd, status)
