"""S values of a tissue sphere: tumours of any mass, any nuclide or decay chain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dosimetry.chains import RadiationSource, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import GY_KG_PER_MBQ_H_PER_MEV, FloatArray
from dosimetry.s_values import SValue
from dosimetry.transport.emissions import RADIATIONS
from dosimetry.transport.point_kernel import PointKernel

SOFT_TISSUE_DENSITY_G_PER_ML = 1.03
"""ASSUMED density of a tumour where none is given."""


def sphere_assumptions(source: RadiationSource) -> tuple[str, ...]:
    """What is taken for granted in the S value of a sphere, in words."""
    notes = (
        "ASSUMED: a tumour is a sphere of uniform activity, of the composition of water, in an "
        "endless medium of the same density",
    )
    if emitter_of(source).alpha_energy_mev == 0:
        return notes
    return (
        *notes,
        "ASSUMED: alpha particles and recoil nuclei stop where they are emitted (their ranges are "
        "below 0.1 mm)",
    )


def absorbed_in_sphere(kernel: PointKernel, radius_cm: npt.ArrayLike) -> FloatArray:
    r"""Energy absorbed in a sphere of water with activity spread evenly in it (MeV per decay).

    Parameters
    ----------
    kernel : PointKernel
        Energy by distance from a point source.
    radius_cm : array_like, shape (...)
        Radius in water of 1 g/mL (cm), that is g/cm2.

    Returns
    -------
    ndarray, shape (...)

    Notes
    -----
    :math:`\int_0^{2R} K(r)\, U(r)\, dr` with :math:`U = 1 - 3r/4R + r^3/16R^3`, the chance that a
    displacement by r from a random point of the sphere ends in it; from the moments of K up to 2R,
    the energy of a shell spread evenly over its width.

    References
    ----------
    Goddu SM, Howell RW, Rao DV. J Nucl Med 1994;35:303-316.
    """
    radius = np.asarray(radius_cm, dtype=np.float64)
    edges, density = kernel.edges_cm, kernel.absorbed_mev / np.diff(kernel.edges_cm)
    end = np.minimum(2 * radius, edges[-1])
    shell = np.clip(np.searchsorted(edges, end, side="right") - 1, 0, len(density) - 1)

    def moment(n: int) -> FloatArray:
        power = edges ** (n + 1) / (n + 1)
        whole = np.concatenate([[0.0], np.cumsum(density * np.diff(power))])
        part = density[shell] * (end ** (n + 1) / (n + 1) - power[shell])
        return np.asarray(whole[shell] + part)

    return moment(0) - 0.75 / radius * moment(1) + moment(3) / (16 * radius**3)


def sphere_s_value(
    source: RadiationSource,
    *,
    mass_g: npt.ArrayLike,
    density_g_per_ml: float = SOFT_TISSUE_DENSITY_G_PER_ML,
) -> SValue:
    r"""S value of a water-like sphere for activity spread evenly in it.

    Parameters
    ----------
    source : str, Nuclide or DecayChain
        A nuclide alone, or a chain with the yields of its daughters.
    mass_g : array_like, shape (...)
        Mass of the sphere (g); draws are welcome.
    density_g_per_ml : float
        Density (g/mL); it sets the radius.

    Returns
    -------
    SValue
        Electron, photon and alpha part, shape (...); for a chain per decay of the parent.

    Notes
    -----
    :math:`S = \int K(r)\, U(r)\, dr / m` with the point kernels K of `nuclide_kernel` and the
    geometric factor U of `absorbed_in_sphere`. `sphere_assumptions` says what is taken
    for granted.

    Raises
    ------
    DosimetryError
        If the mass or density is not positive, or the nuclide is unknown.

    Examples
    --------
    >>> round(float(sphere_s_value("Lu-177", mass_g=10.0).total), 4)  # Gy/(MBq h)
    0.0085
    """
    from dosimetry.transport.surrogate import nuclide_kernel

    mass = np.asarray(mass_g, dtype=np.float64)
    if not (np.all(mass > 0) and np.all(np.isfinite(mass)) and 0 < density_g_per_ml < np.inf):
        raise DosimetryError(
            f"mass and density of a sphere must be positive and finite, got mass_g={mass_g!r} and "
            f"density_g_per_ml={density_g_per_ml!r}"
        )
    radius = np.cbrt(3 * mass * density_g_per_ml**2 / (4 * np.pi))  # g/cm2
    per_mev = GY_KG_PER_MBQ_H_PER_MEV / (mass / 1000)
    electrons, photons, alpha = (nuclide_kernel(source, radiations=[r]) for r in RADIATIONS)
    return SValue(
        electron=absorbed_in_sphere(electrons, radius) * per_mev,
        photon=absorbed_in_sphere(photons, radius) * per_mev,
        alpha=alpha.energy_mev * per_mev,
    )
