"""Texts to token batches: every item is tokenised once, long ones are cut (and counted), equal lengths go together."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.finetune.data.tables import read_table
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.tokenizer import load_tokenizer
from w2s_kernels import NUMPY, permutation, stream

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Encoded", "encode", "evaluation_batches", "read_texts", "training_batches"]

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Encoded:
    """Token ids per item, in order, and how many items were cut at the longest length allowed."""

    tokens: tuple[tuple[int, ...], ...]
    padding: int
    cut: int

    def __len__(self) -> int:
        return len(self.tokens)

    @functools.cached_property
    def lengths(self) -> Index:
        """Tokens per item."""
        return np.array([len(ids) for ids in self.tokens], dtype=np.int64)

    @functools.cached_property
    def _flat(self) -> tuple[Index, Index]:
        """All tokens in one row, and where each item begins."""
        ends = np.cumsum(self.lengths)
        return np.fromiter(itertools.chain.from_iterable(self.tokens), np.int64, count=int(ends[-1])), ends - self.lengths

    def batch(self, rows: Sequence[int] | Index) -> tuple[Tensor, Tensor]:
        """Return input ids and attention mask (B, T) of some items, padded on the right to the longest of them."""
        import torch

        (flat, starts), chosen = self._flat, np.asarray(rows, dtype=np.int64)
        places = np.arange(self.lengths[chosen].max())
        mask = places < self.lengths[chosen, None]
        ids = np.full(mask.shape, self.padding, dtype=np.int64)
        ids[mask] = flat[(starts[chosen, None] + places)[mask]]
        return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


def encode(tokenizer: Any, texts: Sequence[str], pairs: Sequence[str | None], max_length: int) -> Encoded:
    """Tokenise texts (with their second texts where there are any) and cut them at ``max_length`` tokens.

    No item is dropped: weak and strong models see the same items, whatever their tokenizers.
    """
    second = [pair or "" for pair in pairs] if any(pair is not None for pair in pairs) else None
    limit = min(max_length, int(tokenizer.model_max_length))
    found = tokenizer(list(texts), second, truncation="longest_first", max_length=limit, padding=False)["input_ids"]
    rows = tuple(tuple(int(token) for token in row) or (int(tokenizer.pad_token_id),) for row in found)
    at_limit = [k for k, row in enumerate(rows) if len(row) == limit]
    cut = _really_cut(tokenizer, texts, second, at_limit, limit)
    return Encoded(rows, int(tokenizer.pad_token_id), cut)


def _really_cut(tokenizer: Any, texts: Sequence[str], pairs: Sequence[str | None] | None, rows: list[int], limit: int) -> int:
    if not rows:
        return 0
    some = [pairs[k] for k in rows] if pairs is not None else None
    whole = tokenizer([texts[k] for k in rows], some, truncation=False, padding=False, verbose=False)["input_ids"]
    return sum(len(row) > limit for row in whole)


def training_batches(lengths: Index, batch: int, seed: int, epoch: int, grouping: int = 16) -> list[Index]:
    """Divide the items of an epoch into batches: shuffle, sort by length inside windows of batches, shuffle the batches.

    A window has ``grouping`` batches: the more, the less padding, and the less random is what is in a batch together.
    The result depends on the arguments alone, so that a resumed training continues with the batch that was next. The last
    batch of an epoch may be smaller; no item is left out.
    """
    order = np.asarray(permutation(stream("batches", str(epoch), seed=seed), len(lengths), NUMPY))
    found: list[Index] = []
    for start in range(0, len(order), batch * grouping):
        window = order[start : start + batch * grouping]
        ranked = window[np.argsort(lengths[window], kind="stable")]
        found += [ranked[k : k + batch] for k in range(0, len(ranked), batch)]
    turns = np.asarray(permutation(stream("turns", str(epoch), seed=seed), len(found), NUMPY))
    return [found[int(k)] for k in turns]


def evaluation_batches(lengths: Index, tokens: int) -> Iterator[Index]:
    """Yield the items from long to short, in batches of at most ``tokens`` padded tokens."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def read_texts(base: ModelFolder, items: Path, max_length: int) -> tuple[list[str], Any, list[str]]:
    """Read item ids, token ids and parts of all items, in one order."""
    from w2s.finetune.data.tokens import encode

    table = read_table(items, "items")
    texts = encode(load_tokenizer(base), table["text"].to_pylist(), table["pair"].to_pylist(), max_length)
    return table["item_id"].to_pylist(), texts, table["part"].to_pylist()
