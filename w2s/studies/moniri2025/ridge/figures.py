"""Figures of the ridge study: where a student beats its teacher, errors against the teacher's ridge and the student's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.summary import summarize
from w2s.summary.text import value_text
from w2s.theory import moniri2025 as theory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_LEAST, _MOST = 0.01, 1.0
"""Relative gains from which on the colours of the phase diagram are logarithmic, and at which they end."""


def _draw_phase(table: DataFrame) -> Canvas | None:
    """Draw the relative gain over both ridges, simulated above and in the limit below, a column for each pair of samples."""
    rows = table[(table["sample"] == "fresh") & (table["decay"] == 0) & (table["ridge"] > 0) & (table["ridge_weak"] > 0)]
    rows, held = fullest(rows, ("n_labeled", "n_transfer", "ridge_weak", "ridge", "seed"))
    grouped = rows.groupby(["n_labeled", "n_transfer"])
    full = [np.array(pair, dtype=float) for pair, part in grouped if part[["ridge_weak", "ridge"]].nunique().min() > 4]
    pairs = sorted(((float(labeled), float(transfer)) for labeled, transfer in full), reverse=True)[:3]
    if not pairs:
        return None
    figure = figures.canvas(3.1 * len(pairs) + 1.6, 5.8)
    axes = figures.panels(figure, 2, len(pairs), sharex=True, sharey=True)
    shown: Any = None
    norm = _logarithmic()
    for column, pair in enumerate(pairs):
        part = rows[(rows["n_labeled"] == pair[0]) & (rows["n_transfer"] == pair[1])]
        first = part.iloc[0]
        ratios = first["d"] / pair[0], first["d"] / pair[1]
        weak = part.groupby("ridge_weak")["weak_error"].mean()
        for ax, name in zip(axes[:, column], ("gain", "gain_theory"), strict=True):
            wide = part.pivot_table(index="ridge", columns="ridge_weak", values=name)
            values = wide / (weak if name == "gain" else part.groupby("ridge_weak")["weak_error_theory"].mean())
            shown = ax.pcolormesh(wide.columns, wide.index, values, cmap="RdBu", norm=norm, shading="nearest")
            _boundary(ax, wide, ratios, first["signal"], first["noise_variance"])
            ax.set(xscale="log", yscale="log")
            ax.grid(visible=False)
            ax.set_ylim(wide.index.min(), wide.index.max())
        axes[0, column].set_title(f"$d/n$ = {ratios[0]:.3g}, $d/N$ = {ratios[1]:.3g}", fontsize=9)
        axes[1, column].set_xlabel("teacher's ridge", fontsize=9)
    for ax, name in zip(axes[:, 0], ("simulated", "limit"), strict=True):
        ax.set_ylabel(f"{name}: student's ridge", fontsize=9)
    bar = figure.colorbar(shown, ax=axes, shrink=0.7, extend="both")
    bar.set_label("gain / teacher's error", fontsize=9)
    bar.set_ticks([-1.0, -0.1, -0.01, 0.0, 0.01, 0.1, 1.0])
    bar.ax.yaxis.set_major_formatter("{x:g}")
    bar.ax.tick_params(labelsize=8)
    note = "black: where the limit's gain is zero; dotted: the teacher's optimal ridge"
    heading_over_seeds(figure, "where a ridge student beats its ridge teacher", rows, "{seeds}", note, held)
    return figure


def _logarithmic() -> Any:
    from matplotlib.colors import SymLogNorm

    return SymLogNorm(_LEAST, vmin=-_MOST, vmax=_MOST)


def _boundary(ax: Axes, wide: DataFrame, ratios: tuple[float, float], signal: float, noise: float) -> None:
    shown = wide.columns.to_numpy(float)
    strengths = np.geomspace(shown.min(), shown.max(), 400)
    low, high = theory.gain_interval(*ratios, strengths, signal, noise)
    some = high > low
    for end in (low, high):
        seen = np.where(some & (end > 0) & np.isfinite(end), end, np.nan)
        ax.plot(strengths, seen, color="#000000", linewidth=1.4)
    best = float(theory.optimal_ridge(ratios[0], signal, noise))
    ax.axvline(best, color="#000000", linewidth=1.0, linestyle=":")


def _draw_teacher_ridge(table: DataFrame) -> Canvas | None:
    """Draw both errors against the teacher's ridge, a line for each ridge of the student; columns are covariances."""
    rows = table[(table["sample"] == "fresh") & (table["ridge_weak"] > 0)]
    rows, held = fullest(rows, ("decay", "ridge_weak", "ridge", "seed"))
    if rows["ridge_weak"].nunique() < 5 or not 1 <= rows["ridge"].nunique() <= 6:
        return None
    decays = sorted(rows["decay"].unique())[:3]
    figure = figures.canvas(3.7 * len(decays) + 1.7, 3.9)
    axes = figures.panels(figure, 1, len(decays), sharey=True)[0]
    for ax, decay in zip(axes, decays, strict=True):
        part = rows[rows["decay"] == decay]
        _line(ax, part[part["ridge"] == part["ridge"].min()], "ridge_weak", "weak", "#000000", "teacher")
        for color, strength in zip(figures.COLORS, sorted(part["ridge"].unique()), strict=False):
            _line(ax, part[part["ridge"] == strength], "ridge_weak", "student", color, f"student, ridge {value_text(strength)}")
        if decay == 0:
            first = part.iloc[0]
            best = theory.optimal_ridge(first["d"] / first["n_labeled"], first["signal"], first["noise_variance"])
            ax.axvline(float(best), color="#000000", linewidth=0.9, linestyle=":")
        ax.set_title(
            "isotropic (dotted: optimal ridge)" if decay == 0 else f"eigenvalues $i^{{-{value_text(decay)}}}$", fontsize=10
        )
        ax.set(xscale="log", xlabel="teacher's ridge")
    axes[0].set_ylabel("excess risk", fontsize=9)
    figures.beside(axes[-1])
    note = "points: means, bands of 95 %; lines: limits"
    heading_over_seeds(figure, "errors against the teacher's ridge", rows, "{seeds}", note, held)
    return figure


def _draw_student_ridge(table: DataFrame) -> Canvas | None:
    """Draw the student's error against its ridge, a line for each sample of the student; columns are teachers."""
    rows, held = fullest(table[table["ridge"] > 0], ("sample", "n_transfer", "ridge_weak", "ridge", "seed"))
    kinds = rows[["sample", "n_transfer"]].drop_duplicates().sort_values(["sample", "n_transfer"])
    if rows["ridge"].nunique() < 5 or len(kinds) < 2 or rows["ridge_weak"].nunique() > 4:
        return None
    teachers = sorted(rows["ridge_weak"].unique())
    figure = figures.canvas(3.5 * len(teachers) + 1.9, 3.9)
    axes = figures.panels(figure, 1, len(teachers))[0]
    for ax, strength in zip(axes, teachers, strict=True):
        part = rows[rows["ridge_weak"] == strength]
        figures.level(ax, float(part["weak_error_theory"].iloc[0]))
        for color, (_, kind) in zip(figures.COLORS, kinds.iterrows(), strict=False):
            same = kind["sample"] == "same"
            of_kind = part[part["sample"] == "same"] if same else part[part["n_transfer"] == kind["n_transfer"]]
            label = "the teacher's rows" if same else f"$d/N$ = {of_kind['d'].iloc[0] / kind['n_transfer']:.2g}"
            _line(ax, of_kind, "ridge", "student", color, label)
        ax.set_title(f"teacher's ridge {value_text(strength)}", fontsize=10)
        ax.set(xscale="log", xlabel="student's ridge")
    axes[0].set_ylabel("student's excess risk", fontsize=9)
    figures.beside(axes[-1])
    note = "points: means, bands of 95 %; lines: limits; black: the teacher's limit"
    heading_over_seeds(figure, "students with few and many rows, and on their teacher's", rows, "{seeds}", note, held)
    return figure


def _line(ax: Axes, rows: DataFrame, x: str, model: str, color: str, label: str) -> None:
    """Draw means as points with bands, and the limit as a line."""
    error, limit = f"{model}_error", f"{model}_error_theory"
    line = summarize(rows, by=[x], metrics=[error])
    order = np.argsort(line[x].to_numpy(float))
    at, mean, low, high = (line[name].to_numpy(float)[order] for name in (x, error, f"{error}_low", f"{error}_high"))
    ax.fill_between(at, low, high, color=color, alpha=0.18, linewidth=0)
    ax.plot(at, mean, "o", color=color, markersize=3)
    expected = rows.groupby(x)[limit].mean()
    ax.plot(expected.index, expected, color=color, linewidth=1.4, label=label)


FIGURES: tuple[Figure, ...] = (
    Figure(
        "phase",
        "Where a ridge student beats its ridge teacher",
        _draw_phase,
        ("under_regularised_gains", "over_regularised_loses", "sign_change", "gain_boundary"),
    ),
    Figure(
        "teacher_ridge",
        "Errors against the teacher's ridge",
        _draw_teacher_ridge,
        ("teacher_limit", "student_limit", "sign_change", "never_below_best_teacher"),
    ),
    Figure(
        "student_ridge",
        "Students with few and many rows, and on their teacher's",
        _draw_student_ridge,
        ("student_limit", "same_sample_limit", "projection", "no_ridge"),
    ),
)
