"""Naive finetuning: the student learns from the weak labels as they are, with whatever loss the text names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method

__all__ = ["naive"]


@method("naive")
def naive(kit: Kit, options: Mapping[str, Any]) -> Student:  # noqa: ARG001
    """Train on the weak labels of the transfer items (Burns et al. 2023, arXiv 2312.09390)."""
    return kit.student(kit.train(kit.student_model, kit.labelled(kit.weak_labels())))
