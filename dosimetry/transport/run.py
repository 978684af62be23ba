"""Run the Monte Carlo: tables, seeds and batches on all cores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.transport import _columns as col
from dosimetry.transport.electron_table import electron_table
from dosimetry.transport.electrons import ELECTRON_MASS_MEV, LOWEST_ENERGY_MEV, range_table
from dosimetry.transport.photons import form_table, photon_table
from kinetics.cores import n_cores, on_all_cores
from kinetics.progress import tracked

FloatArray = npt.NDArray[np.float64]

N_BATCHES = 40
"""Independent batches of a run: the standard error comes from their spread."""
_PHOTON_CUT_MEV = 0.01
_KILL_CM = 30.0


@dataclass(frozen=True, eq=False)
class Setup:
    """What is simulated, apart from the source spectrum.

    Attributes
    ----------
    edges : ndarray
        Shells: their radii (cm). Voxels: three sizes (cm) and the half width in voxels.
    n_cells : int
        Cells scored; one more holds the rest.
    geometry : int
        SHELLS or VOXELS.
    source_cm : tuple of three float
        Shells: radius of the source sphere, 0 for a point. Voxels: half sizes of the source.
    detail_cm : float
        Length that matters: electrons with a range shorter than it are stopped.
    photons : bool
        Follow photons; else their energy counts as carried away.
    """

    edges: FloatArray
    n_cells: int
    geometry: int
    source_cm: tuple[float, float, float]
    detail_cm: float
    photons: bool = True


def run(
    source: FloatArray, setup: Setup, *, n_histories: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Part of the emitted energy absorbed in each cell (and the rest), and its standard error.

    The parameters are those of `batches`.
    """
    scores = batches(source, setup, n_histories=n_histories, seed=[seed])
    return scores.mean(axis=0), standard_error(scores)


def standard_error(scores: FloatArray) -> FloatArray:
    """Standard error of the mean of batches (first axis)."""
    return np.asarray(scores.std(axis=0, ddof=1) / np.sqrt(len(scores)))


def batches(
    source: FloatArray,
    setup: Setup,
    *,
    n_histories: int,
    seed: list[int],
    progress: bool = False,
) -> FloatArray:
    """Part of the emitted energy by batch and cell, shape (n_batches, n_cells + 1).

    Parameters
    ----------
    source : ndarray, shape (n, 4)
        Cumulative share of the emitted energy, lowest and highest energy (MeV), kind.
    setup : Setup
        Geometry.
    n_histories : int
        Histories, rounded up to a multiple of the batches.
    seed : list of int
        Same numbers for the same seed, whatever the number of cores.
    progress : bool
        Show a bar when the run lasts more than two seconds.
    """
    from dosimetry.transport._shower_kernels import run_batches

    if n_histories < N_BATCHES:
        raise DosimetryError(f"n_histories must be {N_BATCHES} or more, got {n_histories}")
    n = -(-n_histories // N_BATCHES)
    states = np.random.SeedSequence(seed).generate_state(N_BATCHES, np.uint64)
    scores = np.zeros((N_BATCHES, setup.n_cells + 1))
    physics = _physics(source, setup)
    finder = _finder(setup)

    def work(begin: int, first: int, last: int) -> None:
        k = begin + first
        run_batches(*physics, source, setup.edges, finder, n, states, scores, k, begin + last)

    step = 2 * n_cores() if progress else N_BATCHES
    rounds = range(0, N_BATCHES, step)
    for begin in tracked(rounds, len(rounds), "transport", shown=progress):
        on_all_cores(min(step, N_BATCHES - begin), partial(work, begin))
    return scores / n


def _physics(
    source: FloatArray, setup: Setup
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Tables of electrons and photons, form factors and scalars."""
    highest = float(source[:, col.UPPER].max()) * 1.0001
    if np.any(source[:, col.KIND] == col.PHOTON):
        highest += ELECTRON_MASS_MEV
    cutoff = cutoff_mev(setup.detail_cm)
    electrons, lowest, per_log = electron_table(highest, cutoff, _PHOTON_CUT_MEV)
    photons = photon_table()
    settings = np.zeros(col.N_SETTINGS)
    settings[col.ELECTRON_LOG_MIN] = lowest
    settings[col.ELECTRON_PER_LOG] = per_log
    settings[col.CUTOFF] = settings[col.DELTA_CUT] = cutoff
    settings[col.PHOTON_CUT] = _PHOTON_CUT_MEV
    settings[col.FOLLOW_PHOTONS] = setup.photons
    settings[col.GEOMETRY] = setup.geometry
    settings[col.SOURCE_X : col.SOURCE_Z + 1] = setup.source_cm
    settings[col.KILL_RADIUS] = _KILL_CM + (
        setup.edges[-1] if setup.geometry == col.SHELLS else setup.edges[:3].max() * setup.edges[3]
    )
    settings[col.PHOTON_LOG_MIN], settings[col.PHOTON_PER_LOG] = photons[1:]
    return electrons, photons[0], form_table(), settings


def cutoff_mev(detail_cm: float) -> float:
    """Energy (MeV) of electrons whose range is `detail_cm`; not below 1 keV."""
    energy, reach = range_table()
    return float(max(np.interp(detail_cm, reach, energy), LOWEST_ENERGY_MEV))


def _finder(setup: Setup) -> npt.NDArray[np.int64]:
    """For 4096 equal parts of the largest radius: the shell in which each begins."""
    if setup.geometry == col.VOXELS:
        return np.zeros(1, np.int64)
    starts = np.arange(4096) / 4096 * setup.edges[-1]
    first = np.searchsorted(setup.edges, starts, side="right") - 1
    return np.asarray(first, dtype=np.int64)
