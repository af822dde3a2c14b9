"""Reading a run folder."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2s import Cell, field
from w2s.summary import summarize
from w2s.tables.load import load

META = {"study": "made.up", "version": 2, "fields": ["ridge", "filter"], "axes": ["ridge"], "metrics": ["gain"]}


def write(path, columns, meta=META):
    table = pa.table(columns)
    if meta is not None:
        table = table.replace_schema_metadata({b"w2s": json.dumps(meta).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def run_folder(tmp_path):
    run = tmp_path / "run"
    types = {"ridge": pa.float64(), "seed": pa.int64(), "gain": pa.float64(), "filter": pa.string()}
    write(run / "results" / "part-000.parquet", {name: pa.array([], type=kind) for name, kind in types.items()})
    write(run / "results" / "part-b.parquet", {"ridge": [0.1, 0.2], "seed": [0, 0], "gain": [1.0, None], "filter": ["a", "a"]})
    write(
        run / "results" / "part-c.parquet",
        {"ridge": pa.nulls(1), "seed": [1], "gain": [3.0], "filter": [None]},
        {**META, "axes": ["filter"]},
    )
    (run / "results" / ".part-d.parquet").write_bytes(b"half written")
    return run


def test_all_three_ways_in(tmp_path):
    run = run_folder(tmp_path)
    frame = load(run)
    assert frame["seed"].tolist() == [0, 0, 1]
    np.testing.assert_array_equal(frame["gain"], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(frame["ridge"], [0.1, 0.2, np.nan])
    pd.testing.assert_frame_equal(frame, load(str(run / "results")))
    assert len(load(run / "results" / "part-b.parquet")) == 2


def test_metadata_is_united_and_survives_filters(tmp_path):
    frame = load(run_folder(tmp_path))
    assert frame.attrs["w2s"] == {**META, "axes": ["ridge", "filter"]}
    assert frame[frame["seed"] == 0].attrs == frame.attrs


def test_a_selection_does_not_copy_the_metadata(tmp_path):
    frame = load(run_folder(tmp_path))
    known = frame.attrs["w2s"]
    assert frame[frame["seed"] == 0]["gain"].attrs["w2s"] is known
    for copied in (pickle.loads(pickle.dumps(known)), copy.copy(known), copy.deepcopy(known)):
        assert copied == known
    with pytest.raises(TypeError, match="read-only"):
        known["axes"] = []
    frame.to_parquet(tmp_path / "copy.parquet")  # pandas stores attributes as JSON
    assert pd.read_parquet(tmp_path / "copy.parquet").attrs == frame.attrs


def test_missing_things_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist. Expected a run folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"is no run folder: expected .*results/\*\.parquet"):
        load(tmp_path)
    broken = tmp_path / "x.parquet"
    broken.write_bytes(b"text")
    with pytest.raises(ValueError, match=r"x\.parquet is not a Parquet file"):
        load(broken)


def test_versions_are_not_mixed(tmp_path):
    write(tmp_path / "a.parquet", {"seed": [1]})
    write(tmp_path / "b.parquet", {"seed": [2]}, {**META, "version": 3})
    with pytest.raises(ValueError, match=r"version is 2 in .*a\.parquet and 3 in .*b\.parquet"):
        load(tmp_path)


def test_files_without_metadata_and_with_other_json(tmp_path):
    write(tmp_path / "a.parquet", {"seed": [1]}, None)
    assert load(tmp_path).attrs["w2s"] == {}
    write(tmp_path / "b.parquet", {"seed": [1]}, ["fields"])
    with pytest.raises(ValueError, match="must be a JSON object"):
        load(tmp_path / "b.parquet")


def test_tuple_axes_can_be_grouped(tmp_path):
    write(tmp_path / "a.parquet", {"sizes": [[1, 2], [1, 2], None], "nested": [{"a": [1]}, None, None], "seed": [0, 1, 2]})
    frame = load(tmp_path)
    assert frame["sizes"].tolist() == [(1, 2), (1, 2), None]
    assert frame["nested"][0] == (("a", (1,)),)
    out = summarize(frame.assign(gain=[1.0, 3.0, 5.0]), by=["sizes", "nested"], metrics="gain")
    assert out["sizes"].tolist() == [(1, 2), (1, 2), None]
    assert out["gain"].tolist() == [1.0, 3.0, 5.0]


class LateCell(Cell):
    kind: str = field("plain", description="there from the start")
    late: int = field(7, description="added later", since=2)
    only: float | None = field(0.5, description="added later, for waves", since=2, when={"kind": ["wave"]})
    below: str = field("x", description="below it", since=2, when={"only": [0.5]})
    none: str | None = field(None, description="added later, without a value", since=2)
    sizes: tuple[int, ...] = field((1, 2), description="a list", since=2)


def test_added_fields_of_old_rows_have_their_default(tmp_path):
    write(tmp_path / "a.parquet", {"kind": ["plain", "wave"], "seed": [0, 0]}, {"fields": ["kind"]})
    write(tmp_path / "b.parquet", {"kind": ["wave"], "seed": [1], "late": [8], "only": [None]}, {"fields": ["kind", "late"]})
    frame = load(tmp_path, cell=LateCell)
    assert frame["late"].tolist() == [7, 7, 8]
    np.testing.assert_array_equal(frame["only"], [np.nan, 0.5, np.nan])
    assert frame["below"].isna().tolist() == [True, False, True]
    assert frame["none"].isna().all()
    assert set(frame["sizes"]) == {"[1, 2]"}
    assert frame.attrs["w2s"]["fields"] == ["kind", "late", "none", "sizes", "only", "below"]
    assert "only" in load(tmp_path)
    assert "below" not in load(tmp_path)


def test_a_registered_study_is_found_by_its_name(tmp_path, monkeypatch):
    late = type("Late", (), {"Cell": LateCell})
    monkeypatch.setattr("w2s.tables.load.study_names", lambda: ["late"])
    monkeypatch.setattr("w2s.tables.load.find_study", lambda name: late)
    write(tmp_path / "a.parquet", {"kind": ["plain"], "seed": [0]}, {"study": "late"})
    assert load(tmp_path)["late"].tolist() == [7]
    write(tmp_path / "a.parquet", {"kind": ["plain"], "seed": [0]}, {"study": "unknown"})
    assert "late" not in load(tmp_path)
