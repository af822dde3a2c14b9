"""Rows and curves of finetune cells, from finished artifacts: joins by item id, and an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2s.artifacts import Store
from w2s.errors import nearest
from w2s.finetune.data.items import dropped_items
from w2s.finetune.data.labels import part_ids, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.evaluation.base import Evaluation, Seen
from w2s.finetune.evaluation.chosen_labels import choice_columns
from w2s.finetune.evaluation.classification import ClassificationEvaluation, all_cut_message
from w2s.finetune.evaluation.generation import GenerationEvaluation
from w2s.finetune.evaluation.preference import PreferenceEvaluation
from w2s.finetune.evaluation.training_labels import training_answers, training_labels
from w2s.finetune.models.weights import used_parameter_count
from w2s.measure import metrics
from w2s.measure.deception import deception
from w2s.studies.burns2023.text.columns import COLUMNS
from w2s.studies.burns2023.text.graph import CellGraph

__all__ = ["TextSolver"]

Matrix = npt.NDArray[np.float64]

_EVALUATIONS = {False: ClassificationEvaluation(), True: PreferenceEvaluation()}
"""Of predictions that are probabilities, by whether items are pairs."""


class TextSolver:
    """Rows and curves of cells whose artifacts are in ``store``."""

    columns: ClassVar[Mapping[str, str]] = COLUMNS

    def __init__(self, store: Store) -> None:
        self.store = store

    def row(self, graph: CellGraph) -> dict[str, Any]:
        """Compute every column of one cell."""
        ids = part_ids(self.store.get(graph.items), "test")
        truth, evaluation = self._asked(graph, ids), self._evaluation(graph)
        account = self._account(graph, "student")
        student, stopped = evaluation.read(self.store.get(graph.student), ids), account["stopped_at"]
        selected = {"end": None, "legal": "agreement with weak labels of the validation items"}.get(graph.method.stop)
        if graph.method.stop == "oracle":
            student, stopped = self._best_by_truth(graph, ids)
            selected = "accuracy by the truth of the validation items"
        control = graph.control
        seen = Seen(
            weak=[evaluation.read(self.store.get(call), ids) for call in graph.weak],
            student=student,
            ceiling=evaluation.read(self.store.get(graph.ceiling), ids),
            strong=evaluation.read(self.store.get(graph.strong), ids),
            control=None if control is None else evaluation.read(self.store.get(control), ids),
            labels=self._labels(graph, account, ids),
        )
        accounts = [self._account(graph, role) for role in ("weak", "student", "ceiling", "strong")]
        row, cut = evaluation.row(truth, seen), max(account["cut_items"] for account in accounts)
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
            **self._validated(graph),
            **(_of_supervisors(truth, seen.weak) if graph.several else {}),
            **_learned(account.get("learned", {})),
            **(self._deceived(graph, ids, truth, seen) if graph.honest is not None else {}),
            **self._adjusted(graph, evaluation, truth, seen, row),
            **self._said(graph),
            "accuracy_by_step": json.dumps(accuracy) if (accuracy := self._accuracy_by_step(graph)) else None,
            **{f"{name}_parameters": sum(map(used_parameter_count, models)) for name, models in graph.sizes.items()},
        }

    def curve(self, graph: CellGraph, cell_id: str) -> pa.Table:
        """Collect the student's loss, rate, agreement and test accuracy by step, from 1 on; ``learned`` where there is any."""
        table = read_table(self.store.get(graph.trainings["student"]), "curve")  # counts from 0
        table = table.set_column(0, "step", pc.add(table["step"], 1))
        accuracy = self._accuracy_by_step(graph)
        values = [accuracy.get(step) for step in table["step"].to_pylist()]
        names = pa.array([cell_id] * table.num_rows, pa.string())
        return table.add_column(0, "cell_id", names).append_column("test_accuracy", pa.array(values, pa.float64()))

    def _accuracy_by_step(self, graph: CellGraph) -> dict[int, float]:
        """Compute the student's accuracy on the test items at every step where it was evaluated; empty where it was not."""
        folder = self.store.get(graph.trainings["student"])
        if not (folder / "steps.arrow").exists():
            return {}
        ids, steps = part_ids(self.store.get(graph.items), "test"), read_table(folder, "steps")
        truth = truth_of(self.store.get(graph.truth), ids)
        parts = {int(step): steps.filter(pc.equal(steps["step"], int(step))) for step in np.unique(steps["step"].to_numpy())}
        hits = {step: probabilities(join(ids, rows)).argmax(axis=1) == truth for step, rows in parts.items()}
        return {step: float(np.mean(found)) for step, found in hits.items()}

    def _asked(self, graph: CellGraph, ids: list[str]) -> Any:
        """Read what predictions are compared with: prompts, from which a check finds what is right, else true classes."""
        if not graph.prompts:
            return truth_of(self.store.get(graph.truth), ids)
        return join(ids, read_table(self.store.get(graph.items), "items"))["text"].to_pylist()

    def _evaluation(self, graph: CellGraph) -> Evaluation[Any]:
        """Return the evaluation of a cell; references, where answers are graded by them, are the truth of the test part."""
        if graph.score is not None:
            return GenerationEvaluation(graph.score)
        if graph.grade is None:
            return _EVALUATIONS[graph.pairs]
        ids = part_ids(self.store.get(graph.items), "test")
        answers = join(ids, read_table(self.store.get(graph.truth), "truth"))["answer"].to_pylist()
        references, grade = dict(zip(self._asked(graph, ids), answers, strict=True)), graph.grade
        return GenerationEvaluation(lambda prompt, answer: grade(prompt, answer, references[prompt]))

    def _labels(self, graph: CellGraph, account: Mapping[str, Any], ids: list[str]) -> Any:
        """Read what the student was trained on, for some items, as predictions are read; None where nobody knows it."""
        training = graph.trainings["student"]
        if graph.prompts:
            return training_answers(training, ids, self.store)
        return training_labels(training, account, ids, self.store)

    def _validated(self, graph: CellGraph) -> dict[str, float]:
        """Compute the errors of weak model and strong baseline on the validation items; nothing without classes or items."""
        ids = part_ids(self.store.get(graph.items), "validation")
        if graph.prompts or not ids:
            return {}
        truth, read = truth_of(self.store.get(graph.truth), ids), self._evaluation(graph).read
        weak = np.mean([read(self.store.get(call), ids) for call in graph.weak], axis=0)
        models = {"weak": weak, "strong": read(self.store.get(graph.strong), ids)}
        return {
            f"{name}_validation_error_01": float(np.mean(values.argmax(axis=1) != truth)) for name, values in models.items()
        }

    def _deceived(self, graph: CellGraph, ids: list[str], truth: npt.NDArray[np.int64], seen: Seen[Matrix]) -> dict[str, float]:
        """Compute which errors a conflicting aim induces, and where; the weak model is the mean of all teachers."""
        assert graph.honest is not None
        weak = np.mean(seen.weak, axis=0)
        return deception(
            truth, seen.ceiling, weak, ClassificationEvaluation().read(self.store.get(graph.honest), ids), seen.student
        )

    def _adjusted(
        self, graph: CellGraph, evaluation: Evaluation[Any], truth: Any, seen: Seen[Any], row: Mapping[str, Any]
    ) -> dict[str, float]:
        """Compute errors of the adjusted ceiling, and the PGR with it in the ceiling's place; nothing where there is none."""
        if graph.adjusted is None:
            return {}
        ids = part_ids(self.store.get(graph.items), "test")
        found = evaluation.row(truth, replace(seen, ceiling=evaluation.read(self.store.get(graph.adjusted), ids)))
        share, _ = metrics.pgr(row["weak_error_01"], row["student_error_01"], found["ceiling_error_01"])
        return {f"adjusted_{name}": found[name] for name in ("ceiling_error", "ceiling_error_01")} | {
            "adjusted_pgr_01": float(share)
        }

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
        """Read the columns that the method's own calls write, and compute what their choices of labels were worth.

        Raises ValueError for a column that the table does not have.
        """
        found: dict[str, Any] = {}
        for folder in map(self.store.get, graph.says):
            found |= json.loads((folder / "columns.json").read_text(encoding="utf-8"))
            if (folder / "choices.arrow").exists():
                choices = read_table(folder, "choices")
                found |= choice_columns(choices, truth_of(self.store.get(graph.truth), choices["item_id"].to_pylist()))
        if unknown := sorted(set(found) - set(self.columns)):
            named = ", ".join(name + nearest(name, self.columns) for name in unknown)
            raise ValueError(f"the method writes unknown columns: {named}; known: {', '.join(self.columns)}")
        return found


def _of_supervisors(truth: npt.NDArray[np.int64], weak: Sequence[Matrix]) -> dict[str, str]:
    """Compute the errors of the teachers one by one, a JSON list in the order of their weights."""
    return {"weak_errors_01": json.dumps([float(np.mean(values.argmax(axis=1) != truth)) for values in weak])}


def _learned(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of what the objective learned.

    They are the weights as a JSON list, and the share of items on which all supervisors agree.
    """
    return {"learned_weights": json.dumps(said["weights"]), "agreed_items": said["agreed"]} if "weights" in said else {}
