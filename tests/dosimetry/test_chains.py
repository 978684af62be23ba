import csv
import math
from pathlib import Path

import numpy as np
import pytest

from dosimetry.chains import daughter_curves, decay_chain, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import nuclide, nuclide_names
from kinetics import SumOfExponentials

REFERENCE = Path(__file__).parents[1] / "reference" / "dosimetry_chain_energies.csv"
ROWS = list(csv.DictReader(REFERENCE.read_text().splitlines()))
PRINTED = 0.51e-5  # half of the last digit, with rounding


def chain_of(row):
    limit = float(row["longest_half_life_h"]) if row["longest_half_life_h"] else None
    return decay_chain(row["parent"], longest_half_life_h=limit)


def test_a_source_may_be_a_name_a_nuclide_or_a_chain():
    chain = decay_chain("Ra-223")
    assert emitter_of(chain) is chain
    assert emitter_of(chain.parent) is chain.parent
    assert emitter_of("177Lu") is nuclide("Lu-177")
    with pytest.raises(DosimetryError, match="no nuclide"):
        emitter_of("Xy-1")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["parent"])
def test_yields_and_energies_of_published_chains(row):
    chain = chain_of(row)
    expected = {k: float(v) for k, v in (m.split(":") for m in row["members"].split())}
    assert set(expected) == {k for k, v in chain.yields.items() if v > 1e-5}
    for name, value in expected.items():
        assert chain.yields[name] == pytest.approx(value, rel=1e-4, abs=PRINTED), name
    found = (
        chain.energy_mev["alpha"],
        chain.energy_mev["alpha_recoil"],
        chain.electron_energy_mev,
        chain.photon_energy_mev,
    )
    keys = ("alpha_mev", "alpha_recoil_mev", "electron_mev", "photon_mev")
    assert found == pytest.approx([float(row[key]) for key in keys], abs=PRINTED)


@pytest.mark.parametrize(
    ("name", "attribute", "delta"),
    [
        ("Ac-225", "delta_alpha_gy_kg_per_mbq_h", 1.5851e-2),
        ("Ac-225", "delta_electron_gy_kg_per_mbq_h", 3.977e-4),
        ("Ac-225", "delta_photon_gy_kg_per_mbq_h", 1.265e-4),
        ("I-131", "delta_electron_gy_kg_per_mbq_h", 1.1065e-4),
        ("Lu-177", "delta_electron_gy_kg_per_mbq_h", 8.532e-5),
        ("Ra-223", "delta_alpha_gy_kg_per_mbq_h", 1.5214e-2),
        ("Ra-223", "delta_alpha_recoil_gy_kg_per_mbq_h", 2.8635e-4),
        ("Ra-223", "delta_electron_gy_kg_per_mbq_h", 6.016e-4),
    ],
)
def test_delta_of_chains(name, attribute, delta):
    assert getattr(decay_chain(name), attribute) == pytest.approx(delta, rel=2e-4)


def test_long_lived_daughters_are_dropped_and_named():
    iodine = decay_chain("131I")
    assert list(iodine.yields) == ["I-131"]
    assert iodine.electron_energy_mev == nuclide("I-131").electron_energy_mev
    assert "Xe-131m (0.01176 per decay of I-131" in iodine.assumptions[0]
    assert list(decay_chain("At-211").yields) == ["At-211", "Po-211"]
    assert "Bi-207 (0.418 per" in decay_chain("At-211").assumptions[0]
    assert decay_chain("Bi-213").yields["Pb-209"] == pytest.approx(1.0)
    assert decay_chain("Lu-177").assumptions == ()


def test_the_limit_decides():
    kept = decay_chain("I-131", longest_half_life_h=math.inf)
    assert kept.yields["Xe-131m"] == pytest.approx(0.011759)
    assert kept.assumptions == ("every daughter is ASSUMED to decay where it was formed",)
    assert "Ac-225" not in decay_chain("Th-229", longest_half_life_h=100.0).yields


def test_members_come_after_what_decays_into_them():
    for name in ("Ac-225", "Ra-223", "Th-232", "U-238"):
        chain = decay_chain(name, longest_half_life_h=math.inf)
        seen = set()
        for member in chain.members:
            assert set(member.feeders) <= seen
            seen.add(member.nuclide.name)


def test_every_nuclide_has_a_chain_that_conserves_atoms():
    """No member decays more than once a parent (branches of ICRP 107 sum to 1.00006 at most)."""
    for name in nuclide_names():
        chain = decay_chain(name, longest_half_life_h=math.inf)
        assert chain.members[0].nuclide.name == name
        assert all(0 < m.decays_per_parent <= 1 + 1e-4 for m in chain.members), name
        assert chain.energy_mev["alpha"] >= chain.parent.energy_mev["alpha"]


def test_energy_sums_are_linear_in_the_members():
    chain = decay_chain("Th-227")
    for kind, value in chain.energy_mev.items():
        parts = [m.decays_per_parent * m.nuclide.energy_mev[kind] for m in chain.members]
        assert value == pytest.approx(sum(parts))
    frame = chain.to_frame()
    assert frame["electron_mev"].sum() == pytest.approx(chain.electron_energy_mev)
    assert frame["photon_mev"].sum() == pytest.approx(chain.photon_energy_mev)
    assert frame["alpha_mev"].sum() == pytest.approx(chain.alpha_energy_mev)


def test_a_daughter_that_leaves_takes_its_progeny_along():
    full, half = decay_chain("Ac-225"), decay_chain("225Ac", retained={"213Bi": 0.5})
    for name in ("Bi-213", "Po-213", "Tl-209", "Pb-209"):
        assert half.yields[name] == pytest.approx(0.5 * full.yields[name])
    for name in ("Ac-225", "Fr-221", "At-217"):
        assert half.yields[name] == full.yields[name]
    both = decay_chain("Ac-225", retained={"Bi-213": 0.5, "Pb-209": 0.1})
    assert both.yields["Pb-209"] == pytest.approx(0.05 * full.yields["Pb-209"])
    none = decay_chain("Ac-225", retained={"Fr-221": 0.0})
    assert none.alpha_energy_mev == pytest.approx(nuclide("Ac-225").alpha_energy_mev)


def test_retention_by_drawing_atoms():
    """Twin: follow single atoms down the chain at random."""
    rng = np.random.default_rng(7)
    chain = decay_chain("Bi-212", retained={"Tl-208": 0.3})
    n = 200_000
    tl = (rng.random(n) < 0.3594).sum()
    expected = (rng.random(tl) < 0.3).sum() / n
    assert chain.yields["Tl-208"] == pytest.approx(expected, abs=4 * math.sqrt(0.11 / n))
    assert chain.yields["Po-212"] == pytest.approx(0.6406)


def test_fission_is_named_where_it_is_left_out():
    notes = " ".join(decay_chain("Cf-252").assumptions)
    assert "neutrons and fission fragments (6.08" in notes


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"retained": {"Bi-213": 1.5}}, "from 0 to 1"),
        ({"retained": {"Bi-213": -0.1}}, "from 0 to 1"),
        ({"retained": {"Bi-213": math.nan}}, "from 0 to 1"),
        ({"retained": {"Lu-177": 0.5}}, "legal: Fr-221"),
        ({"retained": {"Ac-225": 0.5}}, "no daughter"),
        ({"retained": {"Bi-213": 0.5, "213Bi": 0.7}}, "Bi-213 twice"),
        ({"longest_half_life_h": 0.0}, "must be positive"),
        ({"longest_half_life_h": math.nan}, "must be positive"),
    ],
)
def test_wrong_arguments_are_refused(arguments, match):
    with pytest.raises(DosimetryError, match=match):
        decay_chain("Ac-225", **arguments)


# ---- curves of the daughters ----


def solved(chain, parent, times, losses=None):
    """Twin: scipy's stiff solver of the Bateman equations."""
    from scipy.integrate import solve_ivp

    losses = losses or {}
    names = [m.nuclide.name for m in chain.members[1:]]

    def slope(t, activity):
        now = dict(zip(names, activity, strict=True))
        now[chain.name] = float(parent(t))
        out = []
        for member in chain.members[1:]:
            name, decay = member.nuclide.name, member.nuclide.decay_per_h
            inflow = sum(now[f] * b for f, b in member.feeders.items()) * member.retained * decay
            out.append(inflow - (decay + losses.get(name, 0.0)) * now[name])
        return out

    answer = solve_ivp(
        slope, (0, times[-1]), np.zeros(len(names)), method="Radau", t_eval=times,
        rtol=1e-9, atol=1e-14,
    )  # fmt: skip
    return dict(zip(names, answer.y, strict=True))


@pytest.mark.parametrize(
    ("name", "retained", "losses"),
    [
        ("Ac-225", {"Bi-213": 0.5}, {"Bi-213": 0.4, "Pb-209": 0.05}),
        ("Pb-212", {}, {}),
        ("Pb-212", {"Tl-208": 0.2}, {"Bi-212": 1.0}),
        ("Ra-224", {}, {"Pb-212": 0.03}),
    ],
)
def test_daughter_curves_agree_with_an_ode_solver(name, retained, losses):
    chain = decay_chain(name, retained=retained)
    parent = SumOfExponentials([10.0, -10.0], np.array([0.02, 0.8]) + chain.decay_per_h)
    times = np.array([0.0, 0.1, 0.5, 2.0, 10.0, 40.0])
    curves = daughter_curves(parent, chain, loss_per_h=losses)
    for key, expected in solved(chain, parent, times, losses).items():
        assert curves[key](times) == pytest.approx(expected, rel=2e-6, abs=1e-7), key


@pytest.mark.parametrize("name", ["Ac-225", "Pb-212", "Ra-223", "Th-227"])
def test_daughter_curves_agree_with_radioactivedecay(name):
    from radioactivedecay import Inventory

    chain = decay_chain(name)
    curves = daughter_curves(SumOfExponentials([1.0], [chain.decay_per_h]), chain)
    for time_h in (0.5, 20.0, 300.0):
        found = Inventory({name: 1.0}, "MBq").decay(time_h, "h").activities("MBq")
        for key, curve in curves.items():
            # the half-lives of both come from ICRP 107, with different last digits
            assert float(curve(time_h)) == pytest.approx(found[key], rel=1e-5, abs=1e-9), key


@pytest.mark.parametrize("name", ["Ac-225", "At-211", "Mo-99", "Ra-223", "Th-227"])
def test_integrals_are_the_yields(name):
    chain = decay_chain(name, retained={decay_chain(name).members[1].nuclide.name: 0.7})
    decay = chain.decay_per_h
    parent = SumOfExponentials([[5.0, -2.0], [3.0, 1.0]], [[decay, 0.3], [decay + 0.01, 1.0]])
    for key, curve in daughter_curves(parent, chain).items():
        assert curve.shape == (2,)
        assert curve.integral() == pytest.approx(parent.integral() * chain.yields[key], rel=1e-9)


def test_a_loss_competes_with_decay():
    chain = decay_chain("Pb-212")
    bismuth = nuclide("Bi-212").decay_per_h
    loss = np.array([0.0, bismuth, 3 * bismuth])
    parent = SumOfExponentials([4.0], [chain.decay_per_h])
    curves = daughter_curves(parent, chain, loss_per_h={"212Bi": loss})
    share = curves["Bi-212"].integral() / parent.integral()
    assert share == pytest.approx([1.0, 0.5, 0.25])
    assert curves["Po-212"].integral() / parent.integral() == pytest.approx(0.6406 * share)


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-7, 3e-5, 1e-3])
def test_equal_rates(gap):
    """Limit a t exp(-kt): a parent curve that falls like the daughter decays."""
    chain = decay_chain("Pb-212")
    rate = nuclide("Bi-212").decay_per_h
    parent = SumOfExponentials([1.0], [rate * (1 + gap)])
    curves = daughter_curves(parent, chain)
    times = np.linspace(0, 15 / rate, 60)
    exact = rate * parent.convolved(rate, times)
    assert curves["Bi-212"](times) == pytest.approx(exact, rel=1e-6, abs=1e-12)
    assert float(curves["Bi-212"].integral()) == pytest.approx(float(parent.integral()), rel=1e-9)


def test_daughters_start_at_zero_and_never_fall_below():
    chain = decay_chain("Ac-225")
    curves = daughter_curves(SumOfExponentials([1.0], [chain.decay_per_h]), chain)
    for member in chain.members[1:]:
        values = curves[member.nuclide.name](np.geomspace(1e-3, 500, 50))
        assert float(curves[member.nuclide.name](0.0)) == pytest.approx(0.0, abs=1e-9)
        assert (values >= 0).all()


@pytest.mark.parametrize("loss", [{"Bi-212": -1.0}, {"Bi-212": math.nan}, {"Lu-177": 1.0}])
def test_wrong_losses_are_refused(loss):
    chain = decay_chain("Pb-212")
    with pytest.raises(DosimetryError, match=r"zero or positive|no daughter"):
        daughter_curves(SumOfExponentials([1.0], [0.1]), chain, loss_per_h=loss)


def test_losses_must_fit_the_draws():
    site = SumOfExponentials([[1.0]] * 5, [0.1])
    with pytest.raises(DosimetryError, match="does not fit draws"):
        daughter_curves(site, decay_chain("Pb-212"), loss_per_h={"Bi-212": np.ones(4)})
