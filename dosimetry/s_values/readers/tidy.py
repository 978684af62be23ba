"""Tidy tables of S values: one value a row, for programs whose own layout is not documented."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dosimetry.chains import RadiationSource, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.s_values import SValueTable
from dosimetry.s_values.readers.files import (
    delimiter_of,
    number,
    one_value_each,
    read_text,
    refuse,
    table_rows,
)
from dosimetry.s_values.readers.regions import region_name
from dosimetry.s_values.readers.split import Pair
from dosimetry.s_values.readers.tables import (
    RADIATIONS,
    checked_sex,
    masses,
    parts_to_values,
    table_of,
    weighting,
    weighting_note,
)
from dosimetry.s_values.readers.units import LEGAL_UNITS, SValueUnit, s_value_unit

_NEEDED = ("target", "source", "value")
_COLUMNS = (*_NEEDED, "unit", "radiation")


@dataclass(frozen=True)
class _Row:
    row: int
    pair: Pair
    radiation: str
    value: float
    unit: SValueUnit


def read_tidy(
    path: str | Path,
    *,
    nuclide: RadiationSource,
    sex: str,
    phantom: str = "the user's phantom",
    unit: str | None = None,
    mass_g: Mapping[str, float] | None = None,
    w_alpha: float | None = None,
    region_names: Mapping[str, str] | None = None,
) -> SValueTable:
    r"""S values from a table with the columns target, source, value, unit and radiation.

    For MIRDcalc, NCINM, IDAC-Dose and every other program whose own export is not documented in
    public: copy the values into this layout, one a row.

    Parameters
    ----------
    path : str or Path
        CSV or TSV. ``radiation`` is electron (or beta), photon (or gamma), alpha or total; without
        the column all are totals, split as `SPLIT_NOTES` says. ``unit`` may stand in the header of
        the values instead, as ``value [mGy/MBq-s]``.
    nuclide : str, Nuclide or DecayChain
        What the values are for; a chain where the program added the daughters.
    sex : {"male", "female"}
        Sex of the phantom.
    phantom : str
        Its name.
    unit : str, optional
        Unit, where the file does not say it.
    mass_g : mapping of str to float, optional
        Masses (g) of the phantom; those of ICRP 89 stand for the rest.
    w_alpha : float, optional
        Factor of alpha particles inside the values; needed for alpha emitters in sievert.
    region_names : mapping of str to str, optional
        Names of regions in the file and our names for them.

    Returns
    -------
    SValueTable

    Raises
    ------
    DosimetryError
        If a column, name, number or unit is missing, or a value is given twice.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "mine.csv"
    >>> rows = ["target,source,radiation,value,unit", "Liver,Liver,beta,1.3e-5,mGy/(MBq s)"]
    >>> _ = path.write_text("\n".join(rows), encoding="utf-8")
    >>> table = read_tidy(path, nuclide="Lu-177", sex="male")
    >>> round(1e5 * table.s_value("liver", "liver").electron, 2)
    4.68
    """
    file, text = read_text(path)
    delimiter = delimiter_of(text)
    lines = table_rows(file, text, delimiter)
    columns, header_unit = _header(file, lines[0])
    stated = unit or header_unit
    if stated is None and "unit" not in columns:
        refuse(file, f"no unit is stated; give a column unit or unit=, such as {LEGAL_UNITS}")
    rows = [
        _row(file, dict(zip(columns, cells, strict=False)), row, delimiter, stated, region_names)
        for row, cells in enumerate(lines[1:], start=2)
        if any(cells) and _complete(file, cells, columns, row)
    ]
    parts, first_row = _parts(file, rows)
    source = emitter_of(nuclide)
    factor = weighting(SValueUnit(1.0, _weighted(file, rows)), w_alpha, source, None)
    mass, assumed = masses(checked_sex(sex), mass_g, phantom)
    values, notes = parts_to_values(
        parts,
        source,
        mass_g=mass,
        w_alpha=factor,
        place=lambda pair: f"{file.name}, row {first_row[pair]}, column value",
    )
    return table_of(
        values,
        source,
        sex=sex,
        phantom=phantom,
        path=file,
        program="tidy table",
        mass_g=mass,
        assumptions=(assumed, *weighting_note(factor, source), *notes),
    )


def _header(path: Path, cells: list[str]) -> tuple[list[str], str | None]:
    """Names of the columns in lower case, and the unit that stands with the values."""
    names, unit = [], None
    for cell in cells:
        name = cell.strip().lower()
        value = re.fullmatch(r"value\s*(?:\[(.+)\]|\((.+)\)|in (.+))", cell.strip(), re.IGNORECASE)
        if value:
            name, unit = "value", next(part for part in value.groups() if part)
        names.append(name)
    one_value_each(path, [name for name in names if name], "column", row=1)
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        legal = f"legal are {', '.join(_COLUMNS)}, the last two optional"
        refuse(path, f"column {missing[0]} is missing; {legal}", row=1)
    return names, unit


def _complete(path: Path, cells: list[str], columns: list[str], row: int) -> bool:
    extra = any(cells[len(columns) :])
    if extra or len(cells) < len(columns):
        hint = "; is a decimal comma used?" if extra else ""
        refuse(path, f"it has {len(cells)} cells, the header has {len(columns)}{hint}", row=row)
    return True


def _row(
    path: Path,
    cell: Mapping[str, str],
    row: int,
    delimiter: str,
    stated: str | None,
    region_names: Mapping[str, str] | None,
) -> _Row:
    for name in ("target", "source"):
        if not cell[name]:
            refuse(path, "the cell is empty; legal is the name of a region", row=row, column=name)
    radiation = cell.get("radiation", "").lower()
    if radiation not in RADIATIONS:
        legal = ", ".join(name for name in RADIATIONS if name)
        refuse(path, f"got {radiation!r}, legal are {legal}", row=row, column="radiation")
    try:
        unit = s_value_unit(stated or cell["unit"])
    except DosimetryError as error:
        refuse(path, str(error), row=row, column="unit")
    value = number(path, cell["value"], row=row, column="value", delimiter=delimiter)
    pair = (region_name(cell["target"], region_names), region_name(cell["source"], region_names))
    return _Row(row, pair, radiation, value * unit.gy_per_mbq_h, unit)


def _parts(path: Path, rows: list[_Row]) -> tuple[dict[Pair, dict[str, float]], dict[Pair, int]]:
    """Values by pair and radiation (beta particles count as electrons), and first rows."""
    parts: dict[Pair, dict[str, float]] = {}
    first_row: dict[Pair, int] = {}
    seen: dict[tuple[Pair, str], int] = {}
    for entry in rows:
        key = (entry.pair, entry.radiation)
        if key in seen:
            target, source = entry.pair
            refuse(
                path,
                f"{target} <- {source} {entry.radiation} is given twice, first in row {seen[key]}; "
                "keep one of them",
                row=entry.row,
            )
        seen[key] = entry.row
        first_row.setdefault(entry.pair, entry.row)
        kinds = parts.setdefault(entry.pair, {})
        kind = RADIATIONS[entry.radiation]
        kinds[kind] = kinds.get(kind, 0.0) + entry.value
    return parts, first_row


def _weighted(path: Path, rows: list[_Row]) -> bool:
    kinds = {entry.unit.weighted for entry in rows}
    if len(kinds) > 1:
        refuse(path, "some values are in gray and some in sievert; give all in one of them")
    return True in kinds
