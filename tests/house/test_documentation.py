"""Public names are documented, and parameters with a dimension carry their unit in their name."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    "kinetics", "kinetics.structures", "kinetics.curve_fits", "kinetics.library",
    "kinetics.population", "kinetics.estimation", "kinetics.diagnostics", "kinetics.individual",
    "kinetics.inference", "dosimetry", "dosimetry.s_values", "dosimetry.s_values.readers",
    "dosimetry.recovery", "dosimetry.uncertainty", "dosimetry.transport", "dosimetry.voxels",
    "dosimetry.imaging", "radiobio", "radiobio.counts", "radiobio.damage", "radiobio.dose_finding",
    "radiobio.dose_toxicity", "radiobio.risk_factors", "radiobio.survival",
    "radiobio.tracks", "foci", "foci.counting", "foci.calibration", "foci.detectability",
    "foci.sample_dose", "foci.repair", "foci.patient_dose", "foci.cytogenetics", "foci.images",
    "hemadose", "hemadose.planning", "hemadose.planning.policies",
]  # fmt: skip
UNITS = (
    "h", "d", "day", "days", "per_h", "mbq", "gbq", "mbq_per_ml", "mbq_h", "gy", "gy_per_h",
    "gy_per_gbq", "gy_per_mbq_h", "gy_kg_per_mbq_h", "per_gy", "g", "kg", "cm", "ml", "l",
    "g_per_ml", "mev", "pct", "ml_per_min", "cm2_per_g", "per_cell", "mm", "um",
)  # fmt: skip
# words that name a physical dimension: a parameter with one of them must end in a unit
DIMENSIONS = re.compile(
    r"(^|_)(time|half_life|weight|height|mass|volume|dose|activity|density|energy|duration|rate)(_|$)"
)
# names with such a word that are no number with a unit: curves, methods, indices, logarithms,
# ratios, the weights and densities of statistics, and NONMEM's RATE in the data's own unit
FREE = {
    "dose_rate", "dose_rates", "dose_rate_shape", "dose_method", "dose_index", "rate_log_sd",
    "dose_log_sd", "dose_scale", "remaining_rate", "tumour_dose",
    "weight", "log_weight", "log_density", "relative_time", "rate_ratio", "dose_start",
    "needs_dose", "marrow_dose_tolerance", "rate", "density", "height_share",
}  # fmt: skip


def public_callables():
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isroutine(value) or inspect.isclass(value):
                yield f"{package}.{name}", value


PUBLIC = dict(public_callables())


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_names_are_documented(name):
    assert inspect.getdoc(PUBLIC[name]), f"{name} has no docstring"


def signature_parameters(value):
    try:
        return list(inspect.signature(value).parameters)
    except ValueError:
        return []


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_parameters_with_a_dimension_end_in_a_unit(name):
    if inspect.isclass(PUBLIC[name]) and issubclass(PUBLIC[name], Exception):
        return
    for parameter in signature_parameters(PUBLIC[name]):
        if not parameter.startswith("_") and DIMENSIONS.search(parameter) and parameter not in FREE:
            ends = any(parameter.endswith(f"_{unit}") or parameter == unit for unit in UNITS)
            assert ends, f"{name}: {parameter} has no unit"


def test_the_nomenclature_names_every_unit_suffix():
    text = (ROOT / "docs" / "nomenclature.md").read_text("utf-8")
    missing = [unit for unit in UNITS if f"`_{unit}`" not in text]
    assert not missing
