"""Reliability-aware labels (after arXiv 2406.19032): doubtful and disputed items are seen less often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.data.supervised import reliable_labels
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number

__all__ = ["reliable"]


@method("reliable", sharpness=Number(2.0))
def reliable(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on the supervisors' mean with items weighed by exp(-``sharpness`` H / log K), H the entropy of the mean label.

    The number of steps stays: items of small weight make room for others. With ``sharpness`` 0 it is the uniform ensemble.
    """
    labels = reliable_labels(labels=kit.supervisors(), items=kit.items, part="transfer", sharpness=float(options["sharpness"]))
    return kit.student(kit.train(kit.student_model, kit.labelled(labels)), labels)
