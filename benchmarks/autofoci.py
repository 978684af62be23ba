"""Count foci in 804 real nuclei and compare with three readers.

The images are not part of the project: Test_Images_AutoFoci.7z of nleng/AutoFoci@e5d15bb (GPL-2;
Lengert et al., Sci Rep 8:17282, 2018), with the readers' ratings of the even-numbered images as a
table with columns image, exp1, exp2, exp3, x_px, y_px, mean_rating, majority_focus. Run

    HEMADOSE_AUTOFOCI=folder/with/tif HEMADOSE_AUTOFOCI_RATINGS=ratings.csv \
        python -m benchmarks.autofoci
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foci.images import FociModel, ImageCounts, NucleusImage, count_foci, recalibrate
from foci.images.classify import probability_at
from foci.images.segment import segment_nuclei
from foci.images.spots import find_candidates

PIXEL_UM = 0.323
MATCH_PX = 4.0
FOCUS = 5.0  # least rating of a focus
READERS = ("exp1", "exp2", "exp3")
SOURCE = "nleng/AutoFoci@e5d15bb, Test_Images_AutoFoci.7z (GPL-2; Lengert 2018 Sci Rep 8:17282)"


@dataclass(frozen=True, eq=False)
class Agreement:
    """How counting and readers agree."""

    images: int
    rated: int
    matched: float
    auc: float
    auc_majority: float
    accuracy: float
    accuracy_majority: float
    spearman: float
    expected_per_cell: float
    called_per_cell: float
    share: float
    nuclei_per_second: float


def inputs() -> tuple[Path, pd.DataFrame] | None:
    """Folder of images and table of ratings, or None where they are not set."""
    folder, ratings = (
        os.environ.get(name) for name in ("HEMADOSE_AUTOFOCI", "HEMADOSE_AUTOFOCI_RATINGS")
    )
    if not folder or not ratings:
        return None
    return Path(folder), pd.read_csv(ratings)


def read(path: Path) -> NucleusImage:
    """Red is 53BP1, green gamma-H2AX, blue DAPI."""
    import tifffile

    red, green, blue = np.moveaxis(tifffile.imread(path), -1, 0)
    channels = {"dna": blue, "gamma_h2ax": green, "53bp1": red}
    return NucleusImage(channels, pixel_um=PIXEL_UM, full_scale=255, source=path.name)


def count_all(
    folder: Path, model: FociModel | None = None
) -> tuple[tuple[ImageCounts, ...], float]:
    """Counts of every image, recalibrated together, and nuclei a second of one core."""
    paths = sorted(folder.glob("*.tif"), key=lambda p: int(re.sub(r"\D", "", p.stem)))
    images = [read(path) for path in paths]
    start = time.process_time()
    counts = recalibrate([count_foci(image, model=model) for image in images])
    return counts, len(images) / (time.process_time() - start)


def rated_probability(counts: tuple[ImageCounts, ...], ratings: pd.DataFrame) -> np.ndarray:
    """Highest probability within 4 pixels of each rated object; NaN where nothing was found."""
    objects = {each.source: each.objects for each in counts}
    result = []
    for name, x, y in zip(ratings["image"], ratings["x_px"], ratings["y_px"], strict=True):
        found = objects[name]
        near = np.hypot(found.y_px - y, found.x_px - x) <= MATCH_PX
        result.append(found.probability[near].max() if near.any() else np.nan)
    return np.array(result)


def agreement(
    folder: Path, ratings: pd.DataFrame, model: FociModel | None = None
) -> tuple[Agreement, np.ndarray]:
    """Every measure, and the probability of each rated object."""
    from scipy.stats import spearmanr
    from sklearn.metrics import roc_auc_score

    counts, speed = count_all(folder, model)
    found = rated_probability(counts, ratings)
    p = np.nan_to_num(found)
    mean = ratings["mean_rating"].to_numpy() >= FOCUS
    majority = ratings["majority_focus"].to_numpy() == 1
    raw = probability_at(p, counts[0].share, counts[0].trained_share)
    return Agreement(
        images=len(counts),
        rated=len(ratings),
        matched=float(np.isfinite(found).mean()),
        auc=float(roc_auc_score(mean, p)),
        auc_majority=float(roc_auc_score(majority, p)),
        accuracy=float(((p > 0.5) == mean).mean()),
        accuracy_majority=float(((p > 0.5) == majority).mean()),
        spearman=float(spearmanr(raw, ratings["mean_rating"])[0]),
        expected_per_cell=sum(n.expected_foci for c in counts for n in c.nuclei) / len(counts),
        called_per_cell=sum(n.foci for c in counts for n in c.nuclei) / len(counts),
        share=counts[0].share,
        nuclei_per_second=speed,
    ), p


def ceiling(folder: Path, ratings: pd.DataFrame) -> tuple[float, float]:
    """AUC and accuracy of a regression fitted to the readers, cross-validated over images.

    What the features could do if one learned from these images, which the project does not.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, kept = [], []
    for k, (name, x, y) in enumerate(
        zip(ratings["image"], ratings["x_px"], ratings["y_px"], strict=True)
    ):
        image = read(folder / name)
        found = find_candidates(image, segment_nuclei(image))
        near = np.flatnonzero(np.hypot(found.y_px - y, found.x_px - x) <= MATCH_PX)
        if len(near):
            rows.append(found.features[near[np.argmax(found.score[near])]])
            kept.append(k)
    truth = ratings["mean_rating"].to_numpy()[kept] >= FOCUS
    fit = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds: Any = GroupKFold(10)
    groups = ratings["image"].to_numpy()[kept]
    p = cross_val_predict(
        fit, np.array(rows), truth, groups=groups, cv=folds, method="predict_proba"
    )
    return float(roc_auc_score(truth, p[:, 1])), float(((p[:, 1] > 0.5) == truth).mean())


def main() -> None:
    """Print how counting agrees with readers, and readers with each other."""
    from scipy.stats import spearmanr

    given = inputs()
    if given is None:
        print(f"skipped: set HEMADOSE_AUTOFOCI and HEMADOSE_AUTOFOCI_RATINGS; images: {SOURCE}")
        return
    folder, ratings = given
    result, _ = agreement(folder, ratings)
    for name, value in vars(result).items():
        print(f"{name:20s} {value:.4g}")
    auc, accuracy = ceiling(folder, ratings)
    print(f"fitted to readers, cross-validated over images: AUC {auc:.3f}, accuracy {accuracy:.3f}")
    for a, b in (("exp1", "exp2"), ("exp1", "exp3"), ("exp2", "exp3")):
        rho = spearmanr(ratings[a], ratings[b])[0]
        differ = ((ratings[a] >= FOCUS) != (ratings[b] >= FOCUS)).mean()
        print(f"{a} and {b}: Spearman {rho:.3f}, differ on {differ:.1%} of objects")


if __name__ == "__main__":
    main()
