"""Preference probabilities against true preferences: the columns of class probabilities, and pair accuracies with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from w2s.finetune.evaluation.base import Seen
from w2s.finetune.evaluation.classification import ClassificationEvaluation
from w2s.measure.item_intervals import mean_bounds

__all__ = ["PreferenceEvaluation", "pair_hits"]

Matrix = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]

_MODELS = ("weak", "student", "strong", "ceiling")
_SIDES = ("", "_low", "_high")


class PreferenceEvaluation(ClassificationEvaluation):
    """Probabilities (n, 2) that the first and the second reply is preferred, against the place of the preferred one (n,)."""

    columns: ClassVar[Mapping[str, str]] = {f"{model}_pair_accuracy{side}": "double" for model in _MODELS for side in _SIDES}
    """Beyond those of classification; bounds are of 95 %, over test items."""

    def row(self, truth: Classes, seen: Seen[Matrix]) -> dict[str, Any]:
        """Compute the columns of classification, and the pair accuracies with their intervals."""
        weak = np.mean(seen.weak, axis=0)
        models = dict(zip(_MODELS, (weak, seen.student, seen.strong, seen.ceiling), strict=True))
        row: dict[str, Any] = {}
        for model, probabilities in models.items():
            name, hits = f"{model}_pair_accuracy", pair_hits(probabilities, truth)
            values = (float(hits.mean()), *mean_bounds(hits, name))
            row |= {f"{name}{side}": value for side, value in zip(_SIDES, values, strict=True)}
        return super().row(truth, seen) | row


def pair_hits(probabilities: Matrix, truth: Classes) -> npt.NDArray[np.float64]:
    """Return 1 where the preferred reply has the larger probability, 1/2 where both have the same, else 0: (n,).

    A model that gives both replies the same probability has accuracy 1/2, whatever their order. NaN stays NaN.
    """
    places = np.arange(len(truth))
    margins = probabilities[places, truth] - probabilities[places, 1 - truth]
    return np.asarray((np.sign(margins) + 1.0) / 2.0)
