"""How a classifier is trained: values a cell can name, and the learning rate by step. No Torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Recipe", "learning_rate"]


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes
    ----------
    loss, options : a registered loss and its options.
    objective : name and options of a registered objective; None: classification by the loss.
    loss_code, objective_code, method_code : digests of their sources where they are not of this package; they change nothing
        but the recipe's identity.
    epochs, batch : passes over the items, rows per step.
    learning_rate, schedule, warmup : peak rate, ``cosine`` | ``linear`` to zero | ``constant``, share of steps rising to it.
    weight_decay : of AdamW, on matrices alone.
    micro_batch : rows that go through the model at once; None: the whole batch. Halved when memory runs out.
    dropout : rate of the model's dropout layers in training; None: dropout is off.
    clip : largest norm of the gradient; None: no limit.
    grouping : batches whose items are sorted by length together: more means less padding and batches that are less random.
    checkpointing : whether a layer's activations are computed again on the way back instead of being kept.
    evaluate_every : steps between predictions that are kept for curves and early stopping; None: none.
    stop : ``end``, or ``legal``: keep the weights of the evaluation that agrees best with the *given labels* of the
        validation items; truth is not looked at.

    """

    loss: str = "xent"
    options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 2
    batch: int = 32
    learning_rate: float = 5e-5
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.0
    weight_decay: float = 0.0
    micro_batch: int | None = None
    dropout: float | None = None
    clip: float | None = None
    evaluate_every: int | None = None
    stop: Literal["end", "legal"] = "end"
    objective: dict[str, Any] | None = None
    loss_code: str | None = None
    objective_code: str | None = None
    method_code: str | None = None
    grouping: int = 16
    checkpointing: bool = False


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Compute the rate of step 0..steps-1: it rises over the first ``warmup`` share, then follows the schedule."""
    rising = round(recipe.warmup * steps)
    if step < rising:
        return recipe.learning_rate * (step + 1) / rising
    share = (step - rising) / max(1, steps - rising)
    factor = {"cosine": 0.5 * (1.0 + math.cos(math.pi * share)), "linear": 1.0 - share, "constant": 1.0}[recipe.schedule]
    return recipe.learning_rate * factor
