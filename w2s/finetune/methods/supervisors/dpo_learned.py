"""RAVEN for preferences (arXiv 2510.21332): DPO on several reward models, with weights learned beside the policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.dpo import policy
from w2s.finetune.methods.registry import method
from w2s.finetune.methods.supervisors.ensemble_learned import WEIGHT_OPTIONS, weight_settings
from w2s.finetune.objectives.base import Pair
from w2s.finetune.objectives.options import Number

__all__ = ["dpo_learned"]


@method("dpo_learned", beta=Number(0.1, above=True), **WEIGHT_OPTIONS)
def dpo_learned(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train the student as a language model on pairs whose order the supervisors' mean reward decides.

    After the easy part the surer they are together, the larger is a pair's beta. Options are those of ``ensemble_learned``; the
    student is scored as in ``dpo``.
    """
    reference = kit.reference(kit.student_model)
    examples = Pair("transfer", (*kit.supervisors(), reference))
    training = kit.train(kit.student_model, examples, "learned_dpo", weight_settings(kit, options))
    return policy(kit, training, reference, options["beta"])
