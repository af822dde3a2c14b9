"""Data files: found in three ways, known by content."""

from __future__ import annotations

import hashlib
import os

import pytest
from solving import cell_id

from w2s import Block, Cell, DataFile, FieldError, Study, field
from w2s.contract.cells import cell_fields
from w2s.contract.identity import cell_ids
from w2s.files.datafile import DataFileError


class FileCell(Cell):
    data: DataFile = field(description="a file")


class Files(Study):
    name = "files"
    version = 1
    Cell = FileCell

    def cost(self, block): ...

    def solve(self, block, backend): ...


def parse(value, base, **options):
    return cell_fields(FileCell)["data"].parse(value, base, **options)


def test_identity_is_content_not_path(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.csv", "b.csv", "sub/a.csv"):
        (tmp_path / name).write_text("1,2\n")
    (tmp_path / "c.csv").write_text("1,3\n")
    a, b, s, c = (parse(name, tmp_path) for name in ("a.csv", "b.csv", "sub/a.csv", "c.csv"))
    assert a.sha256 == hashlib.sha256(b"1,2\n").hexdigest()
    assert a == b == s != c
    assert len({a, b, s, c}) == 2
    assert cell_id(Files, {"data": a}) == cell_id(Files, {"data": b}) != cell_id(Files, {"data": c})
    assert str(s) == "sub/a.csv"
    assert cell_ids(Files, Block({"data": a}, ())).shape == (1, 2)


def test_a_file_that_changed_is_another_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1\n")
    before = parse("a.csv", tmp_path)
    path.write_text("2\n")
    os.utime(path, ns=(1, 1))
    after = parse("a.csv", tmp_path)
    assert before != after
    stored = {"path": "a.csv", "sha256": before.sha256}
    with pytest.raises(FieldError, match=r"not the one this run was made with"):
        parse(stored, tmp_path)
    assert parse(stored, tmp_path / "nowhere", stored=True) == before
    assert parse({"path": "a.csv", "sha256": after.sha256}, tmp_path) == after


def test_data_folders(tmp_path, monkeypatch):
    for folder, text in (("one", "1"), ("two", "2")):
        (tmp_path / folder / "set").mkdir(parents=True)
        (tmp_path / folder / "set" / f"{folder}.csv").write_text(text)
    monkeypatch.delenv("W2S_DATA", raising=False)
    with pytest.raises(DataFileError, match="W2S_DATA is not set; set W2S_DATA to the folder"):
        DataFile.find("data:set/one.csv")
    monkeypatch.setenv("W2S_DATA", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    assert DataFile.find("data:set/two.csv").path == tmp_path / "two" / "set" / "two.csv"
    with pytest.raises(DataFileError, match=r"not found in .*did you mean 'one\.csv'"):
        DataFile.find("data:set/onne.csv")
    with pytest.raises(DataFileError, match="is not allowed"):
        DataFile.find("data:../one/set/one.csv")
    with pytest.raises(DataFileError, match="is no path"):
        DataFile.find("data:" + "a" * 300)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("nowhere.csv", "no such file"),
        ("taable.csv", "did you mean 'table.csv'"),
        (".", "no such file"),
        ("", "is not a file name"),
        (3, "is not a file name"),
        (None, "is not a file name"),
        ({"path": "table.csv"}, "is not a file name"),
        ("a\0b", "is no path of a file"),
        ("\ud800", "is no path of a file"),
        ("~nobody-here/x", "is no path of a file"),
    ],
)
def test_refused(tmp_path, value, says):
    (tmp_path / "table.csv").write_text("1")
    with pytest.raises(FieldError) as caught:
        parse(value, tmp_path)
    assert says in str(caught.value)


def test_digits_come_with_the_package():
    assert DataFile.find("digits").path.is_file()
    assert DataFile.find("digits") == DataFile.find("digits", sha256=DataFile.find("digits").sha256)
