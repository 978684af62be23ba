"""Simulate the three example patients: tables and the truth beside them.

    python examples/simulate.py [--out FOLDER]

Each study.yaml is the (invented) patient; the script draws what cannot be known - kinetics, dose
factors, repair, sensitivity of the marrow - from the models' own priors, keeps it in truth.json,
and writes activity.csv, foci.csv and counts.csv with noise as the models assume it. The seeds were
chosen before anything was simulated.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dosimetry import (
    SOLID_ORGANS,
    AbsorbedDose,
    Anatomy,
    MarrowBloodRatio,
    blood_dose,
    marrow_dose_blood_method,
    marrow_dose_image_method,
    nuclide,
    organ_dose,
    rmblr,
    s_value_factor,
    tumour_dose,
)
from foci import LinearCalibration, RepairDraws, RepairModel, draw_repair, predict_foci
from hemadose.study import Study, read_study
from kinetics import (
    PUBLISHED_AGENTS,
    KineticModel,
    ResidualError,
    SumOfExponentials,
    published_model,
    region_model,
)
from radiobio import CountParameters, LineagePrior, lineage_prior, simulate_counts
from radiobio.lineage_priors import PARAMETER_NAMES

HERE = Path(__file__).parent
LINEAGES = ("platelets", "haemoglobin", "neutrophils", "leukocytes", "lymphocytes")
DECIMALS = {"platelets": 0, "haemoglobin": 0}  # of a count; others two
DIGITS = 4  # significant digits of an activity
AFTER_LAST_CYCLE_D = 84.0  # days in which the true nadir is sought
TUMOUR_DENSITY_G_PER_ML = 1.04
REGIONS = {"Lu-177": ("blood", "whole_body", *SOLID_ORGANS), "I-131": ("blood", "whole_body")}

Curves = dict[int, dict[str, SumOfExponentials]]


@dataclass(frozen=True)
class Sampling:
    """When a region is measured, in which unit, and what the laboratory states of it."""

    time_h: tuple[float, ...]
    unit: str
    limit: float = 0.0  # of quantification, in `unit`; what lies below is reported as such
    stated_cv: float | None = None  # written as sd; the model's residual error if None


@dataclass(frozen=True)
class Scenario:
    """One example: its seed and its schedule."""

    folder: str
    seed: int
    activity: Mapping[int, Mapping[str, Sampling]]
    count_days: tuple[float, ...]
    foci_h: tuple[float, ...] = ()
    cells: int = 0
    distribution: bool = False
    chosen: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # in prior SDs


SPECT_H = (24.0, 72.0, 168.0)
SCENARIOS = (
    Scenario(
        "psma617_cycle1",
        20260101,
        activity={
            1: {
                "blood": Sampling((0.5, 2, 24, 72, 168), "kBq/mL", limit=2.0),
                "whole_body": Sampling((2, 24, 72, 168), "%IA"),
                "kidneys": Sampling(SPECT_H, "MBq"),
                "liver": Sampling(SPECT_H, "MBq"),
                "tumour_1": Sampling(SPECT_H, "MBq"),
                "tumour_2": Sampling(SPECT_H, "kBq"),
            }
        },
        count_days=(-4, 7, 14, 21, 28, 35),
        foci_h=(-1, 1, 24, 72),
        cells=200,
    ),
    Scenario(
        "dotatate_cycle2_hold",
        20260102,
        activity={
            1: {
                "blood": Sampling((0.5, 4, 24, 96), "kBq/mL"),
                "whole_body": Sampling((1, 24, 96, 168), "%IA"),
                "marrow": Sampling((4, 24, 96, 168), "kBq/mL"),
                "kidneys": Sampling((4, 24, 96, 168), "MBq", stated_cv=0.12),
                "spleen": Sampling((24, 96, 168), "MBq"),
                "liver": Sampling((24, 96, 168), "%IA"),
                "tumour_liver": Sampling((24, 96, 168), "MBq"),
            },
            2: {
                "marrow": Sampling((24,), "kBq/mL"),
                "kidneys": Sampling((24,), "MBq", stated_cv=0.12),
                "spleen": Sampling((24,), "MBq"),
                "liver": Sampling((24,), "%IA"),
                "tumour_liver": Sampling((24,), "MBq"),
            },
        },
        count_days=(-3, 14, 28, 42, 53, 70, 77, 84, 91, 94),
        chosen={"platelets": {"baseline": -1.0, "kill_per_gy": 1.3}},
    ),
    Scenario(
        "iodine131_dtc",
        20260103,
        activity={
            1: {
                "blood": Sampling((2, 6, 24, 48, 96, 144), "MBq/L"),
                "whole_body": Sampling((2, 6, 24, 48, 96, 144), "%IA", stated_cv=0.05),
            }
        },
        count_days=(-2, 14, 28, 42, 56, 84, 119),
        foci_h=(-2, 2, 6, 24, 48, 72, 96),
        cells=150,
        distribution=True,
    ),
)  # fmt: skip


def kinetic_models(study: Study, regions: Iterable[str]) -> list[KineticModel]:
    """Models of the regions, as the study's own fit starts from."""
    decay_per_h = nuclide(study.therapy.nuclide).decay_per_h
    agent, models = study.therapy.agent, []
    if agent in PUBLISHED_AGENTS:
        volumes = {n: t.mass_g / TUMOUR_DENSITY_G_PER_ML for n, t in study.tumours.items()}
        models.append(
            published_model(
                agent,
                decay_per_h=decay_per_h,
                tumour_volume_ml=volumes,
                weight_kg=study.patient.weight_kg,
                creatinine_clearance_ml_per_min=study.patient.creatinine_clearance_ml_per_min,
            )
        )
    covered = {region for model in models for region in model.regions}
    wanted = dict.fromkeys([*regions, *study.tumours])
    return models + [
        region_model(agent, region, decay_per_h=decay_per_h)
        for region in wanted
        if region not in covered
    ]


def draw_curves(
    study: Study, models: Iterable[KineticModel], rng: np.random.Generator
) -> tuple[Curves, dict[str, Any]]:
    """Draw the patient's parameters once, their change in each cycle, and the curves."""
    curves: Curves = {cycle.number: {} for cycle in study.cycles}
    parameters: dict[str, Any] = {}
    for model in models:
        patient = model.log_median + model.log_sd_patient * rng.standard_normal(
            len(model.parameters)
        )
        parameters[model.name] = {}
        for cycle in study.cycles:
            log_parameter = patient + model.log_sd_cycle * rng.standard_normal(len(patient))
            curves[cycle.number] |= model.curves(log_parameter, cycle.activity_mbq, cycle.number)
            named = zip(model.parameters, np.exp(log_parameter).tolist(), strict=True)
            parameters[model.name][cycle.number] = dict(named)
    return curves, parameters


def draw_doses(
    study: Study, curves: Curves, rng: np.random.Generator
) -> tuple[dict[int, dict[str, AbsorbedDose]], dict[str, float]]:
    """Draw the errors of the dose model that hold for this patient, and give the true doses."""
    patient, methods = study.patient, study.methods
    masses = {k: m for k, m in patient.organ_mass_g.model_dump().items() if m is not None}
    anatomy = Anatomy(
        patient.sex, patient.weight_kg, patient.height_cm, patient.haematocrit, masses
    )
    organ = ("kidney_s_value", "voi", "calibration")
    sources = {"blood": ("calibration",), "marrow": ("marrow_model", "calibration")}
    sources |= dict.fromkeys((*SOLID_ORGANS, *study.tumours), organ)
    factor = {
        region: float(s_value_factor(*names, n_draws=1, rng=rng)[0])
        for region, names in sources.items()
    }
    drawn = rmblr(methods.rmblr, haematocrit=patient.haematocrit, n_draws=1, rng=rng)
    ratio = MarrowBloodRatio(drawn.model, drawn.value[0], drawn.assumptions)
    doses = {
        cycle: _doses_of_cycle(study, regions, anatomy, ratio, factor)
        for cycle, regions in curves.items()
    }
    return doses, factor | {"marrow_to_blood_ratio": float(ratio.value)}


def _doses_of_cycle(
    study: Study,
    curves: Mapping[str, SumOfExponentials],
    anatomy: Anatomy,
    ratio: MarrowBloodRatio,
    factor: Mapping[str, float],
) -> dict[str, AbsorbedDose]:
    source, density = study.therapy.nuclide, study.methods.blood_density_g_per_ml
    body = curves["whole_body"]
    organs = {region: curves[region] for region in SOLID_ORGANS if region in curves}
    marrow: dict[str, Any] = {
        "anatomy": anatomy,
        "organ_mbq": organs,
        "whole_body_mbq": body,
        "marrow_model": study.methods.marrow_model,
        "s_value_factor": factor["marrow"],
    }
    doses = {
        "blood": blood_dose(
            curves["blood"], source, anatomy=anatomy, whole_body_mbq=body,
            blood_density_g_per_ml=density, s_value_factor=factor["blood"],
        ),
        "marrow": marrow_dose_image_method(curves["marrow"], source, **marrow)
        if study.methods.marrow_dose == "image"
        else marrow_dose_blood_method(
            curves["blood"], source, ratio=ratio, blood_density_g_per_ml=density, **marrow
        ),
    }  # fmt: skip
    for region, curve in organs.items():
        doses[region] = organ_dose(
            region, curve, source, anatomy=anatomy, other_mbq=organs, whole_body_mbq=body,
            s_value_factor=factor[region],
        )  # fmt: skip
    for region, tumour in study.tumours.items():
        doses[region] = tumour_dose(
            curves[region], source, mass_g=tumour.mass_g, region=region,
            s_value_factor=factor[region],
        )  # fmt: skip
    return doses


def mbq_per_unit(unit: str, activity_mbq: float) -> float:
    """Factor that turns `unit` into MBq or MBq/mL."""
    amount, _, volume = unit.partition("/")
    size = {"MBq": 1.0, "kBq": 1e-3, "%IA": activity_mbq / 100}[amount]
    return size / (1000.0 if volume == "L" else 1.0)


def activity_rows(
    scenario: Scenario,
    study: Study,
    curves: Curves,
    residual: Mapping[str, ResidualError],
    rng: np.random.Generator,
) -> list[list[object]]:
    """Simulated samples; what falls below the limit of quantification is reported as such."""
    decay_per_h = nuclide(study.therapy.nuclide).decay_per_h
    rows: list[list[object]] = []
    for cycle, regions in scenario.activity.items():
        for region, plan in regions.items():
            error = residual[region]
            if plan.stated_cv is not None:
                error = ResidualError(plan.stated_cv)
            time = np.array(plan.time_h)
            truth = curves[cycle][region](time)
            noise = error.sd(truth, np.exp(-decay_per_h * time)) * rng.standard_normal(len(time))
            values = (truth + noise) / mbq_per_unit(plan.unit, study.cycles[cycle - 1].activity_mbq)
            for t, value in zip(plan.time_h, values, strict=True):
                below = value <= plan.limit
                shown = plan.limit if below else _rounded(value)
                sd = _rounded(plan.stated_cv * value) if plan.stated_cv else ""
                rows.append([cycle, t, region, shown, plan.unit, sd, int(below)])
    return rows


def foci_rows(
    scenario: Scenario,
    study: Study,
    blood: AbsorbedDose,
    rng: np.random.Generator,
) -> tuple[list[list[object]], RepairDraws]:
    """Simulated foci of cycle 1, cell by cell Poisson."""
    given = study.methods.foci_calibration
    assert given is not None
    line = LinearCalibration(
        given.slope_per_gy, given.slope_sd, irradiation_h=given.irradiation_h, source=given.source
    )
    repair = draw_repair(RepairModel(line), 1, rng)
    rows: list[list[object]] = []
    for time_h in scenario.foci_h:
        mean = repair.background_per_cell[0]
        if time_h >= 0:
            mean = predict_foci(blood.dose_rate, [time_h], repair)[0, 0]
        cells = rng.poisson(mean, scenario.cells)
        row: list[object] = [1, time_h, scenario.cells, int(cells.sum())]
        if scenario.distribution:
            row += np.bincount(np.minimum(cells, 6), minlength=7).tolist()
        rows.append(row)
    return rows, repair


def draw_count_parameters(
    priors: Mapping[str, LineagePrior],
    chosen: Mapping[str, Mapping[str, float]],
    rng: np.random.Generator,
) -> dict[str, CountParameters]:
    """Draw until the white cells fit: neutrophils and lymphocytes are part of the leukocytes."""
    while True:
        drawn = {}
        for name, prior in priors.items():
            z = rng.standard_normal(len(PARAMETER_NAMES))
            for parameter, value in chosen.get(name, {}).items():
                z[PARAMETER_NAMES.index(parameter)] = value
            drawn[name] = prior.parameters(z)
        part = drawn["neutrophils"].baseline + drawn["lymphocytes"].baseline
        if part < 0.95 * drawn["leukocytes"].baseline:
            return drawn


def count_rows(
    scenario: Scenario,
    study: Study,
    marrow: Mapping[int, AbsorbedDose],
    rng: np.random.Generator,
) -> tuple[list[list[object]], dict[str, Any]]:
    """Simulated blood counts with log-normal scatter, and the truth behind them."""
    method = study.methods.marrow_dose
    assert method is not None
    priors = {name: lineage_prior(name, method) for name in LINEAGES}
    parameters = draw_count_parameters(priors, scenario.chosen, rng)
    given = [(study.cycle_day(c), dose.dose_rate) for c, dose in marrow.items()]
    later = np.arange(0.0, given[-1][0] + AFTER_LAST_CYCLE_D + 1)
    columns, truth = [], {}
    for name, own in parameters.items():
        sigma = np.sqrt(np.log1p(priors[name].residual_cv ** 2))
        count = simulate_counts(own, given, scenario.count_days).count
        count = count * np.exp(sigma * rng.standard_normal(count.shape))
        columns.append([_fixed(value, DECIMALS.get(name, 2)) for value in count])
        course = simulate_counts(own, given, later)
        truth[name] = {key: float(getattr(own, key)) for key in PARAMETER_NAMES} | {
            "nadir": float(course.nadir()),
            "nadir_day": float(course.nadir_day()),
            "at_decision": float(simulate_counts(own, given, [study.decision_day]).count[0]),
        }
    return [[d, *row] for d, row in zip(scenario.count_days, zip(*columns), strict=True)], truth


def simulate(scenario: Scenario, folder: Path, *, seed: int | None = None) -> dict[str, Any]:
    """Write the tables and truth.json into a folder that holds study.yaml; return the truth."""
    for old in folder.glob("*.csv"):
        old.unlink()
    study = read_study(folder)
    rng = np.random.default_rng(scenario.seed if seed is None else seed)
    models = kinetic_models(study, REGIONS[study.therapy.nuclide] + _sampled(scenario))
    residual = {r: e for model in models for r, e in model.residual.items()}
    residual |= {r: ResidualError(cv) for r, cv in study.methods.residual_cv.items()}
    curves, kinetics = draw_curves(study, models, rng)
    doses, dose_factors = draw_doses(study, curves, rng)
    rows = activity_rows(scenario, study, curves, residual, rng)
    _write(folder / "activity.csv", "cycle,time_h,region,value,unit,sd,blq", rows)
    truth: dict[str, Any] = {
        "about": "SIMULATED: true values behind the tables of this folder",
        "seed": scenario.seed if seed is None else seed,
        "kinetics": kinetics,
        "time_integrated_activity_mbq_h": {
            c: {r: float(curve.integral()) for r, curve in regions.items()}
            for c, regions in curves.items()
        },
        "dose_factors": dose_factors,
        "marrow_method": study.methods.marrow_dose,
        "dose_gy": {
            c: {r: float(dose.dose_gy) for r, dose in regions.items()}
            for c, regions in doses.items()
        },
    }
    if scenario.foci_h:
        rows, repair = foci_rows(scenario, study, doses[1]["blood"], rng)
        header = "cycle,time_h,cells,foci" + ",c0,c1,c2,c3,c4,c5,c6" * scenario.distribution
        _write(folder / "foci.csv", header, rows)
        truth["foci"] = {
            "induction_per_gy": float(repair.induction_per_gy[0]),
            "repair_rate_per_h": float(repair.repair_rate_per_h[0, 0]),
            "background_per_cell": float(repair.background_per_cell[0]),
        }
    marrow = {cycle: regions["marrow"] for cycle, regions in doses.items()}
    rows, truth["counts"] = count_rows(scenario, study, marrow, rng)
    _write(folder / "counts.csv", ",".join(["day", *LINEAGES]), rows)
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return truth


def _sampled(scenario: Scenario) -> tuple[str, ...]:
    return tuple(region for regions in scenario.activity.values() for region in regions)


def _rounded(value: float) -> str:
    return _plain(float(f"{value:.{DIGITS}g}"))


def _fixed(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}"


def _plain(value: float) -> str:
    return np.format_float_positional(value, trim="-")


def _write(path: Path, header: str, rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows([f"{c:g}" if isinstance(c, float) else c for c in row] for row in rows)


def main(out: Path) -> None:
    """Write the three examples into `out`, each with a copy of its study.yaml."""
    for scenario in SCENARIOS:
        folder = out / scenario.folder
        folder.mkdir(parents=True, exist_ok=True)
        if out.resolve() != HERE.resolve():
            shutil.copy(HERE / scenario.folder / "study.yaml", folder)
        simulate(scenario, folder)
        print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    main(parser.parse_args().out)
