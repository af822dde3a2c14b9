"""Prompts with target texts as tokens: the prompt as it is when a model generates, the target, the token that ends a text.

Prompt and target are tokenised apart and their tokens joined. So the boundary is where it is when the model writes, also with
a tokenizer that would merge the prompt's end with the target's beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.finetune.data.tokens import Encoded

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EncodedTargets", "encode_targets"]

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EncodedTargets(Encoded):
    """Token ids of prompts with their targets; ``starts`` says for every item where its target begins."""

    starts: tuple[int, ...] = ()

    def targets(self, rows: Sequence[int] | Index) -> Tensor:
        """Return the mask (B, T) of the target's tokens, its end included, of some items, in the order of :meth:`batch`."""
        import torch

        chosen = np.asarray(rows, dtype=np.int64)
        starts, ends = np.array(self.starts, dtype=np.int64)[chosen, None], self.lengths[chosen, None]
        steps = np.arange(int(ends.max()))
        return torch.from_numpy((steps >= starts) & (steps < ends))

    def counts(self) -> Index:
        """Count the tokens of every item's target, its end included: (n,)."""
        return np.asarray(self.lengths - np.array(self.starts, dtype=np.int64))


def encode_targets(tokenizer: Any, prompts: Sequence[str], targets: Sequence[str], max_length: int) -> EncodedTargets:
    """Tokenise prompts with their targets, at most ``max_length`` tokens together.

    Too long a prompt loses its beginning until it fills a quarter of the room; after that the target loses its end. Items that
    were cut are counted, none is dropped. A prompt without tokens gets the one for padding, as in a generation.
    """
    limit = min(max_length, int(tokenizer.model_max_length))
    end = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    first = tokenizer(list(prompts), verbose=False)["input_ids"]
    second = tokenizer(list(targets), add_special_tokens=False, verbose=False)["input_ids"]
    tokens: list[tuple[int, ...]] = []
    starts: list[int] = []
    cut = 0
    for prompt, target in zip(first, second, strict=True):
        asked, wanted = prompt or [int(tokenizer.pad_token_id)], [*target, *end]
        kept = wanted[: max(limit - min(len(asked), limit // 4), 1)]
        left = asked[max(0, len(asked) + len(kept) - limit) :]
        cut += len(left) < len(asked) or len(kept) < len(wanted)
        tokens.append((*left, *kept))
        starts.append(len(left))
    return EncodedTargets(tuple(tokens), int(tokenizer.pad_token_id), cut, tuple(starts))
