"""Keep the items on which the weak label and the strong model's own answer agree (Yang et al. 2024, arXiv 2407.13647)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.choices.kept import kept_best
from w2s.finetune.choices.scores import agreement
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.methods.selection.answers import own_answers
from w2s.finetune.objectives.options import Number

__all__ = ["consistent"]


@method("consistent", uses=("truth:labeled",), strength=Number(0.01, above=True))
def consistent(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on weak labels whose most probable class is that of the own answer; steps are as many as on all items.

    The own answer is that of a probe at scikit-learn's C ``strength`` on the labelled items. A training fails where no item
    agrees.
    """
    labels, own = kit.weak_labels(), own_answers(kit, options["strength"], 2).transfer
    scores = agreement(labels=labels, predictions=own, items=kit.items, part="transfer")
    chosen = kept_best(labels=labels, scores=scores, items=kit.items, part="transfer", share=None, least=1.0)
    return kit.student(kit.train(kit.student_model, kit.labelled(chosen)), chosen)
