"""Errors at chosen items, as artifacts: scores that say where, and labels whose errors are moved there.

They read the truth of the part, so a method that uses them declares it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from w2s.artifacts import Work, artifact
from w2s.finetune.choices.written import labels_of, read_scores, write_scores
from w2s.finetune.data.labels import part_ids
from w2s.finetune.data.tables import join, probabilities, probability_table, read_table, write_table
from w2s.labels.planted import planted
from w2s_kernels import NUMPY, permutation, stream

__all__ = ["at_random", "hardness", "length", "plant"]


@artifact(version=1, name="w2s.random_score")
def at_random(work: Work, *, items: Path, part: str, seed: int) -> None:
    """Score items of a part by their places in an order that a stream of the seed draws."""
    ids = part_ids(items, part)
    write_scores(work.folder, ids, np.asarray(permutation(stream("at_random", seed=seed), len(ids), NUMPY), dtype=np.float64))


@artifact(version=1, name="w2s.length")
def length(work: Work, *, items: Path, part: str) -> None:
    """Score items of a part by the number of characters of their texts, that of a pair's second text included."""
    ids = part_ids(items, part)
    rows = join(ids, read_table(items, "items"))
    counts = [pc.fill_null(pc.utf8_length(rows[name]), 0).to_numpy() for name in ("text", "pair")]
    write_scores(work.folder, ids, np.asarray(counts[0] + counts[1], dtype=np.float64))


@artifact(version=1, name="w2s.hardness")
def hardness(work: Work, *, predictions: Path, labels: Path, items: Path, part: str) -> None:
    """Score items of a part by 1 - the probability that predictions give to the class of the labels, which are the truth."""
    ids, given = labels_of(labels, items, part)
    own = probabilities(join(ids, read_table(predictions, "predictions")))
    write_scores(work.folder, ids, 1.0 - own[np.arange(len(ids)), given.argmax(axis=1)])


@artifact(version=1, name="w2s.plant")
def plant(work: Work, *, labels: Path, scores: Path, truth: Path, items: Path, part: str, seed: int) -> None:
    """Write labels whose errors on a part lie at the items with the highest scores (:func:`w2s.labels.planted.planted`).

    ``truth`` are one-hot labels of the part. Labels of items of other parts stay as they are.
    """
    table = read_table(labels, "labels")
    ids, given = labels_of(labels, items, part)
    classes = probabilities(join(ids, read_table(truth, "labels"))).argmax(axis=1)
    values, place = probabilities(table), {name: k for k, name in enumerate(table["item_id"].to_pylist())}
    values[[place[name] for name in ids]] = planted(given, classes, read_scores(scores, ids), seed)
    write_table(work.folder, "labels", probability_table(table["item_id"], values))
