"""Printed totals split into electrons, photons and alpha particles by the physics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from dosimetry.chains import Emitter
from dosimetry.errors import DosimetryError
from dosimetry.s_values import SValue
from dosimetry.s_values.readers.regions import HOLLOW, SKELETON

Pair = tuple[str, str]
_LOWEST_SHARE = 0.6  # of the charged energy that a solid organ must keep to be believed
_LEAST_ELECTRONS, _LEAST_ALPHA = 0.1, 0.4  # shares that marrow keeps of its own, at the least
_ALPHA_FROM_BONE = 0.5  # OLINDA/EXM 2: half of the alpha energy of trabecular bone is in marrow
_ROUNDING = 0.03  # of a total: three printed digits and masses rounded to the gram

SPLIT_NOTES = (
    "ASSUMED: the file holds totals; electrons and alpha particles of a solid organ stay in it "
    "(energy per decay over mass), walls get half of what their contents emit, and the rest of "
    "each total is counted as photons",
    "ASSUMED: photons from marrow and trabecular bone reach the marrow like those from cortical "
    "bone; what exceeds them in the printed total is electrons and alpha particles",
)


@dataclass(frozen=True)
class Emission:
    """Energy emitted per time-integrated activity (Gy g/(MBq h)) by radiation type."""

    electron: float
    photon: float
    alpha: float


def emission(source: Emitter) -> Emission:
    """Emitted energy by radiation type; recoil nuclei count with the alpha particles."""
    alpha = source.delta_alpha_gy_kg_per_mbq_h + source.delta_alpha_recoil_gy_kg_per_mbq_h
    return Emission(
        electron=1000 * source.delta_electron_gy_kg_per_mbq_h,
        photon=1000 * source.delta_photon_gy_kg_per_mbq_h,
        alpha=1000 * alpha,
    )


@dataclass(frozen=True)
class _Table:
    """Totals of one file with what the rules need."""

    total: Mapping[Pair, float]
    mass_g: Mapping[str, float]
    emitted: Emission
    w_alpha: float
    place: Callable[[Pair], str]

    def refuse(self, pair: Pair, message: str, advice: str = "") -> NoReturn:
        target, source = pair
        raise DosimetryError(
            f"{self.place(pair)}: {target} <- {source} is {self.total[pair]:.3g} Gy/(MBq h): "
            f"{message}; check the unit, the nuclide, w_alpha ({self.w_alpha:g}) and mass_g"
            f"{advice}"
        )


def split_totals(
    total: Mapping[Pair, float],
    source: Emitter,
    *,
    mass_g: Mapping[str, float],
    w_alpha: float,
    place: Callable[[Pair], str],
) -> tuple[dict[Pair, SValue], tuple[str, ...]]:
    r"""S values by radiation from totals, and what was assumed.

    Parameters
    ----------
    total : mapping of (target, source) to float
        Totals (Gy/(MBq h), the alpha part times `w_alpha`).
    source : Emitter
        The nuclide or chain.
    mass_g : mapping of str to float
        Masses (g) of the phantom's regions, where they are known.
    w_alpha : float
        Radiation weighting factor inside the totals.
    place : callable
        Names the file, row and column of a pair for messages.

    Notes
    -----
    Charged particles: :math:`\Delta/m` for a solid organ on itself, :math:`\Delta/M` from and to
    the whole body, :math:`\Delta_e/2m` from contents to their wall. Photons are the rest. Energy
    is conserved: a total that asks for more than the nuclide emits, or a solid organ that keeps
    less than 60 % of its charged energy, is refused, because then the unit, the nuclide, the
    masses or the weighting factor are not those of the file.

    Raises
    ------
    DosimetryError
        If a total breaks the conservation of energy.
    """
    table = _Table(total, mass_g, emission(source), w_alpha, place)
    values: dict[Pair, SValue] = {}
    notes: dict[str, list[str]] = {}
    for pair in total:
        value, note = _split_marrow(table, pair) if pair[0] == "marrow" else _split(table, pair)
        if note:
            notes.setdefault(note, []).append(f"{pair[0]} <- {pair[1]}")
        if value is not None:
            values[pair] = value
    listed = tuple(f"{note}: {', '.join(pairs)}" for note, pairs in notes.items())
    return values, (*SPLIT_NOTES, *listed)


def _split(table: _Table, pair: Pair) -> tuple[SValue | None, str]:
    charged = _charged(table, pair)
    total = table.total[pair]
    if charged is None:
        return _not_split(table, total)
    electron, alpha = charged
    kept = electron + table.w_alpha * alpha
    photon = total - kept
    if photon >= 0:
        _check_photons(table, pair, photon)
        return SValue(electron, photon, alpha), ""
    if total < _LOWEST_SHARE * kept:
        if pair[0] == pair[1] and pair[0] != "whole_body":
            table.refuse(pair, f"its own charged particles alone give {kept:.3g} in its mass")
        return SValue(0.0, total, 0.0), "printed without charged particles, counted as photons"
    if alpha:
        return SValue(electron, 0.0, (total - electron) / table.w_alpha), ""
    return SValue(total, 0.0, 0.0), ""


def _charged(table: _Table, pair: Pair) -> tuple[float, float] | None:
    """Dose of electrons and of alpha particles; None where the rules do not reach."""
    target, source = pair
    mass, emitted = table.mass_g, table.emitted
    if target in ("osteogenic_cells", "endosteum"):
        return None if source in (*SKELETON, "whole_body") else (0.0, 0.0)
    if HOLLOW.get(target) == source:
        return (emitted.electron / (2 * mass[source]), 0.0) if source in mass else None
    if "whole_body" in pair:
        if "whole_body" not in mass:
            return None
        alpha = 0.0 if source.endswith("_contents") else emitted.alpha
        return emitted.electron / mass["whole_body"], alpha / mass["whole_body"]
    if target != source:
        return 0.0, 0.0
    return (
        (emitted.electron / mass[target], emitted.alpha / mass[target]) if target in mass else None
    )


def _not_split(table: _Table, total: float) -> tuple[SValue | None, str]:
    if table.emitted.alpha:
        return None, "left out, because the total cannot be split"
    return SValue(total, 0.0, 0.0), "ASSUMED: the whole total is counted as electrons"


def _split_marrow(table: _Table, pair: Pair) -> tuple[SValue | None, str]:
    """Marrow: electrons leave it, so that their part is what exceeds the photons."""
    source, total = pair[1], table.total[pair]
    photon = table.total.get(("marrow", "cortical_bone"))
    if source not in ("marrow", "trabecular_bone", "whole_body"):
        _check_photons(table, pair, total)
        return SValue(0.0, total, 0.0), ""
    if photon is None or not {"marrow", "trabecular_bone", "whole_body"} <= set(table.mass_g):
        return _not_split(table, total)
    if source == "whole_body":
        electron, alpha = _from_the_body(table, photon)
        if electron is None:
            return _not_split(table, total)
    else:
        electron, alpha = _near_marrow(table, pair, photon)
    photon = total - electron - table.w_alpha * alpha
    if photon >= 0:
        return SValue(electron, photon, alpha), ""
    if table.emitted.alpha:
        return SValue(electron, 0.0, max(total - electron, 0.0) / table.w_alpha), ""
    return SValue(total, 0.0, 0.0), ""


def _near_marrow(table: _Table, pair: Pair, photon: float) -> tuple[float, float]:
    """Electron and alpha part of marrow from marrow or trabecular bone."""
    charged = max(table.total[pair] - photon, 0.0)
    emitted, mass_g, w = table.emitted, table.mass_g["marrow"], table.w_alpha
    most = (emitted.electron + w * emitted.alpha) / mass_g
    least = (_LEAST_ELECTRONS * emitted.electron + _LEAST_ALPHA * w * emitted.alpha) / mass_g
    own = pair[1] == "marrow"
    if charged > (1 + _ROUNDING) * most or (own and charged < least):
        message = f"its charged particles can give {least:.3g} to {most:.3g}"
        table.refuse(pair, message)
    alpha = min((1.0 if own else _ALPHA_FROM_BONE) * emitted.alpha / mass_g, charged / w)
    electron = min(charged - w * alpha, emitted.electron / mass_g)
    return electron, (charged - electron) / w if emitted.alpha else 0.0


def _from_the_body(table: _Table, photon: float) -> tuple[float | None, float]:
    """Charged part of activity spread over the body: that in marrow and trabecular bone."""
    near = [("marrow", source) for source in ("marrow", "trabecular_bone")]
    if not all(pair in table.total for pair in near):
        return None, 0.0
    parts = [(table.mass_g[pair[1]], *_near_marrow(table, pair, photon)) for pair in near]
    body_g = table.mass_g["whole_body"]
    return sum(m * e for m, e, _ in parts) / body_g, sum(m * a for m, _, a in parts) / body_g


def _check_photons(table: _Table, pair: Pair, photon: float) -> None:
    """Refuse photons that carry more energy into the target than the source emits."""
    mass_g = table.mass_g.get(pair[0])
    if mass_g is None:
        return
    most = table.emitted.photon / mass_g + _ROUNDING * table.total[pair]
    if photon > most:
        table.refuse(
            pair,
            f"{photon:.3g} is left for photons, which can give at most {most:.3g}",
            ". If they are right, electrons or alpha particles reach the target: copy the parts "
            "into a table with a column radiation (electron, photon, alpha) for read_tidy",
        )
