"""Figures of learned weights: methods in each regime, whom weights trust, errors under shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_NOTE = "{seeds}; 95 % over seeds, each with data of its own"
_REGIMES = {
    (0.0, 0.0, "visible", "soft"): "independent errors",
    (1.0, 0.0, "visible", "soft"): "shared errors",
    (0.0, 0.2, "visible", "soft"): "surer when bad",
    (0.0, 0.2, "visible", "matched"): "surer, matched labels",
    (0.0, 0.0, "hidden", "soft"): "random errors",
}
_KEY = ["sharing", "gap", "errors", "labels"]
_METHODS: dict[str, dict[str, Any]] = {
    "naive, best one": {"method": "naive", "supervisor": 0},
    "uniform weights": {"method": "ensemble"},
    "learned weights": {"method": "raven"},
    "confidence, mean": {"method": "confidence", "supervisor": -1},
    "adaptive, mean": {"method": "adaptive", "supervisor": -1},
    "bootstrapping, mean": {"method": "bootstrapping", "supervisor": -1},
    "co-supervised": {"method": "co_supervised"},
}
_WEIGHTS = ("rate", "easy", "start", "reset", "floor", "decay")


def _of(rows: DataFrame, wanted: dict[str, Any]) -> DataFrame:
    """Keep the rows of a method; of learned weights those of the fastest rate and the longest easy part."""
    for name, value in wanted.items():
        rows = rows[rows[name] == value]
    if wanted["method"] == "raven" and len(rows):
        for name in ("rate", "easy"):
            rows = rows[rows[name] == rows[name].max()]
        rows = rows[(rows["floor"] == 0) & (rows["decay"] == 0) & (rows["start"] == "uniform") & ~rows["reset"].astype(bool)]
    return rows


def _draw_regimes(table: DataFrame) -> Canvas | None:
    """Draw the error of every method in each regime, a panel per regime."""
    rows = table[table["source"] == "drawn"]
    parts = {title: rows[(rows[_KEY] == list(key)).all(axis=1)] for key, title in _REGIMES.items() if len(rows)}
    parts = {title: part for title, part in parts.items() if sum(len(_of(part, m)) > 0 for m in _METHODS.values()) >= 5}
    if len(parts) < 2:
        return None
    figure = figures.canvas(2.1 * len(parts) + 1.9, 3.4)
    axes = figures.panels(figure, 1, len(parts), sharey=True, sharex=True)[0]
    names = list(_METHODS)[::-1]
    for ax, (title, part) in zip(axes, parts.items(), strict=True):
        for place, name in enumerate(names):
            own = _of(part, _METHODS[name])
            if len(own):
                line = summarize(own, by=["method"], metrics=["student_error"]).iloc[0]
                color = figures.COLORS[1] if name == "learned weights" else figures.COLORS[0]
                ax.plot([line["student_error_low"], line["student_error_high"]], [place, place], color=color, linewidth=2.0)
                ax.plot(line["student_error"], place, "o", color=color, markersize=5)
        ax.axvline(part["best_error"].mean(), color="#555555", linewidth=1.0, linestyle=":")
        ax.set_title(title, fontsize=9)
        ax.set_xlabel("share of wrong classes", fontsize=8)
    axes[0].set_xlim(left=0.0)
    axes[0].set_yticks(range(len(names)), names, fontsize=8)
    heading_over_seeds(figure, "students of a good and two bad supervisors", rows, _NOTE, "dotted: the best supervisor", "")
    return figure


def _draw_sharing(table: DataFrame) -> Canvas | None:
    """Draw error and weight of the best supervisor against the part of shared errors, or the gap in confidence."""
    drawn = table[(table["source"] == "drawn") & (table["errors"] == "visible")]
    axes_of = {"sharing": "items on which bad supervisors err alike", "gap": "gap in confidence"}
    found = {name: drawn[drawn["gap" if name == "sharing" else "sharing"] == 0] for name in axes_of}
    lines = {"sharing": ("bad", "{:g} bad supervisors"), "gap": ("labels", "{} labels")}
    found = {name: rows for name, rows in found.items() if rows[name].nunique() >= 3}
    if not found or drawn["method"].nunique() < 2:
        return None
    figure = figures.canvas(9.4, 3.4 * len(found))
    panels = figures.panels(figure, len(found), 2)
    for (left, right), (axis, rows) in zip(panels, found.items(), strict=True):
        by, text = lines[axis]
        kept = rows[rows["labels"] == "soft"] if axis == "sharing" else rows
        kept = kept[kept.groupby([by, "best"])[axis].transform("nunique") >= 3]
        for color, (value, part) in zip(figures.COLORS, kept.groupby(by), strict=False):
            for method, style in (("ensemble", "--"), ("raven", "-")):
                own = _of(part, {"method": method})
                if len(own):
                    line = summarize(own, by=[axis], metrics=["student_error", "weight_best"])
                    label = f"{text.format(value)}, {'learned' if method == 'raven' else 'uniform'} weights"
                    for ax, name in ((left, "student_error"), (right, "weight_best")):
                        ends = line[f"{name}_low"], line[f"{name}_high"]
                        figures.band(ax, line[axis], line[name], *ends, color=color, linestyle=style, label=label)
        left.set(xlabel=axes_of[axis], ylabel="student's share of wrong classes")
        right.set(xlabel=axes_of[axis], ylabel="weight of the best supervisor", ylim=(-0.03, 1.03))
        figures.beside(right)
    heading_over_seeds(figure, "whom learned weights trust", drawn, _NOTE, "", "")
    return figure


def _draw_shifts(table: DataFrame) -> Canvas | None:
    """Draw errors on shifted items against the size of the shift, a panel per kind."""
    rows = table[table["source"] != "drawn"]
    rows = rows.assign(kind=rows["shift"].where(rows["source"] == "trained", rows["corruption"]))
    kinds = [kind for kind in rows["kind"].dropna().unique() if rows[rows["kind"] == kind]["size"].nunique() >= 3]
    if not kinds:
        return None
    rows, _ = fullest(rows, ["kind", "shift", "corruption", "size", "method", "supervisor", "opinion", *_WEIGHTS])
    figure = figures.canvas(2.7 * len(kinds) + 2.0, 3.5)
    axes = figures.panels(figure, 1, len(kinds), sharey=True)[0]
    for ax, kind in zip(axes, kinds, strict=True):
        part = rows[rows["kind"] == kind]
        for color, (name, method) in zip(figures.COLORS, list(_METHODS.items())[:5], strict=False):
            own = _of(part, method)
            if len(own):
                line = summarize(own, by=["size"], metrics=["student_error"])
                ends = line["student_error_low"], line["student_error_high"]
                figures.band(ax, line["size"], line["student_error"], *ends, color=color, label=name)
        best = part.groupby("size")["best_error"].mean()
        ax.plot(best.index, best, color="#555555", linewidth=1.0, linestyle=":", label="best supervisor")
        ax.set(xlabel="size of the shift", title=str(kind))
        ax.title.set_fontsize(10)
    axes[0].set_ylabel("share of wrong classes, shifted items")
    figures.beside(axes[-1])
    heading_over_seeds(figure, "students of supervisors that were trained on unshifted items", rows, _NOTE, "", "")
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "regimes",
        "Methods in each regime",
        _draw_regimes,
        (
            "best_is_found",
            "shared_errors_are_trusted",
            "confidence_is_trusted",
            "matched_labels_find_the_best",
            "wrong_trust_costs",
            "unlearnable_errors_are_left_out",
            "matched_labels_gain",
            "independent_errors_average_out",
        ),
    ),
    Figure("sharing", "Whom learned weights trust", _draw_sharing, ("shared_errors_are_trusted", "confidence_is_trusted")),
    Figure(
        "shifts",
        "Errors under shifts",
        _draw_shifts,
        ("noisy_images_gain", "unshifted_items_are_kept", "thirty_percent", "naive_falls_below_its_supervisor"),
    ),
)
