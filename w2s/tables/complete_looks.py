"""Rows of complete looks: where seeds end at a rule, a run that was interrupted has seeds that no look has judged yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.summary.columns import group_codes
from w2s.summary.looks import Until

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["complete_looks", "has_rule"]


def complete_looks(rows: pd.DataFrame, metadata: Mapping[str, Any]) -> pd.DataFrame:
    """Leave out seeds beyond the last look that a setting has whole; all rows stay where the run's seeds end at no rule.

    A look is whole where each of its cells has a row that did not fail. In a grid of several blocks with different rules, all
    rows stay.
    """
    until = _rule(metadata)
    if until is None or not len(rows):
        return rows
    fields = [name for name in metadata["fields"] if name in rows.columns and name != "seed"]
    codes, _ = group_codes(rows, fields)
    seeds = rows["seed"].to_numpy()
    done = (rows["status"] != "failed").to_numpy()
    pairs = np.unique(np.stack([codes[done], seeds[done]]), axis=1) if done.any() else np.empty((2, 0), dtype=np.int64)
    reached = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    for look in until.looks:
        whole = np.bincount(pairs[0][pairs[1] < look], minlength=len(reached)) == look
        reached = np.where(whole, look, reached)
    kept: pd.DataFrame = rows[seeds < reached[codes]].reset_index(drop=True)
    return kept


def has_rule(metadata: Mapping[str, Any]) -> bool:
    """Tell whether the seeds of a run end at a rule, so that rows may have to be left out."""
    return _rule(metadata) is not None


def _rule(metadata: Mapping[str, Any]) -> Until | None:
    """Return the rule of a run; None where it has none, or several."""
    grid = metadata.get("grid")
    parts = grid.get("grids") if isinstance(grid, Mapping) else None
    seeds = [part.get("seeds") for part in parts or () if isinstance(part, Mapping)]
    rules = [written["until"] for written in seeds if isinstance(written, Mapping) and "until" in written]
    if not rules or len(rules) < len(parts or ()) or any(rule != rules[0] for rule in rules):
        return None
    return Until(**rules[0])
