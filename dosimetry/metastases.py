"""Dose to the red marrow from metastases in the skeleton."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dosimetry._sources import Curves, dose_curves, local_s_value
from dosimetry.anatomy import Anatomy
from dosimetry.chains import RadiationSource, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.s_values import SValue, SValueTable
from dosimetry.spheres import sphere_assumptions, sphere_s_value
from kinetics import SumOfExponentials

METASTASIS_MODELS = ("sphere", "trabecular")
"""Names of the models of a metastasis in the skeleton."""

METASTASIS_DENSITY_G_PER_ML = 1.06
"""ASSUMED density of a metastasis in the marrow space (soft tissue; sclerotic ones are denser)."""


@dataclass(frozen=True, eq=False)
class SkeletalMetastasis:
    r"""One metastasis in the skeleton as a source of dose to the red marrow.

    Parameters
    ----------
    activity_mbq : SumOfExponentials
        Activity in the metastasis (MBq), physical decay inside the rates.
    marrow_share : array_like, broadcast against the draws
        ``"sphere"``: share of the energy leaving the metastasis that is absorbed in red marrow
        (marrow-bearing part of its surface, times the red marrow's share of the energy there).
        ``"trabecular"``: share of its activity that lies within marrow-bearing bone.
    mass_g : array_like, optional
        Mass (g), needed by ``"sphere"``.
    model : {"sphere", "trabecular"}
        ``sphere``: an even sphere; what electrons and alpha particles do not leave in it, they
        leave in the tissue around it. ``trabecular``: as the mineral of trabecular bone within
        `marrow_share`, as that of cortical bone outside, for small or diffuse metastases.
    density_g_per_ml : float
        Density of the sphere (g/mL).

    Raises
    ------
    DosimetryError
        If the model is unknown, a share lies outside 0 to 1, or the mass is missing.
    """

    activity_mbq: SumOfExponentials
    marrow_share: npt.ArrayLike
    mass_g: npt.ArrayLike | None = None
    model: str = "sphere"
    density_g_per_ml: float = METASTASIS_DENSITY_G_PER_ML

    def __post_init__(self) -> None:
        share = np.asarray(self.marrow_share, dtype=np.float64)
        if self.model not in METASTASIS_MODELS:
            raise DosimetryError(f"model must be one of {METASTASIS_MODELS}, got {self.model!r}")
        if not ((share >= 0) & (share <= 1)).all():
            raise DosimetryError(f"marrow_share must lie in 0 to 1, got {self.marrow_share!r}")
        if self.model == "sphere" and self.mass_g is None:
            raise DosimetryError("a sphere needs its mass_g; or use model='trabecular'")


def escaping_s_value(
    source: RadiationSource,
    *,
    mass_g: npt.ArrayLike,
    density_g_per_ml: float = METASTASIS_DENSITY_G_PER_ML,
) -> SValue:
    r"""Energy of charged particles that leaves a sphere, per gram of what takes it up.

    Parameters
    ----------
    source : str, Nuclide or DecayChain
        What decays in the sphere.
    mass_g : array_like, shape (...)
        Mass of the sphere (g).
    density_g_per_ml : float
        Density of the sphere (g/mL).

    Returns
    -------
    SValue
        :math:`\Delta(1 - \phi(m))` for electrons and alpha particles (Gy g/(MBq h)), photons 0.

    Notes
    -----
    :math:`\phi = m\,S(m)/\Delta` from `sphere_s_value`; what the sphere does not keep is absorbed
    within the range of the particles around it: for the fastest electrons of Lu-177 1.8 mm.

    Examples
    --------
    >>> part = escaping_s_value("Lu-177", mass_g=1.0).electron / 0.0853
    >>> 0.02 < float(part) < 0.06
    True
    """
    mass = np.asarray(mass_g, dtype=np.float64)
    kept = sphere_s_value(source, mass_g=mass, density_g_per_ml=density_g_per_ml)
    emitted = local_s_value(emitter_of(source))

    def left(energy: npt.ArrayLike, s_value: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.asarray(np.clip(np.asarray(energy) - mass * np.asarray(s_value), 0.0, None))

    return SValue(
        electron=left(emitted.electron, kept.electron),
        photon=0.0,
        alpha=left(emitted.alpha, kept.alpha),
    )


def metastases_to_marrow(
    metastases: Mapping[str, SkeletalMetastasis],
    source: RadiationSource,
    *,
    table: SValueTable,
    anatomy: Anatomy,
) -> tuple[Curves, tuple[str, ...]]:
    r"""Dose rate of the red marrow from metastases, averaged over all red marrow.

    Parameters
    ----------
    metastases : mapping of str to SkeletalMetastasis
        By name: ``"tumour"`` or ``"tumour_<name>"``.
    source : str, Nuclide or DecayChain
        What decays.
    table : SValueTable
        S values with the sources trabecular_bone and cortical_bone for the target marrow.
    anatomy : Anatomy
        The patient; the mass of all red marrow takes the energy up in the sphere model.

    Returns
    -------
    curves : dict of str to SumOfExponentials
        Dose rate (Gy/h) keyed ``{name}_{radiation}``.
    assumptions : tuple of str
        In words.

    Notes
    -----
    Sphere: :math:`\dot D = A\,f\,\Delta(1-\phi)/M_{RM}` for charged particles. Trabecular:
    :math:`\dot D = A\,[f\,S(RM \leftarrow TB) + (1-f)\,S(RM \leftarrow CB)]`. In both, photons
    count with the S value of bone. The average hides that the marrow next to a metastasis gets
    far more than the rest.
    """
    wrong = [name for name in metastases if name != "tumour" and not name.startswith("tumour_")]
    if wrong:
        raise DosimetryError(f"metastases are named 'tumour' or 'tumour_<name>', got {wrong}")
    curves: Curves = {}
    for name, metastasis in metastases.items():
        s_value = _s_value(metastasis, source, table, anatomy)
        curves |= dose_curves(name, metastasis.activity_mbq, s_value)
    models = sorted({m.model for m in metastases.values()})
    notes = tuple(f"ASSUMED: {_NOTES[model]}" for model in models)
    return curves, (*notes, *(sphere_assumptions(source) if "sphere" in models else ()))


_NOTES = {
    "sphere": (
        "metastases are spheres; charged particles that leave them are absorbed around them, the "
        "given share in red marrow, averaged over all of it"
    ),
    "trabecular": (
        "metastases irradiate marrow like trabecular bone within the share that lies in "
        "marrow-bearing bone, like cortical bone outside"
    ),
}


def _s_value(
    metastasis: SkeletalMetastasis, source: RadiationSource, table: SValueTable, anatomy: Anatomy
) -> SValue:
    near, far = (table.s_value("marrow", f"{kind}_bone") for kind in ("trabecular", "cortical"))
    share = np.asarray(metastasis.marrow_share, dtype=np.float64)
    photon = share * near.photon + (1 - share) * far.photon
    if metastasis.model == "trabecular":
        return SValue(
            electron=share * near.electron + (1 - share) * far.electron,
            photon=photon,
            alpha=share * near.alpha + (1 - share) * far.alpha,
        )
    mass_g = np.asarray(metastasis.mass_g, dtype=np.float64)
    escaping = escaping_s_value(source, mass_g=mass_g, density_g_per_ml=metastasis.density_g_per_ml)
    per_gram = share / anatomy.mass_g("marrow")
    return SValue(escaping.electron * per_gram, photon, escaping.alpha * per_gram)
