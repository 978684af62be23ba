"""OLINDA/EXM: tables of dose factors, and case files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dosimetry.chains import Emitter, RadiationSource, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import nuclide as nuclide_of
from dosimetry.s_values import SValueTable
from dosimetry.s_values.readers.files import delimiter_of, number, read_text, refuse, table_rows
from dosimetry.s_values.readers.matrix import Matrix, read_matrix
from dosimetry.s_values.readers.regions import region_name
from dosimetry.s_values.readers.tables import (
    checked_sex,
    masses,
    parts_to_values,
    table_of,
    weighting,
    weighting_note,
)
from dosimetry.s_values.readers.units import s_value_unit

OLINDA_W_ALPHA = 5.0
"""Factor of alpha particles in the dose factors of OLINDA/EXM 2 (mSv): its tables give 5 times
the energy of alpha particles and recoil nuclei."""

_TITLE = re.compile(
    r"(?P<kind>\w+) Dose Conversion Factors\s*\[(?P<unit>[^]]+)\](?:\s*-\s*Nuclide:\s*"
    r"(?P<nuclide>[A-Za-z]+-?\d+[mn]?)[^)]*\)?\s*for\s*(?P<phantom>.*))?",
    re.IGNORECASE,
)
_BEGIN = re.compile(r"\[(?P<edge>BEGIN|END) (?P<name>.+)\]")


@dataclass(frozen=True)
class _Section:
    title: re.Match[str] | None
    rows: list[tuple[int, list[str]]]

    def of(self, part: str) -> str | None:
        """A part of the title; None without one."""
        found = self.title[part] if self.title else None
        return found.strip(" ,;\t") or None if found else None


@dataclass(frozen=True)
class OlindaCase:
    """What a case file of OLINDA/EXM 2 holds.

    Attributes
    ----------
    nuclides : tuple of str
        ICRP 107 names.
    phantom : str
        Name of the phantom.
    source_mass_g, target_mass_g : mapping of str to float
        Masses (g) by our names of the regions; those of the phantom or typed in by the user.
    tiac_h : mapping of str to float
        Time-integrated activity coefficients (h); `whole_body` is OLINDA's remainder.
    """

    nuclides: tuple[str, ...]
    phantom: str
    source_mass_g: Mapping[str, float]
    target_mass_g: Mapping[str, float]
    tiac_h: Mapping[str, float]


def read_olinda(
    path: str | Path,
    *,
    nuclide: RadiationSource | None = None,
    sex: str | None = None,
    unit: str | None = None,
    mass_g: Mapping[str, float] | None = None,
    w_alpha: float | None = None,
    region_names: Mapping[str, str] | None = None,
) -> SValueTable:
    """S values from a table of dose factors that the user exported from OLINDA/EXM.

    Reads the text or CSV of a table ``Total Dose Conversion Factors [mSv/MBq-s] - Nuclide:Lu-177
    (6.65 d) for ICRP 89 Adult Male``: targets in rows, sources in columns. Several tables may
    follow each other. A bare matrix without title is legal where `nuclide`, `sex` and `unit` are
    given.

    Parameters
    ----------
    path : str or Path
        The file; cells parted by tabs, semicolons or commas.
    nuclide : str, Nuclide or DecayChain, optional
        Needed without a title; with one it must agree, and chooses among several tables. OLINDA
        prints nuclides without their daughters.
    sex : {"male", "female"}, optional
        Sex of the phantom; as `nuclide`.
    unit : str, optional
        Unit of the values where the title does not say it.
    mass_g : mapping of str to float, optional
        Masses (g) of the phantom by our names. Those of ICRP 89 stand for the rest, as in OLINDA
        2; OLINDA/EXM 1 has other phantoms: give marrow, whole_body and every organ of interest
        (`read_olinda_case` reads them from a case file).
    w_alpha : float, optional
        Factor of alpha particles inside values in mSv; 5 where not given.
    region_names : mapping of str to str, optional
        Names of regions in the file and our names for them.

    Returns
    -------
    SValueTable
        Absorbed dose, without radiation weighting, split by `SPLIT_NOTES`.

    Raises
    ------
    DosimetryError
        If the file is no such table, or its values contradict nuclide, unit and masses.

    Notes
    -----
    The layout is that of version 2.2. No export of version 1 could be read: there, save the
    matrix alone and give nuclide, sex, unit and mass_g.
    """
    file, text = read_text(path)
    delimiter = delimiter_of(text)
    section = _chosen(file, _sections(file, table_rows(file, text, delimiter)), nuclide, sex)
    kind = section.of("kind")
    if kind and kind.lower() != "total":
        refuse(file, f"this is a table of {kind} dose factors; legal is the table of Total")
    source = emitter_of(nuclide or _needed(file, section.of("nuclide"), "nuclide"))
    person = checked_sex(sex or _needed(file, _sex_of(section.of("phantom")), "sex"))
    unit_of_values = s_value_unit(unit or _needed(file, section.of("unit"), "unit"))
    factor = weighting(unit_of_values, w_alpha, source, OLINDA_W_ALPHA)
    matrix = read_matrix(file, section.rows, delimiter=delimiter, region_names=region_names)
    return matrix_table(
        {"total": matrix},
        source,
        sex=person,
        scale=unit_of_values.gy_per_mbq_h,
        mass_g=mass_g,
        w_alpha=factor,
        phantom=section.of("phantom") or "phantom of OLINDA/EXM",
        program="OLINDA/EXM",
        extra_notes=_bone_note(text),
    )


def matrix_table(
    matrices: Mapping[str, Matrix],
    source: Emitter,
    *,
    sex: str,
    scale: float,
    mass_g: Mapping[str, float] | None,
    w_alpha: float,
    phantom: str,
    program: str,
    extra_notes: tuple[str, ...] = (),
) -> SValueTable:
    """An `SValueTable` from one matrix of totals, or one for each radiation."""
    first = next(iter(matrices.values()))
    mass, assumed = masses(sex, mass_g, f"in the phantom of {program}")
    parts = {
        pair: {kind: scale * matrix.value[pair] for kind, matrix in matrices.items()}
        for pair in first.value
    }
    values, notes = parts_to_values(parts, source, mass_g=mass, w_alpha=w_alpha, place=first.place)
    return table_of(
        values,
        source,
        sex=sex,
        phantom=phantom,
        path=first.path,
        program=program,
        mass_g=mass,
        assumptions=(assumed, *weighting_note(w_alpha, source), *notes, *extra_notes),
    )


def read_olinda_case(path: str | Path) -> OlindaCase:
    """Nuclides, masses and time-integrated activity coefficients of an OLINDA/EXM 2 case file.

    Parameters
    ----------
    path : str or Path
        The ``.cas`` file: lines ``name|mass|coefficient`` between ``[BEGIN ...]`` and
        ``[END ...]``.

    Returns
    -------
    OlindaCase

    Raises
    ------
    DosimetryError
        If a block or a number is missing.
    """
    file, text = read_text(path)
    blocks = _blocks(text)
    nuclides = tuple(nuclide_of(cells[0]).name for _, cells in blocks.get("NUCLIDES", []))
    sources = next((name for name in blocks if name.endswith(" SOURCE ORGANS")), None)
    if not nuclides or sources is None:
        refuse(file, "legal is a case file with the blocks NUCLIDES and ... SOURCE ORGANS")
    phantom = sources.removesuffix(" SOURCE ORGANS")
    return OlindaCase(
        nuclides=nuclides,
        phantom=phantom,
        source_mass_g=_numbers(file, blocks[sources]),
        target_mass_g=_numbers(file, blocks.get(f"{phantom} TARGET ORGANS", [])),
        tiac_h=_numbers(file, blocks.get("KINETIC DATA", [])),
    )


def _blocks(text: str) -> dict[str, list[tuple[int, list[str]]]]:
    """Lines of the innermost block they stand in, by its name."""
    blocks: dict[str, list[tuple[int, list[str]]]] = {}
    stack: list[str] = []
    for row, line in enumerate(text.splitlines(), start=1):
        edge = _BEGIN.fullmatch(line.strip())
        if edge and edge["edge"] == "BEGIN":
            stack.append(edge["name"])
        elif edge:
            stack.pop() if stack else None
        elif stack and line.strip():
            blocks.setdefault(stack[-1], []).append((row, [c.strip() for c in line.split("|")]))
    return blocks


def _numbers(path: Path, lines: list[tuple[int, list[str]]]) -> dict[str, float]:
    """First number of each line that is not zero, by our name of the region."""
    found: dict[str, float] = {}
    for row, cells in lines:
        value = number(path, cells[1] if len(cells) > 1 else "", row=row, column=cells[0])
        if value:
            found[region_name(cells[0])] = value
    return found


def _sections(path: Path, rows: list[list[str]]) -> list[_Section]:
    """Tables of a file: a title, and the rows up to the first that is no row of a matrix."""
    sections: list[_Section] = []
    title: re.Match[str] | None = None
    block: list[tuple[int, list[str]]] = []
    for row, cells in enumerate([*rows, []], start=1):
        heading = _TITLE.search(" ".join(cells)) if cells else None
        if sum(bool(cell) for cell in cells) > 1 and not heading:
            block.append((row, cells))
            continue
        if len(block) > 1:
            sections.append(_Section(title, block))
            title = None
        block = []
        title = heading or title
    if not sections:
        refuse(path, "there is no matrix; legal is a row of sources and one row for each target")
    return sections


def _chosen(
    path: Path, sections: list[_Section], nuclide: RadiationSource | None, sex: str | None
) -> _Section:
    """The table that agrees with the nuclide and sex asked for."""
    name = emitter_of(nuclide).name if nuclide is not None else None
    fitting = [s for s in sections if _agrees(s, name, sex)]
    if len(fitting) != 1:
        held = "; ".join(
            f"{s.of('nuclide') or 'no nuclide'}, {s.of('phantom') or 'no phantom'}"
            for s in sections
        )
        wanted = f"{name or 'any nuclide'}, {sex or 'any sex'}"
        message = f"{len(fitting)} of its tables are for {wanted}, legal is one; it holds {held}"
        refuse(path, message)
    return fitting[0]


def _agrees(section: _Section, name: str | None, sex: str | None) -> bool:
    printed, person = section.of("nuclide"), _sex_of(section.of("phantom"))
    same = name is None or printed is None or nuclide_of(printed).name == name
    return same and (sex is None or person is None or person == sex)


def _sex_of(phantom: str | None) -> str | None:
    words = (phantom or "").lower().split()
    return next((sex for sex in ("female", "male") if sex in words), None)


def _needed(path: Path, value: str | None, name: str) -> str:
    if value is None:
        raise DosimetryError(f"{path.name}: the file does not say the {name}; give {name}=")
    return value


def _bone_note(text: str) -> tuple[str, ...]:
    told = "any bone activity on bone surfaces" in text.lower()
    return ("the file says: any bone activity is on bone surfaces",) if told else ()
