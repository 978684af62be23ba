"""Poisson or negative binomial: maximum likelihood for the number of foci per cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from foci.counting.counts import totals
from foci.counting.likelihood_fit import maximise
from foci.errors import FociError
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["poisson", "nb1", "nb2"]
_BOUND = 1e-8  # an excess variance below it counts as none


@dataclass(frozen=True, eq=False)
class DistributionFit:
    r"""Maximum-likelihood distribution of the foci per cell.

    Attributes
    ----------
    form : str
        ``"poisson"``, ``"nb1"`` (variance :math:`(1+a)\mu`) or ``"nb2"`` (:math:`\mu + a\mu^2`).
    mean_per_cell, mean_sd : ndarray, shape (n_groups,)
        Mean of each group and its standard deviation.
    excess, excess_sd : float
        The parameter a, common to all groups, and its standard deviation; zero for Poisson. At
        the bound of zero the standard deviation is NaN, and the status says it.
    dispersion : ndarray, shape (n_groups,)
        Variance over mean of single cells.
    log_likelihood, log_likelihood_poisson : float
        At the maximum, and of the Poisson fit.
    p_value : float
        Likelihood-ratio test of Poisson against this form; 1 for Poisson itself.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    form: Form
    mean_per_cell: FloatArray
    mean_sd: FloatArray
    excess: float
    excess_sd: float
    dispersion: FloatArray
    log_likelihood: float
    log_likelihood_poisson: float
    p_value: float
    status: str

    @property
    def aic(self) -> float:
        """Akaike's criterion: lower fits better for its number of parameters."""
        parameters = len(self.mean_per_cell) + (self.form != "poisson")
        return 2 * parameters - 2 * self.log_likelihood

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def to_frame(self) -> pd.DataFrame:
        """One row a group: mean, standard deviation and variance over mean."""
        import pandas as pd

        columns = ("mean_per_cell", "mean_sd", "dispersion")
        return pd.DataFrame({name: getattr(self, name) for name in columns})


def fit_distribution(
    distributions: Sequence[Sequence[int]],
    *,
    form: Form = "nb1",
    open_last_class: bool = False,
) -> DistributionFit:
    r"""Fit the foci per cell of one or several groups of cells (slides, samples, doses).

    Parameters
    ----------
    distributions : sequence of sequence of int
        For each group the number of cells with 0, 1, 2, ... foci. Each group has a mean of its
        own; the excess variance is common.
    form : {"poisson", "nb1", "nb2"}
        Poisson, or negative binomial with a variance proportional to the mean (nb1), or with a
        constant CV of the cells' own means (nb2). One group alone cannot tell nb1 from nb2.
    open_last_class : bool
        The last class of every group holds the cells with that many foci or more: its
        probability is the whole upper tail.

    Raises
    ------
    FociError
        If a distribution is impossible, holds no focus, or all its cells are in the open class.

    Notes
    -----
    :math:`\ell = \sum_g \sum_k n_{gk} \ln p(k \mid \mu_g, a)`; an open last class K enters as
    :math:`\ln P(k \ge K)`. Standard deviations from the inverse of the observed information. The
    likelihood ratio has the distribution :math:`\frac12\chi^2_0 + \frac12\chi^2_1`, because the
    Poisson distribution lies on the bound :math:`a = 0`.

    References
    ----------
    Cameron AC, Trivedi PK. J Appl Econom 1986;1:29-53, doi:10.1002/jae.3950010104 (NB1, NB2).
    Self SG, Liang KY. J Am Stat Assoc 1987;82:605-610, doi:10.1080/01621459.1987.10478472.

    Examples
    --------
    >>> fit = fit_distribution([(302, 28, 22, 8, 1)], form="nb1")
    >>> fit.mean_per_cell.round(3), fit.dispersion.round(2), fit.p_value < 1e-6
    (array([0.277]), array([2.19]), True)
    """
    _check(distributions, form, open_last_class)
    counts = [np.asarray(group, dtype=np.float64) for group in distributions]
    start = np.array([_start_mean(group) for group in counts])

    def log_likelihood(means: FloatArray, a: float) -> float:
        pairs = zip(counts, means, strict=True)
        return sum(float(n @ _log_probabilities(len(n), m, a, form, open_last_class))
                   for n, m in pairs)  # fmt: skip

    poisson = maximise(lambda z: log_likelihood(np.exp(z), 0.0), np.log(start))
    best, a, status = poisson, 0.0, poisson.status
    if form != "poisson":
        best = maximise(
            lambda z: log_likelihood(np.exp(z[:-1]), float(np.exp(z[-1]))),
            np.append(poisson.position, np.log(0.3)),
            low=np.append(np.full(len(start), -np.inf), np.log(_BOUND)),
        )
        status = best.status
        a = float(np.exp(best.position[-1]))
        if best.value <= poisson.value + 1e-6:
            best, a = poisson, 0.0
            status = "no excess variance was found: the Poisson distribution fits at least as well"
    means = np.exp(best.position[: len(start)])
    sd = np.sqrt(np.diag(best.covariance))
    ratio = max(2 * (best.value - poisson.value), 0.0)
    return DistributionFit(
        form=form,
        mean_per_cell=means,
        mean_sd=means * sd[: len(means)],
        excess=a,
        excess_sd=_excess_sd(form, a, sd),
        dispersion=1 + (a * means if form == "nb2" else np.full_like(means, a)),
        log_likelihood=best.value,
        log_likelihood_poisson=poisson.value,
        p_value=_half_chi_square(ratio),
        status=status,
    )


def _excess_sd(form: Form, a: float, sd: FloatArray) -> float:
    if form == "poisson":
        return 0.0
    return float(a * sd[-1]) if a > 0 else float("nan")


def _half_chi_square(ratio: float) -> float:
    """Upper tail of an even mixture of zero and chi-square with one degree of freedom."""
    from scipy.stats import chi2

    return float(chi2.sf(ratio, 1) / 2) if ratio > 0 else 1.0


def _start_mean(counts: FloatArray) -> float:
    number = np.arange(len(counts))
    return float(counts @ number / counts.sum())


def _check(distributions: Sequence[Sequence[int]], form: str, open_last_class: bool) -> None:
    if form not in ("poisson", "nb1", "nb2"):
        raise FociError(f"form must be 'poisson', 'nb1' or 'nb2', got {form!r}")
    if len(distributions) == 0:
        raise FociError("at least one distribution is needed")
    for i, group in enumerate(distributions):
        cells, foci = totals(group)
        if cells < 1 or foci < 1:
            raise FociError(
                f"group {i} holds {cells} cells and {foci} foci; a fit needs at least one of each"
            )
        if open_last_class and (len(group) < 2 or group[-1] == cells):
            raise FociError(
                f"all {cells} cells of group {i} are in the open last class: their mean cannot be "
                "told, count them to their number"
            )


def _log_probabilities(
    n_classes: int, mean: float, a: float, form: Form, open_last_class: bool
) -> FloatArray:
    """Log probability of each class."""
    from scipy.special import gammaln

    k = np.arange(n_classes, dtype=np.float64)
    if a <= _BOUND:
        value = k * np.log(mean) - mean - gammaln(k + 1)
    else:
        size = mean / a if form == "nb1" else 1 / a
        p = size / (size + mean)
        value = gammaln(k + size) - gammaln(size) - gammaln(k + 1)
        value = value + size * np.log(p) + k * np.log1p(-p)
    if open_last_class:
        value[-1] = _log_upper_tail(n_classes - 1, mean, a, form)
    return np.asarray(value)


def _log_upper_tail(k: int, mean: float, a: float, form: Form) -> float:
    """Log probability of k or more."""
    from scipy.stats import nbinom, poisson

    if a <= _BOUND:
        return float(poisson.logsf(k - 1, mean))
    size = mean / a if form == "nb1" else 1 / a
    return float(nbinom.logsf(k - 1, size, size / (size + mean)))
