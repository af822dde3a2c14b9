"""Two rules that choose a teacher: the one that finds good students more often, by draws and seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from w2s.claims import more_hits


def draws(first: float, second: float, seeds: int = 24) -> pd.DataFrame:
    """Five teachers in three draws of every seed; each rule knows the best one in a share of the draws, and else takes the worst."""
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(
        [(s, t, k) for s in range(seeds) for t in range(3) for k in range(5)], columns=["seed", "task", "teacher"]
    )
    rows["student_error"] = 1.0 + rows["teacher"]
    for name, share in (("first", first), ("second", second)):
        knows = np.repeat(rng.random(3 * seeds) < share, 5)
        rows[name] = np.where(knows, rows["teacher"], -rows["teacher"])
    return rows


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [(0.9, 0.4, "holds"), (0.4, 0.9, "fails"), (0.7, 0.7, "unresolved"), (1.0, 1.0, "untestable")],
)
def test_the_better_rule_is_the_one_with_more_hits(first: float, second: float, outcome: str) -> None:
    found = more_hits(draws(first, second), "teacher", ("first", "second"), ["seed", "task"], 0.0)
    assert found.outcome == outcome, found.says
    if outcome != "untestable":
        assert found.statistic == pytest.approx(first - second, abs=0.15)
        assert found.seeds == 24


def test_the_second_best_is_a_hit_and_the_third_is_none() -> None:
    rows = draws(1.0, 1.0)
    for place, statistic in ((1, 0.0), (2, -1.0)):  # the second rule takes the best one
        rows["first"] = (rows["teacher"] - place).abs()
        assert more_hits(rows, "teacher", ("first", "second"), ["seed", "task"], 0.0).statistic == statistic


def test_both_shares_are_said() -> None:
    says = more_hits(draws(1.0, 0.0), "teacher", ("first", "second"), ["seed", "task"], 0.0).says
    assert "1.00 by first, 0.00 by second" in says
