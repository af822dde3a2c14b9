"""Medians over comparisons and the worst task: seeds in common, shapes of their own, equality with a resampled table."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from w2s.claims import above, by_task, median_over, over_seeds, worst_task


@dataclass(frozen=True)
class Measured:
    """A setting with values of any shape."""

    seeds: tuple[int, ...]
    values: npt.NDArray[np.float64]


def measured(seeds: int, *shape: int, key: int) -> Measured:
    rng = np.random.Generator(np.random.Philox(key=key))
    return Measured(tuple(range(seeds)), rng.standard_normal((seeds, *shape)))


def test_a_median_equals_that_of_a_resampled_table() -> None:
    settings = [measured(9, 2, 3, key=1), measured(9, 4, key=2), measured(9, 1, key=3)]

    def statistic(comparison: tuple[Measured, ...], means: list[npt.NDArray[np.float64]]) -> float:
        assert [mean.shape for mean in means] == [setting.values.shape[1:] for setting in comparison]
        return float(means[0].sum())

    value, interval, seeds = median_over([(setting,) for setting in settings], statistic)
    sums = np.stack([setting.values.reshape(9, -1).sum(axis=1) for setting in settings], axis=1)
    table = pd.DataFrame(sums).assign(seed=range(9))
    expected = over_seeds(table, lambda rows: float(np.median(rows.to_numpy()[:, :3].mean(axis=0))))
    assert (value, seeds) == (pytest.approx(expected[0], rel=1e-12), expected[2])
    np.testing.assert_allclose(interval, expected[1], rtol=1e-9)


def test_only_seeds_that_all_settings_have_are_used() -> None:
    full, short = measured(6, 1, key=4), Measured((1, 3, 9), np.array([[1.0], [2.0], [900.0]]))
    value, _, seeds = median_over([(full, short)], lambda _, means: float(means[1][0]))
    assert (value, seeds) == (1.5, 2)
    value, interval, seeds = median_over([(full, Measured((7,), np.ones((1, 1))))], lambda _, means: float(means[0][0]))
    assert (math.isnan(value), interval, seeds) == (True, (-math.inf, math.inf), 0)


def task_rows(**levels: float) -> pd.DataFrame:
    rows = [{"task": task, "seed": seed, "value": level + 0.001 * seed} for task, level in levels.items() for seed in range(8)]
    found = pd.DataFrame(rows)
    found.attrs["w2s"] = {"fields": ["task"]}
    return found


def settings_of(rows: pd.DataFrame) -> list[Measured]:
    assert rows.attrs["w2s"]["fields"] == ["task"]  # what the table says of itself reaches every task
    return [Measured(tuple(rows["seed"]), rows[["value"]].to_numpy())]


def test_the_worst_task_speaks_for_all() -> None:
    rows = task_rows(good=2.0, bad=0.2, middling=1.5)
    assert [task for task, _ in by_task(rows, settings_of)] == ["bad", "good", "middling"]

    def judged(keep: float) -> str:
        return worst_task(
            rows,
            settings_of,
            lambda settings: [(setting,) for setting in settings if setting.values.mean() > keep],
            lambda _, means: float(means[0][0]),
            lambda what, value, interval, seeds: above(what, value, interval, 1.0, seeds),
            "nothing is compared",
        ).says

    assert judged(0.0).startswith("bad, median of 1 = 0.2035 ")
    assert judged(1.0).startswith("middling, median of 1 = 1.503 ")  # a task without a comparison has no say
    assert judged(9.0) == "nothing is compared"
