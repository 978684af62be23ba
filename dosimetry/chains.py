"""Decay chains: yields of the daughters, energy per decay of the parent, daughter curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from dosimetry._decay_paths import decay_paths
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import EnergyPerDecay, Nuclide, nuclide
from kinetics import SumOfExponentials

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

_LONG_LIVED_H = 24.0  # ASSUMED, see decay_chain
_RELATIVE_GAP = 1e-5  # rates closer than this are moved apart, see _fed
_WITHOUT_SUM = ("neutron", "fission_fragment")


@dataclass(frozen=True, eq=False)
class ChainMember:
    """One nuclide of a decay chain.

    Attributes
    ----------
    nuclide : Nuclide
        Its decay data.
    decays_per_parent : float
        Decays at the site per decay of the parent, to complete decay: branching along all paths
        times the shares retained.
    retained : float
        Share of its atoms formed at the site that decays at the site.
    feeders : mapping of str to float
        Branching fraction by name of the members that decay into it; empty for the parent.
    """

    nuclide: Nuclide
    decays_per_parent: float
    retained: float
    feeders: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class DecayChain(EnergyPerDecay):
    """A parent and the progeny that decays with it.

    Energies are per decay of the parent: each member's energy times its decays per parent. With
    these, time-integrated activity of the parent alone gives the dose of the whole chain.

    Attributes
    ----------
    parent : Nuclide
        The nuclide administered.
    members : tuple of ChainMember
        Parent first; a daughter stands after everything that decays into it.
    assumptions : tuple of str
        What was left out or assumed, in words.
    """

    parent: Nuclide
    members: tuple[ChainMember, ...]
    assumptions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the parent."""
        return self.parent.name

    @property
    def half_life_h(self) -> float:
        """Physical half-life of the parent (h)."""
        return self.parent.half_life_h

    @property
    def decay_per_h(self) -> float:
        """Physical decay constant of the parent (1/h)."""
        return self.parent.decay_per_h

    @property
    def yields(self) -> dict[str, float]:
        """Decays per decay of the parent, by name of the member."""
        return {m.nuclide.name: m.decays_per_parent for m in self.members}

    @property
    def energy_mev(self) -> Mapping[str, float]:
        """Mean energy per decay of the parent (MeV) by radiation type, as in `Nuclide`."""
        kinds = self.parent.energy_mev
        return MappingProxyType(
            {
                kind: sum(m.decays_per_parent * m.nuclide.energy_mev[kind] for m in self.members)
                for kind in kinds
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a member: half-life, decays and energies (MeV) per decay of the parent."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "nuclide": m.nuclide.name,
                    "half_life_h": m.nuclide.half_life_h,
                    "decays_per_parent": m.decays_per_parent,
                    "retained": m.retained,
                    "alpha_mev": m.decays_per_parent * m.nuclide.alpha_energy_mev,
                    "alpha_recoil_mev": m.decays_per_parent * m.nuclide.energy_mev["alpha_recoil"],
                    "electron_mev": m.decays_per_parent * m.nuclide.electron_energy_mev,
                    "photon_mev": m.decays_per_parent * m.nuclide.photon_energy_mev,
                }
                for m in self.members
            ]
        )


Emitter: TypeAlias = Nuclide | DecayChain
"""What decays: a nuclide alone, or with its progeny."""

RadiationSource: TypeAlias = str | Nuclide | DecayChain
"""What a caller may give: a name stands for the nuclide without its progeny."""


def emitter_of(source: RadiationSource) -> Emitter:
    """Decay data of a source given by name, as a nuclide or as a chain."""
    return nuclide(source) if isinstance(source, str) else source


def decay_chain(
    name: str,
    *,
    retained: Mapping[str, float] | None = None,
    longest_half_life_h: float | None = None,
) -> DecayChain:
    r"""Decay chain of a nuclide, as far as its daughters decay with it.

    Every decay of the parent, followed to its end, causes
    :math:`Y_j = r_j \sum_i Y_i\, b_{ij}` decays of daughter j at the site, with branching
    fractions b and retained shares r; the sum runs over everything that decays into j. A daughter
    that leaves takes its own progeny along.

    Parameters
    ----------
    name : str
        The parent, in any spelling that `nuclide` accepts.
    retained : mapping of str to float, optional
        Share of the atoms of a daughter that decays where it was formed, from 0 to 1; one for
        those not named.
    longest_half_life_h : float, optional
        Daughters that live longer are left out, with all that follows them, and named in
        `assumptions`. Default: the half-life of the parent, but at least 24 h. A daughter that
        outlives its parent never comes into equilibrium with it; that it has left the site when
        it lives longer than a day as well is ASSUMED. This drops Xe-131m after I-131 and Bi-207
        after At-211, and keeps Pb-209 after Bi-213. ``math.inf`` keeps all.

    Returns
    -------
    DecayChain

    Raises
    ------
    DosimetryError
        If a nuclide is unknown, a retained share is not from 0 to 1, or it names no daughter.

    References
    ----------
    Branching fractions of ICRP Publication 107, read from the Python package radioactivedecay.

    Examples
    --------
    >>> chain = decay_chain("225Ac", retained={"Bi-213": 0.5})
    >>> round(chain.yields["Po-213"], 3)
    0.489
    """
    parent = nuclide(name)
    limit = max(parent.half_life_h, _LONG_LIVED_H)
    if longest_half_life_h is not None:
        if not longest_half_life_h > 0:
            raise DosimetryError(
                f"longest_half_life_h must be positive, got {longest_half_life_h!r} h; "
                "math.inf keeps every daughter"
            )
        limit = float(longest_half_life_h)
    feeders, left_out = decay_paths(parent.name, limit)
    shares = _checked_shares(retained or {}, parent.name, feeders)
    decays: dict[str, float] = {}
    for daughter, sources in feeders.items():
        formed = sum(decays[source] * branch for source, branch in sources.items())
        decays[daughter] = formed * shares[daughter] if sources else 1.0
    members = tuple(
        ChainMember(nuclide(key), decays[key], shares[key], MappingProxyType(sources))
        for key, sources in feeders.items()
    )
    notes = _left_out_notes(parent, limit, left_out, decays)
    return DecayChain(parent, members, notes + _other_notes(members, shares))


def daughter_curves(
    parent_curve: SumOfExponentials,
    chain: DecayChain,
    *,
    loss_per_h: Mapping[str, npt.ArrayLike] | None = None,
) -> dict[str, SumOfExponentials]:
    r"""Activities of all members at a site from the curve of the parent there.

    For each daughter :math:`dA_j/dt = \lambda_j r_j \sum_i b_{ij} A_i - (\lambda_j + k_j) A_j`,
    :math:`A_j(0) = 0`: Bateman's equations with the shares retained r and biological loss rates k
    (of atoms that leave after a while, such as those of a free metal).

    Parameters
    ----------
    parent_curve : SumOfExponentials
        Activity or activity concentration of the parent at the site, physical decay included.
    chain : DecayChain
        From `decay_chain`.
    loss_per_h : mapping of str to array_like, optional
        Biological loss rate of a daughter (1/h), broadcast against the draws of the curve; zero
        for those not named.

    Returns
    -------
    dict of str to SumOfExponentials
        Curve by name of the member, in the unit and with the draws of the parent's. Without loss
        each integral is the parent's integral times ``decays_per_parent``.

    Raises
    ------
    DosimetryError
        If a loss rate is negative, does not fit the draws or names no daughter of the chain.

    Notes
    -----
    Where a daughter's rate k meets one of the curve (within 1e-5 relative), the two are moved apart
    by 1e-5 of k to either side, which leaves the integral exact and the curve within
    :math:`(10^{-5} k t)^2/6`.

    Examples
    --------
    >>> chain = decay_chain("Pb-212")
    >>> site = SumOfExponentials([1.0], [chain.decay_per_h])
    >>> curves = daughter_curves(site, chain)
    >>> round(float(curves["Bi-212"].integral() / site.integral()), 6)
    1.0
    """
    losses = _checked_losses(loss_per_h or {}, chain, parent_curve.shape)
    curves = {chain.name: parent_curve}
    for member in chain.members[1:]:
        key, decay = member.nuclide.name, member.nuclide.decay_per_h
        inflow: SumOfExponentials | None = None
        for feeder, branch in member.feeders.items():
            part = curves[feeder].scaled(branch * member.retained * decay)
            inflow = part if inflow is None else inflow + part
        assert inflow is not None
        curves[key] = _fed(inflow, decay + losses.get(key, np.zeros(())))
    return curves


def _fed(inflow: SumOfExponentials, rate_per_h: FloatArray) -> SumOfExponentials:
    """Content of a compartment of loss rate k that a curve flows into, as exponentials."""
    shape = np.broadcast_shapes(inflow.shape, rate_per_h.shape)
    source = np.broadcast_to(inflow.rate_per_h, (*shape, inflow.n_terms))
    rate = np.broadcast_to(rate_per_h[..., None], source.shape)
    step = _RELATIVE_GAP * rate
    near = np.abs(rate - source) < step
    middle = 0.5 * (rate + source)
    low = np.where(near, middle - step, source)
    high = np.where(near, middle + step, rate)
    # the pair moved apart keeps its area
    area = np.divide(low * high, source * rate, out=np.ones(source.shape), where=near)
    part = inflow.amplitude * area / (high - low)
    return SumOfExponentials(
        np.concatenate([part, -part], axis=-1), np.concatenate([low, high], axis=-1)
    ).compact()


def _checked_shares(
    retained: Mapping[str, float], parent: str, members: Mapping[str, object]
) -> dict[str, float]:
    """Retained share of every member, one by default."""
    shares = dict.fromkeys(members, 1.0)
    named: set[str] = set()
    for given, share in retained.items():
        key = _daughter(given, parent, members)
        if key in named:
            raise DosimetryError(f"retained names {key} twice; keep one of the two")
        named.add(key)
        if not 0 <= share <= 1:
            raise DosimetryError(f"retained[{given!r}] must be from 0 to 1, got {share!r}")
        shares[key] = float(share)
    return shares


def _checked_losses(
    loss_per_h: Mapping[str, npt.ArrayLike], chain: DecayChain, draws: tuple[int, ...]
) -> dict[str, FloatArray]:
    """Loss rates by member, as arrays that fit the draws."""
    members = chain.yields
    losses: dict[str, FloatArray] = {}
    for given, value in loss_per_h.items():
        rate = np.asarray(value, dtype=np.float64)
        if not (np.isfinite(rate).all() and (rate >= 0).all()):
            raise DosimetryError(f"loss_per_h[{given!r}] must be zero or positive, got {value!r}")
        losses[_daughter(given, chain.name, members)] = rate
    try:
        np.broadcast_shapes(draws, *(rate.shape for rate in losses.values()))
    except ValueError:
        shapes = {name: rate.shape for name, rate in losses.items()}
        raise DosimetryError(f"loss_per_h of {shapes} does not fit draws of {draws}") from None
    return losses


def _daughter(given: str, parent: str, members: Mapping[str, object]) -> str:
    """Name of a daughter of the chain in the spelling of ICRP 107."""
    key = nuclide(given).name
    if key not in members or key == parent:
        legal = ", ".join(m for m in members if m != parent) or "none: it has no such daughters"
        raise DosimetryError(f"{given!r} is no daughter in the chain of {parent}; legal: {legal}")
    return key


def _left_out_notes(
    parent: Nuclide,
    limit_h: float,
    left_out: Mapping[str, Mapping[str, float]],
    decays: Mapping[str, float],
) -> tuple[str, ...]:
    """One sentence for each daughter that lives too long."""
    notes = []
    for key, sources in left_out.items():
        formed = sum(decays[source] * branch for source, branch in sources.items())
        notes.append(
            f"{key} ({formed:.4g} per decay of {parent.name}, half-life "
            f"{nuclide(key).half_life_h / 24:.4g} d) and its progeny are left out: it lives longer "
            f"than {limit_h:.4g} h and is ASSUMED to decay elsewhere or to be cleared"
        )
    return tuple(notes)


def _other_notes(members: tuple[ChainMember, ...], shares: Mapping[str, float]) -> tuple[str, ...]:
    """Retention given by the user, and energy that is in no sum."""
    notes = []
    if all(share == 1 for share in shares.values()) and len(members) > 1:
        notes.append("every daughter is ASSUMED to decay where it was formed")
    lost = sum(
        m.decays_per_parent * m.nuclide.energy_mev[kind] for m in members for kind in _WITHOUT_SUM
    )
    if lost > 0:
        notes.append(
            f"neutrons and fission fragments ({lost:.4g} MeV per decay of the parent) are in no "
            "sum of energies; fission products are not followed"
        )
    return tuple(notes)
