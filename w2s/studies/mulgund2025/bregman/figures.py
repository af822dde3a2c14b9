"""Figures of the Bregman study: gain against misfit in both directions, and how mixtures come to obey the inequality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_PANELS = (("mixture", "reverse", "forward"), ("logistic", "forward", "reverse"), ("logistic", "forward", "forward"))
_SAYS = {"forward": "KL(truth || .)", "reverse": "KL(. || truth)"}


def _draw_gain(table: DataFrame) -> Canvas | None:
    """Draw gain / misfit against the misfit, a panel for each loss and error, a line per kind of class."""
    import pandas as pd

    rows = table[table["head"].isin(["mixture", "logistic"]) & (table["noise"] > 0)]
    shown = [
        (panel, part)
        for panel in _PANELS
        for part in [rows[(rows[["head", "loss", "error"]] == list(panel)).all(axis=1)]]
        if part["noise"].nunique() >= 3
    ]
    if not shown:
        return None
    figure = figures.canvas(3.3 * len(shown) + 1.2, 3.8)
    axes = figures.panels(figure, 1, len(shown), sharey=True)[0]
    held, seen = "", []
    for ax, ((head, loss, error), part) in zip(axes, shown, strict=True):
        inner, held = fullest(part, ("noise", "target"))
        seen.append(inner)
        for color, target in zip(figures.COLORS, ("in_class", "outside"), strict=False):
            line = inner[inner["target"] == target]
            if len(line):
                ratio = line.assign(ratio=line["gain"] / line["misfit"])
                found = summarize(ratio, by=["noise"], metrics=["ratio", "misfit"])
                label = "truth in the class" if target == "in_class" else "truth outside"
                figures.band(
                    ax, found["misfit"], found["ratio"], found["ratio_low"], found["ratio_high"],
                    color=color, label=label, marker="o", markersize=3.5,
                )  # fmt: skip
        figures.level(ax, 1.0)
        ax.set_xscale("log")
        ax.set_title(f"{head}, {loss} loss\nerror {_SAYS[error]}", fontsize=9)
        ax.set_xlabel("misfit, nats", fontsize=9)
    axes[0].set_ylabel("gain / misfit", fontsize=9)
    axes[0].set_ylim(-0.6, 1.3)
    figures.beside(axes[-1])
    note = "{seeds}, bands of 95 %; the black line is gain = misfit"
    heading_over_seeds(figure, "gain against misfit by divergence", pd.concat(seen), note, held)
    return figure


def _draw_mixtures(table: DataFrame) -> Canvas | None:
    """Draw misfit - gain against the number of heads in a mixture that does not hold the truth; dashed: order sqrt(c/k)."""
    rows = table[(table["head"] == "mixture") & (table["target"] == "outside") & (table["error"] == "forward")]
    rows, held = fullest(rows, ("components", "loss"))
    if not len(rows) or rows["components"].nunique() < 3:
        return None
    figure = figures.canvas(6.2, 4.2)
    ax = figures.panels(figure, 1, 1)[0, 0]
    short = rows.assign(short=rows["misfit"] - rows["gain"])
    for color, loss in zip(figures.COLORS, sorted(short["loss"].unique(), reverse=True), strict=False):
        line = summarize(short[short["loss"] == loss], by=["components"], metrics=["short"])
        figures.band(
            ax, line["components"], line["short"], line["short_low"], line["short_high"],
            color=color, label=f"{loss} loss", marker="o", markersize=3.5,
        )  # fmt: skip
    first = short["components"].min()
    level = short[short["components"] == first]["short"].mean()
    guide = short.drop_duplicates("components").sort_values("components")
    scale = level / float(guide["rate_theory"].iloc[0])
    ax.plot(guide["components"], scale * guide["rate_theory"], "--", color="#555555", label="order sqrt(c/k)")
    ax.set(xscale="log", yscale="log", xlabel="heads in the mixture, k", ylabel="misfit - gain, nats")
    ax.legend(fontsize=8, frameon=False)
    heading_over_seeds(figure, "mixtures that do not hold the truth", rows, "{seeds}, bands of 95 %", held)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "gain_misfit",
        "Gain against misfit by divergence",
        _draw_gain,
        ("reverse_mixture", "dual_identity", "squared_identity", "cross_entropy_falls_short", "truth_outside"),
    ),
    Figure("mixtures", "Mixtures of k heads without the truth", _draw_mixtures, ("mixtures_approach",)),
)
"""Figures of :class:`w2s.studies.mulgund2025.bregman.study.Bregman`."""
