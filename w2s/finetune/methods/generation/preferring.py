"""DPO on pairs of answers from where an earlier training ended: a step that several methods take."""

from __future__ import annotations

from w2s.artifacts import Call
from w2s.finetune.inference.preference import reference_log_probabilities
from w2s.finetune.kit import Kit
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.objectives.base import Pair

__all__ = ["prefer"]


def prefer(
    kit: Kit,
    model: ModelFolder,
    start: Call | None,
    pairs: Call,
    part: str,
    role: str,
    *,
    beta: float,
    rate: float,
    epochs: int,
) -> Call:
    """Train a model by DPO on pairs of answers, from where an earlier training ended, which is the reference too.

    ``start`` None is the pretrained model; ``rate`` is in parts of the cell's learning rate.
    """
    length = kit.setup.max_length
    reference = reference_log_probabilities(base=model, items=pairs, max_length=length, model=start)
    return kit.train(
        model,
        Pair(part, (pairs, reference)),
        "dpo",
        {"beta": beta},
        role=role,
        start=start,
        items=pairs,
        learning_rate=kit.setup.rates["labeled" if part == "labeled" else "transfer"] * rate,
        epochs=epochs,
    )
