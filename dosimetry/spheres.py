"""S values of a tissue sphere: tumours of any mass, any beta or gamma emitter."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.nuclides import GY_KG_PER_MBQ_H_PER_MEV, FloatArray, Nuclide, nuclide
from dosimetry.s_values import SValue

SOFT_TISSUE_DENSITY_G_PER_ML = 1.03
"""ASSUMED density of a tumour where none is given."""

_ELECTRON_MASS_MEV = 0.51099895  # CODATA 2018
_BETHE_MEV_CM2_PER_G = 0.153536 * 0.55508  # 2 pi N_A r_e^2 m_e c^2 times Z/A of water
_WATER_I_EV = 75.0  # ICRU Report 37
# Sternheimer, Berger, Seltzer 1984, liquid water: C, x0, x1, a, m
_DENSITY_EFFECT = (3.5017, 0.2400, 2.8004, 0.09116, 3.4773)
_LOWEST_ENERGY_MEV = 1e-3  # below, electrons stop where they are (range < 6e-6 g/cm2)


def collision_stopping_power(energy_mev: npt.ArrayLike) -> FloatArray:
    r"""Collision stopping power of liquid water for electrons (MeV cm2/g).

    The Bethe formula for electrons with the density effect of Sternheimer and I = 75 eV.

    Parameters
    ----------
    energy_mev : array_like
        Kinetic energy (MeV), 0.001 and above.

    References
    ----------
    ICRU Report 37 (1984). Sternheimer RM, Berger MJ, Seltzer SM. At Data Nucl Data Tables
    1984;30:261-271, doi:10.1016/0092-640X(84)90002-0.
    """
    tau = np.asarray(energy_mev, dtype=np.float64) / _ELECTRON_MASS_MEV
    beta2 = tau * (tau + 2) / (tau + 1) ** 2
    excitation = _WATER_I_EV * 1e-6 / _ELECTRON_MASS_MEV
    shape = (1 - beta2) * (1 + tau**2 / 8 - (2 * tau + 1) * np.log(2))
    number = np.log(tau**2 * (tau + 2) / (2 * excitation**2)) + shape - _density_effect(tau)
    return np.asarray(_BETHE_MEV_CM2_PER_G / beta2 * number)


def _density_effect(tau: FloatArray) -> FloatArray:
    c, x0, x1, a, m = _DENSITY_EFFECT
    x = 0.5 * np.log10(tau * (tau + 2))
    low = a * np.clip(x1 - x, 0, None) ** m
    return np.where(x < x0, 0.0, 2 * np.log(10) * x - c + low)


@cache
def _range_table() -> tuple[FloatArray, FloatArray]:
    """Energy (MeV) and range (g/cm2) of electrons that slow down continuously in water."""
    energy = np.geomspace(_LOWEST_ENERGY_MEV, 20.0, 4000)
    per_log = energy / collision_stopping_power(energy)
    steps = 0.5 * (per_log[1:] + per_log[:-1]) * np.diff(np.log(energy))
    start = energy[0] / collision_stopping_power(energy[:1])[0] / 2
    reach = np.concatenate([[start], start + np.cumsum(steps)])
    return np.concatenate([[0.0], energy]), np.concatenate([[0.0], reach])


def csda_range(energy_mev: npt.ArrayLike) -> FloatArray:
    """Range of an electron in water (g/cm2), slowing down continuously, collisions only."""
    energy, reach = _range_table()
    return np.asarray(np.interp(np.asarray(energy_mev, dtype=np.float64), energy, reach))


def absorbed_fraction_geometry(distance: npt.ArrayLike, radius: npt.ArrayLike) -> FloatArray:
    r"""Geometric factor of a sphere, :math:`U(x) = 1 - 3x/4R + x^3/16R^3`, zero past 2R.

    The chance that a point `distance` away from a random point of the sphere, in a random
    direction, still lies in the sphere.

    Parameters
    ----------
    distance, radius : array_like, broadcast
        Same unit of length.

    References
    ----------
    Goddu SM, Howell RW, Rao DV. J Nucl Med 1994;35:303-316.
    """
    ratio = np.clip(np.asarray(distance) / np.asarray(radius), 0, 2)
    return np.asarray(1 - 0.75 * ratio + ratio**3 / 16)


def sphere_s_value(
    source: str | Nuclide,
    *,
    mass_g: npt.ArrayLike,
    density_g_per_ml: float = SOFT_TISSUE_DENSITY_G_PER_ML,
) -> SValue:
    r"""S value of a water-like sphere for activity spread evenly in it.

    Parameters
    ----------
    source : str or Nuclide
        Beta, electron or photon emitter.
    mass_g : array_like, shape (...)
        Mass of the sphere (g); draws are welcome.
    density_g_per_ml : float
        Density (g/mL); it sets the radius.

    Returns
    -------
    SValue
        Electron and photon part, shape (...).

    Notes
    -----
    Electrons run straight and lose energy continuously; energy deposited at path x stays in the
    sphere with the chance U(x): :math:`\phi = \sum_i y_i \int U(x)\,dE_i / \sum_i y_i E_i`.
    Photons deposit energy with the density :math:`\mu_{en} e^{-\mu_{en} x}`. Detours,
    delta rays and bremsstrahlung are left out, so the values of small spheres are a little low:
    against a published table for Lu-177 in soft tissue the deviation is -1.7 % at 0.1 g, within
    1.5 % from 0.3 g to 1 kg, and -4.9 % at 4 mg.

    Raises
    ------
    DosimetryError
        If the mass or density is not positive, or the nuclide emits alpha particles.

    Examples
    --------
    >>> round(float(sphere_s_value("Lu-177", mass_g=10.0).total), 5)  # Gy/(MBq h)
    0.00846
    """
    emitter = nuclide(source) if isinstance(source, str) else source
    mass = np.asarray(mass_g, dtype=np.float64)
    if not (np.all(mass > 0) and np.all(np.isfinite(mass)) and density_g_per_ml > 0):
        raise DosimetryError(
            f"mass and density of a sphere must be positive, got mass_g={mass_g!r} and "
            f"density_g_per_ml={density_g_per_ml!r}"
        )
    if emitter.alpha_energy_mev > 0:
        raise DosimetryError(f"spheres cover beta and gamma emitters; {emitter.name} emits alphas")
    radius = np.cbrt(3 * mass * density_g_per_ml**2 / (4 * np.pi))  # g/cm2
    per_mev = GY_KG_PER_MBQ_H_PER_MEV / (mass / 1000)
    return SValue(
        electron=_kept(_electron_profile(emitter), radius) * per_mev,
        photon=_kept(_photon_profile(emitter), radius) * per_mev,
    )


def _kept(profile: tuple[FloatArray, FloatArray], radius: FloatArray) -> FloatArray:
    """Energy per decay (MeV) that stays in spheres of `radius` (g/cm2), shape of `radius`."""
    distance, deposited = profile
    middle = 0.5 * (distance[1:] + distance[:-1])
    factor = absorbed_fraction_geometry(middle, radius[..., None])
    return np.asarray(factor @ np.diff(deposited))


@cache
def _electron_profile(emitter: Nuclide) -> tuple[FloatArray, FloatArray]:
    """Path (g/cm2) and electron energy deposited up to it per decay (MeV)."""
    emission = np.concatenate([_beta_bins(emitter), emitter.electron_lines])
    if not len(emission):
        return np.array([0.0, 1.0]), np.zeros(2)
    start, count = emission.T
    reach = csda_range(start)
    path = reach.max() * np.linspace(0, 1, 801) ** 2
    energy, ranges = _range_table()
    left = np.interp(np.clip(reach - path[:, None], 0, None), ranges, energy)
    return path, (start - left) @ count


def _beta_bins(emitter: Nuclide) -> FloatArray:
    """The beta spectrum in narrow bins: energy (MeV) and yield, shape (n, 2)."""
    if not len(emitter.beta_spectrum):
        return np.empty((0, 2))
    energy, density = emitter.beta_spectrum.T
    edges = np.linspace(0, energy[-1], 401)
    middle = 0.5 * (edges[1:] + edges[:-1])
    count = np.interp(middle, energy, density) * np.diff(edges)
    scale = emitter.energy_mev["beta"] / float(middle @ count)
    return np.column_stack([middle, count * scale])


@cache
def _photon_profile(emitter: Nuclide) -> tuple[FloatArray, FloatArray]:
    """Distance (g/cm2) and photon energy deposited up to it per decay (MeV)."""
    distance = np.concatenate([[0.0], np.geomspace(1e-5, 60.0, 800)])
    energy, count = emitter.photon_lines.T
    stopped = -np.expm1(-_mu_en(energy) * distance[:, None])
    return distance, stopped @ (energy * count)


def _mu_en(energy_mev: FloatArray) -> FloatArray:
    """Mass energy-absorption coefficient of water (cm2/g), interpolated in log-log."""
    with (files("dosimetry") / "data" / "mu_en_water.csv").open() as lines:
        energy, value = np.loadtxt(lines, delimiter=",", skiprows=1).T
    return np.asarray(np.exp(np.interp(np.log(energy_mev), np.log(energy), np.log(value))))
