"""Float32 copies of trained weights that the model holds in bfloat16.

A step of size lr is often below the resolution of bfloat16 (2^-8 of a weight): added to it, it would be lost. Steps, moments,
sums of gradients and checkpoints are therefore those of float32 copies, the masters, from which the model's weights are
rounded.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["Masters"]


class Masters:
    """What an optimiser steps on: ``whole`` has float32 weights by name, the model's own where these are float32."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.rounded = {name: weight for name, weight in weights.items() if weight.dtype != torch.float32}
        copies = {name: weight.detach().float().requires_grad_() for name, weight in self.rounded.items()}
        self.whole: dict[str, Tensor] = {name: copies.get(name, weight) for name, weight in weights.items()}

    def take_gradients(self) -> None:
        """Add the gradients of the model's weights to those of their masters, and drop them."""
        for name, weight in self.rounded.items():
            if weight.grad is not None:
                master, grad = self.whole[name], weight.grad.float()
                master.grad = grad if master.grad is None else master.grad + grad
                weight.grad = None

    def drop_gradients(self) -> None:
        """Drop gradients of the model's weights that no master has taken."""
        for weight in self.rounded.values():
            weight.grad = None

    def give_values(self) -> None:
        """Write the masters, rounded, into the weights of the model."""
        with torch.no_grad():
            for name, weight in self.rounded.items():
                weight.copy_(self.whole[name])
