"""How electrons slow down in water: stopping power, range, collisions and bremsstrahlung."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError

FloatArray = npt.NDArray[np.float64]

ELECTRON_MASS_MEV = 0.51099895  # CODATA 2018
FINE_STRUCTURE = 7.2973525693e-3  # CODATA 2018
ELECTRON_RADIUS_CM = 2.8179403262e-13  # CODATA 2018
WATER_MOLECULES_PER_G = 6.02214076e23 / 18.01528
WATER_ATOMS = ((1, 2), (8, 1))
"""Atomic number and atoms per molecule."""

_BETHE_MEV_CM2_PER_G = 0.153536 * 0.55508  # 2 pi N_A r_e^2 m_e c^2 times Z/A of water
_WATER_I_EV = 75.0  # ICRU Report 37
# Sternheimer, Berger, Seltzer 1984, liquid water: C, x0, x1, a, m
_DENSITY_EFFECT = (3.5017, 0.2400, 2.8004, 0.09116, 3.4773)
LOWEST_ENERGY_MEV = 1e-3
"""Below it, electrons stop where they are (range < 6e-6 g/cm2)."""
HIGHEST_ENERGY_MEV = 20.0
"""Twice what the kernels answer for; no nuclide of ICRP 107 emits above 10 MeV."""


def checked_energies(
    energy_mev: npt.ArrayLike, lowest_mev: float, highest_mev: float
) -> FloatArray:
    """Energies (MeV) as an array.

    Raises
    ------
    DosimetryError
        If one lies outside the limits or is no number.
    """
    energy = np.asarray(energy_mev, dtype=np.float64)
    if not ((energy >= lowest_mev) & (energy <= highest_mev)).all():
        raise DosimetryError(
            f"energies must lie between {lowest_mev:g} and {highest_mev:g} MeV, got {energy_mev!r}"
        )
    return energy


def collision_stopping_power(energy_mev: npt.ArrayLike) -> FloatArray:
    r"""Collision stopping power of liquid water for electrons (MeV cm2/g).

    The Bethe formula for electrons with the density effect of Sternheimer and I = 75 eV. Below
    10 keV, where ICRU 37 does not tabulate, it lacks shell corrections and was not checked.

    Parameters
    ----------
    energy_mev : array_like
        Kinetic energy (MeV), 0.001 to 20.

    Raises
    ------
    DosimetryError
        If an energy is out of range.

    References
    ----------
    ICRU Report 37 (1984). Sternheimer RM, Berger MJ, Seltzer SM. At Data Nucl Data Tables
    1984;30:261-271, doi:10.1016/0092-640X(84)90002-0.

    Examples
    --------
    >>> round(float(collision_stopping_power(1.0)), 3)
    1.84
    """
    kinetic = checked_energies(energy_mev, LOWEST_ENERGY_MEV, HIGHEST_ENERGY_MEV)
    tau = kinetic / ELECTRON_MASS_MEV
    beta2 = tau * (tau + 2) / (tau + 1) ** 2
    excitation = _WATER_I_EV * 1e-6 / ELECTRON_MASS_MEV
    shape = (1 - beta2) * (1 + tau**2 / 8 - (2 * tau + 1) * np.log(2))
    number = np.log(tau**2 * (tau + 2) / (2 * excitation**2)) + shape - _density_effect(tau)
    return np.asarray(_BETHE_MEV_CM2_PER_G / beta2 * number)


def _density_effect(tau: FloatArray) -> FloatArray:
    c, x0, x1, a, m = _DENSITY_EFFECT
    x = 0.5 * np.log10(tau * (tau + 2))
    low = a * np.clip(x1 - x, 0, None) ** m
    return np.where(x < x0, 0.0, 2 * np.log(10) * x - c + low)


@cache
def range_table() -> tuple[FloatArray, FloatArray]:
    """Energy (MeV) and range (g/cm2) of electrons that slow down continuously in water."""
    energy = np.geomspace(LOWEST_ENERGY_MEV, HIGHEST_ENERGY_MEV, 4000)
    per_log = energy / collision_stopping_power(energy)
    steps = 0.5 * (per_log[1:] + per_log[:-1]) * np.diff(np.log(energy))
    start = energy[0] / collision_stopping_power(energy[:1])[0] / 2
    reach = np.concatenate([[start], start + np.cumsum(steps)])
    return np.concatenate([[0.0], energy]), np.concatenate([[0.0], reach])


def csda_range(energy_mev: npt.ArrayLike) -> FloatArray:
    """Range of an electron in water (g/cm2), slowing down continuously, collisions only.

    Parameters
    ----------
    energy_mev : array_like
        Kinetic energy (MeV), 0.001 to 20.

    Raises
    ------
    DosimetryError
        If an energy is out of range.

    Examples
    --------
    >>> round(float(csda_range(0.1)), 4)
    0.0143
    """
    kinetic = checked_energies(energy_mev, LOWEST_ENERGY_MEV, HIGHEST_ENERGY_MEV)
    return np.asarray(np.interp(kinetic, *range_table()))


def radiative_stopping_power(energy_mev: npt.ArrayLike) -> FloatArray:
    r"""Radiative stopping power of water for electrons (MeV cm2/g).

    Heitler's integral of the Bethe-Heitler spectrum in the Born approximation without screening,
    with :math:`Z(Z+1)` for the field of the electrons. ASSUMED good enough: water converts less
    than 1 % of the energy of electrons below 2 MeV.

    Parameters
    ----------
    energy_mev : array_like
        Kinetic energy (MeV), 0.001 to 20.

    Raises
    ------
    DosimetryError
        If an energy is out of range.

    References
    ----------
    Heitler W. The Quantum Theory of Radiation, 3rd ed. Oxford 1954, section 25.
    """
    kinetic = checked_energies(energy_mev, LOWEST_ENERGY_MEV, HIGHEST_ENERGY_MEV)
    total = 1 + kinetic / ELECTRON_MASS_MEV
    momentum = np.sqrt(total**2 - 1)
    grown = np.log(total + momentum)
    energy, spence = _spence_table()
    loss = (
        (12 * total**2 + 4) / (3 * total * momentum) * grown
        - (8 * total + 6 * momentum) / (3 * total * momentum**2) * grown**2
        - 4 / 3
        + 2 / (total * momentum) * np.interp(2 * momentum * (total + momentum), energy, spence)
    )
    squares = sum(count * z * (z + 1) for z, count in WATER_ATOMS) * WATER_MOLECULES_PER_G
    return np.asarray(
        FINE_STRUCTURE * ELECTRON_RADIUS_CM**2 * squares * total * ELECTRON_MASS_MEV * loss
    )


@cache
def _spence_table() -> tuple[FloatArray, FloatArray]:
    """The integral of log(1 + y) / y from 0 to x, for x from 0 to 1e5."""
    x = np.geomspace(1e-6, 1e5, 20001)
    value = np.log1p(x)
    total = np.concatenate([[0.0], np.cumsum(0.5 * (value[1:] + value[:-1]) * np.diff(np.log(x)))])
    return np.concatenate([[0.0], x]), np.concatenate([[0.0], x[0] + total])


def beta_squared(energy_mev: FloatArray) -> FloatArray:
    """Squared velocity in units of the speed of light."""
    total = energy_mev + ELECTRON_MASS_MEV
    return np.asarray(1 - (ELECTRON_MASS_MEV / total) ** 2)


def collisions_above(energy_mev: FloatArray, cut_mev: float) -> tuple[FloatArray, FloatArray]:
    """Moller collisions that give more than `cut_mev` away: number (1/cm), loss (MeV/cm)."""
    cut = np.minimum(cut_mev, energy_mev / 2)
    total = energy_mev + ELECTRON_MASS_MEV
    c = 1 - (energy_mev / total) ** 2

    def count(w: FloatArray) -> FloatArray:
        left = energy_mev - w
        return -1 / w + 1 / left + w / total**2 - c / energy_mev * np.log(w / left)

    def loss(w: FloatArray) -> FloatArray:
        left = energy_mev - w
        logs = np.log(w) + (1 + c) * np.log(left)
        return logs + energy_mev / left + w**2 / (2 * total**2)

    scale = _BETHE_MEV_CM2_PER_G / beta_squared(energy_mev)
    half = energy_mev / 2
    return scale * (count(half) - count(cut)), scale * (loss(half) - loss(cut))


def straggling(energy_mev: FloatArray, cut_mev: float) -> FloatArray:
    """Variance of the energy lost in Moller collisions below `cut_mev`, per path (MeV2/cm)."""
    node, weight = np.polynomial.legendre.leggauss(24)
    cut = np.minimum(cut_mev, energy_mev / 2)[:, None]
    w = cut * (node + 1) / 2
    energy = energy_mev[:, None]
    left = energy - w
    total = energy + ELECTRON_MASS_MEV
    c = 1 - (energy / total) ** 2
    density = 1 + (w / left) ** 2 + (w / total) ** 2 - c * w / left
    variance = (density * weight * cut / 2).sum(axis=1)
    return np.asarray(_BETHE_MEV_CM2_PER_G / beta_squared(energy_mev) * variance)


def photons_above(energy_mev: FloatArray, cut_mev: float) -> tuple[FloatArray, FloatArray]:
    """Bremsstrahlung photons above `cut_mev`: number (1/cm) and energy (MeV/cm).

    The energy of the photons falls like (1 - k/E) per photon energy (Kramers), scaled to the
    radiative stopping power.
    """
    cut = np.minimum(cut_mev / energy_mev, 1.0)
    power = radiative_stopping_power(energy_mev)
    return 2 * power / energy_mev * (cut - 1 - np.log(cut)), power * (1 - cut) ** 2
