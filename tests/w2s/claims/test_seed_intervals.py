"""Functions of means over seeds: the numbers of the general path from the same draws, in little memory."""

from __future__ import annotations

import copy
import math
import pickle
import tracemalloc
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from w2s.claims import seed_intervals
from w2s.claims.resampled import Interval
from w2s.claims.seed_intervals import over_least, over_means, over_seeds, over_share
from w2s.measure.scales import CORRELATION, POSITIVE

INF = math.inf
COLUMNS = ["weak", "student", "ceiling"]
Matrix = np.ndarray


def errors(seeds: int, key: int = 0) -> tuple[Matrix, Matrix]:
    """Seeds in no order and errors (seeds, 3) of three models with shared noise."""
    rng = np.random.Generator(np.random.Philox(key=[seeds, key]))
    shared = 0.05 * rng.standard_normal((seeds, 1))
    return rng.permutation(3 * seeds)[:seeds], np.array([0.4, 0.3, 0.2]) + shared + 0.02 * rng.standard_normal((seeds, 3))


def general(seeds: Matrix, values: Matrix, statistic: Callable[[Matrix], float], **options: int):
    frame = pd.DataFrame(values, columns=COLUMNS).assign(seed=seeds)
    return over_seeds(frame, lambda rows: statistic(rows[COLUMNS].to_numpy().mean(axis=0)), **options)


def recovered(means: Matrix) -> float:
    return float((means[0] - means[1]) / (means[0] - means[2]))


STATISTICS: dict[str, Callable[[Matrix], float]] = {
    "mean": lambda means: float(means[1]),
    "ratio": recovered,
    "log": lambda means: float(np.log(means[0] / means[1])),
    "worst": lambda means: float(np.min(np.diff(means))),
    "median": lambda means: float(np.median(means**2)),
    "sometimes undefined": lambda means: float(means[1]) if means[1] < 0.31 else math.nan,
}


@pytest.mark.parametrize("seeds", [3, 8, 12, 301])
@pytest.mark.parametrize("name", STATISTICS)
def test_it_is_the_general_path(name: str, seeds: int) -> None:
    places, values = errors(seeds)
    slow = general(places, values, STATISTICS[name], resamples=200)
    fast = over_means(places, values, STATISTICS[name], resamples=200)
    assert fast[2] == slow[2] == seeds
    np.testing.assert_allclose([fast[0], *fast[1]], [slow[0], *slow[1]], rtol=1e-12, atol=0)


@pytest.mark.parametrize("held", [1, 700, 2**21])
def test_pieces_do_not_change_it(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    places, values = errors(97)
    slow = general(places, values, recovered, resamples=150)
    monkeypatch.setattr(seed_intervals, "_BLOCK", held)
    fast = over_means(places, values, recovered, resamples=150)
    np.testing.assert_allclose([fast[0], *fast[1]], [slow[0], *slow[1]], rtol=1e-12, atol=0)


def test_the_draws_are_a_function_of_the_number_of_seeds() -> None:
    """By hand: places from one stream, a resample after the other, in the order of the seeds."""
    places, values = errors(50)
    generator = np.random.Generator(np.random.Philox(key=[0xC1A1, 50]))
    ordered = values[np.argsort(places), 1]
    drawn = [float(ordered[generator.integers(50, size=50)].mean()) for _ in range(1000)]
    low, high = over_means(places, values[:, 1], float)[1]
    reach = 2.679952  # t(49) at 99 %
    se = math.sqrt(50 / 49) * float(np.std(drawn))
    centre, skewed = float(values[:, 1].mean()), (1 + 4 / 50) * stats.skew(values[:, 1], bias=False) / math.sqrt(50)
    lower, upper = (3 / skewed * (np.cbrt(1 + skewed * (q - skewed / 6)) - 1) for q in (-reach, reach))
    assert abs(skewed) > 0.01
    bias = float(np.mean(drawn)) - centre
    assert low == pytest.approx(min(centre - se * max(upper, reach), sorted(drawn)[3]) - max(bias, 0), abs=1e-7)
    assert high == pytest.approx(max(centre - se * min(lower, -reach), sorted(drawn)[-4]) - min(bias, 0), abs=1e-7)


def test_rows_of_a_drawn_seed_come_whole_and_under_new_numbers() -> None:
    """The general path against tables put together by hand, seeds of unequal numbers of rows in any order."""
    rng = np.random.Generator(np.random.Philox(key=12))
    table = pd.DataFrame({"seed": rng.choice([3, 4, 8, 11, 20, 21, 30, 41], size=60), "value": rng.standard_normal(60)})
    seen: list[pd.DataFrame] = []

    def kept(rows: pd.DataFrame) -> float:
        seen.append(rows)
        return float(rows["value"].mean())

    assert over_seeds(table, kept, resamples=30)[2] == 8
    generator = np.random.Generator(np.random.Philox(key=[0xC1A1, 8]))
    assert seen[0] is table
    assert len(seen) == 1 + 30 + 8
    for k, found in enumerate(seen[1:]):
        places = generator.integers(8, size=8) if k < 30 else np.delete(np.arange(8), k - 30)
        names = [sorted(set(table["seed"]))[place] for place in places]
        parts = [table[table["seed"] == name].assign(seed=2 * k + name % 2) for k, name in enumerate(names)]
        pd.testing.assert_frame_equal(found, pd.concat(parts))


def test_halves_are_means_of_indicators() -> None:
    """Chosen on even seeds, reported on odd ones, as a statistic of a table would do it."""
    places, values = errors(60)

    def of_table(rows: pd.DataFrame) -> float:
        odd = rows["seed"].to_numpy() % 2 == 1
        table = rows[COLUMNS].to_numpy()
        return float(table[odd].mean(axis=0)[int(table[~odd].mean(axis=0).argmin())])

    def of_means(means: Matrix) -> float:
        even, odd = means[:, :-1] / means[:, -1:]
        return float(odd[int(even.argmin())])

    parts = np.stack([1 - places % 2, places % 2], axis=1)[:, :, None]
    fast = over_means(places, np.concatenate([parts * values[:, None, :], parts], axis=2), of_means, resamples=300)
    slow = over_seeds(pd.DataFrame(values, columns=COLUMNS).assign(seed=places), of_table, resamples=300)
    np.testing.assert_allclose([fast[0], *fast[1]], [slow[0], *slow[1]], rtol=1e-12, atol=0)


def test_missing_entries_are_missing_where_they_are_drawn() -> None:
    places, values = errors(8)
    values[2, 1], values[4, 2] = math.nan, math.inf
    first = over_means(places, values, lambda means: float(means[0]), resamples=100)
    assert np.isfinite(first[1]).all()
    assert over_means(places, values, lambda means: float(means[1]), resamples=100)[1] == (-INF, INF)

    seen: list[Matrix] = []

    def kept(means: Matrix) -> float:
        seen.append(means)
        return float(means[0])

    over_means(places, values, kept, resamples=100)
    share = np.isnan(seen[1:101]).mean(axis=0)
    assert np.isnan(seen[0]).tolist() == [False, True, True]
    assert share[0] == 0
    assert np.all(np.abs(share[1:] - (1 - (7 / 8) ** 8)) < 0.2)  # 0.656, four standard errors of 100 resamples
    assert np.isnan(seen[101:]).sum(axis=0).tolist() == [0, 7, 7]  # left out once each


def test_seeds_that_all_say_the_same_leave_what_their_number_leaves() -> None:
    value, interval, _ = over_means(range(9), np.full(9, 0.1), float)
    assert (value, interval, interval.status) == (pytest.approx(0.1), (-INF, INF), "tied")
    _, interval, _ = over_means(range(11), np.tile([0.3, 0.7], (11, 1)), lambda means: float(means[0] / means[1]))
    assert interval == (-INF, INF)
    # A law with nine equal draws in one of a hundred samples says this in .01^(1/9) = .5995 of the cases.
    _, interval, _ = over_means(range(9), np.full(9, 0.5), float, scale=CORRELATION)
    assert interval == (pytest.approx(0.5 - 1.5 * 0.4005157, abs=1e-6), pytest.approx(0.5 + 0.5 * 0.4005157, abs=1e-6))
    _, interval, _ = over_means(range(9), np.full(9, 1.0), float, scale=POSITIVE)
    assert interval == (pytest.approx(0.5994843, abs=1e-6), INF)


def test_ends_stay_where_the_statistic_can_be() -> None:
    rng = np.random.default_rng(5)
    weak = rng.standard_normal((9, 5))
    pairs = np.stack([weak, weak + 0.7 * rng.standard_normal((9, 5))], axis=1)

    def correlation(means: Matrix) -> float:
        return float(np.corrcoef(means)[0, 1])

    _, (low, high), _ = over_means(range(9), pairs, correlation, scale=CORRELATION)
    plain = over_means(range(9), pairs, correlation)[1]
    assert -1 <= low < high <= 1
    assert plain[0] < -1 or plain[1] > 1
    errors_ = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.0, 0.9])
    assert over_means(range(8), errors_, float)[1][0] < 0
    assert over_means(range(8), errors_, float, scale=POSITIVE)[1][0] == 0.0


def test_skewed_numbers_reach_farther_up() -> None:
    squares = np.random.default_rng(8).standard_normal(16) ** 2
    value, (low, high), _ = over_means(range(16), squares, float)
    half = 2.947 * float(np.std(squares, ddof=1)) / 4  # t(15) at 99 %
    assert high > value + 1.5 * half
    assert low >= value - 1.2 * half


def test_shares_by_hand() -> None:
    """Clopper and Pearson's ends of k of n: the beta quantiles; all equal: (1 - level)/2 to the power 1/n."""
    hits = np.array([1, 1, 1, 0, 1, 0, 1, 1, 1, 1], dtype=float)
    value, (low, high), seeds = over_share(range(10), hits, level=0.95)
    trials = 9 * (1.959964 / 2.262157) ** 2  # p (1 - p) n / s^2 = n - 1 for zeros and ones, then the quantiles' ratio squared
    assert (value, seeds) == (0.8, 10)
    assert low == pytest.approx(stats.beta.ppf(0.025, 0.8 * trials, 0.2 * trials + 1), rel=1e-5)
    assert high == pytest.approx(stats.beta.ppf(0.975, 0.8 * trials + 1, 0.2 * trials), rel=1e-5)
    assert over_share(range(40), np.ones(40))[1] == (pytest.approx(0.005 ** (1 / 40)), 1.0)
    assert over_share(range(40), np.zeros(40))[1] == (0.0, pytest.approx(1 - 0.005 ** (1 / 40)))
    assert over_share(range(7), np.ones(7))[1].status == "few_seeds"
    with pytest.raises(ValueError, match="lies in"):
        over_share(range(9), np.full(9, 1.1))
    with pytest.raises(ValueError, match="one entry per seed"):
        over_share([1] * 9, np.ones(9))


def test_an_interval_keeps_its_status() -> None:
    interval = Interval(1.0, 2.0, "tied")
    assert (pickle.loads(pickle.dumps(interval)).status, copy.deepcopy(interval).status) == ("tied", "tied")
    assert (-interval, (-interval).status) == ((-2.0, -1.0), "tied")


def test_few_seeds_decide_nothing() -> None:
    assert over_means([3], [0.5], float) == (0.5, (-INF, INF), 1)
    seven = over_means(range(7), np.arange(7.0), float)
    assert (seven[0], seven[1], seven[1].status) == (3.0, (-INF, INF), "few_seeds")
    assert math.isfinite(over_means(range(8), np.arange(8.0), float)[1][0])
    value, interval, seeds = over_means([], np.empty((0, 2)), float)
    assert math.isnan(value)
    assert (interval, seeds) == ((-INF, INF), 0)


@pytest.mark.parametrize(("seeds", "entries"), [([1, 2, 2], 3), ([1, 2, 3], 2)])
def test_every_seed_has_one_entry(seeds: list[int], entries: int) -> None:
    with pytest.raises(ValueError, match="one entry per seed"):
        over_means(seeds, np.zeros(entries), float)


def test_many_seeds_take_little_memory() -> None:
    values = np.random.Generator(np.random.Philox(key=9)).standard_normal((100_000, 4))
    tracemalloc.start()
    over_means(np.arange(100_000), values, lambda means: float(means[0]), resamples=60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20  # counts of all resamples would be 48 MB, their copies of the table 190 MB


def test_the_least_of_several_has_the_ends_of_each() -> None:
    values = np.random.default_rng(5).exponential(size=(12, 3)) + np.array([0.0, 0.1, 5.0])
    value, interval, seeds = over_least(range(12), values, lambda means: means)
    assert (value, seeds, interval.status) == (values.mean(axis=0).min(), 12, "ok")
    alone = [over_means(range(12), values[:, k], float)[1] for k in range(3)]
    assert interval[0] == pytest.approx(min(low for low, _ in alone), abs=1e-12)
    wider = [over_means(range(12), values[:, k], float, level=1 - 0.01 / 6)[1] for k in range(3)]
    assert interval[1] == pytest.approx(min(high for _, high in wider), abs=1e-12)


def test_the_least_of_several_where_one_is_constant_or_has_no_value() -> None:
    values = np.repeat(np.random.default_rng(6).normal(size=(9, 1)), 2, axis=1)
    values[:, 1] = 7.0
    above, same = over_least(range(9), values, lambda means: means)[1], over_means(range(9), values[:, 0], float)[1]
    assert above.status == "ok"
    assert above[0] == pytest.approx(same[0], abs=1e-12)
    assert over_least(range(9), values - [0.0, 20.0], lambda means: means)[1].status == "tied"
    assert over_least(range(9), values, lambda means: np.append(means, np.nan))[1].status == "undefined"
    assert over_least(range(7), values[:7], lambda means: means)[1].status == "few_seeds"


def test_a_correlation_that_is_hardly_resolved_says_so() -> None:
    values = np.random.default_rng(7).normal(size=8) * 0.9
    assert over_means(range(8), values, np.tanh, scale=CORRELATION)[1].status == "wide"
    assert over_means(range(8), values / 20, np.tanh, scale=CORRELATION)[1].status == "ok"
