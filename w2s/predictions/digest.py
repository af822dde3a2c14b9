"""What a person sees of scored predictions: one line per group, with intervals over seeds or over items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["prediction_digest"]


_SHOWN = ("weak_error", "student_error", "ceiling_error", "gain", "misfit", "pgr", "pgr_01", "agreement_wrong")


def prediction_digest(table: DataFrame, by: Sequence[str] | None = None) -> DataFrame:
    """Average over seeds, with intervals over seeds and items; a group of one seed has that over items. ``over`` says which.

    ``by`` names the columns that make a group, by default every field that varies. Ratios over seeds are ratios of means with
    Fieller's interval, as in :func:`w2s.summarize`. Seeds are taken to share their items, whose noise then does not average
    out; where they do not, the intervals are wider than they need to be.
    """
    from w2s.summary import summarize
    from w2s.summary.columns import RATIOS
    from w2s.summary.text import readable

    metrics = [name for name in _SHOWN if name in table.columns and table[name].notna().any()]
    summary = summarize(table, by=by, metrics=metrics, population="test_part")
    keys = list(summary.attrs["w2s_summary"]["by"])
    single = summary["seeds"] == 1
    first = table.drop_duplicates(keys) if keys else table.iloc[:1]
    rows = summary[keys].merge(first, on=keys, how="left") if keys else first.reset_index(drop=True)
    for name in metrics:
        for side in ("low", "high"):
            summary[f"{name}_{side}"] = np.where(single, rows[f"{name}_{side}"], summary[f"{name}_{side}"])
        if name in RATIOS:
            unresolved = single & (summary[f"{name}_status"] == "one_seed") & summary[f"{name}_low"].isna()
            summary.loc[unresolved, f"{name}_status"] = "gap_unresolved"
        alone = single & (rows["n_items"].to_numpy() == 1) & summary[name].notna()
        if alone.any():
            summary[f"{name}_status"] = np.where(alone, "one_item", summary.get(f"{name}_status", ""))
    lines = readable(summary, keys, metrics)
    over = ["items" if one else f"{n} seeds and items" for one, n in zip(single, summary["seeds"], strict=True)]
    lines.insert(len(keys), "over", over)
    return lines
