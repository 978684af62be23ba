"""Pool the images of a blood sample: probabilities at its own share of foci, and its count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from foci.counting import FociSample
from foci.errors import FociError
from foci.images.classify import probability_at, share_of_foci
from foci.images.detect import ImageCounts, with_counts
from foci.images.segment import FloatArray


def recalibrate(counts: Sequence[ImageCounts]) -> tuple[ImageCounts, ...]:
    """Probabilities at the share of foci that the images of one sample show together.

    Parameters
    ----------
    counts : sequence of ImageCounts
        Images of one sample, stained and taken alike, as `count_foci` gives them.

    Returns
    -------
    tuple of ImageCounts
        The same with other probabilities, expected foci and counts.

    Raises
    ------
    FociError
        If nothing was given or the images were counted by different models.

    Notes
    -----
    A sample with few foci has few among its candidates, and the same spot is then less likely to
    be one. The share is estimated from the nuclei that count, without any truth about them (see
    `foci.images.classify.share_of_foci`).

    Examples
    --------
    >>> import numpy as np
    >>> from foci.images.detect import count_foci
    >>> from foci.images.simulate import simulate_image
    >>> image = simulate_image(12, rng=np.random.default_rng(2), foci_counts=[0] * 12).image
    >>> first = count_foci(image)
    >>> again, = recalibrate([first])
    >>> again.share < first.share
    True
    """
    trained = _trained_share(counts)
    raw = [_at_share(each, trained) for each in counts]  # also if they were recalibrated before
    share = share_of_foci(_probabilities(raw), trained)
    return tuple(_at_share(each, share) for each in raw)


def foci_sample(
    counts: Sequence[ImageCounts], *, cycle: int, time_h: float
) -> tuple[FociSample, float]:
    """Pool the images of one blood sample into a count, and say how far it is from Poisson.

    Parameters
    ----------
    counts : sequence of ImageCounts
        Images of the sample; they are recalibrated together.
    cycle : int
        Treatment cycle, from 1.
    time_h : float
        Time after the administration (h); negative for a baseline.

    Returns
    -------
    sample : FociSample
        Nuclei that count, the objects of probability above 0.5 in them, and the number of nuclei
        with 0, 1, 2, ... of these.
    dispersion : float
        Variance over mean that the doubt about each object adds to a Poisson count; at least 1.

    Raises
    ------
    FociError
        If there are no images, or no nucleus in them counts.

    Notes
    -----
    With p the probabilities of all objects, recalibrated, the true number of foci has the variance
    sum p (1 - p) where the images are given, so that the dispersion is
    1 + sum p (1 - p) / sum p. It is 1 where every object is certain. Probabilities are right on
    average over the simulated conditions of training, not at each microscope, so that counts
    belong to a calibration curve counted in the same way.

    Examples
    --------
    >>> import numpy as np
    >>> from foci.images.detect import count_foci
    >>> from foci.images.simulate import simulate_image
    >>> image = simulate_image(3, rng=np.random.default_rng(1), foci_counts=[2, 0, 1]).image
    >>> sample, dispersion = foci_sample([count_foci(image)], cycle=1, time_h=2.0)
    >>> sample.cells, sample.foci, 1.0 <= dispersion < 1.8
    (3, 3, True)
    """
    again = recalibrate(counts)
    cells = sum(each.cells for each in again)
    if cells == 0:
        flags = sorted({flag for each in again for n in each.nuclei for flag in n.flags})
        raise FociError(
            f"none of the {sum(len(each.nuclei) for each in again)} nuclei in {len(again)} images "
            f"can be counted ({', '.join(flags) or 'no nuclei found'}); a sample needs at least one"
        )
    foci = [n.foci for each in again for n in each.nuclei if n.used]
    distribution = tuple(int(count) for count in np.bincount(foci))
    sample = FociSample.from_distribution(distribution, cycle=cycle, time_h=time_h)
    return sample, _dispersion(_probabilities(again))


def _at_share(counts: ImageCounts, share: float) -> ImageCounts:
    """The same image with its probabilities at another share of foci."""
    probability = probability_at(counts.objects.probability, counts.share, share)
    objects = replace(counts.objects, probability=probability)
    return replace(counts, nuclei=with_counts(counts.nuclei, objects), objects=objects, share=share)


def _trained_share(counts: Sequence[ImageCounts]) -> float:
    if not counts or not all(isinstance(each, ImageCounts) for each in counts):
        raise FociError(
            "counts must be one or more results of count_foci, got "
            f"{sorted({type(each).__name__ for each in counts}) or 'nothing'}"
        )
    shares = {each.trained_share for each in counts}
    if len(shares) > 1:
        raise FociError(
            f"the images were counted by {len(shares)} different models; count them all with one"
        )
    return shares.pop()


def _probabilities(counts: Sequence[ImageCounts]) -> FloatArray:
    """Of the objects in nuclei that count."""
    pooled = []
    for each in counts:
        used = [nucleus.label for nucleus in each.nuclei if nucleus.used]
        pooled.append(each.objects.probability[np.isin(each.objects.nucleus, used)])
    return np.concatenate(pooled)


def _dispersion(probability: FloatArray) -> float:
    expected = float(probability.sum())
    doubt = float((probability * (1 - probability)).sum())
    return 1 + doubt / expected if expected else 1.0
