"""Half-lives, energy per decay by radiation type, and emission spectra (ICRP 107)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError

FloatArray = npt.NDArray[np.float64]

# CODATA 2018, exact: 1 eV = 1.602176634e-19 J. 1 MBq h is 3.6e9 decays.
GY_KG_PER_MBQ_H_PER_MEV = 1.602176634e-13 * 3.6e9
"""Mean energy emitted per unit of time-integrated activity for 1 MeV per decay (Gy kg/(MBq h))."""

_HOURS = {
    "us": 1e-6 / 3600,
    "ms": 1e-3 / 3600,
    "s": 1 / 3600,
    "m": 1 / 60,
    "h": 1.0,
    "d": 24.0,
    "y": 24 * 365.2422,
}
_RADIATIONS = {  # our name: keys of the ICRP 107 files
    "alpha": ("alpha",),
    "alpha_recoil": ("alpha recoil",),
    "beta": ("beta-", "beta+"),
    "conversion_electron": ("IE",),
    "auger": ("auger",),
    "gamma": ("gamma",),
    "x": ("X",),
    "annihilation": ("annihilation",),
    "delayed_beta": ("betaD",),
    "neutron": ("neutron",),
    "fission_fragment": ("fission",),
}
_ELECTRONS = ("beta", "conversion_electron", "auger", "delayed_beta")
_PHOTONS = ("gamma", "x", "annihilation")
_NAME = re.compile(r"(?P<symbol>[a-z]{1,2})-?(?P<mass>\d+)(?P<state>[mnpq]?)")
_MASS_FIRST = (  # 22na is Na-22, not metastable A-22n: the reading without a state comes first
    re.compile(r"(?P<mass>\d+)(?P<state>)-?(?P<symbol>[a-z]{1,2})"),
    re.compile(r"(?P<mass>\d+)(?P<state>[mnpq])-?(?P<symbol>[a-z]{1,2})"),
)


class EnergyPerDecay:
    """Sums over `energy_mev`, which nuclides and decay chains share.

    For a chain everything is per decay of the parent, and time-integrated activity is that of the
    parent.
    """

    if TYPE_CHECKING:

        @property
        def energy_mev(self) -> Mapping[str, float]:
            """Mean energy per decay (MeV) by radiation type."""

    @property
    def electron_energy_mev(self) -> float:
        """Mean energy of betas, delayed betas, conversion and Auger electrons per decay (MeV)."""
        return sum(self.energy_mev[kind] for kind in _ELECTRONS)

    @property
    def photon_energy_mev(self) -> float:
        """Mean energy of gamma rays, x rays and annihilation photons per decay (MeV)."""
        return sum(self.energy_mev[kind] for kind in _PHOTONS)

    @property
    def alpha_energy_mev(self) -> float:
        """Mean energy of alpha particles per decay (MeV), without the recoil of the nucleus."""
        return self.energy_mev["alpha"]

    @property
    def delta_electron_gy_kg_per_mbq_h(self) -> float:
        """Mean electron energy per time-integrated activity (Gy kg/(MBq h))."""
        return self.electron_energy_mev * GY_KG_PER_MBQ_H_PER_MEV

    @property
    def delta_photon_gy_kg_per_mbq_h(self) -> float:
        """Mean photon energy per time-integrated activity (Gy kg/(MBq h))."""
        return self.photon_energy_mev * GY_KG_PER_MBQ_H_PER_MEV

    @property
    def delta_alpha_gy_kg_per_mbq_h(self) -> float:
        """Mean alpha energy per time-integrated activity (Gy kg/(MBq h)), without recoil."""
        return self.alpha_energy_mev * GY_KG_PER_MBQ_H_PER_MEV

    @property
    def delta_alpha_recoil_gy_kg_per_mbq_h(self) -> float:
        """Mean energy of alpha recoil nuclei per time-integrated activity (Gy kg/(MBq h))."""
        return self.energy_mev["alpha_recoil"] * GY_KG_PER_MBQ_H_PER_MEV


@dataclass(frozen=True, eq=False)
class Nuclide(EnergyPerDecay):
    r"""Decay data of one radionuclide, without its progeny.

    Attributes
    ----------
    name : str
        ICRP 107 name, such as ``"Lu-177"``.
    half_life_h : float
        Physical half-life (h).
    energy_mev : mapping of str to float
        Mean energy per decay (MeV) by radiation type. Electrons: ``beta`` (minus and plus),
        ``conversion_electron``, ``auger`` and ``delayed_beta`` (of the products of spontaneous
        fission). Photons: ``gamma`` (prompt and delayed ones of fission included), ``x``,
        ``annihilation``. ``alpha`` and ``alpha_recoil`` (the recoil of the nucleus) stand apart.
        ``neutron`` and ``fission_fragment``, of the 28 nuclides with spontaneous fission, are in
        no sum below.
    lines : mapping of str to ndarray, shape (n_lines, 2)
        Discrete emissions by radiation type: energy (MeV) and yield per decay. For ``beta`` these
        are the branches: mean energy and yield. For ``delayed_beta``, ``neutron`` and
        ``fission_fragment`` it is one row: mean energy and number per decay.
    beta_spectrum : ndarray, shape (n, 2)
        Energy (MeV) and number of beta particles per MeV and decay; empty without beta decay.
        Delayed betas of fission are in it. Scaled so that its mean energy per decay equals
        ``energy_mev["beta"] + energy_mev["delayed_beta"]``.

    References
    ----------
    ICRP Publication 107, Nuclear decay data for dosimetric calculations. Ann ICRP 2008;38(3),
    doi:10.1016/j.icrp.2008.10.004; read from the Python package icrp107-database.
    """

    name: str
    half_life_h: float
    energy_mev: Mapping[str, float]
    lines: Mapping[str, FloatArray]
    beta_spectrum: FloatArray

    @property
    def decay_per_h(self) -> float:
        """Physical decay constant (1/h)."""
        return math.log(2) / self.half_life_h

    @property
    def electron_lines(self) -> FloatArray:
        """Conversion and Auger electrons, shape (n, 2): energy (MeV), yield per decay."""
        return np.concatenate([self.lines["conversion_electron"], self.lines["auger"]])

    @property
    def photon_lines(self) -> FloatArray:
        """Gamma, x and annihilation photons, shape (n, 2): energy (MeV), yield per decay."""
        return np.concatenate([self.lines[kind] for kind in _PHOTONS])


def nuclide_names() -> tuple[str, ...]:
    """Names of all nuclides of ICRP 107, sorted.

    Examples
    --------
    >>> names = nuclide_names()
    >>> len(names), "Tb-161" in names
    (1252, True)
    """
    return tuple(sorted(_available()))


def nuclide(name: str) -> Nuclide:
    """Decay data of a radionuclide by its name.

    Parameters
    ----------
    name : str
        ``"Lu-177"``, ``"Lu177"``, ``"177Lu"``, ``"lu-177"``; metastable states end in m.

    Returns
    -------
    Nuclide
        The same object for the same nuclide: each file is read once.

    Raises
    ------
    DosimetryError
        If ICRP 107 has no such nuclide; the message lists names that come close.

    Examples
    --------
    >>> lutetium = nuclide("177Lu")
    >>> lutetium.name, round(lutetium.half_life_h / 24, 3), round(lutetium.electron_energy_mev, 4)
    ('Lu-177', 6.647, 0.1479)
    """
    if not isinstance(name, str):
        raise DosimetryError(f"a nuclide is given by its name, such as 'Lu-177', got {name!r}")
    canonical = _canonical(name)
    if canonical not in _available():
        close = get_close_matches(canonical, sorted(_available()), n=5, cutoff=0.5)
        raise DosimetryError(
            f"no nuclide {name!r} in ICRP 107; did you mean {', '.join(close) or 'Lu-177'}?"
        )
    return _read(canonical)


def _canonical(name: str) -> str:
    """Lu-177 from any of the accepted spellings; the name itself where it fits none."""
    text = name.strip().lower()
    matches = (pattern.fullmatch(text) for pattern in (_NAME, *_MASS_FIRST))
    readings = [f"{m['symbol'].capitalize()}-{m['mass']}{m['state']}" for m in matches if m]
    known = [reading for reading in readings if reading in _available()]
    return next(iter(known + readings), name.strip())


@cache
def _folder() -> Path:
    """Folder of the ICRP 107 files, found without importing their package."""
    spec = find_spec("icrp107_database")
    if spec is None or spec.submodule_search_locations is None:
        raise DosimetryError("the decay data are missing: pip install icrp107-database")
    return Path(next(iter(spec.submodule_search_locations))) / "icrp107"


@cache
def _available() -> frozenset[str]:
    return frozenset(path.stem for path in _folder().glob("*.json"))


@cache
def _read(name: str) -> Nuclide:
    # the files hold a JSON string that itself is JSON
    data: dict[str, Any] = json.loads(json.loads((_folder() / f"{name}.json").read_text("utf-8")))
    emissions = data["emissions"]
    lines = {
        kind: _table([row for key in keys for row in emissions[key]])
        for kind, keys in _RADIATIONS.items()
    }
    energy = {kind: float(table.prod(axis=1).sum()) for kind, table in lines.items()}
    return Nuclide(
        name=name,
        half_life_h=float(data["half_life"]) * _HOURS[data["time_unit"]],
        energy_mev=MappingProxyType(energy),
        lines=MappingProxyType(lines),
        beta_spectrum=_renormalised(
            _table(emissions["b-spectra"]), energy["beta"] + energy["delayed_beta"]
        ),
    )


def _table(rows: list[list[float]]) -> FloatArray:
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    table.setflags(write=False)
    return table


def _renormalised(spectrum: FloatArray, energy_mev: float) -> FloatArray:
    """Scale a beta spectrum to the mean energy per decay of its branches."""
    if not len(spectrum):
        return spectrum
    energy, density = spectrum.T
    flow = energy * density
    mean = float((0.5 * (flow[1:] + flow[:-1]) * np.diff(energy)).sum())
    scaled = np.column_stack([energy, density * energy_mev / mean])
    scaled.setflags(write=False)
    return scaled
