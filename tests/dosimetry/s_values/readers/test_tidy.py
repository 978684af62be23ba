import pytest

from dosimetry import DosimetryError, nuclide
from dosimetry.anatomy import REFERENCE_MASS_G
from dosimetry.chains import decay_chain
from dosimetry.s_values.readers import read_tidy
from tests.dosimetry.s_values.readers.tables_by_physics import parts_by_physics

KINDS = ("electron", "photon", "alpha")


@pytest.fixture
def write(tmp_path):
    def _write(text):
        path = tmp_path / "tidy.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def tidy(name, *, unit, scale, totals=False, w_alpha=1.0):
    lines = ["target,source,radiation,value,unit"]
    for (target, source), parts in parts_by_physics(name).items():
        if totals:
            total = parts[0] + parts[1] + w_alpha * parts[2]
            lines.append(f"{target},{source},total,{total * scale!r},{unit}")
            continue
        for kind, value in zip(KINDS, parts, strict=True):
            weighted = value * (w_alpha if kind == "alpha" else 1)
            lines.append(f"{target},{source},{kind},{weighted * scale!r},{unit}")
    return "\n".join(lines)


UNITS = {  # what Gy/(MBq h) is multiplied by
    "Gy/(MBq h)": 1.0,
    "mGy/(MBq s)": 1 / 3.6,
    "mSv/MBq-s": 1 / 3.6,
    "Gy/(Bq s)": 1 / 3.6e9,
    "Sv/(Bq s)": 1 / 3.6e9,
    "mGy/(MBq h)": 1e3,
}


@pytest.mark.parametrize("unit", sorted(UNITS))
@pytest.mark.parametrize("totals", [False, True])
def test_units_at_the_edge(write, unit, totals):
    path = write(tidy("Lu-177", unit=unit, scale=UNITS[unit], totals=totals))
    table = read_tidy(path, nuclide="Lu-177", sex="male")
    for pair, (electron, photon, _) in parts_by_physics("Lu-177").items():
        value = table.values[pair]
        assert value.electron == pytest.approx(electron, rel=1e-9, abs=1e-9 * (electron + photon))
        assert value.photon == pytest.approx(photon, rel=1e-6)
        assert value.alpha == 0


@pytest.mark.parametrize("w_alpha", [1.0, 5.0, 20.0])
@pytest.mark.parametrize("totals", [False, True])
def test_alpha_in_sievert_needs_its_factor(write, w_alpha, totals):
    text = tidy("Ra-223", unit="mSv/MBq-s", scale=1 / 3.6, w_alpha=w_alpha, totals=totals)
    with pytest.raises(DosimetryError, match=r"give w_alpha.*OLINDA/EXM 5, ICRP 20"):
        read_tidy(write(text), nuclide="Ra-223", sex="male")
    table = read_tidy(write(text), nuclide="Ra-223", sex="male", w_alpha=w_alpha)
    for pair in (("marrow", "marrow"), ("liver", "liver"), ("marrow", "trabecular_bone")):
        assert table.values[pair].alpha == pytest.approx(parts_by_physics("Ra-223")[pair][2])


def test_gray_is_not_weighted(write):
    text = tidy("Ra-223", unit="mGy/MBq-s", scale=1 / 3.6)
    table = read_tidy(write(text), nuclide="Ra-223", sex="male")
    assert table.values["liver", "liver"].alpha == pytest.approx(
        parts_by_physics("Ra-223")["liver", "liver"][2]
    )


def test_a_chain_is_split_by_its_energy(write):
    chain = decay_chain("Ac-225")
    own = (chain.delta_electron_gy_kg_per_mbq_h + chain.delta_photon_gy_kg_per_mbq_h * 0.1) / 1.8
    alpha = (chain.delta_alpha_gy_kg_per_mbq_h + chain.delta_alpha_recoil_gy_kg_per_mbq_h) / 1.8
    text = f"target,source,value [Gy/(MBq h)]\nliver,liver,{own + alpha!r}\n"
    value = read_tidy(write(text), nuclide=chain, sex="male").values["liver", "liver"]
    assert value.alpha == pytest.approx(alpha)
    assert value.photon == pytest.approx(0.1 * chain.delta_photon_gy_kg_per_mbq_h / 1.8)
    with pytest.raises(DosimetryError, match="check the unit, the nuclide"):
        read_tidy(write(text), nuclide="Ac-225", sex="male")


def test_beta_and_electron_add_up_and_the_header_may_hold_the_unit(write):
    text = (
        "Target\tSource\tRadiation\tValue [mGy/MBq-s]\n"
        "Kidneys\tKidneys\tbeta\t6,97E-05\n"
        "Kidneys\tKidneys\telectron\t7,0E-06\n"
        "Kidneys\tKidneys\tgamma\t1,1E-06\n"
    )
    table = read_tidy(write(text), nuclide="Lu-177", sex="male", phantom="mine")
    value = table.values["kidneys", "kidneys"]
    assert (value.electron, value.photon) == (pytest.approx(3.6 * 7.67e-5), pytest.approx(3.96e-6))
    assert table.phantom == "mine"


HEAD = "target,source,radiation,value,unit\n"
GOOD = "kidneys,kidneys,electron,7.6e-5,mGy/MBq-s\n"
BAD = {
    "open quote": (f'{HEAD}{GOOD}"{"a" * 200_000}', "this is no table"),
    "column": ("target,value,unit\nliver,1,Gy\n", "row 1: column source is missing; legal are"),
    "two columns": ("target,source,value,value\na,b,1,1\n", "row 1: the column value is given"),
    "no unit": ("target,source,value\nliver,liver,1e-5\n", "no unit is stated"),
    "unit": (HEAD + "liver,liver,beta,1e-5,mGy\n", "row 2, column unit: 'mGy' is no unit"),
    "radiation": (HEAD + "liver,liver,muon,1e-5,Gy/MBq-h\n", "row 2, column radiation: got 'muon'"),
    "value": (HEAD + GOOD + "liver,liver,beta,x,Gy/MBq-h\n", "row 3, column value: got 'x'"),
    "no value": (HEAD + "liver,liver,beta,,Gy/MBq-h\n", "row 2, column value: the cell is empty"),
    "no target": (HEAD + ",liver,beta,1,Gy/MBq-h\n", "row 2, column target: the cell is empty"),
    "twice": (HEAD + GOOD + GOOD, "row 3: kidneys <- kidneys electron is given twice, first"),
    "short": (HEAD + "liver,liver,beta\n", "row 2: it has 3 cells, the header has 5"),
    "comma": (HEAD + "liver,liver,beta,1,5e-5,Gy/MBq-h\n", "row 2: it has 6.*decimal comma"),
    "mixed": (HEAD + GOOD + "liver,liver,beta,1.3e-5,mSv/MBq-s\n", "some in sievert"),
    "sum": (
        HEAD + GOOD + "kidneys,kidneys,total,9e-5,mGy/MBq-s\n",
        "row 2, column value: the parts of kidneys <- kidneys add up",
    ),
    "energy": (
        HEAD + "kidneys,kidneys,electron,7.6e-2,mGy/MBq-s\n",
        "the electron part of kidneys <- kidneys is 0.274.*Lu-177 gives 0.000138 to 0.000303",
    ),
    "thousands": (
        "target;source;value;unit\nliver;liver;1.234,5;Gy/MBq-h\n",
        "row 2, column value: got '1.234,5'.*no thousands separators",
    ),
    "header only": (HEAD, "no S value was found"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BAD))
def test_broken_tables_name_the_place(write, name):
    text, message = BAD[name]
    with pytest.raises(DosimetryError, match=message):
        read_tidy(write(text), nuclide="Lu-177", sex="male")


def test_sex_and_factor_are_checked(write):
    path = write(HEAD + GOOD)
    with pytest.raises(DosimetryError, match="sex must be one of"):
        read_tidy(path, nuclide="Lu-177", sex="man")
    with pytest.raises(DosimetryError, match=r"w_alpha must be 1 or more, got 0\.5"):
        read_tidy(path, nuclide="Lu-177", sex="male", w_alpha=0.5)


@pytest.mark.parametrize(
    ("name", "pair", "part", "share"),
    [
        # electrons of a touching organ, and alpha particles of blood in the body
        ("Y-90", ("kidneys", "liver"), "electron", 0.01),
        ("Ra-223", ("whole_body", "heart_contents"), "alpha", 1.0),
    ],
)
def test_a_total_that_no_rule_splits_passes_with_its_radiation(write, name, pair, part, share):
    emitted = getattr(nuclide(name), f"delta_{part}_gy_kg_per_mbq_h")
    value = share * emitted * 1000 / REFERENCE_MASS_G["male"][pair[0]]
    row = f"{pair[0]},{pair[1]},{{}},{value!r},Gy/(MBq h)\n"
    with pytest.raises(DosimetryError, match=r"a column radiation .*read_tidy"):
        read_tidy(write(HEAD + row.format("total")), nuclide=name, sex="male")
    table = read_tidy(write(HEAD + row.format(part)), nuclide=name, sex="male")
    assert getattr(table.values[pair], part) == pytest.approx(value)


def test_an_endless_factor_of_alpha_particles(write):
    text = HEAD + "liver,liver,alpha,2.6e-3,mSv/MBq-s\n"
    with pytest.raises(DosimetryError, match="w_alpha must be 1 or more"):
        read_tidy(write(text), nuclide="Ac-225", sex="male", w_alpha=float("inf"))
