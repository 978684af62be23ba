import pytest

from dosimetry import (
    DosimetryError,
    marrow_dose_blood_method,
    nuclide,
    reference_anatomy,
    rmblr,
    s_value_table,
)
from dosimetry.s_values.readers import SPLIT_NOTES, read_olinda, read_olinda_case
from kinetics import SumOfExponentials
from tests.dosimetry.s_values.readers.tables_by_physics import (
    REGIONS,
    matrix_text,
    parts_by_physics,
)


@pytest.fixture
def write(tmp_path):
    def _write(text, name="table.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return _write


def assert_parts(table, parts, rel=1e-6):
    for pair, (electron, photon, alpha) in parts.items():
        value = table.values[pair]
        whole = electron + photon + alpha
        assert value.electron == pytest.approx(electron, rel=rel, abs=rel * whole), pair
        assert value.photon == pytest.approx(photon, rel=rel, abs=rel * whole), pair
        assert value.alpha == pytest.approx(alpha, rel=rel, abs=rel * whole), pair


@pytest.mark.parametrize("name", ["Ac-225", "I-131", "Lu-177", "Ra-223", "Y-90"])
@pytest.mark.parametrize("sex", ["female", "male"])
def test_parts_come_back_from_printed_totals(write, name, sex):
    # the electrons of marrow of an alpha emitter follow from the alpha part, which is known
    table = read_olinda(write(matrix_text(name, sex=sex)))
    assert (table.nuclide, table.sex) == (name, sex)
    assert table.phantom == f"ICRP 89 Adult {sex.title()}"
    assert table.marrow_model is None
    assert_parts(table, parts_by_physics(name, sex))
    assert "any bone activity is on bone surfaces" in " ".join(table.assumptions)
    assert set(SPLIT_NOTES) <= set(table.assumptions)


def test_alpha_is_divided_by_five_and_said(write):
    table = read_olinda(write(matrix_text("Ra-223")))
    own = table.values["liver", "liver"]
    printed = float(matrix_text("Ra-223").splitlines()[6].split(",")[3])
    assert own.alpha * 5 < printed * 3.6 < own.alpha * 5.1
    assert "divided by the radiation weighting factor 5" in " ".join(table.assumptions)
    quiet = read_olinda(write(matrix_text("Lu-177")))
    assert "weighting factor" not in " ".join(quiet.assumptions)


@pytest.mark.parametrize("wrong", [1.0, 20.0])
def test_a_wrong_weighting_factor_breaks_the_energy(write, wrong):
    path = write(matrix_text("Ac-225"))
    with pytest.raises(DosimetryError, match=r"table\.csv, row 5.*check the unit.*w_alpha"):
        read_olinda(path, w_alpha=wrong)


@pytest.mark.parametrize("unit", ["Gy/(MBq s)", "mSv/(MBq h)", "mSv/(MBq min)", "mSv/(kBq s)"])
@pytest.mark.parametrize("name", ["Ac-225", "Lu-177"])
def test_a_wrong_unit_breaks_the_energy(write, name, unit):
    with pytest.raises(DosimetryError, match="check the unit"):
        read_olinda(write(matrix_text(name)), unit=unit)


def test_a_wrong_nuclide_is_seen(write):
    path = write(matrix_text("Lu-177"))
    with pytest.raises(DosimetryError, match="0 of its tables are for Y-90, any sex"):
        read_olinda(path, nuclide="Y-90")
    bare = write(matrix_text("Lu-177", title=False))
    with pytest.raises(DosimetryError, match="check the unit, the nuclide"):
        read_olinda(bare, nuclide="Y-90", sex="male", unit="mSv/(MBq s)")


def test_masses_of_another_phantom(write):
    path = write(matrix_text("Lu-177"))
    own = read_olinda(path).values["kidneys", "kidneys"]
    heavier = read_olinda(path, mass_g={"kidneys": 315.0})
    assert heavier.mass_g["kidneys"] == 315.0
    value = heavier.values["kidneys", "kidneys"]
    assert value.electron == pytest.approx(own.electron * 310 / 315)
    assert value.total == pytest.approx(own.total)
    with pytest.raises(DosimetryError, match=r"kidneys <- kidneys.*mass_g"):
        read_olinda(path, mass_g={"kidneys": 150.0})
    with pytest.raises(DosimetryError, match=r"mass_g\['liver'\] must be positive, got 0"):
        read_olinda(path, mass_g={"liver": 0})


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_delimiters_decimal_commas_and_byte_order_marks(write, mark, encoding):
    text = matrix_text("Lu-177", mark=mark)
    assert ("." in text.splitlines()[5]) is (mark == ",")
    table = read_olinda(write(text.replace("\n", "\r\n"), encoding=encoding))
    assert_parts(table, parts_by_physics("Lu-177"))


def test_several_tables_in_one_file(write):
    path = write(matrix_text("Lu-177") + "\n\n" + matrix_text("Ra-223", sex="female"))
    assert read_olinda(path, nuclide="177Lu").sex == "male"
    assert read_olinda(path, sex="female").nuclide == "Ra-223"
    with pytest.raises(
        DosimetryError, match=r"2 of its tables.*Lu-177, ICRP 89 Adult Male; Ra-223"
    ):
        read_olinda(path)
    with pytest.raises(DosimetryError, match="0 of its tables are for Lu-177, female"):
        read_olinda(path, nuclide="Lu-177", sex="female")


@pytest.mark.parametrize("missing", ["nuclide", "sex", "unit"])
def test_a_bare_matrix_needs_what_its_title_would_say(write, missing):
    path = write(matrix_text("Lu-177", title=False))
    given = {"nuclide": "Lu-177", "sex": "male", "unit": "mSv/MBq-s"}
    assert_parts(read_olinda(path, **given), parts_by_physics("Lu-177"))
    del given[missing]
    with pytest.raises(DosimetryError, match=f"does not say the {missing}; give {missing}="):
        read_olinda(path, **given)


def test_a_table_of_one_radiation_is_refused(write):
    text = matrix_text("Lu-177").replace("Total Dose", "Beta Dose")
    with pytest.raises(DosimetryError, match="a table of Beta dose factors; legal is"):
        read_olinda(write(text))


def test_single_published_values_agree_with_the_packages_own(write):
    # Lu-177 male of OLINDA/EXM 2.2 as PyTheranostics lists it (mSv/(MBq s)); three digits
    text = (
        ",Red Mar.,CortBone,TrabBone,Kidneys\n"
        "Red Marrow,1.15E-05,5.60E-08,4.16E-06,3.35E-08\n"
        "Kidneys,4.71E-08,1.73E-08,1.73E-08,7.76E-05\n"
    )
    table = read_olinda(write(text), nuclide="Lu-177", sex="male", unit="mSv/MBq-s")
    shipped = s_value_table("Lu-177", "male")
    for pair in (("marrow", "marrow"), ("marrow", "trabecular_bone"), ("kidneys", "kidneys")):
        for part in ("electron", "photon"):
            assert getattr(table.values[pair], part) == pytest.approx(
                getattr(shipped.values[pair], part), rel=6e-3
            )


def test_walls_take_half_of_the_electrons_of_their_contents(write):
    # OLINDA/EXM 2.2, Lu-177 male: heart wall <- contents 2.42E-05 mSv/(MBq s), 510 g
    text = ",HeartCon,Liver\nHeart Wall,2.42E-05,1.08E-07\nLiver,1.07E-07,1.37E-05\n"
    table = read_olinda(write(text), nuclide="Lu-177", sex="male", unit="mSv/MBq-s")
    electron = 1000 * nuclide("Lu-177").delta_electron_gy_kg_per_mbq_h / (2 * 510)
    wall = table.values["heart_wall", "heart_contents"]
    assert wall.electron == pytest.approx(electron)
    assert 0 < wall.photon < 0.1 * wall.electron


def test_what_cannot_be_split_is_said_or_left_out(write):
    def text(own, other):
        return (
            f",Red Mar.,Kidneys,GB Cont\nOsteogenic Cells,{own},1E-8,1E-8\n"
            f"Gallbladder Wall,1E-8,1E-8,{other}\nKidneys,1E-8,%s,1E-8\n"
        )

    given = {"sex": "male", "unit": "mSv/MBq-s"}
    table = read_olinda(write(text("5.6E-6", "2.1E-4") % "7.76E-5"), nuclide="Lu-177", **given)
    assert table.values["gallbladder_wall", "gallbladder_contents"].photon == 0
    note = next(a for a in table.assumptions if "counted as electrons" in a)
    assert note.startswith("ASSUMED")
    assert "osteogenic_cells <- marrow, gallbladder_wall <- gallbladder_contents" in note
    alpha = read_olinda(write(text("3.5E-3", "4.1E-5") % "1.52E-2"), nuclide="Ac-225", **given)
    assert ("osteogenic_cells", "marrow") not in alpha.values
    assert any(a.startswith("left out") for a in alpha.assumptions)


def test_a_body_value_without_its_alpha_part_is_said(write):
    # as in OLINDA/EXM 2.2, Ac-225 female: kidneys <- total body is 1.40E-08 mSv/(MBq s)
    text = ",Kidneys,Tot Body\nKidneys,1.71E-02,1.40E-08\n"
    table = read_olinda(write(text), nuclide="Ac-225", sex="female", unit="mSv/MBq-s")
    assert table.values["kidneys", "whole_body"].photon == pytest.approx(3.6 * 1.4e-8)
    assert any("printed without charged particles" in a for a in table.assumptions)


def test_the_remainder_of_the_body_works(write):
    table = read_olinda(write(matrix_text("Lu-177")))
    rest = table.remainder("marrow", ["kidneys", "liver"])
    assert rest.electron == pytest.approx(0, abs=1e-6 * table.values["marrow", "marrow"].electron)
    assert rest.photon > 0


def test_a_users_table_gives_marrow_doses(write):
    table = read_olinda(write(matrix_text("Lu-177")))
    curve = SumOfExponentials(amplitude=[0.5, 0.1], rate_per_h=[1.2, 0.03])
    body = SumOfExponentials(amplitude=[7000.0], rate_per_h=[0.02])
    given = {"anatomy": reference_anatomy("male"), "ratio": rmblr("unity")}
    dose = marrow_dose_blood_method(
        curve, "Lu-177", whole_body_mbq=body, s_values=table, **given
    ).contribution_gy()
    # 1 g/mL: the concentration times the mass of marrow times S
    mass_g = table.mass_g["marrow"]
    own = float(curve.integral()) * mass_g * table.values["marrow", "marrow"].electron
    assert dose["self_electrons"] == pytest.approx(own)
    assert dose["remainder_photons"] > 0


def broken(text, row, old, new):
    lines = text.splitlines()
    assert old in lines[row - 1]
    lines[row - 1] = lines[row - 1].replace(old, new, 1)
    return "\n".join(lines)


TEXT = matrix_text("Lu-177", digits=2)
ROW = TEXT.splitlines()[5].split(",")
BAD = {
    "empty cell": (broken(TEXT, 6, ROW[2], ""), "row 6, column Kidneys: the cell is empty"),
    "text": (broken(TEXT, 6, ROW[2], "n/a"), "row 6, column Kidneys: got 'n/a', legal is a number"),
    "nan": (broken(TEXT, 6, ROW[2], "nan"), "row 6, column Kidneys: got 'nan'"),
    "infinite": (broken(TEXT, 6, ROW[2], "1e999"), "row 6, column Kidneys.*finite number from 0"),
    "negative": (broken(TEXT, 6, ROW[2], "-1E-5"), "row 6, column Kidneys.*finite number from 0"),
    "decimal comma": (broken(TEXT, 6, ROW[2], ROW[2].replace(".", ",")), "row 6.*decimal comma"),
    "short row": (broken(TEXT, 6, f",{ROW[5]},{ROW[6]},", ""), "row 6: it has 5 cells, the header"),
    "duplicated row": (broken(TEXT, 7, "Liver", "Kidneys"), "row 7: the target kidneys is given"),
    "duplicated column": (broken(TEXT, 4, "Liver", "Kidney"), "row 4: the source kidneys is given"),
    "merged header": (broken(TEXT, 4, "Liver", ""), "row 4, column 4: the source has no name"),
    "nameless target": (broken(TEXT, 7, "Liver", ""), "row 7, column 1: the target has no name"),
    "no matrix": ("one line\n", "there is no matrix"),
    "no rows": ("\n".join(TEXT.splitlines()[:4]), "there is no matrix"),
    "unit": (broken(TEXT, 2, "mSv/MBq-s", "mSv/MBq"), "is no unit of S values"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_broken_files_name_the_place(write, name):
    text, message = BAD[name]
    with pytest.raises(DosimetryError, match=message):
        read_olinda(write(text))


RAW = {
    "workbook": (b"PK\x03\x04rest", "no UTF-8 text"),
    "pickle": (b"\x80\x04\x95rest", "no UTF-8 text"),
    "utf-16": (TEXT.encode("utf-16"), "no UTF-8 text"),
    "latin-1": ("Drüse,1\n".encode("latin-1"), "row 1: byte 0xFC is not UTF-8"),
    "empty": (b" \n", "the file is empty"),
    "large": (b"1," * 2_600_000, "larger than the legal 5,000,000 bytes"),
}


@pytest.mark.parametrize("name", sorted(RAW))
def test_files_that_are_no_text_tables(tmp_path, name):
    raw, message = RAW[name]
    path = tmp_path / "table.csv"
    path.write_bytes(raw)
    with pytest.raises(DosimetryError, match=message):
        read_olinda(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DosimetryError, match=r"nothing\.csv: there is no such file"):
        read_olinda(tmp_path / "nothing.csv")


CASE = """Saved on 01.01.2026 at 10:00:00
[BEGIN CASE FILE]
[BEGIN NUCLIDES]
Lu-177|
[END NUCLIDES]
[BEGIN MODELS]
[BEGIN ICRP 89 Adult Male]
ICRP 89 Adult Male|A
[BEGIN ICRP 89 Adult Male SOURCE ORGANS]
Kidneys|310.0|2.5
Ovaries|0.0|0.0
Red Marrow|1170.0|0.4
Total Body|73000.0|30.0
[END ICRP 89 Adult Male SOURCE ORGANS]
[BEGIN ICRP 89 Adult Male TARGET ORGANS]
Kidneys|298.5
Total Body|73000.0
[END ICRP 89 Adult Male TARGET ORGANS]
[BEGIN KINETIC DATA]
Kidneys|2.5
Red Marrow|0.4
Ovaries|0.0
Total Body|30.0
[END KINETIC DATA]
[END ICRP 89 Adult Male]
[END MODELS]
[END CASE FILE]
"""


def test_a_case_file(write):
    case = read_olinda_case(write(CASE, "patient.cas"))
    assert case.nuclides == ("Lu-177",)
    assert case.phantom == "ICRP 89 Adult Male"
    assert case.source_mass_g == {"kidneys": 310.0, "marrow": 1170.0, "whole_body": 73000.0}
    assert case.target_mass_g["kidneys"] == 298.5
    assert case.tiac_h == {"kidneys": 2.5, "marrow": 0.4, "whole_body": 30.0}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Kidneys|310.0", "Kidneys|heavy", "row 10, column Kidneys: got 'heavy'"),
        ("Red Marrow|1170.0|0.4", "Red Marrow", "row 12, column Red Marrow: the cell is empty"),
        ("[BEGIN NUCLIDES]", "[BEGIN OTHERS]", "blocks NUCLIDES and ... SOURCE ORGANS"),
    ],
)
def test_a_broken_case_file(write, old, new, message):
    with pytest.raises(DosimetryError, match=message):
        read_olinda_case(write(CASE.replace(old, new, 1), "patient.cas"))


def test_masses_of_a_case_serve_the_table(write):
    case = read_olinda_case(write(CASE, "patient.cas"))
    table = read_olinda(write(matrix_text("Lu-177")), mass_g=case.source_mass_g)
    assert_parts(table, {pair: v for pair, v in parts_by_physics("Lu-177").items()
                         if pair[0] in REGIONS})  # fmt: skip
