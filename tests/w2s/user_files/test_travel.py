"""A source that travels to a machine without the file."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from w2s.errors import FieldError
from w2s.user_files import import_file, read_source, take_source


@pytest.fixture
def parcel(tmp_path):
    """A source of two files, as a task carries it; the files are gone."""
    (tmp_path / "mine.py").write_text("import helper\nVALUE = helper.TWICE * 2\n")
    (tmp_path / "helper.py").write_text("TWICE = 2\n")
    source = read_source(tmp_path / "mine.py")
    digest = source.digest
    (tmp_path / "mine.py").unlink()
    (tmp_path / "helper.py").unlink()
    return pickle.loads(pickle.dumps(source)), digest


def test_a_source_that_arrives_is_imported_without_its_files(tmp_path, parcel):
    source, digest = parcel
    take_source("mine.py:VALUE", tmp_path, source, digest)
    assert import_file(tmp_path / "mine.py", digest).VALUE == 4


def test_a_source_that_was_altered_on_the_way_is_refused(tmp_path, parcel):
    """Its digest is computed from what arrived, whatever digest came with it."""
    source, digest = parcel
    altered = replace(source, texts={**source.texts, "helper.py": b"TWICE = 3\n"})
    altered.__dict__["files"] = source.files
    assert altered.digest == digest
    with pytest.raises(FieldError, match=r"the source that arrived has digest [0-9a-f]{16}, not"):
        take_source("mine.py:VALUE", tmp_path, altered, digest)


def test_a_file_that_is_here_is_read_here(tmp_path, parcel):
    source, digest = parcel
    (tmp_path / "mine.py").write_text("VALUE = 5\n")
    take_source("mine.py:VALUE", tmp_path, source, digest)
    with pytest.raises(FieldError, match="was edited after the launch had read it"):
        import_file(tmp_path / "mine.py", digest)
