"""Rows of cells of prompts, from finished artifacts: joins by item id, bias taken out, scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Call, Store
from w2s.finetune.data.items import dropped_items
from w2s.finetune.data.labels import harden, part_ids, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.evaluation.classification import all_cut_message, one_class_message
from w2s.finetune.prompting.calibration import geometric_mean, without_bias
from w2s.measure import metrics
from w2s.measure.scores import SCORE_COLUMNS, scores
from w2s.studies.burns2023.prompting.graph import PromptGraph

__all__ = ["COLUMNS", "PromptSolver"]

Matrix = npt.NDArray[np.float64]

COLUMNS: Mapping[str, str] = {
    **SCORE_COLUMNS,
    "probe_error_01": "double",
    "probe_ceiling_error_01": "double",
    "pgr_probe_01": "double",
    "shown_accuracy": "double",
    "largest_class": "double",
    "largest_class_ceiling": "double",
    "prompt_tokens": "int64",
    "tokens": "int64",
    "prompt_seconds": "double",
    "cut_items": "int64",
    "dropped_items": "int64",
}
"""``probe_*`` are errors of probes of the prompted model on weak and on true labels; ``shown_accuracy`` is the share of right
labels in the student's prompt; ``largest_class`` the share of test items that get the answer that most get."""


class PromptSolver:
    """Rows of cells whose artifacts are in ``store``."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def row(self, cell: Mapping[str, Any], graph: PromptGraph) -> dict[str, Any]:
        """Compute all columns of one cell. The labels that the misfit is taken to are one-hot, as a prompt shows them."""
        ids = part_ids(self.store.get(graph.items), "test")
        truth, weak = truth_of(self.store.get(graph.truth), ids), self._read(graph.weak, ids)
        student, ceiling = (self._answers(call, ids, cell["calibration"]) for call in (graph.student, graph.ceiling))
        row: dict[str, Any] = scores(truth, weak, student, ceiling, labels=harden(weak))
        row |= one_class_message(weak=weak, student=student, ceiling=ceiling)
        row |= dict(zip(("largest_class", "largest_class_ceiling"), map(_largest, (student, ceiling)), strict=True))
        account = self._account(graph.student)
        row |= all_cut_message(row, cut=account["cut_items"], items=account["items"])
        if graph.trained:
            wrong = [float(np.mean(self._read(call, ids).argmax(axis=1) != truth)) for call in graph.trained]
            found, _ = metrics.pgr(row["weak_error_01"], *wrong)
            row |= {"probe_error_01": wrong[0], "probe_ceiling_error_01": wrong[1], "pgr_probe_01": float(found)}
        if account["shown"]:
            right = truth_of(self.store.get(graph.truth), account["shown"]) == np.array(account["classes"])
            row["shown_accuracy"] = float(right.mean())
        return row | {
            "prompt_tokens": account["prompt_tokens"],
            "tokens": account["tokens"],
            "prompt_seconds": account["seconds"],
            "cut_items": account["cut_items"],
            "dropped_items": dropped_items(self.store.get(graph.items)),
        }

    def _answers(self, call: Call, ids: list[str], calibration: str) -> Matrix:
        """Read a prompt's answers, and take out their bias as the cell says."""
        values = self._read(call, ids)
        if calibration == "none":
            return values
        bias = geometric_mean(values) if calibration == "batch" else self._account(call)["without_content"]
        return without_bias(values, bias)

    def _read(self, call: Call, ids: list[str]) -> Matrix:
        return probabilities(join(ids, read_table(self.store.get(call), "predictions")))

    def _account(self, call: Call) -> dict[str, Any]:
        return dict(json.loads((self.store.get(call) / "few_shot.json").read_text(encoding="utf-8")))


def _largest(values: Matrix) -> float:
    """Return the share of items that get the most frequent answer."""
    return float(np.bincount(values.argmax(axis=1), minlength=values.shape[1]).max() / len(values))
