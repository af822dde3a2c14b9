"""Labels as values: tables of class probabilities by item id, made from truth, from predictions, or from other labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2s.artifacts import Work, artifact
from w2s.finetune.data.tables import join, probabilities, probability_table, read_table, write_columns, write_table
from w2s_kernels import NUMPY, permutation, stream

__all__ = [
    "as_labels",
    "flip",
    "fold_of",
    "harden",
    "labelled_ids",
    "mix",
    "own_where_confident",
    "part_ids",
    "shuffled_within",
    "temper",
    "tempered",
    "truth_labels",
    "truth_of",
]

Matrix = npt.NDArray[np.float64]


def part_ids(items: Path, part: str) -> list[str]:
    """List the item ids of one part, in the order of the items."""
    table = read_table(items, "items")
    return list(table.filter(pc.equal(table["part"], part))["item_id"].to_pylist())


def labelled_ids(labels: pa.Table, items: Path, part: str) -> list[str]:
    """List the item ids of one part that labels are given for, in the order of the items."""
    named = set(labels["item_id"].to_pylist())
    return [name for name in part_ids(items, part) if name in named]


def fold_of(count: int, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Distribute items over folds of equal size (to one item) by a stream of the seed: the fold of each, (count,)."""
    order = np.asarray(permutation(stream("folds", seed=seed), count, NUMPY))
    found = np.empty(count, dtype=np.int64)
    found[order] = np.arange(count) % folds
    return found


def truth_of(truth: Path, ids: list[str]) -> npt.NDArray[np.int64]:
    """Return the true classes of some items."""
    return np.asarray(join(ids, read_table(truth, "truth"))["truth"].to_numpy(), dtype=np.int64)


@artifact(version=1, name="w2s.truth_labels")
def truth_labels(work: Work, *, items: Path, truth: Path, part: str, classes: int) -> None:
    """Write the one-hot truth of a part."""
    ids = part_ids(items, part)
    write_table(work.folder, "labels", probability_table(ids, np.eye(classes)[truth_of(truth, ids)]))


@artifact(version=1, name="w2s.as_labels")
def as_labels(work: Work, *, predictions: Path, items: Path, parts: tuple[str, ...], hard: bool) -> None:
    """Write predictions of some parts as labels: as they are, or one-hot at the most probable class (the first of equals)."""
    ids = [name for part in parts for name in part_ids(items, part)]
    values = probabilities(join(ids, read_table(predictions, "predictions")))
    write_table(work.folder, "labels", probability_table(ids, harden(values) if hard else values))


@artifact(version=1, name="w2s.temper")
def temper(work: Work, *, labels: Path, temperature: float) -> None:
    """Write labels at another temperature: p^(1/T), normalised. T > 1 softens, T = 0 is one-hot at the most probable class."""
    table = read_table(labels, "labels")
    write_table(work.folder, "labels", probability_table(table["item_id"], tempered(probabilities(table), temperature)))


@artifact(version=1, name="w2s.mix")
def mix(work: Work, *, labels: tuple[Path, ...], weights: tuple[float, ...]) -> None:
    """Write the weighted mean of several labels of the same items, joined by id: a weak ensemble."""
    tables = [read_table(folder, "labels") for folder in labels]
    ids = tables[0]["item_id"].to_pylist()
    total = sum(w * probabilities(join(ids, table)) for w, table in zip(weights, tables, strict=True))
    write_table(work.folder, "labels", probability_table(ids, np.asarray(total) / sum(weights)))


@artifact(version=1, name="w2s.flip")
def flip(work: Work, *, labels: Path, truth: Path, seed: int) -> None:
    """Write labels with the same errors at random places: the rows are permuted within every true class.

    Accuracy, confusion matrix, class prior and confidences stay exactly as they were. Only the structure of the errors, which a
    student could imitate, is lost.
    """
    table = read_table(labels, "labels")
    ids = table["item_id"].to_pylist()
    values = shuffled_within(probabilities(table), truth_of(truth, ids), seed)
    write_table(work.folder, "labels", probability_table(ids, values))


@artifact(version=1, name="w2s.own_where_confident")
def own_where_confident(
    work: Work, *, labels: Path, predictions: Path, items: Path, part: str, threshold: float, hard: bool
) -> None:
    """Replace labels of a part by predictions where the most probable class has more than ``threshold``, and write them.

    Elsewhere, and for items of other parts, the given labels stay as they are; at ``threshold`` 1 they all do, to the last bit.
    ``hard`` makes the predictions one-hot. ``columns.json`` holds ``self_labelled``, the share of the part's items with a
    prediction as label.
    """
    table = read_table(labels, "labels")
    ids, values = table["item_id"].to_pylist(), probabilities(table)
    chosen = labelled_ids(table, items, part)
    own = probabilities(join(chosen, read_table(predictions, "predictions")))
    confident = own.max(axis=1) > threshold
    place = {name: k for k, name in enumerate(ids)}
    rows = np.array([place[name] for name in chosen])[confident]
    values[rows] = (harden(own) if hard else own)[confident]
    write_table(work.folder, "labels", probability_table(table["item_id"], values))
    write_columns(work.folder, {"self_labelled": float(confident.mean())})


def harden(values: Matrix) -> Matrix:
    """Make rows one-hot at their largest entry."""
    return np.asarray(np.eye(values.shape[1])[values.argmax(axis=1)])


def tempered(values: Matrix, temperature: float) -> Matrix:
    """Compute rows proportional to p^(1/T), from logarithms shifted by the largest; one-hot at T = 0."""
    if temperature == 0.0:
        return harden(values)
    with np.errstate(divide="ignore"):
        logs = np.log(values) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def shuffled_within(values: Matrix, truth: npt.NDArray[np.int64], seed: int) -> Matrix:
    """Permute rows among the items of each true class, by a stream of the seed."""
    result = values.copy()
    for k in np.unique(truth):
        places = np.flatnonzero(truth == k)
        order = permutation(stream("flip", str(int(k)), seed=seed), len(places), NUMPY)
        result[places] = values[places[np.asarray(order)]]
    return result
