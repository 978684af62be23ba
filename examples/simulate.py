"""Simulate the three example patients: tables and the truth beside them.

    python -P examples/simulate.py [--out FOLDER]

Each study.yaml holds an invented patient, schedules.yaml what is measured. The script draws what
no clinic can know (kinetics, errors of the dose model, repair, sensitivity of the marrow) from the
models' own priors, keeps it in truth.json, and writes activity.csv, foci.csv and counts.csv with
noise as the models assume it.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dosimetry import (
    SOFT_TISSUE_DENSITY_G_PER_ML,
    SOLID_ORGANS,
    AbsorbedDose,
    Anatomy,
    MarrowBloodRatio,
    blood_dose,
    marrow_dose_blood_method,
    marrow_dose_image_method,
    marrow_model_spread,
    nuclide,
    organ_dose,
    rmblr,
    s_value_factor,
    tumour_dose,
)
from foci import RepairDraws, RepairModel, calibration_line, draw_repair, predict_foci
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
from radiobio.counts.lineage_priors import PARAMETER_NAMES

HERE = Path(__file__).parent
SCHEDULES: dict[str, Any] = yaml.safe_load((HERE / "schedules.yaml").read_text("utf-8"))
LINEAGES = ("platelets", "haemoglobin", "neutrophils", "leukocytes", "lymphocytes")
DECIMALS = {"platelets": 0, "haemoglobin": 0}  # of a count as reported; the others two
REGIONS = {"Lu-177": ("blood", "whole_body", *SOLID_ORGANS), "I-131": ("blood", "whole_body")}
AFTER_LAST_CYCLE_D = 84  # days in which the true nadir is sought

Rows = list[list[Any]]
Curves = dict[int, dict[str, SumOfExponentials]]
Doses = dict[int, dict[str, AbsorbedDose]]


def kinetic_models(study: Study, sampled: Iterable[str]) -> list[KineticModel]:
    """Return the models of all regions that doses need or that are sampled."""
    decay_per_h = nuclide(study.therapy.nuclide).decay_per_h
    agent, models = study.therapy.agent, []
    if agent in PUBLISHED_AGENTS:
        volumes = {n: t.mass_g / SOFT_TISSUE_DENSITY_G_PER_ML for n, t in study.tumours.items()}
        model = published_model(
            agent,
            decay_per_h=decay_per_h,
            tumour_volume_ml=volumes,
            weight_kg=study.patient.weight_kg,
            creatinine_clearance_ml_per_min=study.patient.creatinine_clearance_ml_per_min,
        )
        models.append(model)
    covered = {region for model in models for region in model.regions}
    wanted = dict.fromkeys([*REGIONS[study.therapy.nuclide], *study.tumours, *sampled])
    others = (region for region in wanted if region not in covered)
    return models + [region_model(agent, region, decay_per_h=decay_per_h) for region in others]


def draw_curves(
    study: Study, models: Iterable[KineticModel], rng: np.random.Generator
) -> tuple[Curves, dict[str, Any]]:
    """Draw the patient's parameters, their change from cycle to cycle, and the curves.

    The assumed priors of single regions are independent: drawn again until the body holds no
    more than was given and the regions no more than the body. Compartments see to that themselves.
    """
    conserved = study.therapy.agent in PUBLISHED_AGENTS
    while True:
        curves: Curves = {cycle.number: {} for cycle in study.cycles}
        drawn: dict[str, Any] = {}
        for model in models:
            n = len(model.parameters)
            patient = model.log_median + model.log_sd_patient * rng.standard_normal(n)
            drawn[model.name] = {}
            for cycle in study.cycles:
                own = patient + model.log_sd_cycle * rng.standard_normal(n)
                curves[cycle.number] |= model.curves(own, cycle.activity_mbq, cycle.number)
                named = zip(model.parameters, np.exp(own).tolist(), strict=True)
                drawn[model.name][cycle.number] = dict(named)
        if conserved or all(is_possible(curves[c.number], c.activity_mbq) for c in study.cycles):
            return curves, drawn


def is_possible(curves: Mapping[str, SumOfExponentials], activity_mbq: float) -> bool:
    """Tell whether activity is conserved, over the time of the samples."""
    time_h = np.linspace(0.0, 168.0, 85)
    whole_body = curves["whole_body"](time_h)
    inside = [c(time_h) for r, c in curves.items() if r in SOLID_ORGANS or r.startswith("tumour")]
    return bool(whole_body[0] <= 1.001 * activity_mbq and (sum(inside) <= whole_body).all())


def draw_doses(
    study: Study, curves: Curves, rng: np.random.Generator
) -> tuple[Doses, dict[str, float]]:
    """Draw the errors of the dose model that hold for this patient, and return the true doses."""
    patient = study.patient
    masses = {k: m for k, m in patient.organ_mass_g.model_dump().items() if m is not None}
    anatomy = Anatomy(
        patient.sex, patient.weight_kg, patient.height_cm, patient.haematocrit, masses
    )
    organ = ("kidney_s_value", "voi", "calibration")
    model_cv = marrow_model_spread(study.therapy.nuclide, patient.sex).cv
    sources = {"blood": ("calibration",), "marrow": (model_cv, "calibration")}
    sources |= dict.fromkeys((*SOLID_ORGANS, *study.tumours), organ)
    factor = {
        region: float(s_value_factor(*names, n_draws=1, rng=rng)[0])
        for region, names in sources.items()
    }
    ratio = rmblr(study.methods.rmblr, haematocrit=patient.haematocrit, n_draws=1, rng=rng)
    factor["marrow_to_blood_ratio"] = float(ratio.value[0])
    doses = {c: cycle_doses(study, regions, anatomy, factor) for c, regions in curves.items()}
    return doses, factor


def cycle_doses(
    study: Study,
    curves: Mapping[str, SumOfExponentials],
    anatomy: Anatomy,
    factor: Mapping[str, float],
) -> dict[str, AbsorbedDose]:
    """Return the true doses of one cycle."""
    source = study.therapy.nuclide
    organs = {region: curves[region] for region in SOLID_ORGANS if region in curves}
    common: dict[str, Any] = {"anatomy": anatomy, "whole_body_mbq": curves["whole_body"]}
    blood: dict[str, Any] = {"blood_density_g_per_ml": study.methods.blood_density_g_per_ml}
    marrow = {**common, "organ_mbq": organs, "marrow_model": study.methods.marrow_model}
    marrow["s_value_factor"] = factor["marrow"]
    doses = {
        "blood": blood_dose(
            curves["blood"], source, s_value_factor=factor["blood"], **common, **blood
        )
    }
    if study.marrow_dose_method == "image":
        doses["marrow"] = marrow_dose_image_method(curves["marrow"], source, **marrow)
    else:
        value = np.asarray(factor["marrow_to_blood_ratio"])
        ratio = MarrowBloodRatio(study.methods.rmblr, value, ())
        doses["marrow"] = marrow_dose_blood_method(
            curves["blood"], source, ratio=ratio, **marrow, **blood
        )
    for region, curve in organs.items():
        doses[region] = organ_dose(
            region, curve, source, other_mbq=organs, s_value_factor=factor[region], **common
        )
    for region, tumour in study.tumours.items():
        doses[region] = tumour_dose(
            curves[region],
            source,
            mass_g=tumour.mass_g,
            region=region,
            s_value_factor=factor[region],
        )
    return doses


def mbq_per_unit(unit: str, activity_mbq: float) -> float:
    """Return the factor that turns `unit` into MBq or MBq/mL."""
    amount, _, volume = unit.partition("/")
    size = {"MBq": 1.0, "kBq": 1e-3, "%IA": activity_mbq / 100}[amount]
    return size / (1000.0 if volume == "L" else 1.0)


def activity_rows(
    schedule: Iterable[Mapping[str, Any]],
    study: Study,
    curves: Curves,
    residual: Mapping[str, ResidualError],
    rng: np.random.Generator,
) -> Rows:
    """Simulate samples; what falls below the limit of quantification is reported as such."""
    decay_per_h = nuclide(study.therapy.nuclide).decay_per_h
    rows = []
    for plan in schedule:
        cycle, region, cv = plan["cycle"], plan["region"], plan.get("stated_cv")
        error = ResidualError(cv) if cv else residual[region]
        time_h = np.array(plan["time_h"], dtype=np.float64)
        truth = curves[cycle][region](time_h)
        sd = error.sd(truth, np.exp(-decay_per_h * time_h))
        measured = truth + sd * rng.standard_normal(len(time_h))
        unit, limit = plan["unit"], plan.get("limit", 0.0)
        size = mbq_per_unit(unit, study.cycles[cycle - 1].activity_mbq)
        for t, value, spread in zip(plan["time_h"], measured / size, sd / size, strict=True):
            below = value <= limit
            shown = [limit, unit, ""]
            if not below:
                shown = [digits(value, 4), unit, digits(spread, 3) if cv else ""]
            rows.append([cycle, t, region, *shown, int(below)])
    return rows


def foci_rows(
    schedule: Mapping[str, Any], study: Study, blood: AbsorbedDose, rng: np.random.Generator
) -> tuple[Rows, RepairDraws]:
    """Simulate foci of cycle 1, Poisson from cell to cell."""
    line = study.methods.foci_calibration
    assert line is not None
    calibration = calibration_line(
        line.slope_per_gy, line.slope_sd, irradiation_h=line.irradiation_h, source=line.source
    )
    repair = draw_repair(RepairModel(calibration), 1, rng)
    rows = []
    for time_h in schedule["time_h"]:
        mean = repair.background_per_cell[0]
        if time_h >= 0:
            mean = predict_foci(blood.dose_rate, [time_h], repair)[0, 0]
        foci = rng.poisson(mean, schedule["cells"])
        row = [1, time_h, len(foci), int(foci.sum())]
        if schedule.get("distribution"):
            row += np.bincount(np.minimum(foci, 6), minlength=7).tolist()
        rows.append(row)
    return rows, repair


def draw_count_parameters(
    priors: Mapping[str, LineagePrior],
    chosen: Mapping[str, Mapping[str, float]],
    rng: np.random.Generator,
) -> dict[str, CountParameters]:
    """Draw the parameters of each lineage; `chosen` are set, in prior standard deviations."""
    drawn = {}
    for name, prior in priors.items():
        z = rng.standard_normal(len(PARAMETER_NAMES))
        for parameter, value in chosen.get(name, {}).items():
            z[PARAMETER_NAMES.index(parameter)] = value
        drawn[name] = prior.parameters(z)
    return drawn


def white_cells_fit(count: Mapping[str, Any], share: float) -> bool:
    """Tell whether neutrophils and lymphocytes are at most this share of the leukocytes."""
    part = count["neutrophils"] + count["lymphocytes"]
    return bool(np.all(part <= share * count["leukocytes"]))


def count_rows(
    schedule: Mapping[str, Any],
    study: Study,
    marrow: Mapping[int, AbsorbedDose],
    rng: np.random.Generator,
) -> tuple[Rows, dict[str, Any]]:
    """Simulate blood counts with log-normal scatter, and return the truth behind them.

    The lineages' priors are independent: drawn again until the white cells fit.
    """
    days = schedule["count_days"]
    iodide = study.therapy.agent == "iodide" and study.marrow_dose_method == "blood"
    method = "blood_iodide" if iodide else study.marrow_dose_method
    priors = {name: lineage_prior(name, method) for name in LINEAGES}
    given = [(study.cycle_day(c), dose.dose_rate) for c, dose in marrow.items()]
    expected: dict[str, Any] = {}
    while not expected or not white_cells_fit(expected, 0.85):
        own = draw_count_parameters(priors, schedule.get("chosen", {}), rng)
        expected = {name: simulate_counts(own[name], given, days).count for name in LINEAGES}
    sigma = {name: np.sqrt(np.log1p(prior.residual_cv**2)) for name, prior in priors.items()}
    rows = []
    for index, day in enumerate(days):
        count: dict[str, Any] = {}
        while not count or not white_cells_fit(count, 1.0):
            z = dict(zip(LINEAGES, rng.standard_normal(len(LINEAGES)), strict=True))
            count = {n: expected[n][index] * np.exp(sigma[n] * z[n]) for n in LINEAGES}
        rows.append([day, *(f"{count[n]:.{DECIMALS.get(n, 2)}f}" for n in LINEAGES)])
    later = np.arange(given[-1][0] + AFTER_LAST_CYCLE_D)
    truth = {}
    for name in LINEAGES:
        course = simulate_counts(own[name], given, later)
        truth[name] = {key: float(getattr(own[name], key)) for key in PARAMETER_NAMES} | {
            "nadir": float(course.nadir()),
            "nadir_day": float(course.nadir_day()),
        }
    return rows, truth


def simulate(schedule: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write the tables and truth.json into a folder that holds study.yaml; return the truth."""
    for old in folder.glob("*.csv"):
        old.unlink()
    study = read_study(folder)
    rng = np.random.default_rng(schedule["seed"])
    models = kinetic_models(study, [plan["region"] for plan in schedule["activity"]])
    residual = {region: error for m in models for region, error in m.residual.items()}
    residual |= {region: ResidualError(cv) for region, cv in study.methods.residual_cv.items()}
    curves, kinetics = draw_curves(study, models, rng)
    rows = activity_rows(schedule["activity"], study, curves, residual, rng)
    write_table(folder / "activity.csv", "cycle,time_h,region,value,unit,sd,blq", rows)
    study = read_study(folder)  # now it knows whether the marrow was imaged
    doses, factors = draw_doses(study, curves, rng)
    truth: dict[str, Any] = {
        "about": "SIMULATED: the true values behind the tables of this folder",
        "seed": schedule["seed"],
        "kinetics": kinetics,
        "time_integrated_activity_mbq_h": {
            c: {region: float(curve.integral()) for region, curve in regions.items()}
            for c, regions in curves.items()
        },
        "dose_factors": factors,
        "marrow_method": study.marrow_dose_method,
        "dose_gy": {
            c: {region: float(dose.dose_gy) for region, dose in regions.items()}
            for c, regions in doses.items()
        },
    }
    if "foci" in schedule:
        rows, repair = foci_rows(schedule["foci"], study, doses[1]["blood"], rng)
        classes = ",c0,c1,c2,c3,c4,c5,c6" if schedule["foci"].get("distribution") else ""
        write_table(folder / "foci.csv", "cycle,time_h,cells,foci" + classes, rows)
        truth["foci"] = {
            "induction_per_gy": float(repair.induction_per_gy[0]),
            "repair_rate_per_h": float(repair.repair_rate_per_h[0, 0]),
            "background_per_cell": float(repair.background_per_cell[0]),
        }
    marrow = {cycle: regions["marrow"] for cycle, regions in doses.items()}
    rows, truth["counts"] = count_rows(schedule, study, marrow, rng)
    write_table(folder / "counts.csv", ",".join(["day", *LINEAGES]), rows)
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return truth


def digits(value: float, n: int) -> str:
    """Return a number with n significant digits, without an exponent."""
    return np.format_float_positional(float(f"{value:.{n}g}"), trim="-")


def write_table(path: Path, header: str, rows: Rows) -> None:
    """Write a table with a trailing newline."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)


def main(out: Path) -> None:
    """Write the examples into `out`, each beside (a copy of) its study.yaml."""
    for name, schedule in SCHEDULES.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        if out.resolve() != HERE.resolve():
            shutil.copy(HERE / name / "study.yaml", folder)
        simulate(schedule, folder)
        print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Simulate the example patients.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    main(parser.parse_args().out)
