"""Figures of the probe study: errors by strength of regularisation, and what is recovered along a ladder of teachers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.claims.comparisons import by_task
from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds
from w2s.figures.symbols import setting as setting_text
from w2s.studies.burns2023.probes.probe_settings import Setting, is_nested, settings_of
from w2s.summary.intervals import mean_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_LINES = {
    "weak": ("teacher", figures.COLORS[6], "--"),
    "student": ("student", figures.COLORS[0], "-"),
    "flip": ("student of random errors", figures.COLORS[1], "-"),
    "ceiling": ("ceiling", figures.COLORS[2], "-"),
}
_MOST = 4


def _draw_strengths(table: DataFrame) -> Canvas | None:
    """Draw the errors of all models against the student's strength; per task the logistic setting with the widest gap."""
    logistic = table[(table["head"] == "logistic") & ~is_nested(table)]
    widest = [(task, max(settings, key=_gap)) for task, settings in by_task(logistic, settings_of) if settings]
    shown = [(task, setting) for task, setting in widest if len(setting.strengths) > 2][:_MOST]
    if not shown:
        return None
    figure, axes = _columns(len(shown), "errors by the student's strength; bands: 95 % over seeds, for these test items", table)
    for ax, (task, setting) in zip(axes, shown, strict=True):
        for name, (label, color, style) in _LINES.items():
            values = setting.metrics[name]
            if np.isfinite(values).all():
                mean, ends = values.mean(axis=0), _ends(values)
                figures.band(ax, setting.strengths, mean, *ends, color=color, label=label, linestyle=style)
        ax.set(xscale="log", xlabel="C (weaker regularisation to the right)")
        ax.set_title(f"{task}\n{_short(setting)}", fontsize=8)
    axes[0].set_ylabel("test error", fontsize=9)
    axes[-1].legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return figure


def _draw_ladder(table: DataFrame) -> Canvas | None:
    """Draw the student's error against its teacher's, at the strength that suits the strong baseline.

    Horizontal marks are the ceilings.
    """
    tasks = [(task, settings) for task, settings in by_task(table[~is_nested(table)], settings_of) if len(settings) > 2][:_MOST]
    if not tasks:
        return None
    title = "student against teacher; bars: 95 % over seeds, for these test items; grey: its ceiling; dotted: no gain"
    figure, axes = _columns(len(tasks), title, table)
    for ax, (task, settings) in zip(axes, tasks, strict=True):
        points = np.array([[s.metrics[name][:, s.chosen].mean() for name in ("weak", "student", "ceiling")] for s in settings])
        across, along = (
            np.concatenate([_ends(setting.metrics[name][:, [setting.chosen]]) for setting in settings], axis=1)
            for name in ("weak", "student")
        )
        ax.errorbar(
            points[:, 0],
            points[:, 1],
            np.abs(along - points[:, 1]),
            np.abs(across - points[:, 0]),
            fmt="o",
            color=figures.COLORS[0],
            markersize=3,
            elinewidth=0.8,
        )
        ax.plot(points[:, 0], points[:, 2], "_", color="#888888", markersize=8)
        ends = [points.min(), points[:, 0].max()]
        ax.plot(ends, ends, color="#555555", linewidth=0.8, linestyle=":")
        ax.set(xlabel="teacher's error")
        ax.set_title(task, fontsize=9)
    axes[0].set_ylabel("student's error", fontsize=9)
    return figure


def _gap(setting: Setting) -> float:
    return float(setting.gap[setting.chosen])


def _ends(values: Any) -> Any:
    """Return the ends (2, ...) of the mean over seeds (rows), 95 % for these test items; the mean where there is none."""
    interval = mean_interval(values.T)
    known = interval.status == "ok"
    return np.stack([np.where(known, end, interval.mean) for end in (interval.low, interval.high)])


def _short(shown: Setting) -> str:
    """Write the fields that tell settings apart, without those that are null and without the folders of models."""
    pairs = [part.split(" = ") for part in shown.name.split(", ")] if shown.name else []
    parts = [setting_text(name, value.removesuffix(".0")) for name, value in pairs if value not in ("nan", "None")]
    return "\n".join(", ".join(parts[k : k + 2]) for k in range(0, len(parts), 2))


def _columns(count: int, title: str, table: DataFrame) -> tuple[Canvas, Any]:
    figure = figures.canvas(3.2 * count + 1.6, 3.6)
    axes = figures.panels(figure, 1, count)[0]
    heading_over_seeds(figure, title, table, "{seeds}")
    return figure, axes


FIGURES: tuple[Figure, ...] = (
    Figure(
        "strength", "Errors by the student's regularisation", _draw_strengths, ("recovers", "regularisation", "random_errors")
    ),
    Figure("ladder", "Students against their teachers", _draw_ladder, ("recovers", "typical_pgr", "nested")),
)
