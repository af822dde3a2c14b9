"""Boosting weights (arXiv 2402.00667): supervisors weigh by their errors on the labelled items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.errors import FieldError
from w2s.finetune.data.supervised import boosted_labels
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method

__all__ = ["boosted"]


@method("boosted", uses=("truth:labeled",))
def boosted(kit: Kit, options: Mapping[str, Any]) -> Student:  # noqa: ARG001
    """Train on the mean of the supervisors' labels, with the weights log((1 - e) / e) + log(K - 1), cut at 0 from below.

    The errors e are those on the labelled items, which the supervisors were trained on, so all of them are too small.
    """
    if kit.members > 1 and len(kit.weak_models) > 1:
        raise FieldError("boosted takes several weak models or an ensemble of one, not both", "method")
    said = tuple(kit.predict(model, training, ("labeled",)) for model, training in kit.teachers())
    truth = kit.truth("labeled")
    labels = boosted_labels(labels=kit.supervisors(), predictions=said, truth=truth, items=kit.items)
    return kit.student(kit.train(kit.student_model, kit.labelled(labels)), labels)
