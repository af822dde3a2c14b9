"""Shifts: nothing at size 0, hand values, and what each of them leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from w2s.errors import FieldError
from w2s.laws.shifts import CORRUPTIONS, classes_drawn, corrupt_group, corrupt_images, displaced_means, tilted_prior


def test_means_move_to_the_next_class() -> None:
    means = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    assert (displaced_means(means, 0.0) == means).all()
    assert displaced_means(means, 1.0).tolist() == [[0.0, 1.0], [5.0, 5.0], [1.0, 0.0]]
    assert displaced_means(means, 0.5)[0].tolist() == [0.5, 0.5]


def test_a_tilted_prior_and_its_draws() -> None:
    assert tilted_prior(4, 0.0).tolist() == [0.25] * 4
    prior = tilted_prior(2, np.log(3.0))
    assert prior == pytest.approx([0.75, 0.25])
    assert classes_drawn(np.array([0.1, 0.74, 0.76, 1 - 1e-16]), prior).tolist() == [0, 0, 1, 1]
    draws = np.random.default_rng(0).random(20_000)
    assert np.bincount(classes_drawn(draws, tilted_prior(3, 1.0))) / 20_000 == pytest.approx(tilted_prior(3, 1.0), abs=0.02)


def test_a_group_is_replaced_and_nested_in_its_share() -> None:
    x, draws, noise = np.zeros((4, 2)), np.array([0.1, 0.5, 0.9, 0.3]), np.ones((4, 2))
    changed, group = corrupt_group(x, draws, noise, 0.4, scale=2.0)
    assert group.tolist() == [True, False, False, True]
    assert changed[:, 0].tolist() == [2.0, 0.0, 0.0, 2.0]
    assert set(np.flatnonzero(group)) <= set(np.flatnonzero(corrupt_group(x, draws, noise, 0.6)[1]))


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_images_stay_at_size_0_and_change_with_it(kind: str) -> None:
    rng = np.random.default_rng(1)
    images, noise = rng.random((3, 8, 8)), rng.standard_normal((3, 8, 8))
    assert (corrupt_images(images, kind, 0.0, noise) == images).all()
    changes = [np.abs(corrupt_images(images, kind, size, noise) - images).mean() for size in (0.25, 0.5, 0.75)]
    assert changes == sorted(changes)
    assert changes[0] > 0


def test_a_flat_image_has_no_contrast_to_lose_and_nothing_to_blur() -> None:
    flat, noise = np.full((1, 5, 5), 0.3), np.zeros((1, 5, 5))
    for kind in ("contrast", "blur", "noise"):
        np.testing.assert_allclose(corrupt_images(flat, kind, 0.7, noise), flat)
    assert corrupt_images(np.eye(4)[None], "contrast", 1.0, noise[:, :4, :4]).tolist() == np.full((1, 4, 4), 0.25).tolist()


def test_the_middle_of_an_image_is_where_it_turns() -> None:
    image = np.zeros((1, 7, 7))
    image[0, 3, 3] = 1.0
    assert corrupt_images(image, "rotation", 0.8, image)[0, 3, 3] == pytest.approx(1.0)
    bar = np.zeros((1, 7, 7))
    bar[0, 3, 1:6] = 1.0
    turned = corrupt_images(bar, "rotation", 1.0, bar)[0]
    assert turned.sum() == pytest.approx(5.0, abs=1.0)
    assert turned[3, 1] < 0.5 < turned[3, 3]


def test_an_unknown_corruption_has_a_nearest_word() -> None:
    with pytest.raises(FieldError, match="did you mean 'blur'"):
        corrupt_images(np.zeros((1, 2, 2)), "blurr", 0.5, np.zeros((1, 2, 2)))
