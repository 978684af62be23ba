"""The absorbed dose of a region, by origin and radiation and with its draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from kinetics import SumOfExponentials

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

RADIATIONS = ("alpha", "electrons", "photons")
"""Radiation types of a dose; alpha includes the recoil nuclei."""

UNSPECIFIED = "unspecified"
"""Radiation of a contribution whose name does not end in one of `RADIATIONS`."""


class DoseOfMethod(Protocol):
    """A dose that says of which region it is and by which method it was found."""

    @property
    def region(self) -> str:
        """Region, such as marrow."""

    @property
    def method(self) -> str:
        """Method, such as image."""


@dataclass(frozen=True, eq=False)
class AbsorbedDose:
    """Absorbed dose of one region, as dose rates that sum up.

    Attributes
    ----------
    region : str
        ``"blood"``, ``"marrow"``, ``"kidneys"``, ``"tumour"``, ...
    method : str
        How the activity was found: ``"blood"``, ``"image"``, ... Doses of different methods
        are not to be pooled (see `require_same_method`).
    contributions : mapping of str to SumOfExponentials
        Dose rate (Gy/h) by origin and radiation, keyed ``{origin}_{radiation}``: the origin is
        ``self``, a source region or ``remainder``, the radiation one of `RADIATIONS`. Parts
        that are zero are left out. Leading axes are draws. A remainder may be negative in single
        draws.
    assumptions : tuple of str
        What was assumed, in words.
    """

    region: str
    method: str
    contributions: Mapping[str, SumOfExponentials]
    assumptions: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.contributions:
            raise DosimetryError(f"the dose to {self.region} needs at least one contribution")
        shapes = {name: curve.shape for name, curve in self.contributions.items()}
        try:
            np.broadcast_shapes(*shapes.values())
        except ValueError:
            raise DosimetryError(
                f"the draws of the dose to {self.region} do not fit together: {shapes}"
            ) from None
        object.__setattr__(self, "contributions", MappingProxyType(dict(self.contributions)))
        object.__setattr__(self, "assumptions", tuple(dict.fromkeys(self.assumptions)))

    @property
    def dose_rate(self) -> SumOfExponentials:
        """Dose rate of all contributions together (Gy/h)."""
        return reduce(add, self.contributions.values()).compact()

    @property
    def dose_gy(self) -> FloatArray:
        """Absorbed dose to complete decay (Gy), shape of the draws."""
        return self.dose_rate.integral()

    def dose_until_gy(self, time_h: npt.ArrayLike) -> FloatArray:
        """Absorbed dose from the administration to each time (Gy), shape (draws, times)."""
        return self.dose_rate.cumulative(time_h)

    def contribution_gy(self) -> dict[str, FloatArray]:
        """Absorbed dose by contribution (Gy), each of the shape of the draws."""
        return integrals(self.contributions)

    def by_radiation(self) -> dict[str, FloatArray]:
        """Absorbed dose by radiation type (Gy), each of the shape of the draws."""
        return _summed(self.contribution_gy(), 1)

    def by_origin(self) -> dict[str, FloatArray]:
        """Absorbed dose by origin (Gy), each of the shape of the draws."""
        return _summed(self.contribution_gy(), 0)

    def to_frame(self) -> pd.DataFrame:
        """Table of the contributions and the total.

        Returns
        -------
        pandas.DataFrame
            Columns ``contribution``, ``origin``, ``radiation``, ``mean_gy``, ``sd_gy``,
            ``q05_gy``, ``q50_gy``, ``q95_gy``; the spread is over the draws (zero for a single
            curve).
        """
        return contribution_frame(self.contribution_gy() | {"total": self.dose_gy}, "gy")


def split_contribution(name: str) -> tuple[str, str]:
    """Origin and radiation of a contribution's name.

    Examples
    --------
    >>> split_contribution("whole_body_photons"), split_contribution("clinic")
    (('whole_body', 'photons'), ('clinic', 'unspecified'))
    """
    origin, _, radiation = name.rpartition("_")
    return (origin, radiation) if origin and radiation in RADIATIONS else (name, UNSPECIFIED)


def integrals(contributions: Mapping[str, SumOfExponentials]) -> dict[str, FloatArray]:
    """Integral of every curve to complete decay, all broadcast to one shape of draws."""
    shape = np.broadcast_shapes(*(curve.shape for curve in contributions.values()))
    return {name: np.broadcast_to(curve.integral(), shape) for name, curve in contributions.items()}


def contribution_frame(doses: Mapping[str, FloatArray], unit: str) -> pd.DataFrame:
    """Mean, standard deviation and quantiles of each contribution, its origin and radiation."""
    import pandas as pd

    rows = []
    for name, dose in doses.items():
        origin, radiation = ("total", "total") if name == "total" else split_contribution(name)
        quantiles = np.quantile(dose, (0.05, 0.5, 0.95))
        rows.append((name, origin, radiation, dose.mean(), dose.std(), *quantiles))
    spread = [f"{what}_{unit}" for what in ("mean", "sd", "q05", "q50", "q95")]
    return pd.DataFrame(rows, columns=["contribution", "origin", "radiation", *spread])


def require_same_method(*doses: DoseOfMethod) -> str:
    """Check that doses may be pooled or compared, and return their method.

    Marrow doses of the blood method and of the image method differ several-fold for the same
    patients, so that mixing them hides more than it shows.

    Raises
    ------
    DosimetryError
        If no dose is given, or the doses differ in region or method.
    """
    kinds = sorted({(dose.region, dose.method) for dose in doses})
    if len(kinds) != 1:
        found = ", ".join(f"{region} by {method}" for region, method in kinds) or "nothing"
        raise DosimetryError(
            f"doses to pool must share one region and one method, got {found}; "
            "convert none into the other: take samples or images for all patients alike"
        )
    return kinds[0][1]


def _summed(doses: Mapping[str, FloatArray], part: int) -> dict[str, FloatArray]:
    """Sum of the contributions that share their origin (part 0) or radiation (part 1)."""
    total: dict[str, FloatArray] = {}
    for name, dose in doses.items():
        key = split_contribution(name)[part]
        total[key] = total[key] + dose if key in total else dose
    return total
