"""Monte Carlo of electrons and photons in water, and the point kernels it yields."""

from dosimetry.transport.electrons import (
    collision_stopping_power,
    csda_range,
    radiative_stopping_power,
)
from dosimetry.transport.nuclide_kernels import (
    TRANSPORT_ASSUMPTIONS,
    nuclide_point_kernel,
    sphere_absorbed_energy,
    voxel_kernel_monte_carlo,
)
from dosimetry.transport.photons import photon_cross_sections
from dosimetry.transport.point_kernel import PointKernel
from dosimetry.transport.point_kernels import electron_point_kernel, photon_point_kernel

__all__ = [
    "TRANSPORT_ASSUMPTIONS",
    "PointKernel",
    "collision_stopping_power",
    "csda_range",
    "electron_point_kernel",
    "nuclide_point_kernel",
    "photon_cross_sections",
    "photon_point_kernel",
    "radiative_stopping_power",
    "sphere_absorbed_energy",
    "voxel_kernel_monte_carlo",
]
