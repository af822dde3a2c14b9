"""The rule that chooses a weak model: least score per draw, its place by the error asked for afterwards, and its regret."""

from __future__ import annotations

import pandas as pd
import pytest

from w2s.summary.selection import select


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "seed": [0, 0, 0, 1, 1, 1],
            "model": ["a", "b", "c"] * 2,
            "selection_score": [0.1, 0.2, 0.3, 0.3, 0.2, 0.1],
            "student_error": [1.0, 2.0, 3.0, 1.0, 2.0, 3.0],
            "status": "ok",
        }
    )


def test_the_least_score_is_chosen_and_placed() -> None:
    chosen = select(table(), "model")
    assert chosen["model"].tolist() == ["a", "c"]
    assert chosen["rank"].tolist() == [1, 3]
    assert chosen["regret"].tolist() == [0.0, 2.0]
    assert chosen["candidates"].tolist() == [3, 3]
    assert chosen["selection_score"].tolist() == [0.1, 0.1]
    assert chosen.attrs["selected_by"] == "model: min selection_score"


def test_rows_of_one_candidate_are_averaged_first() -> None:
    rows = table().assign(task=0)
    more = rows.assign(task=1, selection_score=[0.5, 0.1, 0.3, 0.1, 0.2, 0.4])
    both = pd.concat([rows, more])
    assert select(both, "model")["model"].tolist() == ["b", "a"]  # means .30, .15, .30 and .20, .20, .25: the first of equals
    assert select(both, "model", by=["seed", "task"])["model"].tolist() == ["a", "b", "c", "a"]


def test_draws_that_miss_a_candidate_are_left_out() -> None:
    rows = table()
    rows.loc[1, "status"] = "failed"
    assert select(rows, "model")["seed"].tolist() == [1]
    rows.loc[4, "selection_score"] = None
    with pytest.raises(ValueError, match="no draw"):
        select(rows[rows["model"] != "b"].assign(seed=[0, 1, 2, 3]), "model")


def test_equal_errors_share_the_better_place() -> None:
    rows = table().assign(student_error=1.0)
    assert select(rows, "model")["rank"].tolist() == [1, 1]


def test_unknown_columns_are_named() -> None:
    with pytest.raises(ValueError, match="model"):
        select(table(), "modl")
