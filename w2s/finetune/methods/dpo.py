"""DPO (arXiv 2305.18290): a causal language model learns from preferences, with itself before training as reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.artifacts import Call
from w2s.finetune.inference.preference import predict_pairs
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.base import Pair
from w2s.finetune.objectives.options import Number

__all__ = ["dpo", "policy"]


@method("dpo", beta=Number(0.1, above=True))
def dpo(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train the student as a language model on the preference probabilities of the weak reward model.

    It is scored as a classifier of pairs by its implicit rewards at ``beta``. Weak model, ceiling and strong baseline are
    reward models, so the ceiling is what the same model reaches with a reward head and true preferences. The training holds a
    language model, from which ``w2s.generate`` writes.
    """
    reference = kit.reference(kit.student_model)
    training = kit.train(kit.student_model, Pair("transfer", (kit.weak_labels(), reference)), "dpo", options)
    return policy(kit, training, reference, options["beta"])


def policy(kit: Kit, training: Call, reference: Call, beta: float) -> Student:
    """Return the student that is a language model trained on pairs, scored by its implicit rewards at ``beta``."""
    predictions = predict_pairs(
        model=training,
        base=kit.student_model,
        items=kit.items,
        parts=("validation", "test"),
        max_length=kit.setup.max_length,
        reference=reference,
        beta=beta,
    )
    return Student(training, predictions)
