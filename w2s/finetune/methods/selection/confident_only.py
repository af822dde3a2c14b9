"""Keep the items whose weak label is confident: the baseline of filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.choices.kept import kept_best
from w2s.finetune.choices.scores import confidence
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number

__all__ = ["confident_only"]


@method("confident_only", threshold=Number(0.75, high=1))
def confident_only(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on weak labels with a probability of ``threshold`` or more; steps are as many as on all items.

    No truth is used. At ``threshold=0`` all items are kept, and the student is ``naive``, bit for bit. A training fails where
    no label is confident enough.
    """
    labels = kit.weak_labels()
    given = {"labels": labels, "items": kit.items, "part": "transfer"}
    chosen = kept_best(**given, scores=confidence(**given), share=None, least=options["threshold"])
    return kit.student(kit.train(kit.student_model, kit.labelled(chosen)), chosen)
