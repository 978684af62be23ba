import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from radiobio.dose_finding import boin_boundaries, boin_next, count_outcomes, read_outcomes
from radiobio.dose_finding.boin import NEVER
from radiobio.errors import RadiobioError

REFERENCE = Path(__file__).parents[2] / "reference" / "radiobio_boin_boundaries.csv"
TRIAL = ["1NNN", "2NNN", "3NTT", "2NTN", "3NNN", "3NNN", "4TTT", "3NTN", "3NNT", "3TNN"]


def rows():
    with REFERENCE.open() as file:
        return list(csv.DictReader(file))


def after(outcomes, **settings):
    index, toxic = read_outcomes(outcomes)
    treated, n_toxic = count_outcomes(index, toxic, n_levels=5)
    return boin_next(boin_boundaries(0.3, **settings), int(index[-1]), treated, n_toxic)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["target"])
def test_published_boundaries(row):
    found = boin_boundaries(float(row["target"]))
    assert f"{found.escalate_below:.6f}" == row["lambda_e"]
    assert f"{found.deescalate_above:.6f}" == row["lambda_d"]
    frame = found.to_frame()
    for name in ("escalate_at_most", "deescalate_at_least", "eliminate_at_least"):
        numbers = frame[name].astype("string").fillna("-").tolist()
        assert numbers == row[name].split()


def test_published_trial():
    """The ten cohorts of Han 2019, page 25, as the tests of escalation quote them."""
    levels = [after(" ".join(TRIAL[: k + 1])) + 1 for k in range(len(TRIAL))]
    assert levels == [2, 3, 2, 3, 3, 4, 3, 3, 3, 3]


def test_the_trial_ends_when_the_lowest_level_is_eliminated():
    assert after("1N 2TN 1TT") == 0
    assert after("1N 2TN 1TTT") is None


def test_an_eliminated_level_stays_out():
    assert after("1NNN 2NNN 3TTT 2NNN") == 1
    assert after("1NNN 2NNN 3TNN 2NNN") == 2


@pytest.mark.parametrize("target", [0.15, 0.25, 0.4])
def test_elimination_is_a_tail_of_the_beta_distribution(target):
    found = boin_boundaries(target, n_max=30, eliminate_above=0.9).eliminate_at_least
    for n in range(1, 31):
        tail = stats.beta.sf(target, 1 + np.arange(n + 1), 1 + n - np.arange(n + 1))
        expected = np.flatnonzero(tail > 0.9) if n >= 3 else []
        assert found[n - 1] == (expected[0] if len(expected) else NEVER)


@given(
    st.lists(st.tuples(st.integers(0, 18), st.integers(0, 18)), min_size=4, max_size=4),
    st.integers(0, 3),
)
def test_more_toxicities_never_raise_the_level(counts, at):
    treated = np.array([max(pair) for pair in counts])
    toxic = np.array([min(pair) for pair in counts])
    treated[at] = max(treated[at], 1)
    boundaries = boin_boundaries(0.25)
    levels = []
    for count in range(treated[at] + 1):
        toxic[at] = count
        chosen = boin_next(boundaries, at, treated, toxic)
        levels.append(-1 if chosen is None else chosen)
    assert (np.diff(levels) <= 0).all()
    assert max(levels) <= at + 1


def test_limits_of_the_hypotheses():
    wide = boin_boundaries(0.3, underdose=0.1, overdose=0.5)
    narrow = boin_boundaries(0.3, underdose=0.25, overdose=0.35)
    assert wide.escalate_below < narrow.escalate_below < 0.3
    assert 0.3 < narrow.deescalate_above < wide.deescalate_above


def test_what_is_not_legal():
    with pytest.raises(RadiobioError, match="must rise"):
        boin_boundaries(0.3, underdose=0.4)
    with pytest.raises(RadiobioError, match="overdose"):
        boin_boundaries(0.8)
    with pytest.raises(RadiobioError, match="n_max"):
        boin_boundaries(0.3, n_max=0)
    boundaries = boin_boundaries(0.3, n_max=3)
    with pytest.raises(RadiobioError, match="raise n_max"):
        boin_next(boundaries, 0, [4], [0])
    with pytest.raises(RadiobioError, match="in use"):
        boin_next(boundaries, 1, [3, 0], [0, 0])
