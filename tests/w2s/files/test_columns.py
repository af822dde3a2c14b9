"""What cells say: names as written, texts, numbers with the first cell that is none; and files as Python's own readers see them."""

from __future__ import annotations

import decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2s.errors import FieldError
from w2s.files.columns import CellError, Column, column_of, spelling
from w2s.files.tablefile import read_table_file

NAMES = [
    "007",
    "7",
    "1e5",
    "1E5",
    "NA",
    "nan",
    "null",
    "true",
    "True",
    "9223372036854775813",
    "18446744073709551616",
    "1.0",
    "-0",
]


def read(folder: Path, name: str, content: bytes | str) -> pa.Table:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table_file(name, folder / name)


def stored(values: pa.Array) -> Column:
    return column_of(pa.table({"a": values}), "a")


def names_of(table: pa.Table, name: str = "a") -> list[str | None]:
    return column_of(table, name).names().to_pylist()


@pytest.mark.parametrize("other", ["1", "word"])
def test_names_are_what_a_csv_file_says(tmp_path: Path, other: str) -> None:
    rows = "".join(f"{name},0\n" for name in [*NAMES, other])
    assert names_of(read(tmp_path, "names.csv", f"a,b\n{rows}")) == [*NAMES, other]


def test_names_are_what_json_lines_say_numbers_and_strings_alike(tmp_path: Path) -> None:
    literals = ["7", "1e5", "1E5", "true", "9223372036854775813", "18446744073709551616", "1.0", "-0", "0.10"]
    table = read(
        tmp_path, "names.jsonl", "".join(f'{{"a": {text}}}\n' for text in [*literals, '"007"', "null", '"NA"', '" x "'])
    )
    assert names_of(table) == [*literals, "007", None, "NA", "x"]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pa.array([1, None, 2**64 - 1], pa.uint64()), ["1", None, "18446744073709551615"]),
        (pa.array([1.0, -0.0, None, float("nan"), 2.0**63]), ["1", "0", None, None, "9223372036854775808"]),
        (pa.array([0.5, 1.0, None]), ["0.5", "1", None]),
        (pa.array([True, None, False]), ["true", None, "false"]),
        (pa.array([decimal.Decimal("1.50")]), ["1.50"]),
        (pa.array([" NA ", "", None, "\t"]), ["NA", None, None, None]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
        (pa.array([b"x"]), ["x"]),
        (pa.array([0, 1], pa.date32()), ["1970-01-01", "1970-01-02"]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_names_of_stored_values(values: pa.Array, names: list[str | None]) -> None:
    assert stored(values).names().to_pylist() == names


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (pa.array([[1]]), "holds list<.*>, not names"),
        (pa.array([{"role": "user"}]), "holds struct<role: string>, not names"),
        (pa.array(["x\0"]), "holds a NUL"),
        (pa.array([b"\xff"]), "holds binary, not names"),
    ],
)
def test_what_is_no_name(values: pa.Array, problem: str) -> None:
    with pytest.raises(CellError, match=problem):
        stored(values).names()


def test_numbers_are_decimal_and_the_first_cell_that_is_none_is_named(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", "a,b,c,d\n1,true,1,x\n 2 ,FALSE,NA,x\n+3e0,true,,x\n.5,true,?,x\n")
    assert column_of(table, "a").numbers().tolist() == [1, 2, 3, 0.5]
    assert column_of(table, "b").numbers().tolist() == [1, 0, 1, 1]
    with pytest.raises(CellError, match=r"'\?' is no number") as told:
        column_of(table, "c").numbers()
    assert told.value.row == 3
    assert column_of(table, "c").missing().tolist() == [False, True, True, False]
    assert column_of(table, "c").like_numbers().tolist() == [True, False, False, False]


@pytest.mark.parametrize("cell", ["1_000", "0x10", "١", "1,5", "5%", "1 2", "--1", "1e", "truth"])
def test_other_notations_are_no_numbers(cell: str) -> None:
    with pytest.raises(CellError, match="is no number"):
        Column("a", pa.array(["1", cell]), untyped=True, opaque=False).numbers()


def test_a_missing_number_is_nan_and_infinity_stays() -> None:
    values = Column("a", pa.array(["1", "", "NaN", "#N/A", "-inf", "1e400"]), untyped=True, opaque=False).numbers()
    np.testing.assert_array_equal(values, [1, np.nan, np.nan, np.nan, -np.inf, np.inf])


def test_spellings_of_one_name() -> None:
    assert len({spelling(name) for name in ("1", "01", "1.0", "+1", "1e0", "1.")}) == 1
    assert len({spelling(name) for name in ("Yes", "yes", "YES", "yes\u00a0")}) == 1
    assert spelling("\u00e9t\u00e9") == spelling("e\u0301te\u0301")
    assert len({spelling(name) for name in ("a", "A", "1", "10", "no", "not", "1a", "nan", "NA")}) == 9


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfa,b\n\xc3\xa9,1\n",
        b"a,b\r\n\xc3\xa9,1\r\n",
        b'"a","b"\n"\xc3\xa9","1"\n',
        b" a ,b\n\xc3\xa9,1\n",
        b"b,a\n1,\xc3\xa9",
        b"a,b\n\n\xc3\xa9,1\n\n",
    ],
)
def test_one_table_in_many_forms(tmp_path: Path, content: bytes) -> None:
    table = read(tmp_path, "a.csv", content)
    assert (names_of(table), names_of(table, "b")) == (["é"], ["1"])


def test_quoted_cells_keep_lines_commas_and_quotes(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", 'a,b\n"one\ntwo, ""three""",1\n5" pipe,2\n')
    assert names_of(table) == ['one\ntwo, "three"', '5" pipe']


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", "a,b\né,1\n".encode("latin-1"), "line 2 is not UTF-8 .byte 0xe9.; save it as UTF-8"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "it is UTF-16, not UTF-8"),
        ("a.csv", "a,b\n1,2\n".encode("utf-32"), "it is UTF-32, not UTF-8"),
        ("a.jsonl", '{"a": 1}\n'.encode("utf-16-le"), "line 1 holds a NUL byte"),
        ("a.csv", b"a,b\n1,2\n1\0,2\n", "line 3 holds a NUL byte"),
        ("a.csv", 'a,b\n"x,1\ny,2\nz,3\n', "a quote is opened and not closed"),
        ("a.csv", 'a,b\n"He" said,1\n"x,2\n', "line 2: .* a quote within a quoted cell is written twice"),
        ("a.csv", "a,b\n1,2\n1,2,3\n", "Expected 2 columns, got 3"),
        ("a.csv", "a, a\n1,2\n", "the column 'a' is listed twice"),
        ("a.csv", ",b,\n1,2,3\n", "two columns have no name"),
        ("a.csv", "a,b\n", "no rows"),
        ("a.csv", "", "cannot be read"),
        ("a.jsonl", "", "no rows"),
        ("a.jsonl", '[\n{"a": 1},\n{"a": 2}\n]\n', r"it is a JSON array; write one object per line: jq -c '.\[\]'"),
        ("a.jsonl", '[{"a": 1}]', r"line 1 is no JSON object; write one object per line: jq -c '.\[\]'"),
        ("a.jsonl", '{"a": 1}\n{"a": 2\n', "line 2 is no JSON object"),
        ("a.jsonl", '{"a": 1, "a": 2}\n', "line 1: the name 'a' is there twice"),
        ("a.jsonl", '{"a": 1, "a ": 2}\n', "the column 'a' is listed twice"),
        ("a.jsonl", '{"a": "\\ud800"}\n', "cannot be read"),
        ("a.json", '[{"a": 1}]', r"known: \.csv, .*; a JSON array becomes JSON lines by: jq"),
    ],
)
def test_files_that_do_not_say_one_thing(tmp_path: Path, name: str, content: bytes | str, problem: str) -> None:
    with pytest.raises(FieldError, match=rf"{name}: .*{problem}"):
        read(tmp_path, name, content)


def test_columns_of_json_lines_may_hold_anything(tmp_path: Path) -> None:
    lines = [
        '{"a": "x", "mixed": 1, "list": [1, 2.5], "odd": [1]}',
        '{"a": "y", "mixed": "n/a", "list": [3, 4], "odd": {"b": 1}}',
        '{"a": "z"}',
    ]
    table = read(tmp_path, "a.jsonl", "\n".join(lines))
    assert names_of(table) == ["x", "y", "z"]
    assert names_of(table, "mixed") == ["1", "n/a", None]
    assert table["list"].to_pylist() == [[1.0, 2.5], [3.0, 4.0], None]
    with pytest.raises(CellError, match="holds values of several kinds, not text"):
        column_of(table, "odd").texts()


def test_a_damaged_text_in_parquet_is_told(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff")])
    pq.write_table(pa.table({"a": broken}), tmp_path / "a.parquet")
    with pytest.raises(FieldError, match=r"a\.parquet: cannot be read: .*UTF8"):
        read_table_file("a.parquet", tmp_path / "a.parquet")
