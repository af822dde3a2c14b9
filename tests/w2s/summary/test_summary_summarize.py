"""summarize: hand values, accounting, invariances, statuses."""

import numpy as np
import pandas as pd
import pytest
from declared import summarize
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import python_calls

import w2s
from w2s.summary.intervals import fieller, mean_interval


def table(seeds=4, ridges=(0.1, 1.0, np.nan), seed=0):
    rng = np.random.default_rng(seed)
    rows = [(ridge, replicate) for ridge in ridges for replicate in range(seeds)]
    df = pd.DataFrame(rows, columns=["ridge", "seed"])
    n = len(df)
    df["weak_error"] = 1.0 + 0.1 * rng.standard_normal(n)
    df["student_error"] = 0.6 + 0.1 * rng.standard_normal(n)
    df["strong_error"] = 0.8 + 0.1 * rng.standard_normal(n)
    df["ceiling_error"] = 0.2 + 0.1 * rng.standard_normal(n)
    df["gain"] = df["weak_error"] - df["student_error"]
    df["misfit"] = rng.random(n)
    df["filter"] = np.where(df["ridge"].isna(), "flow", "ridge")
    df["status"], df["study"], df["version"], df["cell_id"] = "ok", "s", 1, [f"{i:x}" for i in range(n)]
    df["solver"], df["elapsed_s"] = "eigh", rng.random(n)
    return df


def test_an_interval_over_seeds_is_not_overwritten_by_that_of_rows_over_items():
    """Rows of finetunes hold intervals over test items; their columns are called as the ends of a summary are."""
    df = table()
    df["weak_error_01"], df["student_error_01"] = 0.3 + 0.01 * df["seed"], 0.2 + 0.02 * df["seed"]
    df["gain_01"] = df["weak_error_01"] - df["student_error_01"]
    plain = summarize(df)
    ends = {f"{name}_{end}": step for name in ("gain", "gain_01", "pgr") for end, step in (("low", -9.0), ("high", 9.0))}
    df = df.assign(**ends)
    numbers = df.select_dtypes("float").columns.drop(["ridge", "elapsed_s"])
    df.attrs["w2s"] = {"metrics": [*numbers], "fields": ["filter", "ridge"]}
    found = w2s.summarize(df, by=["ridge", "filter"])
    for name in ("gain", "gain_01", "pgr"):
        for end in ("", "_low", "_high"):
            np.testing.assert_array_equal(found[f"{name}{end}"], plain[f"{name}{end}"])
    assert not [name for name in found.columns if "_low_" in name or name.endswith(("_low_low", "_high_high"))]
    assert w2s.summarize(df, by="filter", metrics="gain_01_low")["gain_01_low"].eq(-9.0).all()
    with pytest.raises(ValueError, match="gain_01_low is also the name of an end of gain_01: ask for one of them"):
        w2s.summarize(df, by="filter", metrics=["gain_01", "gain_01_low"])


def test_means_intervals_and_ratio_equal_the_interval_functions():
    df = table()
    out = summarize(df, metrics=["gain", "pgr", "opr"])
    assert out["ridge"].isna().tolist() == [False, False, True]
    assert out["filter"].tolist() == ["ridge", "ridge", "flow"]
    for _, row in out.iterrows():
        part = df[df["ridge"].isna()] if np.isnan(row["ridge"]) else df[df["ridge"] == row["ridge"]]
        mean = mean_interval(part["gain"])
        ratio = fieller(part["gain"], part["weak_error"] - part["ceiling_error"])
        outdo = fieller(part["strong_error"], part["student_error"])
        np.testing.assert_allclose(row[["gain", "gain_low", "gain_high"]].tolist(), [mean.mean, mean.low, mean.high])
        np.testing.assert_allclose(row[["pgr", "pgr_low", "pgr_high"]].tolist(), [ratio.ratio, ratio.low, ratio.high])
        np.testing.assert_allclose(row[["opr", "opr_low", "opr_high"]].tolist(), [outdo.ratio, outdo.low, outdo.high])
        each = part["gain"] / (part["weak_error"] - part["ceiling_error"])
        assert row["pgr_mean_of_ratios"] == pytest.approx(each.mean())
    assert (out["pgr_status"] == "ok").all()
    assert out[["rows", "seeds", "excluded"]].to_numpy().tolist() == [[4, 4, 0]] * 3


def test_by_none_takes_the_fields_that_vary():
    df = table()
    assert list(summarize(df, metrics="gain").columns[:3]) == ["ridge", "filter", "rows"]
    df.attrs["w2s"] = {"fields": ["ridge", "seed", "absent"], "metrics": ["gain"]}
    out = summarize(df)
    assert list(out.columns[:2]) == ["ridge", "rows"]
    assert "gain_low" in out
    assert "misfit" not in out
    both = summarize(pd.concat([df.assign(version=1), df.assign(version=2)]), metrics="gain")
    assert list(both.columns[:3]) == ["version", "ridge", "rows"]  # versions are never pooled in silence


def test_rows_of_a_seed_are_one_observation():
    df = pd.DataFrame({"seed": [0, 0, 0, 1], "gain": [1.0, 2.0, 3.0, 4.0], "x": [1, 2, 3, 1]})
    out = summarize(df, by=[], metrics="gain", level=0.5)
    assert out.loc[0, ["gain", "gain_low", "gain_high"]].tolist() == pytest.approx([3.0, 2.0, 4.0])
    assert out.loc[0, ["rows", "seeds", "gain_seeds"]].tolist() == [4, 2, 2]


def test_pgr_is_the_ratio_of_means_not_the_mean_of_ratios():
    df = pd.DataFrame({"seed": [0, 1, 2], "weak_error": [1.0, 1.0, 1.0], "student_error": [0.9, 0.5, 0.7]})
    df["ceiling_error"] = [0.8, 0.0, 1.1]
    out = summarize(df, metrics="pgr").loc[0]
    assert out["pgr"] == pytest.approx(0.9 / 1.1)
    assert out["pgr_mean_of_ratios"] == pytest.approx((0.5 + 0.5) / 2)  # the third seed has no gap: counted out
    assert out["pgr_mean_of_ratios_seeds"] == 2
    assert out["pgr_seeds"] == 3
    assert out["pgr_gap"] == pytest.approx(1.1 / 3)


def flipped(own="pgr_flip_01", student="student_flip_error_01"):
    """Eight seeds of which the last has no gap; the column holds the PGR of every seed, as rows do."""
    gap = np.array([0.10, 0.22, 0.15, 0.18, 0.13, 0.20, 0.16, -0.01])
    df = pd.DataFrame({"seed": range(8), "weak_error_01": 0.3 + gap / 4, "ceiling_error_01": 0.3 - 3 * gap / 4})
    share = np.array([0.8, 0.7, 0.9, 0.6, 0.7, 0.8, 0.9, 3.0])
    df["student_error_01"], df[student] = df["weak_error_01"] - 0.5 * gap, df["weak_error_01"] - share * gap
    df[own] = np.where(gap > 0, share, np.nan)
    return df


def test_pgr_of_another_student_is_a_ratio_of_means_too():
    df = flipped()
    out = summarize(df).loc[0]
    weak, ceiling, student = (df[name] for name in ("weak_error_01", "ceiling_error_01", "student_flip_error_01"))
    exact = fieller(weak - student, weak - ceiling)
    assert out["pgr_flip_01"] == pytest.approx(float((weak - student).sum() / (weak - ceiling).sum()))
    np.testing.assert_allclose(out[["pgr_flip_01_low", "pgr_flip_01_high"]].tolist(), [exact.low, exact.high])
    assert (out["pgr_flip_01_seeds"], out["pgr_flip_01_mean_of_ratios_seeds"]) == (8, 7)
    assert out["pgr_flip_01_gap"] == pytest.approx(out["pgr_01_gap"])
    assert out["pgr_flip_01_mean_of_ratios"] == pytest.approx(5.4 / 7)
    # The gain that is stored is that of the student, not of another one.
    assert summarize(df.assign(gain_01=0.0)).loc[0, "pgr_flip_01"] == pytest.approx(out["pgr_flip_01"])
    without = summarize(df.assign(student_flip_error_01=np.nan, pgr_flip_01=np.nan))
    assert "pgr_flip_01" not in without  # a grid without the control
    assert "pgr_01" in without


def test_a_study_declares_a_pgr_of_its_own():
    named, plain = flipped(), flipped("pgr_mine_01", "student_mine_error_01")
    declared = plain.copy()
    declared.attrs["w2s"] = {"fields": [], "metrics": ["pgr_mine_01"], "pgr": {"pgr_mine_01": "student_mine_error_01"}}
    wanted, found = summarize(named).loc[0], summarize(declared).loc[0]
    suffixes = ("", "_low", "_high", "_status", "_gap", "_mean_of_ratios")
    assert [found[f"pgr_mine_01{end}"] for end in suffixes] == [wanted[f"pgr_flip_01{end}"] for end in suffixes]
    mean = summarize(plain, by=[], metrics="pgr_mine_01").loc[0]  # undeclared, it is a number like any other
    assert mean["pgr_mine_01"] == pytest.approx(5.4 / 7)
    assert "pgr_mine_01_gap" not in mean
    with pytest.raises(ValueError, match="no column 'student_mine_error_01' \\(for pgr_mine_01\\)"):
        summarize(declared.drop(columns="student_mine_error_01"), metrics="pgr_mine_01")


def test_stored_gain_is_preferred_to_the_difference():
    df = pd.DataFrame({"seed": [0, 1], "weak_error": 1.0, "student_error": 1.0, "gain": [1e-18, 3e-18], "ceiling_error": 0.5})
    assert summarize(df, metrics="pgr").loc[0, "pgr"] == pytest.approx(4e-18, rel=1e-12)


def ratio_table(gaps):
    n = len(gaps)
    df = pd.DataFrame({"seed": range(n), "weak_error": 1.0, "student_error": np.linspace(0.8, 0.9, n)})
    return df.assign(ceiling_error=1.0 - np.array(gaps))


@pytest.mark.parametrize("method", ["fieller", "bootstrap"])
@pytest.mark.parametrize(
    ("gaps", "status", "finite"),
    [
        ([0.5, 0.6, 0.7, 0.6], "ok", True),
        ([0.5, -0.4, 0.6, -0.3], "gap_unresolved", True),
        ([-0.5, -0.4, 0.6, -0.3], "gap_nonpositive", False),
        ([0.5], "one_seed", True),
        ([-0.5], "gap_nonpositive", False),
        ([0.0, 0.0], "gap_nonpositive", False),
        ([np.nan], "no_seeds", False),
    ],
)
def test_pgr_statuses(gaps, status, finite, method):
    out = summarize(ratio_table(gaps), metrics="pgr", method=method).loc[0]
    few = method == "bootstrap" and status == "ok"  # four seeds
    assert out["pgr_status"] == ("few_seeds" if few else status)
    assert np.isfinite(out["pgr"]) == finite
    assert np.isfinite([out["pgr_low"], out["pgr_high"]]).tolist() == [status == "ok"] * 2
    assert out["rows"] == len(gaps)


def test_opr_words_and_01_columns():
    df = ratio_table([0.5, 0.6, 0.7])
    df["strong_error"], df["student_error"] = 0.4, [0.1, -0.5, 0.1]
    assert summarize(df, metrics="opr").loc[0, "opr_status"] == "student_nonpositive"
    df["student_error"] = [0.1, -0.1, 0.1]
    assert summarize(df, metrics="opr").loc[0, "opr_status"] == "student_unresolved"
    renamed = ratio_table([0.5, 0.6, 0.7]).rename(columns=lambda name: name if name == "seed" else f"{name}_01")
    plain = summarize(ratio_table([0.5, 0.6, 0.7]), metrics="pgr")
    assert summarize(renamed).loc[0, "pgr_01_high"] == plain.loc[0, "pgr_high"]


def test_one_seed_has_means_and_null_intervals():
    out = summarize(table(seeds=1), metrics=["gain", "pgr"])
    assert out["status"].tolist() == ["one_seed"] * 3
    assert out[["gain", "pgr"]].notna().all(axis=None)
    assert out[["gain_low", "gain_high", "pgr_low", "pgr_high"]].isna().all(axis=None)


def test_excluded_rows_are_counted_whatever_the_reason():
    df = table(seeds=6, ridges=(0.1, 1.0))
    df.loc[0, "status"] = "failed"
    df.loc[1, "status"] = "nonfinite"
    df.loc[2, "student_error"] = np.nan
    df.loc[3, "misfit"] = np.inf
    df.loc[4, "status"] = "ill_conditioned"
    df.loc[6:, "strong_error"] = np.nan  # the second group has no strong baseline: not a loss
    df.loc[6, "status"] = "singular"
    out = summarize(df, metrics=["student_error", "misfit", "strong_error"])
    assert out["excluded"].tolist() == [4, 0]
    assert out["seeds"].tolist() == [4, 6]
    assert out["student_error_excluded"].tolist() == [3, 0]
    assert out["misfit_excluded"].tolist() == [3, 0]
    assert out["strong_error_excluded"].tolist() == [2, 6]
    for name in ("student_error", "misfit", "strong_error"):  # one row per seed here
        assert (out[f"{name}_seeds"] + out[f"{name}_excluded"] == out["rows"]).all()


def test_a_group_that_failed_as_a_whole_stays_in_the_table():
    df = table()
    df.loc[df["ridge"] == 1.0, "status"] = "failed"
    out = summarize(df, metrics=["gain", "pgr"])
    assert out["status"].tolist() == ["ok", "no_seeds", "ok"]
    assert out["excluded"].tolist() == [0, 4, 0]
    assert out.loc[1, "pgr_status"] == "no_seeds"
    assert out.loc[1, ["gain", "pgr"]].isna().all()


def test_null_keys_of_every_kind_are_groups():
    df = pd.DataFrame({"a": [1.0, np.nan, np.nan, 1.0], "b": ["x", None, "x", "x"], "seed": [0, 0, 0, 1], "gain": 1.0})
    df["c"] = pd.array([1, None, None, 1], dtype="Int64")
    out = summarize(df, metrics="gain")
    assert out["rows"].tolist() == [2, 1, 1]
    assert out["b"].isna().tolist() == [False, False, True]
    assert out["rows"].sum() == len(df)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from([None, 1.0, 2.0])] * 2, st.sampled_from([None, "x", "y"])), min_size=1))
def test_groups_are_those_of_pandas_and_no_row_is_lost(keys):
    df = pd.DataFrame(keys, columns=["a", "b", "c"]).astype({"a": float, "b": float})
    out = summarize(df.assign(seed=range(len(df)), gain=1.0), by=["a", "b", "c"], metrics="gain")
    oracle = df.groupby(["a", "b", "c"], dropna=False).size()
    assert sorted(out["rows"]) == sorted(oracle)
    assert len(out) == len(out.drop_duplicates(["a", "b", "c"])) == len(oracle)


def test_a_group_without_any_value_is_excluded_even_with_status_ok():
    df = table()
    df.loc[df["ridge"] == 1.0, ["gain", "misfit"]] = np.nan
    out = summarize(df, metrics=["gain", "misfit"])
    assert out["excluded"].tolist() == [0, 4, 0]
    assert out["status"].tolist() == ["ok", "no_seeds", "ok"]


def test_theory_columns_and_empty_tables():
    df = table().assign(student_error_theory=0.6, strong_error_theory=np.nan)
    out = summarize(df)
    assert (out["student_error_theory"] == 0.6).all()
    assert "strong_error_theory" not in out
    assert not len(summarize(df.iloc[:0]))
    assert "pgr_low" in summarize(df.iloc[:0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "rige"}, "no column 'rige' .*nearest: ridge"),
        ({"metrics": "student_eror"}, "nearest: student_error"),
        ({"by": "ridge", "metrics": "filter"}, "'filter' of type .* is no number"),
        ({"by": "seed"}, "seeds are the unit"),
        ({"by": "ridge", "metrics": "ridge"}, "both grouped by and averaged"),
        ({"method": "delta"}, "allowed: fieller, bootstrap"),
        ({"level": 95}, "strictly between 0 and 1"),
    ],
)
def test_errors_name_the_remedy(arguments, message):
    with pytest.raises(ValueError, match=message):
        summarize(table(), **arguments)


def test_missing_ratio_columns_and_seeds_are_errors():
    with pytest.raises(ValueError, match="no column 'ceiling_error' \\(for pgr\\)"):
        summarize(table().drop(columns="ceiling_error"), metrics="pgr")
    with pytest.raises(ValueError, match="no column 'seed'"):
        summarize(table().drop(columns="seed"), by="ridge", metrics="gain")
    with pytest.raises(ValueError, match="nulls in 1 rows"):
        summarize(table().assign(seed=lambda df: df["seed"].where(df.index > 0)), metrics="gain")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["fieller", "bootstrap"]))
def test_the_order_of_rows_does_not_matter(seed, method):
    df = pd.concat([table(seed=1), table(seed=2)], ignore_index=True)  # two rows per seed
    shuffled = df.sample(frac=1.0, random_state=seed)
    first, second = (summarize(item, resamples=200, method=method) for item in (df, shuffled))
    pd.testing.assert_frame_equal(first, second, rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 100.0), st.sampled_from(["fieller", "bootstrap"]))
def test_the_unit_of_the_errors_does_not_matter(scale, method):
    df = table(seeds=6)
    errors = ["weak_error", "student_error", "ceiling_error", "gain"]
    scaled = df.assign(**{name: scale * df[name] for name in errors})
    first, second = (summarize(item, metrics=["gain", "pgr"], method=method, resamples=200) for item in (df, scaled))
    for name in ("pgr", "pgr_low", "pgr_high"):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-8)
    for name in ("gain", "gain_low", "gain_high"):
        np.testing.assert_allclose(scale * first[name], second[name], rtol=1e-8)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.integers(0, 100), st.sampled_from(["fieller", "bootstrap"]))
def test_a_further_group_changes_no_other(seeds, seed, method):
    df = table(seeds=5)
    more = pd.concat([df, table(seeds=seeds, ridges=(0.5,), seed=seed)], ignore_index=True)
    by = ["ridge", "filter"]
    first = summarize(df, by, method=method, resamples=200)
    second = summarize(more, by, method=method, resamples=200)
    kept = second[second["ridge"] != 0.5].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, kept, rtol=1e-9, atol=1e-12)


def test_work_is_by_column_however_many_groups_there_are():
    one, many = table(seeds=50), pd.concat([table(seeds=50, seed=i).assign(d_weak=i) for i in range(87)], ignore_index=True)
    assert (len(many), len(summarize(many)), summarize(many)["rows"].sum()) == (13_050, 87 * len(summarize(one)), len(many))
    by = ["d_weak", "ridge", "filter"]
    few = python_calls(lambda: summarize(one.assign(d_weak=0), by), "w2s.")
    assert 20 < few == python_calls(lambda: summarize(many, by), "w2s.")


def test_ends_of_intervals_lie_where_the_number_can():
    df = table(seeds=3, ridges=(0.1,))
    for name in ("misfit", "weak_distance", "student_validation_misfit", "weight_best", "student_worst_pair"):
        out = summarize(df.assign(**{name: [0.0, 0.0, 0.3]}), by=["ridge"], metrics=[name])
        assert out[f"{name}_low"].item() == 0.0, name
        assert out[f"{name}_high"].item() > 0.3, name
