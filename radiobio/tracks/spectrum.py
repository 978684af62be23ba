"""The events of a simulation: specific energy of single hits, hits per gray, cells not hit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from radiobio.checks import numbers
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

PARTICLES = ("electron", "alpha")
"""Kinds of particle that hit."""


@dataclass(frozen=True, eq=False)
class HitSpectrum:
    r"""Single hits of a nucleus: a weighted sample of their specific energies.

    Attributes
    ----------
    source : str
        What decays.
    region : str
        Where it decays, as in `simulate_hits`.
    nucleus_radius_um, cell_radius_um : float
        Geometry (um).
    z_gy : ndarray, shape (n,)
        Specific energy of each hit (Gy).
    weight : ndarray, shape (n,)
        Hits each stands for: per gray of blood dose where the activity is all around, per decay
        where it is in the cell.
    kind : ndarray of int, shape (n,)
        Index into `PARTICLES`.
    let_kev_um : mapping of str to float
        Energy per track length of the particles emitted, from start to end (keV/um).
    n_histories : int
        Histories of each kind.
    status : str
        ``"ok"``, or what is wrong.
    assumptions : tuple of str
        In words.
    """

    source: str
    region: str
    nucleus_radius_um: float
    cell_radius_um: float
    z_gy: FloatArray
    weight: FloatArray
    kind: npt.NDArray[np.int_]
    let_kev_um: Mapping[str, float]
    n_histories: int
    status: str
    assumptions: tuple[str, ...]

    @property
    def hits(self) -> float:
        """Hits of a nucleus per gray of blood dose, or per decay in the cell."""
        return float(self.weight.sum())

    @property
    def dose_gy(self) -> float:
        """Mean dose of a nucleus per gray of blood dose, or per decay in the cell (Gy)."""
        return float(self.weight @ self.z_gy)

    @property
    def dose_sd(self) -> float:
        """Standard error of `dose_gy`."""
        part = self.weight * self.z_gy
        square = np.bincount(self.kind, part**2)
        mean_square = np.bincount(self.kind, part) ** 2 / self.n_histories
        return float(np.sqrt((square - mean_square).clip(0.0).sum()))

    @property
    def z_f_gy(self) -> float:
        """Frequency mean of the specific energy of a hit (Gy)."""
        return self.dose_gy / self.hits

    @property
    def z_f_sd(self) -> float:
        """Standard error of `z_f_gy`."""
        return _ratio_error(self.weight * self.z_gy, self.weight)

    @property
    def z_d_gy(self) -> float:
        """Dose mean of the specific energy of a hit (Gy)."""
        return float(self.weight @ self.z_gy**2) / self.dose_gy

    @property
    def z_d_sd(self) -> float:
        """Standard error of `z_d_gy`."""
        return _ratio_error(self.weight * self.z_gy**2, self.weight * self.z_gy)

    @property
    def hits_per_gy(self) -> float:
        """Mean hits of a nucleus per gray of its own mean dose."""
        return 1 / self.z_f_gy

    @property
    def mean_let_kev_um(self) -> float:
        """Energy per track length (keV/um) of a spectrum with one kind of particle.

        Raises
        ------
        RadiobioError
            If there are several kinds: `particle` takes one.
        """
        kinds = [PARTICLES[index] for index in np.unique(self.kind)]
        if len(kinds) > 1:
            raise RadiobioError(f"{self.source} has {kinds}: choose with particle(...)")
        return self.let_kev_um[kinds[0]]

    def particle(self, name: str) -> HitSpectrum:
        """Hits by one kind of particle, with the weights they have among all.

        Parameters
        ----------
        name : str
            ``"electron"`` or ``"alpha"``.

        Raises
        ------
        RadiobioError
            If the source emits none of them.
        """
        kept = self.kind == (PARTICLES.index(name) if name in PARTICLES else -1)
        if not kept.any():
            raise RadiobioError(f"{self.source} has no hits by {name!r}")
        return replace(self, z_gy=self.z_gy[kept], weight=self.weight[kept], kind=self.kind[kept])

    def mean_hits(self, dose_gy: npt.ArrayLike) -> FloatArray:
        """Mean hits of a nucleus at a mean dose of the nuclei; their number is Poisson.

        Parameters
        ----------
        dose_gy : array_like, shape (...)
            Mean absorbed dose of the nuclei (Gy).
        """
        return checked_dose(dose_gy) / self.z_f_gy

    def unhit_share(self, dose_gy: npt.ArrayLike) -> FloatArray:
        r"""Share of nuclei without a hit, :math:`e^{-D/\bar z_F}`.

        Parameters
        ----------
        dose_gy : array_like, shape (...)
            Mean absorbed dose of the nuclei (Gy).
        """
        return np.asarray(np.exp(-self.mean_hits(dose_gy)))

    def to_dict(self) -> dict[str, float | str]:
        """Means with their standard errors, in plain numbers."""
        return {
            "source": self.source,
            "region": self.region,
            "nucleus_radius_um": self.nucleus_radius_um,
            "cell_radius_um": self.cell_radius_um,
            "hits": self.hits,
            "dose_gy": self.dose_gy,
            "dose_sd": self.dose_sd,
            "z_f_gy": self.z_f_gy,
            "z_f_sd": self.z_f_sd,
            "z_d_gy": self.z_d_gy,
            "z_d_sd": self.z_d_sd,
            "hits_per_gy": self.hits_per_gy,
            "status": self.status,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a kind of particle: hits, share of the dose, means and standard errors."""
        import pandas as pd

        rows = []
        for index in np.unique(self.kind):
            part = self.particle(PARTICLES[index])
            share = part.dose_gy / self.dose_gy
            rows.append({"particle": PARTICLES[index], **part.to_dict(), "dose_share": share})
        return pd.DataFrame(rows)


def checked_dose(dose_gy: npt.ArrayLike) -> FloatArray:
    """Doses (Gy) as an array; RadiobioError unless finite and not negative."""
    dose = numbers(dose_gy, "dose_gy")
    if not (np.isfinite(dose).all() and (dose >= 0).all()):
        raise RadiobioError(f"dose_gy must be finite and zero or positive, got {dose_gy!r}")
    return dose


def _ratio_error(above: FloatArray, below: FloatArray) -> float:
    """Standard error of the ratio of two sums over independent histories."""
    ratio = above.sum() / below.sum()
    return float(np.sqrt(((above - ratio * below) ** 2).sum()) / below.sum())
