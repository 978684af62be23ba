"""Readers of S values that users export from other programs or download themselves."""

from __future__ import annotations

from dosimetry.s_values.readers.icrp133 import read_icrp133
from dosimetry.s_values.readers.idac import IDAC_W_ALPHA, read_idac
from dosimetry.s_values.readers.olinda import (
    OLINDA_W_ALPHA,
    OlindaCase,
    read_olinda,
    read_olinda_case,
)
from dosimetry.s_values.readers.opendose import read_opendose
from dosimetry.s_values.readers.pytheranostics import (
    read_pytheranostics,
    read_sphere_s_values,
    read_voxel_kernel,
)
from dosimetry.s_values.readers.regions import REGION_NAMES, region_name
from dosimetry.s_values.readers.split import SPLIT_NOTES
from dosimetry.s_values.readers.tidy import read_tidy
from dosimetry.s_values.readers.units import SValueUnit, s_value_unit

__all__ = [
    "IDAC_W_ALPHA",
    "OLINDA_W_ALPHA",
    "REGION_NAMES",
    "SPLIT_NOTES",
    "OlindaCase",
    "SValueUnit",
    "read_icrp133",
    "read_idac",
    "read_olinda",
    "read_olinda_case",
    "read_opendose",
    "read_pytheranostics",
    "read_sphere_s_values",
    "read_tidy",
    "read_voxel_kernel",
    "region_name",
    "s_value_unit",
]
