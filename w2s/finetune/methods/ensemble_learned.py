"""RAVEN (arXiv 2510.21332): weights of several supervisors, learned together with the student."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number

__all__ = ["ensemble_learned"]


@method("ensemble_learned", rate=Number(0.05), easy=Number(0.3, high=1))
def ensemble_learned(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on the labels of all supervisors, averaged with weights that descend the student's own loss at ``rate``.

    In the first share ``easy`` of the training the weights are uniform, and only items on which the supervisors agree count.
    Supervisors are the models of ``weak_models``, or the members of ``ensemble(M)`` of a single one; one alone is ``naive``.
    """
    return kit.student(kit.train(kit.student_model, kit.labelled(kit.supervisors()), "learned_weights", options))
