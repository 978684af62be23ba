"""How photons interact in water: cross sections and form factors, on the grids of the transport."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from dosimetry.transport import _columns as col
from dosimetry.transport.electrons import ELECTRON_MASS_MEV, checked_energies

FloatArray = npt.NDArray[np.float64]

LOWEST_ENERGY_MEV, HIGHEST_ENERGY_MEV = 1e-3, 10.0
_PER_DECADE = 150


def _read(name: str) -> FloatArray:
    with (files("dosimetry") / "data" / name).open() as lines:
        return np.loadtxt(lines, delimiter=",", skiprows=1).T


def photon_cross_sections(energy_mev: npt.ArrayLike) -> FloatArray:
    """Mass attenuation coefficients of water (cm2/g) by kind of interaction.

    Parameters
    ----------
    energy_mev : array_like, shape (n,)
        Photon energy (MeV), 0.001 to 10.

    Returns
    -------
    ndarray, shape (n, 4)
        Coherent, incoherent, photoelectric, and pair production in the fields of nuclei and
        electrons.

    Raises
    ------
    DosimetryError
        If an energy is out of range.

    Notes
    -----
    Cubic splines of the logarithms; that of pair production is divided by
    :math:`(1 - 2 m_e c^2/E)^3` first.

    References
    ----------
    Berger MJ, Hubbell JH. XCOM: photon cross sections database, NIST Standard Reference
    Database 8, version 3.1 (1999).
    """
    from scipy.interpolate import CubicSpline

    wanted = np.atleast_1d(checked_energies(energy_mev, LOWEST_ENERGY_MEV, HIGHEST_ENERGY_MEV))
    energy, *columns, pair = _read("photon_cross_sections_water.csv")
    smooth = [
        np.exp(CubicSpline(np.log(energy), np.log(column))(np.log(wanted))) for column in columns
    ]
    some = pair > 0
    threshold = 2 * ELECTRON_MASS_MEV
    curve = np.log(pair[some] / (1 - threshold / energy[some]) ** 3)
    above = np.clip(1 - threshold / wanted, 0, None) ** 3
    smooth.append(above * np.exp(np.interp(np.log(wanted), np.log(energy[some]), curve)))
    return np.column_stack(smooth)


@cache
def photon_table() -> tuple[FloatArray, float, float]:
    """Table, shape (n, N_PHOTON), lowest log energy, and rows per unit of log energy."""
    lowest, highest = np.log(LOWEST_ENERGY_MEV), np.log(HIGHEST_ENERGY_MEV)
    rows = int(np.ceil((highest - lowest) / np.log(10) * _PER_DECADE)) + 1
    log_energy = np.linspace(lowest, highest, rows)
    parts = photon_cross_sections(np.exp(log_energy).clip(LOWEST_ENERGY_MEV, HIGHEST_ENERGY_MEV))
    table = np.zeros((rows, col.N_PHOTON))
    table[:, col.TOTAL] = parts.sum(axis=1)
    for k, column in enumerate((col.COHERENT, col.INCOHERENT, col.PHOTOELECTRIC, col.PAIR)):
        table[:, column] = parts[:, k]
    return table, float(lowest), float(1 / (log_energy[1] - log_energy[0]))


@cache
def form_table() -> FloatArray:
    r"""Squared momentum transfer and the integral of the squared form factor, shape (2, n).

    In :math:`x^2` with :math:`x = \sin(\theta/2)/\lambda` (1/angstrom): atoms of water scatter
    independently.

    References
    ----------
    Waasmaier D, Kirfel A. Acta Cryst A 1995;51:416-431, doi:10.1107/S0108767394013292.
    """
    x, factor = _read("form_factor_water.csv")
    grid = np.concatenate([[0.0], np.geomspace(1e-3, x[-1], 400)])
    fine = np.interp(grid, x, np.log(factor))
    square = grid**2
    value = np.exp(fine)
    total = np.concatenate([[0], np.cumsum(0.5 * (value[1:] + value[:-1]) * np.diff(square))])
    return np.ascontiguousarray([square, total])
