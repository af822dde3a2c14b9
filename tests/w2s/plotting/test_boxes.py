"""Every figure of every small grid, its study's and those that all studies get: no text is cut off or lies on another.

The numbers are made up: where texts lie depends on the axes of the grid, on the number of panels and on ranges.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from made_rows import made_rows
from matplotlib.figure import Figure
from text_boxes import faults

from w2s.contract.study import Figure as Drawn
from w2s.figures.texts import thin_labels
from w2s.plotting import default_figures
from w2s.studies.registry import find_study

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
WITH_DATA = ("burns2023", "molecules", "ladder", "transfer", "small/compare", "mnist", "strings")
"""Words in the names of grids whose data sets are found through W2S_DATA."""
WITH_WORDS = {"raven2025.shift": "weights are lists in a text column, which made-up rows lack"}
"""Studies whose own figures need more than numbers."""


def small_grids() -> list[str]:
    return [path.relative_to(CONFIGS).as_posix() for path in sorted(CONFIGS.rglob("small/*.yaml"))]


def figures_of(rows: pd.DataFrame) -> list[Drawn]:
    study = find_study(rows.attrs["w2s"]["study"])
    return [*(() if study.name in WITH_WORDS else study.figures), *default_figures()]


@pytest.mark.grid
@pytest.mark.slow
@pytest.mark.parametrize("name", small_grids())
def test_texts_of_figures_have_room(name: str) -> None:
    if "W2S_DATA" not in os.environ and any(part in name for part in WITH_DATA):
        pytest.skip("needs the data sets that W2S_DATA names")
    rows = made_rows(CONFIGS / name)
    found = {}
    for figure in figures_of(rows):
        drawn = figure.draw(rows)
        if drawn is not None:
            thin_labels(drawn)
            found[figure.id] = faults(drawn)
    assert {name: faulty for name, faulty in found.items() if faulty} == {}


def test_faults_are_found() -> None:
    figure = Figure(figsize=(2.0, 1.0))
    figure.text(0.1, 0.5, "one text")
    figure.text(0.15, 0.5, "another")
    figure.text(0.8, 0.1, "too long for the rest")
    said = faults(figure)
    assert said == ["cut off: 'too long for the rest'", "'one text' lies on 'another'"]
