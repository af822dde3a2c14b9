"""Values of an axis against a baseline: the numbers of `contrast`, one correction for the whole table, conclusions in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import w2s
from w2s.summary.compare import CONCLUSIONS
from w2s.summary.intervals import holm

SHIFTS = {"naive": 0.0, "good": -0.05, "bad": 0.08, "equal": 0.0, "copy": None}


def table(shifts=SHIFTS, tasks=("one", "two"), seeds=24, noise=0.02, seed=0):
    """Make rows of methods on tasks: errors that share a seed's own shift; None copies naive."""
    rng = np.random.default_rng(seed)
    rows = []
    for task in tasks:
        for number in range(seeds):
            common = rng.normal(0, 0.1)
            naive = 0.3 + common + rng.normal(0, noise)
            for name, shift in shifts.items():
                error = naive if name == "naive" or shift is None else 0.3 + common + shift + rng.normal(0, noise)
                row = {"task": task, "method": name, "seed": number, "status": "ok", "weak_error": 0.6 + common}
                rows.append(row | {"student_error": error, "ceiling_error": 0.1 + common, "gain": 0.6 + common - error})
    frame = pd.DataFrame(rows)
    frame.attrs["w2s"] = {"fields": ["task", "method", "seed"]}
    return frame


def test_it_says_which_methods_are_better():
    found = w2s.compare(table())
    said = found.set_index(["task", "method"])["conclusion"].to_dict()
    for task in ("one", "two"):
        assert said[task, "good"] == "better"
        assert said[task, "bad"] == "worse"
        assert said[task, "equal"] == "no significant difference"
        assert said[task, "copy"] == "the same"
    assert set(said.values()) <= set(CONCLUSIONS)
    assert found.attrs["w2s_compare"]["family"] == 6  # a copy has no test
    assert found.attrs["w2s_compare"]["better"] == "lower"


def test_numbers_are_those_of_contrast_and_holm_is_over_the_whole_table():
    rows = table()
    found = w2s.compare(rows)
    for name in ("good", "bad", "equal"):
        one = w2s.contrast(rows, {"method": name}, {"method": "naive"}, by=["task"])
        ours = found[found["method"] == name].reset_index(drop=True)
        for column in ("difference", "low", "high", "p_value", "pairs"):
            pd.testing.assert_series_equal(ours[column], one[column])
    np.testing.assert_array_equal(found["p_holm"], holm(found["p_value"]))


def test_more_is_better_for_gains_and_pgr():
    for metric in ("gain", "pgr"):
        found = w2s.compare(table(), metric=metric)
        assert found.attrs["w2s_compare"]["better"] == "higher"
        assert set(found.loc[found["method"] == "good", "conclusion"]) == {"better"}
    turned = w2s.compare(table(), better="higher")
    assert set(turned.loc[turned["method"] == "good", "conclusion"]) == {"worse"}


def test_the_order_of_rows_changes_nothing():
    rows = table()
    mixed = rows.sample(frac=1, random_state=3)
    keys = ["task", "method"]
    one, other = (w2s.compare(frame).sort_values(keys, ignore_index=True) for frame in (rows, mixed))
    pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=1e-9)


def test_a_failed_row_is_counted_and_a_method_with_one_pair_is_unknown():
    rows = table(seeds=3)
    rows.loc[(rows["method"] == "good") & (rows["seed"] > 0), "status"] = "failed"
    found = w2s.compare(rows).set_index(["task", "method"])
    assert (found.loc[("one", "good"), ["conclusion", "status", "excluded"]] == ["unknown", "one_pair", 2]).all()


def test_null_and_lists_are_values():
    rows = table({"naive": 0.0, "good": -0.05})
    rows["method"] = rows["method"].where(rows["method"] == "good", None)
    assert set(w2s.compare(rows, baseline=None)["conclusion"]) == {"better"}
    rows["method"] = [("a", "b") if name == "good" else ("a",) for name in rows["method"]]
    assert set(w2s.compare(rows, baseline=("a",))["conclusion"]) == {"better"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"baseline": "naife"}, "no row has method='naife' .did you mean 'naive'"),
        ({"over": "metod"}, "no column 'metod'"),
        ({"metric": "seed"}, "better='lower' or 'higher'"),
        ({"over": "seed", "baseline": 0}, "paired by"),
        ({"over": "task", "baseline": "one", "by": ["method", "seed"]}, "cannot group by"),
    ],
)
def test_what_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        w2s.compare(table(), **given)


def test_a_baseline_without_another_value_or_a_common_group_is_refused():
    with pytest.raises(ValueError, match="nothing to compare"):
        w2s.compare(table({"naive": 0.0}))
    rows = table({"naive": 0.0, "good": -0.05})
    rows = rows[(rows["task"] == "one") == (rows["method"] == "naive")]
    rows.attrs["w2s"] = {"fields": ["task", "method", "seed"]}
    with pytest.raises(ValueError, match=r"nothing to pair: .*share no"):
        w2s.compare(rows)


def wrong_tables(tables, seeds=20):
    """Count tables of twelve equal methods on two tasks in which any difference is called significant."""
    equal = {"naive": 0.0, **{f"m{k}": 0.0 for k in range(12)}}
    found = (
        w2s.compare(table(equal, seeds=seeds, seed=k))["conclusion"].isin(["better", "worse"]).any() for k in range(tables)
    )
    return sum(map(bool, found))


@pytest.mark.slow
def test_equal_methods_are_rarely_called_different():
    # At most one table in twenty; 400 tables: 20 +- 4.4, so 34 is three standard deviations above.
    assert wrong_tables(400) <= 34


def filtered(seeds=24):
    """Two ways to regularise, each with an axis of its own; the best ridge differs between tasks, and between even and odd seeds."""
    rng, rows = np.random.default_rng(3), []
    costs = {
        ("one", "ridge"): [0.3, 0.1, 0.2],
        ("two", "ridge"): [0.05, 0.1, 0.2],
        ("one", "flow"): [0.12, 0.3],
        ("two", "flow"): [0.3, 0.02],
    }
    for (task, way), means in costs.items():
        for place, mean in enumerate(means):
            for seed in range(seeds):
                error = mean + rng.normal(0, 0.01)
                strength = {"ridge": 10.0**-place, "time": None} if way == "ridge" else {"ridge": None, "time": 10.0**place}
                row = {"task": task, "filter": way, **strength, "seed": seed, "status": "ok", "weak_error": 0.6}
                rows.append(row | {"student_error": error, "ceiling_error": 0.01, "gain": 0.6 - error})
    frame = pd.DataFrame(rows)
    frame.attrs["w2s"] = {"fields": ["task", "filter", "ridge", "time", "seed"]}
    return frame


@pytest.mark.parametrize("metric", ["student_error", "gain"])
def test_each_side_takes_its_own_best_value_of_other_axes(metric):
    rows = filtered()
    found = w2s.compare(rows, "filter", "ridge", metric, best_over=["ridge", "time"]).set_index("task")
    chosen = {"one": (0.1, 1.0), "two": (1.0, 10.0)}
    for task, (ridge, time) in chosen.items():
        odd = rows[(rows["task"] == task) & (rows["seed"] % 2 == 1)].set_index("seed")
        difference = odd[odd["time"] == time][metric] - odd[odd["ridge"] == ridge][metric]
        np.testing.assert_allclose(found.loc[task, "difference"], difference.mean(), rtol=1e-12)
        assert found.loc[task, "pairs"] == 12
    better = {"one": "worse", "two": "better"}
    assert found["conclusion"].to_dict() == better


def test_a_value_is_chosen_on_even_seeds_alone():
    rows = filtered()
    odd = (rows["seed"] % 2 == 1) & (rows["task"] == "one") & (rows["ridge"] == 0.01)
    rows.loc[odd, "student_error"] = 0.0
    found = w2s.compare(rows, "filter", "ridge", best_over=["ridge", "time"]).set_index("task")
    assert found.loc["one", "baseline_mean"] == pytest.approx(0.1, abs=0.01)


def test_what_has_no_value_of_the_axis_stands_as_it_is():
    """A method without a ridge beside the best ridge of another: its rows of the odd seeds, whole."""
    rows = filtered()
    naive = rows[rows["ridge"] == 0.1].assign(filter="none", ridge=np.nan)
    naive["student_error"] = 0.5 + 0.001 * naive["seed"]
    naive["cell_id"] = [f"n{k}" for k in range(len(naive))]
    both = pd.concat([rows[rows["filter"] == "ridge"].drop(columns="time"), naive.drop(columns="time")], ignore_index=True)
    both.attrs = rows.attrs
    found = w2s.compare(both, "filter", "none", best_over="ridge", by="task").set_index("task")
    odd = naive[(naive["task"] == "one") & (naive["seed"] % 2 == 1)]
    assert found.loc["one", "baseline_mean"] == pytest.approx(odd["student_error"].mean())
    assert found["pairs"].tolist() == [12, 12]


def test_axes_that_nothing_shares_are_said_to_have_a_best_value():
    with pytest.raises(ValueError, match=r"share no ridge and no time; .* take its best ridge and time \(best_over\)"):
        w2s.compare(filtered(), "filter", "ridge")


def test_a_table_says_how_the_best_value_was_chosen():
    rows = filtered()
    rows.attrs["w2s"]["study"] = "dong2025.regression"
    from w2s.tabulate import comparison_table

    made = comparison_table(w2s.compare(rows, "filter", "ridge", best_over=["ridge", "time"]))
    (said,) = [note for note in made.notes if note.startswith("Each at its best ridge and time")]
    assert "least mean of student_error on even seeds" in said
