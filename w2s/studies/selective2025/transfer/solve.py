"""Artifacts of the transfer study, and the judges that are fitted when a block is solved."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Call, Store
from w2s.finetune.data.items import items, truth
from w2s.finetune.data.labels import part_ids, truth_labels, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.data.tasks import TaskData, formatter_of
from w2s.finetune.inference.hidden_states import features, read_features
from w2s.finetune.inference.probe import probe, probe_by_folds
from w2s.finetune.models.weights import layer_count
from w2s.finetune.seeds import role_seed
from w2s.labels.judges import Judge, Sight, certainty, fit_judge, judged_features
from w2s.measure.ranking import auroc

__all__ = ["TransferSolver", "Watched", "watched"]

Matrix = npt.NDArray[np.float64]

_NO_COLUMNS = {"text": "text", "label": "label", "pair": None, "group": None}


@dataclass(frozen=True)
class Watched:
    """One task as a judge sees it: its items and truth, states, and the model's own answers to labelled and test items."""

    items: Call
    truth: Call
    states: Call
    layer: int
    labelled: Call
    tested: Call

    @property
    def needs(self) -> list[Call]:
        """Everything that ``solve`` reads."""
        return [self.items, self.truth, self.states, self.labelled, self.tested]


def watched(cell: Mapping[str, Any], task: TaskData) -> Watched:
    """Build the calls of one task: own answers are those of linear probes on the frozen model, by folds where it learned."""
    sizes = {"labeled": cell["n_labeled"], "transfer": 0, "validation": 0, "test": cell["n_test"]}
    given: dict[str, Any] = {"task": task, "columns": _NO_COLUMNS, "sizes": sizes, "balance": True, "seed": cell["seed"]}
    own, true = items(**given), truth(**given)
    layer = layer_count(cell["model"]) if cell["layer"] is None else cell["layer"]
    states = features(base=cell["model"], items=own, layers=(layer,), pooling="auto", max_length=cell["max_length"])
    classes = len(formatter_of(task, "", "", None, None).classes)
    learned: dict[str, Any] = {
        "features": states,
        "items": own,
        "labels": truth_labels(items=own, truth=true, part="labeled", classes=classes),
        "layer": layer,
        "head": "logistic",
        "strength": cell["c"],
        "preprocess": "standardise",
    }
    folds = {"folds": _FOLDS, "seed": role_seed("own", "folds", seed=cell["seed"])}
    labelled = probe_by_folds(**learned, part="labeled", **folds)
    return Watched(own, true, states, layer, labelled, probe(**learned, dims=None, parts=("test",)))


_FOLDS = 5


_Part = tuple[Matrix, Matrix, npt.NDArray[np.bool_]]


def _part(store: Store, task: Watched, part: str) -> _Part:
    """Return the states of a part, the model's own answers to it, and which of them are right."""
    ids = part_ids(store.get(task.items), part)
    call = task.labelled if part == "labeled" else task.tested
    answers = probabilities(join(ids, read_table(store.get(call), "predictions")))
    right = answers.argmax(axis=1) == truth_of(store.get(task.truth), ids)
    return read_features(store.get(task.states), task.layer, ids), answers, right


def _judge(part_of: Callable[[Watched, str], _Part], task: Watched, sees: Sight, ridge: float) -> Judge:
    """Fit a judge of a task on its labelled items."""
    states, answers, right = part_of(task, "labeled")
    return fit_judge(judged_features(states, answers, sees)[None], 1.0 * right[None], ridge)


class TransferSolver:
    """Rows of cells from finished artifacts; what one task says is kept for the next cell."""

    def __init__(self, store: Store) -> None:
        # Of the store and not of the solver: what refers to itself is freed late.
        self.part = functools.lru_cache(maxsize=32)(functools.partial(_part, store))
        self.judge = functools.lru_cache(maxsize=64)(functools.partial(_judge, self.part))

    def row(self, cell: Mapping[str, Any]) -> dict[str, Any]:
        """Compute all columns of one cell."""
        here, there = watched(cell, cell["task"]), watched(cell, cell["asked_task"])
        states, answers, right = self.part(there, "test")
        seen = judged_features(states, answers, cell["sees"])[None]
        foreign, own = (self.judge(t, cell["sees"], cell["ridge"]).at(seen)[0] for t in (here, there))
        scores = {"weak_error": certainty(answers)[:, 0], "student_error": foreign, "ceiling_error": own}
        errors = {name: float(1.0 - auroc(values, right)) for name, values in scores.items()}
        return {
            **errors,
            "misfit": float(np.mean((foreign - own) ** 2)),
            "weak_distance": float(np.mean((foreign - certainty(answers)[:, 0]) ** 2)),
            "own_accuracy": float(right.mean()),
            "own_accuracy_labeled": float(self.part(here, "labeled")[2].mean()),
            "solver": "newton",
        }
