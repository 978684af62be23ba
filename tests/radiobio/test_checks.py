"""Arguments that are no numbers, or whose shapes do not fit, end in a RadiobioError."""

import numpy as np
import pytest

from kinetics import SumOfExponentials
from radiobio import (
    RadiobioError,
    alpha_track_repair_rate,
    bed_gy,
    blood_exchange_per_h,
    cohort_foci,
    eqd2_gy,
    eud_gy,
    foci_after_irradiation,
    foci_in_pools,
    foci_per_cell,
    geud_gy,
    induction_from_apparent_slope,
    isoeffective_dose_gy,
    lea_catcheside_g,
    lea_catcheside_g_constant_rate,
    log_survival,
    mixed_log_survival,
    rbe_weighted_dose_gy,
    repopulation_gy,
    saturable_foci_per_cell,
    saturable_repair_left,
    specific_energy_per_track_gy,
    track_components,
    tumour_control_probability,
    visible_clusters_per_cell,
)
from radiobio.checks import check_whole, not_negatives, numbers
from radiobio.tracks import (
    alpha_stopping_power,
    breaks_per_cell,
    simulate_hits,
    simulate_particle_hits,
    specific_energy_distribution,
)

BLOOD = SumOfExponentials([0.01, 0.001], [0.5, 0.02])
DRAWS = SumOfExponentials(np.ones((3, 1)), [[0.5]])
TWO, THREE = [1.0, 2.0], [1.0, 2.0, 3.0]
PULSE = {"dose_gy": 1.0, "irradiation_h": 1.0, "induction_per_gy": 10.0, "repair_rate_per_h": 0.2}
ONE_POOL = {"induction_per_gy": 1.0, "repair_rate_per_h": 0.1}
SATURABLE = {"induction_per_gy": 1.0, "capacity_per_h": 1.0, "half_capacity_per_cell": 1.0}


def rng():
    return np.random.default_rng(1)


@pytest.fixture(scope="module")
def hits():
    return simulate_particle_hits("alpha", 5.0, rng=rng(), n_histories=1000)


@pytest.mark.parametrize(
    "call",
    [
        lambda: numbers("2", "x"),
        lambda: numbers([[1], [1, 2]], "x"),
        lambda: check_whole(1.5, "n"),
        lambda: not_negatives(a=TWO, b=THREE),
        lambda: foci_per_cell(BLOOD, "x", **ONE_POOL),
        lambda: foci_per_cell(BLOOD, [TWO], **ONE_POOL),
        lambda: foci_per_cell(BLOOD, 1.0, induction_per_gy=1.0, repair_rate_per_h="x"),
        lambda: foci_per_cell(
            BLOOD, 1.0, induction_per_gy=1.0, repair_rate_per_h=np.full((3, 1), 0.1),
            maturation_rate_per_h=TWO,
        ),
        lambda: foci_after_irradiation([TWO], **PULSE),
        lambda: foci_after_irradiation(1.0, **PULSE | {"dose_gy": TWO, "induction_per_gy": THREE}),
        lambda: foci_after_irradiation(
            1.0, **PULSE | {"dose_gy": TWO, "repair_rate_per_h": np.full((3, 1), 0.1)}
        ),
        lambda: foci_in_pools([BLOOD] * 2, [TWO], exchange_per_h=np.zeros((2, 2)), **ONE_POOL),
        lambda: foci_in_pools([BLOOD] * 2, 1.0, exchange_per_h="x", **ONE_POOL),
        lambda: cohort_foci(DRAWS[None], [TWO], **ONE_POOL),
        lambda: saturable_foci_per_cell(BLOOD, [TWO], **SATURABLE),
        lambda: saturable_repair_left(
            1.0, initial_per_cell=TWO, capacity_per_h=THREE, half_capacity_per_cell=1.0
        ),
        lambda: induction_from_apparent_slope(TWO, THREE, 1.0),
        lambda: visible_clusters_per_cell(
            [0.1, 0.2], clusters_per_cell=THREE, breaks_per_cluster=1.0
        ),
        lambda: specific_energy_per_track_gy(TWO, THREE),
        lambda: track_components(TWO, [0.1, 0.2, 0.3]),
        lambda: blood_exchange_per_h(blood_share=[0.1, 0.2], residence_time_h=THREE),
        lambda: alpha_track_repair_rate(0.1, rng=rng(), n_draws=1.5),
        lambda: lea_catcheside_g(BLOOD, "x"),
        lambda: lea_catcheside_g(DRAWS, np.full((2, 1), 0.1)),
        lambda: lea_catcheside_g(DRAWS, 0.1, until_h=TWO),
        lambda: lea_catcheside_g_constant_rate(TWO, THREE),
        lambda: eqd2_gy(np.nan, alpha_beta_gy=2.0),
        lambda: eqd2_gy(TWO, alpha_beta_gy=THREE),
        lambda: bed_gy([1, 2], alpha_beta_gy=2.0, repair_half_life_h=2.0),
        lambda: bed_gy([BLOOD] * 2, alpha_beta_gy=2.0, repair_half_life_h=2.0, start_h="x"),
        lambda: bed_gy(BLOOD, alpha_beta_gy=TWO, repair_half_life_h=[[1.0], [2.0], [3.0]]),
        lambda: repopulation_gy(TWO, alpha_per_gy=THREE, doubling_time_h=1.0),
        lambda: log_survival(TWO, alpha_per_gy=THREE),
        lambda: mixed_log_survival(TWO, alpha_per_gy=THREE, beta_per_gy2=0.0),
        lambda: mixed_log_survival(
            [TWO] * 3, alpha_per_gy=0.1, beta_per_gy2=0.1, protraction=np.ones((2, 2, 2))
        ),
        lambda: rbe_weighted_dose_gy(TWO, THREE),
        lambda: isoeffective_dose_gy([-1.0, -2.0], alpha_per_gy=THREE),
        lambda: tumour_control_probability([-1.0, -2.0], THREE),
        lambda: eud_gy(np.ones((3, 2)), alpha_per_gy=TWO),
        lambda: geud_gy(np.ones((3, 2)), exponent=TWO),
        lambda: geud_gy(TWO, exponent="x"),
        lambda: simulate_hits("Lu-177", rng=rng(), n_histories=100.5),
        lambda: simulate_hits("Lu-177", rng=rng(), nucleus_radius_um="x"),
        lambda: simulate_particle_hits("alpha", "x", rng=rng()),
        lambda: alpha_stopping_power("x"),
    ],
)  # fmt: skip
def test_impossible_arguments_are_refused(call):
    with pytest.raises(RadiobioError):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda hits: breaks_per_cell(hits, [1.0, 2.0], breaks_per_gy=1.0),
        lambda hits: breaks_per_cell(hits, 1.0, breaks_per_gy="x"),
        lambda hits: breaks_per_cell(hits, 1.0, breaks_per_gy=1.0, detected=1.1),
        lambda hits: specific_energy_distribution(hits, 1.0, n_bins=100.5),
        lambda hits: specific_energy_distribution(hits, 0.0),
        lambda hits: hits.mean_hits("x"),
    ],
)
def test_impossible_questions_to_hits_are_refused(hits, call):
    with pytest.raises(RadiobioError):
        call(hits)


def test_counts_without_breaks_are_poisson_for_any_number_of_cells(hits):
    assert breaks_per_cell(hits, 1.0, breaks_per_gy=0.0).cells_to_see() == np.inf


def test_protraction_of_endless_irradiations():
    assert lea_catcheside_g_constant_rate(1e200, 1e200) == pytest.approx(0.0, abs=1e-290)
    x = 2e-3  # Taylor: 1 - x/3 + x^2/12 - x^3/60
    series = 1 - x / 3 + x**2 / 12 - x**3 / 60
    assert lea_catcheside_g_constant_rate(1.0, x) == pytest.approx(series, rel=1e-12)
