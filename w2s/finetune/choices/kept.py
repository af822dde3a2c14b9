"""Labels of which a training reads some items only, chosen by a score of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from w2s.artifacts import Work, artifact
from w2s.finetune.choices.written import labels_of, read_scores, write_choices
from w2s.finetune.data.tables import probabilities, probability_table, read_table, write_columns, write_table

__all__ = ["kept_best"]


@artifact(version=1, name="w2s.kept_best")
def kept_best(
    work: Work, *, labels: Path, scores: Path, items: Path, part: str, share: float | None, least: float | None
) -> None:
    """Write labels with weight 1 for the items of a part that are kept, 0 for the others, and 1 for items of other parts.

    With ``share`` those with the highest scores are kept, so many of all, rounded up; of equal ones the first. With ``least``
    those that score as much or more. Where all are kept, the labels are those without weights, bit for bit.
    ``columns.json`` holds ``kept_share``.
    """
    table = read_table(labels, "labels")
    ids, given = labels_of(labels, items, part)
    points = read_scores(scores, ids)
    if least is not None:
        kept = points >= least
    else:
        kept = np.zeros(len(ids), dtype=bool)
        kept[np.argsort(-points, kind="stable")[: int(np.ceil((share or 0.0) * len(ids) - 1e-9))]] = True
    weight = dict(zip(ids, kept.astype(np.float64), strict=True))
    everyone = table["item_id"].to_pylist()
    weights = np.array([weight.get(name, 1.0) for name in everyone])
    write_table(work.folder, "labels", probability_table(everyone, probabilities(table), weights))
    classes = given.argmax(axis=1)
    write_choices(work.folder, ids, weak=classes, label=classes, weight=kept.astype(np.float64), score=points)
    write_columns(work.folder, {"kept_share": float(kept.mean())})
