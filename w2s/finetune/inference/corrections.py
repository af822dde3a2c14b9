"""What corrections did to the answers to test prompts, round by round, as columns of a row: an artifact."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from w2s.artifacts import Work, artifact
from w2s.finetune.data.answers import checked, written
from w2s.finetune.data.labels import part_ids
from w2s.finetune.data.tables import join, read_table, write_columns
from w2s.finetune.data.tasks import TaskData, check_of
from w2s.measure.edits import Edits, edits

__all__ = ["correction_columns"]

_NAMES = ("upstream_accuracy", "stacked_accuracy", "stacked_expected", "fix_rate", "break_rate", "edit_rate", "edit_precision")


@artifact(version=1, name="w2s.correction_columns")
def correction_columns(
    work: Work,
    *,
    task: TaskData,
    columns: Mapping[str, str | None],
    items: Path,
    before: tuple[Path, ...],
    after: tuple[Path, ...],
    copies: Path | None,
    part: str,
) -> None:
    """Write ``columns.json``: the edits of the first round by name, and of all rounds as a JSON list in ``rounds_edits``.

    ``before`` and ``after`` hold, for each round, the generations that are corrected and those that come out. ``copies`` are
    those of a model that was trained to copy the first round's: ``copy_rate`` is the share that it copies exactly.

    Raises :class:`FieldError` for a task without a check.
    """
    score = check_of(task, columns)
    ids = part_ids(items, part)
    prompts = join(ids, read_table(items, "items"))["text"].to_pylist()

    def compared(first: Path, second: Path) -> Edits:
        given, corrected = written(first, ids), written(second, ids)
        changed = np.array([a != b for a, b in zip(given, corrected, strict=True)], dtype=bool)
        return edits(checked(score, prompts, given) == 1.0, checked(score, prompts, corrected) == 1.0, changed)

    rounds = [compared(*pair) for pair in zip(before, after, strict=True)]
    found: dict[str, object] = {name: _known(value) for name, value in zip(_NAMES, rounds[0], strict=True)}
    found["rounds_edits"] = json.dumps([{name: _known(value) for name, value in r._asdict().items()} for r in rounds])
    if copies is not None:
        found["copy_rate"] = 1.0 - compared(before[0], copies).edited
    write_columns(work.folder, found)


def _known(value: float) -> float | None:
    """Return a number that JSON has; None for the share of nothing."""
    return None if math.isnan(value) else value
