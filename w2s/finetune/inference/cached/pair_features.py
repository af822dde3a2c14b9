"""Features of both replies of every pair: what a reward model that is a head alone sees, computed once for all trainings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.artifacts import Work, artifact
from w2s.finetune.data.pairs import read_pairs
from w2s.finetune.data.tables import read_table, write_table
from w2s.finetune.inference.cached.feature_rows import FeatureRows
from w2s.finetune.inference.hidden_states import RowsFile, features_cost
from w2s.finetune.models.build import Shape, build
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.small_pass import state_widths_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PairRows", "is_pair_features", "pair_features", "read_pair_rows"]

_FILE = "features.safetensors"
_SAID = "pairs.json"

Index = npt.NDArray[np.int64]


@artifact(version=1, name="w2s.pair_features", cost=features_cost, gpus=1)
def pair_features(work: Work, *, base: ModelFolder, items: Path, layer: int, max_length: int) -> None:
    """Write ``features.safetensors`` (``layer_k`` (2 n, d) float32: first and second reply of each item in turn).

    A reply is read behind its prompt, as in :func:`w2s.finetune.data.pairs.encode_pairs`, and pooled as the model's texts are:
    the mean over tokens, of causal models the last token. ``ids.arrow`` has the n item ids. One thread computes, in batches
    that depend on the texts alone; a killed pass resumes where it was. Raises KeyError for items that are no pairs.
    """
    from w2s.finetune.inference.encode import pass_batches, pooled_states
    from w2s.finetune.inference.forward import device_for

    ids, texts, _ = read_pairs(base, items, max_length)
    module: Any = build(base, Shape(classes=2, tuning="head_only"), seed=0).to(device_for())
    sides, batches, width = texts.sides, pass_batches(texts.sides), state_widths_of(module.backbone)[layer]
    target = RowsFile(work.scratch / _FILE, {f"layer_{layer}": (len(sides), width)})
    passed = pooled_states(module.backbone, sides, batches[target.done :], [layer], module.pooling)
    target.fill(passed, work.note, "features of pairs", len(batches))
    target.finish(work.folder / _FILE)
    write_table(work.folder, "ids", pa.table({"item_id": pa.array(ids, pa.string())}))
    content = {"items": len(ids), "tokens": int(sides.lengths.sum()), "cut_items": texts.cut}
    (work.folder / _SAID).write_text(json.dumps(content, indent=1), encoding="utf-8")


@dataclass(frozen=True)
class PairRows(FeatureRows):
    """Features of pairs: ``values`` (2 n, d) float32, rows 2 k and 2 k + 1 being the replies of item k."""

    def __len__(self) -> int:
        return len(self.values) // 2

    @property
    def lengths(self) -> Index:
        """Ones: items have equal lengths."""
        return np.ones(len(self), dtype=np.int64)

    def batch(self, rows: Sequence[int] | Index) -> tuple[Tensor, Tensor]:
        """Return features (2 B, d) and a mask of ones (2 B, 1) of some items: first and second reply in turn."""
        chosen = np.asarray(rows, dtype=np.int64)
        return super().batch(np.stack([2 * chosen, 2 * chosen + 1], axis=1).reshape(-1))


def is_pair_features(folder: Path) -> bool:
    """Tell whether a folder holds features of pairs of replies."""
    return (folder / _SAID).exists()


def read_pair_rows(features: Path, layer: int, items: Path) -> tuple[list[str], PairRows, list[str]]:
    """Read item ids, features of both replies and parts of all items; the features may be those of further items too.

    Raises KeyError for an item without features.
    """
    from safetensors import safe_open

    table = read_table(items, "items")
    ids = table["item_id"].to_pylist()
    place = {name: k for k, name in enumerate(read_table(features, "ids")["item_id"].to_pylist())}
    if absent := [name for name in ids if name not in place]:
        raise KeyError(f"{len(absent)} of {len(ids)} pairs have no features, the first is {absent[0]}")
    with safe_open(features / _FILE, framework="np") as stream:
        values = np.asarray(stream.get_tensor(f"layer_{layer}"))
    rows = np.array([place[name] for name in ids], dtype=np.int64)
    both = np.stack([2 * rows, 2 * rows + 1], axis=1).reshape(-1)
    said = json.loads((features / _SAID).read_text(encoding="utf-8"))
    return ids, PairRows(values[both], int(said["cut_items"])), table["part"].to_pylist()
