"""Names of places."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s.errors import FieldError
from w2s.places.url import where_of


@pytest.mark.parametrize(
    "name", ["", "  ", "a\0b", "foo://x/y", "ftp://bucket/run", "s3:/bucket/run", "file:///tmp/x", "s3://"]
)
def test_no_folder_is_made_of_a_url(name):
    with pytest.raises(FieldError, match=r"no name of a folder|not a local folder|names no folder"):
        where_of(name)


def test_a_path_that_was_a_url_is_refused():
    with pytest.raises(FieldError, match=r"'s3:/bucket/run' is not a local folder"):
        where_of(Path("s3://bucket/run"))


@pytest.mark.parametrize("name", ["runs/a", "C:x", "./s3:/x", "/tmp/a:b/c", "~/x"])
def test_other_names_are_paths(name):
    assert where_of(name) == Path(name)
