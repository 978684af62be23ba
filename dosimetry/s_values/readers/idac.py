"""IDAC-Dose 2.1: tables of S values by radiation with its region names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dosimetry.chains import RadiationSource, emitter_of
from dosimetry.s_values import SValueTable
from dosimetry.s_values.readers.files import delimiter_of, number, read_text, refuse, table_rows
from dosimetry.s_values.readers.regions import region_name
from dosimetry.s_values.readers.split import Pair
from dosimetry.s_values.readers.tables import (
    checked_sex,
    masses,
    parts_to_values,
    table_of,
    weighting,
    weighting_note,
)
from dosimetry.s_values.readers.units import s_value_unit

IDAC_W_ALPHA = 20.0
"""Radiation weighting factor of alpha particles (ICRP Publication 103) in tables in sievert."""

_LEGAL = "Photon, Electron, Beta, Alpha, Neutron, Total"
_KINDS = {
    "photon": "photon",
    "electron": "electron",
    "beta": "electron",
    "alpha": "alpha",
    "total": "total",
}


def read_idac(
    path: str | Path,
    *,
    nuclide: RadiationSource,
    sex: str,
    unit: str = "Sv/(Bq s)",
    mass_g: Mapping[str, float] | None = None,
    w_alpha: float | None = None,
    region_names: Mapping[str, str] | None = None,
) -> SValueTable:
    """S values from a table laid out like those of IDAC-Dose 2.1.

    Parameters
    ----------
    path : str or Path
        CSV with the columns Source Regions, Target Regions, Photon, Electron, Beta, Alpha,
        Neutron and Total; a source stands in the first of its rows only.
    nuclide : str, Nuclide or DecayChain
        What the values are for; a chain where daughters are added.
    sex : {"male", "female"}
        Sex of the phantom (ICRP 110 and 133).
    unit : str
        Unit of the values; the file does not say it.
    mass_g : mapping of str to float, optional
        Masses (g) of the phantom; those of ICRP 89 stand for the rest.
    w_alpha : float, optional
        Factor of alpha particles inside the values: 20 in sievert, 1 in gray, where not given.
    region_names : mapping of str to str, optional
        Names of regions in the file and our names for them.

    Returns
    -------
    SValueTable
        Electrons and beta particles together; neutrons are left out and said so.

    Raises
    ------
    DosimetryError
        If the file is no such table, parts and total disagree, or energy is not conserved.

    Notes
    -----
    The layout is that of the file "compatible with IDAC-Dose 2.1" that FlexID writes
    (https://github.com/9rnsr/FlexID, CalcScoeff.cs at commit 8fc847eb), in Sv/(Bq s) with factor
    20. What IDAC-Dose itself writes is not documented in public; bring it into this layout or
    that of `read_tidy`. The values of the region "Other" there are left out: its total is no
    weighted mean.
    """
    file, text = read_text(path)
    delimiter = delimiter_of(text)
    rows = table_rows(file, text, delimiter)
    head_row, columns = _header(file, rows)
    source = emitter_of(nuclide)
    scale = s_value_unit(unit)
    factor = weighting(scale, w_alpha, source, IDAC_W_ALPHA)
    parts: dict[Pair, dict[str, float]] = {}
    row_of: dict[Pair, int] = {}
    neutrons = 0.0
    donor = ""
    for row, cells in enumerate(rows[head_row:], start=head_row + 1):
        if not any(cells) or _subheading(cells):
            continue
        donor = cells[0] or donor
        given = _given(file, cells, columns, row, delimiter)
        if donor.lower() == "other" or not given:
            continue
        pair = _pair(file, cells, columns, donor, row, region_names)
        if pair in parts:
            refuse(file, f"{pair[0]} <- {pair[1]} is given twice; keep one row", row=row)
        neutrons += given.pop("neutron", 0.0)
        parts[pair] = {kind: scale.gy_per_mbq_h * value for kind, value in given.items()}
        row_of[pair] = row
    mass, assumed = masses(checked_sex(sex), mass_g, "in the phantom of IDAC-Dose")
    if neutrons:
        for kinds in parts.values():
            kinds.pop("total", None)
    values, notes = parts_to_values(
        parts,
        source,
        mass_g=mass,
        w_alpha=factor,
        place=lambda pair: f"{file.name}, row {row_of[pair]}",
    )
    return table_of(
        values,
        source,
        sex=sex,
        phantom="ICRP 110 and 133 reference adult",
        path=file,
        program="IDAC-Dose 2.1 layout",
        mass_g=mass,
        assumptions=(
            assumed,
            *weighting_note(factor, source),
            *(("the dose of neutrons is left out",) if neutrons else ()),
            *notes,
        ),
    )


def _header(path: Path, rows: list[list[str]]) -> tuple[int, dict[str, int]]:
    """Row of the header and the columns by their names in lower case."""
    regions = {"source regions", "target regions"}
    found = [row for row, cells in enumerate(rows, 1) if regions <= {c.lower() for c in cells}]
    if not found:
        refuse(path, f"there is no header; legal is Source Regions, Target Regions, {_LEGAL}")
    row = found[0]
    names = {cell.lower(): index for index, cell in enumerate(rows[row - 1]) if cell}
    missing = [kind for kind in ("photon", "electron", "beta") if kind not in names]
    if missing:
        refuse(path, f"column {missing[0].title()} is missing; legal are {_LEGAL}", row=row)
    return row, names


def _subheading(cells: list[str]) -> bool:
    """Whether this is the second line of the header, which names the two programs."""
    return cells[0].lower().startswith("idac dose")


def _given(
    path: Path, cells: list[str], columns: Mapping[str, int], row: int, delimiter: str
) -> dict[str, float]:
    """Values of a row by radiation; empty for a pair without values."""
    names = [name for name in (*_KINDS, "neutron") if name in columns]
    filled = {name: cells[columns[name]] for name in names if columns[name] < len(cells)}
    if not any(filled.values()):
        return {}
    given: dict[str, float] = {}
    for name in names:
        value = number(
            path, filled.get(name, ""), row=row, column=name.title(), delimiter=delimiter
        )
        kind = _KINDS.get(name, name)
        given[kind] = given.get(kind, 0.0) + value
    return given


def _pair(
    path: Path,
    cells: list[str],
    columns: Mapping[str, int],
    donor: str,
    row: int,
    region_names: Mapping[str, str] | None,
) -> Pair:
    target = cells[columns["target regions"]]
    if not donor or not target:
        what = "target" if donor else "source"
        refuse(path, f"the {what} has no name", row=row)
    return region_name(target, region_names), region_name(donor, region_names)
