"""The README's Python runs, and its links lead somewhere."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_python_of_the_readme_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert "treat" in capsys.readouterr().out


@pytest.mark.parametrize("guide", ["dosimetry.md", "foci.md", "toxicity.md", "planning.md"])
def test_the_python_of_a_guide_runs(guide, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / guide).read_text("utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    exec(compile(code, f"docs/{guide}", "exec"), {})


def test_links_lead_to_files():
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_package_is_installed():
    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"][
            "packages"
        ]
    )
    tops = ("kinetics", "dosimetry", "radiobio", "foci", "hemadose")
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in tops
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert listed == found | {"hemadose.examples"}
