"""Paths in a grid: variables of the environment are expanded or refused, never taken for a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper import GridError, load_grid
from w2s.errors import FieldError
from w2s.files.cache import cache_folder, cached
from w2s.files.datafile import DataFile, DataFileError, data_folders
from w2s.files.paths import user_path

FIXED = {"d_weak": 10, "d_strong": 12, "d_overlap": 4, "n_labeled": 50, "n_transfer": 100}
GRID = {"study": "dong2025.regression", "axes": {"ridge": [0.01, 0.1]}, "fixed": FIXED}


@pytest.fixture(autouse=True)
def variables(monkeypatch, tmp_path):
    monkeypatch.setenv("PLACE", str(tmp_path / "place"))
    monkeypatch.setenv("NOTHING", "")
    monkeypatch.delenv("MISSING", raising=False)


@pytest.mark.parametrize("written", ["$PLACE/x", "${PLACE}/x", "$PLACE//x/"])
def test_a_variable_is_expanded(written, tmp_path):
    assert user_path(written) == tmp_path / "place" / "x"
    assert load_grid(GRID | {"out": written}, tmp_path).out == tmp_path / "place" / "x"


@pytest.mark.parametrize("written", ["plain", "price$", "a$1", "$", "a$/b"])
def test_a_dollar_without_a_name_is_a_letter(written, tmp_path):
    assert user_path(written, tmp_path) == tmp_path / written


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("$MISSING/x", "MISSING is not set"),
        ("${MISSING}", "MISSING is not set"),
        ("$NOTHING/x", "NOTHING is empty"),
        ("${oc.env:PLACE}/x", r"'\$\{oc.env:PLACE\}' is no environment variable; write \$PLACE"),
        ("${now:%Y-%m-%d}", "is no environment variable"),
        ("${}", "is no environment variable"),
    ],
)
def test_what_no_variable_stands_for_is_an_error(written, words, tmp_path):
    with pytest.raises(FieldError, match=words):
        user_path(written, tmp_path)
    with pytest.raises(GridError, match=words):
        load_grid(GRID | {"out": written}, tmp_path)
    with pytest.raises(DataFileError, match=words):
        DataFile.find(f"{written}/table.csv", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_found_through_a_variable_and_a_data_folder_too(tmp_path, monkeypatch):
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "table.csv").write_text("x,y\n1,2\n")
    assert DataFile.find("$PLACE/table.csv", Path("/")).path == tmp_path / "place" / "table.csv"
    monkeypatch.setenv("W2S_DATA", "$PLACE")
    assert data_folders() == [tmp_path / "place"]
    monkeypatch.setenv("W2S_DATA", "$MISSING/x")
    with pytest.raises(DataFileError, match="W2S_DATA: the environment variable MISSING is not set"):
        data_folders()


def test_without_a_home_folder_a_tilde_is_an_error_and_the_cache_lasts_as_long_as_the_process(monkeypatch):
    def nowhere(*_given):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.setattr(Path, "expanduser", nowhere)
    with pytest.raises(FieldError, match="no home folder"):
        user_path("~/x")
    assert "w2s-cache-" in str(cache_folder("rates.json"))
    assert cache_folder("a") == cache_folder("a")
    assert cached("a test without a home", lambda: [1, 2])[1] == 2
