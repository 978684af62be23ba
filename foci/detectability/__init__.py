"""How small a dose can be seen: decision thresholds, detection limits, power and cells needed."""

from foci.detectability.cells_needed import CellsNeeded, cells_needed
from foci.detectability.limits import DetectionLimits, LimitDoses, detection_limits, limit_doses
from foci.detectability.power import Counting, detection_power
from foci.detectability.power_study import PowerStudy, plot_power, power_study

__all__ = [
    "CellsNeeded",
    "Counting",
    "DetectionLimits",
    "LimitDoses",
    "PowerStudy",
    "cells_needed",
    "detection_limits",
    "detection_power",
    "limit_doses",
    "plot_power",
    "power_study",
]
