"""ICRP Publication 133: the user's own specific absorbed fractions, folded to S values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dosimetry.chains import Emitter, RadiationSource, emitter_of
from dosimetry.nuclides import GY_KG_PER_MBQ_H_PER_MEV, Nuclide
from dosimetry.s_values import SValue, SValueTable
from dosimetry.s_values.readers.files import number, read_text, refuse
from dosimetry.s_values.readers.regions import region_name
from dosimetry.s_values.readers.split import Pair
from dosimetry.s_values.readers.tables import checked_sex, table_of

FloatArray = npt.NDArray[np.float64]
_Fraction = Callable[[FloatArray], FloatArray]

_RECOIL_MEV = 2.0  # recoil nuclei take the fractions of alpha particles of this energy, para. 78
_PARTICLES = ("alpha", "electron", "photon")
_NO_FINITE_MASS = 1e-9  # kg; surfaces and boundaries have no mass of their own


@dataclass(frozen=True)
class _Fractions:
    """Specific absorbed fractions (1/kg) of one particle by pair, over energies (MeV)."""

    path: Path
    energy_mev: FloatArray
    per_kg: Mapping[Pair, FloatArray]


@dataclass(frozen=True)
class _Region:
    mass_kg: float
    in_other_tissue: bool


def read_icrp133(folder: str | Path, *, nuclide: RadiationSource, sex: str) -> SValueTable:
    r"""S values of any nuclide from the files of ICRP Publication 133 (as IDAC-Dose 2.1 does).

    The files are the supplement of the publication, which everyone downloads on their own; none
    is part of this package.

    Parameters
    ----------
    folder : str or Path
        Holds ``rcp-am_alpha_*.SAF``, ``rcp-am_electron_*.SAF`` and ``rcp-am_photon_*.SAF`` (af for
        women) and ``sregions_*.NDX``.
    nuclide : str, Nuclide or DecayChain
        A chain is the sum over its members' decays per decay of the parent.
    sex : {"male", "female"}
        Reference adult.

    Returns
    -------
    SValueTable
        All pairs of the files, by radiation, in Gy; the source whole_body is their mean over the
        tissues, weighted by mass.

    Raises
    ------
    DosimetryError
        If a file is missing, there twice, or not in the layout of ICRP 133.

    Notes
    -----
    :math:`S = \sum_i Y_i E_i \Phi(E_i)`, beta particles integrated over their spectrum (ICRP 107,
    scaled to the mean energy of the branches); fractions between the energies of the files by
    monotone cubic interpolation. Recoil nuclei take the fractions of 2 MeV alpha particles
    (paragraph 78). Neutrons and fission fragments are left out.

    References
    ----------
    ICRP Publication 133, The ICRP computational framework for internal dose assessment for
    reference adults: specific absorbed fractions. Ann ICRP 2016;45(2).
    """
    root = Path(folder)
    code = "am" if checked_sex(sex) == "male" else "af"
    regions = _read_regions(_only(root, "sregions_*.NDX"), sex)
    saf = {kind: _read_fractions(_only(root, f"rcp-{code}_{kind}_*.SAF")) for kind in _PARTICLES}
    pairs = _common_pairs(saf)
    source = emitter_of(nuclide)
    values = {pair: _s_value(source, saf, pair) for pair in pairs}
    tissue = {name: region for name, region in regions.items() if region.in_other_tissue}
    values |= _from_the_body(values, tissue)
    mass_g = {
        name: 1000 * region.mass_kg
        for name, region in regions.items()
        if region.mass_kg > _NO_FINITE_MASS
    }
    mass_g["whole_body"] = 1000 * sum(region.mass_kg for region in tissue.values())
    return table_of(
        values,
        source,
        sex=sex,
        phantom=f"ICRP 110 and 133 reference {sex}",
        path=saf["electron"].path,
        program="ICRP Publication 133",
        mass_g=mass_g,
        assumptions=(
            "ASSUMED: whole_body as a source is activity spread evenly over the tissues that the "
            f"files count as other tissue, {mass_g['whole_body']:g} g without contents of organs",
            "neutrons and fission fragments are left out",
        ),
    )


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        refuse(folder / pattern, f"found {names}; legal is one such file in {folder}")
    return found[0]


def _read_regions(path: Path, sex: str) -> dict[str, _Region]:
    """Source regions: name, male mass (kg) and flag of other tissue, female mass and flag."""
    file, text = read_text(path)
    regions: dict[str, _Region] = {}
    column = 1 if sex == "male" else 3
    for row, line in enumerate(text.splitlines(), start=1):
        cells = line.split()
        if row <= 5 or not cells:  # title and heading; the fourth line holds their number
            continue
        if len(cells) < 5:
            refuse(file, "legal is a name, and mass (kg) and flag of man and woman", row=row)
        mass_kg = number(file, cells[column], row=row, column="mass")
        regions[region_name(cells[0])] = _Region(mass_kg, cells[column + 1] == "1")
    if not any(region.in_other_tissue for region in regions.values()):
        refuse(file, "no region is flagged as other tissue; legal is a flag 1 for each of them")
    return regions


def _read_fractions(path: Path) -> _Fractions:
    """Fractions by pair: lines ``target<-source`` and one number for each energy of line 4."""
    file, text = read_text(path)
    lines = text.splitlines()
    if len(lines) < 6:
        refuse(file, "legal are three lines of title, the energies, a rule and the fractions")
    head = lines[3].split()
    energy_mev = [float(cell) for cell in head[2:] if _is_number(cell)]
    if len(energy_mev) < 4 or not (np.diff(energy_mev) > 0).all():
        refuse(file, "legal are the numbers of regions and then rising energies (MeV)", row=4)
    n = len(energy_mev)
    per_kg: dict[Pair, FloatArray] = {}
    for row, line in enumerate(lines[5:], start=6):
        if not line.strip():
            continue
        target, arrow, rest = line.partition("<-")
        source, fields = rest[:10], rest[10:]
        cells = [fields[10 * i : 10 * i + 10].strip() for i in range(n)]
        if not arrow or not cells[-1]:
            refuse(file, f"legal is target<-source and {n} numbers of ten characters", row=row)
        pair = region_name(target), region_name(source)
        if pair in per_kg:
            refuse(file, f"{pair[0]} <- {pair[1]} is given twice", row=row)
        per_kg[pair] = np.array(
            [
                number(file, cell, row=row, column=f"{energy:g} MeV")
                for cell, energy in zip(cells, energy_mev, strict=True)
            ]
        )
    return _Fractions(file, np.array(energy_mev), per_kg)


def _is_number(cell: str) -> bool:
    try:
        return float(cell) >= 0
    except ValueError:
        return False


def _common_pairs(saf: Mapping[str, _Fractions]) -> list[Pair]:
    first, *others = saf.values()
    for other in others:
        odd = sorted(set(first.per_kg) ^ set(other.per_kg))
        if odd:
            refuse(other.path, f"{odd[0][0]} <- {odd[0][1]} is not in {first.path.name} and here")
    return list(first.per_kg)


def _s_value(source: Emitter, saf: Mapping[str, _Fractions], pair: Pair) -> SValue:
    fraction = {kind: _interpolated(table, pair) for kind, table in saf.items()}
    if isinstance(source, Nuclide):
        electron, photon, alpha = _energy_per_kg(source, fraction)
    else:
        members = [
            (m.decays_per_parent, _energy_per_kg(m.nuclide, fraction)) for m in source.members
        ]
        electron, photon, alpha = (
            sum(decays * parts[i] for decays, parts in members) for i in range(3)
        )
    scale = GY_KG_PER_MBQ_H_PER_MEV
    return SValue(scale * electron, scale * photon, scale * alpha)


def _energy_per_kg(
    nuclide: Nuclide, fraction: Mapping[str, _Fraction]
) -> tuple[float, float, float]:
    """Energy absorbed per decay and mass (MeV/kg) from electrons, photons and alpha particles."""
    energy, density = nuclide.beta_spectrum.T
    flow = energy * density * fraction["electron"](energy)
    beta = float((0.5 * (flow[1:] + flow[:-1]) * np.diff(energy)).sum())
    recoil = nuclide.energy_mev["alpha_recoil"] * fraction["alpha"](np.array([_RECOIL_MEV])).item()
    return (
        beta + _lines(nuclide.electron_lines, fraction["electron"]),
        _lines(nuclide.photon_lines, fraction["photon"]),
        recoil + _lines(nuclide.lines["alpha"], fraction["alpha"]),
    )


def _lines(lines: FloatArray, fraction: _Fraction) -> float:
    energy, per_decay = lines.T
    return float((energy * per_decay * fraction(energy)).sum())


def _interpolated(table: _Fractions, pair: Pair) -> _Fraction:
    """Monotone cubic interpolation, constant beyond the energies of the file."""
    from scipy.interpolate import PchipInterpolator

    curve = PchipInterpolator(table.energy_mev, table.per_kg[pair])
    low, high = table.energy_mev[0], table.energy_mev[-1]
    return lambda energy: np.asarray(curve(np.clip(energy, low, high)))


def _from_the_body(
    values: Mapping[Pair, SValue], tissue: Mapping[str, _Region]
) -> dict[Pair, SValue]:
    """S values of activity spread over the tissues, where all of them are sources."""
    whole_kg = sum(region.mass_kg for region in tissue.values())
    body: dict[Pair, SValue] = {}
    for target in dict.fromkeys(target for target, _ in values):
        if not all((target, name) in values for name in tissue):
            continue
        parts = [(region.mass_kg, values[target, name]) for name, region in tissue.items()]
        body[target, "whole_body"] = SValue(
            sum(mass * part.electron for mass, part in parts) / whole_kg,
            sum(mass * part.photon for mass, part in parts) / whole_kg,
            sum(mass * part.alpha for mass, part in parts) / whole_kg,
        )
    return body
