"""Doses of many patients at once: patients x cycles x draws, for every region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dosimetry._sources import check_blood_amount, check_sources, positive_density
from dosimetry.anatomy import MARROW_DENSITY_G_PER_ML, Anatomy
from dosimetry.blood import CONVENTIONAL_BLOOD_DENSITY_G_PER_ML
from dosimetry.chains import Emitter, RadiationSource, emitter_of
from dosimetry.cohort_matrix import Cohort, dose_rows
from dosimetry.errors import DosimetryError
from kinetics import SumOfExponentials
from kinetics.cores import on_all_cores

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CohortDoses:
    """Absorbed doses of a cohort.

    Attributes
    ----------
    dose_gy : mapping of str to ndarray, shape (n_patients, n_cycles, n_draws)
        Absorbed dose to complete decay (Gy) by region; with contributions asked for, by
        (region, contribution).
    marrow_method : str
        ``"blood"`` or ``"image"``.
    assumptions : tuple of str
        What was assumed, in words.
    """

    dose_gy: Mapping[str | tuple[str, str], FloatArray]
    marrow_method: str
    assumptions: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Mean, standard deviation and quantiles over the draws, one row a patient and cycle.

        Returns
        -------
        pandas.DataFrame
            Columns ``patient`` and ``cycle`` (from 0 and 1), ``region``, ``contribution``,
            ``mean_gy``, ``sd_gy``, ``q05_gy``, ``q50_gy``, ``q95_gy``.
        """
        import pandas as pd

        frames = []
        for key, dose in self.dose_gy.items():
            region, contribution = (key, "total") if isinstance(key, str) else key
            n_patients, n_cycles, _ = dose.shape
            spread = np.quantile(dose, (0.05, 0.5, 0.95), axis=-1).reshape(3, -1)
            frames.append(
                pd.DataFrame(
                    {
                        "patient": np.repeat(np.arange(n_patients), n_cycles),
                        "cycle": np.tile(np.arange(1, n_cycles + 1), n_patients),
                        "region": region,
                        "contribution": contribution,
                        "mean_gy": dose.mean(-1).ravel(),
                        "sd_gy": dose.std(-1).ravel(),
                        "q05_gy": spread[0],
                        "q50_gy": spread[1],
                        "q95_gy": spread[2],
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)


def cohort_doses(
    curves: Mapping[str, SumOfExponentials],
    source: RadiationSource,
    *,
    anatomies: Sequence[Anatomy],
    ratio: npt.ArrayLike = 1.0,
    marrow_model: str = "olinda2",
    bone_in_remainder: bool = False,
    blood_density_g_per_ml: float = CONVENTIONAL_BLOOD_DENSITY_G_PER_ML,
    marrow_density_g_per_ml: float = MARROW_DENSITY_G_PER_ML,
    s_value_factor: Mapping[str, npt.ArrayLike] | None = None,
    contributions: bool = False,
) -> CohortDoses:
    r"""Absorbed doses of many patients, cycles and draws in one pass.

    The same doses as `blood_dose`, `marrow_dose_blood_method` or `marrow_dose_image_method`, and
    `organ_dose` with the other organs (not the marrow) as sources, several times faster than one
    call a patient.

    Parameters
    ----------
    curves : mapping of str to SumOfExponentials, each shape (n_patients, n_cycles, n_draws)
        Or shapes that broadcast to it. ``"blood"`` and ``"marrow"`` are concentrations (MBq/mL);
        ``"whole_body"`` and organs of the S table are activities (MBq). Physical decay inside the
        rates. With ``"marrow"`` its dose is image-based, else blood-based.
    source : str, Nuclide or DecayChain
        What decays.
    anatomies : sequence of Anatomy, length n_patients
        The patients; masses are single numbers here (give their spread as `s_value_factor`).
    ratio : array_like, broadcast to (n_patients, n_cycles, n_draws)
        Red-marrow-to-blood ratio (see `rmblr`), for the blood method.
    marrow_model, bone_in_remainder, blood_density_g_per_ml, marrow_density_g_per_ml
        As in the functions for one patient.
    s_value_factor : mapping of str to array_like, optional
        Uncertainty of a region's dose as factors with mean one, broadcast like `ratio`.
    contributions : bool
        Whether to keep each contribution (more memory), or the totals only.

    Returns
    -------
    CohortDoses
        Regions blood, marrow and every organ given.

    Notes
    -----
    Doses to complete decay are linear in the time-integrated activities,
    :math:`D_{pr} = \sum_s M_{prs} \tilde{A}_{ps}`: one matrix a patient holds the S values at its
    masses with the remainder folded in. Patients are shared among the cores. That the remainder
    is not negative is not checked here.

    Raises
    ------
    DosimetryError
        If shapes do not fit the patients, a region is unknown, or the first draws of a curve
        were decay-corrected.

    Examples
    --------
    >>> from dosimetry import reference_anatomy
    >>> blood = SumOfExponentials(amplitude=[[[[0.5, 0.1]]]], rate_per_h=[[[[1.2, 0.03]]]])
    >>> found = cohort_doses({"blood": blood}, "Lu-177", anatomies=[reference_anatomy("male")])
    >>> round(float(found.dose_gy["marrow"][0, 0, 0]), 3)
    0.182
    """
    shape = _shape(curves, ratio, len(anatomies))
    positive_density("blood", blood_density_g_per_ml)
    positive_density("marrow", marrow_density_g_per_ml)
    _check_curves(curves, anatomies, emitter_of(source))
    _check_positive("ratio", ratio)
    method = "image" if "marrow" in curves else "blood"
    names = sorted(curves, key=lambda name: (name == "marrow", name))
    columns = names if method == "image" else [*names, "marrow"]
    cohort = Cohort(
        anatomies=tuple(anatomies),
        source=source,
        columns=tuple(columns),
        marrow_model=marrow_model,
        bone_in_remainder=bone_in_remainder,
        marrow_volume_per_mass_ml_per_g=1
        / (marrow_density_g_per_ml if method == "image" else blood_density_g_per_ml),
        blood_density_g_per_ml=blood_density_g_per_ml,
    )
    rows, assumptions = dose_rows(cohort)
    keys, matrix = _matrix(rows, columns, len(anatomies), contributions=contributions)
    dose = np.empty((len(keys), *shape))
    factor, factor_of_row = _factors(s_value_factor or {}, keys, shape)
    _run(
        curves=[curves[name] for name in names],
        blood=-1 if method == "image" else names.index("blood"),
        ratio=np.ascontiguousarray(np.broadcast_to(np.asarray(ratio, dtype=np.float64), shape)),
        matrix=matrix,
        factor=factor,
        factor_of_row=factor_of_row,
        dose=dose,
    )
    if not np.isfinite(dose).all():
        raise DosimetryError("a curve never decays in some draws: its dose is not finite")
    found = MappingProxyType(dict(zip(keys, dose, strict=True)))
    return CohortDoses(found, method, assumptions)


def _shape(
    curves: Mapping[str, SumOfExponentials], ratio: npt.ArrayLike, n_patients: int
) -> tuple[int, int, int]:
    if not n_patients:
        raise DosimetryError("a cohort needs the anatomy of one patient or more")
    if not ({"blood", "marrow"} & set(curves)):
        raise DosimetryError("cohort doses need the curve 'blood' or 'marrow' (MBq/mL)")
    try:
        shape = np.broadcast_shapes(
            (n_patients, 1, 1), np.shape(ratio), *(curve.shape for curve in curves.values())
        )
    except ValueError:
        shape = ()
    if len(shape) != 3 or shape[0] != n_patients:
        given = {name: curve.shape for name, curve in curves.items()} | {"ratio": np.shape(ratio)}
        raise DosimetryError(
            f"curves and ratio must broadcast to ({n_patients} patients, cycles, draws), got "
            f"{given}"
        )
    return shape[0], shape[1], shape[2]


def _check_curves(
    curves: Mapping[str, SumOfExponentials], anatomies: Sequence[Anatomy], emitter: Emitter
) -> None:
    """The checks of single patients, on the first draws."""
    first = {name: _first_draws(curve) for name, curve in curves.items()}
    check_sources(first, emitter)
    if "blood" in first:
        volume_ml = np.array([anatomy.blood_volume_ml() for anatomy in anatomies])
        check_blood_amount(first["blood"], first.get("whole_body"), volume_ml[:, None, None])


def _check_positive(name: str, values: npt.ArrayLike) -> None:
    array = np.asarray(values, dtype=np.float64)
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise DosimetryError(f"{name} must be finite and zero or more")


def _first_draws(curve: SumOfExponentials) -> SumOfExponentials:
    if curve.shape == ():
        return curve
    return SumOfExponentials(curve.amplitude[..., :1, :], curve.rate_per_h[..., :1, :])


def _matrix(
    rows: Mapping[tuple[str, str], Mapping[str, FloatArray]],
    columns: list[str],
    n_patients: int,
    *,
    contributions: bool,
) -> tuple[list[str | tuple[str, str]], FloatArray]:
    """What each row is, and its coefficients (n_patients, n_rows, n_columns)."""
    keys: list[str | tuple[str, str]] = (
        list(rows) if contributions else list(dict.fromkeys(region for region, _ in rows))
    )
    matrix = np.zeros((n_patients, len(keys), len(columns)))
    for (region, contribution), coefficients in rows.items():
        row = keys.index((region, contribution) if contributions else region)
        for column, value in coefficients.items():
            matrix[:, row, columns.index(column)] += value
    return keys, matrix


def _factors(
    given: Mapping[str, npt.ArrayLike],
    keys: list[str | tuple[str, str]],
    shape: tuple[int, int, int],
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    regions = [key if isinstance(key, str) else key[0] for key in keys]
    unknown = sorted(set(given) - set(regions))
    if unknown:
        raise DosimetryError(
            f"s_value_factor names {unknown}; regions here: {sorted(set(regions))}"
        )
    factor = np.empty((len(given), *shape))
    for i, (region, value) in enumerate(given.items()):
        _check_positive(f"s_value_factor of {region}", value)
        try:
            factor[i] = value
        except ValueError:
            raise DosimetryError(
                f"the factor of {region} has shape {np.shape(value)}, which does not broadcast to "
                f"(patients, cycles, draws) = {shape}"
            ) from None
    order = list(given)
    return factor, np.array([order.index(r) if r in order else -1 for r in regions])


def _run(
    *,
    curves: list[SumOfExponentials],
    blood: int,
    ratio: FloatArray,
    matrix: FloatArray,
    factor: FloatArray,
    factor_of_row: npt.NDArray[np.int64],
    dose: FloatArray,
) -> None:
    """Call the kernel for every patient, on all cores."""
    from dosimetry._kernels import doses_of_patients

    shape = dose.shape[1:]
    amplitude = tuple(_contiguous(curve.amplitude, shape) for curve in curves)
    rate = tuple(_contiguous(curve.rate_per_h, shape) for curve in curves)

    def run(start: int, stop: int) -> None:
        doses_of_patients(
            amplitude, rate, blood, ratio, matrix, factor, factor_of_row, dose, start, stop
        )

    on_all_cores(shape[0], run)


def _contiguous(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """The values at full shape, without a copy where they already are; one type for all."""
    full = np.ascontiguousarray(np.broadcast_to(values, (*shape, values.shape[-1])))
    view = full.view()
    view.setflags(write=False)
    return view
