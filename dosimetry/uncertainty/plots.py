"""Plot of an uncertainty budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosimetry.plot_style import COLOURS, INK, axes_or_new, plain
from dosimetry.uncertainty.gear2018 import DoseUncertainty

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELS = {
    "voi": "volume of interest",
    "recovery": "recovery coefficient",
    "calibration": "calibration",
    "tia": "curve fit",
    "s_value": "S value",
}


def plot_budget(uncertainty: DoseUncertainty, ax: Axes | None = None) -> Axes:
    """Share of each input in the variance of a dose, the largest on top.

    Parameters
    ----------
    uncertainty : DoseUncertainty
        From `dose_uncertainty`.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    """
    ax = axes_or_new(ax)
    share = uncertainty.variance_share_pct
    order = sorted(share, key=lambda name: share[name])
    bars = ax.barh(
        [_LABELS[name] for name in order], [share[name] for name in order], color=COLOURS[0],
        height=0.62,
    )  # fmt: skip
    texts = [f"{share[n]:.0f} %  ({uncertainty.contributions_gy[n]:.2g} Gy)" for n in order]
    ax.bar_label(bars, texts, padding=4, color=INK, fontsize="small")
    ax.set_xlim(0, 1.45 * max(*share.values(), 1e-9))
    ax.set_xlabel("share of the variance (%)")
    ax.set_title(
        f"{uncertainty.dose_gy:.3g} ± {uncertainty.standard_uncertainty_gy:.2g} Gy (one standard "
        "uncertainty)",
        fontsize="medium", loc="left", color=INK,
    )  # fmt: skip
    plain(ax)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax
