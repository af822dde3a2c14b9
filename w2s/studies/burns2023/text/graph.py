"""Which artifacts a finetune cell needs: weak models -> weak labels -> (chain) -> student; ceiling; strong baseline; control.

A call's key holds all that determines its value, so a weak model that ten students share is one training, and the strong
baseline of a model is that model's weak training wherever it is a teacher too.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from w2s.artifacts import Call
from w2s.finetune.data.items import items, truth
from w2s.finetune.data.labels import as_labels, flip, mix, temper, truth_labels
from w2s.finetune.inference.predict import predict
from w2s.finetune.methods.text import Method, parse_method
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.objectives.losses import find_loss
from w2s.finetune.training.train import train
from w2s.studies.burns2023.tasks import drawn

__all__ = ["LARGEST_SEED", "CellGraph", "cell_graph"]

_MEMBERS = 1000
"""Seeds of trainings per seed of a cell: one for each weak model of an ensemble."""
LARGEST_SEED = 2**63 // _MEMBERS - 1
"""Of a cell, so that the seeds of its trainings have 63 bits."""
_EVALUATED = ("validation", "test")


@dataclass(frozen=True)
class CellGraph:
    """The calls of one cell. ``trainings`` are the models by role; predictions have the items of validation and test parts."""

    items: Call
    truth: Call
    method: Method
    weak: tuple[Call, ...]
    student: Call
    ceiling: Call
    strong: Call
    control: Call | None
    trainings: Mapping[str, Call]

    @property
    def needs(self) -> list[Call]:
        """Everything that ``solve`` reads."""
        control = [] if self.control is None else [self.control]
        return [self.items, self.truth, *self.weak, self.student, self.ceiling, self.strong, *control, *self.trainings.values()]


def cell_graph(cell: Mapping[str, Any], classes: int) -> CellGraph:
    """Build the calls of a cell; nothing runs."""
    return _Builder(cell, classes).graph()


class _Builder:
    def __init__(self, cell: Mapping[str, Any], classes: int) -> None:
        self.cell, self.classes, self.method = cell, classes, parse_method(cell["method"])
        self.items, self.truth = items(**drawn(cell)), truth(**drawn(cell))

    def graph(self) -> CellGraph:
        weak_model, student_model, chain = (self.cell[name] for name in ("weak_model", "student_model", "chain"))
        true = {part: self.true_labels(part) for part in ("labeled", "transfer")}
        teachers = [self.trained(weak_model, true["labeled"], "labeled", member=m) for m in range(self.method.ensemble)]
        weak = tuple(self.predicted(weak_model, teacher, ("transfer", *_EVALUATED)) for teacher in teachers)
        labels = self.weak_labels(weak)
        for model in chain.members if chain is not None else ():
            link = self.trained(model, labels, "transfer")
            labels = self.weak_labels((self.predicted(model, link, ("transfer", *_EVALUATED)),))
        student = self.trained(student_model, labels, "transfer", self.method)
        ceiling = self.trained(student_model, true["transfer"], "transfer")
        strong = self.trained(student_model, true["labeled"], "labeled")
        control = None
        if self.cell["control"] == "flip":
            flipped = flip(labels=labels, truth=self.truth, seed=self.cell["seed"])
            control = self.predicted(student_model, self.trained(student_model, flipped, "transfer", self.method))
        return CellGraph(
            items=self.items,
            truth=self.truth,
            method=self.method,
            weak=weak,
            student=self.predicted(student_model, student),
            ceiling=self.predicted(student_model, ceiling),
            strong=self.predicted(student_model, strong),
            control=control,
            trainings={"weak": teachers[0], "student": student, "ceiling": ceiling, "strong": strong},
        )

    def true_labels(self, part: str) -> Call:
        return truth_labels(items=self.items, truth=self.truth, part=part, classes=self.classes)

    def weak_labels(self, predictions: tuple[Call, ...]) -> Call:
        """Labels of transfer and validation items from one model or the mean of several, tempered and hardened as asked."""
        parts = ("transfer", "validation")
        soft = tuple(as_labels(predictions=p, items=self.items, parts=parts, hard=False) for p in predictions)
        return self.finished(soft[0] if len(soft) == 1 else mix(labels=soft, weights=(1.0,) * len(soft)))

    def finished(self, labels: Call) -> Call:
        if self.method.temperature != 1.0:
            labels = temper(labels=labels, temperature=self.method.temperature)
        return labels if self.cell["labels"] == "soft" else temper(labels=labels, temperature=0.0)

    def trained(self, model: ModelFolder, labels: Call, part: str, method: Method | None = None, member: int = 0) -> Call:
        """A training. Only the student has a loss and a stop of its own; all others use cross-entropy, to the end."""
        cell = self.cell
        recipe: dict[str, Any] = {name: cell[name] for name in ("epochs", "batch", "schedule", "warmup", "weight_decay")}
        recipe["learning_rate"] = cell["learning_rate_labeled" if part == "labeled" else "learning_rate"]
        if method is not None:
            recipe |= {
                "loss": method.loss,
                "options": dict(method.options),
                "stop": "legal" if method.stop == "legal" else "end",
            }
            recipe["evaluate_every"] = cell["evaluate_every"] or None
            recipe |= _own_code(find_loss(method.loss).function)
        shape = {"classes": self.classes, "tuning": cell["tuning"], "lora_rank": cell["lora_rank"]}
        return train(
            base=model,
            items=self.items,
            labels=labels,
            part=part,
            shape=shape,
            recipe=recipe,
            rows=cell["n_labeled" if part == "labeled" else "n_transfer"],
            max_length=cell["max_length"],
            seed=cell["seed"] * _MEMBERS + member,
            shards=cell["shards"],
        )

    def predicted(self, model: ModelFolder, training: Call, parts: tuple[str, ...] = _EVALUATED) -> Call:
        return predict(model=training, base=model, items=self.items, parts=parts, max_length=self.cell["max_length"])


@functools.cache
def _own_code(function: Callable[..., Any]) -> dict[str, str]:
    """``loss_code``, a digest of the source, for a loss that is not of this package: changed, it is another training."""
    if function.__module__ == find_loss.__module__:
        return {}
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):  # compiled, or typed in: known by its name alone
        return {}
    return {"loss_code": hashlib.sha256(source.encode()).hexdigest()}
