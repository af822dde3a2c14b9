"""Bayesian weak-to-strong (arXiv 2406.03199): evidential losses of several supervisors, mixed with the student's own class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number, OneOf

__all__ = ["bayesian"]


@method(
    "bayesian",
    gamma=Number(0.5, high=1),
    warmup=Number(0.2, high=1),
    weights=OneOf("uniform", "entropy"),
    evidence=OneOf("softplus", "relu"),
)
def bayesian(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on evidential losses of all supervisors, of weight 1 - ``gamma``, and on the student's own class, ``gamma``.

    The latter weight rises over the first share ``warmup`` of the training.
    """
    return kit.student(kit.train(kit.student_model, kit.labelled(kit.supervisors()), "bayesian", options))
