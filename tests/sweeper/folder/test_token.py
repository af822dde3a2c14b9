"""The file by which a worker proves that it sees the run folder."""

from __future__ import annotations

import pytest

from sweeper.errors import StoreError, UnseenFolderError
from sweeper.folder import token as module
from sweeper.folder.token import Token, check_token, written_token


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)


def test_it_is_there_while_the_launch_lasts(tmp_path):
    (tmp_path / ".token-left").write_text("by a launch that was killed")
    with written_token(tmp_path) as token:
        assert list(tmp_path.iterdir()) == [token.path]
        check_token(token)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, "another", b"\xff\xfe"])
def test_another_folder_of_the_same_name_is_not_the_run_folder(tmp_path, content):
    token = Token(tmp_path / ".token-1", "mine")
    if content is not None:
        token.path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UnseenFolderError, match=f"does not see the run folder {tmp_path}"):
        check_token(token)
    token.path.write_text("mine")
    check_token(token)


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(StoreError, match="cannot write in"), written_token(tmp_path / "missing"):
        pass
