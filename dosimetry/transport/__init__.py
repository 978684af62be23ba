"""Monte Carlo of electrons and photons in water, and the kernels it yields.

From the physics to the dose: `electrons`, `elastic` and `photons` hold cross sections,
`electron_table` puts them on a grid, `run` follows particles (compiled in the ``_*_kernels``),
`particle_kernels` are point kernels of one energy. `emissions` says what a nuclide emits,
`nuclide_kernels` are its kernels by Monte Carlo. `surrogate` gives the same point kernels in
milliseconds, from a regression that `surrogate_training` fits. `point_kernel` and `voxel_kernel`
hold the types of the results.
"""

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
from dosimetry.transport.particle_kernels import electron_point_kernel, photon_point_kernel
from dosimetry.transport.photons import photon_cross_sections
from dosimetry.transport.point_kernel import PointKernel

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
