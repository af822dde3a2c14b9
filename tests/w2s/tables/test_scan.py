"""Rows on disk: the same values, summaries and errors as the frame of `load`, a column at a time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import w2s
from sweeper import launch
from w2s.plotting import plot
from w2s.summary.columns import dense
from w2s.summary.stored import Stored
from w2s.tables.scan import StoredRows
from w2s.tabulate import table

GRID: dict[str, Any] = {
    "study": "dong2025.regression",
    "axes": {"ridge": [1e-3, 1e-1], "n_labeled": [40, 80], "ceiling": ["transfer", "labeled+transfer"]},
    "fixed": {"d_weak": 8, "d_strong": 8, "d_overlap": 2, "noise": 0.5, "n_transfer": 200, "design": "wishart"},
    "seeds": 6,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("scan") / "run"
    launch(GRID, out=place, executor="inline", backend="numpy")
    launch({**GRID, "seeds": 9}, out=place, executor="inline", backend="numpy")
    return place


def opened(run: Path) -> StoredRows:
    rows = w2s.scan(run)
    assert isinstance(rows, StoredRows)
    assert isinstance(rows, Stored)
    return rows


def test_columns_are_those_of_load(run: Path) -> None:
    rows, frame = opened(run), w2s.load(run)
    assert list(rows.columns) == list(frame.columns)
    assert len(rows) == len(frame) == 72
    assert rows.attrs["w2s"] == frame.attrs["w2s"]
    for name in frame.columns:
        column = rows[name].astype(object).where(rows[name].notna(), None)
        assert column.tolist() == frame[name].astype(object).where(frame[name].notna(), None).tolist(), name
        assert rows.varies(name) == (frame[name].nunique(dropna=False) > 1), name
        assert rows.has_value(name) == frame[name].notna().any(), name


def test_a_summary_is_that_of_the_frame(run: Path) -> None:
    rows, frame = opened(run), w2s.load(run)
    for options in (
        {},
        {"by": ["ceiling"]},
        {"by": []},
        {"by": ["n_labeled"], "metrics": ["pgr", "opr"], "method": "bootstrap"},
    ):
        first, second = w2s.summarize(rows, **options), w2s.summarize(frame, **options)
        pd.testing.assert_frame_equal(first, second, rtol=1e-12)
        assert first.attrs == second.attrs
    pd.testing.assert_frame_equal(w2s.summarize(rows), w2s.summarize(rows))  # what was kept is what was made


@pytest.mark.parametrize("options", [{}, {"by": ["n_labeled", "ceiling"]}, {"how": "min_then_mean"}, {"select_seeds": [0, 3]}])
def test_best_values_are_those_of_the_frame(run: Path, options: dict[str, Any]) -> None:
    rows, frame = opened(run), w2s.load(run)
    first, second = w2s.best(rows, "ridge", **options), w2s.best(frame, "ridge", **options)
    pd.testing.assert_frame_equal(first, second, rtol=1e-12, check_dtype=False)


def test_errors_are_those_of_a_frame(run: Path) -> None:
    with pytest.raises(ValueError, match=r"no column 'rigde'.*ridge"):
        w2s.summarize(opened(run), by="rigde")
    with pytest.raises(ValueError, match="no number"):
        w2s.summarize(opened(run), metrics="solver")


def test_first_seeds_are_whole(run: Path) -> None:
    part, seeds = opened(run).first_seeds(20)
    assert seeds == 2
    assert sorted(part["seed"].unique()) == [0, 1]
    assert len(part) == 16
    assert opened(run).first_seeds(1)[1] == 1


def test_what_needs_all_rows_together_is_loaded(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    part = next(file for file in sorted((copy / "results").iterdir()) if "schema" not in file.name)
    shutil.copy(part, part.with_name(f"{part.stem} (conflicted copy).parquet"))
    found = w2s.scan(copy)
    assert isinstance(found, pd.DataFrame)
    assert len(found) == 72


def test_damage_is_said_as_by_load(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    part = next(file for file in sorted((copy / "results").iterdir()) if "schema" not in file.name)
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="damaged"):
        w2s.scan(copy)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        w2s.scan(tmp_path / "nothing")


def on_disk(folder: Path, frame: pd.DataFrame, files: int, fields: list[str]) -> tuple[StoredRows, pd.DataFrame]:
    """Write rows to some files and open them; also return them as a frame with metadata."""
    found: list[Path] = []
    for k, part in enumerate(np.array_split(np.arange(len(frame)), files)):
        found.append(folder / f"part-{k}.parquet")
        pq.write_table(pa.Table.from_pandas(frame.iloc[part], preserve_index=False), found[-1], row_group_size=50)
    metadata = {"fields": fields}
    schema = pa.Schema.from_pandas(frame, preserve_index=False).remove_metadata()
    rows = StoredRows(found, [pq.read_metadata(file) for file in found], schema, metadata)
    frame.attrs["w2s"] = metadata
    return rows, frame


def awkward(seeds: int = 12) -> pd.DataFrame:
    """Rows with nulls, failures, infinities, words, a metric without spread and a ratio that is the same in all seeds."""
    draw = np.random.Generator(np.random.Philox(3))
    frame = pd.MultiIndex.from_product([range(seeds), [0.1, 1.0, 10.0], ["x", None, "y"]], names=["seed", "a", "word"])
    rows = frame.to_frame(index=False).sample(frac=1.0, random_state=4, ignore_index=True)
    rows["weak_error"] = 1e6 + draw.normal(size=len(rows))
    rows["ceiling_error"] = np.where(rows["a"] == 1.0, rows["weak_error"] - 0.3, 1e6 - 3.0)
    rows["student_error"] = np.where(rows["word"] == "x", rows["weak_error"] - 0.1, 1e6 - 1.0 + draw.normal(size=len(rows)))
    rows["gain"] = rows["weak_error"] - rows["student_error"]
    rows["misfit"] = np.where(rows["a"] == 10.0, 0.1, draw.exponential(size=len(rows)) ** 3)
    rows.loc[draw.random(len(rows)) < 0.1, "misfit"] = np.nan
    rows.loc[draw.random(len(rows)) < 0.1, "gain"] = np.inf
    rows["status"] = np.where(draw.random(len(rows)) < 0.1, "failed", "ok")
    rows["message"] = np.where(rows["status"] == "failed", "it broke", None)
    rows["cell_id"] = [f"{k:032x}" for k in range(len(rows))]
    return rows


@pytest.mark.parametrize("files", [1, 5])
@pytest.mark.parametrize("batch", [7, 1 << 17])
def test_sums_over_batches_are_those_over_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, batch: int
) -> None:
    monkeypatch.setattr("w2s.tables.stored_rows._BATCH", batch)
    rows, frame = on_disk(tmp_path, awkward(), files, ["a", "word"])
    for options in ({}, {"by": ["a"]}, {"by": []}, {"by": ["word"], "level": 0.5}, {"metrics": ["pgr"], "method": "bootstrap"}):
        first, second = w2s.summarize(rows, **options), w2s.summarize(frame, **options)
        pd.testing.assert_frame_equal(first, second, rtol=1e-9, atol=1e-9)
    found = w2s.summarize(rows)
    assert {"tied", "ok"} <= set(found["misfit_status"])
    assert (found["excluded"] > 0).any()


def test_words_of_which_a_file_has_one(tmp_path: Path) -> None:
    words = {
        "same": [*"aaaaaa"],
        "by_file": [*"aabbcc"],
        "mixed": [*"aaabbb"],
        "begins_null": [None, None, *"aaaa"],
        "ends_null": [*"aaaa", None, None],
        "null": [None] * 6,
    }
    frame = pd.DataFrame(words).astype(pd.ArrowDtype(pa.string())).assign(seed=range(6))
    rows, _ = on_disk(tmp_path, frame, 3, list(words))
    for name, values in words.items():
        assert rows.varies(name) == (len(set(values)) > 1), name
        codes, found = rows.numbered(name)
        assert [None if code < 0 else found[code] for code in codes] == values, name
    assert [name for name in words if ("numbered", name) in rows._kept] == ["by_file", "mixed", "begins_null", "ends_null"]


def test_metrics_read_together_are_those_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("w2s.tables.stored_rows._BATCH", 7)
    rows, frame = on_disk(tmp_path, awkward(), 3, ["a", "word"])
    names = ["weak_error", "gain", "misfit", "pgr"]
    asked: list[tuple[str, ...]] = []
    batches = StoredRows.batches
    monkeypatch.setattr(StoredRows, "batches", lambda self, of: (asked.append(tuple(of)), batches(self, of))[1])
    together = w2s.summarize(rows, metrics=names)
    assert asked == [("weak_error", "gain", "misfit", "ceiling_error"), ("gain", "weak_error", "ceiling_error")]
    w2s.summarize(rows, metrics=names[::-1])
    assert len(asked) == 2
    for name in names:
        anew, _ = on_disk(tmp_path, frame, 3, ["a", "word"])
        alone = w2s.summarize(anew, metrics=[name])
        own = [column for column in alone if column.startswith(name)]
        pd.testing.assert_frame_equal(together[own], alone[own], check_exact=True)


def test_a_ratio_that_all_seeds_share_is_tied_on_disk_too(tmp_path: Path) -> None:
    frame = awkward()
    frame["weak_error"], frame["ceiling_error"] = frame["seed"] + 2.0, 1.0
    frame["gain"] = 0.25 * (frame["seed"] + 1.0)
    rows, _ = on_disk(tmp_path, frame, 3, ["a", "word"])
    found = w2s.summarize(rows, metrics=["pgr"])
    assert (found["pgr"] == 0.25).all()
    assert (found["pgr_status"] == "tied").all()


def test_marked_rows_are_those_of_the_frame(tmp_path: Path) -> None:
    rows, frame = on_disk(tmp_path, awkward(), 4, ["a", "word"])
    first = (frame["a"] != 1.0).to_numpy()
    second = (frame["seed"][first] < 3).to_numpy()
    some, part = rows[first][second], frame[first][second]
    assert isinstance(some, StoredRows)
    assert len(some) == len(part) == second.sum()
    for name in frame.columns:
        column = some[name].astype(object).where(some[name].notna(), None)
        assert column.tolist() == part[name].astype(object).where(part[name].notna(), None).tolist(), name
        assert some.varies(name) == (part[name].nunique(dropna=False) > 1), name
        assert some.has_value(name) == part[name].notna().any(), name
        assert some.has_null(name) == part[name].isna().any(), name
        assert some.distinct(name) == list(part[name].dropna().unique()), name
    pd.testing.assert_frame_equal(w2s.summarize(some), w2s.summarize(part), rtol=1e-9, atol=1e-9)
    places = np.array([5, 0, 5, 11])
    pd.testing.assert_frame_equal(
        some.at(places, ["word", "a", "seed"]),
        part.iloc[places][["word", "a", "seed"]].reset_index(drop=True),
        check_dtype=False,
    )
    assert len(rows[np.ones(len(frame), dtype=bool)]) == len(frame)


def test_all_rows_at_once_are_the_frame_of_load(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("w2s.tables.stored_rows._BATCH", 7)
    found, frame = opened(run).frame(), w2s.load(run)
    pd.testing.assert_frame_equal(found, frame, check_exact=True)
    assert found.attrs == frame.attrs
    kept = frame["ridge"] == 1e-3
    pd.testing.assert_frame_equal(found[kept], frame[kept], check_exact=True)
    whole = found["noise"].to_numpy()
    assert whole.strides == (0,)  # one number in memory, not one a row


def test_figures_and_tables_say_what_those_of_the_frame_say(run: Path) -> None:
    rows, frame = opened(run), w2s.load(run)
    for words in (
        {},
        {"by": ["ridge", "n_labeled"], "select": {"ceiling": "transfer"}},
        {"by": "n_labeled", "best_over": "ridge"},
    ):
        if "best_over" in words:
            words["select"] = {"ceiling": "transfer"}
        assert str(table(rows, **words)) == str(table(frame, **words))
    chosen = {"select": {"ceiling": "transfer"}, "color": "n_labeled"}
    assert plot(rows, "ridge", "gain", **chosen).get_label() == plot(frame, "ridge", "gain", **chosen).get_label()
    with pytest.raises(ValueError, match="ceiling: labeled"):
        plot(rows, "ridge", "gain", color="n_labeled")
    with pytest.raises(ValueError, match="no row left has ridge"):
        plot(rows, "ridge", "gain", color="n_labeled", select={"ridge": 7})


@pytest.mark.parametrize("width", [10, 10**7])
def test_codes_are_numbered_in_their_order(width: int) -> None:
    codes = np.array([7, 3, 7, 9, 3])
    first, used, numbers = dense(codes, width)
    assert first.tolist() == [1, 0, 3]
    assert used.tolist() == [3, 7, 9]
    assert numbers.tolist() == [1, 0, 1, 2, 0]
