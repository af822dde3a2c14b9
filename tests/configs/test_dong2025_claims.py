"""The claims of `dong2025.regression` notice what they declare; in a file of its own, so that another process has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sabotaged import faults

import w2s
from sweeper import launch
from w2s.studies.dong2025.regression.study import Regression

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs" / "dong2025"


@pytest.mark.grid
@pytest.mark.slow  # 40 seconds
def test_claims_about_the_regression_notice_what_they_declare(tmp_path: Path) -> None:
    outcome = launch(CONFIGS / "small" / "all.yaml", out=tmp_path / "run", executor="inline")
    assert outcome.exit == 0
    assert faults("dong2025.regression", Regression.claims, w2s.load(outcome.run)) == []
