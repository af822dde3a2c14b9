"""The columns of one comparison from predictions of the same items, with intervals over the items.

Three kinds of predictions, each with its declared loss and the distance that belongs to it:

class          0-1 error, which is half the squared distance of one-hot vectors; P(weak != student)
probability    cross-entropy in nats; E KL(weak || student)
value          squared error, summed over outputs; E |student - weak|^2

In each, gain = weak_distance + cross_term. The misfit is the distance to what the student was trained on: the same number, but
for a student of the most probable classes of weak probabilities. ``models`` maps weak, student, ceiling and possibly strong to
their predictions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from w2s.measure import metrics, scores
from w2s.measure.item_intervals import INTERVAL_COLUMNS, item_intervals
from w2s.probes.filters import LABEL_RULES

__all__ = ["ROW_COLUMNS", "class_row", "probability_row", "value_row"]

Array = npt.NDArray[np.generic]
Matrix = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]
Row = dict[str, float | int]

ROW_COLUMNS: Mapping[str, str] = {**scores.SCORE_COLUMNS, "cross_term": "double", **INTERVAL_COLUMNS}
"""Columns that these functions add to the common ones; a kind leaves out those that it has not."""


def class_row(truth: Classes, models: Mapping[str, Classes]) -> Row:
    """Compute the columns of class predictions (n,) against the true classes (n,): no cross-entropy, no calibration."""
    hits = _hit_terms(truth, models)
    terms = hits | {name.removesuffix("_01"): values for name, values in hits.items() if name.endswith("_01")}
    terms["misfit"] = terms["weak_distance"] = 1.0 - hits["agreement"]
    terms["cross_term"] = terms["weak_error"] - terms["student_error"] - terms["weak_distance"]
    row = {name: float(values.mean()) for name, values in terms.items() if name != "same_wrong"}
    return row | _shares(hits) | item_intervals(terms) | {"n_items": len(truth)}


def probability_row(truth: Classes, models: Mapping[str, Matrix], labels: str = "soft") -> Row:
    """Compute the columns of class probabilities (n, K) against the true classes (n,), with intervals over items.

    ``labels`` says what the student was trained on: the weak model's probabilities (``soft``) or their class (``hard``).
    """
    weak, student, taught = models["weak"], models["student"], LABEL_RULES[labels](models["weak"])
    row = scores.scores(truth, weak, student, models["ceiling"], models.get("strong"), taught)
    cross = scores.surprisal(weak, truth) - scores.surprisal(student, truth) - scores.divergences(weak, student)
    return row | {"cross_term": float(cross.mean())} | item_intervals({"cross_term": cross})


def value_row(truth: Matrix, models: Mapping[str, Matrix]) -> Row:
    """Compute the columns of real predictions (n, k) against true values (n, k): squared errors, misfit, cross term."""
    weak, student = models["weak"], models["student"]
    terms = {f"{name}_error": np.square(values - truth).sum(axis=1) for name, values in models.items()}
    terms["misfit"] = terms["weak_distance"] = np.square(student - weak).sum(axis=1)
    terms["cross_term"] = 2.0 * ((weak - student) * (student - truth)).sum(axis=1)
    row: Row = {f"{name}_error": float(metrics.squared_error(values, truth)) for name, values in models.items()}
    distance = float(metrics.weak_distance(student, weak))
    row |= {"misfit": distance, "weak_distance": distance, "cross_term": float(metrics.cross_term(student, weak, truth))}
    return row | item_intervals(terms) | {"n_items": len(truth)}


def _hit_terms(truth: Classes, models: Mapping[str, Classes]) -> dict[str, Matrix]:
    """Compute 0-1 errors, agreement, and "same class although the weak model is wrong", per item."""
    wrong = {f"{name}_error_01": (values != truth).astype(np.float64) for name, values in models.items()}
    same = (models["weak"] == models["student"]).astype(np.float64)
    return wrong | {"agreement": same, "same_wrong": same * wrong["weak_error_01"]}


def _shares(hits: Mapping[str, Matrix]) -> Row:
    """Compute the agreement where the weak model is right and where it is wrong; NaN where there is no such item."""
    wrong, same, both = (hits[name].sum() for name in ("weak_error_01", "agreement", "same_wrong"))
    right = len(hits["agreement"]) - wrong
    return {
        "disagreement": float(1.0 - hits["agreement"].mean()),
        "agreement_right": float((same - both) / right) if right else float("nan"),
        "agreement_wrong": float(both / wrong) if wrong else float("nan"),
    }
