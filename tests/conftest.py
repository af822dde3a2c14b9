"""Fixtures shared by the tests of the engine."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from buckets import BUCKET, credentials, served, url
from hypothesis import settings
from workbench import Bench

from w2s.places.url import Url

# A red run should be about the change at hand: CI draws the same examples every time, anyone else others each time.
settings.register_profile("same", derandomize=True)
settings.load_profile(os.environ.get("W2S_EXAMPLES", "default"))


def pytest_collection_finish() -> None:
    """Leave what collecting has imported out of every later search for garbage: it is a million objects, and stays."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A folder with the toy study; what steers the study holds in this process too."""
    bench = Bench(tmp_path)
    monkeypatch.setenv("W2S_TOY", str(bench.control))
    return bench


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The endpoint of an S3 server with an empty bucket."""
    with served() as endpoint:
        yield endpoint


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path) -> Url:
    """A folder of the test's own in a bucket that this process and those it starts may use."""
    for name, value in credentials(s3_server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = hashlib.blake2b(request.node.nodeid.encode(), digest_size=6).hexdigest()
    return url(f"s3://{BUCKET}/{name}")
