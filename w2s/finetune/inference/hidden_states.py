"""Features of a frozen or of a finetuned model: pooled hidden states of its layers for all items, from one forward pass.

Layer 0 is the embedding, layer k the output of the k-th block. The file is laid out before the pass and filled batch by batch,
so memory holds one batch, whatever the number of items and layers; a killed pass resumes where it was.
"""

from __future__ import annotations

import functools
import json
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.artifacts import Work, artifact
from w2s.errors import FieldError
from w2s.finetune.data.tables import read_table, write_table
from w2s.finetune.data.tokens import read_texts
from w2s.finetune.models.build import Shape, build, reload
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.small_pass import state_widths_of
from w2s.finetune.models.weights import layer_count, multiplied_weights

__all__ = ["RowsFile", "feature_width", "features", "features_cost", "read_features"]

States = Sequence[npt.NDArray[np.float32]]

_FILE = "features.safetensors"
_SAVE_SECONDS = 20.0


def features_cost(*, base: ModelFolder, max_length: int, **_others: Any) -> float:
    """Count 2 operations per weight and token of ten thousand items at an eighth of the longest length: nominal, for plans."""
    return 2.0 * multiplied_weights(base) * 1e4 * max_length / 8


@artifact(version=1, name="w2s.features", cost=features_cost, gpus=1, later=("model",))
def features(
    work: Work,
    *,
    base: ModelFolder,
    items: Path,
    layers: tuple[int, ...],
    pooling: str = "auto",
    max_length: int = 256,
    model: Path | None = None,
) -> None:
    """Write ``features.safetensors`` (``layer_k`` (n, d) float32 for every layer asked for) and ``ids.arrow`` (item_id).

    With ``model``, a training of ``base`` (:func:`w2s.finetune.training.train.train`), the states are those of its weights,
    pooled as its head pools them.

    ``pooling`` is ``mean`` over tokens, ``cls``, ``last`` or ``auto`` as in :class:`w2s.finetune.models.build.Shape`.
    ``features.json`` counts items, tokens and texts that were cut. One thread computes, in batches that depend on the texts
    alone: the same bits on every run. Raises :class:`FieldError` for a layer that the model does not have.
    """
    from w2s.finetune.inference.encode import pass_batches, pooled_states
    from w2s.finetune.inference.forward import device_for

    depth = layer_count(base)
    if strange := [layer for layer in layers if not 0 <= layer <= depth]:
        raise FieldError(f"model {base.name}: has layers 0..{depth}, not {strange[0]}")
    ids, texts, _ = read_texts(base, items, max_length)
    shape = Shape(classes=2, tuning="head_only", pooling=pooling)  # type: ignore[arg-type]
    built = build(base, shape, seed=0) if model is None else reload(model, base)
    module: Any = built.to(device_for())
    asked, batches, widths = sorted(set(layers)), pass_batches(texts), state_widths_of(module.backbone)
    target = RowsFile(work.scratch / _FILE, {f"layer_{layer}": (len(ids), widths[layer]) for layer in asked})
    passed = pooled_states(module.backbone, texts, batches[target.done :], asked, module.pooling)
    target.fill(passed, work.note, "features", len(batches))
    target.finish(work.folder / _FILE)
    write_table(work.folder, "ids", pa.table({"item_id": pa.array(ids, pa.string())}))
    content = {"items": len(ids), "tokens": int(texts.lengths.sum()), "cut_items": texts.cut}
    (work.folder / "features.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def read_features(folder: Path, layer: int, ids: Sequence[str], dims: int | None = None) -> npt.NDArray[np.float64]:
    """Read the features (len(ids), d) of one layer, joined by item id; the first ``dims`` of them, or all.

    Raises KeyError for an id without features, ValueError for a layer that has fewer than ``dims``.
    """
    values = _layer(folder, layer)
    if dims is not None and dims > values.shape[1]:
        raise ValueError(f"layer {layer} has {values.shape[1]} features, not {dims}")
    place = _places(folder)
    absent = [name for name in ids if name not in place]
    if absent:
        raise KeyError(f"{len(absent)} of {len(ids)} items have no features, the first is {absent[0]}")
    rows = np.array([place[name] for name in ids], dtype=np.int64)
    return np.asarray(values[rows, :dims], dtype=np.float64)


def feature_width(folder: Path, layer: int) -> int:
    """Return the number of features of one layer."""
    return int(_layer(folder, layer).shape[1])


class RowsFile:
    """A safetensors file that is laid out first and filled by rows; how many batches are in it for good is kept beside it.

    The format: length of the header (8 bytes), the header as JSON, then the tensors one after another.
    """

    def __init__(self, path: Path, shapes: dict[str, tuple[int, int]]) -> None:
        self.path, self.mark = path, path.with_name("batches")
        self.done = int(self.mark.read_text()) if self.mark.exists() else 0
        offsets = np.cumsum([0, *(4 * rows * width for rows, width in shapes.values())]).tolist()
        header: dict[str, Any] = {
            name: {"dtype": "F32", "shape": list(shape), "data_offsets": [offsets[k], offsets[k + 1]]}
            for k, (name, shape) in enumerate(shapes.items())
        }
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        if not self.done:
            with self.path.open("wb") as stream:
                stream.write(struct.pack("<Q", len(text)) + text)
                stream.truncate(8 + len(text) + offsets[-1])
        start = 8 + len(text)
        self.tensors = [
            np.memmap(self.path, np.float32, "r+", start + offset, shape)
            for offset, shape in zip(offsets, shapes.values(), strict=False)
        ]
        self.saved = time.monotonic()

    def fill(self, passed: Iterable[tuple[Any, States]], note: Callable[[str], None], name: str, count: int) -> None:
        """Write the states of batches as they come; a note says now and then which of all ``count`` batches it was."""
        for rows, states in passed:
            if self.put(rows, states):
                note(f"{name}: batch {self.done} of {count}")

    def put(self, rows: Any, states: States) -> bool:
        """Write the states of one batch; return whether all that was written is in the file for good now."""
        for tensor, values in zip(self.tensors, states, strict=True):
            tensor[rows] = values
        self.done += 1
        due = time.monotonic() - self.saved > _SAVE_SECONDS
        if due:
            self._save()
        return due

    def finish(self, place: Path) -> None:
        """Move the finished file to its place."""
        for tensor in self.tensors:
            tensor.flush()
        self.tensors = []
        self.path.replace(place)

    def _save(self) -> None:
        for tensor in self.tensors:
            tensor.flush()
        partial = self.mark.with_suffix(".new")
        partial.write_text(str(self.done))
        partial.replace(self.mark)
        self.saved = time.monotonic()


@functools.lru_cache(maxsize=4)
def _places(folder: Path) -> dict[str, int]:
    return {name: k for k, name in enumerate(read_table(folder, "ids")["item_id"].to_pylist())}


@functools.lru_cache(maxsize=2)
def _layer(folder: Path, layer: int) -> npt.NDArray[np.float32]:
    from safetensors import safe_open

    with safe_open(folder / _FILE, framework="np") as stream:
        return np.asarray(stream.get_tensor(f"layer_{layer}"))
