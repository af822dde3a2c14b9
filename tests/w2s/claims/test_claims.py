"""Claims: what decides them, and that intervals come from seeds, never from rows."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from w2s import Cell, Claim, Figure, Study, Verdict
from w2s.claims.claim import above, below, decide, missing, untestable, within, worst
from w2s.claims.seed_intervals import LEVEL, over_seeds
from w2s.studies.registry import StudyError, checked, find_study, study_names

INF = math.inf


def seeded(seeds: int, rows: int, key: int, within_seed: float = 0.0) -> pd.DataFrame:
    """Rows whose seeds have normal effects of variance 1, and rows in them of variance ``within_seed``."""
    rng = np.random.Generator(np.random.Philox(key=key))
    value = np.repeat(rng.standard_normal(seeds), rows) + within_seed**0.5 * rng.standard_normal(seeds * rows)
    return pd.DataFrame({"seed": np.repeat(np.arange(seeds), rows), "value": value})


def mean(rows: pd.DataFrame) -> float:
    return float(rows["value"].mean())


@pytest.mark.parametrize(
    ("value", "interval", "over", "under"),
    [
        (2.0, (1.5, 2.5), "holds", "fails"),
        (0.5, (0.1, 0.9), "fails", "holds"),
        (1.1, (0.9, 1.3), "unresolved", "unresolved"),
        (1.0, (1.0, 1.0), "unresolved", "unresolved"),  # exactly at the threshold is neither above nor below
        (2.0, (2.0, 2.0), "holds", "fails"),
        (2.0, (-INF, INF), "unresolved", "unresolved"),
        (2.0, (2.5, 1.5), "unresolved", "unresolved"),  # a ratio's set that is no interval has crossed ends
        (2.0, (math.nan, math.nan), "unresolved", "unresolved"),
        (math.nan, (1.5, 2.5), "unresolved", "unresolved"),
        (INF, (INF, INF), "unresolved", "unresolved"),
    ],
)
def test_above_and_below(value: float, interval: tuple[float, float], over: str, under: str) -> None:
    assert above("it", value, interval, 1.0, 7).outcome == over
    assert below("it", value, interval, 1.0, 7).outcome == under


@pytest.mark.parametrize(
    ("value", "interval", "outcome", "threshold"),
    [
        (1.2, (1.1, 1.3), "holds", 1.0),
        (1.0, (1.0, 2.0), "holds", 1.0),
        (1.9, (1.8, 2.1), "unresolved", 2.0),
        (2.5, (2.1, 2.9), "fails", 2.0),
        (0.5, (0.1, 0.9), "fails", 1.0),
        (1.5, (0.0, 3.0), "unresolved", 1.0),
        (math.nan, (1.1, 1.3), "unresolved", 2.0),
    ],
)
def test_within(value: float, interval: tuple[float, float], outcome: str, threshold: float) -> None:
    verdict = within("it", value, interval, (1.0, 2.0), 7)
    assert (verdict.outcome, verdict.threshold, verdict.seeds) == (outcome, threshold, 7)


def test_a_verdict_says_its_numbers() -> None:
    assert above("gain", 2.0, (1.5, 2.5), 1.0, 7).says == "gain = 2 [1.5, 2.5] (asked: above 1; 7 seeds)"
    assert below("gain", 2.0, (2.0, 2.0), 1.0, 1).says == "gain = 2 (asked: below 1; 1 seed)"
    assert within("gain", 2.0, (1.0, 3.0), (1.5, 9.0), 7).says == "gain = 2 [1, 3] (asked: in [1.5, 9]; 7 seeds)"


def chosen(verdicts: list[Verdict]) -> Verdict:
    """The worst verdict but for how many it speaks for, which is all of them."""
    found = worst(verdicts, "nothing")
    assert (found.intervals, found.chance) == (sum(v.intervals for v in verdicts), pytest.approx(0.01 * found.intervals))
    return dataclasses.replace(found, intervals=1, chance=1.0 - LEVEL)


def test_the_worst_of_several_settings_decides() -> None:
    close, safe = above("close", 2.0, (1.1, 2.9), 1.0, 7), above("safe", 5.0, (4.0, 6.0), 1.0, 7)
    wide = above("wide", 0.9, (-50.0, 52.0), 1.0, 7)
    bad, worse = above("bad", 0.8, (0.7, 0.9), 1.0, 7), above("worse", 0.0, (-0.1, 0.1), 1.0, 7)
    assert chosen([safe, close]) == close
    assert chosen([safe, wide, close]) == wide
    assert chosen([wide, bad, safe, worse]) == worse  # an unresolved setting hides no failed one
    assert chosen([bad, untestable("no rows")]) == bad  # nor does one without rows
    assert worst([safe, untestable("no rows")], "nothing").outcome == "untestable"
    assert worst([], "nothing") == untestable("nothing")
    inside, edge = within("inside", 1.5, (1.4, 1.6), (1.0, 2.0), 7), within("edge", 1.9, (1.85, 1.95), (1.0, 2.0), 7)
    assert chosen([inside, edge]) == edge
    # The end of the interval decides, not the value: a far value with a wide interval may be the nearer fail.
    tight, loose = above("tight", 0.4, (0.3, 0.5), 1.0, 7), above("loose", 0.1, (-0.7, 0.9), 1.0, 7)
    assert chosen([loose, tight]) == tight


def test_an_interval_without_numbers_is_the_worst_of_the_unresolved_in_any_order() -> None:
    empty, wide = above("empty", math.nan, (math.nan, math.nan), 1.0, 7), above("wide", 1.0, (0.5, 1.5), 1.0, 7)
    assert [verdict.outcome for verdict in (empty, wide)] == ["unresolved", "unresolved"]
    assert chosen([wide, empty]) == empty
    assert chosen([empty, wide]) == empty


@pytest.mark.parametrize("seeds", [3, 12])
def test_intervals_cover_at_seed_level(seeds: int) -> None:
    """100 tables of 40 nearly equal rows per seed: the 99 % interval misses the truth once, at most five times (4 sd)."""
    missed = rows_missed = 0
    for key in range(100):
        table = seeded(seeds, 40, key, within_seed=0.01)
        by_seed = table.groupby("seed", as_index=False)["value"].mean()
        _, (low, high), count = over_seeds(by_seed, mean, resamples=200)
        assert count == seeds
        missed += not low <= 0.0 <= high
        half = 2.58 * table["value"].std() / len(table) ** 0.5
        rows_missed += abs(mean(table)) > half
    assert missed <= 5
    assert rows_missed > 50  # rows taken for independent would be wrong most of the time


def test_rows_of_a_seed_move_together() -> None:
    table = seeded(20, 50, key=1, within_seed=0.01)
    value, (low, high), seeds = over_seeds(table, mean, resamples=300)
    by_seed = table.groupby("seed", as_index=False)["value"].mean()
    value_of_means, ends_of_means, _ = over_seeds(by_seed, mean, resamples=300)
    assert (value, seeds) == (pytest.approx(value_of_means), 20)
    np.testing.assert_allclose((low, high), ends_of_means, rtol=1e-9)
    error = by_seed["value"].std() / 20**0.5
    assert 2.2 * error < (high - low) / 2 < 4.5 * error  # t(19) at 99 %: 2.86


def test_a_seed_drawn_twice_counts_twice() -> None:
    """Statistics that average per seed first must not fold the copies of a seed into one."""
    table = seeded(30, 4, key=2)
    plain = over_seeds(table, mean, resamples=300)
    grouped = over_seeds(table, lambda rows: float(rows.groupby("seed")["value"].mean().mean()), resamples=300)
    np.testing.assert_allclose(grouped[1], plain[1], rtol=1e-9)


def test_even_seeds_stay_even() -> None:
    table = pd.DataFrame({"seed": np.arange(40), "value": np.where(np.arange(40) % 2 == 0, 1.0, -1.0)})

    def even(rows: pd.DataFrame) -> float:
        return mean(rows[rows["seed"] % 2 == 0])

    value, interval, seeds = over_seeds(table, even, resamples=200)
    assert (value, interval.status, seeds) == (1.0, "tied", 40)


def test_the_same_table_gives_the_same_interval_in_any_order() -> None:
    table = seeded(12, 3, key=3)
    shuffled = table.iloc[::-1].reset_index(drop=True)
    first = over_seeds(table, mean, resamples=100)
    assert first == over_seeds(table, mean, resamples=100)
    np.testing.assert_allclose(over_seeds(shuffled, mean, resamples=100)[1], first[1])
    assert table.equals(seeded(12, 3, key=3))


def test_one_seed_decides_nothing() -> None:
    value, interval, seeds = over_seeds(seeded(1, 5, key=4), mean)
    assert (interval, seeds) == ((-INF, INF), 1)
    assert above("it", value, interval, value - 1, seeds).outcome == "unresolved"


def test_seeds_that_all_say_the_same_decide_nothing() -> None:
    table = pd.DataFrame({"seed": np.arange(9), "value": 0.1})
    value, interval, seeds = over_seeds(table, mean, resamples=100)
    assert (interval, interval.status) == ((-INF, INF), "tied")
    verdict = above("it", value, interval, 0.0, seeds)
    assert verdict.outcome == "unresolved"
    assert verdict.says.endswith("9 seeds, all the same)")


def test_what_is_not_finite_lies_beyond_both_ends() -> None:
    table = seeded(10, 2, key=5)

    def often_undefined(rows: pd.DataFrame) -> float:
        return math.nan if rows["value"].mean() > table["value"].mean() + 0.1 else mean(rows)

    assert over_seeds(table, often_undefined, resamples=200)[1] == (-INF, INF)
    value, interval, _ = over_seeds(table, lambda rows: math.nan, resamples=20)
    assert math.isnan(value)
    assert interval == (-INF, INF)


def claim(**changes: object) -> Claim:
    def test(rows: pd.DataFrame, thresholds: object) -> Verdict:
        return above("rows", float(len(rows)), (float(len(rows)),) * 2, thresholds["least"], 1)  # type: ignore[index]

    options: dict[str, object] = {"needs": {"x": 2}, "thresholds": {"least": 2.0}} | changes
    return Claim("many", "there are many rows", "Fig. 1", test, **options)  # type: ignore[arg-type]


def test_decide_leaves_failed_rows_out_and_takes_frozen_thresholds() -> None:
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "status": ["ok", "ok", "singular", "failed"]})
    assert decide(claim(), table).statistic == 3.0
    assert decide(claim(), table, {"least": 3.5}).outcome == "fails"
    with pytest.raises(KeyError):
        decide(claim(), table, {})


@pytest.mark.parametrize(
    ("needs", "says"),
    [
        ({"x": 2}, "needs 2 or more values of x, the table has 1"),
        ({"y": 1}, "needs values of y, the table has none"),
        ({"z": 1}, "needs values of z, the table has none"),
        ({"x": 1}, ""),
    ],
)
def test_what_a_table_lacks(needs: dict[str, int], says: str) -> None:
    table = pd.DataFrame({"x": [1.0, 1.0], "z": [None, None]})
    assert missing(claim(needs=needs), table) == says
    verdict = decide(claim(needs=needs), table)
    assert verdict.outcome == ("untestable" if says else "unresolved")
    assert decide(claim(needs={}), table.iloc[:0]).says == "the table has no rows"


@pytest.mark.parametrize(("seeds", "outcome"), [(7, "unresolved"), (8, "holds")])
def test_fewer_seeds_than_a_claim_asks_for_decide_nothing(seeds: int, outcome: str) -> None:
    def test(rows: pd.DataFrame, thresholds: object) -> Verdict:
        return above("rows", 3.0, (2.5, 3.5), 2.0, seeds)

    asked = Claim("many", "there are many rows", "Fig. 1", test, thresholds={"seeds": 8})
    found = decide(asked, pd.DataFrame({"x": [1.0]}))
    assert (found.outcome, found.statistic, found.interval) == (outcome, 3.0, (2.5, 3.5))
    assert found.says.endswith("too few seeds: 7, 8 needed") == (seeds == 7)
    assert decide(asked, pd.DataFrame({"x": [1.0]}), {"seeds": 7.0}).outcome == "holds"  # as it stood at launch


def test_points_leave_nothing_to_luck() -> None:
    resolved, open_, exact = (above("it", 2.0, ends, 1.0, 7) for ends in ((1.5, 2.5), (-INF, INF), (2.0, 2.0)))
    assert [(v.intervals, v.chance) for v in (resolved, open_)] == [(1, pytest.approx(0.01))] * 2
    assert [(v.intervals, v.chance) for v in (exact, untestable("no rows"))] == [(0, 0.0)] * 2
    # The worst of several speaks for all of them, whichever it is.
    fails = above("it", 0.0, (0.0, 0.0), 1.0, 7)
    assert (worst([resolved, fails, open_], "").outcome, worst([resolved, fails, open_], "").intervals) == ("fails", 2)


def test_a_test_without_an_interval_says_its_chance() -> None:
    by_rank = Verdict("holds", "p = 0.001", 0.001, (0.001, 0.001), 0.01, 9, chance=0.01)
    assert (by_rank.intervals, by_rank.chance) == (0, 0.01)
    found = worst([by_rank, above("it", 2.0, (1.5, 2.5), 1.0, 7)], "")
    assert (found.intervals, found.chance) == (1, pytest.approx(0.02))


@pytest.mark.parametrize("thresholds", [{"least": math.nan}, {"least": INF}, {"least": True}, {"least": "2"}])
def test_thresholds_are_numbers(thresholds: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="threshold 'least' must be a finite number"):
        claim(thresholds=thresholds)


def test_an_expected_failure_has_a_reason() -> None:
    with pytest.raises(ValueError, match="say why"):
        claim(expected="fails_at_this_scale")
    with pytest.raises(ValueError, match="not 'sometimes'"):
        claim(expected="sometimes", reason="who knows")
    known = claim(expected="fails_at_this_scale", reason="cells are small here")
    outcomes = ("holds", "fails", "unresolved", "untestable")
    assert [known.as_expected(Verdict(outcome, "")) for outcome in outcomes] == [False, True, False, False]
    assert [claim().as_expected(Verdict(outcome, "")) for outcome in outcomes] == [True, False, False, False]
    assert untestable("no rows").interval is None


@pytest.mark.parametrize(
    ("what", "given", "says"),
    [
        ("claims", (claim(), claim()), "'many' is listed twice"),
        ("claims", claim(), "claims must be a tuple of w2s.Claim"),
        ("claims", (Figure("f", "f", lambda table: None),), "must hold w2s.Claim only"),
        ("figures", (Figure("../f", "f", lambda table: None),), r"use letters, digits"),
        ("figures", (Figure("f", "f", lambda table: None),) * 2, "'f' is listed twice"),
    ],
)
def test_the_registry_looks_at_claims_and_figures(what: str, given: object, says: str) -> None:
    attributes = {
        "name": "made_up",
        "version": 1,
        "Cell": Cell,
        "cost": lambda self, block: None,
        "solve": lambda self, block, backend: {},
    }
    assert checked(type("MadeUp", (Study,), attributes))
    with pytest.raises(StudyError, match=says):
        checked(type("MadeUp", (Study,), attributes | {what: given}))


def test_every_claim_of_a_registered_study_says_where() -> None:
    for name in study_names():
        for made in find_study(name).claims:
            assert made.says
            assert made.where
