"""Layers whose activations are not kept: on the way back they are computed again from the layer's input.

A training then holds one state of d numbers a token and layer, and the activations of one layer, for a third more operations.
The same operations run in the same order, with the same noise, so losses and gradients are the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

__all__ = ["recompute_layers", "stack_of"]


def stack_of(module: nn.Module) -> list[nn.Module]:
    """Return the layers of a model: its longest list of modules, empty where it has none."""
    stacks = [part for part in module.modules() if isinstance(part, nn.ModuleList)]
    return list(max(stacks, key=len, default=()))


def recompute_layers(module: nn.Module) -> None:
    """Let every layer of a model's stack keep its input alone; the module is changed in place.

    The model must not keep keys and values for further tokens (:func:`w2s.finetune.models.build.build` sees to it): a layer
    that runs twice would add them twice.
    """
    for layer in stack_of(module):
        layer.forward = functools.partial(_recomputed, layer.forward)


def _recomputed(forward: Callable[..., Any], *given: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*given, **named)
    return checkpoint(forward, *given, use_reentrant=False, **named)
