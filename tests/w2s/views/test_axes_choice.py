"""Every axis of a table is shown, selected, reduced, held or follows; else there is an error that says what can be done."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from w2s.figures.symbols import fields_of_symbol
from w2s.summary.digits import column_decimals, decimals, fewest_digits, interval_digits
from w2s.views import AxesError, rows_of, view


def table(**axes: list[object]) -> pd.DataFrame:
    """Return rows of a product of axes with four seeds; the error falls with every axis of numbers."""
    frame = pd.MultiIndex.from_product([*axes.values(), range(4)], names=[*axes, "seed"]).to_frame(index=False)
    rng = np.random.Generator(np.random.Philox(key=5))
    ridge = frame["ridge"].to_numpy(float) if "ridge" in frame else 0.0
    frame["weak_error"], frame["ceiling_error"] = 0.5 + 0.02 * rng.random(len(frame)), 0.1
    frame["student_error"] = 0.3 + (np.nan_to_num(ridge) - 0.1) ** 2 + 0.01 * rng.random(len(frame))
    frame["gain"] = frame["weak_error"] - frame["student_error"]
    frame["status"] = "ok"
    frame.attrs["w2s"] = {"fields": [*axes, "seed"], "axes": list(axes), "metrics": ["student_error", "gain"]}
    return frame


ROWS = table(ridge=[0.01, 0.1, 1.0], d_weak=[20, 50], labels=["hard", "soft"])


def test_an_axis_of_which_nothing_is_said_is_an_error_with_three_ways() -> None:
    with pytest.raises(AxesError) as error:
        view(ROWS, ["ridge"])
    said = str(error.value)
    assert "2 axes have several values" in said
    assert "d_weak: 20, 50" in said
    assert "labels: hard, soft" in said
    for way in ("show it (x, y, panel or color", "select a value (d_weak=20)", "best value (best-over d_weak)"):
        assert way in said
    with pytest.raises(AxesError, match="an axis has several values and is neither shown nor reduced:\n  labels"):
        view(ROWS, ["ridge", "d_weak"])


def test_each_of_the_three_ways_is_one() -> None:
    assert view(ROWS, ["ridge", "d_weak", "labels"]).held == {}
    selected = view(ROWS, ["ridge"], select={"d_weak": "50", "labels": "soft"})
    assert (len(selected.rows), selected.held) == (12, {"d_weak": "50", "labels": "soft"})
    several = view(ROWS, ["ridge", "d_weak"], select={"d_weak": [20, 50], "labels": "soft"})
    assert len(several.rows) == 24
    reduced = view(ROWS, ["d_weak"], select={"labels": "soft"}, best_over="ridge")
    summary = reduced.summary(["gain"])
    assert list(summary["ridge"]) == [0.1, 0.1]
    (line,) = [line for line in reduced.says(summary) if line.startswith("Best ridge")]
    assert line == (
        "Best ridge: chosen by the least mean of student_error on the 2 even seeds, for each setting; the numbers are those of "
        "the odd seeds."
    )
    assert view(ROWS, [], each=True).shown == ("ridge", "d_weak", "labels")


def test_an_axis_that_the_shown_ones_decide_follows() -> None:
    rows = ROWS.assign(n_labeled=ROWS["d_weak"] * 2)
    rows.attrs["w2s"] = {**ROWS.attrs["w2s"], "fields": [*ROWS.attrs["w2s"]["fields"], "n_labeled"]}
    found = view(rows, ["ridge", "d_weak", "labels"])
    assert found.follows == {"n_labeled": "40, 100"}
    assert "n_labeled follows the axes shown: 40, 100." in found.says(found.summary(["gain"]))
    with pytest.raises(AxesError, match="n_labeled"):
        view(rows, ["ridge", "labels"], best_over=())


def test_rows_without_a_number_on_an_axis_of_numbers_are_named() -> None:
    rows = pd.concat([ROWS, ROWS[ROWS["ridge"] == 1.0].assign(ridge=np.nan)], ignore_index=True)
    rows.attrs = ROWS.attrs
    found = view(rows, ["ridge", "d_weak", "labels"], numbers=["ridge"])
    assert "16 rows without ridge are left out." in found.says(found.summary(["gain"]))


@pytest.mark.parametrize(
    ("shown", "more", "message"),
    [
        (["rigde"], {}, "no axis 'rigde' to be shown .did you mean 'ridge'.*; axes with several values: ridge, d_weak, labels"),
        (["gain"], {}, "'gain' cannot be shown: it is a result"),
        (["seed"], {}, "seeds are the replicates"),
        (["ridge"], {"select": {"labels": "sofd"}}, "no row left has labels=sofd .did you mean 'soft'"),
        (["ridge"], {"select": {"d_weak": "21"}}, "no row left has d_weak=21; d_weak has 20, 50"),
        (["ridge"], {"select": {"d_weak": "many"}}, "d_weak='many' is no number; d_weak has 20, 50"),
        (["ridge"], {"best_over": "ridge"}, "both shown and reduced"),
        (["ridge"], {"best_over": "depth"}, "no axis 'depth' to be reduced"),
    ],
)
def test_words_that_do_not_fit_are_errors(shown: list[str], more: dict[str, object], message: str) -> None:
    with pytest.raises(AxesError, match=message):
        view(ROWS, shown, **more)  # type: ignore[arg-type]


def test_a_table_that_has_lost_its_metadata_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"lost its metadata.*w2s.concat"):
        rows_of(pd.concat([ROWS.assign(x=1), ROWS.assign(x=2)]).rename_axis(None).pipe(pd.DataFrame.copy).pipe(_bare))
    with pytest.raises(ValueError, match="has no rows"):
        rows_of(ROWS[:0])


def _bare(frame: pd.DataFrame) -> pd.DataFrame:
    frame.attrs = {}
    return frame


@pytest.mark.parametrize(
    ("half", "places"), [(0.055, 2), (0.012, 3), (0.02, 2), (40.0, 0), (1.5, 1), (0.0, None), (np.inf, None), (np.nan, None)]
)
def test_decimals_follow_the_half_width(half: float, places: int | None) -> None:
    assert decimals(half) == places


@pytest.mark.parametrize(
    ("numbers", "status", "text"),
    [
        ((0.5731, 0.52, 0.63), "ok", "0.57 [0.52, 0.63]"),
        ((0.5731, 0.561, 0.585), "ok", "0.573 [0.561, 0.585]"),
        ((-0.001, -0.02, 0.02), "ok", "0.00 [-0.02, 0.02]"),
        ((1.23456e-7, 1.2e-7, 1.26e-7), "ok", "1.23e-07 [1.20e-07, 1.26e-07]"),
        ((0.18, -0.041, 0.401), "ok", "0.18 [-0.04, 0.40]"),
        ((0.3, -1e-9, 0.6), "ok", "0.3 [-0.0, 0.6]"),
        ((0.3, 1e-9, 0.6), "ok", "0.3 [+0.0, 0.6]"),
        ((0.3, 0.0, 0.6), "ok", "0.3 [0.0, 0.6]"),
        ((0.4, np.nan, np.nan), "one_seed", "0.4 (one seed)"),
        ((np.nan, np.nan, np.nan), "gap_nonpositive", "gap nonpositive"),
    ],
)
def test_numbers_have_the_digits_of_their_interval(numbers: tuple[float, float, float], status: str, text: str) -> None:
    assert interval_digits(*numbers, status) == text


def test_a_column_has_one_number_of_decimals() -> None:
    ends = [(-0.041, 0.401), (0.11, 0.25), (0.2, 0.8), (None, None)]
    assert column_decimals(ends) == 2
    assert interval_digits(0.5, 0.2, 0.8, "ok", column_decimals(ends)) == "0.50 [0.20, 0.80]"
    assert column_decimals([(0.2, 0.8), (0.1, 0.9), (0.50001, 0.50003)]) == 3, (
        "one narrow interval does not lengthen all others"
    )
    assert column_decimals([(np.nan, np.nan)]) is None


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1e-5, 3.16227766017, 10.0], ["1e-05", "3.2", "10"]),
        ([0.101, 0.102, 5.0], ["0.101", "0.102", "5"]),
        ([0.5, np.nan, 120.0], ["0.5", "nan", "120"]),
    ],
)
def test_numbers_are_told_apart_by_few_digits(values: list[float], texts: list[str]) -> None:
    assert fewest_digits(values) == texts


@pytest.mark.parametrize(
    ("word", "fields"),
    [("lambda", ["ridge"]), ("λ", ["ridge"]), ("n", ["n_labeled"]), ("N", ["n_transfer"]), ("d_w", ["d_weak"]), ("zeta", [])],
)
def test_symbols_of_figures_are_known_by_what_one_types(word: str, fields: list[str]) -> None:
    assert fields_of_symbol(word) == fields
    assert fields_of_symbol("eta") == ["step_size", "learning_rate"]
    assert fields_of_symbol("n_val") == ["n_validation"]
