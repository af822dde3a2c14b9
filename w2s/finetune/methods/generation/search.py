"""Weak-to-strong search (arXiv 2405.19262): the student's texts are chosen, at decoding time, by a weak pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.inference.guided import guided_texts
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.generation.weak_pair import ALIGNMENT, WeakPair
from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number

__all__ = ["search"]


@method(
    "search",
    uses=("truth:labeled",),
    beams=Number(2, low=1, whole=True),
    width=Number(2, low=1, whole=True),
    chunk=Number(3, low=1, whole=True),
    temperature=Number(0.8, above=True),
    **ALIGNMENT,
)
def search(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Let the naive student write, and the weak pair choose: no training beyond the naive one.

    Of ``beams`` texts each gets ``width`` continuations of ``chunk`` tokens, of which as many as ``beams`` are kept by their
    implicit reward.
    """
    sampling = kit.setup.sampling_at(options["temperature"])
    weak = WeakPair.of(kit, options)
    training = kit.train(kit.student_model, kit.labelled(kit.weak_labels()))
    sizes = {"beams": int(options["beams"]), "samples": int(options["width"]), "chunk": int(options["chunk"])}
    found = guided_texts(
        base=kit.student_model,
        model=training,
        weak=weak.model,
        tuned=weak.aligned,
        untuned=weak.unaligned,
        items=kit.items,
        parts=("validation", "test"),
        sampling=sampling,
        sizes=sizes,
        seed=kit.seed("search"),
        max_length=kit.setup.max_length,
    )
    return Student(training, found)
