"""Answers to prompts as values: tables of texts by item id, from references, from drafts, from what a model wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2s.artifacts import Work, artifact
from w2s.errors import FieldError
from w2s.finetune.data.labels import part_ids
from w2s.finetune.data.tables import join, read_table, write_table

__all__ = [
    "Score",
    "answers_of",
    "as_answers",
    "checked",
    "draft_answers",
    "reference_answers",
    "write_answers",
    "written",
]

Score = Callable[[str, str], float]
"""The check of a task: prompt and answer to a number in [0, 1]."""


def write_answers(folder: Path, ids: Iterable[str], texts: Iterable[str]) -> None:
    """Write ``answers.arrow`` (item_id, text): one answer for each item."""
    columns = {"item_id": pa.array(list(ids), pa.string()), "text": pa.array(list(texts), pa.string())}
    write_table(folder, "answers", pa.table(columns))


def answers_of(folder: Path, ids: Sequence[str]) -> list[str]:
    """Read the answers to some items, in their order. Raises KeyError for an item without one."""
    return list(join(list(ids), read_table(folder, "answers"))["text"].to_pylist())


@artifact(version=1, name="w2s.reference_answers")
def reference_answers(work: Work, *, items: Path, truth: Path, part: str) -> None:
    """Write the reference answers of a part: what truth is in a task of prompts."""
    ids = part_ids(items, part)
    write_answers(work.folder, ids, join(ids, read_table(truth, "truth"))["answer"].to_pylist())


@artifact(version=1, name="w2s.draft_answers")
def draft_answers(work: Work, *, items: Path, part: str) -> None:
    """Write the drafts of a part, which come with the prompts: no truth is read.

    Raises :class:`FieldError` for a task that has none.
    """
    table = read_table(items, "items")
    ids = part_ids(items, part)
    given = join(ids, table)["draft"].to_pylist() if "draft" in table.column_names else [None]
    texts = [text for text in given if text is not None]
    if len(texts) < len(given):
        raise FieldError("the task's prompts come without drafts", "task")
    write_answers(work.folder, ids, texts)


@artifact(version=1, name="w2s.as_answers")
def as_answers(work: Work, *, generations: Path, items: Path, parts: tuple[str, ...]) -> None:
    """Write the first sample that a model generated for each prompt of some parts as its answer."""
    table = read_table(generations, "generations")
    first = table.filter(pa.array([sample == 0 for sample in table["sample"].to_pylist()]))
    ids = [name for part in parts for name in part_ids(items, part)]
    write_answers(work.folder, ids, join(ids, first)["text"].to_pylist())


def written(generations: Path, ids: Sequence[str]) -> list[str]:
    """Read the first answer that a model generated to each of some prompts, in their order, from ``generations.arrow``."""
    table = read_table(generations, "generations")
    return list(join(list(ids), table.filter(pc.equal(table["sample"], 0)))["text"].to_pylist())


def checked(score: Score, prompts: Sequence[str], answers: Sequence[str]) -> npt.NDArray[np.float64]:
    """Score answers to prompts, (n,) in [0, 1]; 1 where the check is passed.

    Raises ValueError for a score that is no such number.
    """
    found = np.array([score(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)], dtype=np.float64)
    if not ((found >= 0.0) & (found <= 1.0)).all():
        raise ValueError("the task's score gives a number outside [0, 1]")
    return found
