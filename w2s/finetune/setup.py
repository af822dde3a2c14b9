"""What a cell says of its trainings, whatever its method: what a kit starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2s.artifacts import Call
from w2s.finetune.models.folder import ModelFolder

__all__ = ["Setup"]


@dataclass(frozen=True)
class Setup:
    """What a cell says, whatever its method.

    Attributes
    ----------
    items, truth : the calls that draw them.
    classes, seed : number of classes; the cell's seed.
    weak_models, student_model, chain : supervisors, student, and the models between them, weakest first.
    hard : whether labels become one-hot at the most probable class.
    rows : number of items by part.
    shape, recipe : how every model is made and trained; ``rates`` are peak learning rates on ``labeled`` items and on others.
    evaluate_every : steps between the student's evaluations; None: none.
    max_length, shards : tokens of the longest text, devices of one training.
    pairs : whether items are pairs of replies, and every model is trained as a reward model unless a method says otherwise.
    encoded : all items of the task, whatever the seed, where a model is a head, or last layers, on what is computed once; else
        None.
    engine : what writes texts, ``transformers`` or ``vllm``.
    sampling : in a task of prompts, how answers are drawn (:class:`w2s.finetune.inference.sampling.Sampling`); None in others.

    """

    items: Call
    truth: Call
    classes: int
    seed: int
    weak_models: tuple[ModelFolder, ...]
    student_model: ModelFolder
    chain: tuple[ModelFolder, ...]
    hard: bool
    rows: Mapping[str, int]
    shape: Mapping[str, Any]
    recipe: Mapping[str, Any]
    rates: Mapping[str, float]
    evaluate_every: int | None
    max_length: int
    shards: int
    pairs: bool = False
    encoded: Call | None = None
    sampling: Mapping[str, Any] | None = None
    engine: str = "transformers"

    @property
    def prompts(self) -> bool:
        """Whether items are prompts, every model is trained on answers, and predictions are texts."""
        return self.sampling is not None

    def sampling_at(self, temperature: float) -> dict[str, Any]:
        """Return how answers are drawn, at another temperature than the cell's own."""
        return {**(self.sampling or {}), "temperature": temperature}
