"""The table of electron transport, on a uniform grid of log energy."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from dosimetry.transport import _columns as col
from dosimetry.transport.elastic import (
    collision_deflection,
    cut_angles,
    hard_scattering,
    moments,
    screened_rutherford,
)
from dosimetry.transport.electrons import (
    LOWEST_ENERGY_MEV,
    collision_stopping_power,
    collisions_above,
    csda_range,
    photons_above,
    radiative_stopping_power,
    straggling,
)

FloatArray = npt.NDArray[np.float64]

HARDNESS = 0.2
"""Mean path between single elastic deflections, in transport mean free paths."""
LOSS_PER_STEP = 0.06
"""Largest part of its energy that an electron loses gradually in one step."""
_PER_DECADE = 150


@cache
def electron_table(
    highest_energy_mev: float, delta_cut_mev: float, photon_cut_mev: float
) -> tuple[FloatArray, float, float]:
    """Table, shape (n, N_ELECTRON), lowest log energy, and rows per unit of log energy.

    Parameters
    ----------
    highest_energy_mev : float
        Kinetic energy the table must reach (MeV).
    delta_cut_mev : float
        Energy from which an electron set free is followed (MeV).
    photon_cut_mev : float
        Energy from which a bremsstrahlung photon is followed (MeV).
    """
    lowest = np.log(LOWEST_ENERGY_MEV)
    highest = np.log(max(highest_energy_mev, 2 * LOWEST_ENERGY_MEV)) + 1e-9
    rows = int(np.ceil((highest - lowest) / np.log(10) * _PER_DECADE)) + 1
    log_energy = np.linspace(lowest, highest, rows)
    energy = np.exp(log_energy).clip(LOWEST_ENERGY_MEV)
    table = np.zeros((rows, col.N_ELECTRON))

    number, hard_loss = collisions_above(energy, delta_cut_mev)
    photons, photon_loss = photons_above(energy, photon_cut_mev)
    soft = collision_stopping_power(energy) - hard_loss
    soft += radiative_stopping_power(energy) - photon_loss
    table[:, col.SOFT_LOSS] = soft
    table[:, col.SOFT_SLOPE] = np.gradient(soft, energy)
    table[:, col.STRAGGLING] = straggling(energy, delta_cut_mev)
    table[:, col.REACH] = csda_range(energy)
    table[:, col.STEP_CAP] = LOSS_PER_STEP * energy / soft

    whole = collision_stopping_power(energy) + radiative_stopping_power(energy)
    table[:, col.EMITTED] = _summed(photons / whole, energy)

    cut = cut_angles(energy, HARDNESS)
    oxygen, hydrogen = hard_scattering(energy, cut)
    table[:, col.ELASTIC] = oxygen + hydrogen
    table[:, col.COLLISION] = number
    table[:, col.RADIATIVE] = photons
    table[:, col.CUT_ANGLE] = cut
    table[:, col.OXYGEN_SHARE] = oxygen / (oxygen + hydrogen)
    table[:, col.OXYGEN_SCREEN] = screened_rutherford(energy, 8, 1)[1]
    table[:, col.HYDROGEN_SCREEN] = screened_rutherford(energy, 1, 2)[1]
    for column, elastic, collision in zip(
        (col.SOFT_FIRST, col.SOFT_SECOND),
        moments(energy, cut),
        collision_deflection(energy, delta_cut_mev),
        strict=True,
    ):
        table[:, column] = elastic + collision
    table[:, col.MAJORANT] = _largest_below(table[:, col.ELASTIC] + number + photons, log_energy)
    return table, float(lowest), float(1 / (log_energy[1] - log_energy[0]))


def _summed(value: FloatArray, energy: FloatArray) -> FloatArray:
    """Integral over the energy from the first row on."""
    parts = 0.5 * (value[1:] + value[:-1]) * np.diff(energy)
    return np.concatenate([[0.0], np.cumsum(parts)])


def _largest_below(rate: FloatArray, log_energy: FloatArray) -> FloatArray:
    """Largest rate over the energies that one step can reach (three times its mean loss)."""
    span = int(np.ceil(-np.log1p(-3 * LOSS_PER_STEP) / (log_energy[1] - log_energy[0])))
    padded = np.concatenate([np.full(span, rate[0]), rate])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, span + 1).max(axis=1))
