"""Calibration and decision curves as a figure; nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from radiobio.risk_factors.assessment import RiskAssessment
from radiobio.risk_factors.performance import PREVALENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"logistic": "C0", "boosting": "C1"}


def plot_risk_assessment(assessment: RiskAssessment) -> Figure:
    """Draw calibration (left) and net benefit (right) of the models of an assessment.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels.
    """
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    _calibration(assessment, left)
    _decision(assessment, right)
    share = assessment.n_events / assessment.n
    figure.suptitle(
        f"{assessment.outcome}: {assessment.n_events} of {assessment.n} patients ({share:.1%}), "
        f"held-out predictions of {assessment.n_repeats} x {assessment.n_folds} folds"
    )
    return figure


def _calibration(assessment: RiskAssessment, ax: Axes) -> None:
    top = 0.0
    for k, (name, curve) in enumerate(assessment.calibration.items()):
        colour, slope = _COLOURS[name], assessment.estimate(name, "calibration_slope")
        label = f"{name}: slope {slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f})"
        if np.isnan(slope.value):
            label = f"{name}: no slope"
        ax.fill_between(curve.at, curve.smooth_low, curve.smooth_high, color=colour, alpha=0.15,
                        linewidth=0)  # fmt: skip
        ax.plot(curve.at, curve.smooth, color=colour, label=label)
        ax.errorbar(
            curve.predicted, curve.observed,
            np.clip([curve.observed - curve.low, curve.high - curve.observed], 0.0, None),
            fmt="os"[k % 2], color=colour, markersize=4, linewidth=1, capsize=2,
        )  # fmt: skip
        top = max(top, curve.high.max(), curve.at.max())
    share = assessment.n_events / assessment.n
    ax.plot([0, 1], [0, 1], color="0.5", linewidth=0.8, linestyle="--", label="perfect")
    ax.axhline(share, color="0.5", linewidth=0.8, linestyle=":", label=PREVALENCE)
    edge = (0.0, min(1.0, 1.05 * top))
    ax.set(
        xlim=edge, ylim=edge,
        xlabel="predicted probability", ylabel="observed share", title="Calibration",
    )  # fmt: skip
    ax.legend(loc="lower right", framealpha=0.8, edgecolor="none", fontsize="small")


def _decision(assessment: RiskAssessment, ax: Axes) -> None:
    for name, curve in assessment.decision.items():
        colour = _COLOURS[name]
        ax.fill_between(curve.thresholds, curve.benefit_low, curve.benefit_high, color=colour,
                        alpha=0.15, linewidth=0)  # fmt: skip
        ax.plot(curve.thresholds, curve.benefit, color=colour, label=name)
    ax.plot(curve.thresholds, curve.all_benefit, color="0.3", linewidth=0.9, label="act in all")
    ax.axhline(0.0, color="0.5", linewidth=0.9, linestyle="--", label="act in none")
    share = assessment.n_events / assessment.n
    ax.set(xlim=(0, curve.thresholds[-1]), ylim=(-0.6 * share, 1.3 * share),
           xlabel="threshold probability", ylabel="net benefit per patient",
           title="Decision curve")  # fmt: skip
    ax.legend(loc="upper right", frameon=False, fontsize="small")
