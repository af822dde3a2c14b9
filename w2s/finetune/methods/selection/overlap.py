"""Keep the items that seem to hold an easy and a hard pattern at once (Shin et al. 2024, arXiv 2412.03881)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.choices.kept import kept_best
from w2s.finetune.choices.scores import overlap as overlap_of
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number

__all__ = ["overlap"]


@method("overlap", share=Number(0.5, high=1, above=True), hard=Number(0.2, high=0.9, above=True))
def overlap(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on the ``share`` of the items with the most overlap; steps are as many as on all items, and no truth is used.

    The share ``hard`` of the items with the least confident weak labels stands for hard patterns alone; of the others those
    have overlap whose frozen states resemble them (:mod:`w2s.labels.overlap`). Hard items are kept last. At ``share=1`` the
    student is ``naive``, bit for bit.
    """
    labels, (states, layer) = kit.weak_labels(), kit.features(kit.student_model)
    given = {"labels": labels, "items": kit.items, "part": "transfer"}
    scores = overlap_of(**given, features=states, layer=layer, hard=options["hard"])
    chosen = kept_best(**given, scores=scores, share=options["share"], least=None)
    return kit.student(kit.train(kit.student_model, kit.labelled(chosen)), chosen)
