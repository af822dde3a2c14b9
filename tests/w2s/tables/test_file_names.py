"""Files in rows: a content is one setting, whatever it was called, and two contents are two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

import w2s
from sweeper import launch
from w2s.tables.file_names import names_apart, with_names_apart

FIXED: dict[str, Any] = {
    "target": "y",
    "task": "regression",
    "n_labeled": 10,
    "n_transfer": 20,
    "n_test": 20,
    "ridge": 0.1,
    "weak_features": "inputs",
    "strong_features": "inputs",
}


def data(path: Path, modulus: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x,y\n" + "\n".join(f"{k % 11},{k % modulus}" for k in range(80)) + "\n")
    return path


def launched(folder: Path, name: str, seeds: int, out: Path, **how: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    grid = folder / "grid.yaml"
    grid.write_text(yaml.safe_dump({"study": "probe.table", "fixed": {**FIXED, "data": name}, "seeds": seeds}))
    assert launch(grid, out=out, executor="inline", **how).exit == 0
    return out


def test_two_contents_of_one_name_are_two_settings(tmp_path: Path) -> None:
    runs = []
    for k, modulus in enumerate((7, 5)):
        data(tmp_path / f"d{k}" / "p.csv", modulus)
        runs.append(launched(tmp_path / f"d{k}", "p.csv", 3, tmp_path / f"run{k}"))
    one, two = (w2s.load(run) for run in runs)
    assert set(one["data"]) == set(two["data"]) == {"p.csv"}
    both = w2s.concat([one, two])
    summary = w2s.summarize(both, by="data", metrics="student_error")
    assert summary["rows"].tolist() == [3, 3]
    digests = [frame.attrs["w2s"]["files"]["data"]["p.csv"][:8] for frame in (one, two)]
    assert set(summary["data"]) == {f"p.csv ({digest})" for digest in digests}
    means = {name: frame["student_error"].mean() for name, frame in zip(digests, (one, two), strict=True)}
    for row in summary.to_dict("records"):
        assert row["student_error"] == pytest.approx(means[str(row["data"])[7:15]])


def test_one_content_under_two_names_is_one_setting(tmp_path: Path) -> None:
    """A run that is extended from a grid in another folder names the same file otherwise."""
    data(tmp_path / "p.csv", 7)
    run = launched(tmp_path, "p.csv", 3, tmp_path / "run")
    launched(tmp_path / "sub", "../p.csv", 6, run)
    rows = w2s.load(run)
    assert len(rows) == 6
    assert len(w2s.summarize(rows, by="data", metrics="student_error")) == 1
    assert list(rows.attrs["w2s"]["files"]["data"]) == list(set(rows["data"]))
    assert len(w2s.summarize(w2s.scan(run), by="data", metrics="student_error")) == 1


def test_rows_that_an_edit_left_behind_are_apart(tmp_path: Path) -> None:
    data(tmp_path / "p.csv", 7)
    run = launched(tmp_path, "p.csv", 3, tmp_path / "run")
    data(tmp_path / "p.csv", 5)
    launched(tmp_path, "p.csv", 3, run, keep=True)
    rows = w2s.load(run)
    assert len(rows) == 6
    assert w2s.summarize(rows, by="data", metrics="student_error")["rows"].tolist() == [3, 3]


def test_names_change_only_where_they_must() -> None:
    parts = [
        {"data": {"a.csv": "1" * 64, "b.csv": "2" * 64}},
        {"data": {"a.csv": "1" * 64}},
        {},
        {"data": {"../a.csv": "1" * 64, "b.csv": "3" * 64}, "model": {"a.csv": "3" * 64}},
    ]
    assert names_apart(parts) == [
        {"data": {"b.csv": "b.csv (22222222)"}},
        {},
        {},
        {"data": {"../a.csv": "a.csv", "b.csv": "b.csv (33333333)"}},
    ]


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_columns_keep_their_kind(kind: pa.DataType) -> None:
    table = pa.table({"data": pa.array(["a", None, "b", "a"]).cast(kind), "seed": [0, 1, 2, 3]})
    new = {"data": {"a": "b"}, "absent": {"a": "b"}}
    found = with_names_apart(table, new)
    assert found.schema == table.schema
    assert found["data"].to_pylist() == ["b", None, "b", "b"]
    frame = with_names_apart(table.to_pandas(), new)
    assert frame["data"].astype(object).where(frame["data"].notna(), None).tolist() == ["b", None, "b", "b"]
    assert frame["data"].dtype.kind == table.to_pandas()["data"].dtype.kind
