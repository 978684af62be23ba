"""Which nuclides a nuclide decays into, and in which order (branching of ICRP 107)."""

from __future__ import annotations

from functools import cache

from dosimetry.nuclides import nuclide, nuclide_names


def decay_paths(
    parent: str, limit_h: float
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Follow the decays of a nuclide down to daughters that live longer than a limit.

    Returns
    -------
    members, left_out : dict of str to dict of str to float
        Branching fractions by feeder of each member (parent first, with no feeders, and each
        after all its feeders), and of each daughter that lives longer.
    """
    feeders: dict[str, dict[str, float]] = {key: {} for key in _ordered(parent, limit_h)}
    left_out: dict[str, dict[str, float]] = {}
    for key in feeders:
        for daughter, branch in _radioactive_branches(key).items():
            target = feeders if daughter in feeders else left_out
            target.setdefault(daughter, {})[key] = branch
    return feeders, left_out


def _ordered(name: str, limit_h: float) -> list[str]:
    """Members so that each stands after all that decay into it (depth first, then reversed)."""
    done: list[str] = []

    def visit(key: str) -> None:
        if key in done:
            return
        for daughter in reversed(_radioactive_branches(key)):
            if nuclide(daughter).half_life_h <= limit_h:
                visit(daughter)
        done.append(key)

    visit(name)
    return done[::-1]


@cache
def _radioactive_branches(name: str) -> dict[str, float]:
    """Branching fractions into radioactive nuclides."""
    from radioactivedecay import Nuclide as DecayData

    data = DecayData(name)
    pairs = zip(data.progeny(), data.branching_fractions(), strict=True)
    known = nuclide_names()
    return {str(key): float(branch) for key, branch in pairs if key in known}
