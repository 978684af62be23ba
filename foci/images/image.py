"""One microscope image of immunostained nuclei: its channels and the size of its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.errors import FociError

DNA = "dna"  # DAPI or Hoechst
MARKERS = ("gamma_h2ax", "53bp1")


@dataclass(frozen=True, eq=False)
class NucleusImage:
    """Channels of one field of view, a single plane or a stack of planes.

    Parameters
    ----------
    channels : mapping of str to ndarray, shape (y, x) or (z, y, x)
        Grey values: ``"dna"`` and one or both of ``"gamma_h2ax"`` and ``"53bp1"``.
    pixel_um : float
        Side of a pixel in the plane (um).
    plane_spacing_um : float, optional
        Distance between planes of a stack (um).
    full_scale : float, optional
        Largest grey value the camera or file can hold; pixels there are saturated.
    source : str
        Where the image is from: a file name, or how it was simulated.

    Raises
    ------
    FociError
        If a channel is missing or unknown, shapes differ, or a pixel is not finite or negative.
    """

    channels: Mapping[str, npt.NDArray[Any]]
    pixel_um: float
    plane_spacing_um: float | None = None
    full_scale: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        names = set(self.channels)
        if DNA not in names or not names & set(MARKERS) or names - {DNA, *MARKERS}:
            raise FociError(
                f"{self.source or 'image'}: channels must be '{DNA}' and one or both of "
                f"{', '.join(MARKERS)}, got {sorted(names)}"
            )
        shapes = {np.shape(channel) for channel in self.channels.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) not in (2, 3):
            raise FociError(
                f"{self.source or 'image'}: channels must share one shape (y, x) or (z, y, x), "
                f"got {sorted(shapes)}"
            )
        if not self.pixel_um > 0:
            raise FociError(
                f"{self.source or 'image'}: pixel_um must be positive, got {self.pixel_um}"
            )
        for name, channel in self.channels.items():
            if not np.isfinite(channel).all() or np.min(channel) < 0:
                raise FociError(
                    f"{self.source or 'image'}: channel {name} holds values that are negative or "
                    "not finite"
                )

    @property
    def markers(self) -> tuple[str, ...]:
        """Names of the foci channels, in the order of `MARKERS`."""
        return tuple(name for name in MARKERS if name in self.channels)

    @property
    def is_stack(self) -> bool:
        """Whether the image has several planes."""
        return self.channels[DNA].ndim == 3
