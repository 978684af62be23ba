"""The stored classifier: numpy against scikit-learn, training again, and the share of foci."""

import json
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foci.errors import FociError
from foci.images.classify import (
    ARRAYS,
    default_model,
    model_from_arrays,
    probability_at,
    share_of_foci,
)
from foci.images.spots import feature_names
from foci.images.train import (
    FREE_FEATURES,
    SETTINGS,
    TrainingSet,
    fit_model,
    performance,
    train,
    training_set,
)


def invented(n=3000, n_markers=2, seed=0):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, len(feature_names(n_markers))))
    truth = rng.random(n) < 1 / (1 + np.exp(2 - table[:, 0] - 2 * table[:, 2]))
    return TrainingSet(table, truth, n // 10, int(truth.sum()))


@pytest.mark.parametrize("n_markers", [1, 2])
def test_numpy_evaluation_is_scikit_learns(n_markers):
    from sklearn.ensemble import HistGradientBoostingClassifier

    data = invented(n_markers=n_markers)
    model = fit_model(data, n_markers=n_markers, card={})
    rising = [0 if name in FREE_FEATURES else 1 for name in feature_names(n_markers)]
    twin = HistGradientBoostingClassifier(**SETTINGS, monotonic_cst=rising, random_state=0)
    twin.fit(data.features, data.is_focus)
    new = invented(500, n_markers, seed=1).features
    np.testing.assert_allclose(model.probability(new), twin.predict_proba(new)[:, 1], atol=1e-12)
    assert performance(model, data)["auc"] > 0.8


@pytest.mark.parametrize("n_markers", [1, 2])
def test_brighter_is_never_less_likely(n_markers):
    model = default_model(n_markers)
    rng = np.random.default_rng(2)
    table = rng.uniform(-3, 4, (300, len(model.features)))
    for k, name in enumerate(model.features):
        if name not in FREE_FEATURES:
            brighter = table.copy()
            brighter[:, k] += rng.uniform(0, 2, 300)
            assert (model.probability(brighter) >= model.probability(table) - 1e-12).all()


def test_what_ships_is_plain_arrays_and_a_card():
    folder = files("foci.images") / "data"
    with (folder / "foci_model.npz").open("rb") as stream:
        arrays = np.load(stream, allow_pickle=False)
        assert all(arrays[name].dtype.kind in "fi" for name in arrays.files)
    card = json.loads((folder / "foci_model_card.json").read_text())
    assert card["learned_from"] == "simulated images only"
    assert {"seed", "versions", "simulated_held_out", "real_images"} <= set(card)
    assert card["simulated_held_out"]["markers_2"]["auc"] > 0.95


def test_fitting_is_deterministic():
    data = invented(1000)
    first, second = (fit_model(data, n_markers=2, card={}) for _ in range(2))
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_trained_models_are_stored_and_load(tmp_path):
    card = train(tmp_path, images=2, held_out=2, seed=3)
    assert json.loads((tmp_path / "foci_model_card.json").read_text()) == card
    with np.load(tmp_path / "foci_model.npz") as stored:
        arrays = {name: stored[f"{name}_2"] for name in ARRAYS}
    data = training_set([0, 1], seed=3)
    model = model_from_arrays(arrays, 2, card)
    again = fit_model(data, n_markers=2, card=card)
    np.testing.assert_allclose(
        model.probability(data.features), again.probability(data.features), rtol=1e-12
    )


def test_labels_of_training_do_not_depend_on_the_order():
    forward, backward = training_set([0, 1], seed=2), training_set([1, 0], seed=2)
    assert forward.is_focus.sum() == backward.is_focus.sum() <= forward.foci
    assert 0 < forward.nuclei <= 16
    assert forward.features.shape == backward.features.shape


@settings(deadline=None, max_examples=30)
@given(st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.integers(0, 99))
def test_change_of_share_can_be_undone(first, second, seed):
    p = np.random.default_rng(seed).uniform(0.001, 0.999, 20)
    there = probability_at(p, first, second)
    np.testing.assert_allclose(probability_at(there, second, first), p, rtol=1e-9)
    assert (np.diff(there[np.argsort(p)]) >= 0).all()


def test_share_is_the_likeliest_one():
    rng = np.random.default_rng(4)
    p = rng.beta(0.2, 2.0, 5000)
    trained = 0.1
    found = share_of_foci(p, trained)
    grid = np.linspace(0.001, 0.6, 2000)
    ratio = p / (1 - p) * (1 - trained) / trained
    score = [np.log1p(s * (ratio - 1)).sum() for s in grid]
    assert found == pytest.approx(grid[np.argmax(score)], rel=0.02)
    assert share_of_foci(np.empty(0), 0.1) == pytest.approx(0.1)


def test_refusals():
    with pytest.raises(FociError, match="n_markers must be 1 or 2, got 3"):
        default_model(3)
    with pytest.raises(FociError, match="needs 16 features a candidate"):
        default_model().probability(np.zeros((2, 3)))
