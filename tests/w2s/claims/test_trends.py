"""Trends along lines: steps and humps on tables that have them and on tables that have not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from made_rows import joined

from w2s.claims import hump, lines_along, steps
from w2s.claims.trends import Line


def table(curve: Sequence[float], seeds: int = 12, **fields: float) -> pd.DataFrame:
    """Rows whose ``top`` is a curve over ``x`` with a little noise and whose ``bottom`` is 2."""
    rng = np.random.Generator(np.random.Philox(key=len(curve)))
    rows = [
        {"x": x, "seed": seed, "top": y + 0.01 * rng.standard_normal(), "bottom": 2.0, **fields}
        for seed in range(seeds)
        for x, y in enumerate(curve)
    ]
    found = pd.DataFrame(rows)
    found.attrs["w2s"] = {"fields": ["x", *fields]}
    return found


def ratio(means: np.ndarray) -> np.ndarray:
    return np.asarray(means[:, 0] / means[:, 1])


def lines(rows: pd.DataFrame, least: int = 2) -> list[Line]:
    return lines_along(rows, "x", ["top", "bottom"], least)


RISING, FALLING, PEAKED = (1.0, 1.2, 1.4, 1.7, 2.0), (2.0, 1.7, 1.4, 1.2, 1.0), (1.0, 1.5, 2.0, 1.6, 1.1)


@pytest.mark.parametrize(
    ("curve", "rises", "falls", "has_hump"),
    [(RISING, "holds", "fails", "fails"), (FALLING, "fails", "holds", "fails"), (PEAKED, "fails", "fails", "holds")],
)
def test_each_shape_is_told_from_the_others(curve: tuple[float, ...], rises: str, falls: str, has_hump: str) -> None:
    found = lines(table(curve, seeds=40))  # of few seeds some resamples hold no even one
    assert steps(found, ratio, "it", rises=True, threshold=0.0, nothing="no line").outcome == rises
    assert steps(found, ratio, "it", rises=False, threshold=0.0, nothing="no line").outcome == falls
    assert hump(found, ratio, "it", threshold=0.0, nothing="no line").outcome == has_hump


def test_numbers_are_those_of_the_worst_line() -> None:
    rows = joined(table(RISING, n=1.0), table((1.0, 1.1, 1.2, 1.3, 1.4), n=2.0))
    verdict = steps(lines(rows), ratio, "it", rises=True, threshold=0.0, nothing="no line")
    assert verdict.statistic == pytest.approx(0.05, abs=0.01)  # steps of .1 over 2
    falling = steps(lines(rows), ratio, "it", rises=False, threshold=0.0, nothing="no line")
    assert falling.statistic == pytest.approx(0.15, abs=0.01)  # the largest rise of any line
    assert (falling.says[:18], verdict.says[:16]) == ("largest step of it", "least step of it")


def test_lines_of_unequal_seeds_are_judged_apart_and_the_farthest_fail_is_shown() -> None:
    mild, strong = table((1.0, 0.9), n=1.0), table((1.0, 0.2), seeds=9, n=2.0)
    for rows in (joined(mild, strong), joined(strong, mild)):
        verdict = steps(lines(rows), ratio, "it", rises=True, threshold=0.0, nothing="no line")
        assert (verdict.outcome, verdict.seeds) == ("fails", 9)
        assert verdict.statistic == pytest.approx(-0.4, abs=0.02)


def test_what_makes_a_line() -> None:
    rows = joined(table(RISING, n=1.0), table(PEAKED[:3], n=2.0), table(RISING, seeds=1, n=3.0))
    found = lines(rows, least=2)
    assert [(line.fields["n"], list(line.levels), len(line.seeds), line.values.shape) for line in found] == [
        (1.0, [0, 1, 2, 3, 4], 12, (12, 5, 2)),
        (2.0, [0, 1, 2], 12, (12, 3, 2)),
    ]
    assert [line.fields["n"] for line in lines(rows, least=5)] == [1.0]
    torn = rows[~((rows["n"] == 1.0) & (rows["seed"] == 3) & (rows["x"] == 2))]
    torn.attrs = rows.attrs
    assert [line.fields["n"] for line in lines(torn)] == [2.0]
    assert steps([], ratio, "it", rises=True, threshold=0.0, nothing="no line").says == "no line"


def test_a_peak_is_chosen_on_even_seeds_and_measured_on_odd_ones() -> None:
    flat = table((1.0, 1.0, 1.0, 1.0, 1.0), seeds=4)
    flat.loc[(flat["x"] == 1) & (flat["seed"] % 2 == 0), "top"] = 9.0  # a peak that odd seeds do not have
    verdict = hump(lines(flat), ratio, "it", threshold=0.0, nothing="no line")
    assert abs(float(verdict.statistic or 0)) < 0.05
    even = flat[flat["seed"] % 2 == 0]
    even.attrs = flat.attrs
    assert hump(lines(even), ratio, "it", threshold=0.0, nothing="no line").outcome == "unresolved"  # no odd seed


def test_a_line_without_a_value_leaves_the_verdict_open() -> None:
    """Whichever line it is: the least of some numbers and NaN is not the least of the numbers."""
    for nothing_in in (1.0, 2.0):
        rows = joined(table(RISING, n=1.0), table(RISING, n=2.0))
        rows.loc[rows["n"] == nothing_in, "bottom"] = np.nan
        assert steps(lines(rows), ratio, "it", rises=True, threshold=0.0, nothing="no line").outcome == "unresolved"
    found = lines(table(RISING))
    lead = lambda means: np.full(len(means), np.nan)  # noqa: E731
    assert steps(found, ratio, "it", rises=True, threshold=0.0, nothing="no line", lead=lead).outcome == "unresolved"


def test_a_lead_is_asked_for_at_every_step() -> None:
    found = lines(table(RISING))
    for least, outcome in ((0.9, "holds"), (1.1, "fails")):
        lead = lambda means, least=least: means[:, 0] - least  # noqa: E731
        assert steps(found, ratio, "it", rises=True, threshold=0.0, nothing="no line", lead=lead).outcome == outcome


def test_a_lead_is_asked_for_at_the_peak() -> None:
    found = lines(table(PEAKED, seeds=40))
    for lead, outcome in ((lambda means: means[:, 1], "holds"), (lambda means: means[:, 0] - 2.5, "fails")):
        assert hump(found, ratio, "it", threshold=0.0, nothing="no line", lead=lead).outcome == outcome
    only_there = hump(found, ratio, "it", threshold=0.0, nothing="no line", lead=lambda means: means[:, 0] - 1.7)
    assert only_there.outcome == "holds"  # 2.0 at the peak, less elsewhere
