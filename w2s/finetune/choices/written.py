"""Files of choices: scores by item, and what was chosen.

``choices.arrow`` beside labels says what was chosen, by item: classes of the weak label and of the label that the student gets,
its weight, and where there are any the strong model's own class, the class of the smoothed weak label, whether the own answer
was selected, and a score. No truth of these items is read; what choices were worth is computed from this table when a row is
made (:mod:`w2s.finetune.evaluation.chosen_labels`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.finetune.data.labels import labelled_ids
from w2s.finetune.data.tables import join, probabilities, read_table, write_table

__all__ = ["labels_of", "read_scores", "write_choices", "write_scores"]

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]


def write_scores(folder: Path, ids: list[str], scores: Vector) -> None:
    """Write ``scores.arrow`` (item_id, score)."""
    write_table(folder, "scores", pa.table({"item_id": pa.array(ids, pa.string()), "score": pa.array(scores, pa.float64())}))


def read_scores(folder: Path, ids: list[str]) -> Vector:
    """Read the scores (len(ids),) of some items, in their order."""
    return np.asarray(join(ids, read_table(folder, "scores"))["score"].to_numpy(), dtype=np.float64)


def labels_of(labels: Path, items: Path, part: str) -> tuple[list[str], Matrix]:
    """Return the labelled items of a part, in the order of the items, and their labels (n, K)."""
    table = read_table(labels, "labels")
    ids = labelled_ids(table, items, part)
    return ids, probabilities(join(ids, table))


def write_choices(folder: Path, ids: list[str], **columns: npt.NDArray[Any]) -> None:
    """Write ``choices.arrow``: item_id and the given columns, (n,) each."""
    named = {name: pa.array(values) for name, values in columns.items()}
    write_table(folder, "choices", pa.table({"item_id": pa.array(ids, pa.string()), **named}))
