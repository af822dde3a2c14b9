"""Tables in files: what cannot be read is told."""

from __future__ import annotations

import pytest

from w2s.errors import FieldError
from w2s.files.tablefile import read_table_file


def test_a_csv_of_another_encoding_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_bytes("text,label\n\u00e9t\u00e9,1\nb,0\n".encode("latin-1"))
    with pytest.raises(FieldError, match="line 2 is not UTF-8"):
        read_table_file("a.csv", tmp_path / "a.csv")


def test_a_row_of_several_megabytes_is_a_row(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text(f'text,label\n"{"a b " * 1_000_000}",1\n"two\nlines",2\n')
    table = read_table_file("long.csv", path)
    assert (table.num_rows, table["label"].to_pylist()) == (2, ["1", "2"])
    assert len(table["text"][0].as_py()) == 4_000_000
