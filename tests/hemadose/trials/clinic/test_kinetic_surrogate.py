"""The polynomial stand-in against the cohort's own curves, on patients the fit has not seen."""

import numpy as np
import pytest

from hemadose.planning.errors import HemadosePlanningError
from hemadose.trials.clinic.kinetic_surrogate import Schedule, kinetic_surrogate
from hemadose.trials.patients.cohorts import cohort
from hemadose.trials.patients.covariates import N_COORDINATES, covariates_at

FULL = Schedule(
    (("blood", (1.0, 4.0, 24.0, 72.0)), ("kidneys", (24.0,)), ("tumour", (24.0,))),
    (-1.0, 1.0, 4.0),
    100,
)
NAMES = ("DOTATATE", "PSMA-617", "PSMA-I&T")


def surrogate_of(name, schedule=FULL):
    return kinetic_surrogate(cohort(name), schedule, kidney_repair_half_life_h=2.8)


@pytest.mark.parametrize("name", NAMES)
def test_doses_and_samples_agree_with_the_cohort(name):
    population, stand_in = cohort(name), surrogate_of(name)
    rng = np.random.default_rng(8)
    covariates = covariates_at(name, rng.standard_normal((150, N_COORDINATES)))
    spread = np.hypot(population.log_sd_patient, population.log_sd_cycle)
    effect = population.offsets(covariates) + spread * rng.standard_normal((150, len(spread)))
    log_parameter = population.log_median + effect
    cycle = len(population.log_cycle_change)
    value = stand_in.cycle(cycle).value(effect[:, stand_in.varying] / stand_in.scale)
    curves = population.curves(log_parameter, activity_gbq=7.4, cycle=cycle)
    doses = value[:, stand_in.doses]
    for column, dose in enumerate(("marrow_dose", "kidney_dose", "tumour_dose")):
        error = doses[:, column] - np.log(curves[dose].integral() / 7.4)
        assert np.sqrt((error**2).mean()) < 0.03
        assert np.abs(error.mean()) < 0.01
    blood = np.log(curves["blood"]([1.0, 4.0, 24.0, 72.0]) / 7.4)
    error = value[:, :4] - blood
    reported = stand_in.cycle(cycle).rms_error[:4]
    assert (np.sqrt((error**2).mean(0)) < 1.5 * reported + 0.002).all()
    foci = population.foci_of(log_parameter, curves["blood_dose"], [1.0, 4.0])
    error = value[:, stand_in.foci][:, 1:] - np.log(foci / 7.4)
    assert np.sqrt((error**2).mean()) < 0.08
    assert (value[:, stand_in.foci.start] < -60).all()  # before the administration: none


def test_slopes_are_the_derivatives():
    polynomial = surrogate_of("PSMA-617").cycle(1)
    rng = np.random.default_rng(2)
    x = rng.standard_normal((3, polynomial.slope.shape[1]))
    value, slope = polynomial.value_and_slope(x)
    np.testing.assert_allclose(value, polynomial.value(x), rtol=0, atol=1e-12)
    direction = rng.standard_normal(x.shape[1])
    ahead, behind = polynomial.value(x + 1e-4 * direction), polynomial.value(x - 1e-4 * direction)
    np.testing.assert_allclose(slope @ direction, (ahead - behind) / 2e-4, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_a_dose_factor_scales_its_dose_alone(name):
    population, stand_in = cohort(name), surrogate_of(name)
    column = np.flatnonzero(stand_in.varying == population.index("marrow_dose_factor"))[0]
    polynomial = stand_in.cycle(1)
    slope = polynomial.slope[stand_in.doses][:, column] / stand_in.scale[column]
    np.testing.assert_allclose(slope, [1.0, 0, 0, 0, 0], atol=0.02)
    assert np.abs(polynomial.curvature[stand_in.doses][:, column]).max() < 0.02


def test_one_fit_serves_the_process():
    assert surrogate_of("DOTATATE") is surrogate_of("DOTATATE")
    assert surrogate_of("PSMA-I&T").cycle(9) is surrogate_of("PSMA-I&T").cycle(4)


@pytest.mark.parametrize(
    "arguments",
    [
        ((("blood", (0.0,)),),),
        ((("blood", (np.nan,)),),),
        ((), (np.inf,), 10),
        ((), (1.0,), 0),
    ],
)
def test_a_schedule_that_cannot_be(arguments):
    with pytest.raises(HemadosePlanningError):
        Schedule(*arguments)


def test_a_region_that_is_not_known():
    with pytest.raises(HemadosePlanningError, match="spleen"):
        surrogate_of("PSMA-617", Schedule((("spleen", (24.0,)),)))
