"""`hemadose fit`: curves through the samples of a table, their time-integrated activity, gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hemadose.errors import HemadoseError
from hemadose.fit_samples import Series, read_series

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kinetics.curve_fits.averaging import AveragedTia
    from kinetics.curve_fits.cohort_result import CohortFit
    from kinetics.curve_fits.forms import CurveForm
    from kinetics.curve_fits.goodness import Gate

DEFAULT_FORMS = ("mono", "bi", "tri", "uptake", "f3a")
_OF_ADMINISTERED = ("f2a", "f2e", "iodine")
_LEVEL = 0.9
_FAINT = 0.01  # Akaike weight below which a curve is not drawn
_MISFIT = 1e-3  # ASSUMED: chi-square probability below which a form does not fit the samples


@dataclass(frozen=True, eq=False)
class SeriesFit:
    """What was fitted to one series.

    Attributes
    ----------
    series : Series
        The samples.
    fits : tuple of CohortFit
        One a form that could be fitted, the best first.
    intervals : tuple of ndarray, shape (2,)
        90 % profile-likelihood interval of the time-integrated activity of each.
    failed : tuple of str
        Forms that could not be fitted, with the reason.
    misfits : tuple of str
        Forms that miss the samples by far more than their errors; they come last and without a
        weight where another form fits.
    average : AveragedTia or None
        Averaged over the forms that the number of samples lets compare.
    gates : tuple of Gate
        Of the best form.
    """

    series: Series
    fits: tuple[CohortFit, ...]
    intervals: tuple[np.ndarray, ...]
    failed: tuple[str, ...]
    misfits: tuple[str, ...]
    average: AveragedTia | None
    gates: tuple[Gate, ...]


def fit_table(
    path: Path,
    *,
    nuclide: str,
    forms: Sequence[str] = (),
    relative_sd: float = 0.1,
    administered_mbq: float | None = None,
) -> tuple[SeriesFit, ...]:
    """Fit the candidate forms to every series of a table.

    Parameters
    ----------
    path : Path
        The table, see `read_series`.
    nuclide : str
        Radionuclide, as Lu-177.
    forms : sequence of str
        Candidate forms; mono, bi, tri, uptake and f3a if none is named.
    relative_sd : float
        Standard deviation as a fraction of the prediction, where the table has no sd (ASSUMED).
    administered_mbq : float, optional
        Administered activity (MBq): units in percent of it, and f2a, f2e and iodine, need it.

    Raises
    ------
    HemadoseError
        If the nuclide, a form or the table is not legal.
    """
    from dosimetry import DosimetryError
    from dosimetry.nuclides import nuclide as find_nuclide

    try:
        decay_per_h = find_nuclide(nuclide).decay_per_h
    except DosimetryError as error:
        raise HemadoseError(f"--nuclide: {error}") from None
    if not relative_sd > 0:
        raise HemadoseError(f"--cv: got {relative_sd:g}, legal is a number above 0")
    chosen = [_form(name, administered_mbq) for name in forms or DEFAULT_FORMS]
    series = read_series(path, administered_mbq=administered_mbq)
    return tuple(_fit_series(one, chosen, decay_per_h, relative_sd) for one in series)


def _form(name: str, administered_mbq: float | None) -> CurveForm:
    from kinetics import KineticsError, curve_form

    constant = {}
    if name in _OF_ADMINISTERED:
        if administered_mbq is None:
            raise HemadoseError(f"--form {name} needs the administered activity, --administered")
        constant = {"administered": administered_mbq}
    if name in ("retention", "shared"):
        raise HemadoseError(f"--form {name} is of a population, and not fitted to one table")
    try:
        return curve_form(name, **constant)
    except KineticsError as error:
        raise HemadoseError(f"--form: {error}") from None


def _fit_series(
    series: Series, forms: Sequence[CurveForm], decay_per_h: float, relative_sd: float
) -> SeriesFit:
    from kinetics.curve_fits.averaging import average_tia
    from kinetics.curve_fits.cohort_fit import fit_cohort
    from kinetics.curve_fits.goodness import goodness_of_fit
    from kinetics.curve_fits.profile import profile_likelihood

    fits, failed = [], []
    for form in forms:
        fit = fit_cohort(
            series.time_h,
            series.value,
            series.sd,
            form=form,
            decay_per_h=decay_per_h,
            below_limit=series.below_limit,
            relative_sd=relative_sd if series.sd is None else 0.0,
        )
        if fit.fitted[0]:
            fits.append(fit)
        else:
            failed.append(f"{form.name}: {fit.status[0]}")
    misfits = tuple(fit.form.name for fit in fits if _misses(fit))
    fits.sort(
        key=lambda fit: (
            fit.form.name in misfits,
            fit.status[0] != "ok",
            float(fit.aicc[0]),
            fit.form.n_parameters,
        )
    )
    fitting = [fit for fit in fits if fit.form.name not in misfits and fit.status[0] == "ok"]
    comparable = [fit for fit in fitting or fits if np.isfinite(fit.aicc[0])]
    return SeriesFit(
        series,
        tuple(fits),
        tuple(profile_likelihood(fit, level=_LEVEL).interval[0] for fit in fits),
        tuple(failed),
        misfits,
        average_tia(comparable) if comparable else None,
        goodness_of_fit(fits[0]) if fits else (),
    )


def _misses(fit: CohortFit) -> bool:
    """Whether the residuals are far larger than the samples' errors allow."""
    from scipy.stats import chi2

    freedom = int(fit.n_samples[0]) - fit.form.n_parameters
    return freedom > 0 and bool(chi2.sf(fit.chi_square[0], freedom) < _MISFIT)


def summary_table(results: Sequence[SeriesFit]) -> pd.DataFrame:
    """One row a series and form: parameters, TIA with 90 % interval, AICc, averaged TIA."""
    import pandas as pd

    from kinetics.curve_fits.goodness import extrapolated_fraction

    rows = []
    for result in results:
        weights = _weights(result)
        for fit, interval in zip(result.fits, result.intervals, strict=True):
            named = zip(fit.form.parameters, fit.parameter[0], strict=True)
            rows.append(
                _identity(result.series)
                | {
                    "form": fit.form.name,
                    "parameters": "; ".join(f"{name}={value:.5g}" for name, value in named),
                    "unit": result.series.unit,
                    "tia_h": fit.tia[0],
                    "tia_q05_h": interval[0],
                    "tia_q95_h": interval[1],
                    "extrapolated_fraction": extrapolated_fraction(fit)[0],
                    "chi_square": fit.chi_square[0],
                    "n_samples": int(fit.n_samples[0]),
                    "aicc": fit.aicc[0],
                    "akaike_weight": weights.get(fit.form.name, np.nan),
                    "averaged_tia_h": result.average.tia[0] if result.average else np.nan,
                    "averaged_tia_sd_h": result.average.tia_sd[0] if result.average else np.nan,
                    "status": str(fit.status[0]),
                }
            )
    return pd.DataFrame(rows)


def gate_table(results: Sequence[SeriesFit]) -> pd.DataFrame:
    """One row a series and gate, of the best form."""
    import pandas as pd

    return pd.DataFrame(
        [
            _identity(result.series) | {"form": result.fits[0].form.name} | vars(gate)
            for result in results
            for gate in result.gates
        ]
    )


def fit_text(results: Sequence[SeriesFit], *, nuclide: str, relative_sd: float) -> str:
    """The results in words and columns, for the terminal."""
    lines = []
    for result in results:
        weights = _weights(result)
        unit = f"{result.series.unit} h"
        lines.append(f"{result.series.title}: {_samples(result.series)}, {nuclide}")
        if not result.fits:
            reasons = "; ".join(dict.fromkeys(text.split(": ")[1] for text in result.failed))
            lines += [f"  no form could be fitted: {reasons}", ""]
            continue
        lines.append(f"  {'form':<8}{'weight':>7}  {f'TIA ({unit})':<36}half-lives, effective (h)")
        for fit, (low, high) in zip(result.fits, result.intervals, strict=True):
            weight = weights.get(fit.form.name)
            tia = f"{fit.tia[0]:.4g} ({low:.4g} to {high:.4g})"
            lives = ", ".join(f"{np.log(2) / rate:.4g}" for rate in fit.curve.rate_per_h[0])
            words = [] if fit.status[0] == "ok" else [str(fit.status[0])]
            words += ["does not fit the samples"] if fit.form.name in result.misfits else []
            note = f"  [{'; '.join(words)}]" if words else ""
            shown = "-" if weight is None else f"{weight:.2f}"
            lines.append(f"  {fit.form.name:<8}{shown:>7}  {tia:<36}{lives}{note}")
        lines += [f"  not fitted, {reason}" for reason in result.failed]
        if result.average is None:
            lines.append("  too few samples to compare forms that fit: the simplest comes first")
        if result.average is not None:
            average = result.average
            lines.append(
                f"  averaged TIA {average.tia[0]:.4g} +- {average.tia_sd[0]:.2g} {unit}, over "
                + ", ".join(average.forms)
                + ("" if average.status[0] == "ok" else f" ({average.status[0]})")
            )
        lines += [*_gate_lines(result), ""]
    lines.append("TIA: time-integrated activity, 90 % profile-likelihood interval. Weight: Akaike.")
    if any(result.misfits for result in results):
        lines.append(f"ASSUMED: a form does not fit where p < {_MISFIT:g} (chi-square).")
    if any(result.series.sd is None for result in results):
        lines.append(
            f"ASSUMED: standard deviation {100 * relative_sd:g} % of the curve where the table has "
            "no sd (--cv)."
        )
    taken = [note for result in results for fit in result.fits for note in fit.form.assumptions]
    lines += [f"{note}." for note in dict.fromkeys(taken)]
    lines.append("Research use, not a medical device.")
    return "\n".join(lines)


def _samples(series: Series) -> str:
    n, below = len(series.value), int(series.below_limit.sum())
    text = f"{n} sample{'s' if n > 1 else ''}"
    return f"{text} ({below} below the limit of quantification)" if below else text


def _gate_lines(result: SeriesFit) -> list[str]:
    form = result.fits[0].form.name
    failed = [gate for gate in result.gates if gate.passed is False]
    unknown = [gate for gate in result.gates if gate.passed is None]
    passed = len(result.gates) - len(failed) - len(unknown)
    lines = [f"  gates of {form}: {passed} passed, {len(failed)} failed"]
    for gate in failed:
        assumed = ", ASSUMED" if gate.source.startswith("ASSUMED") else ""
        lines.append(f"    failed: {gate.name}: {gate.words} (limit {gate.limit:g}{assumed})")
    return lines + [f"    open: {gate.name}: {gate.words}" for gate in unknown]


def _identity(series: Series) -> dict[str, object]:
    return {"patient": series.patient, "cycle": series.cycle, "region": series.region}


def _weights(result: SeriesFit) -> dict[str, float]:
    if result.average is None:
        return {}
    return dict(zip(result.average.forms, result.average.weight[0].tolist(), strict=True))


def draw_fits(results: Sequence[SeriesFit]) -> Figure:
    """One panel a series: samples, the best curve with its 90 % band, and the other candidates."""
    from matplotlib.figure import Figure

    from hemadose.report.style import figure_style
    from kinetics.curve_fits.plots import plot_fits

    n_columns = min(3, len(results))
    n_rows = -(-len(results) // n_columns)
    with figure_style():
        figure = Figure(figsize=(3.5 * n_columns, 2.7 * n_rows), layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
        for ax, result in zip(axes, results, strict=False):
            visible = [f for f in result.fits if _weights(result).get(f.form.name, 1.0) > _FAINT]
            plot_fits(visible or [result.fits[0]], ax, unit=result.series.unit)
            ax.set_title(result.series.title)
        for ax in axes[len(results) :]:
            ax.remove()
    return figure


def write_fit(results: Sequence[SeriesFit], folder: Path) -> list[Path]:
    """Write fits.csv, gates.csv, fits.png and fits.pdf into a folder; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("fits.csv", "gates.csv", "fits.png", "fits.pdf")]
    summary_table(results).to_csv(paths[0], index=False)
    gate_table(results).to_csv(paths[1], index=False)
    drawn = [result for result in results if result.fits]
    if not drawn:
        return paths[:2]
    figure = draw_fits(drawn)
    figure.savefig(paths[2], dpi=200)
    figure.savefig(paths[3])
    return paths
