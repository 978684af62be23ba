"""From parameters and doses to predictions: compartments, closed forms, formulas, saturation."""

from kinetics.structures.closed_forms import (
    one_compartment,
    sum_of_exponentials,
    three_compartment,
    two_compartment,
)
from kinetics.structures.compartments import CompartmentModel
from kinetics.structures.events import dose_row, expand_doses, nonmem_dose
from kinetics.structures.formula import parse_formula
from kinetics.structures.formula_structure import formula_structure
from kinetics.structures.identifiability import Identifiability, identifiability
from kinetics.structures.ode import OdeSolution, compiled_jacobian, compiled_slope, solve
from kinetics.structures.rate_matrix import rate_matrix_amounts, rate_matrix_curves
from kinetics.structures.saturable import saturable_amounts, saturable_structure
from kinetics.structures.structure import DOSE_COLUMNS, ROW_COLUMNS, Structure, dose_table
from kinetics.structures.transfer import (
    ClosedForm,
    TransferFunction,
    closed_form,
    transfer_function,
)

__all__ = [
    "DOSE_COLUMNS",
    "ROW_COLUMNS",
    "ClosedForm",
    "CompartmentModel",
    "Identifiability",
    "OdeSolution",
    "Structure",
    "TransferFunction",
    "closed_form",
    "compiled_jacobian",
    "compiled_slope",
    "dose_row",
    "dose_table",
    "expand_doses",
    "formula_structure",
    "identifiability",
    "nonmem_dose",
    "one_compartment",
    "parse_formula",
    "rate_matrix_amounts",
    "rate_matrix_curves",
    "saturable_amounts",
    "saturable_structure",
    "solve",
    "sum_of_exponentials",
    "three_compartment",
    "transfer_function",
    "two_compartment",
]
