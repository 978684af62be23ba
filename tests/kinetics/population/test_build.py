"""Population data from data frames, back to them, and what it says about itself."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetics.population.build import population_data
from kinetics.population.data_warnings import data_warnings
from kinetics.population.describe import (
    covariate_summary,
    data_summary,
    doses_frame,
    observations_frame,
)
from kinetics.population.errors import PopulationDataError, PopulationDataWarning
from kinetics.structures.structure import DOSE_COLUMNS
from tests.kinetics.population.datasets import (
    indomethacin,
    phenobarbital,
    theophylline,
    wang2007,
)


def frame(**columns):
    return pd.DataFrame({"subject": "a", "time_h": 1.0, "value": 2.0, **columns})


def test_rows_are_ordered_by_subject_occasion_and_time():
    table = pd.DataFrame(
        {
            "subject": ["b", "a", "b", "b", "a"],
            "occasion": [10, 1, 2, 2, 1],
            "time_h": [5.0, 4.0, 3.0, 1.0, 2.0],
            "value": [1.0, 2.0, 3.0, 4.0, 5.0],
            "region": ["blood", "kidneys", "blood", "kidneys", "blood"],
        }
    )
    data = population_data(table)
    assert data.subjects == ("b", "a")
    assert data.occasion_label == ("2", "10", "1")
    np.testing.assert_array_equal(data.occasion_subject, [0, 0, 1])
    np.testing.assert_array_equal(data.observation_start, [0, 2, 3, 5])
    np.testing.assert_array_equal(data.value, [4, 3, 1, 5, 2])
    np.testing.assert_array_equal(data.row, [3, 2, 0, 4, 1])
    assert data.regions == ("blood", "kidneys")
    np.testing.assert_array_equal(data.region, [1, 0, 0, 0, 1])


def test_each_occasion_has_a_unit_bolus_by_default():
    data = population_data(frame(occasion=[1, 1, 2]))
    np.testing.assert_array_equal(data.dose_start, [0, 1, 2])
    np.testing.assert_array_equal(data.doses, [[0, 1, 0, 0, 0, 0, 0, 0]] * 2)


def test_amounts_may_stand_with_the_observations():
    data = population_data(frame(occasion=[1, 1, 2], amount=[7400.0, np.nan, 6000.0]))
    np.testing.assert_array_equal(data.doses[:, 1], [7400, 6000])
    assert not data.covariates
    with pytest.raises(PopulationDataError, match=r"row 1, column amount: got '6', but row 0"):
        population_data(frame(amount=[5.0, 6.0]))


def test_infusions_by_duration():
    doses = pd.DataFrame({"patient": ["a"], "activity_mbq": [100.0], "duration_h": [0.5]})
    with pytest.raises(PopulationDataError, match="column amount: the column is missing"):
        population_data(frame(value=[1.0]), doses)
    data = population_data(frame(value=[1.0]), doses.rename(columns={"activity_mbq": "amount"}))
    assert data.doses[0, 3] == 200.0


def test_covariates_are_carried_forward_within_a_subject():
    table = frame(
        subject=["a", "a", "a", "b"], occasion=[1, 2, 3, 1], wt=[70.0, np.nan, 72.0, 80.0]
    )
    np.testing.assert_array_equal(population_data(table).covariates["wt"], [70, 70, 72, 80])
    assert population_data(table, covariates=()).covariates == {}
    with pytest.raises(PopulationDataError, match="subject b has no value in occasion 1"):
        population_data(table.assign(wt=[70.0, 70.0, 70.0, np.nan]))


def test_subjects_without_observations_are_left_out_with_a_warning():
    doses = pd.DataFrame({"subject": ["a", "z"], "amount": 1.0})
    with pytest.warns(PopulationDataWarning, match="left out: z") as caught:
        data = population_data(frame(value=[1.0]), doses)
    assert data.subjects == ("a",)
    assert len(data.doses) == 1
    assert caught[0].filename == __file__


def test_no_dose_at_all_is_legal():
    doses = pd.DataFrame({"subject": [], "amount": []})
    data = population_data(frame(value=[1.0, 2.0]), doses)
    assert data.doses.shape == (0, len(DOSE_COLUMNS))
    assert "there is no dose: only a model in time alone can be fitted" in data_warnings(data)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"value": ["x"]}, r"observations, row 0, column value: got 'x', legal is a number\."),
        ({"value": [np.nan]}, "column value: the cell is empty, legal is a number"),
        ({"time_h": [np.inf]}, "column time_h: got 'inf', legal is a finite number"),
        ({"sd": [0.0]}, "column sd: got '0', legal is a number above 0"),
        ({"below_limit": [2]}, "column below_limit: got '2', legal is 1 or 0"),
        ({"subject": [None]}, "column subject: the cell is empty"),
        ({"occasion": [np.nan]}, "column occasion: the cell is empty"),
        ({"sex": ["M"]}, "column sex: got 'M', legal is a number; code text as numbers"),
        ({"value": []}, "observations: there is no observation"),
    ],
)
def test_errors_of_observations(columns, message):
    with pytest.raises(PopulationDataError, match=message):
        population_data(frame(**columns))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"amount": [-1.0]}, r"doses, row 0, column amount: got '-1', legal is a number from 0"),
        ({"amount": [np.nan]}, "column amount: the cell is empty"),
        ({"amount": [0.0], "rate": [5.0]}, "an infusion of nothing"),
        ({"rate": [-3.0]}, "column rate: got '-3', legal is a rate per hour above 0, 0 for"),
        ({"rate": [1.0], "duration_h": [1.0]}, "there is a rate as well"),
        ({"compartment": [0.5]}, "column compartment: got '0.5', legal is a whole number"),
        ({"steady_state": [3]}, "column steady_state: got '3', legal are 0, 1"),
        ({"steady_state": [1]}, "column interval_h: .* but steady_state is above 0"),
        ({"additional": [2]}, "column interval_h: .* but additional is above 0"),
        ({"additional": [-2]}, "column additional: got '-2'"),
        ({"reset": [2]}, "column reset: got '2'"),
        ({"route": ["iv"]}, "column route: unknown column of doses; legal are subject"),
        ({"occasion": [1]}, "observations, column occasion: the column is missing"),
    ],
)
def test_errors_of_doses(columns, message):
    doses = pd.DataFrame({"subject": ["a"], "amount": 1.0, **columns})
    with pytest.raises(PopulationDataError, match=message):
        population_data(frame(value=[1.0]), doses)


def test_an_endless_infusion_needs_no_amount():
    doses = pd.DataFrame({"subject": ["a"], "amount": 0.0, "rate": 5.0, "steady_state": 1})
    data = population_data(frame(value=[1.0]), doses)
    np.testing.assert_array_equal(data.doses, [[0, 0, 0, 5, 1, 0, 0, 0]])


def test_doses_of_several_occasions_must_name_theirs():
    doses = pd.DataFrame({"subject": ["a"], "amount": [1.0]})
    with pytest.raises(PopulationDataError, match="doses, column occasion: the column is missing"):
        population_data(frame(occasion=[1, 2]), doses)
    assert len(population_data(frame(occasion=[3, 3]), doses).doses) == 1


def test_problems_are_told_together():
    table = frame(value=["x"] * 30, time_h=[-np.inf] * 30)
    with pytest.raises(PopulationDataError) as caught:
        population_data(table)
    assert caught.value.total == 60
    assert len(caught.value.problems) == 20
    assert str(caught.value).startswith("60 problems\n  observations, row 0, column time_h")
    assert str(caught.value).endswith("and 40 more")


def test_regions_are_named_in_their_order():
    table = frame(region=["blood", "kidneys"])
    assert population_data(table, regions=("kidneys", "blood", "liver")).regions[2] == "liver"
    with pytest.raises(PopulationDataError, match="got 'kidneys', legal are blood, liver"):
        population_data(table, regions=("blood", "liver"))


def test_nullable_columns_and_columns_twice():
    wt = pd.array([70, None], dtype="Int64")
    np.testing.assert_array_equal(population_data(frame(wt=wt)).covariates["wt"], [70])
    with pytest.raises(PopulationDataError, match="observations: there are two columns value"):
        population_data(pd.concat([frame(sd=[1.0]), frame(sd=[1.0])[["value"]]], axis=1))


def test_columns_of_one_meaning():
    with pytest.raises(PopulationDataError, match="subject and patient both mean subject"):
        population_data(frame(patient=["a"]))


WARNINGS = {
    "below the limit": {"below_limit": [1, 1, 1, 0]},
    "all 4 observations are below the limit": {"below_limit": 1},
    "all observations have the same value, 2": {"value": [2.0] * 4},
    "single observation": {"subject": list("abcd")},
    "a single subject": {},
    "all observations are at the same time, 0 h": {"time_h": [0.0] * 4},
    "1 observation below 0: a log-normal": {"value": [1.0, 2.0, 3.0, -1.0]},
    "2 observations of 0: a log-normal": {"value": [1.0, 2.0, 0.0, 0.0]},
    "limits of quantification of 0 or less": {"value": [1, 2, 3, 0], "below_limit": [0, 0, 0, 1]},
    "2 observations of the same time, region": {"time_h": [1, 1, 1, 2], "value": [1, 1, 1, 2]},
    "the covariate wt is 70 everywhere": {"wt": 70, "subject": list("aabb")},
    "2 observations before the first dose": {"time_h": [-2.0, -1.0, 0.0, 1.0]},
}


@pytest.mark.parametrize("message", WARNINGS)
def test_warnings_in_words(message):
    default = {"subject": list("aaaa"), "time_h": [1.0, 2, 3, 4], "value": [4.0, 3, 2, 1]}
    data = population_data(pd.DataFrame({**default, **WARNINGS[message]}))
    assert sum(message in sentence for sentence in data_warnings(data)) == 1


def test_warnings_of_subjects_and_regions_without_data():
    whole = population_data(frame(subject=["a", "b"], value=[1.0, 2.0]), regions=("blood",))
    empty = {**vars(whole), "subjects": ("a", "b", "c"), "regions": ("blood", "liver")}
    found = data_warnings(type(whole)(**empty))
    assert "without any observation, and so without influence: subject c" in found
    assert "liver: there is no observation" in found
    doses = pd.DataFrame({"subject": ["a"], "amount": [1.0]})
    found = data_warnings(population_data(frame(subject=["a", "b"], value=[1.0, 2.0]), doses))
    assert "without any dose, so that predictions are 0: subject b" in found


def test_good_data_has_no_warnings():
    assert data_warnings(phenobarbital()) == []
    assert data_warnings(indomethacin()) == []
    assert data_warnings(theophylline(start=False)) == []


def test_summary():
    table = frame(
        subject=["a", "a", "b"],
        region=["blood", "liver", "blood"],
        below_limit=[0, 1, 0],
        value=[1.0, 9.0, 3.0],
        wt=[60.0, 60.0, 80.0],
    )
    data = population_data(table)
    summary = data_summary(data)
    assert list(summary.index) == ["blood", "liver", "all"]
    assert list(summary["observations"]) == [2, 1, 3]
    assert list(summary["subjects"]) == [2, 1, 2]
    assert summary.loc["all", "below_limit_pct"] == pytest.approx(100 / 3)
    assert summary.loc["blood", "value_median"] == 2.0
    assert np.isnan(summary.loc["liver", "value_max"])
    assert summary.loc["all", "doses"] == 2
    covariates = covariate_summary(data)
    assert covariates.loc["wt", "mean"] == 70.0
    assert covariates.loc["wt", "changing_subjects"] == 0


FINITE = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def tables(draw):
    """A table of observations and one of doses, of the same subjects and occasions."""
    size = draw(st.integers(1, 12))
    column = lambda values: draw(st.lists(values, min_size=size, max_size=size))  # noqa: E731
    observations = pd.DataFrame(
        {
            "subject": column(st.sampled_from(["a", "b", "07", "12"])),
            "occasion": column(st.integers(1, 12)),
            "time_h": column(FINITE),
            "region": column(st.sampled_from(["blood", "liver"])),
            "value": column(FINITE),
            "sd": column(st.one_of(st.just(np.nan), st.floats(1e-3, 1e3))),
            "below_limit": column(st.booleans()),
        }
    )
    who = observations[["subject", "occasion"]].astype(str)
    wt = pd.util.hash_pandas_object(who, index=False).to_numpy() % 97 / 7.0
    observations = observations.assign(wt=wt)
    picked = column(st.integers(0, size - 1))
    doses = observations.loc[picked, ["subject", "occasion"]].reset_index(drop=True)
    additional = np.array(column(st.integers(0, 3)))
    doses = doses.assign(
        time_h=column(FINITE),
        amount=column(st.floats(0.5, 1e5)),
        rate=column(st.sampled_from([0.0, -1.0, -2.0, 7.3])),
        compartment=column(st.integers(0, 3)),
        additional=additional,
        interval_h=np.where(additional > 0, 12.0, 0.0),
        reset=column(st.integers(0, 1)),
    )
    return observations, doses


@given(tables())
def test_frames_to_data_and_back(both):
    observations, doses = both
    data = population_data(observations, doses)
    again = population_data(observations_frame(data), doses_frame(data), regions=data.regions)
    for name, value in vars(data).items():
        other = getattr(again, name)
        if name == "covariates":
            np.testing.assert_array_equal(value["wt"], other["wt"])
        else:
            np.testing.assert_array_equal(value, other)
    back = observations_frame(data).set_index("row").sort_index()
    written = observations.assign(occasion=observations["occasion"].astype(str))
    for name in written:
        np.testing.assert_array_equal(back[name].to_numpy(), written[name].to_numpy())
    assert len(data.doses) == len(doses)
    for k, start in enumerate(data.observation_start[:-1]):
        assert np.all(np.diff(data.time_h[start : data.observation_start[k + 1]]) >= 0)
        given_here = data.doses[data.dose_start[k] : data.dose_start[k + 1], 0]
        assert np.all(np.diff(given_here) >= 0)


@pytest.mark.parametrize(
    ("load", "subjects", "observations", "doses"),
    [
        (theophylline, 12, 132, 12),
        (phenobarbital, 59, 155, 589),
        (indomethacin, 6, 66, 6),
        (wang2007, 10, 20, 10),
    ],
)
def test_classic_data(load, subjects, observations, doses):
    data = load()
    assert len(data.subjects) == len(data.occasion_label) == subjects
    assert len(data.value) == observations
    assert len(data.doses) == doses


def test_known_numbers_of_the_classic_data():
    theoph = theophylline()
    assert theoph.doses[0, 1] == pytest.approx(319.992)
    assert theoph.covariates["WT"][0] == 79.6
    assert len(theophylline(start=False).value) == 120
    pheno = phenobarbital()
    assert pheno.covariates["APGR"][1] == 9
    assert pheno.value.sum() == pytest.approx(3964.3)
    assert wang2007().doses[:, 1].tolist() == [10.0] * 10
