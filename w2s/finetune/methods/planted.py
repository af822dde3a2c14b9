"""Simulated error structures (Burns et al. 2023, appendix): the weak model's labels with their errors at chosen items.

All structures have the weak labels' accuracy, confusion matrix, class prior and probabilities, exactly; only the places of the
errors differ. What a student makes of errors that it could learn is compared with what it makes of random ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.artifacts import Call
from w2s.finetune.choices.planted import at_random, hardness, length, plant
from w2s.finetune.choices.scores import confidence
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import OneOf

__all__ = ["planted"]


@method("planted", uses=("truth:transfer",), where=OneOf("random", "long", "hard", "sure"))
def planted(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on the weak labels with their errors at ``where``: random items, or the first of each true class in an order.

    ``long``: by length. ``hard``: by how little probability the strong baseline gives to the truth. ``sure``: by the
    probability that it gives to its own answer. It reads the truth of the transfer items, and is a simulation, no method.
    """
    labels, truth = kit.weak_labels(), kit.truth("transfer")
    given = {"items": kit.items, "part": "transfer"}
    moved = plant(labels=labels, scores=_scores(kit, options["where"], truth), truth=truth, **given, seed=kit.seed("planted"))
    return kit.student(kit.train(kit.student_model, kit.labelled(moved)))


def _scores(kit: Kit, where: str, truth: Call) -> Call:
    given: dict[str, Any] = {"items": kit.items, "part": "transfer"}
    if where == "random":
        return at_random(**given, seed=kit.seed("planted", "random"))
    if where == "long":
        return length(**given)
    third = kit.teacher(kit.student_model)
    if where == "sure":
        return confidence(**given, labels=kit.labels(kit.student_model, third))
    own = kit.predict(kit.student_model, third, ("transfer", "validation", "test"))
    return hardness(**given, labels=truth, predictions=own)
