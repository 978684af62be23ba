"""PyTheranostics: organ S values, sphere S values and voxel kernels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dosimetry.chains import RadiationSource, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import nuclide as nuclide_of
from dosimetry.s_values import SValueTable
from dosimetry.s_values.readers.files import (
    delimiter_of,
    json_content,
    number,
    read_text,
    refuse,
    table_rows,
)
from dosimetry.s_values.readers.matrix import Matrix, read_matrix
from dosimetry.s_values.readers.olinda import OLINDA_W_ALPHA, matrix_table
from dosimetry.s_values.readers.tables import checked_sex, weighting
from dosimetry.s_values.readers.units import s_value_unit
from dosimetry.transport.voxel_kernel import VoxelKernel

FloatArray = npt.NDArray[np.float64]

_TOTALS = "mSv/(MBq s)"  # the table equals the one OLINDA/EXM 2.2 prints in this unit
_PARTS = "mGy/(MBq s)"  # times seconds per MBq it gives what the program calls Gy/GBq
_SPHERES = "Gy/(Bq s)"  # the program multiplies by 3.6e12 for mGy/(MBq h)
_KERNELS = "mGy/(MBq s)"  # in the name of the file
_KERNEL_BYTES = 100_000_000
_KERNEL_NAME = re.compile(r"(?P<nuclide>[A-Za-z]+\d+[mn]?)-(?P<voxel>\d+(\.\d+)?)-mm-mGyperMBqs")


def read_pytheranostics(
    path: str | Path,
    *,
    gamma_path: str | Path | None = None,
    nuclide: RadiationSource,
    sex: str,
    mass_g: Mapping[str, float] | None = None,
    w_alpha: float | None = None,
    region_names: Mapping[str, str] | None = None,
) -> SValueTable:
    """S values from the CSV files of PyTheranostics.

    Parameters
    ----------
    path : str or Path
        ``Lu177-Male-Svalues.csv`` (totals, the table of OLINDA/EXM in mSv/(MBq s)), or, with
        `gamma_path`, the ``..._BETA.csv`` of a pair (mGy/(MBq s)).
    gamma_path : str or Path, optional
        The ``..._GAMMA.csv`` of the pair.
    nuclide : str, Nuclide or DecayChain
        What the values are for.
    sex : {"male", "female"}
        Sex of the phantom.
    mass_g : mapping of str to float, optional
        Masses (g) of the phantom; those of ICRP 89 stand for the rest.
    w_alpha : float, optional
        Factor of alpha particles inside the totals; 5 where not given.
    region_names : mapping of str to str, optional
        Names of regions in the file and our names for them.

    Returns
    -------
    SValueTable

    Raises
    ------
    DosimetryError
        If a file is no such table, or the two of a pair differ in their regions.

    References
    ----------
    https://github.com/qurit/PyTheranostics: ``load_svalues`` of organ_s_dosimetry.py at commit
    1aaa6d4e, phantomdata at cc3b720b.
    """
    source, paths = emitter_of(nuclide), {"total": path}
    if gamma_path is not None:
        paths = {"electron": path, "photon": gamma_path}
    matrices = {kind: _organ_matrix(one, region_names) for kind, one in paths.items()}
    _same_regions(matrices)
    unit = s_value_unit(_TOTALS if gamma_path is None else _PARTS)
    return matrix_table(
        matrices,
        source,
        sex=checked_sex(sex),
        scale=unit.gy_per_mbq_h,
        mass_g=mass_g,
        w_alpha=weighting(unit, w_alpha, source, OLINDA_W_ALPHA),
        phantom=f"ICRP 89 adult {sex}",
        program="PyTheranostics",
    )


def read_sphere_s_values(path: str | Path) -> dict[str, FloatArray]:
    """S values of spheres from ``spheres.json`` of PyTheranostics.

    Parameters
    ----------
    path : str or Path
        JSON: by composition (``"75%/25%"``, soft tissue and bone) the lists ``tumor_mass`` (g) and
        ``total_s_value`` (Gy/(Bq s)).

    Returns
    -------
    dict of str to ndarray, shape (n, 2)
        By composition: mass (g), rising, and S value (Gy/(MBq h)).

    Raises
    ------
    DosimetryError
        If the file is no such JSON, the lists differ in length, or a mass does not rise.
    """
    file, text = read_text(path)
    content = json_content(file, text)
    if not isinstance(content, dict) or not content:
        refuse(file, "legal is an object of compositions, each with tumor_mass and total_s_value")
    scale = s_value_unit(_SPHERES).gy_per_mbq_h
    return {name: _sphere(file, name, lists, scale) for name, lists in content.items()}


def read_voxel_kernel(
    path: str | Path,
    *,
    nuclide: str | None = None,
    voxel_mm: float | None = None,
    density_g_per_ml: float,
    reach_mm: float | None = None,
) -> VoxelKernel:
    """Voxel S values from a kernel CSV of PyTheranostics (data set of Graves and co-workers).

    Parameters
    ----------
    path : str or Path
        ``Lu177-4.80-mm-mGyperMBqs-Soft.csv``: the octant of positive distances, one block of rows
        for each step along the first axis, blocks parted by blank lines, in mGy/(MBq s).
    nuclide : str, optional
        Needed where the name of the file does not begin with it.
    voxel_mm : float, optional
        Edge of the cubic voxels (mm); needed where the name of the file does not say it.
    density_g_per_ml : float
        Density of the medium of the kernel; the file does not say it.
    reach_mm : float, optional
        Cut the kernel at this distance along each axis (mm); a full file fills gigabytes.

    Returns
    -------
    VoxelKernel

    Raises
    ------
    DosimetryError
        If the blocks are no cube, a cell is no number, or name and arguments disagree.

    References
    ----------
    Graves S, et al. Accurate resampling of radial dose point kernels to a Cartesian matrix for
    voxelwise dose calculation (1.1), 2023, doi:10.5281/zenodo.7596345. Layout:
    https://github.com/qurit/PyTheranostics, ``load_kernel_from_csv`` of misc_tools/tools.py.
    """
    file, text = read_text(path, limit_bytes=_KERNEL_BYTES)
    if text.startswith("version https://git-lfs"):
        refuse(file, "this is a pointer of Git LFS; fetch the file itself (git lfs pull)")
    name, edge = _named(file, nuclide, voxel_mm)
    if reach_mm is not None and not 0 <= reach_mm < np.inf:
        raise DosimetryError(f"reach_mm must be zero or more, or None for all, got {reach_mm!r}")
    n_most = None if reach_mm is None else int(reach_mm / edge + 1e-9) + 1
    octant = _octant(file, text, n_most) * s_value_unit(_KERNELS).gy_per_mbq_h
    full = octant
    for axis in range(3):
        full = np.concatenate([np.flip(np.delete(full, 0, axis), axis), full], axis)
    return VoxelKernel(
        nuclide=name,
        voxel_mm=(edge, edge, edge),
        gy_per_mbq_h=full,
        standard_error=None,
        density_g_per_ml=density_g_per_ml,
        source=f"PyTheranostics, {file.name}",
    )


def _organ_matrix(path: str | Path, region_names: Mapping[str, str] | None) -> Matrix:
    file, text = read_text(path)
    delimiter = delimiter_of(text)
    rows = [
        (row, cells)
        for row, cells in enumerate(table_rows(file, text, delimiter), start=1)
        if any(cells)
    ]
    return read_matrix(file, rows, delimiter=delimiter, region_names=region_names)


def _same_regions(matrices: Mapping[str, Matrix]) -> None:
    first, *others = matrices.values()
    for other in others:
        odd = sorted(set(first.value) ^ set(other.value))
        if odd:
            raise DosimetryError(
                f"{first.path.name} and {other.path.name} differ: {odd[0][0]} <- {odd[0][1]} is in "
                "only one of them; give both files of one phantom"
            )


def _sphere(path: Path, name: str, lists: Any, scale: float) -> FloatArray:
    try:
        columns = [lists["tumor_mass"], lists["total_s_value"]]
        table = np.array(columns, dtype=np.float64).T
    except (KeyError, TypeError, ValueError, OverflowError):
        refuse(path, "legal are the number lists tumor_mass and total_s_value", column=name)
    legal = table.ndim == 2 and len(table) and np.isfinite(table).all() and (table > 0).all()
    if not legal or not (np.diff(table[:, 0]) > 0).all():
        message = "the lists must be equally long, positive, and the masses must rise"
        refuse(path, message, column=name)
    return np.asarray(table * np.array([1.0, scale]), dtype=np.float64)


def _named(path: Path, nuclide: str | None, voxel_mm: float | None) -> tuple[str, float]:
    """Nuclide and voxel size from the name of the file and the arguments."""
    match = _KERNEL_NAME.match(path.name)
    told = (nuclide_of(match["nuclide"]).name, float(match["voxel"])) if match else (None, None)
    name = nuclide_of(nuclide).name if nuclide else told[0]
    edge = voxel_mm if voxel_mm is not None else told[1]
    if name is None or edge is None:
        refuse(path, "the name of the file does not say them; give nuclide and voxel_mm")
    if match and (name, edge) != told:
        refuse(path, f"its name says {told[0]}, {told[1]} mm; the arguments {name}, {edge} mm")
    if not edge > 0:
        raise DosimetryError(f"voxel_mm must be positive, got {edge!r}")
    return name, edge


def _octant(path: Path, text: str, n_most: int | None) -> FloatArray:
    blocks = list(_blocks(path, text, n_most))
    n = len(blocks)
    for block in blocks:
        if block.shape != (n, n):
            message = f"{n} blocks of {block.shape[0]} rows and {block.shape[1]} columns; legal is "
            refuse(path, message + "a cube: as many of each, blocks parted by blank lines")
    return np.stack(blocks)


def _blocks(path: Path, text: str, n_most: int | None) -> Iterator[FloatArray]:
    """Blocks between blank lines, each cut to the first voxels."""
    rows: list[list[float]] = []
    n_blocks = 0
    for row, line in enumerate([*text.splitlines(), ""], start=1):
        if line.strip(", \t"):
            if n_most is None or len(rows) < n_most:
                rows.append(_kernel_row(path, line, row, n_most))
            continue
        if rows:
            if len({len(cells) for cells in rows}) > 1:
                refuse(path, "the rows of this block differ in length", row=row - len(rows))
            yield np.array(rows)
            rows, n_blocks = [], n_blocks + 1
            if n_blocks == n_most:
                return


def _kernel_row(path: Path, line: str, row: int, n_most: int | None) -> list[float]:
    cells = line.rstrip(",").split(",")[:n_most]
    return [
        number(path, cell.strip(), row=row, column=str(column), delimiter=",")
        for column, cell in enumerate(cells, start=1)
    ]
