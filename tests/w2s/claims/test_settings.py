"""One statistic in every setting: the intervals are those of each setting alone, and the worst one decides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from w2s.claims import over_means
from w2s.claims.claim import Verdict, below
from w2s.claims.seed_intervals import over_several
from w2s.claims.settings import worst_setting


def table() -> pd.DataFrame:
    rng, rows = np.random.default_rng(0), []
    for d, seeds in ((10, range(12)), (20, range(12)), (30, range(3, 20))):
        rows += [
            {"d": d, "kind": None, "seed": s, "a": d + rng.random(), "b": 1 + rng.random()} for s in seeds for _ in range(2)
        ]
    return pd.DataFrame(rows)


def test_settings_have_the_intervals_that_they_have_alone() -> None:
    seen: dict[str, tuple[float, tuple[float, float], int]] = {}

    def judge(where: str, value: float, interval: tuple[float, float], seeds: int) -> Verdict:
        seen[where] = (value, interval, seeds)
        return below(f"ratio{where}", value, interval, 25.0, seeds)

    frame = table()
    found = worst_setting(frame, ["d", "kind"], ["a", "b"], lambda m: float(m[0] / m[1]), judge, "nothing")
    assert list(seen) == [" at d = 10", " at d = 20", " at d = 30"]
    for d, part in frame.groupby("d"):
        means = part.groupby("seed")[["a", "b"]].mean()
        value, interval, seeds = over_means(means.index, means.to_numpy(), lambda m: float(m[0] / m[1]))
        assert seen[f" at d = {d}"][0] == pytest.approx(value, rel=1e-12)
        assert seen[f" at d = {d}"][1] == pytest.approx(interval, rel=1e-9)
        assert seen[f" at d = {d}"][2] == seeds
    assert (found.outcome, found.intervals, "d = 30" in found.says) == ("holds", 3, True)


def test_rows_without_a_number_are_left_out() -> None:
    frame = table().assign(a=np.nan)
    found = worst_setting(frame, ["d"], ["a"], lambda m: float(m[0]), lambda *_: below("", 0, (0, 0), 1, 9), "nothing is there")
    assert (found.outcome, found.says) == ("untestable", "nothing is there")


def test_one_setting_has_no_name() -> None:
    frame = table().query("d == 10")
    found = worst_setting(
        frame, ["d"], ["a"], lambda m: float(m[0]), lambda at, *rest: below(f"a{at}", *rest[:2], 0.0, rest[2]), ""
    )
    assert found.outcome == "fails"
    assert found.says.startswith("a = ")


@pytest.mark.parametrize("seeds", [0, 5])
def test_few_seeds_decide_nothing(seeds: int) -> None:
    values = np.arange(2.0 * seeds).reshape(seeds, 2)
    found = over_several(range(seeds), values, lambda means: means)
    assert [interval.status for _, interval, _ in found] == ["few_seeds"] * (2 if seeds else 0)
