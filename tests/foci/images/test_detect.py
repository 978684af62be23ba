"""Counted foci against drawn ones: per image, per sample, over doses; and refusals."""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from foci.errors import FociError
from foci.images import (
    Cells,
    Conditions,
    ImageCounts,
    Microscope,
    NucleusImage,
    Staining,
    count_foci,
    default_model,
    foci_sample,
    recalibrate,
    simulate_image,
)
from foci.images.pooling import _dispersion
from foci.images.train import training_set

CLEAN = Cells(out_of_focus_share=0.0, weak_share=0.0, touching_share=0.0, debris_per_nucleus=0.0)
CLEAR = Conditions(cells=CLEAN, staining=Staining(contrast=6.0, contrast_cv=0.1))
AUTOFOCI = "HEMADOSE_AUTOFOCI and HEMADOSE_AUTOFOCI_RATINGS are not set; images: nleng/AutoFoci"


def simulated(counts, seed=1, conditions=CLEAR, **keywords):
    rng = np.random.default_rng(seed)
    return simulate_image(
        len(counts), rng=rng, foci_counts=counts, conditions=conditions, **keywords
    )


@cache
def one_nucleus():
    return count_foci(simulated([0]).image)


def counts_of(probabilities, *, share=0.1, used=True):
    """Counts of one invented nucleus."""
    seen = one_nucleus()
    n = len(probabilities)
    objects = replace(
        seen.objects,
        nucleus=np.ones(n, np.int64),
        y_px=np.zeros(n),
        x_px=np.zeros(n),
        plane=np.zeros(n, np.int64),
        score=np.zeros(n),
        probability=np.array(probabilities, float),
    )
    nuclei = (replace(seen.nuclei[0], used=used, flags=() if used else ("weak staining",)),)
    return replace(seen, nuclei=nuclei, objects=objects, trained_share=share, share=share)


@pytest.mark.parametrize("kind", ["field", "cut_out", "stack", "one_marker"])
def test_clear_foci_are_counted(kind):
    conditions = CLEAR
    if kind == "stack":
        conditions = replace(CLEAR, microscope=Microscope(planes=7, plane_spacing_um=0.6))
    case = simulated([0, 1, 3, 2], 3, conditions, cut_out=kind == "cut_out")
    image = case.image
    if kind == "one_marker":
        image = replace(image, channels={k: image.channels[k] for k in ("dna", "53bp1")})
    counts = count_foci(image)
    assert counts.status == "ok"
    assert counts.cells == 4
    assert sum(n.foci for n in counts.nuclei) == pytest.approx(6, abs=1)
    assert counts.expected_foci == pytest.approx(6, abs=1.5)
    likely = counts.objects.probability > 0.5
    for y, x in zip(counts.objects.y_px[likely], counts.objects.x_px[likely], strict=True):
        assert np.hypot(case.spots[:, 3] - y, case.spots[:, 4] - x).min() < 5


def test_counts_add_up():
    counts = count_foci(simulated([2, 0, 1]).image)
    p, nucleus = counts.objects.probability, counts.objects.nucleus
    assert ((p >= 0) & (p <= 1)).all()
    for n in counts.nuclei:
        assert n.expected_foci == pytest.approx(p[nucleus == n.label].sum())
        assert n.foci == (p[nucleus == n.label] > 0.5).sum()
    frame, objects = counts.to_frame(), counts.objects_frame()
    assert len(frame) == 3
    assert len(objects) == len(p)
    assert frame["expected_foci"].sum() == pytest.approx(objects["probability"].sum())
    assert counts.labels.max() == 3
    assert any("ASSUMED" in text for text in counts.assumptions)


def test_the_same_image_gives_the_same_counts():
    image = simulated([1, 2]).image
    first, second = count_foci(image), count_foci(image)
    np.testing.assert_array_equal(first.objects.probability, second.objects.probability)


def test_recalibration_finds_the_share_of_foci():
    rng = np.random.default_rng(1)
    true, trained, n = 0.02, 0.1, 40_000
    focus = rng.random(n) < true
    score = rng.normal(np.where(focus, 2.5, 0.0), 1.0)
    odds = np.exp(2.5 * score - 2.5**2 / 2) * trained / (1 - trained)
    (again,) = recalibrate([counts_of(odds / (1 + odds), share=trained)])
    assert again.share == pytest.approx(true, rel=0.1)
    assert again.expected_foci == pytest.approx(focus.sum(), rel=0.1)
    (twice,) = recalibrate([again])
    np.testing.assert_allclose(twice.objects.probability, again.objects.probability)


def test_dispersion_is_that_of_the_true_number_given_the_images():
    rng = np.random.default_rng(5)
    p = rng.beta(0.3, 1.0, 300)
    true = (rng.random((20_000, 300)) < p).sum(axis=1)
    expected = 1 + np.var(true, ddof=1) / true.mean()
    assert _dispersion(p) == pytest.approx(expected, abs=4 * 0.01)  # 1 % of the variance
    assert _dispersion(np.array([1.0, 0.0, 1.0])) == 1.0
    assert _dispersion(np.empty(0)) == 1.0


def test_a_sample_leaves_out_nuclei_that_cannot_be_counted():
    good, bad = counts_of([0.999, 0.001, 0.999]), counts_of([0.999] * 5, used=False)
    sample, dispersion = foci_sample([good, bad], cycle=2, time_h=-1.0)
    assert (sample.cycle, sample.time_h, sample.cells) == (2, -1.0, 1)
    assert sample.foci == 2
    assert sample.distribution == (0, 0, 1)
    assert dispersion >= 1
    with pytest.raises(FociError, match=r"none of the 1 nuclei in 1 images.*weak staining"):
        foci_sample([bad], cycle=1, time_h=1.0)


def test_wrong_input_is_refused():
    with pytest.raises(FociError, match="must be a NucleusImage, got ndarray"):
        count_foci(np.zeros((50, 50)))
    with pytest.raises(FociError, match="nothing"):
        foci_sample([], cycle=1, time_h=1.0)
    with pytest.raises(FociError, match="dict"):
        recalibrate([{}])
    with pytest.raises(FociError, match="2 different models"):
        recalibrate([counts_of([0.5]), counts_of([0.5], share=0.2)])
    image = simulated([1]).image
    with pytest.raises(FociError, match="the model needs"):
        count_foci(image, model=default_model(1))


def test_an_empty_field_is_no_error_but_no_sample():
    noise = np.random.default_rng(1).poisson(30, (150, 150))
    counts = count_foci(NucleusImage({"dna": noise, "53bp1": noise}, pixel_um=0.1))
    assert counts.status == "no nuclei found"
    assert counts.to_frame().empty
    with pytest.raises(FociError, match="no nuclei found"):
        foci_sample([counts], cycle=1, time_h=1.0)


def _true_and_counted(conditions, images, doses=(0.0, 0.05, 0.1)):
    """Foci per counted nucleus at each dose: drawn, and found."""
    true, counted = [], []
    for k, dose in enumerate(doses):
        found, foci = [], 0
        for image in range(images):
            rng = np.random.default_rng([21, k, image])
            case = simulate_image(20, rng=rng, dose_gy=dose, conditions=conditions)
            found.append(count_foci(case.image))
            for nucleus in found[-1].nuclei:
                y, x = (int(v) for v in nucleus.centre_px)
                if nucleus.used and case.labels[y, x]:
                    foci += case.foci_per_nucleus[case.labels[y, x] - 1]
        sample, _ = foci_sample(found, cycle=1, time_h=1.0)
        true.append(foci / sample.cells)
        counted.append(sample.per_cell)
    return np.array(true), np.array(counted)


@pytest.mark.slow
@pytest.mark.parametrize("optics", [{}, {"planes": 9, "plane_spacing_um": 0.5}])
def test_slope_and_baseline_over_doses(optics):
    conditions = Conditions(microscope=Microscope(**optics))
    true, counted = _true_and_counted(conditions, 10)
    assert np.polyfit(true, counted, 1)[0] == pytest.approx(1.0, abs=0.08)  # 0.05 and chance
    np.testing.assert_allclose(counted - counted[0], true - true[0], rtol=0.12)


@pytest.mark.slow
def test_probabilities_are_calibrated_over_conditions_not_trained_on():
    data = training_set(range(5000, 5060), seed=77)
    p = default_model().probability(data.features)
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.7), (0.7, 0.9), (0.9, 1.0)):
        inside = (p >= low) & (p <= high)
        assert abs(p[inside].mean() - data.is_focus[inside].mean()) < 0.12  # images cluster
    assert p.sum() == pytest.approx(data.is_focus.sum(), rel=0.15)


@pytest.mark.skipif(
    not {"HEMADOSE_AUTOFOCI", "HEMADOSE_AUTOFOCI_RATINGS"} <= set(os.environ),
    reason=f"{AUTOFOCI}@e5d15bb, Test_Images_AutoFoci.7z (GPL-2, Lengert 2018 Sci Rep 8:17282)",
)
def test_real_nuclei_against_three_readers(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[3])
    from benchmarks.autofoci import agreement, inputs

    folder, ratings = inputs()
    result, _ = agreement(folder, ratings)
    assert (result.images, result.rated) == (804, 264)
    assert result.matched > 0.98
    assert result.auc >= 0.95
    assert result.accuracy >= 0.88
    assert result.spearman >= 0.85
    assert 0.85 * 0.31 < result.called_per_cell < 1.15 * 0.31
    assert result.nuclei_per_second > 20


def test_result_types():
    counts = count_foci(simulated([0]).image)
    assert isinstance(counts, ImageCounts)
    with pytest.raises(AttributeError):
        counts.source = "other"
