"""What `hemadose foci power` says in the terminal."""

from __future__ import annotations

import numpy as np

from hemadose.foci_commands.power import PowerResult


def power_text(found: PowerResult) -> str:
    """Power and cells in words and columns."""
    options, counting = found.options, found.study.counting
    cells = options.baseline_cells
    baseline = "as many cells as the sample" if cells is None else f"{cells:,} cells"
    lines = [
        f"Calibration: {found.curve.source or 'without a name'}",
        f"Baseline {options.baseline_per_cell:g} foci per cell in {baseline}; exact two-sided "
        f"test at {1 - options.level:.2g}; dispersion {counting.dispersion:.3g}",
        "",
        "Probability that a dose is seen above the baseline",
        f"{'cells':>8}" + "".join(f"{f'{dose:g} mGy':>11}" for dose in 1000 * found.dose_gy)
        + f"   smallest dose seen with {options.power:.0%}",
    ]  # fmt: skip
    for number, row, smallest in zip(
        found.study.cells, found.power, found.study.detectable_dose_gy, strict=True
    ):
        least = f"{1000 * smallest:.1f} mGy" if np.isfinite(smallest) else "not reached"
        lines.append(f"{number:>8,}" + "".join(f"{p:>11.3f}" for p in row) + f"   {least}")
    lines += [
        "",
        f"Cells to score in the sample{'' if cells else ' and in the baseline'}",
        f"{'dose (mGy)':>12}{f'seen with {options.power:.0%}':>18}"
        f"{f'known within {options.half_width:.0%}':>20}",
    ]
    for need in found.needed:
        note = "" if need.status == "ok" else f"  [{need.status}]"
        lines.append(
            f"{1000 * need.dose_gy:>12g}{_number(need.detection):>18}"
            f"{_number(need.precision):>20}{note}"
        )
    lines += ["", *_meaning(found)]
    return "\n".join(lines)


def _number(cells: int | None) -> str:
    return "-" if cells is None else f"{cells:,}"


def _meaning(found: PowerResult) -> list[str]:
    curve, limit = found.curve, found.curve.max_dose_gy
    lines = [
        "Doses are of samples irradiated like the calibration, for "
        f"{curve.irradiation_h:g} h and kept for {curve.repair_h:g} h more. Within: "
        f"{found.options.level:.0%} interval.",
    ]
    if limit is not None and found.dose_gy[-1] > limit:
        lines.append(f"Note: the curve is extrapolated beyond {1000 * limit:g} mGy.")
    if curve.assumptions:
        lines += ["It rests on:", *(f"- {words}" for words in curve.assumptions)]
    return [*lines, "Research use, not a medical device."]
