"""What choices of labels were worth: accuracies by the truth of the transfer items, which no method has seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.measure.ranking import auroc

__all__ = ["CHOICE_COLUMNS", "choice_columns"]

CHOICE_COLUMNS: Mapping[str, str] = dict.fromkeys(
    (
        *("kept_share", "selected_share", "judge_threshold", "judge_auroc"),
        *("label_accuracy", "weak_label_accuracy", "own_accuracy"),
        *("own_accuracy_selected", "weak_accuracy_rest", "smoothed_accuracy_rest"),
    ),
    "double",
)
"""Columns of methods that choose labels; the first three are said by the choice itself."""


def choice_columns(choices: pa.Table, truth: npt.NDArray[np.int64]) -> dict[str, float | None]:
    """Compute accuracies of the classes in ``choices``, by the truth (n,) of its items, in their order.

    ``label_accuracy`` is that of the labels that the student learned from, by their weights, ``weak_label_accuracy`` that of
    all weak labels. Where own answers were selected: ``own_accuracy`` of all of them, ``own_accuracy_selected`` of the selected
    ones, and on the other items those of weak labels before and after smoothing. Where there are scores, ``judge_auroc`` says
    how well they tell right from wrong answers: own ones, or weak labels where there are no own ones. Null where nothing is
    averaged.
    """
    right = {
        name: choices[name].to_numpy() == truth for name in ("weak", "label", "own", "smoothed") if name in choices.column_names
    }
    weights = choices["weight"].to_numpy()
    found: dict[str, float | None] = {
        "label_accuracy": _share(right["label"], weights),
        "weak_label_accuracy": _share(right["weak"], np.ones_like(weights)),
    }
    if "selected" in choices.column_names:
        selected = choices["selected"].to_numpy().astype(np.float64)
        found |= {
            "own_accuracy": _share(right["own"], np.ones_like(weights)),
            "own_accuracy_selected": _share(right["own"], selected),
            "weak_accuracy_rest": _share(right["weak"], 1.0 - selected),
            "smoothed_accuracy_rest": _share(right["smoothed"], 1.0 - selected),
        }
    if "score" in choices.column_names:
        area = float(auroc(choices["score"].to_numpy(), right.get("own", right["weak"])))
        found["judge_auroc"] = None if np.isnan(area) else area
    return found


def _share(hits: npt.NDArray[np.bool_], weights: npt.NDArray[np.float64]) -> float | None:
    return float(weights @ hits / weights.sum()) if weights.any() else None
