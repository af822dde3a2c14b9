"""A few tokens through a model: how wide the states are that it gives, and which of its layers take no part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = ["output_width", "state_widths_of", "unused_linears"]

_TOKENS = 4


def output_width(model: Any) -> int:
    """Return the width of a model's last state: a projection makes it another than the configuration's ``hidden_size``."""
    return int(_passed(model).last_hidden_state.shape[-1])


def state_widths_of(model: Any) -> tuple[int, ...]:
    """Return the widths of the states that a model gives for every token: of its embedding, then of its layers in turn.

    Raises ValueError for a model that gives no state for every token.
    """
    output = _passed(model, output_hidden_states=True)
    last = getattr(output, "last_hidden_state", None)
    states = [*(getattr(output, "hidden_states", None) or (last,))]
    states[-1] = last
    if any(state is None or tuple(state.shape[:-1]) != (1, _TOKENS) for state in states):
        raise ValueError("it gives no state for every token, layer by layer")
    return tuple(int(state.shape[-1]) for state in states)


def unused_linears(model: nn.Module) -> list[str]:
    """List the linear layers that a text does not pass, such as the pooler of an encoder, by name."""
    import torch
    from transformers.pytorch_utils import Conv1D

    linears = {name: part for name, part in model.named_modules() if isinstance(part, (torch.nn.Linear, Conv1D))}
    called: set[Any] = set()
    hooks = [part.register_forward_hook(lambda part, _given, _found: called.add(part)) for part in linears.values()]
    try:
        _passed(model)
    finally:
        for hook in hooks:
            hook.remove()
    return [name for name, part in linears.items() if part not in called]


def _passed(model: Any, **asked: Any) -> Any:
    """The output for a text of a few tokens."""
    import torch

    ids = torch.ones((1, _TOKENS), dtype=torch.long, device=next(model.parameters()).device)
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), **asked)
