"""Scores of labelled items, without truth: by the label's confidence, its agreement with an own answer, or overlap."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from w2s.artifacts import Work, artifact
from w2s.finetune.choices.written import labels_of, write_scores
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.inference.hidden_states import read_features
from w2s.labels.overlap import overlap_scores

__all__ = ["agreement", "confidence", "overlap"]


@artifact(version=1, name="w2s.confidence")
def confidence(work: Work, *, labels: Path, items: Path, part: str) -> None:
    """Score items of a part by the largest probability of their label."""
    ids, given = labels_of(labels, items, part)
    write_scores(work.folder, ids, given.max(axis=1))


@artifact(version=1, name="w2s.agreement")
def agreement(work: Work, *, labels: Path, predictions: Path, items: Path, part: str) -> None:
    """Score items of a part 1 where label and prediction have the same most probable class, else 0."""
    ids, given = labels_of(labels, items, part)
    own = probabilities(join(ids, read_table(predictions, "predictions")))
    write_scores(work.folder, ids, (given.argmax(axis=1) == own.argmax(axis=1)).astype(np.float64))


@artifact(version=1, name="w2s.overlap")
def overlap(work: Work, *, labels: Path, features: Path, layer: int, items: Path, part: str, hard: float) -> None:
    """Score items of a part by their overlap of easy and hard patterns (:func:`w2s.labels.overlap.overlap_scores`)."""
    ids, given = labels_of(labels, items, part)
    write_scores(work.folder, ids, overlap_scores(given.max(axis=1), read_features(features, layer, ids), hard))
