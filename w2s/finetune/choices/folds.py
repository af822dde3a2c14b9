"""Items in folds: labels without one fold, and predictions of every fold by a model that has not seen it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from w2s.artifacts import Work, artifact
from w2s.finetune.data.labels import fold_of
from w2s.finetune.data.tables import join, probabilities, probability_table, read_table, write_table

__all__ = ["fold_rows", "held_out", "without_fold"]


def fold_rows(count: int, folds: int, fold: int) -> int:
    """Count the items outside of a fold."""
    return count - len(range(fold, count, folds))


@artifact(version=1, name="w2s.without_fold")
def without_fold(work: Work, *, labels: Path, folds: int, fold: int, seed: int) -> None:
    """Write the labels of the items outside of one fold."""
    table = read_table(labels, "labels")
    keep = fold_of(table.num_rows, folds, seed) != fold
    write_table(work.folder, "labels", table.filter(keep))


@artifact(version=1, name="w2s.held_out")
def held_out(work: Work, *, labels: Path, predictions: tuple[Path, ...], seed: int) -> None:
    """Write predictions of labelled items: those of fold k from ``predictions[k]``, of a model trained without that fold.

    Items, order and folds are those of ``labels``.
    """
    ids = read_table(labels, "labels")["item_id"].to_pylist()
    fold = fold_of(len(ids), len(predictions), seed)
    each = [probabilities(join(ids, read_table(folder, "predictions"))) for folder in predictions]
    values = np.stack(each)[fold, np.arange(len(ids))]
    write_table(work.folder, "predictions", probability_table(ids, values))
