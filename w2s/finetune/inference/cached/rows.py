"""Read what stands in the place of texts, whichever it is."""

from __future__ import annotations

from pathlib import Path

from w2s.finetune.inference.cached.feature_rows import FeatureRows, read_feature_rows
from w2s.finetune.inference.cached.pair_features import is_pair_features, read_pair_rows
from w2s.finetune.inference.cached.token_states import TokenRows, is_token_states, read_token_rows

__all__ = ["read_cached_rows"]


def read_cached_rows(folder: Path, layer: int, items: Path) -> tuple[list[str], FeatureRows | TokenRows, list[str]]:
    """Read item ids, features (of texts or of pairs) or states of tokens, and parts of all items, in the items' order.

    ``layer`` names one of several layers of features; states of tokens are those of one layer.
    """
    if is_pair_features(folder):
        return read_pair_rows(folder, layer, items)
    return read_token_rows(folder, items) if is_token_states(folder) else read_feature_rows(folder, layer, items)
