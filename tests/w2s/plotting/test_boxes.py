"""Every figure of every small grid, its study's and those that all studies get: texts have room, and no name is a column's.

The numbers are made up: where texts lie depends on the axes of the grid, on the number of panels and on ranges.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from made_rows import made_rows
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from text_boxes import faults, raw_names

from w2s.contract.study import Figure as Drawn
from w2s.figures.symbols import axis_name, without_math
from w2s.figures.texts import folded, text_width, thin_labels
from w2s.plotting import default_figures
from w2s.studies.registry import find_study

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
WITH_DATA = ("burns2023", "molecules", "ladder", "transfer", "small/compare", "mnist", "strings")
"""Words in the names of grids whose data sets are found through W2S_DATA."""
WITH_WORDS = {"raven2025.shift": "weights are lists in a text column, which made-up rows lack"}
"""Studies whose own figures need more than numbers."""

QUICK = (
    "aligner2024/small/edits.yaml",
    "burns2023/small/saliency.yaml",
    "goel2025/small/all.yaml",
    "heo2023/small/decoy.yaml",
    "ildiz2024/small/surrogate.yaml",
    "ladder/small/pretraining.yaml",
)
"""Grids whose figures are drawn in two or three seconds each: lines, points, bars, panels, no legend and long ones."""


def small_grids() -> list[str]:
    return [path.relative_to(CONFIGS).as_posix() for path in sorted(CONFIGS.rglob("small/*.yaml"))]


def figures_of(rows: pd.DataFrame) -> list[Drawn]:
    study = find_study(rows.attrs["w2s"]["study"])
    return [*(() if study.name in WITH_WORDS else study.figures), *default_figures()]


@pytest.mark.grid
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in small_grids()]
)
def test_texts_of_figures_have_room_and_names(name: str) -> None:
    if "W2S_DATA" not in os.environ and any(part in name for part in WITH_DATA):
        pytest.skip("needs the data sets that W2S_DATA names")
    rows = made_rows(CONFIGS / name)
    found = {}
    for figure in figures_of(rows):
        drawn = figure.draw(rows)
        if drawn is not None:
            thin_labels(drawn)
            found[figure.id] = [*faults(drawn), *raw_names(drawn, rows.columns)]
    assert {name: faulty for name, faulty in found.items() if faulty} == {}


def test_faults_are_found() -> None:
    figure = Figure(figsize=(2.0, 1.0))
    figure.text(0.1, 0.5, "one text")
    figure.text(0.15, 0.5, "another")
    figure.text(0.8, 0.1, "too long for the rest")
    said = faults(figure)
    assert said == ["cut off: 'too long for the rest'", "'one text' lies on 'another'"]


def test_names_of_columns_are_found() -> None:
    figure = Figure(figsize=(4.0, 2.0))
    ax = figure.subplots()
    ax.set(xlabel=r"$d_w$", ylabel="student_error - misfit", title="head = least_squares")
    assert raw_names(figure, ["d_w", "student_error", "head", "misfit"]) == ["'student_error - misfit' names a column"]


@pytest.mark.parametrize(
    "text", ["Some intervals reach beyond: Qg@&%", r"student ridge $\lambda$, $\frac{d_w}{n}$", r"\$5", "-"]
)
def test_texts_are_as_wide_as_their_curves(text: str) -> None:
    exact = TextPath((0, 0), text, size=8.0).get_extents().width / 72.0
    assert text_width(text, 8.0) == pytest.approx(exact, rel=1e-12)


def test_notation_is_one_word_and_is_said_in_letters() -> None:
    assert folded(f"{axis_name('d_overlap')} = 3 at the end", 0.01, 8.0)[0] == axis_name("d_overlap")
    assert folded(r"costs \$5 or \$6", 0.01, 8.0) == ["costs", r"\$5", "or", r"\$6"]
    said = without_math(rf"{axis_name('rho_weak')} against {axis_name('d_overlap')}, {axis_name('n_test')}, \$5")
    assert said == "rho_w against d_s^w, n_test, $5"
