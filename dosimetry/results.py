"""The absorbed dose of a region, by contribution and with its draws."""

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
from kinetics import SumOfExponentials

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


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
        Dose rate (Gy/h) by origin, such as ``self_electrons`` or ``remainder``; leading axes
        are draws. A remainder may be negative in single draws.
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
        object.__setattr__(self, "contributions", MappingProxyType(dict(self.contributions)))

    @property
    def dose_rate(self) -> SumOfExponentials:
        """Dose rate of all contributions together (Gy/h)."""
        return reduce(add, self.contributions.values()).compact()

    @property
    def dose_gy(self) -> FloatArray:
        """Absorbed dose to complete decay (Gy), shape of the draws."""
        return self.dose_rate.integral()

    def contribution_gy(self) -> dict[str, FloatArray]:
        """Absorbed dose by contribution (Gy), each of the shape of the draws."""
        shape = self.dose_rate.shape
        return {
            name: np.broadcast_to(curve.integral(), shape)
            for name, curve in self.contributions.items()
        }

    def to_frame(self) -> pd.DataFrame:
        """Table of the contributions and the total.

        Returns
        -------
        pandas.DataFrame
            Columns ``contribution``, ``mean_gy``, ``sd_gy``, ``q05_gy``, ``q50_gy``, ``q95_gy``;
            the spread is over the draws (zero for a single curve).
        """
        import pandas as pd

        doses = self.contribution_gy() | {"total": self.dose_gy}
        return pd.DataFrame(
            [
                (name, dose.mean(), dose.std(), *np.quantile(dose, (0.05, 0.5, 0.95)))
                for name, dose in doses.items()
            ],
            columns=["contribution", "mean_gy", "sd_gy", "q05_gy", "q50_gy", "q95_gy"],
        )


def require_same_method(*doses: AbsorbedDose) -> str:
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
