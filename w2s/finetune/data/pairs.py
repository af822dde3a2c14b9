"""Pairs of replies to one prompt as tokens: the prompt's end and the reply, twice for every item.

A text is cut where it hurts least: a prompt loses its beginning, a reply its end, and only if a quarter of the room is left to
the prompt. Tokens between the parts are those that the tokenizer sets; where it sets none at the end, its end-of-text is there.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.finetune.data.tables import read_table
from w2s.finetune.data.tokens import Encoded
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EncodedPairs", "encode_pairs", "read_pairs"]

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EncodedPairs(Encoded):
    """Token ids per item: those of the first reply with its prompt, then those of the second.

    ``places`` says for every item where the second text begins, and where in each of the two its reply begins.
    """

    places: tuple[tuple[int, int, int], ...] = ()

    @functools.cached_property
    def sides(self) -> Encoded:
        """Both texts of every item as items of their own: item k has the rows 2 k and 2 k + 1."""
        parts = [(ids[:second], ids[second:]) for ids, (second, _, _) in zip(self.tokens, self.places, strict=True)]
        return Encoded(tuple(half for pair in parts for half in pair), self.padding, self.cut)

    def batch(self, rows: Sequence[int] | Index) -> tuple[Tensor, Tensor]:
        """Return input ids and attention mask (2 B, T) of some items: first and second reply in turn."""
        chosen = np.asarray(rows, dtype=np.int64)
        return self.sides.batch(np.stack([2 * chosen, 2 * chosen + 1], axis=1).reshape(-1))

    def replies(self, rows: Sequence[int] | Index) -> Tensor:
        """Return the mask (2 B, T) of the tokens of replies, and of what follows them, in the order of :meth:`batch`."""
        import torch

        chosen = np.asarray(rows, dtype=np.int64)
        places = np.array(self.places, dtype=np.int64)[chosen]
        ends = np.stack([places[:, 0], self.lengths[chosen] - places[:, 0]], axis=1).reshape(-1, 1)
        steps = np.arange(int(ends.max()))
        return torch.from_numpy((steps >= places[:, 1:].reshape(-1, 1)) & (steps < ends))


def encode_pairs(
    tokenizer: Any, prompts: Sequence[str], first: Sequence[str], second: Sequence[str], max_length: int
) -> EncodedPairs:
    """Tokenise prompts with each of two replies, at most ``max_length`` tokens a text.

    No item is dropped; items that were cut are counted.
    """
    before, between, after = _marks(tokenizer)
    room = min(max_length, int(tokenizer.model_max_length)) - len(before) - len(between) - len(after)
    given = [tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"] for texts in (prompts, first, second)]
    tokens: list[tuple[int, ...]] = []
    places: list[tuple[int, int, int]] = []
    cut = 0
    for prompt, *replies in zip(*given, strict=True):
        most = room - min(len(prompt), room // 4)
        sides, starts = [], []
        for reply in replies:
            kept = prompt[max(0, len(prompt) + min(len(reply), most) - room) :]
            sides.append([*before, *kept, *between, *reply[:most], *after])
            starts.append(len(before) + len(kept) + len(between))
        cut += any(len(prompt) + len(reply) > room for reply in replies)
        tokens.append((*sides[0], *sides[1]))
        places.append((len(sides[0]), starts[0], starts[1]))
    return EncodedPairs(tuple(tokens), int(tokenizer.pad_token_id), cut, tuple(places))


def read_pairs(base: ModelFolder, items: Path, max_length: int) -> tuple[list[str], EncodedPairs, list[str]]:
    """Read item ids, token ids and parts of all items, in one order. Raises KeyError for items that are no pairs."""
    table = read_table(items, "items")
    prompts, first, second = (table[name].to_pylist() for name in ("text", "pair", "other"))
    texts = encode_pairs(load_tokenizer(base), prompts, first, second, max_length)
    return table["item_id"].to_pylist(), texts, table["part"].to_pylist()


def _marks(tokenizer: Any) -> tuple[list[int], list[int], list[int]]:
    """Return the special tokens before the first text, between two texts and after the second."""
    found = tokenizer("a", "b")
    ids, owners = found["input_ids"], found.sequence_ids(0)
    starts, ends = [owners.index(k) for k in (0, 1)], [len(owners) - owners[::-1].index(k) for k in (0, 1)]
    after = ids[ends[1] :]
    if not after and tokenizer.eos_token_id is not None:
        after = [tokenizer.eos_token_id]
    return ids[: starts[0]], ids[ends[0] : starts[1]], after
