"""Weights of supervisors on the simplex, learned by plain gradient descent beside a model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.finetune.objectives.options import Number, OneOf
from w2s_kernels import NUMPY, stream, uniforms
from w2s_kernels.softmax_students import raised_entropy

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["SIMPLEX_OPTIONS", "SimplexWeights", "by_certainty", "by_content"]

_LEAST = 1e-6
"""A weight below this is raised to it before the weights are normalised, so that no supervisor is lost for good."""

SIMPLEX_OPTIONS: Mapping[str, Any] = {
    "rate": Number(0.05),
    "easy": Number(0.3, high=1),
    "start": OneOf("uniform", "entropy", "random", later=True),
    "each": OneOf("training", "item", later=True),
    "floor": Number(0.0, high=1, later=True),
    "decay": Number(0.0, high=1, later=True),
    "restarts": Number(0, whole=True, later=True),
    "seed": Number(0, whole=True, later=True),
}
"""Options of an objective that learns such weights; ``seed`` draws random ones."""


def by_content(labels: Tensor) -> list[int]:
    """Order the supervisors of labels (n, M, ...) by a digest of what they say, so that their places do not matter."""
    parts = [labels[:, m].contiguous().cpu().numpy().tobytes() for m in range(labels.shape[1])]
    marks = [hashlib.blake2b(part, digest_size=16).digest() for part in parts]
    return sorted(range(len(marks)), key=lambda m: (marks[m], m))


def by_certainty(labels: Tensor) -> Tensor:
    """Compute one over the mean entropy of each supervisor's soft labels (n, M, K): (M,) float64, not normalised."""
    import torch

    soft = labels.double()
    entropies: Tensor = -torch.special.xlogy(soft, soft).sum(dim=2).mean(dim=0)
    return 1.0 / entropies.clamp_min(_LEAST)


@dataclass(eq=False)
class SimplexWeights:
    """Weights (M,), or (n, M) with a row for each item, float64.

    Sums over supervisors follow an order of their labels' content: permuting them permutes the weights, and no other bit
    changes.

    Attributes
    ----------
    values : the weights, a leaf tensor with a gradient; given order of the supervisors.
    start : what they begin with, and again where they are ``restarted``.
    order : the order of sums.
    rate, decay : the learning rate, and the part of it that is lost by the end, linearly.
    easy : share of the training in which they stay.
    floor : least entropy, as a share of log M.
    restarts : number of equal parts of the training, usually epochs, at whose starts they begin anew; 0 is never.

    """

    values: Tensor
    start: Tensor
    order: Sequence[int]
    rate: float
    decay: float
    easy: float
    floor: float
    restarts: int

    @classmethod
    def of(
        cls,
        labels: Tensor,
        *,
        rate: float,
        easy: float,
        start: str = "uniform",
        each: str = "training",
        floor: float = 0.0,
        decay: float = 0.0,
        restarts: int = 0,
        seed: int = 0,
    ) -> SimplexWeights:
        """Make weights of the supervisors of soft labels (n, M, K): uniform, inverse to their mean entropies, or random."""
        import torch

        count, order = labels.shape[1], by_content(labels)
        first = torch.full((count,), 1.0 / count, dtype=torch.float64)
        if start == "entropy":
            first = by_certainty(labels)
        if start == "random":  # drawn for the supervisors in the order of their content
            drawn = -np.log(uniforms(stream("learned_weights", "start", seed=seed), 1, count, NUMPY)[0])
            first[list(order)] = torch.as_tensor(drawn, dtype=torch.float64)
        if start != "uniform":
            first = first / first[list(order)].sum()
        if each == "item":
            first = first.expand(len(labels), -1).clone()
        return cls(first.clone().requires_grad_(), first, order, rate, decay, easy, floor, int(restarts))

    def to(self, device: torch.device) -> None:
        """Move the weights to a device."""
        self.values = self.values.detach().to(device).requires_grad_()
        self.start = self.start.to(device)

    def begin(self, progress: float) -> None:
        """Reset the weights where a part of the training starts; called before the loss of a step, any number of times."""
        import torch

        place = progress * self.restarts
        if self.restarts and round(place) >= 1 and abs(place - round(place)) < 1e-9:
            with torch.no_grad():
                self.values.copy_(self.start)

    def mean(self, labels: Tensor, rows: Tensor | None = None) -> Tensor:
        """Average labels (b, M, ...) by the weights, (b, ...); ``rows`` are the items where each has weights.

        Items without weights of their own, such as held-out ones, are averaged by the mean weights.
        """
        values = self.values if self.values.ndim == 1 else self.values.mean(dim=0) if rows is None else self.values[rows]
        chosen = list(self.order)
        values = values[..., chosen]
        weights = (values / values.sum(dim=-1, keepdim=True)).to(labels.dtype)
        weights = weights.expand(len(labels), -1) if weights.ndim == 1 else weights
        shape = (len(labels), -1, *(1 for _ in labels.shape[2:]))
        return (weights.reshape(shape) * labels[:, chosen]).sum(dim=1)

    def update(self, progress: float) -> None:
        """Take a step down the gradient, then clip and normalise the weights; do nothing in the easy part."""
        import torch

        if progress < self.easy or self.rate == 0.0 or self.values.grad is None:
            return
        with torch.no_grad():
            rate = self.rate * (1.0 - self.decay * progress)
            moved = (self.values - rate * self.values.grad).clamp_min(_LEAST)
            moved = moved / moved[..., list(self.order)].sum(dim=-1, keepdim=True)
            if self.values.ndim == 2:  # rows that no item of the batch asked for keep their bits
                touched = (self.values.grad != 0).any(dim=1, keepdim=True)
                moved = torch.where(touched, moved, self.values)
            if self.floor > 0.0:
                rows = moved.cpu().numpy().reshape(-1, moved.shape[-1])
                raised = np.stack([raised_entropy(row, self.floor) for row in rows]).reshape(moved.shape)
                moved = torch.as_tensor(raised, dtype=moved.dtype, device=moved.device)
            self.values.copy_(moved)

    def shown(self) -> Tensor:
        """Return the weights (M,), or their mean over items, without gradient."""
        found = self.values.detach()
        return found if found.ndim == 1 else found.mean(dim=0)
