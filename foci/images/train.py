"""Learn the classifier of candidates from simulated images; run once, its result is stored."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.images.classify import ARRAYS, FociModel, model_from_arrays
from foci.images.image import NucleusImage
from foci.images.segment import FloatArray, segment_nuclei
from foci.images.simulate import SimulatedImage, simulate_image
from foci.images.simulate_conditions import Conditions, random_conditions
from foci.images.spots import Candidates, feature_names, find_candidates

KINDS = ("lymphocytes", "fibroblasts")
NUCLEI = 8
SETTINGS = {
    "max_iter": 150,
    "learning_rate": 0.06,
    "max_leaf_nodes": 16,
    "min_samples_leaf": 100,
    "early_stopping": False,
}
FREE_FEATURES = (
    "dna",
    "edge",
    "crowd",
    "pixel",
    "stack",
)  # of all others, more means a focus is likelier
MATCH_UM = 0.4
_MATCH_PX = 1.5
_CROSSTALK = 0.1
_CUT_OUT = 0.3
_STACKS, _CONFOCAL = 0.4, 0.2  # shares of the images of lymphocytes


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Candidates of simulated images with the truth about them.

    Attributes
    ----------
    features : ndarray, shape (n, n_features)
        As `foci.images.spots.feature_names`.
    is_focus : ndarray of bool, shape (n,)
        Whether a true focus lies there.
    nuclei, foci : int
        Nuclei simulated, and true foci in them, found or not.
    """

    features: FloatArray
    is_focus: npt.NDArray[np.bool_]
    nuclei: int
    foci: int


def training_image(number: int, seed: int) -> SimulatedImage:
    """Simulate one image for training, under conditions drawn at random.

    Even numbers are lymphocytes, odd ones fibroblasts, whose foci and staining texture range
    wider than `random_conditions` has them: foci of 0.35 to 1 um, contrast 1.5 to 8, texture 0.2
    to 2.5. Up to 10 % of each marker's light appears in the other's channel; 30 % of the images
    are dark beside nuclei; 40 % of those of lymphocytes are stacks, and 20 % confocal. All ranges
    are ASSUMED.
    """
    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % 2]
    conditions = random_conditions(rng, kind=kind)
    if kind == "fibroblasts":
        conditions = replace(conditions, staining=_wider(conditions, rng))
    else:
        stack = rng.random() < _STACKS
        optics = replace(
            conditions.microscope,
            planes=int(rng.integers(5, 10)) if stack else 1,
            plane_spacing_um=rng.uniform(0.3, 0.7),
            confocal=bool(rng.random() < _CONFOCAL),
        )
        conditions = replace(conditions, microscope=optics)
    simulated = simulate_image(
        NUCLEI,
        rng=rng,
        baseline_per_cell=float(np.exp(rng.uniform(np.log(0.05), np.log(2.0)))),
        conditions=conditions,
        cut_out=bool(rng.random() < _CUT_OUT),
    )
    return replace(simulated, image=_with_crosstalk(simulated, rng))


def training_set(numbers: Iterable[int], *, seed: int, n_markers: int = 2) -> TrainingSet:
    """Candidates of simulated images and whether each is a focus.

    Parameters
    ----------
    numbers : iterable of int
        Images to simulate; each number and seed gives the same image anywhere.
    seed : int
        Of the whole set.
    n_markers : int
        2 for both markers; with 1, every marker is a sample of its own, and any spot in it counts.

    Returns
    -------
    TrainingSet
        Nuclei out of focus or hardly stained are left out, as counting leaves them out.
    """
    tables, truths, nuclei, foci = [], [], 0, 0
    for number in numbers:
        simulated = training_image(number, seed)
        segmentation = segment_nuclei(simulated.image)
        for names in [simulated.image.markers] if n_markers == 2 else list(_each(simulated)):
            image = _only(simulated.image, names)
            found = find_candidates(image, segmentation)
            truth, good, n_foci = label_candidates(simulated, found, names)
            tables.append(found.features[good])
            truths.append(truth[good])
            nuclei += int((~(simulated.out_of_focus | simulated.weak)).sum())
            foci += n_foci
    return TrainingSet(np.concatenate(tables), np.concatenate(truths), nuclei, foci)


def label_candidates(
    simulated: SimulatedImage, found: Candidates, markers: tuple[str, ...]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], int]:
    """Which candidates are foci, which lie in good nuclei, and the true foci of good nuclei.

    A focus claims the highest candidate within 0.4 um (at least 1.5 pixels), each one once.
    """
    y, x = found.y_px.astype(int), found.x_px.astype(int)
    own = simulated.labels[y, x]
    bad = np.concatenate([[True], simulated.out_of_focus | simulated.weak])
    spots = simulated.spots
    kinds = (0,) if len(markers) == 2 else (0, 1 + simulated.image.markers.index(markers[0]))
    spots = spots[np.isin(spots[:, 1], kinds) & ~bad[spots[:, 0].astype(int)]]
    reach = max(MATCH_UM / simulated.image.pixel_um, _MATCH_PX)
    apart = np.hypot(spots[:, 3, None] - found.y_px, spots[:, 4, None] - found.x_px)
    is_focus = np.zeros(len(y), bool)
    claimed: set[int] = set()
    pairs = np.argwhere(apart <= reach)
    for spot, candidate in pairs[np.argsort(-found.score[pairs[:, 1]], kind="stable")]:
        if spot not in claimed and not is_focus[candidate]:
            claimed.add(int(spot))
            is_focus[candidate] = True
    return is_focus, ~bad[own], len(spots)


def fit_model(data: TrainingSet, *, n_markers: int = 2, card: dict[str, Any]) -> FociModel:
    """Fit boosted trees that never fall as a spot gets brighter, and turn them into arrays.

    Parameters
    ----------
    data : TrainingSet
        Candidates and truth.
    n_markers : int
        1 or 2.
    card : dict
        Where the data come from.

    Returns
    -------
    FociModel
        Deterministic for the same data and version of scikit-learn.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    names = feature_names(n_markers)
    rising = [0 if name in FREE_FEATURES else 1 for name in names]
    fitted = HistGradientBoostingClassifier(**SETTINGS, monotonic_cst=rising, random_state=0)
    fitted.fit(data.features, data.is_focus)
    trees = [stage[0].nodes for stage in fitted._predictors]
    size = max(len(nodes) for nodes in trees)
    arrays: dict[str, npt.NDArray[Any]] = {
        "offset": np.array(float(np.ravel(fitted._baseline_prediction)[0])),
        "share": np.array(data.is_focus.mean()),
    }
    for name, source in (("threshold", "num_threshold"), ("value", "value")):
        arrays[name] = np.zeros((len(trees), size))
        for k, nodes in enumerate(trees):
            arrays[name][k, : len(nodes)] = np.where(np.isfinite(nodes[source]), nodes[source], 0)
    for name in ("feature", "left", "right"):
        arrays[name] = np.zeros((len(trees), size), np.int16)
        for k, nodes in enumerate(trees):
            itself = np.arange(len(nodes))
            source = nodes["feature_idx"] if name == "feature" else nodes[name]
            follows = np.where(nodes["is_leaf"], 0 if name == "feature" else itself, source)
            arrays[name][k, : len(nodes)] = follows
    return model_from_arrays(arrays, n_markers, card)


def train(
    folder: str | Path, *, images: int = 1000, held_out: int = 160, seed: int = 20, jobs: int = 1
) -> dict[str, Any]:
    """Simulate, fit, measure and store the classifiers of one and two markers.

    Parameters
    ----------
    folder : path
        Receives ``foci_model.npz`` (plain arrays) and ``foci_model_card.json``.
    images, held_out : int
        Simulated images to learn from, and others to measure on.
    seed : int
        Of the simulation.
    jobs : int
        Processes; the result does not depend on it.

    Returns
    -------
    dict
        The model card.
    """
    import scipy
    import sklearn

    card: dict[str, Any] = {
        "what": "probability that a local maximum of the marker channels is a focus",
        "learned_from": "simulated images only",
        "simulation": "foci.images.train.training_image, half lymphocytes, half fibroblasts",
        "seed": seed,
        "images": images,
        "held_out_images": held_out,
        "nuclei_per_image": NUCLEI,
        "method": "scikit-learn HistGradientBoostingClassifier, rising in every brightness feature",
        "settings": SETTINGS,
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "simulated_held_out": {},
    }
    stored: dict[str, npt.NDArray[Any]] = {}
    for n_markers in (1, 2):
        learn = _gather(range(images), seed, n_markers, jobs)
        model = fit_model(learn, n_markers=n_markers, card=card)
        test = _gather(range(images, images + held_out), seed, n_markers, jobs)
        card["simulated_held_out"][f"markers_{n_markers}"] = performance(model, test)
        stored |= {f"{name}_{n_markers}": np.asarray(getattr(model, name)) for name in ARRAYS}
    for name, values in stored.items():
        if values.dtype == np.int64:
            stored[name] = values.astype(np.int16)
    np.savez_compressed(Path(folder) / "foci_model.npz", **stored)  # type: ignore[arg-type]
    text = json.dumps(card, indent=2) + "\n"
    (Path(folder) / "foci_model_card.json").write_text(text, encoding="utf-8")
    return card


def performance(model: FociModel, data: TrainingSet) -> dict[str, float]:
    """Ranking, calibration and completeness of a model on candidates it has not seen."""
    from sklearn.metrics import log_loss, roc_auc_score

    p = model.probability(data.features)
    called = p > 0.5
    return {
        "nuclei": data.nuclei,
        "candidates": len(p),
        "true_foci": data.foci,
        "candidates_at_true_foci": int(data.is_focus.sum()),
        "auc": round(float(roc_auc_score(data.is_focus, p)), 4),
        "log_loss": round(float(log_loss(data.is_focus, p)), 4),
        "expected_over_found": round(float(p.sum() / data.is_focus.sum()), 4),
        "recall_at_half": round(float(called[data.is_focus].mean()), 4),
        "precision_at_half": round(float(data.is_focus[called].mean()), 4),
    }


def _gather(numbers: range, seed: int, n_markers: int, jobs: int) -> TrainingSet:
    work = partial(training_set, seed=seed, n_markers=n_markers)
    blocks = [numbers[k : k + 20] for k in range(0, len(numbers), 20)]
    if jobs > 1:
        with ProcessPoolExecutor(jobs) as pool:
            parts = list(pool.map(work, blocks))
    else:
        parts = [work(block) for block in blocks]
    return TrainingSet(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.is_focus for part in parts]),
        sum(part.nuclei for part in parts),
        sum(part.foci for part in parts),
    )


def _wider(conditions: Conditions, rng: np.random.Generator) -> Any:
    first, second = np.exp(rng.uniform(np.log(0.2), np.log(2.5), 2))
    return replace(
        conditions.staining,
        focus_fwhm_um=rng.uniform(0.35, 1.0),
        contrast=float(np.exp(rng.uniform(np.log(1.5), np.log(8.0)))),
        texture_cv=(float(first), float(second)),
        texture_um=rng.uniform(0.2, 0.7),
        shared_texture=rng.uniform(0.0, 0.7),
    )


def _with_crosstalk(simulated: SimulatedImage, rng: np.random.Generator) -> NucleusImage:
    """Light of each marker in the other's channel."""
    image = simulated.image
    first, second = (np.asarray(image.channels[name], float) for name in image.markers)
    beside = simulated.labels == 0
    net = [values - np.median(values[..., beside]) for values in (first, second)]
    a, b = rng.uniform(0, _CROSSTALK, 2)
    mixed = (np.maximum(first + a * net[1], 0), np.maximum(second + b * net[0], 0))
    channels = {**image.channels, **dict(zip(image.markers, mixed, strict=True))}
    return replace(image, channels=channels, full_scale=None)


def _each(simulated: SimulatedImage) -> Iterable[tuple[str, ...]]:
    return ((name,) for name in simulated.image.markers)


def _only(image: NucleusImage, markers: tuple[str, ...]) -> NucleusImage:
    return replace(image, channels={name: image.channels[name] for name in ("dna", *markers)})
