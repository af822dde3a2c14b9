"""The example of the page runs and says what the page says it does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "studies" / "cong2025.md"


def test_the_example_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    exec(block, {})
    told = re.findall(r"# (\[.*\])", block)
    assert capsys.readouterr().out.splitlines() == told
