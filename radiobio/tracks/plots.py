"""Figures of hits: event sizes, and counts over cells beside a Poisson distribution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from radiobio.tracks.counts import CellCounts
from radiobio.tracks.spectrum import HitSpectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_event_sizes(hits: HitSpectrum, *, ax: Axes | None = None) -> Axes:
    """Dose distribution of single hits, z d1(z), over the log of the specific energy.

    Equal areas are equal shares of the dose.

    Parameters
    ----------
    hits : HitSpectrum
        Result of `simulate_hits`.
    ax : matplotlib Axes, optional
        Where to draw; repeated calls lay several sources over each other.
    """
    axes = _axes(ax)
    before = axes.get_ylim()[1] if axes.lines else 0.0
    edges = np.geomspace(1e-5, 10.0, 121)
    dose = hits.weight * hits.z_gy / hits.dose_gy
    height = np.histogram(hits.z_gy, edges, weights=dose)[0] / np.diff(np.log(edges))
    (line,) = axes.step(edges[:-1], height, where="post", label=hits.source)
    axes.axvline(hits.z_f_gy, color=line.get_color(), ls=":", lw=1)
    axes.axvline(hits.z_d_gy, color=line.get_color(), ls="--", lw=1)
    axes.set(
        xscale="log", xlabel="specific energy z of one hit (Gy)", ylabel=r"$z\,d_1(z)$",
        title="Dose by size of hit (dotted: $z_F$, dashed: $z_D$)", xlim=(1e-5, 10),
        ylim=(0, max(before, 1.05 * float(height.max()))),
    )  # fmt: skip
    axes.legend(frameon=False)
    return axes


def plot_cell_counts(counts: Mapping[str, CellCounts], *, ax: Axes | None = None) -> Axes:
    """Share of the cells by count, dotted where a Poisson distribution would be.

    Parameters
    ----------
    counts : mapping of str to CellCounts
        Results of `breaks_per_cell` by label.
    ax : matplotlib Axes, optional
        Where to draw.
    """
    axes = _axes(ax)
    for label, result in counts.items():
        count = np.arange(len(result.probability))
        name = f"{label}: mean {result.mean_per_cell:.3g}, variance/mean {result.dispersion:.3g}"
        (line,) = axes.plot(count, result.probability, "o-", ms=4, lw=1, label=name)
        axes.plot(count, result.poisson, ls=":", color=line.get_color())
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(left=-0.3)
    axes.set(
        yscale="log", ylim=(1e-6, 2), xlabel="count per cell", ylabel="share of cells",
        title="Counts over cells (dotted: Poisson of the same mean)",
    )  # fmt: skip
    axes.legend(frameon=False)
    return axes


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots()[1]
