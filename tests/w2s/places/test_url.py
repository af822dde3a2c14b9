"""Names of places."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from w2s.errors import FieldError
from w2s.places.known import place_of
from w2s.places.url import where_of


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "a\0b",
        "foo://x/y",
        "ftp://bucket/run",
        "s3:/bucket/run",
        "file:///tmp/x",
        "s3://",
        "s3://a",
        "s3://bucket",
        "s3://buck et/x",
        "s3://bucket/../x",
        "s3://bucket/a\nb",
        "s3://bucket/\udcff",
    ],
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


def test_names_in_a_bucket_are_joined_as_paths_are():
    run = where_of("s3://bucket/runs//first run/")
    assert str(run / "results") == "s3://bucket/runs/first run/results"
    assert (run.name, run.parent.name, str(run.with_name("b"))) == ("first run", "runs", "s3://bucket/runs/b")
    assert ((run / "a.tar.gz").stem, run.resolve(), where_of(run)) == ("a.tar", run, run)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AWS_ENDPOINT_URL", "http://store.example", "has no TLS"),
        ("AWS_ENDPOINT_URL", "http://localhost.example", "has no TLS"),
        ("AWS_ENDPOINT_URL", "localhost:9000", "is no http"),
        ("AWS_ENDPOINT_URL", "https://store.example:port", "is no http"),
        ("AWS_ENDPOINT_URL", "https://store .example", "is no http"),
        ("AWS_ENDPOINT_URL", "https://me:hidden@store.example", "holds a password"),
        ("AWS_SECRET_ACCESS_KEY", "hidden\n", "AWS_SECRET_ACCESS_KEY holds white space"),
        ("AWS_REGION", "nowhere at all", "AWS_REGION holds white space"),
        ("AWS_ACCESS_KEY_ID", "", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_what_the_environment_must_say(monkeypatch, name, value, said):
    pytest.importorskip("obstore")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv(name, value)
    with pytest.raises(FieldError, match=said) as caught:
        place_of(where_of("s3://environment/run"))
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_obstore_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody before")
    with pytest.raises(FieldError, match=r"object stores need the package obstore: pip install 'w2s-sweep\[s3\]'"):
        place_of(where_of("s3://environment/run"))
