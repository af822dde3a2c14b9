"""Scores of texts beside the four models of a row: what a method says of what its student learned from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from w2s.artifacts import Work, artifact
from w2s.finetune.data.answers import checked, written
from w2s.finetune.data.labels import part_ids
from w2s.finetune.data.tables import join, read_table, write_columns
from w2s.finetune.data.tasks import TaskData, check_of

__all__ = ["answer_scores"]


@artifact(version=1, name="w2s.answer_scores")
def answer_scores(
    work: Work, *, generations: Path, items: Path, task: TaskData, columns: Mapping[str, str | None], column: str
) -> None:
    """Write ``columns.json``: the mean score of texts on the test prompts, ``COLUMN_reward``, and their share of failed checks.

    That share is ``COLUMN_error_01``. Raises :class:`FieldError` for a task without a check.
    """
    score = check_of(task, columns)
    ids = part_ids(items, "test")
    prompts = join(ids, read_table(items, "items"))["text"].to_pylist()
    values = checked(score, prompts, written(generations, ids))
    found = {f"{column}_reward": float(values.mean()), f"{column}_error_01": float(np.mean(values < 1.0))}
    write_columns(work.folder, found)
