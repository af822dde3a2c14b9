"""Keep the items whose weak label a critic believes: a head on the strong model's states that judges weak labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.choices.kept import kept_best
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.methods.selection.answers import judged, weak_answers
from w2s.finetune.objectives.options import Number, OneOf

__all__ = ["critic"]


@method(
    "critic",
    uses=("truth:labeled",),
    share=Number(0.5, high=1, above=True),
    sees=OneOf("answer", "states", "certainty", "both"),
    ridge=Number(0.01, above=True),
    folds=Number(2, low=2, whole=True),
)
def critic(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on the ``share`` of the weak labels that the critic finds most probably right; steps are as many as on all items.

    The critic is trained on the labelled items, where weak answers are those of weak models that have not seen them, ``folds``
    of them. At ``share=1`` all items are kept, and the student is ``naive``, bit for bit.
    """
    labels, folds = kit.weak_labels(), int(options["folds"])
    asked = {"sees": options["sees"], "ridge": options["ridge"], "folds": folds}
    scores = judged(kit, weak_answers(kit, folds), (labels, "labels"), **asked)
    chosen = kept_best(labels=labels, scores=scores, items=kit.items, part="transfer", share=options["share"], least=None)
    return kit.student(kit.train(kit.student_model, kit.labelled(chosen)), chosen)
