"""contrast: paired differences, Holm, ratios with shared anchors."""

import numpy as np
import pandas as pd
import pytest
from declared import contrast
from scipy import stats

from w2s.summary.intervals import holm, paired_interval


def table(groups=3, seeds=12, effect=0.1):
    rng = np.random.default_rng(1)
    index = pd.MultiIndex.from_product([range(groups), ["soft", "hard"], range(seeds)])
    df = index.to_frame(index=False, name=["d_weak", "labels", "seed"])
    shared = rng.standard_normal((groups, 1, seeds)).repeat(2, axis=1).ravel()
    df["weak_error"] = 1.0 + 0.2 * shared
    df["ceiling_error"] = 0.3 + 0.1 * rng.standard_normal((groups, 1, seeds)).repeat(2, axis=1).ravel()
    df["student_error"] = 0.6 + 0.2 * shared + 0.05 * rng.standard_normal(len(df))
    df["student_error"] += effect * df["d_weak"] * (df["labels"] == "hard")
    return df.assign(status="ok")


A, B = {"labels": "hard"}, {"labels": "soft"}


def test_matches_scipy_in_every_group_and_holm():
    df = table()
    out = contrast(df, A, B, level=0.9)
    assert out["d_weak"].tolist() == [0, 1, 2]
    for _, row in out.iterrows():
        part = df[df["d_weak"] == row["d_weak"]]
        hard, soft = (part[part["labels"] == name].sort_values("seed")["student_error"] for name in ("hard", "soft"))
        oracle = paired_interval(hard, soft, 0.9)
        assert row["p_value"] == pytest.approx(float(oracle.p_value), rel=1e-9)
        assert row["p_value"] == pytest.approx(stats.ttest_rel(hard, soft).pvalue, abs=0.05)  # little skewness
        np.testing.assert_allclose([row["low"], row["high"]], [oracle.low, oracle.high])
        assert row["difference"] == pytest.approx(row["a_mean"] - row["b_mean"])
    np.testing.assert_allclose(out["p_holm"], holm(out["p_value"]))
    assert out.loc[2, "p_holm"] < 1e-3 < out.loc[0, "p_holm"]


def test_by_hand_with_holm():
    # two seeds: t = |mean| / half difference, p = 1 - 2 atan(t) / pi for one degree of freedom
    df = pd.DataFrame({"g": [0] * 4 + [1] * 4, "labels": ["hard", "hard", "soft", "soft"] * 2, "seed": [0, 1] * 4})
    df["student_error"] = [3.0, 5.0, 0.0, 0.0, 2.0, 3.0, 1.0, 1.0]
    out = contrast(df, A, B, level=0.5)
    p = 1 - 2 * np.arctan([4.0, 3.0]) / np.pi
    np.testing.assert_allclose(out["difference"], [4.0, 1.5])
    np.testing.assert_allclose(out["low"], [3.0, 1.0])
    np.testing.assert_allclose(out["p_value"], p)
    np.testing.assert_allclose(out["p_holm"], [2 * p[0], max(2 * p[0], p[1])])


def test_pairing_removes_the_shared_noise():
    out = contrast(table(groups=1, seeds=200), A, B)
    assert out.loc[0, "high"] - out.loc[0, "low"] < 2 * 2 * 0.05 * np.sqrt(2 / 200) * 1.2  # 0.2 unpaired noise is gone


def test_accounting_of_unpaired_and_excluded():
    df = table(groups=2, seeds=5)
    df.loc[(df["d_weak"] == 0) & (df["seed"] == 1) & (df["labels"] == "hard"), "status"] = "failed"
    df = df[~((df["d_weak"] == 1) & (df["labels"] == "soft") & (df["seed"] > 0))]
    out = contrast(df, A, B)
    assert out["pairs"].tolist() == [4, 1]
    assert out["unpaired"].tolist() == [1, 4]
    assert out["excluded"].tolist() == [1, 0]
    assert out["status"].tolist() == ["ok", "one_pair"]
    assert out["p_holm"].isna().tolist() == [False, True]
    assert out.loc[0, "p_holm"] == out.loc[0, "p_value"]  # the group without a test is none
    none = contrast(df[(df["d_weak"] == 0) | (df["labels"] == "hard")], A, B)
    assert none["status"].tolist() == ["ok", "no_pairs"]


def test_pgr_contrast_is_the_difference_of_ratios_of_means():
    df = table(groups=2, seeds=30)
    out = contrast(df, A, B, metric="pgr")
    for _, row in out.iterrows():
        part = df[df["d_weak"] == row["d_weak"]].groupby("labels")[["weak_error", "student_error", "ceiling_error"]].mean()
        ratio = (part["weak_error"] - part["student_error"]) / (part["weak_error"] - part["ceiling_error"])
        assert row["difference"] == pytest.approx(ratio["hard"] - ratio["soft"])
        assert row["a_mean"] == pytest.approx(ratio["hard"])
        assert row["low"] < row["difference"] < row["high"]


def test_pgr_of_another_student_is_compared_as_a_ratio_of_means():
    df = table(groups=1, seeds=30)
    renamed = df.rename(columns=lambda name: f"{name}_01" if name.endswith("_error") else name)
    renamed = renamed.rename(columns={"student_error_01": "student_flip_error_01"}).assign(pgr_flip_01=0.0)
    plain, flipped = contrast(df, A, B, metric="pgr").loc[0], contrast(renamed, A, B, metric="pgr_flip_01").loc[0]
    names = ["difference", "low", "high", "p_value", "status"]
    assert flipped[names].tolist() == plain[names].tolist()


def test_pgr_contrast_coverage():
    """Anchors are shared by a and b: 2 000 groups of 40 seeds, true difference -0.2, standard error 0.005."""
    df = table(groups=2000, seeds=40, effect=0.0)
    df.loc[df["labels"] == "hard", "student_error"] += 0.14
    out = contrast(df, A, B, metric="pgr")
    covered = ((out["low"] <= -0.2) & (out["high"] >= -0.2)).mean()
    assert abs(covered - 0.95) <= 4 * np.sqrt(0.95 * 0.05 / 2000)


def test_pgr_contrast_statuses():
    df = table(groups=1, seeds=4)
    df["ceiling_error"] = df["weak_error"] - np.tile([0.5, -0.4, 0.6, -0.3], 2)
    out = contrast(df, A, B, metric="pgr").loc[0]
    assert out["status"] == "gap_unresolved"
    means = df.groupby("labels")[["weak_error", "student_error", "ceiling_error"]].mean()
    recovered = (means["weak_error"] - means["student_error"]) / (means["weak_error"] - means["ceiling_error"])
    assert out["difference"] == pytest.approx(recovered["hard"] - recovered["soft"], rel=1e-12)
    assert out[["low", "high", "p_value", "p_holm"]].isna().all()
    df["ceiling_error"] = df["weak_error"] + 0.1
    out = contrast(df, A, B, metric="pgr").loc[0]
    assert out["status"] == "gap_nonpositive"
    assert np.isnan(out["difference"])


def test_nulls_numbers_and_other_pairs():
    df = pd.DataFrame({"ridge": [0.1, 0.1, np.nan, np.nan], "time": [np.nan, np.nan, 5.0, 5.0], "seed": [0, 1, 0, 1]})
    df = df.assign(student_error=[3.0, 4.0, 1.0, 1.5], task=["a", "b", "a", "b"])
    out = contrast(df, {"ridge": 0.1000000000000001, "time": None}, {"ridge": None, "time": 5}, by=[])
    assert out.loc[0, ["difference", "pairs"]].tolist() == [2.25, 2]
    assert contrast(df, {"ridge": 0.1}, {"time": 5.0}, pair="task").loc[0, "difference"] == 2.25


def test_tuple_values_match_as_a_whole():
    df = pd.DataFrame({"sizes": [(1, 2), (1, 2), (3, 4), (3, 4)], "seed": [0, 1, 0, 1], "student_error": [3.0, 4.0, 1.0, 1.0]})
    assert contrast(df, {"sizes": (1, 2)}, {"sizes": [3, 4]}).loc[0, "difference"] == 2.5


def test_the_order_of_rows_does_not_matter():
    df = table()
    pd.testing.assert_frame_equal(contrast(df, A, B), contrast(df.sample(frac=1.0, random_state=2), A, B), rtol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"a": {"label": "hard"}}, "no column 'label' .*nearest: labels"),
        ({"a": {"labels": "firm"}}, "matches no row at labels='firm'; labels has soft, hard"),
        ({"a": {"labels": "soft"}}, "rows match both"),
        ({"metric": "student_eror"}, "nearest: student_error"),
        ({"a": {"labels": "hard", "d_weak": 1}, "b": {"labels": "soft", "seed": 99}}, "matches no row at seed=99"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        contrast(table(), **{"a": A, "b": B, **arguments})


def test_fields_that_cannot_pair_are_an_error():
    df = table()
    df["time"] = np.where(df["labels"] == "hard", 1.0, np.nan)
    with pytest.raises(ValueError, match=r"'time' has no value in common between a \(1\.0\) and b \(nan\)"):
        contrast(df, A, B)
    assert len(contrast(df, A, B, by="d_weak")) == 3


def test_two_shares_differ_by_one_at_most():
    df = pd.DataFrame({"labels": ["hard"] * 3 + ["soft"] * 3, "seed": [0, 1, 2] * 2, "status": "ok"})
    df["agreement_wrong"] = [1.0, 0.9, 0.0, 0.0, 0.1, 0.0]
    out = contrast(df, A, B, metric="agreement_wrong", by=[]).iloc[0]
    assert -1.0 <= out["low"] < out["difference"] < out["high"] == 1.0
    assert contrast(df.rename(columns={"agreement_wrong": "gain"}), A, B, metric="gain", by=[])["high"].item() > 1.0
