"""Preferences between answers to one prompt as values: items with two replies, and labels that prefer the first.

A training by DPO reads both from one folder: ``items.arrow`` as of a task of pairs, and ``labels.arrow``. Everything is joined
by item id, never by place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w2s.artifacts import Work, artifact
from w2s.errors import FieldError
from w2s.finetune.data.answers import answers_of
from w2s.finetune.data.tables import probability_table, read_table, write_table
from w2s.finetune.data.tasks import TaskData, formatter_of

__all__ = ["chosen_pairs", "ranked_pairs"]


@artifact(version=1, name="w2s.ranked_pairs")
def ranked_pairs(
    work: Work, *, generations: Path, items: Path, part: str, task: TaskData, columns: Mapping[str, str | None]
) -> None:
    """Pair the best and the worst of a model's answers to each prompt of a part, by the task's own check.

    The first reply is the best, the second the worst, the earlier sample first of equals. Where both have one score nothing is
    preferred, and the label is one half.

    Raises :class:`FieldError` for a task without a check.
    """
    score = formatter_of(task, **columns).score  # type: ignore[arg-type]
    if score is None:
        raise FieldError("it needs a task of prompts, whose answers a program checks", "task")
    asked = _of_part(items, part)
    written: dict[str, list[tuple[int, str]]] = {}
    table = read_table(generations, "generations").select(["item_id", "sample", "text"])
    for row in table.to_pylist():
        written.setdefault(row["item_id"], []).append((row["sample"], row["text"]))
    best, worst, labels = [], [], []
    for name, prompt in zip(asked["item_id"].to_pylist(), asked["text"].to_pylist(), strict=True):
        texts = [text for _, text in sorted(written[name])]
        scores = np.array([score(prompt, text) for text in texts])
        best.append(texts[int(scores.argmax())])
        worst.append(texts[int(scores.argmin())])
        labels.append(1.0 if scores.max() > scores.min() else 0.5)
    _write(work.folder, asked, best, worst, labels)


@artifact(version=1, name="w2s.chosen_pairs")
def chosen_pairs(work: Work, *, chosen: Path, rejected: Path, items: Path, part: str) -> None:
    """Pair answers to the prompts of a part with other answers to them, the first ones being preferred.

    ``chosen`` and ``rejected`` hold ``answers.arrow``. Two equal texts stay a pair: their margin is zero in every model.
    """
    asked = _of_part(items, part)
    ids = asked["item_id"].to_pylist()
    _write(work.folder, asked, answers_of(chosen, ids), answers_of(rejected, ids), [1.0] * len(ids))


def _of_part(items: Path, part: str) -> pa.Table:
    table = read_table(items, "items")
    return table.filter(pc.equal(table["part"], part))


def _write(folder: Path, asked: pa.Table, first: Sequence[str], second: Sequence[str], preferred: Sequence[float]) -> None:
    """Write items with two replies, and how much the first is preferred to the second."""
    columns = {name: asked[name] for name in ("item_id", "text", "group", "part")}
    replies = {"pair": pa.array(first, pa.string()), "other": pa.array(second, pa.string())}
    write_table(folder, "items", pa.table(columns | replies))
    shares = np.array(preferred)
    write_table(folder, "labels", probability_table(asked["item_id"].to_pylist(), np.stack([shares, 1.0 - shares], axis=1)))
