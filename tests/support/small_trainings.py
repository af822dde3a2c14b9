"""For tests of trainings: inputs and models so small that every number is known, and a training that is interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from w2s.finetune.data.tokens import Encoded
from w2s.finetune.training.loop import Trainer


def numbered(count: int) -> Encoded:
    """Texts of one token, which is their number."""
    return Encoded(tuple((k,) for k in range(count)), 0, 0)


class Certain(torch.nn.Module):
    """A model whose tokens have given log-probabilities, whatever they are."""

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__()
        self.values = torch.nn.Parameter(torch.tensor(values))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.values[None, : ids.shape[1]].expand(ids.shape)


def run_until(trainer: Trainer, stop_after: int | None) -> Trainer:
    """Run a training, to its end or until it is interrupted after some steps. Checkpoints, if any, are written after each."""
    if stop_after is None:
        trainer.run(checkpoint_seconds=0.0)
        return trainer
    step = trainer._step

    def limited(batch: Any) -> None:
        if trainer.step >= stop_after:
            raise KeyboardInterrupt
        step(batch)

    trainer._step = limited  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trainer.run(checkpoint_seconds=0.0)
    return trainer
