"""Rows on disk: the same values, summaries and errors as the frame of `load`, a column at a time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import w2s
from sweeper import launch
from w2s.summary.columns import dense
from w2s.summary.stored import Stored
from w2s.tables.scan import StoredRows

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


@pytest.mark.parametrize("width", [10, 10**7])
def test_codes_are_numbered_in_their_order(width: int) -> None:
    codes = np.array([7, 3, 7, 9, 3])
    first, used, numbers = dense(codes, width)
    assert first.tolist() == [1, 0, 3]
    assert used.tolist() == [3, 7, 9]
    assert numbers.tolist() == [1, 0, 1, 2, 0]
