"""Features in the place of texts: what a model that is a head alone sees, computed once for all trainings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.finetune.data.tables import read_table
from w2s.finetune.inference.hidden_states import read_features

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FeatureRows", "read_feature_rows"]

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FeatureRows:
    """Features (n, d) float32 of items, in order, with the face of :class:`w2s.finetune.data.tokens.Encoded`.

    An item counts as one token. ``cut`` is the number of texts that were cut when they were encoded.
    """

    values: npt.NDArray[np.float32]
    cut: int

    def __len__(self) -> int:
        return len(self.values)

    @property
    def lengths(self) -> Index:
        """Ones: items have equal lengths."""
        return np.ones(len(self.values), dtype=np.int64)

    @property
    def scale(self) -> float:
        """Root mean square of all features: the unit in which they may be moved."""
        return float(np.sqrt(np.mean(np.square(self.values, dtype=np.float64))))

    def batch(self, rows: Sequence[int] | Index) -> tuple[Tensor, Tensor]:
        """Return features (B, d) and a mask of ones (B, 1) of some items."""
        import torch

        chosen = self.values[np.asarray(rows, dtype=np.int64)]
        return torch.from_numpy(chosen), torch.ones((len(chosen), 1), dtype=torch.int64)


def read_feature_rows(features: Path, layer: int, items: Path) -> tuple[list[str], FeatureRows, list[str]]:
    """Read item ids, features and parts of all items, in the items' order; the features may be those of further items too.

    Raises KeyError for an item without features.
    """
    table = read_table(items, "items")
    ids = table["item_id"].to_pylist()
    values = read_features(features, layer, ids).astype(np.float32)
    said = json.loads((features / "features.json").read_text(encoding="utf-8"))
    return ids, FeatureRows(values, int(said["cut_items"])), table["part"].to_pylist()
