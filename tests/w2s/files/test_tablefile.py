"""Tables in files: what cannot be read is told."""

from __future__ import annotations

import pytest

from w2s.errors import FieldError
from w2s.files.tablefile import read_table_file


def test_a_csv_of_another_encoding_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_bytes("text,label\n\u00e9t\u00e9,1\nb,0\n".encode("latin-1"))
    with pytest.raises(FieldError, match="line 2 is not UTF-8"):
        read_table_file("a.csv", tmp_path / "a.csv")
