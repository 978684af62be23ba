"""Virtual patients: the same bits in any company, and the population that was asked for."""

import numpy as np
import pytest

from hemadose.errors import HemadoseError
from hemadose.trials.patients.cohorts import COHORTS, cohort
from hemadose.trials.patients.truth import TruthSettings
from hemadose.trials.patients.virtual_patients import LINEAGES, draw_patients
from radiobio import lineage_prior
from radiobio.counts.covariates import log_kill_shift


def arrays(patients):
    """Everything of the patients that a trial uses, by name."""
    found = {
        "log_parameter": patients.log_parameter,
        "protraction": patients.kidney_protraction,
        "background": patients.background_per_cell,
        "drops_out": patients.drops_out,
        "noise_activity": patients.noise.activity,
        "noise_foci": patients.noise.foci,
        "noise_counts": patients.noise.counts,
        **patients.covariates,
    }
    for region, curve in patients.per_gbq.items():
        found |= {f"{region}_amplitude": curve.amplitude, f"{region}_rate": curve.rate_per_h}
    for lineage, own in patients.count_parameters.items():
        found |= {f"{lineage}_kill": own.kill_per_gy, f"{lineage}_base": own.baseline}
    return found


@pytest.mark.parametrize("name", sorted(COHORTS))
def test_a_patient_has_the_same_bits_in_any_company(name):
    truth = TruthSettings(dropout_per_cycle=0.2, outlier_share=0.3, reserve_loss=True)
    together = arrays(draw_patients(cohort(name), np.arange(70), seed=11, truth=truth))
    for index in ([3, 17], [69], [17, 3, 4]):
        apart = arrays(draw_patients(cohort(name), index, seed=11, truth=truth))
        assert apart.keys() == together.keys()
        for key, values in apart.items():
            np.testing.assert_array_equal(values, together[key][index], err_msg=key)


def test_other_seeds_lineages_and_cycles():
    few = draw_patients(cohort("DOTATATE"), [4], seed=1, lineages=("neutrophils",), max_cycles=2)
    more = draw_patients(cohort("DOTATATE"), [4], seed=1, lineages=LINEAGES, max_cycles=10)
    other = draw_patients(cohort("DOTATATE"), [4], seed=2)
    np.testing.assert_array_equal(few.log_parameter, more.log_parameter[:, :2])
    np.testing.assert_array_equal(
        few.count_parameters["neutrophils"].kill_per_gy,
        more.count_parameters["neutrophils"].kill_per_gy,
    )
    assert list(more.count_parameters) == list(LINEAGES)
    assert not np.isclose(few.log_parameter[0, 0], other.log_parameter[0, 0]).any()
    assert (few.n, few.n_cycles, more.n_cycles) == (1, 2, 10)


@pytest.mark.parametrize("name", sorted(COHORTS))
def test_variation_between_patients_and_cycles_is_that_of_the_cohort(name):
    made, n = cohort(name), 1500
    patients = draw_patients(made, np.arange(n), seed=3)
    own = patients.log_parameter - made.log_median - made.offsets(patients.covariates)[:, None]
    within = own.std(axis=1, ddof=1)
    cycle_sd = np.sqrt((within**2).mean(0))
    np.testing.assert_allclose(cycle_sd, made.log_sd_cycle, rtol=0.04, atol=1e-12)
    total = np.hypot(made.log_sd_patient, made.log_sd_cycle)
    np.testing.assert_allclose(own[:, 0].std(0, ddof=1), total, rtol=0.08, atol=1e-12)
    assert (np.abs(own[:, 0].mean(0)) <= 4.5 * total / np.sqrt(n) + 1e-12).all()


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_kill_of_the_lineages_is_correlated_and_has_the_prior_spread(correlation):
    truth = TruthSettings(kill_correlation=correlation, covariate_effects=False)
    patients = draw_patients(cohort("DOTATATE"), np.arange(3000), seed=5, truth=truth)
    kill = {name: np.log(own.kill_per_gy) for name, own in patients.count_parameters.items()}
    for lineage, values in kill.items():
        prior = lineage_prior(lineage, "image")
        assert values.mean() == pytest.approx(prior.log_mean[3], abs=0.04)
        assert values.std() == pytest.approx(prior.log_sd[3], rel=0.05)
    found = np.corrcoef(kill["platelets"], kill["neutrophils"])[0, 1]
    assert found == pytest.approx(correlation, abs=0.06)


def test_covariates_act_on_the_kill_as_the_prior_says():
    index = np.arange(40)
    with_effect, without = (
        draw_patients(
            cohort("PSMA-617"), index, seed=5, truth=TruthSettings(covariate_effects=effect)
        )
        for effect in (True, False)
    )
    names = ("bone_metastases", "diffuse_bone_metastases", "prior_taxane", "prior_radium223",
             "age_years", "creatinine_clearance_ml_per_min")  # fmt: skip
    shift = log_kill_shift("platelets", {name: with_effect.covariates[name] for name in names})
    ratio = (
        with_effect.count_parameters["platelets"].kill_per_gy
        / without.count_parameters["platelets"].kill_per_gy
    )
    np.testing.assert_allclose(np.log(ratio), shift, atol=1e-12)
    assert np.ptp(shift) > 0.3


def test_misspecifications_change_what_they_name_and_nothing_else():
    index = np.arange(400)
    plain = draw_patients(cohort("DOTATATE"), index, seed=9)
    truth = TruthSettings(
        kill_factor=2.0,
        outlier_share=0.25,
        outlier_factor=3.0,
        s_value_factor=1.5,
        kidney_factor=0.8,
        count_residual_factor=2.0,
        log_shift={"kidneys_half_life_h": 0.3},
        dropout_per_cycle=0.1,
    )
    bent = draw_patients(cohort("DOTATATE"), index, seed=9, truth=truth)
    kill = (
        bent.count_parameters["haemoglobin"].kill_per_gy
        / plain.count_parameters["haemoglobin"].kill_per_gy
    )
    outlier = np.isclose(kill, 6.0)
    assert (outlier | np.isclose(kill, 2.0)).all()
    assert outlier.mean() == pytest.approx(0.25, abs=0.09)
    marrow, tumour = (
        bent.per_gbq[name].integral() / plain.per_gbq[name].integral()
        for name in ("marrow_dose", "tumour_dose")
    )
    np.testing.assert_allclose(marrow, 1.5, rtol=0.01)  # the kidneys' photons changed a little
    np.testing.assert_allclose(tumour, 1.0, rtol=1e-12)
    later = bent.per_gbq["kidney_dose"].integral() / plain.per_gbq["kidney_dose"].integral()
    assert (later > 0.8).all()
    assert bent.count_cv["platelets"] == 2 * plain.count_cv["platelets"]
    assert not bent.drops_out[:, 0].any()
    assert bent.drops_out[:, 1:].mean() == pytest.approx(0.1, abs=0.025)
    assert not plain.drops_out.any()


def test_the_laboratory_s_line_is_off_by_its_uncertainty():
    def patient(seed, value):
        truth = TruthSettings(foci_laboratory_factor=value)
        return draw_patients(cohort("DOTATATE"), [0], seed=seed, truth=truth)

    drawn = np.log([patient(seed, None).foci_laboratory_factor for seed in range(200)])
    assert drawn.std() == pytest.approx(0.1, rel=0.2)
    assert abs(drawn.mean()) < 0.03
    assert patient(1, 1.3).foci_laboratory_factor == 1.3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kill_factor": 0.0}, "kill_factor must be above zero"),
        ({"outlier_share": 1.2}, "outlier_share must be from 0 to 1"),
        ({"count_residual_factor": -1.0}, "zero or more"),
        ({"foci_dispersion": 0.5}, "1 or more"),
        ({"s_value_factor": float("nan")}, "finite"),
    ],
)
def test_truths_that_cannot_be(settings, message):
    with pytest.raises(HemadoseError, match=message):
        TruthSettings(**settings)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"index": [-1]}, "whole numbers"),
        ({"index": [0.5]}, "whole numbers"),
        ({"max_cycles": 11}, "from 1 to 10"),
        ({"lineages": ("basophils",)}, "basophils"),
        ({"truth": TruthSettings(log_shift={"x": 1.0})}, "'x' is not known"),
    ],
)
def test_draws_that_cannot_be(keywords, message):
    with pytest.raises(HemadoseError, match=message):
        draw_patients(cohort("DOTATATE"), **({"index": [0], "seed": 1} | keywords))
