"""Labels made from those of several supervisors: who is believed about which item, and how much an item weighs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Work, artifact
from w2s.finetune.data.labels import part_ids
from w2s.finetune.data.tables import join, probabilities, probability_table, read_table, write_columns, write_table
from w2s.labels.co_supervision import co_supervision
from w2s.labels.reliability import boosting_weights, reliability

__all__ = ["boosted_labels", "co_labels", "read_boosted_weights", "reliable_labels"]

Matrix = npt.NDArray[np.float64]

_WEIGHTS = "learned_weights"


@artifact(version=1, name="w2s.co_labels")
def co_labels(work: Work, *, labels: tuple[Path, ...], predictions: Path, items: Path, part: str, top: int) -> None:
    """Write labels of a part by the supervisor that owns the class which ``predictions`` of a first student give.

    Items without enough consensus have the weight 0, the others 1; labels of other parts are the supervisors' mean.
    ``columns.json`` holds ``kept_items``, the share of the part's items that count.
    """
    ids, values = _joined(labels)
    chosen = set(part_ids(items, part))
    rows = np.array([k for k, name in enumerate(ids) if name in chosen])
    own = probabilities(join([ids[k] for k in rows], read_table(predictions, "predictions")))
    taught, kept = co_supervision(own, values[rows], top)
    found, weights = values.mean(axis=1), np.ones(len(ids))
    found[rows] = np.eye(values.shape[2])[taught]
    weights[np.delete(rows, kept)] = 0.0
    write_table(work.folder, "labels", probability_table(ids, found, weights))
    write_columns(work.folder, {"kept_items": len(kept) / len(rows)})


@artifact(version=1, name="w2s.reliable_labels")
def reliable_labels(work: Work, *, labels: tuple[Path, ...], items: Path, part: str, sharpness: float) -> None:
    """Write the mean of several labels, with weights that are small where supervisors doubt or disagree.

    ``columns.json`` holds ``effective_items``, (sum w)^2 / (n sum w^2) over a part: the share of items that would count as
    much.
    """
    ids, values = _joined(labels)
    weights = reliability(values, sharpness)
    write_table(work.folder, "labels", probability_table(ids, values.mean(axis=1), weights))
    chosen = set(part_ids(items, part))
    own = weights[[name in chosen for name in ids]]
    write_columns(work.folder, {"effective_items": float(own.sum() ** 2 / (len(own) * np.sum(own**2)))})


@artifact(version=1, name="w2s.boosted_labels")
def boosted_labels(work: Work, *, labels: tuple[Path, ...], predictions: tuple[Path, ...], truth: Path, items: Path) -> None:
    """Write the mean of labels, weighted by what each supervisor's errors on the labelled items are worth.

    ``predictions`` are theirs of these items, in the order of ``labels``. ``columns.json`` holds ``learned_weights``.
    """
    ids, values = _joined(labels)
    known = part_ids(items, "labeled")
    wanted = probabilities(join(known, read_table(truth, "labels"))).argmax(axis=1)
    said = [probabilities(join(known, read_table(folder, "predictions"))).argmax(axis=1) for folder in predictions]
    weights = boosting_weights(np.array([np.mean(given != wanted) for given in said]), values.shape[2])
    write_table(work.folder, "labels", probability_table(ids, np.tensordot(weights, values, axes=(0, 1))))
    write_columns(work.folder, {_WEIGHTS: json.dumps(weights.tolist())})


def read_boosted_weights(folder: Path) -> list[float]:
    """Read the weight of each supervisor in boosted labels."""
    return list(json.loads(json.loads((folder / "columns.json").read_text(encoding="utf-8"))[_WEIGHTS]))


def _joined(labels: Sequence[Path]) -> tuple[list[str], Matrix]:
    """Read several labels of the same items: their ids, and probabilities (n, M, K) in the order of the first."""
    tables = [read_table(folder, "labels") for folder in labels]
    ids = list(tables[0]["item_id"].to_pylist())
    return ids, np.stack([probabilities(join(ids, table)) for table in tables], axis=1)
