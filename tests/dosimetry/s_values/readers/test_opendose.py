import json

import pytest

from dosimetry import DosimetryError, nuclide
from dosimetry.s_values.readers import read_opendose

# invented numbers near those of Lu-177: target, S value (mGy/MBq/s), standard error, mass (g)
LIVER = [
    ["Adipose/residual tissue", "2.3e-8", "1.9e-11", "20470.798"],
    ["Left kidney C+M+P", "4.7e-8", "1.1e-10", "152.983"],
    ["Liver", "1.37e-5", "9.1e-10", "1799.776"],
    ["RKidney + LKidney", "1.4e-7", "1.5e-10", "309.994"],
    ["Spleen", "4.2e-8", "5.0e-11", "149.968"],
]
KIDNEY = [
    ["Left kidney C+M+P", "1.58e-4", "1e-9", "152.983"],
    ["Liver", "4.7e-8", "1e-10", "1799.776"],
    ["RKidney + LKidney", "7.8e-5", "1e-9", "309.994"],
]


def as_csv(rows, mark=","):
    head = mark.join(["Target", "S-value (mGy/MBq/s)", "Standard error", "Mass (g)"])
    return "\n".join([head, *(mark.join(f'"{cell}"' for cell in row) for row in rows)])


@pytest.fixture
def write(tmp_path):
    def _write(text, name="liver.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return _write


@pytest.mark.parametrize("form", ["json", "csv", "tsv"])
def test_solid_organs_are_split_by_the_masses_of_the_file(write, form):
    text = {"json": json.dumps(LIVER), "csv": as_csv(LIVER), "tsv": as_csv(LIVER, "\t")}[form]
    table = read_opendose({"liver": write(text)}, nuclide="Lu-177", sex="male")
    assert table.phantom == "ICRP 110 AM"
    own = table.values["liver", "liver"]
    delta = 1000 * nuclide("Lu-177").delta_electron_gy_kg_per_mbq_h
    assert own.electron == pytest.approx(delta / 1799.776)
    assert own.total == pytest.approx(3.6 * 1.37e-5)
    assert table.values["kidneys", "liver"].photon == pytest.approx(3.6 * 1.4e-7)
    assert table.mass_g["spleen"] == 149.968
    assert "1 rows of OpenDose left out: targets that are no solid organ" in table.assumptions


def test_several_sources_and_overlapping_targets(write):
    paths = {
        "Liver": write(json.dumps(LIVER)),
        "Left kidney C+M+P": write(json.dumps(KIDNEY), "left.json"),
    }
    table = read_opendose(paths, nuclide="Lu-177", sex="male")
    assert ("kidneys", "left_kidney") not in table.values
    assert table.values["left_kidney", "left_kidney"].electron > 0
    assert table.values["liver", "left_kidney"].electron == 0


def test_an_alpha_emitter_without_its_alpha_part_is_refused(write):
    # OpenDose simulates electrons and photons
    rows = [["Liver", "1e-6", "1e-9", "1799.776"]]
    with pytest.raises(DosimetryError, match="its own charged particles alone give"):
        read_opendose({"liver": write(json.dumps(rows))}, nuclide="Ac-225", sex="male")


def broken(index, column, cell):
    rows = [list(row) for row in LIVER]
    rows[index][column] = cell
    return rows


BAD = {
    "json": ("[[1, 2", "this is no JSON"),
    "nested json": ("[" * 100_000, "this is no JSON of S values"),
    "endless number": ('[["Liver", ' + "1" * 5000 + ", 0, 1800]]", "this is no JSON of S values"),
    "row of three": (json.dumps([["Liver", "1", "2"]]), "row 1: legal is"),
    "header": ("Target,Dose\nLiver,1", "row 1: legal is a header with a target, S-value"),
    "unit": (as_csv(LIVER).replace("mGy/MBq/s", "Gy/Bq/s"), "row 1, column S-value: the header"),
    "value": (as_csv(broken(2, 1, "x")), "row 4, column S-value: got 'x'"),
    "empty": (as_csv(broken(2, 3, "")), r"row 4, column Mass \(g\): the cell is empty"),
    "no mass": (as_csv(broken(2, 3, "0")), "row 4: liver weighs 0 g"),
    "twice": (as_csv([*LIVER, LIVER[2]]), "row 7: the target liver is given twice"),
    "energy": (as_csv(broken(2, 1, "1.37e-2")), "row 4: liver <- liver is 0.0493"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_broken_tables(write, name):
    text, message = BAD[name]
    with pytest.raises(DosimetryError, match=message):
        read_opendose({"liver": write(text)}, nuclide="Lu-177", sex="male")


def test_sources_and_phantoms_are_checked(write):
    with pytest.raises(DosimetryError, match="'Heart contents' is no solid organ"):
        read_opendose({"Heart contents": write("x")}, nuclide="Lu-177", sex="male")
    with pytest.raises(DosimetryError, match="paths must hold at least one file"):
        read_opendose({}, nuclide="Lu-177", sex="male")
    other = [["Liver", "4.7e-8", "1e-10", "1400"]]
    paths = {"liver": write(as_csv(LIVER)), "spleen": write(as_csv(other), "spleen.csv")}
    with pytest.raises(DosimetryError, match=r"spleen\.csv, row 2: liver weighs 1400 g here and"):
        read_opendose(paths, nuclide="Lu-177", sex="male")
