"""Choosing a weak model without seeing the student's error: the rule of Charikar et al. 2024, and what it costs.

Gain >= misfit says student_error <= weak_error - misfit, and the right-hand side needs true labels for the weak model only. So
take the weak model with the least ``weak_error - misfit``, and ask afterwards how good a student it gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["select"]


def select(
    df: DataFrame,
    candidates: str,
    score: str = "selection_score",
    by: str | Sequence[str] = "seed",
    report: str = "student_error",
) -> DataFrame:
    """Choose in every draw the candidate with the least ``score``; report its place and its regret.

    Parameters
    ----------
    df : rows of a run, as from :func:`w2s.load`. Unusable rows (failed, not finite) and nulls of either column are left out.
    candidates : cell field that names the candidate, such as ``weak_features``.
    score : what is known when choosing. Rows of one candidate in one draw are averaged first.
    by : fields that make a draw. Only draws in which every candidate of the table takes part are decided.
    report : error that is asked for afterwards.

    Returns
    -------
    One row per draw: ``by``, the chosen candidate, ``score`` and ``report`` of it, ``rank`` (1: no candidate has a smaller
    ``report``), ``regret`` (``report`` less the least one, >= 0) and ``candidates`` (how many competed).

    Raises ValueError for unknown columns (with the nearest) and when no draw has every candidate. Cost O(rows log rows).

    """
    keys = columns.as_names(by)
    columns.need(df, [candidates, score, report, *keys], "to select by")
    rows = df[columns.usable(df)].dropna(subset=[candidates, score, report])
    means = rows.groupby([*keys, candidates], dropna=False, sort=True)[[score, report]].mean().reset_index()
    count = int(means[candidates].nunique())
    complete = means[means.groupby(keys, dropna=False)[candidates].transform("size") == count]
    if not len(complete):
        raise ValueError(f"no draw ({', '.join(keys)}) has all {count} values of {candidates}")
    draws = complete.groupby(keys, dropna=False, sort=True)
    chosen = complete.loc[draws[score].idxmin()].reset_index(drop=True)
    errors = complete[report].to_numpy(float).reshape(-1, count)
    own = chosen[report].to_numpy(float)
    chosen["rank"] = 1 + np.sum(errors < own[:, None], axis=1)
    chosen["regret"] = own - errors.min(axis=1)
    chosen["candidates"] = count
    chosen.attrs = {"selected_by": f"{candidates}: min {score}"}
    return chosen
