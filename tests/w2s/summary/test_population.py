"""Population intervals: by hand, what they ask of a table, and what every summary says that it covers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from w2s.summary import best, contrast, summarize
from w2s.summary.intervals import mean_interval
from w2s.summary.population import about

SEEDS = 16


def rows(**columns: object) -> pd.DataFrame:
    """A table of sixteen seeds whose numbers have no skewness."""
    half = np.random.default_rng(3).standard_normal((3, SEEDS // 2))
    noise = np.concatenate([half, -half], axis=1)
    errors = np.array([[0.30], [0.20], [0.10]]) + 0.01 * noise
    frame = pd.DataFrame(
        {"seed": range(SEEDS), "weak_error": errors[0], "student_error": errors[1], "ceiling_error": errors[2]}
    )
    frame = frame.assign(gain=frame["weak_error"] - frame["student_error"], n_labeled=100, n_transfer=300, n_test=120)
    return frame.assign(**columns)


def described(frame: pd.DataFrame, draws: str | None) -> pd.DataFrame:
    frame.attrs["w2s"] = {"fields": ["n_labeled", "n_transfer", "n_test", "ridge"], "seeds_draw": draws}
    return frame


def test_parts_of_one_data_set_by_hand() -> None:
    frame = described(rows(), "pool")
    found = summarize(frame, population=True).iloc[0]
    for name in ("student_error", "gain"):
        values = frame[name].to_numpy()
        half = stats.t.ppf(0.975, SEEDS - 1) * values.std(ddof=1) * np.sqrt(1 / SEEDS + 120 / 400)
        assert found[f"{name}_high"] - found[name] == pytest.approx(half, rel=1e-9)
        assert found[name] - found[f"{name}_low"] == pytest.approx(half, rel=1e-9)
    gain, gap = frame["gain"], frame["weak_error"] - frame["ceiling_error"]
    for end in (found["pgr_low"], found["pgr_high"]):  # where the corrected t statistic of gain - r gap has the quantile
        e = gain - end * gap
        assert abs(e.mean()) / (e.std(ddof=1) * np.sqrt(1 / SEEDS + 0.3)) == pytest.approx(stats.t.ppf(0.975, SEEDS - 1))


def test_the_largest_share_of_test_rows_in_a_group_counts() -> None:
    frame = rows(n_test=np.where(np.arange(SEEDS) == 3, 240, 120))
    wide = summarize(described(rows(n_test=240), "pool"), by=[], metrics=["gain"], population=True)
    mixed = summarize(described(frame, "pool"), by=[], metrics=["gain"], population=True)
    assert mixed["gain_high"].item() == pytest.approx(wide["gain_high"].item())


def test_shared_test_items_by_hand() -> None:
    """The variance over items comes on top of that over seeds; degrees of freedom after Satterthwaite."""
    wide = {"student_error_low": 0.15, "student_error_high": 0.25, "pgr_low": 0.4, "pgr_high": 0.6}
    frame = described(rows(**wide), "test_part")
    found = summarize(frame, by=[], metrics=["student_error", "gain", "pgr"], population=True).iloc[0]
    values = frame["student_error"].to_numpy()
    seen, items = values.var(ddof=1) / SEEDS, (0.05 / 1.959964) ** 2
    quantile = stats.t.ppf(0.975, (SEEDS - 1) * ((seen + items) / seen) ** 2)
    assert found["student_error_high"] - found["student_error"] == pytest.approx(quantile * np.sqrt(seen + items), rel=1e-6)
    assert (found["gain_status"], found["pgr_status"]) == ("no_item_noise", "ok")
    assert np.isnan([found["gain_low"], found["gain_high"]]).all()
    e = (frame["gain"] - found["pgr"] * (frame["weak_error"] - frame["ceiling_error"])) / found["pgr_gap"]
    variance = e.var(ddof=1) / SEEDS + (0.1 / 1.959964) ** 2
    assert found["pgr_high"] - found["pgr_low"] == pytest.approx(2 * 1.97 * np.sqrt(variance), rel=0.02)
    frame.loc[4, "student_error_low"] = np.nan
    partly = summarize(frame, by=[], metrics=["student_error"], population=True).iloc[0]
    assert (partly["student_error_status"], np.isnan(partly["student_error_low"])) == ("no_item_noise", True)


def test_seeds_with_data_of_their_own_are_the_population() -> None:
    frame = described(rows(), "fresh")
    plain, whole = summarize(frame), summarize(frame, population=True)
    pd.testing.assert_frame_equal(plain, whole)
    assert plain.attrs["w2s_summary"]["covers"] == whole.attrs["w2s_summary"]["covers"]


@pytest.mark.parametrize(
    ("draws", "population", "says"),
    [
        (None, False, "95 % over seeds"),
        ("fresh", True, "95 % over seeds, each with data of its own"),
        ("pool", False, "95 % over seeds, for this data set"),
        ("pool", True, "at least 95 % over data sets of this size"),
        ("test_part", False, "95 % over seeds, for these test items"),
        ("test_part", True, "at least 95 % over seeds and test items"),
    ],
)
def test_a_summary_says_what_it_covers(draws: str | None, population: bool, says: str) -> None:
    assert about(draws, population) == says  # type: ignore[arg-type]
    frame = described(rows(student_error_low=0.1, student_error_high=0.3), draws)
    found = summarize(frame, by=[], metrics=["student_error"], population=population)
    assert found.attrs["w2s_summary"]["covers"] == says


def test_a_word_speaks_for_a_table_that_does_not_say() -> None:
    with pytest.raises(ValueError, match=r"does not say what its seeds draw; allowed: fresh, pool, test_part"):
        summarize(rows(), by=[], population=True)
    told = summarize(rows(), by=[], metrics=["gain"], population="pool")
    assert (
        told["gain_high"].item()
        == summarize(described(rows(), "pool"), by=[], metrics=["gain"], population=True)["gain_high"].item()
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"evaluate": ["fresh"] * 15 + ["transfer"]}, r"1 rows have evaluate='transfer': errors on training rows"),
        ({"split": "split_1"}, r"16 rows have split='split_1': published test rows, which all seeds share"),
        ({"n_test": 0}, "rows without n_test"),
        ({"n_labeled": np.nan}, "rows without n_test, n_labeled"),
    ],
)
def test_rows_that_the_correction_is_not_about_are_refused(columns: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        summarize(described(rows(**columns), "pool"), by=[], population=True)


def test_resampled_seeds_show_no_other_data_set() -> None:
    with pytest.raises(ValueError, match="shows no other data set"):
        summarize(described(rows(), "pool"), by=[], method="bootstrap", population=True)


def test_best_and_contrast_take_it_too() -> None:
    frame = pd.concat([rows(ridge=0.1), rows(ridge=1.0).assign(student_error=lambda r: r["student_error"] + 0.05)])
    described(frame, "pool")
    narrow, wide = (best(frame, metrics=["student_error"], population=flag) for flag in (False, True))
    assert wide["ridge"].tolist() == [0.1]
    assert wide["student_error_high"].item() - wide["student_error_low"].item() > 1.5 * (
        narrow["student_error_high"].item() - narrow["student_error_low"].item()
    )
    frame["student_error"] += 0.01 * np.random.default_rng(1).standard_normal(len(frame))
    seeds, population = (contrast(frame, {"ridge": 1.0}, {"ridge": 0.1}, population=flag).iloc[0] for flag in (False, True))
    assert population["low"] < seeds["low"] < seeds["high"] < population["high"]
    assert population["p_value"] > seeds["p_value"]
    described(frame, "test_part")
    with pytest.raises(ValueError, match="how their errors go together"):
        contrast(frame, {"ridge": 1.0}, {"ridge": 0.1}, population=True)


def test_ends_stay_where_the_number_can_be() -> None:
    shares = np.array([0.0, 0.0, 0.0, 0.4])
    frame = pd.DataFrame(
        {"seed": range(4), "weak_error": shares, "weak_error_01": 1 - shares, "gain": shares, "gain_01": 1 - shares}
    )
    found = summarize(frame, by=[], metrics=["weak_error", "weak_error_01", "gain", "gain_01"]).iloc[0]
    assert found["weak_error_low"] == 0.0
    assert found["weak_error_01_high"] == found["gain_01_high"] == 1.0
    assert found["gain_low"] < 0.0 < found["weak_error_high"]


def test_equal_seeds_have_no_interval_and_say_so() -> None:
    frame = pd.DataFrame({"seed": range(5), "student_error_01": 0.0, "weak_error_01": [0.1, 0.2, 0.1, 0.2, 0.1]})
    found = summarize(frame, by=[], metrics=["student_error_01", "weak_error_01"]).iloc[0]
    assert (found["student_error_01"], found["student_error_01_status"], found["weak_error_01_status"]) == (0.0, "tied", "ok")
    assert np.isnan([found["student_error_01_low"], found["student_error_01_high"]]).all()


def test_the_seeds_of_one_data_set_do_not_cover_the_population() -> None:
    """Nadeau and Bengio: means of a hundred test rows out of a pool of five hundred; 400 pools, standard error .011."""
    rng, inside = np.random.default_rng(7), {False: 0, True: 0}
    for _ in range(400):
        pool = 1.0 + rng.exponential(size=500)
        errors = np.array([pool[rng.permutation(500)[:100]].mean() for _ in range(SEEDS)])
        frame = pd.DataFrame({"seed": range(SEEDS), "weak_error": errors, "n_labeled": 100, "n_transfer": 300, "n_test": 100})
        for flag in inside:
            found = summarize(frame, by=[], metrics=["weak_error"], population="pool" if flag else False).iloc[0]
            inside[flag] += found["weak_error_low"] <= 2.0 <= found["weak_error_high"]
    assert inside[False] / 400 < 0.75
    assert 0.92 < inside[True] / 400 < 0.99
    assert mean_interval(errors).status == "ok"
