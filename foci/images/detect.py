"""Count foci in an image: nuclei, and objects with probabilities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from foci.errors import FociError
from foci.images.classify import FociModel, default_model
from foci.images.image import NucleusImage
from foci.images.quality import assess_nuclei
from foci.images.segment import FloatArray, segment_nuclei
from foci.images.spots import find_candidates

if TYPE_CHECKING:
    import pandas as pd

CALLED = 0.5
ASSUMPTIONS = (
    "the classifier learned from simulated images only; its conditions are ASSUMED",
    "limits that exclude nuclei are ASSUMED",
)


@dataclass(frozen=True)
class Nucleus:
    """One nucleus and its foci.

    Attributes
    ----------
    label : int
        Its number in the label image, from 1.
    centre_px : tuple of float
        Middle (y, x).
    area_um2 : float
        Area in the plane.
    flags : tuple of str
        What is wrong or remarkable.
    used : bool
        Whether it counts.
    expected_foci : float
        Sum of the probabilities of its objects.
    foci : int
        Objects of probability above 0.5.
    """

    label: int
    centre_px: tuple[float, float]
    area_um2: float
    flags: tuple[str, ...]
    used: bool
    expected_foci: float
    foci: int


@dataclass(frozen=True, eq=False)
class DetectedObjects:
    """Spots that may be foci.

    Attributes
    ----------
    nucleus : ndarray of int, shape (n,)
        Label of the nucleus.
    y_px, x_px : ndarray, shape (n,)
        Position.
    plane : ndarray of int, shape (n,)
        Plane of a stack; 0 in a single plane.
    score : ndarray, shape (n,)
        Height over the spread of the nucleus' texture, geometric mean of the markers.
    probability : ndarray, shape (n,)
        Of being a focus.
    """

    nucleus: npt.NDArray[np.int64]
    y_px: FloatArray
    x_px: FloatArray
    plane: npt.NDArray[np.int64]
    score: FloatArray
    probability: FloatArray


@dataclass(frozen=True, eq=False)
class ImageCounts:
    """Foci of one image.

    Attributes
    ----------
    nuclei : tuple of Nucleus
        All nuclei, used or not.
    objects : DetectedObjects
        All candidates, most of them improbable.
    labels : ndarray of int, shape (y, x)
        Nuclei by number.
    source : str
        The image.
    trained_share, share : float
        Share of foci among candidates in training, and the one the probabilities are for.
    status : str
        How the counting went, in words.
    assumptions : tuple of str
        What was assumed.
    """

    nuclei: tuple[Nucleus, ...]
    objects: DetectedObjects
    labels: npt.NDArray[np.int32]
    source: str
    trained_share: float
    share: float
    status: str = "ok"
    assumptions: tuple[str, ...] = ASSUMPTIONS

    @property
    def cells(self) -> int:
        """Nuclei that count."""
        return sum(nucleus.used for nucleus in self.nuclei)

    @property
    def expected_foci(self) -> float:
        """Expected foci of the nuclei that count."""
        return float(sum(nucleus.expected_foci for nucleus in self.nuclei if nucleus.used))

    def to_frame(self) -> pd.DataFrame:
        """One row a nucleus."""
        import pandas as pd

        rows = [
            {
                "source": self.source,
                "nucleus": n.label,
                "y_px": n.centre_px[0],
                "x_px": n.centre_px[1],
                "area_um2": n.area_um2,
                "used": n.used,
                "flags": "; ".join(n.flags),
                "foci": n.foci,
                "expected_foci": n.expected_foci,
            }
            for n in self.nuclei
        ]
        columns = ["source", "nucleus", "y_px", "x_px", "area_um2", "used", "flags", "foci"]
        return pd.DataFrame(rows, columns=[*columns, "expected_foci"])

    def objects_frame(self) -> pd.DataFrame:
        """One row an object."""
        import pandas as pd

        return pd.DataFrame({"source": self.source, **vars(self.objects)})


def count_foci(image: NucleusImage, *, model: FociModel | None = None) -> ImageCounts:
    """Find the nuclei of an image and the foci in them.

    Parameters
    ----------
    image : NucleusImage
        A field of nuclei or a single one, one plane or a stack.
    model : FociModel, optional
        Classifier; by default the one that ships with the project, for one or two markers.

    Returns
    -------
    ImageCounts
        Nuclei with flags and counts, objects with probabilities at the share of foci the model
        was trained with. Pool the images of a sample with `recalibrate` or `foci_sample`.

    Raises
    ------
    FociError
        If `image` is no `NucleusImage`, is smaller than a nucleus, is saturated, or the model is
        for another number of markers.

    Examples
    --------
    >>> import numpy as np
    >>> from foci.images.simulate import simulate_image
    >>> simulated = simulate_image(2, rng=np.random.default_rng(4), foci_counts=[3, 0])
    >>> counts = count_foci(simulated.image)
    >>> len(counts.nuclei), sum(nucleus.foci for nucleus in counts.nuclei)
    (2, 3)
    """
    if not isinstance(image, NucleusImage):
        raise FociError(
            f"image must be a NucleusImage, got {type(image).__name__}; build one from arrays or "
            "read a file with read_image"
        )
    model = model or default_model(len(image.markers))
    segmentation = segment_nuclei(image)
    quality = assess_nuclei(image, segmentation)
    found = find_candidates(image, segmentation)
    objects = DetectedObjects(
        found.nucleus,
        found.y_px,
        found.x_px,
        found.plane,
        found.score,
        model.probability(found.features),
    )
    nuclei = tuple(
        Nucleus(label, seen.centre_px, seen.area_um2, seen.flags, seen.used, 0.0, 0)
        for label, seen in enumerate(quality, start=1)
    )
    return ImageCounts(
        nuclei=with_counts(nuclei, objects),
        objects=objects,
        labels=segmentation.labels,
        source=image.source,
        trained_share=model.share,
        share=model.share,
        status=_status(nuclei),
    )


def with_counts(nuclei: tuple[Nucleus, ...], objects: DetectedObjects) -> tuple[Nucleus, ...]:
    """Nuclei with the expected and the called foci among their objects."""
    size = len(nuclei) + 1
    expected = np.bincount(objects.nucleus, objects.probability, minlength=size)
    called = np.bincount(objects.nucleus, objects.probability > CALLED, minlength=size)
    return tuple(
        replace(n, expected_foci=float(expected[n.label]), foci=int(called[n.label]))
        for n in nuclei
    )


def _status(nuclei: tuple[Nucleus, ...]) -> str:
    if not nuclei:
        return "no nuclei found"
    used = sum(nucleus.used for nucleus in nuclei)
    return "ok" if used else f"none of {len(nuclei)} nuclei can be counted"
