"""best: split selection is unbiased, in-sample selection is not, and the table says which."""

import numpy as np
import pandas as pd
import pytest
from declared import best, summarize


def noise_table(groups=400, seeds=8, ridges=10):
    """Every ridge is equally good (error 1): whatever is below 1 in a report is optimism."""
    rng = np.random.default_rng(3)
    index = pd.MultiIndex.from_product([range(groups), [10.0**-i for i in range(ridges)], range(seeds)])
    df = index.to_frame(index=False, name=["d_weak", "ridge", "seed"])
    return df.assign(student_error=1.0 + 0.5 * rng.standard_normal(len(df)), status="ok")


def small():
    """ridge 1 is best on even seeds, ridge 2 on odd seeds, ridge 3 on weak validation; one flow row."""
    errors = {1.0: [1.0, 5.0, 1.2, 5.2], 2.0: [2.0, 2.0, 2.2, 2.2], 3.0: [3.0, 3.0, 3.2, 3.2]}
    rows = [(r, s, e, 4.0 - r) for r, values in errors.items() for s, e in enumerate(values)]
    df = pd.DataFrame(rows, columns=["ridge", "seed", "student_error", "student_validation_misfit"])
    flow = pd.DataFrame({"ridge": [np.nan], "seed": [0], "student_error": [0.0], "student_validation_misfit": [0.0]})
    return pd.concat([df, flow], ignore_index=True).assign(weak_error=6.0)


def test_split_selection_is_unbiased_and_in_sample_is_not():
    df = noise_table()
    means = {}
    for name, arguments in {
        "split": {},
        "in-sample": {"select_seeds": "all", "report_seeds": "all"},
        "per seed": {"how": "min_then_mean"},
    }.items():
        out = best(df, metrics="student_error", **arguments)
        assert len(out) == 400
        means[name] = out["student_error"].mean()
        error = out["student_error"].std() / 20
        assert out["selected_by"].str.contains("optimistic").all() == (name != "split")
        assert (abs(means[name] - 1.0) <= 4 * error) == (name == "split")
    # expected minimum of 10 means of 8, and of 10 single normals: 1.5388 standard deviations
    assert means["in-sample"] == pytest.approx(1 - 1.5388 * 0.5 / np.sqrt(8), abs=0.02)
    assert means["per seed"] == pytest.approx(1 - 1.5388 * 0.5, abs=0.03)


def test_choice_on_even_report_on_odd_by_hand():
    out = best(small()).loc[0]
    assert out["ridge"] == 1.0
    assert out["student_error"] == pytest.approx((5.0 + 5.2) / 2)
    assert out[["rows", "seeds", "candidates", "candidates_excluded"]].tolist() == [2, 2, 3, 0]
    assert out["selected_by"] == "ridge: least mean of student_error over even seeds, by true labels"
    assert (out["select_seeds"], out["report_seeds"]) == ("seeds even", "seeds odd")


def test_lists_of_seeds_and_overlap():
    out = best(small(), select_seeds=[1, 3], report_seeds=[0, 1]).loc[0]
    assert out["ridge"] == 2.0
    assert out["student_error"] == 2.0
    assert out["selected_by"] == (
        "ridge: least mean of student_error over seeds 1, 3, by true labels; reported on the same seeds, so optimistic"
    )


def test_weak_validation_never_sees_the_truth():
    out = best(small(), using="weak_validation")
    assert out.loc[0, "ridge"] == 3.0
    assert "least mean of student_validation_misfit over even seeds, by weak labels alone" in out.loc[0, "selected_by"]
    shuffled = small().assign(student_error=lambda df: df["student_error"].to_numpy()[::-1])
    assert best(shuffled, using="weak_validation").loc[0, "ridge"] == 3.0
    same = best(small(), using="weak_validation", how="min_then_mean").loc[0, "selected_by"]
    assert same.endswith("seed by seed, all seeds, by weak labels alone; reported on the same seeds")


def test_min_then_mean_by_hand():
    out = best(small(), how="min_then_mean").loc[0]
    assert out["student_error"] == pytest.approx((1.0 + 2.0 + 1.2 + 2.2) / 4)
    assert out["ridge"] == 1.0  # lower median of 1, 2, 1, 2
    assert out["seeds"] == 4


def test_joint_choice_with_nulls_in_one_field():
    ridge = pd.DataFrame({"filter": "ridge", "ridge": [0.1, 0.1, 1.0, 1.0], "time": np.nan, "seed": [0, 1, 0, 1]})
    flow = pd.DataFrame({"filter": "flow", "ridge": np.nan, "time": [5.0, 5.0, 9.0, 9.0], "seed": [0, 1, 0, 1]})
    df = pd.concat([ridge, flow], ignore_index=True)
    df["student_error"] = [3.0, 3.0, 2.0, 2.0, 4.0, 4.0, 1.0, 7.0]
    out = best(df, over=["filter", "ridge", "time"], by=[])
    assert out.loc[0, "filter"] == "flow"
    assert np.isnan(out.loc[0, "ridge"])
    assert out.loc[0, ["time", "student_error", "candidates"]].tolist() == [9.0, 7.0, 4]
    assert out.loc[0, "selected_by"].startswith("filter and ridge and time: least mean")
    per_filter = best(df, over=["ridge", "time"])
    assert per_filter["filter"].tolist() == ["flow", "ridge"]
    assert per_filter["time"].iloc[0] == 9.0
    assert per_filter["ridge"].iloc[1] == 1.0
    each = best(df, over=["filter", "ridge", "time"], by=[], how="min_then_mean")
    assert each.loc[0, "student_error"] == 1.5  # 1 by flow on seed 0, 2 by ridge on seed 1
    assert each.loc[0, ["ridge", "time"]].tolist() == [1.0, 9.0]
    words = best(df, over="filter", by=[], how="min_then_mean")
    assert words.loc[0, "filter"] == "flow"  # mean of its rows is 2.5 on seed 0, and a tie goes to the first


def test_a_value_that_fails_is_not_chosen_for_its_lucky_seeds():
    df = small()
    df["status"] = "ok"
    df.loc[(df["ridge"] == 1.0) & (df["seed"] == 2), "status"] = "failed"
    out = best(df).loc[0]
    assert out["ridge"] == 2.0
    assert out[["candidates", "candidates_excluded"]].tolist() == [2, 1]
    df.loc[df["seed"] == 2, "status"] = "failed"  # all have lost that seed: all compete again
    assert best(df).loc[0, "ridge"] == 1.0


def test_min_then_mean_counts_a_lost_seed():
    df = small().assign(status="ok")
    df.loc[df["seed"] == 2, "status"] = "nonfinite"
    out = best(df, how="min_then_mean").loc[0]
    assert out["seeds"] == 3
    assert out["excluded"] == 1
    assert out["rows"] == 4


def test_result_is_summarize_of_the_chosen_rows():
    df = noise_table(groups=5).assign(weak_error=2.0, ceiling_error=0.5)
    out = best(df, level=0.9)
    chosen = df.merge(out[["d_weak", "ridge"]], on=["d_weak", "ridge"])
    oracle = summarize(chosen[chosen["seed"] % 2 == 1], "d_weak", level=0.9)
    pd.testing.assert_frame_equal(out[oracle.columns], oracle)


def test_ties_go_to_the_smallest_value_and_rows_of_a_seed_are_averaged():
    df = pd.DataFrame({"ridge": [2.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0], "seed": [0, 0, 0, 2, 1, 1, 2]})
    df["student_error"] = [2.0, 0.0, 2.0, 3.0, 1.0, 1.0, 2.0]  # ridge 1: seed means 1 and 3, mean 2, not 5/3
    assert best(df).loc[0, "ridge"] == 1.0
    df.loc[3, "student_error"] = 3.2
    assert best(df).loc[0, "ridge"] == 2.0


def test_a_value_that_lacks_seeds_does_not_win_on_the_easy_ones():
    df = pd.DataFrame({"ridge": [1.0] * 6 + [2.0] * 2, "seed": [0, 1, 2, 3, 4, 5, 0, 1]})
    df["student_error"] = [1.0, 1.0, 9.0, 9.0, 9.0, 9.0, 1.5, 1.5]  # ridge 2 is worse in every seed that it has
    chosen = best(df).loc[0]
    assert chosen["ridge"] == 1.0
    assert chosen["candidates_excluded"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"over": "rige"}, "no column 'rige' \\(the axis to choose over\\); nearest: ridge"),
        ({"metric": "student_eror"}, "nearest: student_error"),
        ({"metric": "pgr"}, "better when larger"),
        ({"metric": "pgr_flip_01"}, "better when larger"),
        ({"using": "luck"}, "allowed: truth, weak_validation"),
        ({"how": "max"}, "allowed: mean_then_min, min_then_mean"),
        ({"select_seeds": "prime"}, "allowed: 'even', 'odd', 'all'"),
        ({"report_seeds": [17]}, "seeds 17 are in no row; there are 4 seeds: 0, 1, 2, 3"),
        ({"select_seeds": [0, 17]}, "seeds 17 are in no row"),
        ({"how": "min_then_mean", "select_seeds": "even", "report_seeds": "odd"}, "reports the seeds it selects on"),
        ({"by": "ridge"}, "cannot be both grouped by and chosen over"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        best(small(), **arguments)


def test_errors_about_rows():
    with pytest.raises(ValueError, match="no rows left: ridge is null in all 1 rows"):
        best(small()[lambda df: df["ridge"].isna()])
    with pytest.raises(ValueError, match="no column 'student_validation_misfit'"):
        best(small().drop(columns="student_validation_misfit"), using="weak_validation")
    with pytest.raises(ValueError, match="no usable selection 'student_error' rows"):
        best(small().assign(student_error=np.nan))
    df = noise_table(groups=3)
    with pytest.raises(ValueError, match=r"1 of 3 groups have no report seeds odd rows: d_weak=2\. Give other seeds"):
        best(df[(df["d_weak"] < 2) | (df["seed"] == 0)])


def test_a_choice_that_is_the_last_value_tried_is_named() -> None:
    """Of two values each is an end, so only three or more have one."""
    rows = [(ridge, seed, error) for seed in range(4) for ridge, error in ((0.1, 3.0), (1.0, 2.0), (10.0, 1.0))]
    df = pd.DataFrame(rows, columns=["ridge", "seed", "student_error"])
    assert best(df, by=[]).loc[0, "selected_at_end"] == "ridge greatest"
    assert best(df.assign(student_error=-df["student_error"]), by=[]).loc[0, "selected_at_end"] == "ridge least"
    assert best(df.assign(student_error=(df["ridge"] - 1.0).abs()), by=[]).loc[0, "selected_at_end"] == ""
    assert best(df[df["ridge"] > 0.1], by=[]).loc[0, "selected_at_end"] == ""
