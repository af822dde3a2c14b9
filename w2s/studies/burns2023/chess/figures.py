"""Figures of chess: accuracy of weak model, student and ceiling by pair of models, and by the ratings of the puzzles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds
from w2s.studies.burns2023.chess.claims import RATINGS
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_MODELS = {"weak": "weak model", "student": "student", "strong": "strong, labelled puzzles", "ceiling": "ceiling"}


def _draw_pairs(table: DataFrame) -> Canvas | None:
    """Draw the share of best moves for each pair of models and kind of labels, on puzzles of all ratings; dotted: chance."""
    rows = table[(table[list(RATINGS)] == "all").all(axis=1)]
    return _drawn(rows, ["weak_sight", "between", "student_sight", "labels"], _pair, "Best moves by what models see")


def _draw_ratings(table: DataFrame) -> Canvas | None:
    """Draw it for each regime of ratings: easy or hard puzzles with true labels, with weak labels, in the test."""
    rows = table[(table["between"] == "none") & (table[list(RATINGS)] != "all").any(axis=1)]
    return _drawn(rows, [*RATINGS, "weak_sight", "student_sight"], _regime, "Best moves by ratings")


def _pair(row: Any) -> str:
    between = "" if row["between"] == "none" else f" > {row['between']}"
    return f"{row['weak_sight']}{between} > {row['student_sight']}\n{row['labels']} labels"


def _regime(row: Any) -> str:
    labelled, weak, test = (row[name] for name in RATINGS)
    return f"truth {labelled}, weak {weak}\ntest {test}: {row['weak_sight']} > {row['student_sight']}"


def _drawn(rows: DataFrame, by: list[str], label: Any, title: str) -> Canvas | None:
    if not len(rows):
        return None
    seeds = set.intersection(*(set(part["seed"]) for _, part in rows.groupby(by, dropna=False)))
    rows = rows[rows["seed"].isin(seeds)]  # settings on the same draws
    if not len(rows):
        return None
    errors = [f"{model}_error_01" for model in _MODELS]
    found = summarize(rows, by=by, metrics=[*errors, "chance_error_01"], population="test_part")
    figure = figures.canvas(7.6, 1.4 + 0.5 * len(found))
    ax = figures.panels(figure, 1, 1)[0, 0]
    heights = np.arange(len(found))[::-1]
    for k, (model, name) in enumerate(_MODELS.items()):
        error, low, high = (found[f"{model}_error_01{end}"].to_numpy(float) for end in ("", "_low", "_high"))
        bars = np.nan_to_num(np.maximum(np.stack([high - error, error - low]), 0.0))
        ax.errorbar(
            1.0 - error,
            heights + 0.24 - 0.16 * k,
            xerr=bars,
            fmt="o",
            color=figures.COLORS[k],
            markersize=4,
            capsize=2,
            label=name,
        )
    ax.plot(1.0 - found["chance_error_01"].to_numpy(float), heights, "|", color="#555555", markersize=9, label="chance")
    ax.set_yticks(heights, [label(row) for row in found.to_dict("records")], fontsize=7)
    ax.set(xlabel="share of test puzzles with the best move", xlim=(0, 1), ylim=(-0.6, len(found) - 0.4))
    figures.beside(ax)
    heading_over_seeds(figure, title, rows, "{seeds}", "bars: at least 95 % over seeds and test puzzles")
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "pairs",
        "Best moves by pair of models",
        _draw_pairs,
        ("gap", "beats_weak", "tiny_supervisors", "small_gaps", "typical_pgr", "nested_views", "bootstrapping"),
    ),
    Figure("ratings", "Best moves by ratings", _draw_ratings, ("easy_truth", "easy_weak_labels")),
)
