"""Which columns of a file are inputs: row numbers of tools never are, and one odd cell is an error, not a column less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from solving import one

from sweeper import GridError, load_grid, make_plan
from sweeper.cli.show.plan import print_plan
from w2s.errors import FieldError
from w2s.files.datafile import DataFile
from w2s.laws import Table, feature_matrix, load_table
from w2s.laws.feature_maps import check_features
from w2s_kernels import NUMPY

SIZES: dict[str, Any] = {
    "weak_features": "inputs",
    "strong_features": "inputs",
    "n_labeled": 40,
    "n_transfer": 50,
    "n_test": 50,
}
SIZES |= {"ridge": 0.01, "ridge_weak": 0.01, "preprocess": "standardise", "task": "classification"}


def frame(count: int = 150) -> pd.DataFrame:
    """Two columns of noise; rows sorted by class, so that a row number gives the class away."""
    noise = np.random.default_rng(0).standard_normal((count, 2)).round(3)
    return pd.DataFrame({"a": noise[:, 0], "b": noise[:, 1], "y": (np.arange(count) >= count // 2).astype(int)})


def write(data: pd.DataFrame, path: Path, **options: Any) -> None:
    data.to_csv(path, **options) if path.suffix == ".csv" else data.to_parquet(path, **options)


def loaded(path: Path, target: str | None = None, task: str = "regression") -> Table:
    return load_table(DataFile.find(str(path)), target, task)


def numbers(row: pd.Series) -> list[float]:
    return [row[f"{model}_error_01"] for model in ("weak", "student", "ceiling", "strong")]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mine.csv", lambda data: data),
        ("mine.csv", lambda data: data.rename_axis("Unnamed: 0")),
        ("mine.csv", lambda data: data.rename_axis("Unnamed: 0.1")),
        ("mine.csv", lambda data: data.rename_axis("__index_level_0__")),
        ("mine.csv", lambda data: data.rename_axis("index")),
        ("mine.csv", lambda data: data.rename_axis(" ")),
        ("mine.parquet", lambda data: data.set_index(np.arange(150))),
        ("mine.parquet", lambda data: data.set_index(pd.Index(np.arange(150), name="row"))),
        ("mine.parquet", lambda data: data.set_index([np.arange(150), np.arange(150)])),
    ],
)
def test_row_numbers_of_a_tool_are_no_feature(tmp_path: Path, name: str, change: Any) -> None:
    write(frame(), tmp_path / "plain.csv", index=False)
    write(change(frame()), tmp_path / name, index=True)
    plain, row = (one("probe.table", folder=tmp_path, data=file, **SIZES) for file in ("plain.csv", name))
    assert numbers(row) == numbers(plain)
    assert plain["weak_error_01"] > 0.3  # noise says nothing of the class
    assert pd.isna(plain["message"])
    assert "is no feature: an index column" in row["message"]


def test_a_nameless_column_of_json_lines_is_no_feature(tmp_path: Path) -> None:
    rows = [{"": k, "a": float(k % 7), "y": float(k % 3)} for k in range(30)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = loaded(tmp_path / "mine.jsonl")
    assert (table.columns, table.left_out) == (("a",), {"": "an index column, it has no name"})
    with pytest.raises(FieldError, match=r"no numeric column of .* matches; '': an index column"):
        check_features("columns:", table)


def test_an_input_that_counts_the_rows_is_said(tmp_path: Path) -> None:
    write(frame().assign(id=np.arange(150) + 1), tmp_path / "mine.csv", index=False)
    row = one("probe.table", folder=tmp_path, data="mine.csv", **SIZES)
    assert row["message"] == "input 'id' counts the rows of the file: is it a feature?"
    chosen = one(
        "probe.table",
        folder=tmp_path,
        data="mine.csv",
        **SIZES | dict.fromkeys(("weak_features", "strong_features"), "columns:*|!id"),
    )
    assert pd.isna(chosen["message"])


@pytest.mark.parametrize("cell", ["?", "-", "1,5", "1_000", "abc", "12 %"])
def test_one_odd_cell_is_an_error_with_its_place(tmp_path: Path, cell: str) -> None:
    data = frame().astype({"b": str})
    data.loc[56, "b"] = cell
    write(data, tmp_path / "mine.csv", index=False)
    with pytest.raises(
        GridError,
        match=rf"mine\.csv: column 'b', row 57: '{cell.replace('?', '.')}' is no number, but .*of 150 cells.*'columns:\*\|!b'",
    ):
        one("probe.table", folder=tmp_path, data="mine.csv", **SIZES)
    without = one(
        "probe.table",
        folder=tmp_path,
        data="mine.csv",
        **SIZES | {"weak_features": "columns:*|!b", "strong_features": "columns:a"},
    )
    assert without["status"] == "ok"
    with pytest.raises(GridError, match="column 'b', row 57"):
        one(
            "probe.table",
            folder=tmp_path,
            data="mine.csv",
            **SIZES | {"weak_features": "columns:a", "strong_features": "columns:b"},
        )


def test_an_odd_target_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a,y\n1,2\n2,?\n3,4\n")
    with pytest.raises(FieldError, match=r"the target 'y', row 2: '\?' is no number"):
        loaded(tmp_path / "mine.csv")
    assert loaded(tmp_path / "mine.csv", "y", "classification").classes == ("2", "4", "?")


def test_numbers_stored_as_text_are_an_error_where_they_are_asked_for(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["1", "2", "3"], "b": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 4.0]}), tmp_path / "mine.parquet")
    table = loaded(tmp_path / "mine.parquet")
    with pytest.raises(FieldError, match=r"column 'a', row 1: the file stores it as text, but 3 of 3 cells look like numbers"):
        check_features("inputs", table)
    with pytest.raises(FieldError, match="column 'a', row 1"):
        feature_matrix("inputs", table, width=None, role="weak", seed=0, backend=NUMPY)
    check_features("columns:b", table)


def test_columns_that_nothing_asks_for_hold_anything(tmp_path: Path) -> None:
    lines = [
        {"a": k / 7, "y": k % 3, "many": [k], "words": [k, "x"][k % 2], "gap": None if k else 1, "deep": [[k], {"b": k}][k % 2]}
        for k in range(30)
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, lines)))
    table = loaded(tmp_path / "mine.jsonl")
    check_features("columns:a", table)
    assert table.columns == ("a",)
    assert set(table.odd) == {"words", "gap"}
    assert table.left_out == {
        "many": "holds list<item: double>, no numbers",
        "words": "text",
        "deep": "holds values of several kinds, no numbers",
    }
    with pytest.raises(FieldError, match="column 'words', row 2: 'x' is no number"):
        check_features("relu", table)


@pytest.mark.parametrize(
    ("content", "classes"),
    [
        ("007 7 07", ("007", "07", "7")),
        ("NA US nan", ("NA", "US", "nan")),
        ("1e5 100000 2", ("2", "100000", "1e5")),
        ("true false neither", ("false", "neither", "true")),
        ("10 9 1", ("1", "9", "10")),
        ("9223372036854775813 9223372036854775814", ("9223372036854775813", "9223372036854775814")),
    ],
)
def test_classes_of_a_target_are_names(tmp_path: Path, content: str, classes: tuple[str, ...]) -> None:
    rows = "".join(f"1, {name} \n" for name in content.split())
    (tmp_path / "mine.csv").write_text(f"a,y\n{rows}")
    table = loaded(tmp_path / "mine.csv", "y", "classification")
    assert table.classes == classes
    assert table.labels is not None
    assert [table.classes[k] for k in table.labels] == content.split()


def test_texts_of_features_are_texts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,smiles,y\n2012,C,1\nin words,,2\n")
    words = loaded(tmp_path / "a.csv").words
    assert words["text"].tolist() == ["2012", "in words"]
    assert words["smiles"].tolist() == ["C", None]
    (tmp_path / "b.jsonl").write_text('{"text": [{"role": "user"}], "y": 1}\n{"text": [{"role": "user"}], "y": 2}\n')
    with pytest.raises(FieldError, match="need a text column 'text'"):
        check_features("encoder:minilm-l6:1", loaded(tmp_path / "b.jsonl"))


def test_a_part_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    data = frame(60).assign(part=[["train", " test", "valid ", ""][k % 4] for k in range(60)])
    options = SIZES | {"n_labeled": 5, "n_transfer": 6, "n_test": 0, "split": "part"}
    write(data, tmp_path / "mine.csv", index=False)
    assert one("probe.table", folder=tmp_path, data="mine.csv", **options)["n_evaluated"] == 15
    write(data.replace({"part": {"valid ": "validation"}}), tmp_path / "mine.csv", index=False)
    with pytest.raises(
        GridError, match=r"column 'part', row 3: 'validation' is no part .did you mean 'valid'..; known: train, valid, test"
    ):
        one("probe.table", folder=tmp_path, data="mine.csv", **options)


def test_a_plan_says_what_is_read_and_what_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(frame().assign(note="x", id=np.arange(150)), tmp_path / "mine.csv", index=True)
    fixed = SIZES | {"data": "mine.csv", "strong_features": "columns:a"}
    grid = load_grid({"study": "probe.table", "fixed": fixed, "seeds": 1}, tmp_path)
    lines = [
        "mine.csv: 150 rows; target 'y', 2 classes: '0', '1'",
        "  weak features inputs: 3 columns, 'a', 'b', 'id'",
        "  strong features columns:a: 1 column, 'a'",
        "  left out: '' (an index column, it has no name), 'note' (text)",
        "  ! column '' is no feature: an index column, it has no name",
        "  ! input 'id' counts the rows of the file: is it a feature?",
    ]
    assert grid.study().reads(grid.parts[0].block) == lines
    print_plan(make_plan(grid))
    assert capsys.readouterr().out.splitlines()[1:7] == lines
