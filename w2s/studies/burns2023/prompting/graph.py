"""Which artifacts a cell of prompts needs: a weak probe, prompts with its labels and with the truth, and probes beside them.

Item draws are those of the other studies of the paper: equal task, sizes and seed mean equal items.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2s.artifacts import Call
from w2s.finetune.data.items import PARTS, Columns, draw_items, items, truth
from w2s.finetune.data.labels import as_labels, truth_labels
from w2s.finetune.data.tasks import TaskData
from w2s.finetune.inference.hidden_states import features
from w2s.finetune.inference.probe import probe
from w2s.finetune.models.weights import layer_count
from w2s.finetune.prompting.few_shot import few_shot, of_parts
from w2s.studies.burns2023.tasks import columns_of, drawn, formatter_for

__all__ = ["PromptGraph", "class_words", "prompt_graph"]


@dataclass(frozen=True)
class PromptGraph:
    """The calls of one cell; predictions have the test items, ``weak`` the transfer items too.

    ``student`` and ``ceiling`` are prompts with weak and with true labels of transfer items. ``trained`` are probes of the same
    model on weak and on true labels of all transfer items, empty where the cell asks for none.
    """

    items: Call
    truth: Call
    weak: Call
    student: Call
    ceiling: Call
    trained: tuple[Call, ...]

    @property
    def needs(self) -> list[Call]:
        """Everything that ``solve`` reads."""
        return [self.items, self.truth, self.weak, self.student, self.ceiling, *self.trained]


def prompt_graph(cell: Mapping[str, Any]) -> PromptGraph:
    """Build the calls of a cell, without running anything."""
    own, true, words = items(**drawn(cell)), truth(**drawn(cell)), class_words(cell)
    known = {part: truth_labels(items=own, truth=true, part=part, classes=len(words)) for part in ("labeled", "transfer")}
    weak = _probe(cell, "weak_model", "weak_layer", "c_weak", own, known["labeled"], own)
    guessed = as_labels(predictions=weak, items=own, parts=("transfer",), hard=False)
    student, ceiling = (_prompt(cell, own, labels, words) for labels in (guessed, known["transfer"]))
    trained: tuple[Call, ...] = ()
    if cell["beside"] == "probe":
        shown = of_parts(items=own, parts=("transfer", "test"))
        given = (guessed, known["transfer"])
        trained = tuple(_probe(cell, "student_model", "student_layer", "c", own, labels, shown) for labels in given)
    return PromptGraph(own, true, weak, student, ceiling, trained)


def class_words(cell: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the words of a task's classes, in label order: the formatter's names, or those in a file of one's own."""
    known = formatter_for(cell).classes
    return known or _written_classes(cell["task"], tuple(columns_of(cell).items()))


@functools.lru_cache(maxsize=64)
def _written_classes(task: TaskData, columns: tuple[tuple[str, str | None], ...]) -> tuple[str, ...]:
    none = dict.fromkeys(PARTS, 0)
    return tuple(map(str, draw_items(task, Columns(**dict(columns)), none, balance=False, seed=0)[1]))  # type: ignore[arg-type]


def _prompt(cell: Mapping[str, Any], own: Call, labels: Call, words: tuple[str, ...]) -> Call:
    """Return a prompt's answers. Without examples no label and no draw has a part in them: one call for all seeds."""
    if cell["shots"] == 0:
        own = items(**drawn({**cell, "seed": 0}))  # the test part does not depend on the seed
    return few_shot(
        base=cell["student_model"],
        items=own,
        labels=labels if cell["shots"] else None,
        part="transfer",
        shots=cell["shots"],
        balanced=cell["draws"] == "balanced" and cell["shots"] > 0,
        seed=cell["seed"] if cell["shots"] else 0,
        template=cell["template"],
        words=words,
        max_words=cell["max_words"],
    )


def _probe(cell: Mapping[str, Any], model: str, layer: str, strength: str, own: Call, labels: Call, read: Call) -> Call:
    """Return the predictions of a logistic probe on a layer of a frozen model, trained on some labels.

    ``read`` are the items that go through the model: those that the probe needs, since a causal model is slow.
    """
    depth = layer_count(cell[model]) if cell[layer] is None else cell[layer]
    return probe(
        features=features(base=cell[model], items=read, layers=(depth,), pooling="mean", max_length=cell["max_length"]),
        items=own,
        labels=labels,
        layer=depth,
        dims=None,
        head="logistic",
        strength=float(cell[strength]),
        preprocess="standardise",
        parts=("transfer", "test"),
    )
