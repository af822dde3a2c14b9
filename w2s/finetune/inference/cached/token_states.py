"""States of every token before the last layers of a model, for all items, from one forward pass: an artifact.

Trainings of the last layers start from them, whatever their seed, labels and method. The file is filled batch by batch, and a
killed pass resumes where it was, as for features.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.artifacts import Work, artifact
from w2s.errors import FieldError
from w2s.finetune.data.tables import read_table, write_table
from w2s.finetune.data.tokens import Encoded, read_texts
from w2s.finetune.inference.hidden_states import RowsFile, features_cost
from w2s.finetune.models.build import Shape, build
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.small_pass import state_widths_of
from w2s.finetune.models.weights import layer_count

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TokenRows", "is_token_states", "read_token_rows", "token_states"]

_FILE = "states.safetensors"
_SAID = "states.json"

Index = npt.NDArray[np.int64]


@artifact(version=1, name="w2s.token_states", cost=features_cost, gpus=1)
def token_states(work: Work, *, base: ModelFolder, items: Path, layer: int, max_length: int) -> None:
    """Write ``states.safetensors`` (``states`` (tokens, d) float32, item after item) and ``lengths.arrow`` (item_id, tokens).

    ``layer`` 0 is the embedding, k the output of the k-th block; it lies below the last one, whose output is normalised in some
    models. One thread computes, in batches that depend on the texts alone. A token takes 4 d bytes: ten thousand sentences of
    25 tokens and width 768 take 770 MB. Raises :class:`FieldError` for a layer that has none above it.
    """
    from w2s.finetune.inference.encode import pass_batches
    from w2s.finetune.inference.forward import device_for

    depth = layer_count(base)
    if not 0 <= layer < depth:
        raise FieldError(f"model {base.name}: states before its last layers are those of layers 0..{depth - 1}, not {layer}")
    ids, texts, _ = read_texts(base, items, max_length)
    module: Any = build(base, Shape(classes=2, tuning="head_only"), seed=0).to(device_for())
    batches, ends = pass_batches(texts), np.cumsum(texts.lengths)
    target = RowsFile(work.scratch / _FILE, {"states": (int(ends[-1]), state_widths_of(module.backbone)[layer])})
    target.fill(_passed(module.backbone, texts, batches[target.done :], layer, ends), work.note, "token states", len(batches))
    target.finish(work.folder / _FILE)
    lengths = pa.array(texts.lengths, pa.int64())
    write_table(work.folder, "lengths", pa.table({"item_id": pa.array(ids, pa.string()), "tokens": lengths}))
    content = {"items": len(ids), "tokens": int(ends[-1]), "cut_items": texts.cut}
    (work.folder / _SAID).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _passed(
    backbone: Any, texts: Encoded, batches: Sequence[Index], layer: int, ends: Index
) -> Iterator[tuple[Index, list[npt.NDArray[np.float32]]]]:
    """Yield the places of every batch's tokens in the file, and their states."""
    import torch

    from w2s.finetune.inference.encode import one_thread
    from w2s.finetune.models.small_pass import states_of

    device = next(backbone.parameters()).device
    with one_thread():
        for rows in batches:
            tokens, mask = (tensor.to(device) for tensor in texts.batch(rows))
            with torch.inference_mode():
                hidden = states_of(backbone(input_ids=tokens, attention_mask=mask, output_hidden_states=True))[layer]
            yield _places(ends, texts.lengths, rows), [hidden[mask.bool()].float().cpu().numpy()]


def _places(ends: Index, lengths: Index, rows: Index) -> Index:
    """Return the rows of the file that hold the tokens of some items, item after item."""
    return np.concatenate([np.arange(ends[k] - lengths[k], ends[k]) for k in rows])


@dataclass(frozen=True)
class TokenRows:
    """States (tokens, d) float32 of all items of the file, and where the items asked for are in it.

    It has the face of :class:`w2s.finetune.data.tokens.Encoded`. ``starts`` and ``lengths`` (n,) are those of the items in the
    order asked for; ``cut`` is the number of texts that were cut when the states were computed.
    """

    states: npt.NDArray[np.float32]
    starts: Index
    lengths: Index
    cut: int

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: Sequence[int] | Index) -> tuple[Tensor, Tensor]:
        """Return states (B, T, d) and mask (B, T) of some items, with zeros on the right up to the longest of them."""
        import torch

        chosen = np.asarray(rows, dtype=np.int64)
        mask = np.arange(self.lengths[chosen].max()) < self.lengths[chosen, None]
        found = np.zeros((*mask.shape, self.states.shape[1]), dtype=np.float32)
        for place, k in enumerate(chosen):
            found[place, : self.lengths[k]] = self.states[self.starts[k] : self.starts[k] + self.lengths[k]]
        return torch.from_numpy(found), torch.from_numpy(mask.astype(np.int64))


def is_token_states(folder: Path) -> bool:
    """Tell whether a folder holds states of tokens, not features of items."""
    return (folder / _SAID).exists()


def read_token_rows(states: Path, items: Path) -> tuple[list[str], TokenRows, list[str]]:
    """Read item ids, states and parts of all items, in the items' order; the states may be those of further items too.

    Raises KeyError for an item without states.
    """
    table = read_table(items, "items")
    ids = table["item_id"].to_pylist()
    place, starts, lengths = _known(states)
    if absent := [name for name in ids if name not in place]:
        raise KeyError(f"{len(absent)} of {len(ids)} items have no states, the first is {absent[0]}")
    rows = np.array([place[name] for name in ids], dtype=np.int64)
    said = json.loads((states / _SAID).read_text(encoding="utf-8"))
    return ids, TokenRows(_states(states), starts[rows], lengths[rows], int(said["cut_items"])), table["part"].to_pylist()


@functools.lru_cache(maxsize=4)
def _known(folder: Path) -> tuple[dict[str, int], Index, Index]:
    table = read_table(folder, "lengths")
    lengths = table["tokens"].to_numpy()
    return {name: k for k, name in enumerate(table["item_id"].to_pylist())}, np.cumsum(lengths) - lengths, lengths


@functools.lru_cache(maxsize=2)
def _states(folder: Path) -> npt.NDArray[np.float32]:
    from safetensors import safe_open

    with safe_open(folder / _FILE, framework="np") as stream:
        return np.asarray(stream.get_tensor("states"))
