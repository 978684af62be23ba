import pytest

from dosimetry import DosimetryError
from dosimetry.s_values.readers import read_idac
from tests.dosimetry.s_values.readers.tables_by_physics import parts_by_physics

NAMES = {
    "marrow": "Red (active) bone marrow",
    "kidneys": "Kidneys",
    "liver": "Liver",
    "trabecular_bone": '"Trabecular bone mineral, volume"',
}
HEAD = [
    "Source Regions,,Target Regions,,Photon,Electron,Beta,Alpha,Neutron,Total",
    "IDAC Dose2.1,OIR(FlexID),IDAC Dose2.1,OIR(FlexID)",
]


def idac_text(name, *, w_alpha=20.0, scale=1 / 3.6e9, neutron=0.0):
    """The layout that FlexID writes, with values by the physics in Sv/(Bq s)."""
    parts, lines = parts_by_physics(name), list(HEAD)
    for source in NAMES:
        first = f"{NAMES[source]},x,"
        for target in ("marrow", "kidneys", "liver"):
            electron, photon, alpha = (scale * value for value in parts[target, source])
            cells = [photon, 0.1 * electron, 0.9 * electron, w_alpha * alpha, neutron]
            printed = [f"{value:.8E}" for value in (*cells, sum(cells))]
            lines.append(f"{first}{NAMES[target]},x,{','.join(printed)}")
            first = ",,"
        lines += [f",,{NAMES['liver'].replace('Liver', 'Colon wall')},,,,,,,", "", ""]
    lines += ["Other,,Liver,Liver,1,1,1,1,1,1"]
    return "\n".join(lines)


@pytest.fixture
def write(tmp_path):
    def _write(text):
        path = tmp_path / "s.csv"
        path.write_text(text, encoding="utf-8-sig")
        return path

    return _write


@pytest.mark.parametrize("name", ["Ac-225", "I-131", "Lu-177"])
def test_parts_are_read_and_the_factor_of_twenty_is_removed(write, name):
    table = read_idac(write(idac_text(name)), nuclide=name, sex="male")
    assert set(table.values) == {(t, s) for s in NAMES for t in ("marrow", "kidneys", "liver")}
    for pair, value in table.values.items():
        found = (value.electron, value.photon, value.alpha)
        assert found == pytest.approx(parts_by_physics(name)[pair], rel=1e-7), pair
    assert any("weighting factor 20" in a for a in table.assumptions) is (name == "Ac-225")


def test_gray_is_not_weighted(write):
    path = write(idac_text("Ac-225", w_alpha=1.0, scale=1 / 3.6))
    value = read_idac(path, nuclide="Ac-225", sex="male", unit="mGy/(MBq s)")
    own = value.values["liver", "liver"].alpha
    assert own == pytest.approx(parts_by_physics("Ac-225")["liver", "liver"][2], rel=1e-7)


WRONG = {  # unit and factor: the pair at which it is seen
    "small unit": ("Sv/(kBq s)", None, "kidneys <- kidneys"),
    "large unit": ("kSv/(Bq s)", None, "marrow <- marrow"),
    "factor of OLINDA": ("Sv/(Bq s)", 5.0, "marrow <- marrow"),
    "large factor": ("Sv/(Bq s)", 100.0, "kidneys <- kidneys"),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_unit_or_factor_breaks_the_energy(write, name):
    unit, w_alpha, pair = WRONG[name]
    with pytest.raises(DosimetryError, match=rf"s\.csv, row \d+: the .* part of {pair}"):
        read_idac(
            write(idac_text("Ac-225")), nuclide="Ac-225", sex="male", unit=unit, w_alpha=w_alpha
        )


def test_neutrons_are_left_out_and_said(write):
    path = write(idac_text("I-131", neutron=1e-18))
    table = read_idac(path, nuclide="I-131", sex="male")
    assert "the dose of neutrons is left out" in table.assumptions
    assert table.values["liver", "marrow"].photon == pytest.approx(
        parts_by_physics("I-131")["liver", "marrow"][1], rel=1e-7
    )


LINES = idac_text("Lu-177").splitlines()
ROW = LINES[3].split(",")
BAD = {
    "header": ("\n".join(LINES[2:]), "there is no header; legal is Source Regions"),
    "column": ("\n".join([HEAD[0].replace("Beta", "B"), *LINES[1:]]), "column Beta is missing"),
    "cell": (
        "\n".join([*LINES[:3], LINES[3].replace(ROW[5], "x"), *LINES[4:]]),
        "row 4, column Electron: got 'x'",
    ),
    "twice": ("\n".join([*LINES[:4], LINES[3], *LINES[4:]]), "row 5: kidneys <- marrow is given"),
    "source": ("\n".join([*HEAD, ",,Liver,x,1,1,1,0,0,3"]), "row 3: the source has no name"),
    "sum": (
        "\n".join([*HEAD, "Liver,x,Liver,x,1e-17,1e-15,0,0,0,9e-15"]),
        "row 3: the parts of liver <- liver add up",
    ),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_broken_tables(write, name):
    text, message = BAD[name]
    with pytest.raises(DosimetryError, match=message):
        read_idac(write(text), nuclide="Lu-177", sex="male")
