"""The last layers of a model, on states that were computed before them: the rest of the model does not run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from w2s.errors import FieldError
from w2s.finetune.models.classifier import pooled
from w2s.finetune.models.small_pass import returns_tuples

__all__ = ["UpperClassifier", "keep_last_layers"]


class _Skipped(nn.Module):
    """Stands where a layer was, and passes its states on."""

    def __init__(self, layer: nn.Module, *, as_tuple: bool) -> None:
        super().__init__()
        self.as_tuple = as_tuple
        if (kind := getattr(layer, "attention_type", None)) is not None:
            self.attention_type = kind  # some models choose the layer's mask by it

    def forward(self, hidden: Tensor, *_others: Any, **_named: Any) -> Any:
        """Return the states unchanged."""
        return (hidden,) if self.as_tuple else hidden


def keep_last_layers(backbone: Any, top: int, name: str) -> nn.Module:
    """Replace all layers but the last ``top`` by ones that do nothing, train these alone, and return the first of them.

    The backbone is changed in place. Raises :class:`FieldError` for a model without a stack of so many layers.
    """
    depth = int(backbone.config.num_hidden_layers)
    lists = [part for part in backbone.modules() if isinstance(part, nn.ModuleList) and len(part) == depth]
    if not lists or not 0 < top <= depth:
        raise FieldError(f"model {name}: has no {top} last layers; it has {depth if lists else 0}")
    as_tuples = returns_tuples(backbone, list(lists[0]))
    backbone.requires_grad_(requires_grad=False)
    for k, layer in enumerate(lists[0]):
        if k < depth - top:
            lists[0][k] = _Skipped(layer, as_tuple=as_tuples[k])
        else:
            layer.requires_grad_(requires_grad=True)
    first: nn.Module = lists[0][depth - top]
    return first


class UpperClassifier(nn.Module):
    """Logits of a linear layer on the pooled last state, from the states before the first layer that is kept.

    The backbone gets tokens of id 0, whose states are replaced before that layer: positions, masks and the norm at the end are
    its own.
    """

    def __init__(self, backbone: nn.Module, first: nn.Module, head: nn.Linear, pooling: str) -> None:
        super().__init__()
        self.backbone, self.head, self.pooling = backbone, head, pooling
        self._states: Tensor | None = None
        first.register_forward_pre_hook(self._enter)

    def _enter(self, _layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (None if self._states is None else self._states.to(given[0].dtype), *given[1:])

    def forward(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute logits (B, K) float32 of states (B, T, d) float32 and their mask (B, T)."""
        self._states = states
        tokens = torch.zeros(attention_mask.shape, dtype=torch.long, device=states.device)
        try:
            hidden: Any = self.backbone(input_ids=tokens, attention_mask=attention_mask).last_hidden_state
        finally:
            self._states = None
        logits: Tensor = self.head(pooled(hidden, attention_mask, self.pooling))
        return logits
