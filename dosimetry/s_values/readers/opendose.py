"""OpenDose: S values of one source, as its web page lists them."""

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
    json_content,
    number,
    read_text,
    refuse,
    table_rows,
)
from dosimetry.s_values.readers.regions import region_name
from dosimetry.s_values.readers.split import Pair
from dosimetry.s_values.readers.tables import (
    checked_sex,
    parts_to_values,
    table_of,
    weighting,
)
from dosimetry.s_values.readers.units import s_value_unit

_UNIT = "mGy/MBq/s"
_SOLID = (
    "kidneys", "left_kidney", "right_kidney", "liver", "spleen", "lungs", "salivary_glands",
    "adrenals", "brain", "breasts", "heart_wall", "oesophagus", "pancreas", "prostate", "testes",
    "thymus", "thyroid", "ovaries", "uterus", "pituitary", "muscle",
)  # fmt: skip
_OVERLAPS = {"left_kidney": "kidneys", "right_kidney": "kidneys"}


@dataclass(frozen=True)
class _Line:
    row: int
    target: str
    s_value: float
    mass_g: float


def read_opendose(
    paths: Mapping[str, str | Path],
    *,
    nuclide: RadiationSource,
    sex: str,
    phantom: str | None = None,
) -> SValueTable:
    """S values from tables of opendose.org, one file for each source region.

    Parameters
    ----------
    paths : mapping of str to str or Path
        By the name of the source region (ours, or OpenDose's as ``"RKidney + LKidney"``): the
        table of its targets with the columns target, S-value (mGy/MBq/s), standard error and mass
        (g); as CSV or TSV with a header, or as JSON, a list of such rows.
    nuclide : str, Nuclide or DecayChain
        What the values are for; OpenDose lists nuclides without their daughters.
    sex : {"male", "female"}
        Sex of the phantom (ICRP 110 AM or AF).
    phantom : str, optional
        Its name; ``"ICRP 110 AM"`` or ``"ICRP 110 AF"`` where not given.

    Returns
    -------
    SValueTable
        Solid organs only, with the masses of the files. These voxel phantoms have no red marrow
        and no whole body as source, so that marrow doses need another table.

    Raises
    ------
    DosimetryError
        If a file is no such table, a source is no solid organ, or masses differ between files.

    Notes
    -----
    The page and the JSON that the package rpt_dosi (https://github.com/dsarrut/rpt_dosi) saves of
    it have these columns in this order. The CSV of the page's chart, by particle, is not
    documented: bring it into the tidy layout for `read_tidy`.
    """
    source = emitter_of(nuclide)
    if not paths:
        raise DosimetryError("paths must hold at least one file by the name of its source region")
    total: dict[Pair, float] = {}
    where: dict[Pair, str] = {}
    mass_g: dict[str, float] = {}
    n_left_out = 0
    file = Path()
    for name, path in paths.items():
        region = _solid(name)
        file, text = read_text(path)
        for line in _lines(file, text):
            target = region_name(line.target)
            if (
                target not in _SOLID
                or _OVERLAPS.get(target) == region
                or (_OVERLAPS.get(region) == target)
            ):
                n_left_out += 1
                continue
            _keep(file, line, target, mass_g)
            if (target, region) in total:
                refuse(file, f"the target {target} is given twice; keep one row", row=line.row)
            total[target, region] = line.s_value
            where[target, region] = f"{file.name}, row {line.row}"
    unit = s_value_unit(_UNIT)
    values, notes = parts_to_values(
        {pair: {"total": value * unit.gy_per_mbq_h} for pair, value in total.items()},
        source,
        mass_g=mass_g,
        w_alpha=weighting(unit, None, source, None),
        place=where.__getitem__,
    )
    left_out = f"{n_left_out} rows of OpenDose left out: targets that are no solid organ"
    return table_of(
        values,
        source,
        sex=checked_sex(sex),
        phantom=phantom or f"ICRP 110 {'AM' if sex == 'male' else 'AF'}",
        path=file,
        program="OpenDose",
        mass_g=mass_g,
        assumptions=(*notes, *((left_out,) if n_left_out else ())),
    )


def _solid(name: str) -> str:
    region = region_name(name)
    if region not in _SOLID:
        raise DosimetryError(
            f"source {name!r} is no solid organ of OpenDose; legal are {', '.join(_SOLID)}"
        )
    return region


def _keep(path: Path, line: _Line, target: str, mass_g: dict[str, float]) -> None:
    if not line.mass_g > 0:
        refuse(path, f"{target} weighs 0 g; legal is a mass above 0", row=line.row)
    known = mass_g.setdefault(target, line.mass_g)
    if abs(known - line.mass_g) > 0.01 * known:
        message = f"{target} weighs {line.mass_g:g} g here and {known:g} g in another file; "
        refuse(path, message + "give files of one phantom", row=line.row)


def _lines(path: Path, text: str) -> list[_Line]:
    if text.lstrip().startswith("["):
        return _json_lines(path, text)
    delimiter = delimiter_of(text)
    rows = table_rows(path, text, delimiter)
    head = [re.sub(r"[^a-z]+", " ", cell.lower()).strip() for cell in rows[0]]
    s_column = next((i for i, cell in enumerate(head) if cell.startswith("s value")), None)
    mass_column = next((i for i, cell in enumerate(head) if cell.startswith("mass")), None)
    if s_column is None or mass_column is None:
        refuse(path, "legal is a header with a target, S-value (mGy/MBq/s) and Mass (g)", row=1)
    _check_unit(path, rows[0][s_column])
    lines = []
    for row, cells in enumerate(rows[1:], start=2):
        if not any(cells):
            continue
        if len(cells) <= max(s_column, mass_column) or not cells[0]:
            refuse(path, f"it has {len(cells)} cells, the header has {len(head)}", row=row)
        s_value = number(path, cells[s_column], row=row, column="S-value", delimiter=delimiter)
        mass = number(path, cells[mass_column], row=row, column="Mass (g)", delimiter=delimiter)
        lines.append(_Line(row, cells[0], s_value, mass))
    return lines


def _check_unit(path: Path, heading: str) -> None:
    stated = re.search(r"[\[(](.*)[\])]", heading)
    unit = s_value_unit(stated[1]) if stated else s_value_unit(_UNIT)
    if unit != s_value_unit(_UNIT):
        refuse(path, f"the header says {heading!r}, legal is {_UNIT}", row=1, column="S-value")


def _json_lines(path: Path, text: str) -> list[_Line]:
    lines = []
    for index, row in enumerate(json_content(path, text), start=1):
        if not isinstance(row, list) or len(row) != 4 or not isinstance(row[0], str):
            refuse(path, "legal is [target, S value, standard error, mass]", row=index)
        s_value = number(path, str(row[1]), row=index, column="S-value")
        lines.append(
            _Line(index, row[0], s_value, number(path, str(row[3]), row=index, column="Mass"))
        )
    return lines
