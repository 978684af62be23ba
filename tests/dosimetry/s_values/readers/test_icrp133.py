import numpy as np
import pytest

from dosimetry import DosimetryError, nuclide
from dosimetry.chains import decay_chain
from dosimetry.s_values.readers import read_icrp133

ENERGIES = {
    "alpha": (0.0, 2.0, 5.0, 12.0),
    "electron": (0.0, 0.01, 0.1, 1.0, 10.0),
    "photon": (0.0, 0.05, 0.5, 10.0),
}
TARGETS = ("R-marrow", "Kidneys")
MASSES = {  # invented kg and flags: man, woman
    "Blood": (5.6, 0, 4.1, 0),
    "T-bone-V": (1.1, 1, 0.8, 1),
    "T-bone-S": (0.0, 0, 0.0, 0),
    "R-marrow": (1.17, 1, 0.9, 1),
    "Kidneys": (0.31, 1, 0.275, 1),
}
SLOPE = -0.03  # invented: 1/kg per MeV


def fraction(kind, target, source, energy):
    """Invented fraction (1/kg), linear in the energy, so that interpolation is exact."""
    base = {"alpha": 0.9, "electron": 0.7, "photon": 0.5}[kind] / (1 + len(source))
    return base * (2 if target == source else 1) + (0.5 + SLOPE * energy if kind != "x" else 0)


def saf_text(kind, *, edit=lambda line: line):
    energies = ENERGIES[kind]
    lines = ["ICRP 133 layout, invented numbers", kind, "SAF (1/kg)"]
    lines.append(
        f"{len(TARGETS):4d}{len(MASSES):4d}{'':14}" + "".join(f"{e:10.5f}" for e in energies)
    )
    lines.append("-" * 40)
    for source in MASSES:
        for target in TARGETS:
            cells = "".join(f"{fraction(kind, target, source, e):10.3E}" for e in energies)
            lines.append(edit(f"{target:<10}<-{source:<10}{cells}{energies[0]:10.3f}{1:3d}"))
    return "\n".join(lines) + "\n"


def index_text():
    rows = [f"{n:<10}{a:10.3E}{b:5d}{c:12.3E}{d:5d}" for n, (a, b, c, d) in MASSES.items()]
    return "\n".join(["title", "source regions", "", f"{len(rows)}", "-----", *rows]) + "\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sregions_2016-08-12.NDX").write_text(index_text(), "utf-8")
    for code in ("am", "af"):
        for kind in ENERGIES:
            (tmp_path / f"rcp-{code}_{kind}_2016-08-12.SAF").write_text(saf_text(kind), "utf-8")
    return tmp_path


def rounded(kind, pair, energy):
    """The fraction as printed (three decimals), interpolated as a straight line."""
    grid = ENERGIES[kind]
    printed = [float(f"{fraction(kind, *pair, e):.3E}") for e in grid]
    return np.interp(energy, grid, printed)


def by_hand(name, pair):
    data, unit = nuclide(name), 1.602176634e-13 * 3.6e9
    energy, density = data.beta_spectrum.T
    beta = np.trapezoid(energy * density * rounded("electron", pair, energy), energy)

    def lines(table, kind):
        return sum(e * y * rounded(kind, pair, e) for e, y in table)

    recoil = data.energy_mev["alpha_recoil"] * rounded("alpha", pair, 2.0)
    return (
        unit * (beta + lines(data.electron_lines, "electron")),
        unit * lines(data.photon_lines, "photon"),
        unit * (recoil + lines(data.lines["alpha"], "alpha")),
    )


@pytest.mark.parametrize("name", ["Ac-225", "F-18", "I-131", "Lu-177", "Ra-223"])
def test_s_values_are_folded_with_the_spectra(folder, name):
    table = read_icrp133(folder, nuclide=name, sex="male")
    for pair, names in {
        ("marrow", "marrow"): ("R-marrow", "R-marrow"),
        ("kidneys", "blood"): ("Kidneys", "Blood"),
        ("marrow", "trabecular_bone_surface"): ("R-marrow", "T-bone-S"),
    }.items():
        value = table.values[pair]
        found = (value.electron, value.photon, value.alpha)
        # 2e-3: monotone cubics against straight lines through fractions rounded in print
        assert found == pytest.approx(by_hand(name, names), rel=2e-3)


def test_constant_fractions_give_energy_over_mass(folder):
    for kind, energies in ENERGIES.items():
        text = saf_text(kind).splitlines()
        same = "".join(f"{2.0:10.3E}" for _ in energies)
        text[5:] = [line[:22] + same + f"{0:10.3f}{1:3d}" for line in text[5:]]
        (folder / f"rcp-am_{kind}_2016-08-12.SAF").write_text("\n".join(text), "utf-8")
    chain = decay_chain("Ac-225")
    for source, given in ((nuclide("Lu-177"), "Lu-177"), (chain, chain)):
        value = read_icrp133(folder, nuclide=given, sex="male").values["kidneys", "marrow"]
        alpha = source.delta_alpha_gy_kg_per_mbq_h + source.delta_alpha_recoil_gy_kg_per_mbq_h
        assert value.electron == pytest.approx(2 * source.delta_electron_gy_kg_per_mbq_h, rel=1e-9)
        assert value.photon == pytest.approx(2 * source.delta_photon_gy_kg_per_mbq_h, rel=1e-9)
        assert value.alpha == pytest.approx(2 * alpha, rel=1e-9)


@pytest.mark.parametrize("sex", ["female", "male"])
def test_the_body_is_the_mean_over_the_tissues(folder, sex):
    table = read_icrp133(folder, nuclide="I-131", sex=sex)
    column = 0 if sex == "male" else 2
    mass = {"trabecular_bone": "T-bone-V", "marrow": "R-marrow", "kidneys": "Kidneys"}
    kg = {ours: MASSES[name][column] for ours, name in mass.items()}
    mean = sum(kg[s] * table.values["marrow", s].photon for s in kg) / sum(kg.values())
    assert table.values["marrow", "whole_body"].photon == pytest.approx(mean)
    assert table.mass_g["whole_body"] == pytest.approx(1000 * sum(kg.values()))
    assert table.mass_g["blood"] == 1000 * MASSES["Blood"][column]
    assert "trabecular_bone_surface" not in table.mass_g
    assert any(a.startswith("ASSUMED: whole_body as a source") for a in table.assumptions)


def test_a_missing_or_doubled_file_is_named(folder):
    extra = folder / "rcp-am_electron_2017-03-07.SAF"
    extra.write_text(saf_text("electron"), "utf-8")
    with pytest.raises(
        DosimetryError, match=r"2016-08-12\.SAF, rcp-am_electron_2017.*legal is one"
    ):
        read_icrp133(folder, nuclide="Lu-177", sex="male")
    for path in folder.glob("rcp-af_photon*"):
        path.unlink()
    with pytest.raises(DosimetryError, match=r"rcp-af_photon_\*\.SAF: found none"):
        read_icrp133(folder, nuclide="Lu-177", sex="female")


BAD = {
    "arrow": (lambda line: line.replace("<-", "  "), "row 6: legal is target<-source"),
    "short": (lambda line: line[:40], "row 6: legal is target<-source and 5 numbers"),
    "text": (lambda line: line[:22] + "   oops   " + line[32:], "row 6, column 0 MeV: got 'oops'"),
    "twice": (
        lambda line: "Kidneys   <-Blood     " + line[22:],
        "row 7: kidneys <- blood is given",
    ),
    "others": (lambda line: line.replace("<-Blood", "<-Liver"), "is not in rcp-am_alpha"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_broken_fractions(folder, name):
    edit, message = BAD[name]
    path = folder / "rcp-am_electron_2016-08-12.SAF"
    path.write_text(saf_text("electron", edit=edit), "utf-8")
    with pytest.raises(DosimetryError, match=message):
        read_icrp133(folder, nuclide="Lu-177", sex="male")


def test_energies_must_rise(folder):
    path = folder / "rcp-am_photon_2016-08-12.SAF"
    path.write_text(saf_text("photon").replace("0.05000", "0.90000"), "utf-8")
    with pytest.raises(DosimetryError, match=r"rcp-am_photon.*row 4: .*rising energies"):
        read_icrp133(folder, nuclide="Lu-177", sex="male")


def test_an_index_without_flags(folder):
    path = folder / "sregions_2016-08-12.NDX"
    path.write_text("\n".join([*index_text().splitlines()[:5], "Kidneys 0.31 0 0.275 0"]), "utf-8")
    with pytest.raises(DosimetryError, match="flagged as other tissue"):
        read_icrp133(folder, nuclide="Lu-177", sex="male")
