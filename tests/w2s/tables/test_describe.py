"""What tables say of their columns, and the forms in which they are loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sweeper
import w2s
from sweeper.folder.provenance import stored_study
from sweeper.folder.run_folder import RunFolder

RECORDED = Path(__file__).parents[2] / "recorded" / "finished" / "dong2025.regression"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    grid = {
        "study": "dong2025.regression",
        "axes": {"student_filter": ["ridge", "steps"], "ridge": [0.1], "steps": [7], "n_labeled": [15, 30]},
        "fixed": {"d_weak": 8, "d_strong": 6, "d_overlap": 3, "n_transfer": 20, "noise": 0.5},
        "seeds": 3,
    }
    out = tmp_path_factory.mktemp("described") / "run"
    assert sweeper.launch(grid, out=out, executor="inline").exit == 0
    assert sweeper.launch(grid, out=out, executor="inline").exit == 0  # finds its own part without rows as it left it
    return out


def test_arrow_fields_say_what_they_are(run: Path) -> None:
    schema = pq.read_table(run / "results").schema
    assert json.loads(schema.metadata[b"w2s"])["study"] == "dong2025.regression"
    assert stored_study(RunFolder(run)) == "dong2025.regression"
    ridge = schema.field("ridge").metadata
    assert (ridge[b"unit"], ridge[b"role"]) == (b"feature power", b"field")
    assert schema.field("pgr").metadata[b"role"] == b"result"
    assert all(schema.field(name).metadata[b"description"] for name in schema.names)
    words = pa.dictionary(pa.int32(), pa.string())
    assert [schema.field(name).type for name in ("student_filter", "status", "cell_id")] == [words, words, pa.string()]
    frame = pd.read_parquet(run / "results")
    assert (frame["status"] == "ok").all()
    assert frame["student_filter"].dtype == "category"


def test_describe_has_a_line_for_each_column(run: Path) -> None:
    rows, notes = w2s.load(run), w2s.describe(run)
    assert notes.index.tolist() == rows.columns.tolist()
    assert (notes["description"] != "").all()
    assert notes.loc["n_labeled", ["values", "nulls", "least", "greatest"]].tolist() == [2, 0, 15, 30]
    assert notes.loc["steps", "nulls"] == 6
    assert set(notes["role"]) == {"identity", "field", "result", "provenance"}


def test_nullable_types_keep_whole_numbers(run: Path) -> None:
    plain, nullable = w2s.load(run), w2s.load(run, dtypes="nullable")
    assert (plain["steps"].dtype, nullable["steps"].dtype) == ("float64", "Int64")
    assert nullable["steps"].isna().sum() == 6
    assert nullable.attrs["w2s"] == plain.attrs["w2s"]
    one, two = (w2s.summarize(rows).astype(object) for rows in (nullable, plain))
    pd.testing.assert_frame_equal(one.where(one.notna(), None), two.where(two.notna(), None), check_dtype=False)
    with pytest.raises(ValueError, match="'nullabel' is not one of: numpy, nullable"):
        w2s.load(run, dtypes="nullabel")  # type: ignore[arg-type]


def test_runs_of_earlier_releases_load_with_the_names_of_today() -> None:
    there = pq.read_schema(next((RECORDED / "results").glob("part-[1-9a-f]*.parquet"))).names
    assert "filter" in there
    rows, notes = w2s.load(RECORDED), w2s.describe(RECORDED)
    assert set(rows["student_filter"]) == {"ridge", "flow", "steps"}
    assert "filter" not in rows.columns
    assert "student_filter" in rows.attrs["w2s"]["fields"]
    assert "filter" not in [*rows.attrs["w2s"]["fields"], *rows.attrs["w2s"]["axes"]]
    assert notes.loc["misfit", "description"].startswith("distance between the student")


def test_the_fronts_list_their_names() -> None:
    assert dir(w2s) == sorted(w2s.__all__)
    assert dir(sweeper) == sorted(sweeper.__all__)
