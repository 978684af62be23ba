"""From the values of a file to an `SValueTable`: weighting removed, parts split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from dosimetry.anatomy import SEXES
from dosimetry.chains import Emitter
from dosimetry.errors import DosimetryError
from dosimetry.s_values import SValue, SValueTable
from dosimetry.s_values.readers.regions import icrp89_mass_g
from dosimetry.s_values.readers.split import Pair, emission, split_totals
from dosimetry.s_values.readers.units import SValueUnit

_SOLID = ("kidneys", "liver", "spleen")  # keep more than half of their charged energy

RADIATIONS: Mapping[str, str] = MappingProxyType(
    {
        "electron": "electron",
        "electrons": "electron",
        "beta": "electron",
        "photon": "photon",
        "photons": "photon",
        "gamma": "photon",
        "alpha": "alpha",
        "total": "total",
        "": "total",
    }
)
"""Kinds of radiation by their names in files; no name is the total."""


def checked_sex(sex: str) -> str:
    """Sex of the phantom, if it is legal."""
    if sex not in SEXES:
        raise DosimetryError(f"sex must be one of {SEXES}, got {sex!r}")
    return sex


def masses(
    sex: str, mass_g: Mapping[str, float] | None, whose: str
) -> tuple[dict[str, float], str]:
    """Masses of the phantom (g): the user's before those of ICRP 89; and what was assumed."""
    given = dict(mass_g or {})
    for region, mass in given.items():
        if not 0 < mass < float("inf"):
            raise DosimetryError(f"mass_g[{region!r}] must be positive, got {mass!r}")
    assumed = f"ASSUMED: regions without a given mass weigh what ICRP 89 says ({sex}), as {whose}"
    return icrp89_mass_g(sex) | given, assumed


def weighting(
    unit: SValueUnit, w_alpha: float | None, source: Emitter, usual: float | None
) -> float:
    """Radiation weighting factor of alpha particles inside the values of a file.

    Raises
    ------
    DosimetryError
        If the values are in sievert, the nuclide emits alpha particles and no factor is known.
    """
    if w_alpha is not None:
        if not 1 <= w_alpha < float("inf"):
            raise DosimetryError(f"w_alpha must be 1 or more, got {w_alpha!r}")
        return w_alpha
    if not unit.weighted:
        return 1.0
    if usual is None and emission(source).alpha > 0:
        raise DosimetryError(
            f"the file is in sievert and {source.name} emits alpha particles: give w_alpha, the "
            "factor that the program multiplied them by (OLINDA/EXM 5, ICRP 20)"
        )
    return usual or 1.0


def weighting_note(w_alpha: float, source: Emitter) -> tuple[str, ...]:
    """What was done about the weighting factor, where it matters."""
    if w_alpha == 1 or not emission(source).alpha:
        return ()
    return (f"alpha parts of the file divided by the radiation weighting factor {w_alpha:g}",)


def parts_to_values(
    parts: Mapping[Pair, Mapping[str, float]],
    source: Emitter,
    *,
    mass_g: Mapping[str, float],
    w_alpha: float,
    place: Callable[[Pair], str],
) -> tuple[dict[Pair, SValue], tuple[str, ...]]:
    """S values from parts by radiation, or from totals where a file holds no parts.

    Raises
    ------
    DosimetryError
        If parts and total of a pair contradict each other or the conservation of energy.
    """
    totals = {pair: given["total"] for pair, given in parts.items() if set(given) == {"total"}}
    values, notes = (
        split_totals(totals, source, mass_g=mass_g, w_alpha=w_alpha, place=place)
        if totals
        else ({}, ())
    )
    for pair, given in parts.items():
        if pair in totals:
            continue
        value = SValue(
            given.get("electron", 0.0),
            given.get("photon", 0.0),
            given.get("alpha", 0.0) / w_alpha,
        )
        _check_sum(pair, given, place)
        _check_energy(pair, value, source, mass_g, w_alpha, place)
        values[pair] = value
    return {pair: values[pair] for pair in parts if pair in values}, notes


def table_of(
    values: Mapping[Pair, SValue],
    source: Emitter,
    *,
    sex: str,
    phantom: str,
    path: Path,
    program: str,
    mass_g: Mapping[str, float],
    assumptions: tuple[str, ...],
) -> SValueTable:
    """An `SValueTable` of a user's file."""
    if not values:
        raise DosimetryError(f"{path.name}: no S value was found; legal is at least one")
    return SValueTable(
        nuclide=source.name,
        sex=sex,
        phantom=phantom,
        marrow_model=None,
        source=f"{program}, {path.name}",
        mass_g=MappingProxyType(dict(mass_g)),
        values=MappingProxyType(dict(values)),
        assumptions=assumptions,
    )


def _check_sum(pair: Pair, given: Mapping[str, float], place: Callable[[Pair], str]) -> None:
    total = given.get("total")
    if total is None:
        return
    found = sum(value for kind, value in given.items() if kind != "total")
    if abs(found - total) > 0.02 * total:
        raise DosimetryError(
            f"{place(pair)}: the parts of {pair[0]} <- {pair[1]} add up to {found:.3g}, its total "
            f"is {total:.3g} Gy/(MBq h); correct the file, or leave the total out"
        )


def _check_energy(
    pair: Pair,
    value: SValue,
    source: Emitter,
    mass_g: Mapping[str, float],
    w_alpha: float,
    place: Callable[[Pair], str],
) -> None:
    """Refuse what no absorbed fraction explains: a wrong unit, nuclide, factor or mass."""
    mass = mass_g.get(pair[0])
    if mass is None:
        return
    emitted = emission(source)
    solid = pair[0] == pair[1] and pair[0] in _SOLID
    for kind in ("electron", "photon", "alpha"):
        part, energy = float(getattr(value, kind)), getattr(emitted, kind)
        most = 1.1 * energy / mass + 1e-15
        least = 0.5 * energy / mass if solid and part and kind != "photon" else 0.0
        if not least <= part <= most:
            raise DosimetryError(
                f"{place(pair)}: the {kind} part of {pair[0]} <- {pair[1]} is {part:.3g} "
                f"Gy/(MBq h), but {source.name} gives {least:.3g} to {most:.3g} to {mass:g} g; "
                f"check the unit, the nuclide, w_alpha ({w_alpha:g}) and mass_g"
            )
