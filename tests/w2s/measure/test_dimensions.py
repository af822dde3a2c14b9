"""Intrinsic and correlation dimensions: what leaves them alone, and what they are where they are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from w2s.measure.dimensions import Principal, intrinsic_dimension, projected_overlap, sample_overlap

ROWS = 400


def normals(rows: int, cols: int, key: int) -> npt.NDArray[np.float64]:
    return np.random.Generator(np.random.Philox(key=key)).standard_normal((rows, cols))


def rotation(size: int, key: int) -> npt.NDArray[np.float64]:
    return np.linalg.qr(normals(size, size, key))[0]


def orthonormal(count: int, key: int) -> npt.NDArray[np.float64]:
    """Columns with equal energy and mean zero: centring and cutoff change nothing."""
    raw = normals(ROWS, count, key)
    return np.linalg.qr(raw - raw.mean(axis=0))[0]


def coordinates(shared: int, weak: int, strong: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weak and strong features that are coordinates of one sample, ``shared`` of them the same."""
    every = orthonormal(weak + strong - shared, 5)
    return every[:, :weak], every[:, weak - shared :]


def test_the_energy_decides_the_dimension() -> None:
    features = orthonormal(6, 1) * np.array([10.0, 5.0, 1.0, 0.5, 0.1, 0.01])
    shares = np.cumsum(np.array([100, 25, 1, 0.25, 0.01, 0.0001])) / 126.2601
    for energy in (0.5, 0.9, 0.99, 0.9999, 0.999999):
        assert intrinsic_dimension(features, energy, centred=False) == int(np.argmax(shares >= energy)) + 1
    assert intrinsic_dimension(features, 1.0, centred=False) == 6
    assert intrinsic_dimension(orthonormal(100, 2), 0.99, centred=True) == 99
    assert intrinsic_dimension(orthonormal(30, 2)[:40], 1.0, centred=False) == 30


def test_the_mean_direction_hides_the_rest() -> None:
    features = orthonormal(20, 3) + 3.0 * np.eye(20)[0]
    assert intrinsic_dimension(features, centred=False) == 1
    assert intrinsic_dimension(features, centred=True) == 20


@pytest.mark.parametrize("shared", [0, 3, 12])
def test_coordinate_subspaces_have_the_overlap_that_they_share(shared: int) -> None:
    weak, strong = (Principal(side, 0.999, centred=True) for side in coordinates(shared, 40, 12))
    found = sample_overlap(weak, strong)
    assert (found.d_weak, found.d_strong) == (40, 12)
    assert found.mean == pytest.approx(shared, abs=1e-9)


def test_rotations_of_either_side_and_their_order_change_nothing() -> None:
    weak, strong = normals(ROWS, 30, 7), normals(ROWS, 9, 8)
    weak[:, :4] += 2.0 * strong[:, :4]
    plain = sample_overlap(Principal(weak, centred=False), Principal(strong, centred=False))
    turned = [Principal(side @ rotation(side.shape[1], key) + 0.0, centred=False) for side, key in ((weak, 1), (strong, 2))]
    assert sample_overlap(*turned).mean == pytest.approx(plain.mean, abs=1e-9)
    swapped = sample_overlap(turned[1], turned[0])
    assert swapped.mean == pytest.approx(plain.mean, abs=1e-9)
    assert (swapped.d_weak, swapped.d_strong) == (plain.d_strong, plain.d_weak)
    assert 2.0 < plain.mean < 9.0


def test_sample_overlap_is_the_correlation_dimension_of_the_law() -> None:
    # Cosines .8 (4 pairs) and 0: d_sw = 4 x .64, plus what subspaces of 30 000 rows have in common by chance.
    latent = normals(30_000, 18, 9)
    weak = latent[:, :12].copy()
    weak[:, :4] = 0.8 * latent[:, 12:16] + 0.6 * latent[:, :4]
    found = sample_overlap(Principal(weak, 1.0, centred=False), Principal(latent[:, 12:], 1.0, centred=False))
    assert found.mean == pytest.approx(4 * 0.64, abs=0.05)


def test_projection_is_exact_for_one_width_and_noisy_for_two() -> None:
    weak, strong = coordinates(0, 40, 40)
    same = projected_overlap(Principal(weak, centred=False), Principal(weak, centred=False))
    assert same.spread == 0.0
    assert same.mean == pytest.approx(same.d_weak)
    # In feature space unrelated features of one width share directions by their column order alone.
    assert projected_overlap(Principal(weak, centred=False), Principal(strong, centred=False)).mean > 30
    narrow, wide = normals(ROWS, 5, 1) @ normals(5, 60, 2), normals(ROWS, 8, 3) @ normals(8, 200, 4)
    found = projected_overlap(Principal(narrow, centred=False), Principal(wide, centred=False), seeds=tuple(range(40)))
    assert (found.d_weak, found.d_strong) == (5, 8)
    assert found.mean == pytest.approx(5 * 8 / 60, abs=4 * found.spread / np.sqrt(40))  # chance, though nothing is shared
    assert found.spread > 0.05
    assert (
        found.values
        == projected_overlap(Principal(narrow, centred=False), Principal(wide, centred=False), tuple(range(40))).values
    )


def test_bad_features_are_refused() -> None:
    for bad in (np.zeros((4, 2)), np.zeros(3), np.full((3, 2), np.nan), np.zeros((0, 2))):
        with pytest.raises(ValueError, match="features"):
            intrinsic_dimension(bad, centred=False)
    with pytest.raises(ValueError, match="energy"):
        intrinsic_dimension(np.eye(3), 0.0, centred=False)
    with pytest.raises(ValueError, match="same rows"):
        sample_overlap(Principal(np.eye(3), centred=False), Principal(np.eye(4), centred=False))
