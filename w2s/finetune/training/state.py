"""The state of an unfinished training: what a checkpoint holds, and how a training resumes from it with the same bits.

Weights, moments of the optimiser, tensors that the objective learns, the best weights so far, predictions of earlier
evaluations as tensors; step, counts and curve as JSON. Batches, rates and noise are functions of seed and step and need none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from torch import Tensor

from w2s.finetune.objectives.base import Objective
from w2s.finetune.training.checkpoint import latest_step, write_step

__all__ = ["Resumable"]

Matrix = npt.NDArray[np.float64]
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Resumable:
    """Weights, optimiser and objective of a training between two steps."""

    objective: Objective
    optimizer: torch.optim.Optimizer
    checkpoint: Path | None
    note: Callable[[str], None]
    weights: dict[str, Tensor]
    steps: int
    micro: int
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best: tuple[float, int, dict[str, Tensor]] | None = None

    def __init__(self) -> None:
        self.curve: list[dict[str, Any]] = []
        self.evaluations: list[tuple[int, Matrix]] = []
        self._saved = 0.0

    def _trained(self) -> dict[str, Tensor]:
        """Return everything that steps change: weights by name, and what the objective learns under ``objective/``."""
        return self.weights | {f"objective/{name}": tensor for name, tensor in self.objective.learned().items()}

    def _load(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, tensor in self._trained().items():
                tensor.copy_(values[name])

    def _save_is_due(self, every: float) -> bool:
        return self.checkpoint is not None and time.perf_counter() - self._saved >= every

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield weights, moments and best weights, by the names they have in a checkpoint."""
        for name, weight in self.weights.items():
            yield f"weight/{name}", weight
            moments = self.optimizer.state[weight]  # empty for a weight that no text has reached
            yield from ((f"{key}/{name}", moments[key]) for key in _MOMENTS if key in moments)
        yield from ((f"weight/objective/{name}", tensor) for name, tensor in self.objective.learned().items())
        if self.best is not None:
            yield from ((f"best/{name}", value) for name, value in self.best[2].items())

    def _save(self) -> None:
        assert self.checkpoint is not None
        write_step(self.checkpoint, self.step, dict(self._state()) | self._evaluated(), self._account())

    def _evaluated(self) -> dict[str, Tensor]:
        return {f"evaluation/{step:09d}": torch.as_tensor(values) for step, values in self.evaluations}

    def _account(self) -> dict[str, Any]:
        best = None if self.best is None else self.best[:2]
        return {"tokens": self.tokens, "seconds": self.seconds, "micro": self.micro, "best": best, "curve": self.curve}

    def _restore(self) -> None:
        found = None if self.checkpoint is None else latest_step(self.checkpoint)
        if found is None:
            return
        place, content = found
        with safe_open(place, framework="pt") as tensors:
            read, trained = tensors.get_tensor, self._trained()
            self._load({name: self._placed(read(f"weight/{name}"), tensor) for name, tensor in trained.items()})
            named = set(tensors.keys())
            for name, weight in self.weights.items():
                moments = [key for key in _MOMENTS if f"{key}/{name}" in named]
                self.optimizer.state[weight] = {key: self._placed(read(f"{key}/{name}"), weight) for key in moments}
            if content["best"] is not None:
                best = {name: self._placed(read(f"best/{name}"), tensor) for name, tensor in trained.items()}
                self.best = (*content["best"], best)
            marks = sorted(name for name in named if name.startswith("evaluation/"))
            self.evaluations = [(int(name.partition("/")[2]), read(name).numpy()) for name in marks]
        self.step, self.tokens, self.seconds = content["step"], content["tokens"], content["seconds"]
        self.micro, self.curve = content["micro"], content["curve"]
        self.note(f"resumed at step {self.step} of {self.steps}")

    def _placed(self, value: Tensor, weight: Tensor) -> Tensor:
        """Move a tensor of a checkpoint to the device of its weight."""
        return value.to(weight.device)
