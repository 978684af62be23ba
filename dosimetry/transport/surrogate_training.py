"""Fit of the regression behind the point kernels to the Monte Carlo (needs scikit-learn)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.transport.particle_kernels import electron_point_kernel, photon_point_kernel
from dosimetry.transport.surrogate import FIELDS, KernelSurrogate, particle_length_cm

FloatArray = npt.NDArray[np.float64]

SCALED_EDGES: dict[str, FloatArray] = {
    # the electron itself, then its bremsstrahlung far beyond the range
    "electron": np.concatenate([np.linspace(0, 1.2, 73), np.geomspace(1.2, 120, 17)[1:]]),
    "photon": 14 * np.linspace(0, 1, 85) ** 2,
}
"""Shells of the regression, in ranges (electron) or mean free paths (photon)."""

LIMITS_MEV = {"electron": (0.005, 8.0), "photon": (0.01, 8.0)}
"""Energies the regressions answer for."""

_BEYOND = 1.25  # training goes this factor past both limits
_COMPONENTS = 6


def training_energies(kind: str, n: int) -> FloatArray:
    """Energies to train on (MeV), evenly spaced in the logarithm and past both limits."""
    low, high = LIMITS_MEV[kind]
    return np.geomspace(low / _BEYOND, high * _BEYOND, n)


def monte_carlo_shares(
    kind: str,
    energy_mev: npt.ArrayLike,
    *,
    n_histories: int,
    seed: int,
) -> FloatArray:
    """Share of the energy absorbed in each shell of ``SCALED_EDGES`` and beyond, by Monte Carlo.

    Parameters
    ----------
    kind : {"electron", "photon"}
        Particle.
    energy_mev : array_like, shape (n,)
        Energies (MeV).
    n_histories : int
        Particles followed at each energy.
    seed : int
        Same numbers for the same seed.

    Returns
    -------
    ndarray, shape (n, k + 1)
    """
    kernel = electron_point_kernel if kind == "electron" else photon_point_kernel
    rows = []
    for k, energy in enumerate(np.asarray(energy_mev, dtype=np.float64).ravel().tolist()):
        edges = SCALED_EDGES[kind] * float(particle_length_cm(kind, [energy])[0])
        found = kernel(energy, edges_cm=edges, n_histories=n_histories, seed=seed + k)
        rows.append(np.append(found.absorbed_mev, found.outside_mev) / energy)
    return np.array(rows)


def fit_surrogate(
    kind: str, energy_mev: FloatArray, shares: FloatArray, *, seed: int = 0
) -> KernelSurrogate:
    """Principal components of the roots of shares, each score a Gaussian process of log energy.

    Parameters
    ----------
    kind : {"electron", "photon"}
        Particle.
    energy_mev : ndarray, shape (n,)
        Energies of the Monte Carlo (MeV).
    shares : ndarray, shape (n, k + 1)
        From `monte_carlo_shares`.
    seed : int
        Of the restarts of the optimiser; the same seed gives the same fit.

    Returns
    -------
    KernelSurrogate

    Raises
    ------
    DosimetryError
        If the shares do not fit the shells and energies, or do not sum to one.

    Notes
    -----
    Counting errors of the root of a share are the same in all shells, as the components want them.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    if shares.shape != (len(energy_mev), len(SCALED_EDGES[kind])):
        raise DosimetryError(
            f"shares must have a row for each of {len(energy_mev)} energies and "
            f"{len(SCALED_EDGES[kind])} columns, got shape {shares.shape}"
        )
    if not (np.all(shares >= 0) and np.allclose(shares.sum(axis=1), 1, atol=1e-6)):
        raise DosimetryError("shares must be positive and sum to one at each energy")
    log_energy, roots = np.log(energy_mev), np.sqrt(shares)
    mean = roots.mean(axis=0)
    _, _, components = np.linalg.svd(roots - mean, full_matrices=False)
    components = components[:_COMPONENTS]
    scores = (roots - mean) @ components.T
    dual, length = np.empty_like(scores), np.empty(len(components))
    for j, score in enumerate(scores.T):
        prior = ConstantKernel(10.0, (1e-3, 1e5)) * RBF(2.0, (0.3, 20.0))
        process = GaussianProcessRegressor(
            prior + WhiteKernel(1e-3, (1e-8, 1.0)), n_restarts_optimizer=2, random_state=seed
        )
        size = float(score.std())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a bound reached is an answer
            process.fit(log_energy[:, None], score / size)
        dual[:, j] = process.alpha_ * process.kernel_.k1.k1.constant_value * size
        length[j] = process.kernel_.k1.k2.length_scale
    limits = np.array(LIMITS_MEV[kind])
    return KernelSurrogate(
        kind, limits, SCALED_EDGES[kind], log_energy, mean, components, dual, length
    )


def train_surrogate(
    path: Path,
    *,
    n_electron_energies: int = 43,
    n_photon_energies: int = 37,
    n_histories: int = 400_000,
    seed: int = 2026,
) -> dict[str, KernelSurrogate]:
    """Run the Monte Carlo, fit both regressions and write them to a file.

    Parameters
    ----------
    path : Path
        Where to write; ``dosimetry/data/point_kernel_surrogate.npz`` is what the package reads.
    n_electron_energies, n_photon_energies : int
        Energies to train on.
    n_histories : int
        Particles followed at each energy.
    seed : int
        Same file for the same seed.

    Returns
    -------
    dict of str to KernelSurrogate
        By kind: ``"electron"`` and ``"photon"``.
    """
    models = {}
    counts = {"electron": n_electron_energies, "photon": n_photon_energies}
    for k, (kind, n) in enumerate(counts.items()):
        energy = training_energies(kind, n)
        shares = monte_carlo_shares(kind, energy, n_histories=n_histories, seed=seed + 1000 * k)
        models[kind] = fit_surrogate(kind, energy, shares, seed=seed)
    arrays = {
        f"{kind}_{name}": getattr(model, name) for kind, model in models.items() for name in FIELDS
    }
    np.savez_compressed(path, **arrays)
    return models
