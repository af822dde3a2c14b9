"""Calls and columns of the probes: on the frozen student's features, and on those of the student that was finetuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2s.artifacts import Call, Store
from w2s.finetune.data.labels import part_ids, truth_labels, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.inference.hidden_states import features
from w2s.finetune.inference.probe import probe
from w2s.finetune.models.weights import layer_count
from w2s.studies.burns2023.tasks import whole_task
from w2s.studies.burns2023.text.graph import CellGraph

__all__ = ["LADDER", "Ladder", "ladder", "ladder_row"]

LADDER: Mapping[str, str] = {
    "probe_weak_error_01": "double",
    "probe_truth_error_01": "double",
    "tuned_probe_error_01": "double",
}
"""Shares of wrong answers of probes: of the frozen model on weak labels and on truth, of the finetuned one on truth."""


@dataclass(frozen=True)
class Ladder:
    """Predictions of test items by three probes, each fitted on the transfer items."""

    probe_weak: Call
    probe_truth: Call
    tuned_probe: Call

    @property
    def needs(self) -> list[Call]:
        """Everything that :func:`ladder_row` reads."""
        return [self.probe_weak, self.probe_truth, self.tuned_probe]


def ladder(cell: Mapping[str, Any], graph: CellGraph, classes: int) -> Ladder:
    """Build the probes of a cell: logistic regressions at scikit-learn's C ``c`` on standardised last states.

    The frozen model sees every text of the task once, whatever the seed; the student that was finetuned on weak labels those of
    its cell.
    """
    base, training = cell["student_model"], graph.trainings["student"]
    layer = layer_count(base)
    shared: dict[str, Any] = {"base": base, "layers": (layer,), "pooling": "auto", "max_length": cell["max_length"]}
    frozen, tuned = features(**shared, items=whole_task(cell)), features(**shared, items=graph.items, model=training)
    true = truth_labels(items=graph.items, truth=graph.truth, part="transfer", classes=classes)
    fit: dict[str, Any] = {
        "items": graph.items,
        "layer": layer,
        "dims": None,
        "head": "logistic",
        "strength": cell["c"],
        "preprocess": "standardise",
        "parts": ("test",),
    }
    return Ladder(
        probe_weak=probe(**fit, features=frozen, labels=training.arguments["labels"]),
        probe_truth=probe(**fit, features=frozen, labels=true),
        tuned_probe=probe(**fit, features=tuned, labels=true),
    )


def ladder_row(found: Ladder, graph: CellGraph, store: Store) -> dict[str, float]:
    """Compute the probes' shares of wrong answers on the test items."""
    ids = part_ids(store.get(graph.items), "test")
    truth = truth_of(store.get(graph.truth), ids)

    def wrong(call: Call) -> float:
        values = probabilities(join(ids, read_table(store.get(call), "predictions")))
        return float(np.mean(values.argmax(axis=1) != truth))

    calls = (found.probe_weak, found.probe_truth, found.tuned_probe)
    return {name: wrong(call) for name, call in zip(LADDER, calls, strict=True)}
