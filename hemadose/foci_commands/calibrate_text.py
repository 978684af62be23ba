"""What `hemadose foci calibrate` says in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hemadose.foci_commands.calibrate import Calibration, LaboratoryFit

if TYPE_CHECKING:
    from foci import CalibrationCurve, LaboratoryCurves


def calibration_text(found: Calibration) -> str:
    """Curves, goodness of fit and dispersion in words and columns."""
    lines = []
    for one in found.laboratories:
        lines += [*_laboratory(one), ""]
    if found.combined is not None:
        lines += [*_combined(found.combined, len(found.laboratories)), ""]
    lines += [f"Note: {note}" for note in found.notes]
    curve = found.laboratories[0].fit.curve
    lines.append(
        f"Cells were irradiated for {curve.irradiation_h:g} h and kept for {curve.repair_h:g} h "
        "more (--irradiation-h, --repair-h): what was repaired then is missing from the slope."
    )
    lines.append("Use a curve only for counts of its own laboratory.")
    return "\n".join([*lines, "Research use, not a medical device."])


def _laboratory(one: LaboratoryFit) -> list[str]:
    fit, rows = one.fit, one.series.rows
    doses = 1000 * np.asarray(one.series.dose_gy)
    lines = [
        f"{one.series.laboratory or fit.curve.source}: {len(rows)} samples, {doses.min():g} to "
        f"{doses.max():g} mGy, {sum(row.cells for row in rows):,} cells, "
        f"{sum(row.foci for row in rows):,} foci",
        *_coefficients(fit.curve),
    ]
    degrees = fit.degrees_of_freedom
    if degrees:
        lines.append(
            f"  goodness of fit: p = {fit.goodness_of_fit_p:.2g} (deviance {fit.deviance:.1f}, "
            f"{degrees} degrees of freedom); AIC {fit.aic:.1f}"
        )
    else:
        lines.append("  goodness of fit: no degree of freedom is left to tell")
    lines.append(f"  dispersion (variance over mean) {fit.curve.dispersion:.3g}{_tests(one)}")
    if fit.curve.status != "ok":
        lines.append(f"  Warning: {fit.curve.status}")
    return lines


def _tests(one: LaboratoryFit) -> str:
    made = [test for test in one.tests if test is not None]
    if not made:
        return "; no closed distributions of foci over the cells to test it"
    odd = sum(test.p_value < 0.05 for test in made)
    expected = 0.05 * len(made)
    return (
        f"; the cells of {odd} of {len(made)} samples differ from Poisson at 5 % "
        f"({expected:.1f} expected by chance)"
    )


def _coefficients(curve: CalibrationCurve) -> list[str]:
    table = curve.to_frame()
    lines = [
        f"  {row['coefficient']:<10}{row['value']:>10.4g} +- {row['sd']:<9.2g}{row['unit']}"
        for row in table.to_dict("records")
    ]
    pairs = [(i, j) for i in range(len(table)) for j in range(i)]
    named = [
        f"{table['coefficient'][j]}-{table['coefficient'][i]} "
        f"{table['correlation_' + table['coefficient'][j]][i]:.2f}"
        for i, j in pairs
    ]
    return [*lines, f"  correlations: {', '.join(named)}"]


def _combined(found: LaboratoryCurves, n: int) -> list[str]:
    lines = [f"{n} laboratories together (one curve for all: p = {found.p_value:.2g})"]
    lines += [" mean", *_coefficients(found.mean)[:-1]]
    lines += [" a laboratory without its own", *_coefficients(found.new_laboratory)[:-1]]
    return lines + ([] if found.status == "ok" else [f"  Warning: {found.status}"])
