"""Every grid of the project can be planned: its cells, what blocks share, what it costs."""

from __future__ import annotations

import os

import pytest
from small_studies import CONFIGS, grids

from sweeper import load_grid, make_plan
from sweeper.cli.show.plan import print_plan

WITH_MODELS = {
    "burns2023/finetunes.yaml",
    "burns2023/gpu.yaml",
    "burns2023/nlp.yaml",
    "burns2023/probes.yaml",
    "burns2023/prompting.yaml",
    "burns2023/stronger.yaml",
    "methods/compare.yaml",
    "methods/preference.yaml",
    "xue2025/text.yaml",
}
"""Grids of language models that no extra of the package installs; test_making.py plans gpu.yaml without its models."""
WITH_RUNS = {
    "burns2023/reward.yaml",
    "charikar2024/tiny/transformers.yaml",
    "charikar2024/transformers.yaml",
    "ladder/tasks.yaml",
    "xue2025/transformers.yaml",
}
"""Grids that name models of a run, which another grid makes."""
WITH_HUTTO = {"charikar2024/ratings.yaml"}
"""Grids of texts that come inside a package."""
WITH_DATA = (
    "burns2023",
    "molecules",
    "features_text",
    "ladder",
    "mnist",
    "selective2025/text",
    "transfer.yaml",
    "raven2025/text",
    "small/compare",
    "charikar2024/ladder",
    "charikar2024/tiny/ladder",
)
"""Words in the names of grids whose data sets are found through W2S_DATA."""


@pytest.mark.grid
@pytest.mark.parametrize("name", [name for name in grids() if name not in WITH_MODELS | WITH_RUNS | WITH_HUTTO])
def test_it_can_be_planned(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "W2S_DATA" not in os.environ and any(part in name for part in WITH_DATA):
        pytest.skip("needs the data sets that W2S_DATA names")
    print_plan(make_plan(load_grid(CONFIGS / name)))
    assert "nominal operations" in capsys.readouterr().out
