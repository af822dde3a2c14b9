"""Class probabilities against true classes: errors, agreement, calibration, what the ceiling shares, and the flip control."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.evaluation.base import Evaluation, Seen
from w2s.finetune.evaluation.training_labels import UNKNOWN_LABELS
from w2s.measure import metrics
from w2s.measure.scores import SCORE_COLUMNS, calibration_error, scores

__all__ = ["ClassificationEvaluation", "all_cut_message", "ceiling_agreement", "flip_columns", "one_class_message"]

Matrix = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]


class ClassificationEvaluation(Evaluation[Matrix]):
    """Class probabilities (n, K) against classes (n,); the weak model is the mean of all teachers."""

    columns: ClassVar[Mapping[str, str]] = {
        **SCORE_COLUMNS,
        "ceiling_agreement_right": "double",
        "ceiling_agreement_wrong": "double",
        "label_calibration": "double",
        "pgr_flip_01": "double",
        "student_flip_error_01": "double",
    }

    def read(self, predictions: Path, ids: list[str]) -> Matrix:
        """Read ``predictions.arrow``: probabilities (n, K) float64."""
        return probabilities(join(ids, read_table(predictions, "predictions")))

    def row(self, truth: Classes, seen: Seen[Matrix]) -> dict[str, Any]:
        """Compute errors, scores and the control's columns; a model that predicts one class only is named in the message."""
        weak = np.mean(seen.weak, axis=0)
        labels = np.full_like(weak, np.nan) if seen.labels is None else seen.labels
        row: dict[str, Any] = scores(truth, weak, seen.student, seen.ceiling, seen.strong, labels)
        row |= ceiling_agreement(truth, weak, seen.ceiling) | {"label_calibration": calibration_error(labels, truth)}
        if seen.control is not None:
            row |= flip_columns(row, seen.control, truth)
        notes = list(one_class_message(weak=weak, ceiling=seen.ceiling).values())
        notes += [UNKNOWN_LABELS] if seen.labels is None else []
        return row | ({"message": "; ".join(notes)} if notes else {})


def ceiling_agreement(truth: Classes, weak: Matrix, ceiling: Matrix) -> dict[str, float]:
    """Compute the share of the weak model's right and of its wrong answers that the ceiling gives too; NaN where it has none.

    The ceiling has not seen a weak label: what it shares of the errors are the items that are hard for both.
    """
    same, wrong = weak.argmax(axis=1) == ceiling.argmax(axis=1), weak.argmax(axis=1) != truth
    parts = {"ceiling_agreement_right": same[~wrong], "ceiling_agreement_wrong": same[wrong]}
    return {name: float(values.mean()) if len(values) else float("nan") for name, values in parts.items()}


def flip_columns(row: Mapping[str, Any], flipped: Matrix, truth: Classes) -> dict[str, float]:
    """Compute error and PGR of the student that learned from the same errors at random items."""
    error = float(np.mean(flipped.argmax(axis=1) != truth))
    value, _ = metrics.pgr(row["weak_error_01"], error, row["ceiling_error_01"])
    return {"student_flip_error_01": error, "pgr_flip_01": float(value)}


def one_class_message(**models: Matrix) -> dict[str, str]:
    """Name the models that predict the same class everywhere, if there are any; a model with a NaN is never named."""
    finite = {name: values for name, values in models.items() if np.isfinite(values).all()}
    constant = [name for name, values in finite.items() if len(np.unique(values.argmax(axis=1))) == 1]
    return {"message": f"{' and '.join(constant)} model predicts one class only"} if constant else {}


def all_cut_message(row: Mapping[str, Any], *, cut: int, items: int) -> dict[str, str]:
    """Say in a row's message, behind what is there, that all ``items`` texts were longer than the model takes, if they were."""
    if not items or cut < items:
        return {}
    said = "every text was cut: max_length, or the number of positions of a model, is too small"
    return {"message": "; ".join(part for part in (row.get("message"), said) if part)}
