"""Supervisors: soft labels of an item, as a law draws them or as a model trained on unshifted data gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.labels.reliability import matched_temperatures
from w2s_kernels import NUMPY, Backend, normals, stream, uniforms
from w2s_kernels.softmax_students import Rules, teach

__all__ = ["SUPERVISED_EPOCHS", "accuracies", "drawn_labels", "linear_labels", "matched", "minibatches", "one_hot", "softmax"]

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Level = Mapping[str, Any]

_NAME = "raven2025"
SUPERVISED_EPOCHS = 60
"""Passes over its labelled items that a trained supervisor takes."""


def accuracies(level: Level) -> Matrix:
    """Return the quality of each supervisor, (1 + bad,): ``best``, then even steps from ``bad_high`` to ``bad_low``."""
    return np.array([level["best"], *np.linspace(level["bad_high"], level["bad_low"], level["bad"])])


def one_hot(classes: Whole, count: int) -> Matrix:
    """Make classes (n,) one-hot, (n, K)."""
    return np.asarray(np.eye(count)[classes])


def softmax(scores: Matrix) -> Matrix:
    """Compute probabilities from scores (..., K)."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def minibatches(seed: int, role: str, kept: Whole, steps: int, batch: int, backend: Backend = NUMPY) -> Whole:
    """Order items in minibatches (steps, batch): shuffles of the items ``kept``, one after the other, cut where they fall.

    The number of steps does not depend on how many items there are.
    """
    epochs = -(-steps * batch // len(kept))
    keys = backend.to_numpy(uniforms(stream(_NAME, "order", role, seed=seed), epochs, len(kept), backend))
    order = kept[np.argsort(keys, axis=1, kind="stable")]
    return np.asarray(order.reshape(-1)[: steps * batch].reshape(steps, batch))


def drawn_labels(level: Level, seed: int, samples: Mapping[str, tuple[Matrix, Whole]]) -> dict[str, Matrix]:
    """Draw soft labels (n, M, K) for samples of features (n, d) and classes (n,), by name; ``transfer`` must be one of them.

    Supervisor m errs where the features lie beyond a quantile (that of its accuracy, in the transfer sample) along a direction
    of its own, and then says the class 1 + m steps further (back to 1 after K - 1), so that no two of K - 1 supervisors make
    the same error. A part ``sharing`` of the items, at random, has one direction and one step for all bad supervisors. With
    ``errors: hidden`` bad supervisors err at random instead, on any other class: nothing that the student sees tells where. The
    largest probability is uniform on [.55, .95 - gap] for the best supervisor, on [.55 + gap, .95] for the others; the rest is
    spread evenly.
    """
    quality, classes = accuracies(level), level["classes"]
    names = ["best", *(f"bad-{m}" for m in range(1, len(quality)))]
    sides = [_direction(seed, name, level["d"]) for name in names]
    shared = _direction(seed, "shared", level["d"])
    along = samples["transfer"][0]
    found = {}
    for part, (x, truth) in samples.items():
        mixed = _uniforms(seed, len(truth), part, "sharing") < level["sharing"]
        both = [_hidden(seed, part, "shared", len(truth), classes)] if level["errors"] == "hidden" else []
        labels = []
        for m, name in enumerate(names):
            if m and level["errors"] == "hidden":
                (draw, steps), (same, same_steps) = _hidden(seed, part, name, len(truth), classes), both[0]
                wrong = np.where(mixed, same, draw) > quality[m]
                said = truth + np.where(mixed, same_steps, steps)
            else:
                own = _beyond(x @ sides[m], along @ sides[m], quality[m])
                wrong = np.where(mixed, _beyond(x @ shared, along @ shared, quality[m]), own) if m else own
                said = truth + (np.where(mixed, 2, _own_step(m, classes)) if m else 1)
            low, high = (0.55, 0.95 - level["gap"]) if m == 0 else (0.55 + level["gap"], 0.95)
            top = low + (high - low) * _uniforms(seed, len(truth), part, "confidence", name)
            labels.append(_soft(np.where(wrong, said % classes, truth), top, classes))
        found[part] = np.stack(labels, axis=1)
    return found


def linear_labels(
    level: Level, seed: int, given: tuple[Matrix, Whole], samples: Mapping[str, tuple[Matrix, Whole]], backend: Backend
) -> dict[str, Matrix]:
    """Train linear softmax supervisors on unshifted items with truth; return their soft labels (n, M, K) of samples, by name.

    A supervisor sees a random part of the features: the share ``quality`` of the first half of them, and one less that share of
    the others. In images, which have no halves, it sees a random share ``quality`` of the pixels.
    """
    x, truth = given
    quality, d = accuracies(level), x.shape[1]
    seen = np.stack([_seen(seed, m, q, d, halves=level["source"] == "trained") for m, q in enumerate(quality)])
    steps = max(SUPERVISED_EPOCHS * len(truth) // 64, 1)
    order = minibatches(seed, "labeled", np.arange(len(truth)), steps, min(64, len(truth)))
    count, labels = len(quality), one_hot(truth, level["classes"])[None, :, None]
    which = (np.arange(count), np.zeros(count, int), np.zeros(count, int))
    inputs = np.stack([_with_ones(x * mask) for mask in seen])
    given_arrays = (backend.asarray(inputs), backend.asarray(labels), order[None])
    taught = teach(*given_arrays, which, np.ones((count, 1)), Rules(), learning_rate=level["learning_rate"], backend=backend)
    students = backend.to_numpy(taught.students)
    return {
        part: np.stack([softmax(_with_ones(z * mask) @ w) for mask, w in zip(seen, students, strict=True)], axis=1)
        for part, (z, _) in samples.items()
    }


def matched(labels: Mapping[str, Matrix]) -> dict[str, Matrix]:
    """Bring soft labels (n, M, K) of all supervisors to the mean entropy that they have together on the ``transfer`` sample."""
    temperatures = matched_temperatures(labels["transfer"])
    return {part: softmax(np.log(np.maximum(values, 1e-12)) / temperatures[:, None]) for part, values in labels.items()}


def _direction(seed: int, name: str, d: int) -> Matrix:
    return np.asarray(normals(stream(_NAME, "direction", name, seed=seed), 1, d, NUMPY)[0])


def _uniforms(seed: int, count: int, *role: str) -> Matrix:
    return np.asarray(uniforms(stream(_NAME, *role, seed=seed), count, 1, NUMPY)[:, 0])


def _beyond(values: Matrix, along: Matrix, accuracy: float) -> npt.NDArray[np.bool_]:
    return np.asarray(values > np.quantile(along, accuracy))


def _hidden(seed: int, part: str, name: str, count: int, classes: int) -> tuple[Matrix, Whole]:
    """Draw where a supervisor errs and by how many steps, (n,) each, from what the student does not see."""
    where, which = uniforms(stream(_NAME, "hidden", part, name, seed=seed), count, 2, NUMPY).T
    return where, 1 + np.minimum((which * (classes - 1)).astype(np.int64), classes - 2)


def _own_step(m: int, classes: int) -> int:
    return 1 + m % (classes - 1)


def _soft(classes: Whole, top: Matrix, count: int) -> Matrix:
    """Make labels (n, K) with the probability ``top`` (n,) on given classes, the rest spread evenly."""
    found = np.repeat(((1.0 - top) / (count - 1))[:, None], count, axis=1)
    found[np.arange(len(classes)), classes] = top
    return found


def _seen(seed: int, m: int, share: float, d: int, *, halves: bool) -> Matrix:
    """Return which features a supervisor sees, 0 or 1, (d,)."""
    rank = np.argsort(np.argsort(_uniforms(seed, d, "seen", str(m)), kind="stable"), kind="stable")
    if not halves:
        return (rank < round(share * d)).astype(float)
    first = np.arange(d) < d // 2
    found = np.zeros(d)
    for half, part in ((first, share), (~first, 1.0 - share)):
        places = np.flatnonzero(half)
        found[places[np.argsort(rank[places])][: round(part * len(places))]] = 1.0
    return found


def _with_ones(x: Matrix) -> Matrix:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)
