"""Fixtures shared by the tests of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from workbench import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A folder with the toy study; what steers the study holds in this process too."""
    bench = Bench(tmp_path)
    monkeypatch.setenv("W2S_TOY", str(bench.control))
    return bench
