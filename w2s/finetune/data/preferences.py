"""What an alignment starts from, as values: pairs of answers, ranked by a task's check or chosen, and a careless writer's.

Everything is joined by item id, never by place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w2s.artifacts import Work, artifact
from w2s.finetune.data.answers import answers_of, write_answers
from w2s.finetune.data.labels import part_ids
from w2s.finetune.data.tables import join, probability_table, read_table, write_table
from w2s.finetune.data.tasks import TaskData, check_of
from w2s_kernels import NUMPY, stream, uniforms

__all__ = ["answer_pairs", "careless_answers", "ranked_pairs"]


@artifact(version=1, name="w2s.ranked_pairs")
def ranked_pairs(
    work: Work, *, generations: Path, items: Path, part: str, task: TaskData, columns: Mapping[str, str | None]
) -> None:
    """Pair the best and the worst of a model's answers to each prompt of a part, by the task's own check.

    The first reply is the best, the second the worst, the earlier sample first of equals. Where both have one score nothing is
    preferred, and the label is one half.

    Raises :class:`FieldError` for a task without a check.
    """
    score = check_of(task, columns)
    table = read_table(items, "items")
    asked = table.filter(pc.equal(table["part"], part))
    written: dict[str, list[tuple[int, str]]] = {}
    for row in read_table(generations, "generations").select(["item_id", "sample", "text"]).to_pylist():
        written.setdefault(row["item_id"], []).append((row["sample"], row["text"]))
    best, worst, labels = [], [], []
    for name, prompt in zip(asked["item_id"].to_pylist(), asked["text"].to_pylist(), strict=True):
        texts = [text for _, text in sorted(written[name])]
        scores = np.array([score(prompt, text) for text in texts])
        best.append(texts[int(scores.argmax())])
        worst.append(texts[int(scores.argmin())])
        labels.append(1.0 if scores.max() > scores.min() else 0.5)
    _write_pairs(work.folder, asked, best, worst, labels)


@artifact(version=1, name="w2s.answer_pairs")
def answer_pairs(work: Work, *, items: Path, chosen: Path, rejected: Path, part: str) -> None:
    """Write items of a part as pairs of replies, of which the first, the chosen one, is preferred.

    Where both are the same the label is one half, at which the gradient of a preference loss is zero.
    """
    ids = part_ids(items, part)
    first, second = answers_of(chosen, ids), answers_of(rejected, ids)
    prefers = [0.5 if a == b else 1.0 for a, b in zip(first, second, strict=True)]
    _write_pairs(work.folder, join(ids, read_table(items, "items")), first, second, prefers)


def _write_pairs(folder: Path, asked: pa.Table, first: list[str], second: list[str], prefers: list[float]) -> None:
    """Write ``items.arrow`` (text, pair, other) and ``labels.arrow``: the probabilities (p, 1 - p) of each reply."""
    replies = {"pair": pa.array(first, pa.string()), "other": pa.array(second, pa.string())}
    write_table(folder, "items", pa.table({name: asked[name] for name in ("item_id", "text", "group", "part")} | replies))
    shares = np.array(prefers)
    write_table(folder, "labels", probability_table(asked["item_id"].to_pylist(), np.stack([shares, 1.0 - shares], axis=1)))


@artifact(version=1, name="w2s.careless_answers")
def careless_answers(work: Work, *, references: Path, drafts: Path, items: Path, part: str, share: float, seed: int) -> None:
    """Write answers of a part as of a writer who is careless with ``share`` of the prompts, and then answers with the draft.

    A coin for each item, from its id and the seed, decides.
    """
    ids = part_ids(items, part)
    pairs = zip(ids, answers_of(references, ids), answers_of(drafts, ids), strict=True)
    write_answers(work.folder, ids, [draft if _coin(name, seed) < share else right for name, right, draft in pairs])


def _coin(name: str, seed: int) -> float:
    return float(uniforms(stream("careless", name, seed=seed), 1, 1, NUMPY)[0, 0])
