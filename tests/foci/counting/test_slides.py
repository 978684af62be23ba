"""Slides, readers and the scatter of cells: estimates against simulation and scipy."""

import numpy as np
import pytest
from scipy import optimize, stats

from foci import FociError, dispersion_test
from foci.counting.dispersion import index_test
from foci.counting.distributions import fit_distribution
from foci.counting.positive_cells import positive_cells
from foci.counting.reader_effect import reader_effect
from foci.counting.slides import SlideCounts, pool_slides


def slides_of(foci, cells=100, reader="KL"):
    return [SlideCounts(f"s{i}", reader, cells, int(x)) for i, x in enumerate(foci)]


def gamma_poisson(rng, n_slides, cells, mean, cv):
    return rng.poisson(cells * mean * rng.gamma(1 / cv**2, cv**2, n_slides))


@pytest.mark.parametrize("method", ["moment", "ml"])
def test_scatter_between_slides_is_recovered(method):
    rng = np.random.default_rng(4)
    pooled = pool_slides(
        slides_of(gamma_poisson(rng, 400, 200, 0.4, 0.25), 200), cycle=1, time_h=2.0, method=method
    )
    assert pooled.slide_cv == pytest.approx(0.25, abs=4 * pooled.slide_cv_sd)
    assert 0.005 < pooled.slide_cv_sd < 0.02
    assert pooled.dispersion == pytest.approx(1 + 200 * 0.4 * 0.25**2, rel=0.15)
    assert pooled.p_value < 1e-10


def test_dispersion_is_that_of_the_pooled_total():
    rng = np.random.default_rng(9)
    cells, phi = np.array([50, 100, 150, 400]), []
    g = rng.gamma(1 / 0.09, 0.09, (40_000, 4))
    totals = rng.poisson(cells * 0.3 * g).sum(axis=1)
    expected = totals.var() / totals.mean()
    for row in rng.poisson(cells * 0.3 * rng.gamma(1 / 0.09, 0.09, (3000, 4))):
        slides = [SlideCounts(str(i), "", int(n), int(x))
                  for i, (n, x) in enumerate(zip(cells, row, strict=True))]  # fmt: skip
        phi.append(pool_slides(slides, cycle=1, time_h=1.0).dispersion)
    # few slides: the estimate is cut off at 1 and skewed, its mean is close
    assert np.mean(phi) == pytest.approx(expected, rel=0.2)


def test_gamma_poisson_likelihood_against_scipy():
    foci = np.array([31, 52, 24, 47, 60, 29])
    pooled = pool_slides(slides_of(foci), cycle=1, time_h=1.0, method="ml")

    def minus(z):
        size = np.exp(-2 * z[1])
        return -stats.nbinom.logpmf(foci, size, size / (size + 100 * np.exp(z[0]))).sum()

    best = optimize.minimize(minus, [-1, -1], method="Nelder-Mead", options={"xatol": 1e-9})
    assert pooled.slide_cv == pytest.approx(np.exp(best.x[1]), rel=1e-5)


def test_throwing_slides_together_raises_the_dispersion():
    rng = np.random.default_rng(11)
    single, slides = [], []
    for i, g in enumerate(rng.gamma(1 / 0.16, 0.16, 12)):
        cells = np.bincount(rng.poisson(1.5 * g, 200), minlength=12)
        single.append(cells)
        slides.append(SlideCounts(str(i), "", 200, int(cells @ np.arange(len(cells))),
                                  tuple(cells.tolist())))  # fmt: skip
    width = max(len(cells) for cells in single)
    together = sum(np.pad(cells, (0, width - len(cells))) for cells in single)
    pooled = pool_slides(slides, cycle=1, time_h=1.0)
    assert dispersion_test(together).status == "not Poisson: overdispersed"
    assert pooled.within_dispersion == pytest.approx(1.0, abs=0.07)
    assert pooled.slide_cv == pytest.approx(0.4, abs=0.2)
    assert pooled.assumptions == ()


def test_slides_that_agree_have_no_scatter():
    even = pool_slides(slides_of([30, 31, 29, 30, 30, 31]), cycle=1, time_h=1.0)
    assert (even.dispersion, even.slide_cv) == (1.0, 0.0)
    assert even.sd_per_cell == pytest.approx(np.sqrt(181) / 600)
    assert "ASSUMED" in even.assumptions[0]
    one = pool_slides(slides_of([30]), cycle=1, time_h=1.0)
    assert "one slide" in one.status
    assert one.sample.foci == 30


def test_slides_refuse_impossible_counts():
    with pytest.raises(FociError, match="twice"):
        pool_slides([*slides_of([30]), *slides_of([40])], cycle=1, time_h=1.0)
    with pytest.raises(FociError, match="at least one slide"):
        pool_slides([], cycle=1, time_h=1.0)
    with pytest.raises(FociError, match="100 cells and 4 foci"):
        SlideCounts("A", "KL", 100, 5, (96, 4))
    with pytest.raises(FociError, match="cells"):
        SlideCounts("A", "KL", 0, 0)


def test_readers_of_the_same_slides_are_compared_in_pairs():
    slides = [*slides_of([30, 52, 25, 41]), *slides_of([41, 66, 37, 55], reader="MN")]
    effect = reader_effect(slides)
    assert effect.paired
    assert effect.ratio[1] == pytest.approx(199 / 148)  # equal cells: the ratio of totals
    assert effect.log_sd[1] == pytest.approx(np.sqrt(1 / 199 + 1 / 148))
    # one reader's share of all foci is binomial
    binomial = stats.binomtest(199, 347, 0.5).pvalue
    assert effect.p_value == pytest.approx(binomial, rel=0.2)


def test_readers_of_different_slides_are_told_from_averages():
    others = [SlideCounts(f"t{i}", "MN", 100, x) for i, x in enumerate([41, 66, 37, 55])]
    slides = [*slides_of([30, 52, 25, 41]), *others]
    effect = reader_effect(slides)
    assert not effect.paired
    assert effect.dispersion > 2
    assert effect.p_value > 0.1
    assert "slides differ" in effect.status


def test_reader_test_keeps_its_level():
    rng = np.random.default_rng(21)
    p = []
    for _ in range(1500):
        mean = 40 * rng.gamma(10, 0.1, 5)
        p.append(reader_effect([*slides_of(rng.poisson(mean)),
                                *slides_of(rng.poisson(mean), reader="MN")]).p_value)  # fmt: skip
    assert np.mean(np.array(p) < 0.05) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 1500)


def test_readers_need_two_with_foci():
    with pytest.raises(FociError, match="two readers"):
        reader_effect(slides_of([3, 4]))
    with pytest.raises(FociError, match="no focus"):
        reader_effect([*slides_of([3, 4]), *slides_of([0, 0], reader="MN")])


def test_beta_binomial_against_scipy():
    n, x = np.full(6, 100), np.array([21, 35, 18, 40, 12, 30])
    fit = positive_cells(n, x)
    best = optimize.minimize(
        lambda z: -stats.betabinom.logpmf(x, n, *np.exp(z)).sum(), [1, 2], method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12},
    )  # fmt: skip
    a, b = np.exp(best.x)
    assert fit.share == pytest.approx(a / (a + b), rel=1e-4)
    assert fit.correlation == pytest.approx(1 / (a + b + 1), rel=1e-4)
    assert fit.mean_per_cell == pytest.approx(-np.log(1 - fit.share))
    even = positive_cells([100] * 4, [20, 21, 19, 20])
    assert (even.correlation, even.p_value) == (0.0, 1.0)
    with pytest.raises(FociError, match="exchanged"):
        positive_cells([10, 10], [5, 12])
    with pytest.raises(FociError, match="no cell"):
        positive_cells([10, 10], [0, 0])


@pytest.mark.parametrize("form", ["nb1", "nb2"])
def test_negative_binomials_are_recovered_from_several_groups(form):
    rng = np.random.default_rng(6)
    means, a = np.array([0.3, 1.0, 3.0]), 0.5
    groups = []
    for m in means:
        size = m / a if form == "nb1" else 1 / a
        groups.append(np.bincount(rng.negative_binomial(size, size / (size + m), 3000)))
    fits = {f: fit_distribution(groups, form=f) for f in ("poisson", "nb1", "nb2")}
    fit = fits[form]
    assert fit.excess == pytest.approx(a, abs=4 * fit.excess_sd)
    assert np.abs((fit.mean_per_cell - means) / fit.mean_sd).max() < 4
    assert min(fits, key=lambda f: fits[f].aic) == form
    assert fit.p_value < 1e-10
    assert fit.status == "ok"


def test_negative_binomial_likelihood_against_scipy():
    n = np.array([302, 28, 22, 8, 1])
    fit = fit_distribution([n], form="nb2")
    k = np.arange(5)
    size, m = 1 / fit.excess, fit.mean_per_cell[0]
    value = n @ stats.nbinom.logpmf(k, size, size / (size + m))
    assert fit.log_likelihood == pytest.approx(value)
    for factor in (0.95, 1.05):
        assert (
            n @ stats.nbinom.logpmf(k, factor * size, factor * size / (factor * size + m)) < value
        )
    assert m == pytest.approx(100 / 361)  # NB2 of one group: the sample mean
    assert fit_distribution([n], form="nb1").log_likelihood == pytest.approx(value)


@pytest.mark.parametrize("form", ["poisson", "nb1"])
def test_an_open_class_gives_back_the_mean(form):
    rng = np.random.default_rng(12)
    law = rng.poisson if form == "poisson" else (lambda m, n: rng.negative_binomial(m, 0.5, n))
    cells = law(4.0, 20_000)  # a third to a half in "4+"
    classes = np.bincount(np.minimum(cells, 4), minlength=5)
    fit = fit_distribution([classes], form=form, open_last_class=True)
    assert fit.mean_per_cell[0] == pytest.approx(4.0, abs=4 * fit.mean_sd[0])
    assert fit.mean_sd[0] > cells.std() / np.sqrt(len(cells))  # the class hides something
    closed = fit_distribution([classes], form="poisson")
    assert closed.mean_per_cell[0] < 3.5


def test_no_excess_variance_is_said():
    fit = fit_distribution([(7326, 174)], form="nb1")
    assert fit.excess == 0
    assert fit.p_value == 1
    assert "Poisson" in fit.status
    assert fit.to_frame().dispersion[0] == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fit_distribution([(5, 3)], form="gamma"), "form"),
        (lambda: fit_distribution([]), "at least one"),
        (lambda: fit_distribution([(5, 0)]), "0 foci"),
        (lambda: fit_distribution([(0, 0, 7)], open_last_class=True), "open last class"),
        (lambda: index_test((1000, 50), method="exact"), "40 foci"),
        (lambda: index_test((100, 5), method="monte carlo"), "rng"),
        (lambda: index_test((100, 5), method="guess"), "method"),
        (lambda: index_test((100, 1)), "2 foci"),
    ],
)
def test_impossible_arguments_are_refused(call, words):
    with pytest.raises(FociError, match=words):
        call()


def test_exact_index_test_by_listing_all_outcomes():
    # 4 foci in 3 cells: 81 equally likely ways
    ways = np.array(np.meshgrid(*[range(3)] * 4)).reshape(4, -1)
    squares = sum(((ways == cell).sum(axis=0)) ** 2 for cell in range(3))
    test = index_test((1, 0, 2))
    assert test.method == "exact"
    assert test.p_over == pytest.approx((squares >= 8).mean())
    assert test.p_under == pytest.approx((squares <= 8).mean())


def test_index_test_finds_what_u_overstates():
    # Barquinero 1995, 0.25 Gy: u = 2.61, but one cell with two of 22 is no rarity
    given = (1987, 20, 1)
    exact = index_test(given)
    drawn = index_test(given, method="monte carlo", rng=np.random.default_rng(2))
    assert exact.u == pytest.approx(2.609803, abs=1e-6)
    assert exact.p_over == pytest.approx(0.109, abs=5e-4)
    assert drawn.p_over == pytest.approx(exact.p_over, abs=4 * np.sqrt(0.1 / 20_000))
    # P(no cell twice) = prod (1 - i/2008)
    assert exact.p_over == pytest.approx(1 - np.prod(1 - np.arange(22) / 2008))


def test_index_test_agrees_with_chi_square_for_many_foci():
    rng = np.random.default_rng(3)
    cells = np.bincount(rng.poisson(2.0, 300))
    close = index_test(cells, method="chi-square")
    drawn = index_test(cells, method="monte carlo", rng=rng)
    assert drawn.p_over == pytest.approx(close.p_over, abs=0.02)
    over = index_test(np.bincount(rng.negative_binomial(2, 0.5, 300)))
    assert over.status == "not Poisson: overdispersed"
    assert over.method == "chi-square"
