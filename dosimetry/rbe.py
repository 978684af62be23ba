"""Dose weighted by the relative biological effectiveness (RBE) of alpha particles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.results import (
    UNSPECIFIED,
    AbsorbedDose,
    contribution_frame,
    integrals,
    split_contribution,
)
from kinetics import SumOfExponentials

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RbeWeightedDose:
    """RBE-weighted dose of one region: no absorbed dose, and never weighted again.

    Attributes
    ----------
    region, method : str
        As in the absorbed dose it comes from.
    unit : str
        Label such as ``"Gy(RBE5)"``, with the RBE of alpha particles in it.
    rbe_alpha : ndarray
        RBE of alpha particles and recoil nuclei, draws or a scalar.
    contributions : mapping of str to SumOfExponentials
        Weighted dose rate per hour by origin and radiation; leading axes are draws.
    assumptions : tuple of str
        What was assumed, in words.
    """

    region: str
    method: str
    unit: str
    rbe_alpha: FloatArray
    contributions: Mapping[str, SumOfExponentials]
    assumptions: tuple[str, ...]

    @property
    def weighted_rate(self) -> SumOfExponentials:
        """Weighted dose rate of all contributions together (Gy(RBE)/h)."""
        return reduce(add, self.contributions.values()).compact()

    @property
    def weighted(self) -> FloatArray:
        """Weighted dose to complete decay (Gy(RBE)), shape of the draws."""
        return self.weighted_rate.integral()

    def to_frame(self) -> pd.DataFrame:
        """Table as `AbsorbedDose.to_frame`, columns ``..._gy_rbe``, and a column ``unit``."""
        doses = integrals(self.contributions) | {"total": self.weighted}
        return contribution_frame(doses, "gy_rbe").assign(unit=self.unit)


def rbe_weighted(absorbed: AbsorbedDose, *, rbe_alpha: npt.ArrayLike = 5.0) -> RbeWeightedDose:
    r"""Weight the alpha part of an absorbed dose by its RBE, once.

    Parameters
    ----------
    absorbed : AbsorbedDose
        Absorbed dose with its contributions by radiation (Gy).
    rbe_alpha : array_like, broadcast against the draws
        RBE of alpha particles and recoil nuclei; 5 is what the papers on 213Bi- and 225Ac-PSMA
        use (ASSUMED for other tissues and effects). Draws are welcome.

    Returns
    -------
    RbeWeightedDose
        Electrons and photons keep the weight one.

    Notes
    -----
    :math:`D_{RBE} = RBE\, D_\alpha + D_e + D_\gamma`. S values of OLINDA/EXM hold a factor 5
    already and those of ICRP 133 a factor 20 (equivalent dose): they must be divided by it before
    they make an absorbed dose.

    References
    ----------
    Sgouros G et al. MIRD Pamphlet No. 22. J Nucl Med 2010;51:311-328,
    doi:10.2967/jnumed.108.058651.

    Raises
    ------
    DosimetryError
        If the dose is weighted already, does not tell its radiation, or an RBE is below zero or
        does not fit the draws.

    Examples
    --------
    >>> from kinetics import SumOfExponentials
    >>> parts = {
    ...     "self_alpha": SumOfExponentials([0.02], [0.01]),
    ...     "self_electrons": SumOfExponentials([0.001], [0.01]),
    ... }
    >>> weighted = rbe_weighted(AbsorbedDose("marrow", "blood", parts, ()))
    >>> round(float(weighted.weighted), 2), weighted.unit
    (10.1, 'Gy(RBE5)')
    """
    if not isinstance(absorbed, AbsorbedDose):
        raise DosimetryError(
            f"only an AbsorbedDose can be weighted, got {type(absorbed).__name__}; the RBE is "
            "applied once, at the end"
        )
    rbe = np.asarray(rbe_alpha, dtype=np.float64)
    if not (np.isfinite(rbe).all() and (rbe > 0).all()):
        raise DosimetryError(f"rbe_alpha must be positive, got {rbe_alpha!r}")
    unknown = [n for n in absorbed.contributions if split_contribution(n)[1] == UNSPECIFIED]
    if unknown:
        raise DosimetryError(
            f"the contributions {unknown} do not tell their radiation, so they cannot be weighted"
        )
    try:
        parts = {
            name: curve.scaled(rbe) if split_contribution(name)[1] == "alpha" else curve
            for name, curve in absorbed.contributions.items()
        }
        np.broadcast_shapes(*(curve.shape for curve in parts.values()))
    except ValueError:
        raise DosimetryError(
            f"rbe_alpha of shape {rbe.shape} does not fit draws of shape {absorbed.dose_gy.shape}"
        ) from None
    label = f"{rbe.mean():.3g}" if np.ptp(rbe) == 0 else f"{rbe.mean():.2g}±{rbe.std():.2g}"
    note = f"ASSUMED: RBE of alpha particles and recoil nuclei {label}, of all else 1"
    return RbeWeightedDose(
        region=absorbed.region,
        method=absorbed.method,
        unit=f"Gy(RBE{label})",
        rbe_alpha=rbe,
        contributions=MappingProxyType(parts),
        assumptions=(*absorbed.assumptions, note),
    )
