"""How electrons and alpha particles slow down in water, on grids that the kernels read."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from dosimetry.transport.elastic import collision_deflection, moments
from dosimetry.transport.electrons import (
    LOWEST_ENERGY_MEV,
    collision_stopping_power,
    collisions_above,
    csda_range,
    straggling,
)
from radiobio.checks import numbers
from radiobio.errors import RadiobioError
from radiobio.tracks import _columns as col

FloatArray = npt.NDArray[np.float64]

ALPHA_MEV = (1e-3, 12.0)
"""Energies of alpha particles that are answered for (MeV)."""
ELECTRON_MEV = (1e-5, 10.0)
"""Energies of electrons that are answered for (MeV); below 1 keV they stop where they are."""

# ICRU Report 90 (2016): electronic stopping power of liquid water for alpha particles, as tabulated
# in Geant4 11 (G4ICRU90StoppingData, commit 2447ebe). MeV and MeV cm2/g, which is 0.1 keV/um.
_ALPHA = np.array([
    [0.001, 98.91], [0.0015, 122.8], [0.002, 143.1], [0.003, 177.6], [0.004, 206.9],
    [0.005, 233.0], [0.006, 256.8], [0.008, 299.3], [0.01, 337.0], [0.015, 418.1],
    [0.02, 487.1], [0.03, 603.9], [0.04, 703.0], [0.05, 790.5], [0.06, 869.6],
    [0.08, 1009.0], [0.1, 1131.0], [0.15, 1383.0], [0.2, 1582.0], [0.3, 1873.0],
    [0.4, 2062.0], [0.5, 2178.0], [0.6, 2240.0], [0.8, 2256.0], [1.0, 2190.0],
    [1.5, 1877.0], [2.0, 1599.0], [3.0, 1239.0], [4.0, 1021.0], [5.0, 874.7],
    [6.0, 768.7], [8.0, 623.9], [10.0, 529.0], [15.0, 389.4],
])  # fmt: skip

_KEV_PER_MEV = 1e3
_UM_PER_CM = 1e4
_LEAST_SCREEN = 2e-3  # with less, deflections would be many and small
_PER_UNIT_LOG = 120  # rows per factor e of range or energy


def alpha_stopping_power(energy_mev: npt.ArrayLike) -> FloatArray:
    """Electronic stopping power of liquid water for alpha particles (keV/um).

    Parameters
    ----------
    energy_mev : array_like
        Kinetic energy (MeV), 0.001 to 12.

    Returns
    -------
    ndarray
        For a density of 1 g/ml. Stopping by nuclei (some 0.2 % at 1 MeV) is left out.

    Raises
    ------
    RadiobioError
        If an energy is out of range.

    References
    ----------
    ICRU Report 90, Key Data for Ionizing-Radiation Dosimetry. J ICRU 2016;14(1). The table is
    carried over from Geant4 11, G4ICRU90StoppingData; between its rows a monotone cubic in logs.

    Examples
    --------
    >>> float(alpha_stopping_power(5.0).round(2))
    87.47
    """
    from scipy.interpolate import PchipInterpolator

    energy = checked_energy(energy_mev, ALPHA_MEV, "alpha particles")
    return np.asarray(np.exp(PchipInterpolator(*np.log(_ALPHA).T)(np.log(energy)))) / 10


def alpha_range(energy_mev: npt.ArrayLike) -> FloatArray:
    """Range of an alpha particle in liquid water (um), slowing down continuously.

    Parameters
    ----------
    energy_mev : array_like
        Kinetic energy (MeV), 0.001 to 12.

    Raises
    ------
    RadiobioError
        If an energy is out of range.

    Examples
    --------
    >>> float(alpha_range(5.0).round(1))
    38.5
    """
    energy = checked_energy(energy_mev, ALPHA_MEV, "alpha particles")
    return np.asarray(np.interp(energy, *_alpha_ranges()))


@cache
def _alpha_ranges() -> tuple[FloatArray, FloatArray]:
    """Energy (MeV) and range (um); below 1 keV the stopping power goes with the velocity."""
    energy = np.geomspace(*ALPHA_MEV, 4000)
    per_log = energy * _KEV_PER_MEV / alpha_stopping_power(energy)
    steps = 0.5 * (per_log[1:] + per_log[:-1]) * np.diff(np.log(energy))
    reach = 2 * per_log[0] + np.concatenate([[0.0], np.cumsum(steps)])
    return np.concatenate([[0.0], energy]), np.concatenate([[0.0], reach])


def checked_energy(
    energy_mev: npt.ArrayLike, limits: tuple[float, float], particles: str
) -> FloatArray:
    """Energies (MeV) as an array; RadiobioError unless they lie within the limits."""
    energy = numbers(energy_mev, "energy_mev")
    low, high = limits
    if not ((energy >= low) & (energy <= high)).all():
        raise RadiobioError(
            f"energies of {particles} must lie between {low:g} and {high:g} MeV, got {energy_mev!r}"
        )
    return energy


@cache
def electron_tables(highest_mev: float) -> tuple[FloatArray, FloatArray]:
    """What the walk of electrons reads, and their range, up to an energy.

    Returns
    -------
    table : ndarray, shape (n, N_TABLE)
        Rows on a uniform grid of the log of the residual range (um). The columns are named in
        `radiobio.tracks._columns`.
    reach : ndarray, shape (m,)
        Range (um) on a uniform grid of log energy (keV).
    """
    top = max(highest_mev, 2 * LOWEST_ENERGY_MEV) * 1.001
    fine = np.geomspace(LOWEST_ENERGY_MEV, top, 20_000)
    log_range = np.log(csda_range(fine) * _UM_PER_CM)
    grid = _uniform(float(log_range[0]), float(log_range[-1]))
    energy = np.exp(np.interp(grid, log_range, np.log(fine))).clip(LOWEST_ENERGY_MEV, top)
    power = collision_stopping_power(energy)
    number, hard = collisions_above(energy, LOWEST_ENERGY_MEV)
    table = np.zeros((len(grid), col.N_TABLE))
    table[:, col.LOG_RANGE] = grid
    table[:, col.ENERGY] = energy * _KEV_PER_MEV
    first, second = (
        (elastic + inelastic) / _UM_PER_CM
        for elastic, inelastic in zip(
            moments(energy, np.ones_like(energy)), collision_deflection(energy, top), strict=True
        )
    )
    table[:, col.DEFLECTION], table[:, col.SCREEN] = _deflections(first, second)
    table[:, col.SOFT] = 1 - hard / power
    table[:, col.COLLISION] = number / _UM_PER_CM
    table[:, col.SPREAD] = straggling(energy, LOWEST_ENERGY_MEV) * _KEV_PER_MEV**2 / _UM_PER_CM
    log_energy = _uniform(float(np.log(LOWEST_ENERGY_MEV)), float(np.log(top)))
    reach = np.exp(np.interp(log_energy, np.log(fine), log_range))
    return table, np.column_stack([log_energy + np.log(_KEV_PER_MEV), reach])


def _deflections(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Number per path and screening A of deflections that have these transport coefficients.

    With the density (mu + A)^-2 of mu = (1 - cos) / 2, the mean of 1 - P1 is
    2 A ((1 + A) L - 1) and that of 1 - P2 is 6 A (1 + A) ((1 + 2 A) L - 2), L = log(1 + 1 / A).
    Above some 5 keV A stays at its least value, and only the first coefficient is kept.
    """
    screen = np.geomspace(_LEAST_SCREEN, 1.0, 4001)
    log = np.log1p(1 / screen)
    one = 2 * screen * ((1 + screen) * log - 1)
    two = 6 * screen * (1 + screen) * ((1 + 2 * screen) * log - 2)
    chosen = np.interp(-second / first, -two / one, screen)
    return first / np.interp(chosen, screen, one), chosen


@cache
def alpha_tables() -> tuple[FloatArray, FloatArray]:
    """As `electron_tables`, for alpha particles: only their energy and range."""
    energy, reach = (part[1:] for part in _alpha_ranges())
    grid = _uniform(float(np.log(reach[0])), float(np.log(reach[-1])))
    table = np.zeros((len(grid), col.N_TABLE))
    table[:, col.LOG_RANGE] = grid
    table[:, col.ENERGY] = np.interp(np.exp(grid), reach, energy) * _KEV_PER_MEV
    log_energy = _uniform(float(np.log(energy[0])), float(np.log(energy[-1])))
    ranges = np.interp(np.exp(log_energy), energy, reach)
    return table, np.column_stack([log_energy + np.log(_KEV_PER_MEV), ranges])


def _uniform(low: float, high: float) -> FloatArray:
    return np.linspace(low, high, int(np.ceil((high - low) * _PER_UNIT_LOG)) + 2)
