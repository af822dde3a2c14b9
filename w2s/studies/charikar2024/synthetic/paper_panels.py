"""Which cells make which figure of the paper, and what is read off a scatter of gain against misfit.

A panel is one figure of the paper: the cells that have its representation. A ladder is a set of weak models to choose among.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["LADDER", "PANELS", "is_realizable", "ladder", "panel", "per_seed"]

LOW_SAMPLE = 2_500
"""Pretraining on this many rows or fewer (T N_r; 1250 in the paper) makes the panel of scarce pretraining."""

LADDER = 8
"""Weak models to choose among, as in Table 1."""

PANELS: Mapping[str, str] = {
    "realizable": "2a  realizable, pretrained weak",
    "pretrained": "2b  pretrained, weak to strong",
    "perturbed": "2c  perturbed, weak to strong",
    "pretrained_swapped": "3a  pretrained, strong to weak",
    "perturbed_swapped": "3b  perturbed, strong to weak",
    "low_sample": "3c  pretrained on few samples",
}
"""Panels of the synthetic figures, by name, with what their titles say."""


def panel(table: DataFrame) -> Series[Any]:
    """Name the panel that every row belongs to, by its representation; null where it is in none.

    Rows scored on rows of their own (``n_validation``) are rungs of a ladder of weak models, and in no panel.
    """
    import pandas as pd

    kind, rows = table["representation"], _numbers(table, "pretrain_tasks") * _numbers(table, "pretrain_samples")
    weak, strong = _numbers(table, "depth_weak"), _numbers(table, "depth_strong")
    noise = (_numbers(table, "sigma_weak"), _numbers(table, "sigma_strong"))
    names = pd.Series(None, index=table.index, dtype=object)
    names[kind == "realizable"] = "realizable"
    names[(kind == "pretrained") & (weak < strong) & (rows > LOW_SAMPLE)] = "pretrained"
    names[(kind == "pretrained") & (weak > strong) & (rows > LOW_SAMPLE)] = "pretrained_swapped"
    names[(kind == "pretrained") & (weak < strong) & (rows <= LOW_SAMPLE)] = "low_sample"
    names[(kind == "perturbed") & (noise[0] == 0.05) & (noise[1] == 0.01)] = "perturbed"
    names[(kind == "perturbed") & (noise[0] == 0.01) & (noise[1] == 0.05)] = "perturbed_swapped"
    names[_numbers(table, "n_validation") > 0] = None
    return names


def _numbers(table: DataFrame, name: str) -> Any:
    return table[name].to_numpy(dtype=float, na_value=np.nan)


def is_realizable(table: DataFrame) -> Any:
    """Mark the rows whose student has the true representation: (rows,) bool."""
    return (table["representation"] == "realizable").to_numpy() | (_numbers(table, "sigma_strong") == 0)


def ladder(table: DataFrame) -> tuple[str, DataFrame] | None:
    """Return the field that names the weak models of a ladder, and its rows; None where fewer than eight were scored."""
    scored = table[(_numbers(table, "n_validation") > 0) & (table["evaluate"] == "fresh").to_numpy()]
    for field in ("depth_weak", "sigma_weak"):
        rows = scored[scored[field].notna()]
        if rows[field].nunique() >= LADDER:
            return field, rows
    return None


STATISTICS: Mapping[str, Callable[[Any, Any], float]] = {
    "slope": lambda gain, misfit: float(gain @ misfit / (misfit @ misfit)),
    "median ratio": lambda gain, misfit: float(np.median(gain / misfit)),
    "correlation": lambda gain, misfit: float(np.corrcoef(gain, misfit)[0, 1]),
}
"""What is read off a scatter of gain against misfit: the slope through the origin, the median of gain / misfit, Pearson's r."""


def per_seed(rows: DataFrame, name: str) -> DataFrame:
    """Compute a statistic of the scatter of every seed: columns ``seed`` and ``value``. Rows without numbers are left out."""
    import pandas as pd

    # A student that copies its teacher has neither gain nor misfit, and no ratio or correlation of the two.
    with np.errstate(invalid="ignore", divide="ignore"):
        found = [
            (seed, STATISTICS[name](part["gain"].to_numpy(float), part["misfit"].to_numpy(float)))
            for seed, part in rows.dropna(subset=["gain", "misfit"]).groupby("seed")
            if len(part) > 1
        ]
    return pd.DataFrame(found, columns=["seed", "value"])
