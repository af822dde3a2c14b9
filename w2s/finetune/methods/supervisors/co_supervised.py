"""Co-supervised learning (arXiv 2402.15505): each supervisor owns some classes, and the student says whose item it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.data.supervised import co_labels
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number

__all__ = ["co_supervised"]


@method("co_supervised", top=Number(1, low=1, whole=True))
def co_supervised(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on the supervisors' mean first, then anew on the class that the owner of the first student's class gives.

    Classes are parted among the supervisors in their order. Items on which student and owner agree most are kept, so many as
    have the owner's class among the student's ``top`` ones; they are seen more often, and the number of steps stays.
    """
    given = kit.supervisors()
    first = kit.train(kit.student_model, kit.labelled(kit.weak_labels()), role="co_supervised")
    predictions = kit.predict(kit.student_model, first, ("transfer",))
    chosen = co_labels(labels=given, predictions=predictions, items=kit.items, part="transfer", top=int(options["top"]))
    return kit.student(kit.train(kit.student_model, kit.labelled(chosen)), chosen)
