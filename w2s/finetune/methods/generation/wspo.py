"""WSPO (arXiv 2410.18640): the student takes over the change that alignment made to a weak model, without preferences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.inference.target_logs import target_logs
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.generation.weak_pair import ALIGNMENT, WeakPair
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.base import Prompt
from w2s.finetune.objectives.options import Number

__all__ = ["wspo"]


@method("wspo", uses=("truth:labeled",), gamma=Number(0.1, above=True), temperature=Number(0.8, above=True), **ALIGNMENT)
def wspo(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train the student's log ratio to its reference towards the weak pair's, on texts of the aligned weak model.

    The reference is the naive student, which imitates the weak model before its alignment.
    """
    sampling = kit.setup.sampling_at(options["temperature"])
    weak = WeakPair.of(kit, options)
    reference = kit.train(kit.student_model, kit.labelled(kit.weak_labels()))
    written = weak.decoded(("transfer",), sampling)
    texts = weak.answers(written, ("transfer",))
    given = {"base": kit.student_model, "items": kit.items, "answers": texts, "max_length": kit.setup.max_length}
    tables = (texts, target_logs(**given, model=reference), *weak.logs(texts))
    rate = kit.setup.rates["transfer"] * float(options["dpo_rate"])
    training = kit.train(
        kit.student_model,
        Prompt("transfer", tables),
        "wspo",
        {"gamma": options["gamma"]},
        role="regressed",
        start=reference,
        learning_rate=rate,
        epochs=int(options["dpo_epochs"]),
    )
    return kit.student(training)
