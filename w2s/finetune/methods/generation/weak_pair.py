"""A weak model before and after its alignment: what contrastive decoding, regression on log ratios and search start from.

The weak model is the cell's, trained on the reference answers of the labelled prompts, or on those of a writer who is careless
with some of them. It answers these prompts several times; the task's check ranks the answers, and DPO on the best against the
worst aligns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2s.artifacts import Call
from w2s.errors import FieldError
from w2s.finetune.data.answers import as_answers, draft_answers
from w2s.finetune.data.preferences import careless_answers, ranked_pairs
from w2s.finetune.inference.generate import generate
from w2s.finetune.inference.target_logs import target_logs
from w2s.finetune.kit import ANSWER_ROWS, Kit
from w2s.finetune.methods.generation.preferring import prefer
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.objectives.options import Number

__all__ = ["ALIGNMENT", "WeakPair", "dpo_of"]

ALIGNMENT: Mapping[str, Number] = {
    "careless": Number(0.0, high=1),
    "beta": Number(0.1, above=True),
    "ranked_temperature": Number(0.8, above=True),
    "samples": Number(5, low=2, whole=True),
    "dpo_rate": Number(0.05, above=True),
    "dpo_epochs": Number(4, low=1, whole=True),
}
"""Options of an alignment: the share of prompts whose draft the model learned from before it; beta of DPO; temperature and
number of the answers to each prompt; the learning rate in parts of the cell's; its epochs."""


@dataclass(frozen=True)
class WeakPair:
    """Trainings of one weak model: ``unaligned`` and ``aligned``."""

    kit: Kit
    model: ModelFolder
    unaligned: Call
    aligned: Call

    @classmethod
    def of(cls, kit: Kit, options: Mapping[str, Any]) -> WeakPair:
        """Train the weak model by DPO on the check of its own answers to labelled prompts.

        Raises :class:`FieldError` for a task whose items are no prompts.
        """
        if kit.setup.sampling is None:
            raise FieldError("it learns from answers to prompts, which this task has not", "method")
        model = kit.weak_models[0]
        before = kit.teacher(model)
        if options["careless"]:
            before = kit.train(model, kit.examples("labeled", _careless(kit, options["careless"])), role="unaligned")
        count, sampling = int(options["samples"]), {**kit.setup.sampling, "temperature": options["ranked_temperature"]}
        written = kit.generate(model, ("labeled",), sampling, training=before, samples=count, role="ranked", rows=ANSWER_ROWS)
        drawn = kit.items.arguments
        pairs = ranked_pairs(generations=written, items=kit.items, part="labeled", task=drawn["task"], columns=drawn["columns"])
        return cls(kit, model, before, prefer(kit, model, before, pairs, "labeled", "aligned", **dpo_of(options)))

    def decoded(
        self, parts: tuple[str, ...], sampling: Mapping[str, Any], cd_lambda: float = 0.0, plausible: float = 0.0
    ) -> Call:
        """Draw texts of parts from the contrast of both models; without numbers they are the aligned model's own."""
        return generate(
            base=self.model,
            items=self.kit.items,
            parts=parts,
            sampling=sampling,
            seed=self.kit.seed("contrast"),
            max_length=self.kit.setup.max_length,
            model=self.aligned,
            rows=ANSWER_ROWS,
            unaligned=self.unaligned,
            cd_lambda=float(cd_lambda),
            plausible=float(plausible),
        )

    def answers(self, generations: Call, parts: tuple[str, ...]) -> Call:
        """Return what a model wrote behind the prompts of parts, as answers."""
        return as_answers(generations=generations, items=self.kit.items, parts=parts)

    def logs(self, answers: Call) -> tuple[Call, Call]:
        """Compute log-probabilities of the tokens of answers under the aligned and under the unaligned model."""
        return tuple(self._logs(answers, training) for training in (self.aligned, self.unaligned))  # type: ignore[return-value]

    def _logs(self, answers: Call, training: Call) -> Call:
        given = {"base": self.model, "items": self.kit.items, "answers": answers, "max_length": self.kit.setup.max_length}
        return target_logs(**given, model=training)


def _careless(kit: Kit, share: float) -> Call:
    """Return answers to the labelled prompts, of which a share are the task's drafts."""
    given = {"references": kit.truth("labeled"), "drafts": draft_answers(items=kit.items, part="labeled")}
    return careless_answers(**given, items=kit.items, part="labeled", share=float(share), seed=kit.seed("careless"))


def dpo_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an alignment that are those of its DPO."""
    return {"beta": options["beta"], "rate": float(options["dpo_rate"]), "epochs": int(options["dpo_epochs"])}
