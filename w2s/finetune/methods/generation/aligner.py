"""Aligner (Ji et al. 2024, arXiv 2402.02416): a small model corrects a strong model's answers, and the strong one learns them.

The upstream model answers, y0. The corrector, of the weak model's size, is trained once on (prompt, y0, reference) of the
labelled items, with a loss on the correction alone; before that it may learn to copy, on transfer prompts, which takes no
labels. Then, in rounds, it corrects the answers of the strong model to the transfer prompts and the strong model learns the
corrections: as targets (sft), or as preferred to its own answers (dpo). The corrector stays the same in all rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2s.artifacts import Call
from w2s.errors import FieldError
from w2s.finetune.data.answers import as_answers, draft_answers
from w2s.finetune.data.preferences import answer_pairs
from w2s.finetune.data.stacked import first_answers, stacked_prompts
from w2s.finetune.inference.corrections import correction_columns
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.generation.preferring import prefer
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.base import Prompt
from w2s.finetune.objectives.options import Number, OneOf

__all__ = ["aligner"]

_ASKED = ("transfer", "test")


@method(
    "aligner",
    uses=("truth:labeled",),
    writer=OneOf("aligner", "weak", "self"),
    upstream=OneOf("drafts", "labeled", "pretrained"),
    warmup=Number(0.5, high=1),
    rounds=Number(1, whole=True),
    mode=OneOf("sft", "dpo"),
    passes=Number(2, low=1, whole=True),
    rate=Number(1.0, above=True),
    beta=Number(0.1, above=True),
)
def aligner(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train the upstream model on what ``writer`` makes of its answers, ``rounds`` times; 0 rounds leave it as it is.

    ``writer`` is the corrector, or for comparison the ``weak`` model, which answers by itself, or the model ``self``. The
    upstream is the student's model after a training on ``drafts`` of the transfer prompts or on the ``labeled`` references, or
    as ``pretrained``. ``warmup`` is the share of transfer prompts on whose answers the corrector first learns to copy. A round
    is ``passes`` epochs at ``rate`` times the cell's learning rate; ``beta`` is DPO's. With DPO and nothing corrected the
    gradient is zero, so that the weights stay as they are to the last bit.
    """
    if kit.setup.sampling is None:
        raise FieldError("it learns from answers to prompts, which this task has not", "method")
    if options["upstream"] == "pretrained" and options["rounds"] == 0:
        raise FieldError("with upstream=pretrained and rounds=0 nothing is trained", "method")
    start = _upstream(kit, options["upstream"])
    corrector = _corrector(kit, start, options["warmup"]) if options["writer"] == "aligner" else None
    policy, before, after = start, list[Call](), list[Call]()
    for number in range(max(int(options["rounds"]), 1)):
        before.append(kit.answers(kit.student_model, policy, _ASKED))
        after.append(_written(kit, before[-1], corrector, options["writer"]))
        if number < options["rounds"]:
            policy = _learned(kit, policy, before[-1], after[-1], number, options)
    columns = correction_columns(
        **{name: kit.items.arguments[name] for name in ("task", "columns")},
        items=kit.items,
        before=tuple(before),
        after=tuple(after),
        copies=None if corrector is None or corrector.copier is None else corrector.writes(kit, before[0], copying=True),
        part="test",
    )
    assert policy is not None
    return kit.student(policy, columns)


@dataclass(frozen=True)
class _Corrector:
    """A trained corrector, and the model that only copies from which it started, where it did."""

    training: Call
    copier: Call | None

    def writes(self, kit: Kit, answers: Call, *, copying: bool = False) -> Call:
        """Write corrections of answers to transfer and test prompts, or copies of them."""
        asked = _stacked(kit, _as_answers(kit, answers, _ASKED), _ASKED)
        return kit.answers(kit.weak_models[0], self.copier if copying else self.training, _ASKED, items=asked)


def _upstream(kit: Kit, kind: str) -> Call | None:
    """Train the model whose answers are corrected; None for the pretrained one."""
    if kind == "drafts":
        examples = Prompt("transfer", draft_answers(items=kit.items, part="transfer"))
        return kit.train(kit.student_model, examples, role="aligner upstream")
    return kit.teacher(kit.student_model) if kind == "labeled" else None


def _corrector(kit: Kit, upstream: Call | None, warmup: float) -> _Corrector:
    """Train the corrector on the labelled items, after copies of a share of the answers to transfer prompts."""
    model, copier = kit.weak_models[0], None
    count = round(warmup * kit.setup.rows["transfer"])
    if count:
        answers = _as_answers(kit, kit.answers(kit.student_model, upstream, _ASKED), ("transfer",))
        copied = Prompt("transfer", first_answers(answers=answers, items=kit.items, part="transfer", count=count), count)
        copier = kit.train(model, copied, items=_stacked(kit, answers, ("transfer",)), role="aligner copies")
    given = _as_answers(kit, kit.answers(kit.student_model, upstream, ("labeled",)), ("labeled",))
    examples = Prompt("labeled", kit.truth("labeled"))
    training = kit.train(model, examples, start=copier, items=_stacked(kit, given, ("labeled",)), role="aligner corrections")
    return _Corrector(training, copier)


def _written(kit: Kit, answers: Call, corrector: _Corrector | None, writer: str) -> Call:
    """Write what the strong model is to learn for transfer and test prompts."""
    if corrector is not None:
        return corrector.writes(kit, answers)
    return answers if writer == "self" else kit.answers(kit.weak_models[0], kit.teacher(kit.weak_models[0]), _ASKED)


def _learned(kit: Kit, policy: Call | None, before: Call, after: Call, number: int, options: Mapping[str, Any]) -> Call:
    """Train the strong model for one round."""
    wanted, role, epochs = _as_answers(kit, after, ("transfer",)), f"aligner round {number}", int(options["passes"])
    if options["mode"] == "sft":
        rate = options["rate"] * kit.setup.rates["transfer"]
        examples = Prompt("transfer", wanted)
        return kit.train(kit.student_model, examples, start=policy, role=role, epochs=epochs, learning_rate=rate)
    pairs = answer_pairs(items=kit.items, chosen=wanted, rejected=_as_answers(kit, before, ("transfer",)), part="transfer")
    dpo = {"beta": options["beta"], "rate": options["rate"], "epochs": epochs}
    return prefer(kit, kit.student_model, policy, pairs, "transfer", role, **dpo)


def _as_answers(kit: Kit, generations: Call, parts: tuple[str, ...]) -> Call:
    return as_answers(generations=generations, items=kit.items, parts=parts)


def _stacked(kit: Kit, answers: Call, parts: tuple[str, ...]) -> Call:
    width = kit.setup.sampling["max_new_tokens"]  # type: ignore[index]
    return stacked_prompts(items=kit.items, answers=answers, parts=parts, width=width)
