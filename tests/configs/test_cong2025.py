"""The grids of Jiang et al. 2025: every claim is decided, and notices what it says it notices."""

from __future__ import annotations

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, drawn, launched_ok, surprises

from sweeper import load_grid
from w2s.studies.cong2025.tabular.study import Tabular

STUDY = "cong2025.tabular"
KNOWN = {0.0: (5.22, 0.267), 0.3: (6.04, 0.329), 0.6: (6.70, 0.381), 0.9: (7.31, 0.432)}
"""Contrast: true reward of a text and implicit reward per token of one seed of another program, whose draws are others."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched_ok("cong2025/small/tabular.yaml", tmp_path_factory.mktemp("cong2025") / "small")


@pytest.mark.grid
def test_the_small_grid_decides_every_claim(small: pd.DataFrame) -> None:
    assert surprises(STUDY, small) == []


@pytest.mark.grid
def test_claims_notice_what_they_declare(small: pd.DataFrame) -> None:
    assert faults(STUDY, Tabular.claims, small) == []


@pytest.mark.grid
@pytest.mark.parametrize("contrast", KNOWN)
def test_known_rewards(small: pd.DataFrame, contrast: float) -> None:
    """A seed is one draw of the law of all seeds."""
    rows = small[(small["method"] == "sft") & (small["student"] == "table") & (small["alignment"] == "aligned")]
    rows = rows[(rows["cd_lambda"] == contrast) & (rows["plausible"] == 0.1)]
    for name, value in zip(("decoded_reward", "decoded_implicit"), KNOWN[contrast], strict=True):
        assert abs(rows[name].mean() - value) < 2.6 * rows[name].std()


@pytest.mark.grid
def test_figures(small: pd.DataFrame) -> None:
    assert drawn(STUDY, small) == ["contrast", "distance"]


@pytest.mark.parametrize("path", sorted((CONFIGS / "cong2025").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_grid_is_read(path: object) -> None:
    assert load_grid(path).cells > 1  # type: ignore[arg-type]
