"""What the artifacts of a cell are called where a person watches them being made: role, model, task, method, seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.artifacts import Call
from w2s.files.datafile import Content
from w2s.studies.burns2023.text.graph import CellGraph

__all__ = ["call_words"]

_VERBS = {"w2s.train": "train", "w2s.predict": "predict", "w2s.predict_pairs": "predict", "w2s.generate": "generate"}


def call_words(call: Call, cell: Mapping[str, Any], graph: CellGraph) -> str:
    """Name a call of a cell: ``train weak minilm-l6:1 sentence_polarity seed 3``.

    A call that several roles share, such as a model that is teacher and strong baseline, has the first of weak, student,
    ceiling and strong. The student's own calls name the method too.
    """
    verb = _VERBS.get(call.artifact.name, call.artifact.name.removeprefix("w2s.").replace("_", " "))
    role = _role(call, graph) if call.artifact.name in _VERBS else None
    base = call.arguments.get("base")
    words = [verb, role, base.name if isinstance(base, Content) else None, str(cell["task"])]
    words += [str(cell["method"]).replace(" ", "") if role == "student" else None, f"seed {cell['seed']}"]
    return " ".join(word for word in words if word)


def _role(call: Call, graph: CellGraph) -> str | None:
    predictions = {"weak": graph.weak, "student": (graph.student,), "ceiling": (graph.ceiling,), "strong": (graph.strong,)}
    for role, calls in predictions.items():
        if call.key in (graph.trainings[role].key, *(made.key for made in calls)):
            return role
    if graph.control is not None and call.key in (graph.control.key, *(given.key for given in graph.control.inputs)):
        return "control"
    return "weak" if call.arguments.get("part") == "labeled" else None
