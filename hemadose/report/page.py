"""The report as one HTML page that needs neither network nor scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hemadose.planning.plan import Plan
from hemadose.report.biology_figures import plot_counts, plot_foci, plot_foci_dose
from hemadose.report.biology_tables import nadirs
from hemadose.report.decision_figures import plot_decision, plot_risk, shown_interval
from hemadose.report.firmness_tables import sensitivity_rows
from hemadose.report.inputs import input_files, settings_used, versions
from hemadose.report.kinetics_figures import plot_curve, plot_doses, region_name
from hemadose.report.style import axes_as_svg, figure_style
from hemadose.report.summary import DISCLAIMER, agent_name, headline, next_date, next_day
from hemadose.report.tables import assumptions_of, warnings_of

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Environment
    from matplotlib.axes import Axes

_PANEL_IN = (3.45, 2.25)


class FigureItem(NamedTuple):
    """A figure of the page: its SVG and the text below it."""

    svg: str
    caption: str


def report_page(plan: Plan, tables: Mapping[str, pd.DataFrame]) -> str:
    """Render the report.

    Parameters
    ----------
    plan : Plan
        A planned study.
    tables : mapping of str to pandas.DataFrame
        Its tables, from `output_tables`: figures show what the CSV files hold.

    Returns
    -------
    str
        HTML.
    """
    with figure_style():
        figures = {
            "decision": list(_decision(plan)),
            "risks": list(_risks(plan)),
            "kinetics": list(_kinetics(tables["kinetics_samples_and_fit"])),
            "doses": list(_doses(tables["doses"])),
            "foci": list(_foci(tables)),
            "counts": list(_counts(plan, tables["counts"])),
        }
    days = plan.recommendation.grid_interval_days
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            plan=plan,
            advice=plan.recommendation,
            assessment=plan.assessment,
            study=plan.study,
            label=plan.label,
            figures=figures,
            headline=headline(plan),
            treatment=agent_name(plan),
            next_day=next_day(plan),
            next_date=next_date(plan),
            shown_days=days[shown_interval(plan.recommendation)],
            disclaimer=DISCLAIMER,
            constraints={c.name: c for c in plan.risks.constraints},
            rows={name: table.to_dict("records") for name, table in _shown(tables).items()},
            sensitivity=list(sensitivity_rows(plan)),
            nadirs=list(nadirs(plan)),
            files=input_files(plan.study),
            settings=settings_used(plan.study),
            assumptions=assumptions_of(plan),
            warnings=warnings_of(plan),
            versions=versions(),
        )
    )


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hemadose", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["region"] = region_name
    environment.filters["nuclide"] = _nuclide
    return environment


def _nuclide(text: str) -> str:
    """Mass numbers raised, and no line break within the name."""
    for plain, raised in (
        ("177Lu-", "¹⁷⁷Lu\N{NON-BREAKING HYPHEN}"),
        ("131I ", "¹³¹I\N{NO-BREAK SPACE}"),
    ):
        text = text.replace(plain, raised)
    return text


def _number(value: float | None, digits: int = 3) -> str:
    """Three significant digits without an exponent where a reader can do without."""
    if value is None or value != value:
        return "–"
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e+" in text else text.replace("-", "\N{MINUS SIGN}")


def _shown(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables that stand on the page."""
    doses = tables["doses"]
    names = ("curve_forms", "kidney_bed", "foci", "foci_dose", "label_trail")
    total = {"doses": doses[doses["contribution"] == "total"]}
    activity = {"activity": tables["time_integrated_activity"]}
    return {name: tables[name] for name in names} | total | activity


def _figure(
    draw: Callable[..., Axes], name: str, caption: str, description: str = "", **options: Any
) -> FigureItem:
    svg = axes_as_svg(lambda ax: draw(ax=ax), name, description or caption, **options)
    return FigureItem(svg, caption)


def _decision(plan: Plan) -> Iterator[FigureItem]:
    advice = plan.recommendation
    days = advice.grid_interval_days[shown_interval(advice)]
    when = f"{days:g} days after the last cycle" if plan.study.cycles else "of cycle 1"
    marked = f" The line marks {advice.activity_gbq:g} GBq." if advice.action == "treat" else ""
    yield _figure(
        partial(plot_decision, advice, plan.study.therapy.max_activity_gbq),
        "decision",
        f"Each risk as a share of its tolerance (in brackets) for an administration {when}. "
        "Above 1 a risk is not tolerated; grey activities are not allowed "
        f"by model or hard cap. Band: Monte-Carlo standard error of the highest.{marked}",
        size_in=(7.1, 3.1),
        margin_in={"right": 1.9, "top": 0.12},
    )


def _risks(plan: Plan) -> Iterator[FigureItem]:
    text = {c.name: c.text for c in plan.risks.constraints}
    for c, name in enumerate(plan.recommendation.constraint_names):
        yield _figure(
            partial(plot_risk, plan.recommendation, c),
            f"risk-{c}",
            f"Probability of {text[name]}.",
            size_in=(3.45, 2.0),
        )


def _kinetics(table: pd.DataFrame) -> Iterator[FigureItem]:
    """One figure for each region and cycle with samples; without any, the next cycle's curves."""
    data = table[table["kind"] == "sample"]
    if data.empty:
        data = table[table["cycle"] == table["cycle"].max()]
    for cycle, region in data[["cycle", "region"]].drop_duplicates().itertuples(index=False):
        rows = data[(data["cycle"] == cycle) & (data["region"] == region)]
        samples = int((rows["kind"] == "sample").sum())
        below = int(rows["below_limit"].eq(True).sum())
        text = f"{samples} sample{'s' * (samples != 1)}" if samples else "no samples"
        text += f", {below} below the limit of quantification (arrow)" if below else ""
        yield _figure(
            partial(plot_curve, table, int(cycle), region),
            f"curve-{cycle}-{region}",
            f"{text.capitalize()}.",
            f"Activity in {region.replace('_', ' ')} over time in cycle {cycle}: {text}.",
            size_in=_PANEL_IN,
        )


def _doses(table: pd.DataFrame) -> Iterator[FigureItem]:
    for region in table["region"].drop_duplicates():
        rows = table[(table["region"] == region) & (table["contribution"] == "total")]
        yield _figure(
            partial(plot_doses, table, region),
            f"dose-{region}",
            f"By the {rows['method'].iloc[-1]} method.",
            f"Dose to {region.replace('_', ' ')} by contribution and cycle.",
            size_in=(3.45, 1.15 + 0.36 * len(rows)),
            margin_in={"left": 0.72, "bottom": 0.82},
        )


def _foci(tables: Mapping[str, pd.DataFrame]) -> Iterator[FigureItem]:
    for cycle in tables["foci_course"]["cycle"].drop_duplicates():
        yield _figure(
            partial(plot_foci, tables["foci"], tables["foci_course"], int(cycle)),
            f"foci-{cycle}",
            "Counted, with the sd of counting; median and 90 % band of the predicted mean.",
            f"Foci per cell over time in cycle {cycle}, counted and predicted.",
            size_in=_PANEL_IN,
        )
    n_estimates = len(tables["foci_dose"])
    if n_estimates:
        yield _figure(
            partial(plot_foci_dose, tables["foci_dose"]),
            "foci-dose",
            "Blood dose of each cycle from foci, from activity, and from both where foci are used.",
            size_in=(3.45, 1.05 + 0.42 * n_estimates),
            margin_in={"left": 1.2},
        )


def _counts(plan: Plan, table: pd.DataFrame) -> Iterator[FigureItem]:
    study, start = plan.study, next_day(plan)
    days = [study.cycle_day(cycle.number) for cycle in study.cycles]
    for lineage, counts in plan.assessment.counts.items():
        after = (
            "without a further administration"
            if start is None
            else f"after {plan.recommendation.activity_gbq:g} GBq on day {start:g}"
        )
        yield _figure(
            partial(plot_counts, table, lineage, days, start),
            f"counts-{lineage}",
            f"{len(counts.day)} counts." if len(counts.day) else "No counts: population alone.",
            f"{lineage.capitalize()}: {len(counts.day)} measured, 90 % band of the posterior up "
            f"to the decision (dark) and of the prediction {after} (light).",
            size_in=_PANEL_IN,
            margin_in={"right": 0.3},
        )
