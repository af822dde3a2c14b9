"""Tables put together: metadata merged, each cell once, different code apart."""

from __future__ import annotations

import pandas as pd
import pytest

import w2s

META = {"study": "toy", "version": 1, "fields": ["ridge"], "metrics": ["weak_error"], "code": {"s.py": ["a"]}}


def table(ids, code="a", status="ok", ridge=0.1, **meta):
    rows = pd.DataFrame({"cell_id": ids, "status": status, "ridge": ridge, "seed": range(len(ids)), "weak_error": 1.0})
    rows["code_digest"] = code
    rows.attrs["w2s"] = {**META, **meta}
    return rows


def test_rows_and_metadata_of_all_tables():
    one, two = table(["p", "q"]), table(["r"], ridge=1.0, fields=["ridge", "time"])
    found = w2s.concat([one, two])
    assert found["cell_id"].tolist() == ["p", "q", "r"]
    assert found.attrs["w2s"]["fields"] == ["ridge", "time"]
    assert one.attrs["w2s"]["fields"] == ["ridge"]
    assert w2s.summarize(found)["ridge"].tolist() == [0.1, 1.0]


def test_each_cell_once_and_a_failed_row_hides_none():
    failed, solved = table(["p", "q", "x"], status="failed", code=None), table(["q", "p"])
    for order in ([failed, solved], [solved, failed], [failed, failed, solved, solved]):
        found = w2s.concat(order)
        assert sorted(zip(found["cell_id"], found["status"], strict=True)) == [("p", "ok"), ("q", "ok"), ("x", "failed")]


def test_a_cell_of_two_codes_is_there_twice_and_in_two_groups():
    found = w2s.concat([table(["p", "q"]), table(["p", "q"], code="b", code_=0)])
    found.attrs["w2s"] = {**found.attrs["w2s"], "code": {"s.py": ["a", "b"]}}
    assert w2s.summarize(found, metrics="weak_error")[["code_digest", "rows"]].to_numpy().tolist() == [["a", 2], ["b", 2]]


def test_complaints():
    with pytest.raises(ValueError, match="no table"):
        w2s.concat([])
    with pytest.raises(ValueError, match=r"table 2 of 2 has lost its metadata, .* tables as w2s\.load\(run\) returns"):
        w2s.concat([table(["p"]), pd.concat([table(["q"]), table(["r"], fields=[])])])
    with pytest.raises(ValueError, match="version is 1 in table 1 and 2 in table 2"):
        w2s.concat([table(["p"]), table(["q"], version=2)])
