"""Means over seeds against deterministic limits, and signs of mean gains: what the claims of the ridge studies are made of.

A limit leaves out O(1/d). A cell agrees with it when its mean is within ``se`` standard errors and that allowance
(``finite_size_theory``, relative). A formula a little off would pass too, so each test names the nearest wrong one, which the
same rows have to reject wherever it is far enough to be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Outcome, Thresholds, Verdict, above, untestable
from w2s.claims.seed_intervals import over_least
from w2s.measure.closed_forms import t_tail
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["AGREEMENT", "AGREEMENT_BASIS", "agreement", "crossing", "pivot", "signed_gains"]

Values = npt.NDArray[np.float64]

AGREEMENT: Mapping[str, float] = {"se": 4.0, "apart": 2.0, "seeds": 40}
"""Within ``se`` standard errors and the allowance, from ``seeds`` seeds or more; the wrong formula is asked for where it is
``apart`` times that distance away or more."""

AGREEMENT_BASIS = (
    "se: four standard errors, less than one in ten thousand by luck, and what is of order 1/d: twice that of least squares; "
    "apart: so far is the nearest wrong formula; seeds: errors are skewed, and means of fewer are too"
)


def agreement(name: str, table: DataFrame, model: str, wrong: Callable[[DataFrame], Values], limits: Thresholds) -> Verdict:
    """Test the limit of a model's error on every cell of a table; the statistic is the largest part of what is allowed.

    The verdict is unresolved where a cell's error is missing. Its chance is that of one mean or more ``se`` standard errors
    from its limit, over all cells, for normal errors.
    """
    cells = _cell_means(table, model)
    cells = cells[(cells["count"] >= limits["seeds"]) & cells["theory"].notna()]
    if not len(cells):
        return untestable(f"no cell has {limits['seeds']:g} seeds and a limit of the {name}")
    mean, limit = (cells[column].to_numpy(float) for column in ("mean", "theory"))
    allowed = limits["se"] * cells["se"].to_numpy(float) + np.abs(limit) * cells["finite"].to_numpy(float)
    distance, other = np.abs(mean - limit) / allowed, np.asarray(wrong(cells), dtype=np.float64)
    if missing := int(np.isnan(distance).sum()):
        return Verdict("unresolved", f"the {name} is missing in {missing} of {len(cells)} cells")
    far = np.abs(other - limit) >= limits["apart"] * allowed
    rejected = (np.abs(mean - other) / allowed)[far]
    largest, least = float(distance.max()), float(rejected.min()) if len(rejected) else float("nan")
    says = (
        f"largest |{name} - limit| = {largest:.3g} of what is allowed in {len(cells)} cells (asked: at most 1); "
        f"wrong formula at least {least:.3g} of it off in {len(rejected)} cells"
    )
    outcome: Outcome = "fails" if largest > 1.0 or least <= 1.0 else "holds" if len(rejected) else "unresolved"
    chance = min(1.0, float(t_tail(limits["se"], cells["count"]).sum()))
    return Verdict(outcome, says, largest, (largest, largest), 1.0, int(table["seed"].nunique()), chance=chance)


def _cell_means(table: DataFrame, model: str) -> DataFrame:
    """Make one row per cell: its fields, mean, standard error, limit and allowance of a model's error, number of seeds."""
    codes, keys = columns.group_codes(table, columns.cell_fields(table))
    count = np.bincount(codes, minlength=len(keys)).astype(float)
    values = table[f"{model}_error"].to_numpy(float)
    mean = np.bincount(codes, values, len(keys)) / count
    squares = np.bincount(codes, (values - mean[codes]) ** 2, len(keys))
    with np.errstate(invalid="ignore", divide="ignore"):
        se = np.sqrt(squares / (count - 1.0) / count)
    theory, finite = (
        np.bincount(codes, table[name].to_numpy(float, na_value=np.nan), len(keys)) / count
        for name in (f"{model}_error_theory", "finite_size_theory")
    )
    return keys.assign(count=count, mean=mean, se=se, theory=theory, finite=finite)


def pivot(table: DataFrame, by: Sequence[str], value: str) -> tuple[list[int], DataFrame]:
    """Spread a column over the settings of some fields: the seeds that have all of them, and a frame (seeds, settings).

    Null is a setting of its own. Rows that differ in other fields are averaged.
    """
    wide = table.pivot_table(index="seed", columns=list(by), values=value, dropna=False).dropna(axis=1, how="all").dropna()
    return [int(seed) for seed in wide.index], wide


def signed_gains(name: str, table: DataFrame, sign: Callable[[DataFrame], Any], nothing: str) -> Verdict:
    """Test that the mean gain of every cell has the sign that ``sign`` gives its rows (+1 or -1)."""
    if not len(table):
        return untestable(nothing)
    fields = [field for field in columns.cell_fields(table) if field != "seed" and table[field].nunique(dropna=False) > 1]
    signed = table.assign(signed=table["gain"] * np.asarray(sign(table), dtype=np.float64), whole="all")
    seeds, wide = pivot(signed, fields or ["whole"], "signed")
    if not seeds or not wide.shape[1]:
        return untestable(nothing)
    # In units of their own spread: gains of small ridges are small and no less certain.
    scaled = wide.to_numpy(float) / np.maximum(wide.to_numpy(float).std(axis=0), np.finfo(float).tiny)
    value, interval, count = over_least(seeds, scaled, lambda means: means)
    return above(f"least {name} of {wide.shape[1]} cells, in standard deviations over seeds", value, interval, 0.0, count)


def crossing(levels: Values, means: Values) -> float:
    """Find where means along ascending levels fall through zero, between two levels by their logarithms; NaN if nowhere.

    Where they do so more than once it is the last time.
    """
    falls = np.flatnonzero((means[:-1] > 0) & (means[1:] <= 0))
    if not len(falls):
        return float("nan")
    at = int(falls[-1])
    part = means[at] / (means[at] - means[at + 1])
    return float(levels[at] * (levels[at + 1] / levels[at]) ** part)
