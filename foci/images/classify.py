"""Probability that a candidate is a focus: a stored classifier, evaluated with numpy alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.errors import FociError
from foci.images.segment import FloatArray
from foci.images.spots import feature_names

PRIOR_CANDIDATES = 20.0  # ASSUMED weight of the training share of foci, in candidates
_ITERATIONS = 500
_TOLERANCE = 1e-7
_DATA = "foci_model"
_FLOOR = 1e-6


@dataclass(frozen=True, eq=False)
class FociModel:
    """Boosted decision trees as plain arrays, and where they come from.

    Attributes
    ----------
    features : tuple of str
        Names of the features, in order.
    offset : float
        Log odds before any tree.
    feature, left, right : ndarray of int, shape (trees, nodes)
        Feature tested at a node and the nodes that follow; a leaf follows itself.
    threshold, value : ndarray, shape (trees, nodes)
        Go left where feature <= threshold; log odds added by a leaf.
    depth : int
        Most tests on the way to a leaf.
    share : float
        Share of foci among the candidates it learned from.
    card : dict
        Training data, seed, versions and measured performance.
    """

    features: tuple[str, ...]
    offset: float
    feature: npt.NDArray[np.int64]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    threshold: FloatArray
    value: FloatArray
    depth: int
    share: float
    card: dict[str, Any]

    def probability(self, features: FloatArray) -> FloatArray:
        """Probability of being a focus, at the share of foci in training.

        Parameters
        ----------
        features : ndarray, shape (n, n_features)
            Columns as `self.features`.

        Returns
        -------
        ndarray, shape (n,)
            Between 0 and 1.

        Raises
        ------
        FociError
            If the number of columns is not that of the model.
        """
        table = np.atleast_2d(np.asarray(features, float))
        if table.shape[-1] != len(self.features):
            raise FociError(
                f"the model needs {len(self.features)} features a candidate "
                f"({', '.join(self.features)}), got {table.shape[-1]}"
            )
        rows = np.arange(len(table))[:, None]
        trees = np.arange(len(self.feature))[None, :]
        node = np.zeros((len(table), len(self.feature)), np.int64)
        for _ in range(self.depth):
            low = table[rows, self.feature[trees, node]] <= self.threshold[trees, node]
            node = np.where(low, self.left[trees, node], self.right[trees, node])
        log_odds = self.offset + self.value[trees, node].sum(axis=1)
        return np.asarray(1 / (1 + np.exp(-log_odds)))


@cache
def default_model(n_markers: int = 2) -> FociModel:
    """Load the classifier that ships with the project.

    Parameters
    ----------
    n_markers : int
        2 for foci that show in gamma-H2AX and 53BP1, 1 for a single marker.

    Returns
    -------
    FociModel
        Learned from simulated images only; its `card` says from which, and how it did.

    Raises
    ------
    FociError
        If `n_markers` is neither 1 nor 2.

    Examples
    --------
    >>> model = default_model()
    >>> model.card["learned_from"]
    'simulated images only'
    """
    if n_markers not in (1, 2):
        raise FociError(f"n_markers must be 1 or 2, got {n_markers}")
    folder = files("foci.images") / "data"
    card = json.loads((folder / f"{_DATA}_card.json").read_text(encoding="utf-8"))
    with (folder / f"{_DATA}.npz").open("rb") as stream, np.load(stream) as arrays:
        own = {name: arrays[f"{name}_{n_markers}"] for name in ARRAYS}
    return model_from_arrays(own, n_markers, card)


ARRAYS = ("offset", "feature", "left", "right", "threshold", "value", "share")


def model_from_arrays(
    arrays: dict[str, npt.NDArray[Any]], n_markers: int, card: dict[str, Any]
) -> FociModel:
    """Put a model together from its stored arrays."""
    left, right = arrays["left"].astype(np.int64), arrays["right"].astype(np.int64)
    return FociModel(
        features=feature_names(n_markers),
        offset=float(arrays["offset"]),
        feature=arrays["feature"].astype(np.int64),
        left=left,
        right=right,
        threshold=arrays["threshold"].astype(float),
        value=arrays["value"].astype(float),
        depth=_depth(left, right),
        share=float(arrays["share"]),
        card=card,
    )


def _depth(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> int:
    """Most tests on the way to a leaf, over all trees."""
    trees = np.arange(len(left))[:, None]
    reached = np.zeros((len(left), 1), np.int64)
    for depth in range(left.shape[1]):
        following = np.hstack([left[trees, reached], right[trees, reached]])
        if (following == np.hstack([reached, reached])).all():
            return depth
        reached = following
    return int(left.shape[1])


def share_of_foci(probability: FloatArray, trained_share: float) -> float:
    """Estimate which share of a sample's candidates are foci.

    Parameters
    ----------
    probability : ndarray, shape (n,)
        Of the candidates of a sample, at the share of foci in training.
    trained_share : float
        Share of foci in training.

    Returns
    -------
    float
        The share that maximises the likelihood of the sample.

    Notes
    -----
    The classifier's odds over the training odds are the likelihood ratio of focus and background.
    With these fixed, the share is found by expectation maximisation (M. Saerens, P. Latinne,
    C. Decaestecker, Neural Computation 14:21, 2002, doi:10.1162/089976602753284446). The training
    share counts as much as 20 candidates (ASSUMED), so that single nuclei move it little.

    Examples
    --------
    >>> import numpy as np
    >>> round(share_of_foci(np.repeat([0.999, 0.001], [300, 700]), 0.1), 2)
    0.3
    """
    share = trained_share
    for _ in range(_ITERATIONS):
        before = share
        total = probability_at(probability, trained_share, share).sum()
        weight = len(probability) + PRIOR_CANDIDATES
        share = float((total + PRIOR_CANDIDATES * trained_share) / weight)
        if abs(share - before) < _TOLERANCE * share:
            break
    return min(max(share, _FLOOR), 1 - _FLOOR)


def probability_at(probability: FloatArray, trained_share: float, share: float) -> FloatArray:
    """Probabilities where the share of foci among candidates is another than in training."""
    p = np.asarray(probability, float)
    focus = p * share / trained_share
    return np.asarray(focus / (focus + (1 - p) * (1 - share) / (1 - trained_share)))
