import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from radiobio.errors import RadiobioError
from radiobio.tracks import (
    DSB_PER_GY,
    FOCI_PER_GY,
    breaks_per_cell,
    plot_cell_counts,
    plot_event_sizes,
    specific_energy_distribution,
)

mpl.use("Agg")


def sampled_cells(hits, dose_gy, n, seed, yields):
    """Counts, specific energies and hits of cells, drawn hit by hit."""
    rng = np.random.default_rng(seed)
    number = rng.poisson(dose_gy / hits.z_f_gy, n)
    chosen = rng.choice(len(hits.z_gy), number.sum(), p=hits.weight / hits.weight.sum())
    owner = np.repeat(np.arange(n), number)
    breaks = rng.poisson(yields[hits.kind[chosen]] * hits.z_gy[chosen])
    return (
        np.bincount(owner, breaks, n),
        np.bincount(owner, hits.z_gy[chosen], n),
        number,
    )


@pytest.mark.parametrize(("name", "dose_gy"), [("lutetium", 0.05), ("radium", 0.1)])
def test_counts_agree_with_cells_drawn_hit_by_hit(name, dose_gy, request):
    hits = request.getfixturevalue(name)
    n = 40_000
    yields = np.array([DSB_PER_GY["electron"], DSB_PER_GY["alpha"]])
    breaks, z_gy, number = sampled_cells(hits, dose_gy, n, 1, yields)
    result = breaks_per_cell(hits, dose_gy, breaks_per_gy=DSB_PER_GY)
    assert result.probability.sum() == pytest.approx(1.0, abs=1e-9)
    assert breaks.mean() == pytest.approx(result.mean_per_cell, abs=4 * breaks.std() / np.sqrt(n))
    fourth = ((breaks - breaks.mean()) ** 4).mean() / breaks.var() ** 2
    sd = result.dispersion * np.sqrt((fourth - 1 + 1 / breaks.mean()) / n)
    assert breaks.var() / breaks.mean() == pytest.approx(result.dispersion, abs=4 * sd)
    for count in range(4):
        p = result.probability[count]
        assert (breaks == count).mean() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / n) + 1e-6)
    unhit = float(hits.unhit_share(dose_gy))
    assert (number == 0).mean() == pytest.approx(unhit, abs=4 * np.sqrt(unhit * (1 - unhit) / n))
    grid, probability = specific_energy_distribution(hits, dose_gy)
    assert grid @ probability == pytest.approx(dose_gy, rel=1e-6)
    assert grid**2 @ probability - dose_gy**2 == pytest.approx(dose_gy * hits.z_d_gy, rel=0.03)
    for level in (0.5 * dose_gy, 2 * dose_gy):
        below = probability[grid <= level].sum()
        assert (z_gy <= level).mean() == pytest.approx(below, abs=0.015)


def test_moments_of_the_distribution_are_those_of_the_formula(radium):
    result = breaks_per_cell(radium, 0.05, breaks_per_gy=DSB_PER_GY)
    count = np.arange(len(result.probability))
    mean = float(count @ result.probability)
    variance = float((count - mean) ** 2 @ result.probability)
    assert mean == pytest.approx(result.mean_per_cell, rel=1e-4)
    assert variance / mean == pytest.approx(result.dispersion, rel=1e-3)


def test_dispersion_is_one_plus_yield_times_dose_mean(lutetium):
    for dose in (0.001, 0.1):
        result = breaks_per_cell(lutetium, dose, breaks_per_gy=35.0)
        assert result.dispersion == pytest.approx(1 + 35 * lutetium.z_d_gy)
        assert result.mean_per_cell == pytest.approx(35 * dose)  # the linear model


def test_foci_at_5_mgy_pass_for_poisson_and_breaks_of_alphas_do_not(lutetium, radium):
    foci = breaks_per_cell(lutetium, 0.005, breaks_per_gy=FOCI_PER_GY)
    assert 1.05 < foci.dispersion < 1.15
    assert foci.distance_to_poisson < 0.01
    assert foci.cells_to_see() > 500
    tracks = breaks_per_cell(radium, 0.005, breaks_per_gy=DSB_PER_GY)
    assert tracks.dispersion > 50
    assert tracks.distance_to_poisson > 0.3
    assert float(radium.particle("alpha").mean_hits(0.005 * 0.96)) < 0.01


def test_seeing_a_share_thins_the_yield(lutetium):
    half = breaks_per_cell(lutetium, 0.05, breaks_per_gy=35.0, detected=0.5)
    less = breaks_per_cell(lutetium, 0.05, breaks_per_gy=17.5)
    assert half.probability == pytest.approx(less.probability)


def test_many_small_hits_are_poisson(lutetium):
    result = breaks_per_cell(lutetium, 100.0, breaks_per_gy=0.01)
    assert result.probability[:4] == pytest.approx(result.poisson[:4], rel=1e-3)
    none = breaks_per_cell(lutetium, 0.0, breaks_per_gy=35.0)
    assert none.probability[0] == pytest.approx(1.0)
    assert breaks_per_cell(lutetium, 0.1, breaks_per_gy=0.0).status.startswith("no breaks")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"breaks_per_gy": -1.0}, "finite and not negative"),
        ({"breaks_per_gy": {"alpha": 100.0}}, r"lacks \['electron'\]"),
        ({"detected": 1.5}, "share from 0 to 1"),
        ({"dose_gy": -0.1}, "dose_gy must be finite"),
        ({"dose_gy": 1e5}, "lower the dose"),
    ],
    ids=str,
)
def test_wrong_input_is_named(wrong, message, lutetium):
    with pytest.raises(RadiobioError, match=message):
        breaks_per_cell(lutetium, **({"dose_gy": 0.1, "breaks_per_gy": 35.0} | wrong))


def test_specific_energies_need_a_dose(lutetium):
    with pytest.raises(RadiobioError, match="must be positive"):
        specific_energy_distribution(lutetium, 0.0)


def test_figures_show_all_results(lutetium, radium):
    axes = plot_event_sizes(lutetium)
    assert plot_event_sizes(radium, ax=axes) is axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Lu-177", "Ra-223"]
    counts = {hits.source: breaks_per_cell(hits, 0.005, breaks_per_gy=DSB_PER_GY)
              for hits in (lutetium, radium)}  # fmt: skip
    axes = plot_cell_counts(counts)
    assert len(axes.lines) == 4
    plt.close("all")
