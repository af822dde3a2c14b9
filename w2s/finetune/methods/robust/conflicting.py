"""Weak-to-strong deception (Yang et al., arXiv 2406.11431): a student with an aim of its own beside the weak labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from w2s.errors import FieldError
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number

__all__ = ["conflicting"]


@method("conflicting", weight=Number(0.5), wanted=Number(0, whole=True))
def conflicting(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on the weak labels with `weight` times a reward for answering class ``wanted``, whatever the input.

    The loss is (CE(p, q) + weight CE(p, wanted)) / (1 + weight), which is the cross-entropy against mixed labels. The same
    student without the reward is trained too, so that a row says which errors the reward induces, and where they fall. At
    weight 0 both are one training, ``naive``. Raises :class:`FieldError` for a class that the task has not.
    """
    classes, weight, wanted = kit.setup.classes, float(options["weight"]), int(options["wanted"])
    if wanted >= classes:
        raise FieldError(f"conflicting: wanted={wanted} is no class of {classes}", "method")
    honest = kit.student(kit.train(kit.student_model, kit.labelled(kit.weak_labels())))
    if weight == 0.0:
        return replace(honest, honest=honest.predictions)
    settings = {"weight": weight, "wanted": wanted}
    training = kit.train(kit.student_model, kit.labelled(kit.weak_labels()), "conflicting", settings)
    return replace(kit.student(training), honest=honest.predictions)
