import numpy as np
import pytest

from dosimetry.voxels.kernel_geometry import folded, mirrored

SHELLS = np.array([0.3, 0.9, 1.7, 3.2])


def _one_shell(radius, voxel, half_width):
    """Chances of all voxels for displacements of one length."""
    edges = np.array([0.0, radius - 1e-9, radius + 1e-9])
    mean, _ = folded(edges, np.array([0.0, 1.0]), np.zeros(2), voxel, half_width)
    return mirrored(mean)


@pytest.mark.parametrize("radius", SHELLS)
@pytest.mark.parametrize("voxel", [(1.0, 1.0, 1.0), (0.8, 1.1, 2.0)])
def test_chances_by_random_points(radius, voxel):
    rng, n, half = np.random.default_rng(1), 400_000, (4, 4, 3)
    direction = rng.standard_normal((n, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    cell = np.floor((rng.random((n, 3)) * voxel + radius * direction) / voxel).astype(int)
    shape = tuple(2 * m + 1 for m in half)
    inside = (np.abs(cell) <= half).all(axis=1)
    flat = np.ravel_multi_index((cell[inside] + half).T, shape)
    count = np.bincount(flat, minlength=np.prod(shape)).reshape(shape)
    found = _one_shell(radius, voxel, half)
    error = np.sqrt(np.maximum(found, 1e-5) / n)
    assert (np.abs(count / n - found) < 5 * error).all()


@pytest.mark.parametrize("radius", SHELLS)
def test_chances_sum_to_one_while_the_shell_lies_in_the_grid(radius):
    found = _one_shell(radius, (0.8, 1.1, 2.0), (5, 4, 3))
    assert found.sum() == pytest.approx(1, abs=1e-12)


def test_mean_displacement_squared_is_that_of_the_shell():
    """Moments: E[(i a)^2] = E[x^2] + a^2 E[f (1 - f)], f the place within a voxel."""
    voxel, radius = (1.0, 1.3, 0.7), 0.6
    found = _one_shell(radius, voxel, (2, 2, 2))
    for axis, size in enumerate(voxel):
        share = found.sum(axis=tuple(a for a in range(3) if a != axis))
        index = np.arange(-2, 3)
        # inside one voxel |x| < a and trilinear weights give E[i^2] = E|x| / a = r / (2 a)
        assert (share * index**2).sum() == pytest.approx(radius / (2 * size), rel=1e-9)


@pytest.mark.parametrize("radius", [0.2, 0.65])
def test_near_shells_have_a_closed_form(radius):
    r = radius / 0.7
    same = 1 - 3 * r / 2 + 3 * r**2 * 2 / (3 * np.pi) - r**3 / (4 * np.pi)
    assert _one_shell(radius, (0.7, 0.7, 0.7), (1, 1, 1))[1, 1, 1] == pytest.approx(same, rel=1e-9)


def test_an_exponential_kernel_by_cartesian_quadrature():
    """Activity and dose in boxes: integrate K / (4 pi r^2) times the overlap in x, y, z."""
    mu, voxel, target = 0.8, (1.0, 1.2, 0.9), (2, 1, 3)
    node, weight = np.polynomial.legendre.leggauss(12)
    axes = []
    for size, centre in zip(voxel, target, strict=True):
        place, share = [], []
        for side in (-1, 1):
            offset = side * (node + 1) / 2
            place.append(size * (centre + offset))
            share.append(size * weight / 2 * (1 - np.abs(offset)))
        axes.append((np.concatenate(place), np.concatenate(share)))
    (x, wx), (y, wy), (z, wz) = axes
    r = np.sqrt(x[:, None, None] ** 2 + y[:, None] ** 2 + z**2)
    density = mu * np.exp(-mu * r) / (4 * np.pi * r**2)
    expected = np.einsum("i,j,k,ijk", wx, wy, wz, density)
    edges = np.linspace(0, 12, 4001)
    mean, _ = folded(edges, -np.diff(np.exp(-mu * edges)), np.zeros(4000), voxel, (2, 1, 3))
    assert mean[target] == pytest.approx(expected, rel=5e-4)


def test_errors_add_as_independent_shells():
    edges, error = np.array([0.0, 0.2, 0.4]), np.array([0.3, 0.4])
    each = [
        folded(edges, pick * error, np.zeros(2), (1.0, 1.0, 1.0), (1, 1, 1))[0]
        for pick in (np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    ]
    _, found = folded(edges, np.ones(2), error, (1.0, 1.0, 1.0), (1, 1, 1))
    np.testing.assert_allclose(found, np.hypot(*each))


def test_wide_and_narrow_shells_agree():
    wide, narrow = (
        np.array([0.0, 0.5, 4.0]),
        np.concatenate([np.linspace(0, 0.5, 6)[:-1], np.linspace(0.5, 4, 141)]),
    )
    absorbed = np.interp(narrow, wide, [0.0, 0.7, 1.0])
    one, _ = folded(wide, np.array([0.7, 0.3]), np.zeros(2), (1.0, 1.0, 2.0), (3, 3, 2))
    other, _ = folded(narrow, np.diff(absorbed), np.zeros(145), (1.0, 1.0, 2.0), (3, 3, 2))
    np.testing.assert_allclose(one, other, rtol=5e-3, atol=1e-9)
