"""Figures of the tabular study: rewards over the contrast, and true reward against the distance from the language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.summary import summarize
from w2s.summary.columns import cell_fields

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_NOTE = "{seeds}; bands: 95 % over seeds"
_ALIGNMENTS = {"aligned": "aligned to the reward", "control": "aligned to noise"}
_METHODS = {
    "sft": "fit to contrastive texts",
    "dpo": "fit, then preferences",
    "wspo": "WSPO",
    "eft": "tilted decoding",
    "search": "search",
}


_STUDENTS = {"table": ("o", ", table"), "shared": ("^", ", shared"), "none": ("s", "")}
"""Kinds of students: their marks, and what the legend adds."""


def _draw_contrast(table: DataFrame) -> Canvas | None:
    """Draw implicit and true reward of fitted students and of their texts over the contrast, with the control."""
    rows, held = fullest(table[table["method"] == "sft"], ["cd_lambda", "alignment"])
    if rows["cd_lambda"].nunique() < 3:
        return None
    figure = figures.canvas(9.4, 4.0)
    left, right = figures.panels(figure, 1, 2)[0]
    for color, (alignment, label) in zip(figures.COLORS, _ALIGNMENTS.items(), strict=False):
        part = rows[rows["alignment"] == alignment]
        if not len(part):
            continue
        names = ["student_implicit", "decoded_implicit", "student_reward", "decoded_reward"]
        line = summarize(part, by=["cd_lambda"], metrics=names)
        for ax, kind in ((left, "implicit"), (right, "reward")):
            found = [line[f"student_{kind}{end}"] for end in ("", "_low", "_high")]
            figures.band(ax, line["cd_lambda"], *found, color=color, label=f"student, {label}")
            ax.plot(line["cd_lambda"], line[f"decoded_{kind}"], color=color, linewidth=1.0, linestyle="--", label="their texts")
        right.axhline(part["weak_reward"].mean(), color=color, linewidth=0.9, linestyle=":", label="aligned weak model")
    left.set(xlabel=r"strength of the contrast, $\lambda$", ylabel="implicit reward per token, nats")
    right.set(xlabel=r"strength of the contrast, $\lambda$", ylabel="true reward of a text")
    figures.beside(right)
    heading_over_seeds(
        figure, "the implicit reward always rises, the true one where the alignment knows of it", rows, _NOTE, held
    )
    return figure


def _draw_distance(table: DataFrame) -> Canvas | None:
    """Draw true reward against divergence from the language, a colour for each method and a mark for each kind of student."""
    rows = table[(table["alignment"] == "aligned") & table["student_divergence"].notna()]
    if rows["method"].nunique() < 3:
        return None
    figure = figures.canvas(7.6, 4.4)
    ax = figures.panels(figure, 1, 1)[0, 0]
    by = [name for name in cell_fields(table) if name not in ("seed", "method")]
    for color, (method, label) in zip(figures.COLORS, _METHODS.items(), strict=False):
        part = rows[rows["method"] == method]
        for student, (marker, what) in _STUDENTS.items():
            own = part[part["student"].fillna("none") == student]
            if len(own):
                points = own.groupby(by, dropna=False)[["student_divergence", "student_reward"]].mean()
                place = points["student_divergence"], points["student_reward"]
                ax.scatter(*place, s=24, color=color, marker=marker, label=f"{label}{what}", alpha=0.8)
    ax.scatter([0.0], [rows["base_reward"].mean()], s=40, marker="x", color="#000000", label="language")
    ax.set_xlabel("KL(student || language) per token, nats", fontsize=9)
    ax.set_ylabel("true reward of a text", fontsize=9)
    figures.beside(ax)
    heading_over_seeds(figure, "true reward against the distance from the language", rows, "{seeds}; a point for each setting")
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "contrast",
        "Implicit and true reward over the contrast",
        _draw_contrast,
        ("implicit_rises", "true_rises", "control_flat", "filter_helps", "contrast_needs_filter", "interior_best"),
    ),
    Figure("distance", "True reward against the distance from the language", _draw_distance, ("true_rises", "interior_best")),
)
