"""Figures of the spiked study: error against the number of weak labels, and the two phases that it tends to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.summary import summarize
from w2s.theory import wu2024 as theory

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_NOTE = "{seeds}; bands: 95 % over seeds, each with data of its own; dashed: closed form"


def _draw_labels(table: DataFrame) -> Canvas | None:
    """Draw errors of weak model, students of hard and soft labels and ceiling against u, a panel per n."""
    rows, held = fullest(table, ["u", "labels", "n_labeled"])
    sizes = [n for n in sorted(rows["n_labeled"].unique()) if rows[rows["n_labeled"] == n]["u"].nunique() >= 4][-3:]
    if not sizes:
        return None
    figure = figures.canvas(3.1 * len(sizes) + 2.0, 4.0)
    axes = figures.panels(figure, 1, len(sizes), sharey=True)[0]
    for ax, n in zip(axes, sizes, strict=True):
        part = rows[rows["n_labeled"] == n]
        lines = [("student_error", kind, f"student, {kind} labels") for kind in ("hard", "soft")]
        for color, (name, kind, label) in zip(
            figures.COLORS, [*lines, ("ceiling_error", "hard", "ceiling"), ("weak_error", "hard", "weak model")], strict=False
        ):
            chosen = part[part["labels"] == kind]
            if len(chosen):
                line = summarize(chosen, by=["u"], metrics=[name, f"{name}_theory"]).sort_values("u")
                figures.band(ax, line["u"], line[name], line[f"{name}_low"], line[f"{name}_high"], color=color, label=label)
                ax.plot(line["u"], line[f"{name}_theory"], color=color, linewidth=1.0, linestyle="--")
        for end in ("lower_u_theory", "upper_u_theory"):
            ax.axvline(part[end].iloc[0], color="#555555", linewidth=0.8, linestyle=":")
        ax.set(xlabel="$u$: $n^u$ weakly labelled rows", ylim=(0.0, 0.52), title=f"$n$ = {n}")
        ax.title.set_fontsize(10)
    axes[0].set_ylabel("share of wrong classes")
    figures.beside(axes[-1])
    heading_over_seeds(
        figure, "error of interpolated weak labels against their number", rows, _NOTE, "dotted: thresholds", held
    )
    return figure


def _draw_phases(table: DataFrame) -> Canvas | None:
    """Draw the closed form of the student's error against u for n that no one can simulate, a line per power of ten."""
    first: Any = table.iloc[0]
    powers = [[float(first[f"{name}_{model}"]) for name in "pqr"] for model in ("weak", "strong")]
    low, high = theory.student_range(theory.classification_margin(*powers[0]), *powers[1])
    u = np.linspace(0.0, powers[1][0] - 0.01, 200)
    figure = figures.canvas(6.8, 4.0)
    ax = figures.panels(figure, 1, 1)[0, 0]
    for color, n in zip(figures.COLORS, (60.0, 1e4, 1e8, 1e16, 1e32), strict=False):
        shapes = [(n**p, n**r, n**-q) for p, q, r in powers]
        weak = theory.expected_cosine(*shapes[0], n, theory.alignment(1.0))
        error = theory.sign_error(theory.expected_cosine(*shapes[1], n**u, theory.alignment(weak)))
        ax.plot(u, error, color=color, linewidth=1.6, label=f"$n$ = {n:g}, weak error {float(theory.sign_error(weak)):.3f}")
    for end in (low, high):
        ax.axvline(float(end), color="#555555", linewidth=0.8, linestyle=":")
    ax.set(xlabel="$u$: $n^u$ weakly labelled rows", ylabel="student's error, closed form", ylim=(0.0, 0.52))
    figures.beside(ax)
    note = ", ".join(
        f"{m}: " + " ".join(f"{k} = {v:g}" for k, v in zip("pqr", e, strict=True))
        for m, e in zip(("weak", "strong"), powers, strict=True)
    )
    figures.heading(figure, "two phases in u, as n grows; dotted: thresholds", note)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "weak_labels",
        "Error against the number of weak labels",
        _draw_labels,
        ("student_of_a_guess", "deterministic_equivalent", "too_many_labels", "soft_labels_help"),
    ),
    Figure("phases", "Two phases of the closed form", _draw_phases, ("two_phases",)),
)
