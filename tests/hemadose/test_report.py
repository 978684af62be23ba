"""The results of a plan: page, JSON document and tables, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hemadose import plan
from hemadose.errors import HemadoseError
from hemadose.planning.plan import Plan
from hemadose.report import headline, output_tables, result_document, write_outputs, writing
from hemadose.report.biology_figures import plot_counts, plot_foci, plot_foci_dose
from hemadose.report.decision_figures import plot_decision, plot_risk, shown_interval
from hemadose.report.kinetics_figures import plot_curve, plot_doses

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "result_json.md"
SCRIPT = "<script>alert(1)</script>"
STUDY = f"""
patient: {{sex: female, weight_kg: 64, height_cm: 166, creatinine_clearance_ml_per_min: 78}}
therapy: {{nuclide: Lu-177, agent: DOTATATE}}
tumours: {{tumour_node: {{mass_g: 8}}}}
cycles: [{{number: 1, start: 2025-01-15, activity_mbq: 7400}}]
decision: {{date: 2025-03-01}}
methods:
  foci_calibration: {{slope_per_gy: 14.2, slope_sd: 1.4, source: "{SCRIPT}"}}
"""
TABLES = {
    "activity": "cycle,time_h,region,value,unit,blq\n"
    "1,0.5,blood,720,kBq/mL,\n1,4,blood,190,kBq/mL,\n"
    "1,24,blood,42,kBq/mL,\n1,96,blood,12,kBq/mL,\n1,168,blood,6,kBq/mL,1\n"
    "1,24,kidneys,240,MBq,\n1,96,kidneys,110,MBq,\n1,24,marrow,70,kBq/mL,\n"
    "1,96,marrow,40,kBq/mL,\n1,24,tumour_node,20,MBq,\n",
    "foci": "cycle,time_h,cells,foci,slide,reader\n1,-1,300,84,<b>s1</b>,\n1,1,300,300,s2,A&B\n"
    f"1,24,300,160,s3,{SCRIPT}\n",
    "counts": "day,platelets,haemoglobin,neutrophils,leukocytes\n-5,240,128,4.1,6.0\n"
    "28,150,122,2.8,4.1\n44,180,122,3.0,4.4\n",
}
COLUMNS = {
    "kinetics_samples_and_fit": {"kind", "cycle", "region", "unit", "time_h", "value", "q50"},
    "kinetics_parameters": {"model", "parameter", "prior_median", "q05", "q50", "q95"},
    "curve_forms": {"region", "form", "aicc", "akaike_weight"},
    "time_integrated_activity": {"cycle", "region", "unit", "mean", "mean_tiac"},
    "doses": {"cycle", "region", "method", "contribution", "mean_gy", "sd_gy", "q05_gy"},
    "kidney_bed": {"cycle", "mean_bed_gy", "mean_cumulative_bed_gy"},
    "foci": {"cycle", "time_h", "per_cell", "q05", "q50", "q95", "slide", "reader"},
    "foci_course": {"cycle", "time_h", "q05", "q50", "q95"},
    "foci_dose": {"cycle", "estimate", "q50_gy", "ratio", "p_value"},
    "counts": {"lineage", "unit", "day", "kind", "value", "q05", "q50", "q95"},
    "decision_grid": {"interval_days", "activity_gbq", "constraint", "probability", "tolerance"},
    "sensitivity": {"assumption", "factor", "action", "activity_gbq", "interval_days", "change"},
    "measurements": {"name", "still_possible", "change_probability", "change_by_chance"},
    "policies": {"policy", "text", "action", "activity_gbq", "interval_days", "limited_by"},
    "label_trail": {"day", "rule_id", "text", "source"},
    "assumptions": {"kind", "assumed", "text"},
}


def planned(folder: Path, yaml_text: str, tables: dict[str, str], n_draws: int) -> Plan:
    folder.mkdir()
    (folder / "study.yaml").write_text(yaml_text)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return plan(folder, n_draws=n_draws)


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Samples, foci, counts, and markup wherever free text is legal, the folder's name too."""
    return planned(tmp_path_factory.mktemp("a") / "<i>P&1", STUDY, TABLES, 150)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Nothing but study.yaml, before the first cycle."""
    text = "patient: {sex: male, weight_kg: 82}\n" + (
        "therapy: {nuclide: I-131, agent: iodide, planned_activity_gbq: 3.7}\n"
    )
    return planned(tmp_path_factory.mktemp("b") / "bare", text, {}, 100)


@pytest.fixture(scope="module")
def folder(rich: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_outputs(rich, tmp_path_factory.mktemp("out") / "new" / "result").folder


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}


class Elements(HTMLParser):
    """Tags in order, ids, links, and whether every tag is closed."""

    VOID = frozenset(("meta", "br", "hr", "img", "link"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [v or "" for name, v in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_free_text_is_escaped(page: str) -> None:
    assert SCRIPT not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3  # line, reader, study.yaml
    assert "&lt;b&gt;s1&lt;/b&gt;" in page
    assert "A&amp;B" in page
    assert "&lt;i&gt;P&amp;1" in page
    assert "<i>" not in page


def test_the_page_is_self_contained_and_well_formed(page: str) -> None:
    elements = Elements(page)
    assert not elements.open
    assert not {"script", "link", "iframe", "img", "object"} & set(elements.tags)
    assert all(link.startswith("#") for link in elements.links)
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", page)
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page
    assert len(elements.ids) == len(set(elements.ids))


def test_the_page_is_accessible(page: str) -> None:
    elements = Elements(page)
    assert '<html lang="en">' in page
    assert elements.tags.count("h1") == 1
    assert elements.tags.count("svg") == elements.tags.count("figcaption") > 15
    assert page.count('role="img" aria-labelledby=') == elements.tags.count("svg")
    assert elements.tags.count("caption") == elements.tags.count("table")
    assert page.count('scope="col"') > 20


def test_the_page_says_what_matters_first(rich: Plan, page: str) -> None:
    shown = headline(rich).replace("177Lu-", "¹⁷⁷Lu\N{NON-BREAKING HYPHEN}")
    assert page.index(shown) < page.index("Research use, not a medical device.")
    order = ["Decided by", "Decision curve", "How firm is this", "Other policies", "Kinetics",
             "Absorbed doses", "DNA-damage foci", "Blood counts", "Inputs", "What was assumed",
             "How it was made"]  # fmt: skip
    positions = [page.index(f">{title}<") for title in order]
    assert positions == sorted(positions)
    assert rich.label.rule_id in page
    assert "ASSUMED" in page


def test_the_same_plan_gives_the_same_bytes(rich: Plan, folder: Path, tmp_path: Path) -> None:
    again = write_outputs(rich, tmp_path / "again").folder
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in names)


def documented_keys() -> dict[str, list[str]]:
    """Keys of each section of the documentation, by its path."""
    keys: dict[str, list[str]] = {}
    for section in re.split(r"^##+ ", DOCUMENTATION.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        rows = re.findall(r"^\| `([^`]+)` \|", body, flags=re.MULTILINE)
        keys |= dict.fromkeys(re.findall(r"`([^`]+)`", title) or [""], rows)
    return keys


def found_keys(value: Any, path: str = "") -> dict[str, set[str]]:
    """Keys of each mapping in a document, by its path."""
    found: dict[str, set[str]] = {}
    if isinstance(value, dict):
        found[path] = set(value)
        for key, item in value.items():
            found |= found_keys(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            found |= found_keys(item, f"{path}[]")
    return found


@pytest.mark.parametrize("name", ["rich", "bare"])
def test_every_key_of_the_document_is_documented(name: str, request: pytest.FixtureRequest) -> None:
    document = result_document(request.getfixturevalue(name))
    documented = documented_keys()
    for path, keys in found_keys(document).items():
        assert keys == set(documented[path]), path
    assert len(documented[""]) == len(set(documented[""])) == 20


def test_the_document_is_json_and_agrees_with_the_plan(rich: Plan, folder: Path) -> None:
    text = (folder / "result.json").read_text("utf-8")
    document = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert document == json.loads(json.dumps(result_document(rich), allow_nan=False))
    assert (document["schema"], document["schema_version"]) == ("hemadose.result", "1.1")
    assert document["recommendation"]["action"] == rich.recommendation.action
    assert document["recommendation"]["probability"] == rich.recommendation.probability.tolist()
    assert document["label"]["rule_id"] == rich.label.rule_id
    for file in document["input_files"]:
        data = (rich.study.folder / file["name"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
    assert [file["rows"] for file in document["input_files"]] == [None, 10, 3, 3]


def test_tables_have_their_columns(tables: dict[str, pd.DataFrame]) -> None:
    assert set(tables) == set(COLUMNS)
    for name, columns in COLUMNS.items():
        assert columns <= set(tables[name].columns), name


def test_doses_are_those_of_the_plan(rich: Plan, tables: dict[str, pd.DataFrame]) -> None:
    table = tables["doses"]
    doses = rich.assessment.doses.doses[1]
    total = table[(table["cycle"] == 1) & (table["contribution"] == "total")].set_index("region")
    assert set(total.index) == set(doses)
    for region, dose in doses.items():
        assert total.loc[region, "mean_gy"] == pytest.approx(dose.dose_gy.mean(), rel=1e-7)
        expected = np.quantile(dose.dose_gy, 0.95)
        assert total.loc[region, "q95_gy"] == pytest.approx(expected, rel=1e-7)
    parts = table[table["contribution"] != "total"].groupby(["cycle", "region"])["mean_gy"].sum()
    whole = table[table["contribution"] == "total"].set_index(["cycle", "region"])["mean_gy"]
    assert np.allclose(parts, whole[parts.index], rtol=1e-6)


def test_the_next_cycle_is_shown_at_the_activity_given(rich: Plan) -> None:
    table = output_tables(rich)["doses"]
    ahead = table[table["predicted"]]
    recommendation, kinetics = rich.recommendation, rich.assessment.kinetics
    shown = recommendation.activity_gbq or kinetics.next_activity_gbq
    assert set(ahead["activity_gbq"]) == {shown}
    marrow = ahead[(ahead["region"] == "marrow") & (ahead["contribution"] == "total")]
    dose = rich.assessment.doses.doses[2]["marrow"].dose_gy.mean()
    expected = dose * shown / kinetics.next_activity_gbq
    assert marrow["mean_gy"].iloc[0] == pytest.approx(expected)


def test_kidney_bed_adds_up(tables: dict[str, pd.DataFrame]) -> None:
    bed = tables["kidney_bed"]
    assert np.allclose(bed["mean_bed_gy"].cumsum(), bed["mean_cumulative_bed_gy"], rtol=1e-6)
    kidneys = tables["doses"].query("region == 'kidneys' and contribution == 'total'")
    assert (bed["mean_bed_gy"].to_numpy() > kidneys["mean_gy"].to_numpy()).all()


def test_kinetics_hold_samples_fit_and_prior(rich: Plan, tables: dict[str, pd.DataFrame]) -> None:
    table = tables["kinetics_samples_and_fit"]
    assert (table["kind"] == "sample").sum() == len(rich.study.activity)
    fit = table.query("kind == 'posterior' and cycle == 1 and region == 'kidneys'")
    curve = rich.assessment.kinetics.curves[1]["kidneys"]
    expected = np.median(curve(fit["time_h"].to_numpy()), axis=0)
    assert np.allclose(fit["q50"], expected, rtol=1e-6)
    prior = table.query("kind == 'prior' and cycle == 1 and region == 'kidneys'")
    wide = np.log(prior["q95"] / prior["q05"]).iloc[-10:].mean()
    assert wide > 2 * np.log(fit["q95"] / fit["q05"]).iloc[-10:].mean()


def test_integrals_are_those_of_the_curves(rich: Plan, tables: dict[str, pd.DataFrame]) -> None:
    table = tables["time_integrated_activity"].query("cycle == 1").set_index("region")
    for region, curve in rich.assessment.kinetics.curves[1].items():
        mean = curve.integral().mean()
        assert table.loc[region, "mean"] == pytest.approx(mean, rel=1e-7)
        assert table.loc[region, "mean_tiac"] == pytest.approx(mean / 7400, rel=1e-7)


def test_foci_measured_and_predicted(rich: Plan, tables: dict[str, pd.DataFrame]) -> None:
    foci = tables["foci"]
    assert np.allclose(foci["per_cell"], [84 / 300, 1.0, 160 / 300])
    assert np.allclose(foci["per_cell_sd"], np.sqrt([84, 300, 160]) / 300, rtol=0.5)
    assert foci["q50"].iloc[0] == pytest.approx(84 / 300, rel=0.1)  # the baseline's own background
    assert (foci["q05"] <= foci["q50"]).all()
    course = tables["foci_course"]
    at_baseline = course[course["time_h"] < 0]["q50"]
    assert np.allclose(at_baseline, foci["q50"].iloc[0], rtol=1e-6)
    dose = tables["foci_dose"].set_index("estimate")
    assert rich.assessment.foci is not None
    alone = np.median(rich.assessment.foci.alone[1].dose_gy)
    assert dose.loc["foci alone", "q50_gy"] == pytest.approx(alone, rel=1e-7)


def test_counts_measured_and_predicted(rich: Plan, tables: dict[str, pd.DataFrame]) -> None:
    platelets = tables["counts"].query("lineage == 'platelets'")
    measured = platelets.query("kind == 'measured'")
    assert list(measured["value"]) == [240, 150, 180]
    past = platelets.query("kind == 'posterior'")
    assert past["day"].max() == rich.study.decision_day
    assert (platelets.query("kind == 'predicted'")["day"] > rich.study.decision_day).all()
    assert past["q05"].gt(0).all()
    before = past[past["day"] < 0]
    assert (before["q05"] < 240).all()
    assert (before["q95"] > 150).all()


def test_figures_draw_on_their_own_axes(rich: Plan) -> None:
    shown, frames = rich.recommendation, output_tables(rich)
    cap_gbq = rich.study.therapy.max_activity_gbq
    axes = [
        plot_decision(shown, cap_gbq),
        plot_risk(shown, 0),
        plot_curve(frames["kinetics_samples_and_fit"], 1, "blood"),
        plot_doses(frames["doses"], "marrow"),
        plot_foci(frames["foci"], frames["foci_course"], 1),
        plot_foci_dose(frames["foci_dose"]),
        plot_counts(frames["counts"], "platelets", [0.0], None),
    ]
    assert len({id(ax.figure) for ax in axes}) == len(axes)
    assert all(ax.get_xlabel().endswith((")", "cycle 1")) for ax in axes)
    risk = 100 * shown.probability[0, shown_interval(shown)]
    assert any(np.array_equal(line.get_ydata(), risk) for line in axes[1].lines)


def test_nothing_but_study_yaml(bare: Plan, tmp_path: Path) -> None:
    paths = write_outputs(bare, tmp_path / "result")
    assert set(paths.tables) == set(COLUMNS)
    assert pd.read_csv(paths.tables["foci"]).empty
    assert pd.read_csv(paths.tables["kidney_bed"]).empty
    text = paths.report.read_text("utf-8")
    Elements(text)
    assert "No foci were given" in text
    assert "There are no samples" in text
    assert headline(bare).endswith("as cycle 1")


def test_other_files_stay_and_an_earlier_report_is_replaced(bare: Plan, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "own.txt").write_text("mine")
    write_outputs(bare, tmp_path)
    assert (tmp_path / "own.txt").read_text() == "mine"
    assert "<!DOCTYPE html>" in (tmp_path / "report.html").read_text("utf-8")
    assert not [path for path in tmp_path.parent.iterdir() if path.name.startswith(".hemadose-")]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("step", ["report_page", "result_document", "output_tables"])
def test_a_failure_before_writing_leaves_nothing(
    bare: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(writing, step, fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        write_outputs(bare, tmp_path / "deep" / "result")
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize(
    ("earlier", "method", "failing"),
    [
        (False, "write_text", "new/foci.csv"),
        (False, "replace", "new"),
        (True, "write_text", "new/foci.csv"),
        (True, "replace", "new/doses.csv"),
        (True, "replace", "result/doses.csv"),
        (True, "replace", "new/report.html"),
    ],
)
def test_a_failure_while_writing_restores_what_was(
    bare: Plan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    earlier: bool,
    method: str,
    failing: str,
) -> None:
    monkeypatch.setattr(writing, "report_page", lambda *_: "page")
    target = tmp_path / "deep" / "result"
    if earlier:
        target.mkdir(parents=True)
        for name in ("counts.csv", "doses.csv", "own.txt"):
            (target / name).write_text("old")
    before = snapshot(tmp_path)
    original = getattr(Path, method)

    def fail(self: Path, *args: Any, **options: Any) -> Any:
        if self.as_posix().endswith(f"/{failing}"):
            raise OSError(28, "No space left on device")
        return original(self, *args, **options)

    monkeypatch.setattr(Path, method, fail)
    with pytest.raises(HemadoseError, match="No space left on device"):
        write_outputs(bare, target)
    monkeypatch.undo()
    assert snapshot(tmp_path) == before


def test_a_folder_in_the_place_of_a_file_is_not_touched(
    bare: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "report_page", lambda *_: "page")
    (tmp_path / "doses.csv").mkdir()
    (tmp_path / "doses.csv" / "mine.txt").write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(HemadoseError, match="cannot be written"):
        write_outputs(bare, tmp_path)
    assert snapshot(tmp_path) == before


def test_a_file_in_the_place_of_the_folder_is_refused(
    bare: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "report_page", lambda *_: "page")
    (tmp_path / "result").write_text("mine")
    with pytest.raises(HemadoseError, match="name another folder"):
        write_outputs(bare, tmp_path / "result")
    assert snapshot(tmp_path) == {"result": b"mine"}
