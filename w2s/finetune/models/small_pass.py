"""A few tokens through a model: how wide the states are that it gives, and which of its layers take no part."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["output_width", "returns_tuples", "state_widths_of", "states_of", "unused_linears"]

_TOKENS = 4


def output_width(model: Any) -> int:
    """Return the width of a model's last state: a projection makes it another than the configuration's ``hidden_size``."""
    import torch

    with torch.no_grad():
        return int(_passed(model).last_hidden_state.shape[-1])


def state_widths_of(model: Any) -> tuple[int, ...]:
    """Return the widths of the states that a model gives for every token: of its embedding, then of its layers in turn.

    Raises ValueError for a model that gives no state for every token, and for one that cannot be told what is padding.
    """
    if "attention_mask" not in inspect.signature(model.forward).parameters:
        raise ValueError("it takes no attention mask, so that padding would change its states")
    import torch

    with torch.no_grad():
        output = _passed(model, output_hidden_states=True)
    last = getattr(output, "last_hidden_state", None)
    states = [*states_of(output)]
    states[-1] = last
    if any(state is None or tuple(state.shape[:-1]) != (1, _TOKENS) for state in states):
        raise ValueError("it gives no state for every token, layer by layer")
    return tuple(int(state.shape[-1]) for state in states)


def states_of(output: Any) -> tuple[Any, ...]:
    """Return the states of every token after the embedding and after every layer, in turn; a model cut to no layer has one."""
    return tuple(getattr(output, "hidden_states", None) or (getattr(output, "last_hidden_state", None),))


def returns_tuples(model: Any, layers: Sequence[nn.Module]) -> list[bool]:
    """Find which layers of a model return a tuple, and not the states themselves: one answer a layer."""
    import torch

    found: dict[nn.Module, bool] = {}

    def look(layer: nn.Module, _given: Any, out: Any) -> None:
        found[layer] = isinstance(out, tuple)

    hooks = [layer.register_forward_hook(look) for layer in layers]
    try:
        with torch.no_grad():
            _passed(model)
    finally:
        for hook in hooks:
            hook.remove()
    return [found[layer] for layer in layers]


def unused_linears(model: nn.Module) -> list[str]:
    """List the linear layers that have no part in a model's output, such as the pooler of an encoder, by name.

    These are the layers that a text does not pass, and those from whose outputs no gradient path leads to the last state.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    linears = {name: part for name, part in model.named_modules() if isinstance(part, (torch.nn.Linear, Conv1D))}
    passed: list[tuple[nn.Module, Tensor]] = []
    hooks = [part.register_forward_hook(lambda part, _given, found: passed.append((part, found))) for part in linears.values()]
    try:
        with torch.enable_grad():
            output = _passed(model)[0].sum()
            slopes = torch.autograd.grad(output, [found for _, found in passed], allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    used = {part for (part, _), slope in zip(passed, slopes, strict=True) if slope is not None}
    return [name for name, part in linears.items() if part not in used]


def _passed(model: Any, **asked: Any) -> Any:
    """Compute the output for a text of a few tokens."""
    import torch

    device = next(model.parameters()).device
    ids = torch.ones((1, _TOKENS), dtype=torch.long, device=device)
    if device.type == "meta":  # no values are there to look at, as many models do with a mask, or with padding
        model.config.pad_token_id = None
        return model(input_ids=ids, **asked)
    return model(input_ids=ids, attention_mask=torch.ones_like(ids), **asked)
