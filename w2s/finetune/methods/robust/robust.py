"""Robust training on weak labels: the student must give its answer also where its inputs are moved a little."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.errors import FieldError
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number, OneOf

__all__ = ["robust"]


@method(
    "robust",
    kind=OneOf("attack", "penalty"),
    eps=Number(0.3),
    strength=Number(1.0),
    steps=Number(3, low=1, whole=True),
)
def robust(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on the weak labels, and at the worst place that an ascent finds near every input, or with a penalty on slopes.

    Options are those of the objective `w2s.finetune.objectives.robust.Robust`. At ``strength`` 0 it is ``naive``, bit for bit.
    Raises :class:`FieldError` for a training on several devices, or of pairs.
    """
    if kit.setup.shards > 1 or kit.setup.pairs:
        raise FieldError("robust training is of classifiers, on one device", "method")
    return kit.student(kit.train(kit.student_model, kit.labelled(kit.weak_labels()), "robust", options))
