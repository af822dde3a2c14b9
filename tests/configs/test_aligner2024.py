"""The grids of Ji et al. 2024: every claim is decided, and claims notice what they say they notice."""

from __future__ import annotations

import pandas as pd
import pytest
from sabotaged import faults, recorded
from small_studies import CONFIGS, drawn, launched_ok, surprises

from sweeper import load_grid
from w2s.studies.aligner2024.edits.study import Edits
from w2s.studies.aligner2024.strings.study import Strings

pytestmark = pytest.mark.grid


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return launched_ok("aligner2024/small/edits.yaml", tmp_path_factory.mktemp("aligner2024") / "edits")


def test_the_small_grid_of_listed_answers_decides_every_claim(edits: pd.DataFrame) -> None:
    assert surprises("aligner2024.edits", edits) == []
    assert faults("aligner2024.edits", Edits.claims, edits) == []
    assert drawn("aligner2024.edits", edits) == ["rounds"]


def test_the_bound_holds_in_every_row(edits: pd.DataFrame) -> None:
    corrected = edits[edits["rounds"] > 0]
    assert (corrected["bound_slack"] >= -1e-12).all()
    assert corrected["bound_excess"].notna().all()


def test_claims_on_recorded_rows_of_strings() -> None:
    """The rows of configs/aligner2024/small/strings.yaml, which take some minutes and are recorded: 12 seeds, each on its own too."""
    rows = recorded("aligner2024.strings")
    assert surprises("aligner2024.strings", rows) == []
    assert faults("aligner2024.strings", Strings.claims, rows) == []
    plain = rows[rows["method"] == "aligner(rate=0.2)"]
    assert (plain["stacked_accuracy"] - plain["upstream_accuracy"] >= 0.05).all()
    assert (plain["copy_rate"] >= 0.95).all()
    gained, offered = (
        1 - plain["student_error_01"] - plain["upstream_accuracy"],
        plain["stacked_accuracy"] - plain["upstream_accuracy"],
    )
    assert (gained >= offered / 2).all()
    assert drawn("aligner2024.strings", rows) == ["accuracies"]


@pytest.mark.parametrize("path", sorted((CONFIGS / "aligner2024").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_grid_is_read(path: object) -> None:
    assert load_grid(path).cells >= 2  # type: ignore[arg-type]
