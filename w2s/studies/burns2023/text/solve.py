"""Rows and curves of finetune cells, from finished artifacts: joins by item id, and an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2s.artifacts import Call, Store
from w2s.finetune.data.items import dropped_items
from w2s.finetune.data.labels import part_ids, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.evaluation.base import Seen
from w2s.finetune.evaluation.classification import ClassificationEvaluation, all_cut_message
from w2s.finetune.evaluation.preference import PreferenceEvaluation
from w2s.finetune.evaluation.training_labels import training_labels
from w2s.measure.deception import DECEPTION_COLUMNS, deception
from w2s.studies.burns2023.text.graph import CellGraph

__all__ = ["TextSolver"]

Matrix = npt.NDArray[np.float64]

_EVALUATIONS = {False: ClassificationEvaluation(), True: PreferenceEvaluation()}
"""By whether items are pairs; both read probabilities."""


class TextSolver:
    """Rows and curves of cells whose artifacts are in ``store``."""

    columns: ClassVar[Mapping[str, str]] = {
        **ClassificationEvaluation.columns,
        "selected_by": "string",
        "stopped_at": "int64",
        "cut_items": "int64",
        "dropped_items": "int64",
        "tokens": "int64",
        "train_seconds": "double",
        "peak_bytes": "int64",
        "weak_errors_01": "string",
        "learned_weights": "string",
        "agreed_items": "double",
        "self_labelled": "double",
        **PreferenceEvaluation.columns,
        **DECEPTION_COLUMNS,
    }
    """Columns of a row; those from ``weak_errors_01`` on are null where there are no several supervisors, no method that says
    them, or no pairs."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def row(self, graph: CellGraph) -> dict[str, Any]:
        """Compute every column of one cell."""
        ids = part_ids(self.store.get(graph.items), "test")
        truth = truth_of(self.store.get(graph.truth), ids)
        account = self._account(graph, "student")
        student, stopped = self._read(graph.student, ids), account["stopped_at"]
        selected = {"end": None, "legal": "agreement with weak labels of the validation items"}.get(graph.method.stop)
        if graph.method.stop == "oracle":
            student, stopped = self._best_by_truth(graph, ids)
            selected = "accuracy by the truth of the validation items"
        seen = Seen(
            weak=[self._read(call, ids) for call in graph.weak],
            student=student,
            ceiling=self._read(graph.ceiling, ids),
            strong=self._read(graph.strong, ids),
            control=None if graph.control is None else self._read(graph.control, ids),
            labels=training_labels(graph.trainings["student"], account, ids, self.store),
        )
        accounts = [self._account(graph, role) for role in ("weak", "student", "ceiling", "strong")]
        row, cut = _EVALUATIONS[graph.pairs].row(truth, seen), max(account["cut_items"] for account in accounts)
        return {
            **row,
            **all_cut_message(row, cut=cut, items=read_table(self.store.get(graph.items), "items").num_rows),
            "selected_by": selected,
            "stopped_at": stopped,
            "cut_items": cut,
            "dropped_items": dropped_items(self.store.get(graph.items)),
            "tokens": account["tokens"],
            "train_seconds": account["seconds"],
            "peak_bytes": max(account["peak_bytes"] for account in accounts),
            **(_of_supervisors(truth, seen.weak) if graph.several else {}),
            **_learned(account.get("learned", {})),
            **(self._deceived(graph, ids, truth, seen) if graph.honest is not None else {}),
            **self._said(graph),
        }

    def curve(self, graph: CellGraph, cell_id: str) -> pa.Table:
        """Collect the student's loss, rate, agreement and test accuracy by step, from 1 on; ``learned`` where there is any."""
        folder = self.store.get(graph.trainings["student"])
        table = read_table(folder, "curve")  # counts from 0
        table = table.set_column(0, "step", pc.add(table["step"], 1))
        accuracy: dict[int, float] = {}
        if (folder / "steps.arrow").exists():
            ids = part_ids(self.store.get(graph.items), "test")
            truth, steps = truth_of(self.store.get(graph.truth), ids), read_table(folder, "steps")
            for step in np.unique(steps["step"].to_numpy()):
                rows = join(ids, steps.filter(pc.equal(steps["step"], int(step))))
                accuracy[int(step)] = float(np.mean(probabilities(rows).argmax(axis=1) == truth))
        values = [accuracy.get(step) for step in table["step"].to_pylist()]
        names = pa.array([cell_id] * table.num_rows, pa.string())
        return table.add_column(0, "cell_id", names).append_column("test_accuracy", pa.array(values, pa.float64()))

    def _read(self, call: Call, ids: list[str]) -> Matrix:
        return _EVALUATIONS[False].read(self.store.get(call), ids)

    def _deceived(self, graph: CellGraph, ids: list[str], truth: npt.NDArray[np.int64], seen: Seen[Matrix]) -> dict[str, float]:
        """Compute which errors a conflicting aim induces, and where; the weak model is the mean of all teachers."""
        assert graph.honest is not None
        weak = np.mean(seen.weak, axis=0)
        return deception(truth, seen.ceiling, weak, self._read(graph.honest, ids), seen.student)

    def _best_by_truth(self, graph: CellGraph, ids: list[str]) -> tuple[Matrix, int]:
        """Return the student's test predictions at the evaluation with the best accuracy on the validation items.

        Also returns its step.
        """
        table = read_table(self.store.get(graph.trainings["student"]), "steps")
        chosen = part_ids(self.store.get(graph.items), "validation")
        truth = truth_of(self.store.get(graph.truth), chosen)
        steps = np.unique(table["step"].to_numpy())
        at = {int(step): table.filter(pc.equal(table["step"], int(step))) for step in steps}
        accuracy = {step: np.mean(probabilities(join(chosen, rows)).argmax(axis=1) == truth) for step, rows in at.items()}
        best = max(accuracy, key=lambda step: (accuracy[step], -step))
        return probabilities(join(ids, at[best])), best

    def _account(self, graph: CellGraph, role: str) -> dict[str, Any]:
        place = self.store.get(graph.trainings[role]) / "training.json"
        return dict(json.loads(place.read_text(encoding="utf-8")))

    def _said(self, graph: CellGraph) -> dict[str, Any]:
        """Read the columns that the method's own calls write. Raises ValueError for one that the table does not have."""
        found: dict[str, Any] = {}
        for call in graph.says:
            found |= json.loads((self.store.get(call) / "columns.json").read_text(encoding="utf-8"))
        if unknown := sorted(set(found) - set(self.columns)):
            raise ValueError(f"the method writes unknown columns: {', '.join(unknown)}; known: {', '.join(self.columns)}")
        return found


def _of_supervisors(truth: npt.NDArray[np.int64], weak: Sequence[Matrix]) -> dict[str, str]:
    """Compute the errors of the teachers one by one, a JSON list in the order of their weights."""
    return {"weak_errors_01": json.dumps([float(np.mean(values.argmax(axis=1) != truth)) for values in weak])}


def _learned(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of what the objective learned.

    They are the weights as a JSON list, and the share of items on which all supervisors agree.
    """
    return {"learned_weights": json.dumps(said["weights"]), "agreed_items": said["agreed"]} if "weights" in said else {}
