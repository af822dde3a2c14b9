"""Patches of digits: what a file becomes, what an example holds, and what is said of files that are no such files."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from digit_files import digit_files, drawn_digits, idx

from w2s.errors import FieldError
from w2s.files.datafile import data_folders
from w2s.laws.digit_patches import DIGITS, ROLES, DigitExamples, Digits, balanced_digits, draw_digits, load_digits
from w2s.laws.signal_noise import TYPES
from w2s_kernels import NUMPY


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    files = digit_files(tmp_path_factory.mktemp("digits"))
    return load_digits(Path(files["images"]), Path(files["labels"]))


def test_images_are_halved_centred_and_of_norm_one_and_hard_ones_orthogonal(digits: Digits) -> None:
    images, labels = drawn_digits()
    half = np.array(
        [[[image[r : r + 2, c : c + 2].mean() for c in range(0, 8, 2)] for r in range(0, 8, 2)] for image in images]
    )
    flat = half.reshape(len(half), 16) - half.reshape(len(half), 16).mean(axis=0)
    means = np.array([flat[labels == digit].mean(axis=0) for digit in DIGITS[:2]])
    for place, digit in enumerate(DIGITS):
        want = flat[labels == digit]
        if place > 1:
            want = want - np.linalg.lstsq(means.T, want.T, rcond=None)[0].T @ means
            assert np.abs(digits.images[place] @ means.T).max() < 1e-9
        want = want / np.sqrt(np.sum(want**2, axis=1))[:, None]
        np.testing.assert_allclose(digits.images[place], want, atol=1e-12)
    assert digits.pixels == 16


def contents(some: DigitExamples, digits: Digits) -> list[list[tuple[str, int]]]:
    """What is in every patch: noise, or which digit's image with which contrast."""
    found = []
    for members in some.members:
        held = []
        for row in some.rows[members]:
            what = ("noise", 0)
            for place, images in enumerate(digits.images):
                for sign in (1, -1):
                    if np.abs(images - sign * row).max(axis=1).min() < 1e-12:
                        what = (str(place), sign)
            held.append(what)
        found.append(held)
    return found


def test_examples_hold_what_their_types_say(digits: Digits) -> None:
    some = draw_digits(digits, "transfer", 3, 60, 0.3, 0.4, NUMPY)
    kinds = {"0": 0, "1": 0, "2": 1, "3": 1, "noise": 2}
    seen = set()
    for held, kind, label, members in zip(contents(some, digits), some.types, some.labels, some.members, strict=True):
        side = 0 if label > 0 else 1
        shown = {name for name, _ in held if name != "noise"}
        wanted = {"easy": {str(side)}, "hard": {str(2 + side)}, "both": {str(side), str(2 + side)}}[TYPES[kind]]
        assert shown == wanted
        assert [name for name, _ in held].count("noise") == 3 - len(wanted)
        assert all(sign == 1 for name, sign in held if name in "01")
        assert [kinds[name] for name, _ in held] == some.kinds[members].tolist()
        seen |= {(name, sign) for name, sign in held if name in "23"}
    assert seen == {("2", 1), ("2", -1), ("3", 1), ("3", -1)}


def test_samples_are_nested_and_no_image_comes_twice_or_in_two_roles(digits: Digits) -> None:
    shown: dict[str, np.ndarray] = {}
    for role in ROLES:
        n = digits.most(role)
        large, small = (draw_digits(digits, role, 5, size, 0.3, 0.4, NUMPY) for size in (n, n // 2))
        np.testing.assert_array_equal(large.rows[: len(small.rows)], small.rows)
        np.testing.assert_array_equal(large.labels[: n // 2], small.labels)
        shown[role] = np.abs(large.rows[large.kinds < 2])
        assert len(np.unique(shown[role].round(9), axis=0)) == len(shown[role])
    for one, other in itertools.combinations(shown.values(), 2):
        assert np.abs(one[:, None] - other).max(axis=2).min() > 1e-6


def test_the_size_that_is_allowed_leaves_four_deviations(digits: Digits) -> None:
    n, images = digits.most("transfer"), 160 - 50
    assert n / 2 + 4 * np.sqrt(n) / 2 <= images
    assert (n + 1) / 2 + 4 * np.sqrt(n + 1) / 2 > images


def test_new_inputs_are_balanced(digits: Digits) -> None:
    some = balanced_digits(digits, "test", 0, 8, NUMPY)
    assert some.types.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert some.labels.tolist() == [1.0, -1.0] * 12
    held = contents(some, digits)
    signs = [[sign for name, sign in one if name in "23"] for one in held]
    assert signs[8:] == [[1], [1], [-1], [-1]] * 4


def test_other_seeds_show_other_images(digits: Digits) -> None:
    one, other = (draw_digits(digits, "labeled", seed, 10, 0.0, 0.0, NUMPY) for seed in (0, 1))
    assert not np.allclose(one.rows[::3], other.rows[::3])


IMAGES, LABELS = drawn_digits(40)
BROKEN: dict[str, tuple[Callable[[], tuple[bytes, bytes]], str]] = {
    "lengths": (lambda: (idx(IMAGES[:-1]), idx(LABELS)), "has 399 images, .* has 400 labels"),
    "exchanged": (lambda: (idx(LABELS), idx(IMAGES)), "is no idx file of bytes with 3 dimensions"),
    "text": (lambda: (b"0 1 2", idx(LABELS)), "is no idx file"),
    "empty": (lambda: (b"", idx(LABELS)), "is no idx file"),
    "cut": (lambda: (idx(IMAGES)[:-7], idx(LABELS)), r"says 400 x 8 x 8 and holds 25593 bytes"),
    "cut gzip": (lambda: (gzip.compress(idx(IMAGES))[:-9], idx(LABELS)), "cannot be read"),
    "odd": (lambda: (idx(IMAGES[:, :7]), idx(LABELS)), "even number of pixels, not 7 x 8"),
    "few": (lambda: (idx(IMAGES), idx(np.where(LABELS == 9, 8, LABELS).astype(np.uint8))), "needs 40 images or more of each"),
    "blank": (lambda: (idx(np.zeros_like(IMAGES)), idx(LABELS)), "no different from the mean"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_are_no_digits_are_refused(name: str, tmp_path: Path) -> None:
    made, message = BROKEN[name]
    for file, content in zip(("images", "labels"), made(), strict=True):
        (tmp_path / file).write_bytes(content)
    with pytest.raises(FieldError, match=message):
        load_digits(tmp_path / "images", tmp_path / "labels")


@pytest.mark.data
def test_the_rule_chooses_these_digits() -> None:
    folders = [folder / "mnist_t10k" for folder in data_folders()]
    place = next((folder for folder in folders if folder.exists()), None)
    if place is None:
        pytest.skip("needs mnist_t10k in a folder named in W2S_DATA")
    raw = [gzip.decompress((place / f"t10k-{name}-ubyte.gz").read_bytes()) for name in ("images-idx3", "labels-idx1")]
    images, labels = np.frombuffer(raw[0][16:], np.uint8).reshape(-1, 28, 28), np.frombuffer(raw[1][8:], np.uint8)
    flat = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
    flat = flat - flat.mean(axis=0)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    means = np.array([flat[labels == digit].mean(axis=0) for digit in range(10)])
    norms = np.linalg.norm(means, axis=1)
    pairs = [(a, b) for a, b in itertools.combinations(range(10), 2) if abs(means[a] @ means[b]) < 0.1 * norms[a] * norms[b]]
    hard = max(pairs, key=lambda pair: min(norms[list(pair)]))
    others = [digit for digit in range(10) if digit not in hard]
    easy = max(itertools.combinations(others, 2), key=lambda pair: np.linalg.norm(means[pair[0]] - means[pair[1]]))
    assert (*easy, *hard) == DIGITS
