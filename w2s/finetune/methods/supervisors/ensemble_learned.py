"""RAVEN (arXiv 2510.21332): weights of several supervisors, learned together with the student."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number, OneOf

__all__ = ["WEIGHT_OPTIONS", "ensemble_learned", "weight_settings"]

WEIGHT_OPTIONS: Mapping[str, Any] = {
    "rate": Number(0.05),
    "easy": Number(0.3, high=1),
    "start": OneOf("uniform", "entropy", "random"),
    "each": OneOf("training", "item"),
    "floor": Number(0.0, high=1),
    "decay": Number(0.0, high=1),
    "reset": OneOf("never", "epoch"),
}
"""Options of a method that learns weights of supervisors."""


def weight_settings(kit: Kit, options: Mapping[str, Any]) -> dict[str, Any]:
    """Turn options of a method into those of an objective: a reset by epochs into a number, a random start into a seed."""
    found = {name: value for name, value in options.items() if name != "reset"}
    if options["reset"] == "epoch":
        found["restarts"] = int(kit.setup.recipe["epochs"])
    if options["start"] == "random":
        found["seed"] = kit.seed("learned_weights", "start")
    return found


@method("ensemble_learned", **WEIGHT_OPTIONS)
def ensemble_learned(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on the labels of all supervisors, averaged with weights that descend the student's own loss at ``rate``.

    In the first share ``easy`` of the training the weights stay as they ``start``, and only items on which the supervisors
    agree count. Weights may be learned for ``each`` item, keep an entropy of at least ``floor`` of the uniform ones', lose the
    part ``decay`` of their rate by the end, and start again with every epoch. Supervisors are the models of ``weak_models``, or
    the members of ``ensemble(M)`` of a single one; one alone is ``naive``.
    """
    settings = weight_settings(kit, options)
    return kit.student(kit.train(kit.student_model, kit.labelled(kit.supervisors()), "learned_weights", settings))
