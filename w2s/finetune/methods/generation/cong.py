"""Contrastive weak-to-strong generalization (Jiang et al. 2025, arXiv 2510.07884): the student learns from contrastive texts.

Texts are decoded by the contrast of a weak model after and before its alignment. The student is fitted to them (ConG-S), and
then trained by DPO to prefer them to what it writes itself (ConG).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.data.preferences import answer_pairs
from w2s.finetune.evaluation.answers import answer_scores
from w2s.finetune.inference.target_logs import implicit_reward
from w2s.finetune.kit import ANSWER_ROWS, Kit, Student
from w2s.finetune.methods.generation.preferring import prefer
from w2s.finetune.methods.generation.weak_pair import ALIGNMENT, WeakPair, dpo_of
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number, OneOf

__all__ = ["cong"]

_PARTS = ("transfer", "validation", "test")


@method(
    "cong",
    uses=("truth:labeled",),
    cd_lambda=Number(0.6, low=0),
    plausible=Number(0.1, low=0, high=1),
    temperature=Number(0.8, above=True),
    stage=OneOf("dpo", "sft"),
    **ALIGNMENT,
)
def cong(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train the student on contrastive texts of the transfer prompts: fit to them, then with ``stage=dpo`` by preferences.

    ``cd_lambda=0`` with ``plausible=0`` and ``stage=sft`` is imitation of the aligned weak model, with as many texts. The
    method says the scores of the weak pair and of the contrastive texts on the test prompts, and the implicit reward of these
    texts per token.
    """
    sampling = kit.setup.sampling_at(options["temperature"])
    weak = WeakPair.of(kit, options)
    decoded = weak.decoded(_PARTS, sampling, cd_lambda=options["cd_lambda"], plausible=options["plausible"])
    texts = weak.answers(decoded, ("transfer",))
    training = kit.train(kit.student_model, kit.labelled(texts))
    if options["stage"] == "dpo":
        own = kit.generate(kit.student_model, ("transfer",), sampling, training=training, role="rejected", rows=ANSWER_ROWS)
        pairs = answer_pairs(chosen=texts, rejected=weak.answers(own, ("transfer",)), items=kit.items, part="transfer")
        training = prefer(kit, kit.student_model, training, pairs, "transfer", "preferred", **dpo_of(options))
    drawn, shown = kit.items.arguments, kit.predict(weak.model, weak.aligned)
    scored = {"items": kit.items, "task": drawn["task"], "columns": drawn["columns"]}
    aligned, unaligned = weak.logs(weak.answers(decoded, ("test",)))
    return kit.student(
        training,
        answer_scores(generations=kit.predict(weak.model, weak.unaligned), column="unaligned", **scored),
        answer_scores(generations=shown, column="aligned", **scored),
        answer_scores(generations=decoded, column="contrast", **scored),
        implicit_reward(aligned=aligned, unaligned=unaligned, column="contrast_implicit"),
    )
