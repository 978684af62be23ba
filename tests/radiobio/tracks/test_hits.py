from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dosimetry import nuclide
from dosimetry.transport import _columns as transport_columns
from dosimetry.transport.particle_kernels import shells
from dosimetry.transport.run import run
from radiobio.damage.alpha_tracks import GY_PER_KEV_UM3
from radiobio.errors import RadiobioError
from radiobio.tracks import _columns as col
from radiobio.tracks import (
    alpha_range,
    simulate_hits,
    simulate_particle_hits,
)
from radiobio.tracks.hits import _run, _settings, source_bins

RADIUS = 3.1
VOLUME = 4 / 3 * np.pi * RADIUS**3
CELLS = pd.read_csv(Path(__file__).parents[2] / "reference" / "radiobio_cell_doses.csv")


def rng(seed=1):
    return np.random.default_rng(seed)


def within(value, expected, sd, *, sds=4.0, also=0.0):
    assert abs(value - expected) <= sds * sd + also * abs(expected)


@pytest.mark.parametrize("energy_mev", [1.0, 5.0, 7.4])
def test_hits_by_straight_tracks_have_a_closed_form(energy_mev):
    """A sphere is met by all sources within the volume that a track of its range sweeps."""
    hits = simulate_particle_hits("alpha", energy_mev, rng=rng())
    swept = np.pi * RADIUS**2 * float(alpha_range(energy_mev)) + VOLUME
    within(hits.z_f_gy, 1e3 * energy_mev * GY_PER_KEV_UM3 / swept, hits.z_f_sd, also=5e-4)


def test_short_chords_give_the_textbook_specific_energy():
    """z1 = 0.204 LET / d2 (ICRU 36): a sphere much smaller than the range."""
    hits = simulate_particle_hits(
        "alpha", 8.0, nucleus_radius_um=0.2, cell_radius_um=0.2, rng=rng()
    )
    within(hits.z_f_gy, 0.204 * hits.mean_let_kev_um / 0.4**2, hits.z_f_sd, also=0.005)


def test_mean_chords_of_a_sphere():
    """4 r / 3 for lines that meet it, 3 r / 2 through points evenly in it (Kellerer 1985)."""
    from radiobio.tracks._alpha_kernels import crossed, place

    random, state, radius = rng(9), np.array([7], np.uint64), 2.0
    met, through = [], []
    for offset in radius * np.sqrt(random.uniform(size=20_000)):
        enter, leave = crossed(offset, 0.0, -50.0, 0.0, 0.0, 1.0, radius)
        met.append(leave - enter)
        enter, leave = crossed(*place(0.0, radius, state), 0.6, 0.0, 0.8, radius)
        assert enter <= 0 <= leave
        through.append(leave - enter)
    within(np.mean(met), 4 * radius / 3, np.std(met) / np.sqrt(20_000))
    within(np.mean(through), 3 * radius / 2, np.std(through) / np.sqrt(20_000))


def brute_force(kind, energy_kev, reach_um, n):
    """Sources evenly in the ball from which the nucleus can be reached: specific energies."""
    settings = _settings(RADIUS, RADIUS, "nucleus")
    settings[col.OUTER] = RADIUS + reach_um
    settings[col.FAR] = np.inf
    seeds = rng(5).integers(2**63, size=n, dtype=np.uint64)
    out = _run(kind, np.array([[energy_kev, energy_kev, 1.0]]), settings, seeds)
    z = out[:, col.IMPARTED] * GY_PER_KEV_UM3 / VOLUME
    ball = 4 / 3 * np.pi * (RADIUS + reach_um) ** 3
    return z, ball


@pytest.mark.parametrize(
    ("kind", "energy_mev", "n"), [("alpha", 2.0, 2_000_000), ("electron", 0.012, 150_000)]
)
def test_sampling_by_energy_agrees_with_counting(kind, energy_mev, n):
    from dosimetry.transport import csda_range

    reach = (
        float(alpha_range(energy_mev)) if kind == "alpha" else 1e4 * float(csda_range(energy_mev))
    )
    z, ball = brute_force(kind, 1e3 * energy_mev, reach, n)
    hits = simulate_particle_hits(kind, energy_mev, rng=rng(2), n_histories=100_000)
    # dose equilibrium: one source per um3 gives the dose of its energy per volume
    dose = ball * z.mean() / (1e3 * energy_mev * GY_PER_KEV_UM3)
    within(dose, 1.0, ball * z.std() / np.sqrt(n) / (1e3 * energy_mev * GY_PER_KEV_UM3))
    within(hits.dose_gy, 1.0, hits.dose_sd, also=1e-9)
    hit = z[z > 0]
    within(hits.z_f_gy, hit.mean(), np.hypot(hits.z_f_sd, hit.std() / np.sqrt(len(hit))))
    z_d = (hit**2).sum() / hit.sum()
    spread = np.sqrt(((hit**2 - z_d * hit) ** 2).sum()) / hit.sum()
    within(hits.z_d_gy, z_d, np.hypot(hits.z_d_sd, spread))


@pytest.mark.parametrize("energy_kev", [5.0, 30.0, 100.0])
def test_absorbed_part_agrees_with_the_transport_of_dosimetry(energy_kev):
    radius_cm = RADIUS * 1e-4
    source = np.array([[1.0, energy_kev / 1e3, energy_kev / 1e3, transport_columns.ELECTRON]])
    setup = shells(
        np.array([0.0, radius_cm]), detail_cm=1e-3 * radius_cm, photons=False,
        source_radius_cm=radius_cm,
    )  # fmt: skip
    part, error = run(source, setup, n_histories=20_000, seed=3)
    hits = simulate_particle_hits(
        "electron", energy_kev / 1e3, region="nucleus", rng=rng(), n_histories=30_000
    )
    to_part = VOLUME / (energy_kev * GY_PER_KEV_UM3)
    sd = np.hypot(error[0], hits.dose_sd * to_part)
    within(hits.dose_gy * to_part, part[0], sd, also=0.025)


@pytest.mark.parametrize(
    "row", list(CELLS.itertuples()), ids=lambda row: f"{row.nuclide}-{row.region}"
)
def test_doses_of_cells_agree_with_track_structure(row):
    hits = simulate_hits(
        row.nuclide, region=row.region, nucleus_radius_um=row.nucleus_radius_um,
        cell_radius_um=row.cell_radius_um, rng=rng(4), n_histories=20_000,
    )  # fmt: skip
    decays = row.energy_mev / nuclide(row.nuclide).electron_energy_mev
    within(hits.dose_gy * decays, row.dose_gy, hits.dose_sd * decays, sds=3, also=0.04)


@pytest.mark.parametrize("energy_kev", [1.5, 15.0, 100.0])
def test_showers_keep_their_energy(energy_kev):
    """All is absorbed in a sphere that no electron leaves."""
    from dosimetry.transport import csda_range

    settings = _settings(RADIUS, RADIUS, "nucleus")
    settings[col.RADIUS] = 2e4 * float(csda_range(energy_kev / 1e3))
    settings[col.OUTER] = 1e-6
    settings[col.FAR] = np.inf
    seeds = rng(6).integers(2**63, size=6000, dtype=np.uint64)
    out = _run("electron", np.array([[energy_kev, energy_kev, 1.0]]), settings, seeds)
    part = out[:, col.IMPARTED] / energy_kev
    within(part.mean(), 1.0, part.std() / np.sqrt(len(part)), also=0.003)


def test_beta_share_of_radium_is_that_of_the_blood_study(radium):
    """3.7 % of the dose of Ra-223 in blood is by electrons (Schumann et al. 2018, abstract)."""
    assert 100 * radium.particle("electron").dose_gy == pytest.approx(3.7, abs=0.2)


def test_alpha_tracks_per_cell_are_near_the_textbook_estimate(radium):
    """0.19 tracks per nucleus at 100 mGy: 0.53 Gy per hit, at 100 keV/um."""
    alpha = radium.particle("alpha")
    assert float(alpha.mean_hits(0.1)) == pytest.approx(0.19, rel=0.1)
    assert alpha.mean_let_kev_um == pytest.approx(112, rel=0.03)


def test_sources_kept_out_of_the_cell_give_less(radium):
    outside = simulate_hits("Lu-177", region="outside_cell", rng=rng(), n_histories=20_000)
    assert 0.9 < outside.dose_gy < 1.0
    within(outside.dose_gy + inside_dose("Lu-177"), 1.0, outside.dose_sd, also=0.004)


def inside_dose(name):
    """Dose by decays in the cell, per gray of blood: from runs with sources in its two parts."""
    per_decay_um3 = nuclide(name).electron_energy_mev * 1e3 * GY_PER_KEV_UM3
    cell = 4 / 3 * np.pi * 3.75**3
    total = 0.0
    for region, volume in (("nucleus", VOLUME), ("cytoplasm", cell - VOLUME)):
        part = simulate_hits(name, region=region, rng=rng(8), n_histories=20_000)
        total += part.dose_gy * volume / per_decay_um3
    return total


@pytest.mark.parametrize("name", ["Lu-177", "Ra-223"])
def test_same_numbers_on_one_core_and_two(name, monkeypatch):
    results = []
    for cores in ("1", "2"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", cores)
        results.append(simulate_hits(name, rng=rng(3), n_histories=2000))
    first, second = results
    assert np.array_equal(first.z_gy, second.z_gy)
    assert np.array_equal(first.weight, second.weight)


def test_bins_hold_the_energy_and_number_of_decay_data():
    _, bins = source_bins("Lu-177")
    low, high, number = bins["electron"].T
    data = nuclide("Lu-177")
    assert (low + high) / 2 @ number == pytest.approx(1e3 * data.electron_energy_mev, rel=1e-6)
    _, bins = source_bins("Ra-223")
    assert bins["alpha"][:, 2].sum() == pytest.approx(1.0, abs=0.01)


def test_results_in_words_and_tables(radium):
    frame = radium.to_frame()
    assert list(frame["particle"]) == ["electron", "alpha"]
    assert frame["dose_share"].sum() == pytest.approx(1.0)
    assert radium.to_dict()["status"] == "ok"
    assert any(word.startswith("ASSUMED") for word in radium.assumptions)
    with pytest.raises(RadiobioError, match="choose with particle"):
        _ = radium.mean_let_kev_um
    with pytest.raises(RadiobioError, match="no hits by 'proton'"):
        radium.particle("proton")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cell_radius_um": 3.0}, "radii must satisfy"),
        ({"cell_radius_um": 30.0}, "radii must satisfy"),
        ({"n_histories": 5}, "n_histories must be"),
        ({"nucleus_radius_um": -1.0}, "radii must satisfy"),
        ({"nucleus_radius_um": 3.75, "region": "cytoplasm"}, "no cytoplasm"),
        ({"nucleus_radius_um": np.nan}, "radii must satisfy"),
        ({"region": "plasma"}, "region must be one of"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_input_is_named(wrong, message):
    with pytest.raises(RadiobioError, match=message):
        simulate_hits("Lu-177", rng=rng(), **wrong)


def test_unknown_sources_and_particles_are_named():
    with pytest.raises(RadiobioError, match="Lu-999"):
        simulate_hits("Lu-999", rng=rng())
    with pytest.raises(RadiobioError, match="particle must be one of"):
        simulate_particle_hits("proton", 1.0, rng=rng())
    with pytest.raises(RadiobioError, match="electrons must lie between"):
        simulate_particle_hits("electron", 50.0, rng=rng())
