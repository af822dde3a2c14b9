"""Figures of students on patches: correction and forgetting along the steps, the map of benign overfitting."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.figures.symbols import axis_name, setting
from w2s.measure.scales import SHARE
from w2s.summary import summarize
from w2s.theory import oh2025 as theory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_BAND = "bands: 95 % over seeds"
_TEST = (("student", "student_error"), ("ceiling: trained on the truth", "ceiling_error"), ("teacher", "weak_error"))
_TRAIN = (
    ("fit to the weak labels", "train_fit"),
    ("accuracy on the truth", "train_accuracy"),
    ("wrong labels corrected", "label_correction"),
)


def _draw_steps(table: DataFrame) -> Canvas | None:
    """Draw accuracies on new inputs and on the training examples along the steps of one setting, with the most bridges."""
    asked = table[(table["student"] == "relu") & (table["step"] > 0)]
    rows, held = fullest(asked[asked["p_both"] == asked["p_both"].max()], ("step",))
    if rows["step"].nunique() < 5:
        return None
    figure = figures.canvas(9.6, 3.9)
    left, right = figures.panels(figure, 1, 2, sharey=True)[0]
    new = rows.assign(**{name: 1.0 - rows[name] for _, name in _TEST}, hard=1.0 - rows["student_error_hard"])
    for color, (label, name) in zip(figures.COLORS, (*_TEST, ("student, hard-only inputs", "hard")), strict=False):
        _curve(left, new, name, color, label)
    for color, (label, name) in zip(figures.COLORS[3:], _TRAIN, strict=False):
        _curve(right, rows, name, color, label)
    for ax, title in ((left, "new inputs"), (right, "training examples")):
        ax.set_xscale("log")
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("step", fontsize=9)
        ax.set_ylim(-0.03, 1.03)
        ax.xaxis.set_major_formatter("{x:g}")
    left.set_ylabel("share of right answers", fontsize=9)
    for ax, place in ((left, "lower right"), (right, "lower left")):
        ax.legend(fontsize=7.5, frameon=False, loc=place)
    if asked["p_both"].nunique() > 1:
        held = ", ".join(filter(None, (setting("p_both", float(rows["p_both"].iloc[0])), held)))
    heading_over_seeds(figure, "early correction, then overtraining", rows, "{seeds}", _BAND, _short(held))
    return figure


def _curve(ax: Axes, rows: DataFrame, name: str, color: str, label: str) -> None:
    line = summarize(rows.dropna(subset=[name]), by=["step"], metrics=[name])
    low, high = (SHARE.clip(line[f"{name}_{end}"].to_numpy(float)) for end in ("low", "high"))
    figures.band(ax, line["step"], line[name], low, high, color=color, label=label)


def _draw_map(table: DataFrame) -> Canvas | None:
    """Draw the accuracy on hard-only inputs over n and nu, with lines of a constant index."""
    last = table[(table["student"] == "relu") & (table["step"] == table["step"].max())]
    rows, held = fullest(last, ("n_transfer", "nu"))
    wide = 1.0 - rows.pivot_table(index="nu", columns="n_transfer", values="student_error_hard")
    if min(wide.shape) < 4 or wide.isna().any(axis=None):
        return None
    figure = figures.canvas(6.4, 4.8)
    ax = figures.panels(figure, 1, 1)[0, 0]
    ax.grid(visible=False)
    sizes, signals = wide.columns.to_numpy(float), wide.index.to_numpy(float)
    shown = ax.pcolormesh(_edges(sizes), _edges(signals), wide.to_numpy(), cmap="viridis", vmin=0.5, vmax=1.0)
    ax.set(xscale="log", yscale="log", xlim=_edges(sizes)[[0, -1]], ylim=_edges(signals)[[0, -1]])
    _boundaries(ax, rows.iloc[0], sizes, signals, wide.to_numpy())
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(lambda value, _: figures.few_digits(value))
    ax.tick_params(which="both", labelsize=8)
    ax.set_xlabel(f"examples with weak labels, {axis_name('n_transfer')}", fontsize=9)
    ax.set_ylabel(r"size of the hard signal, $\nu$", fontsize=9)
    figure.colorbar(shown, ax=ax, label="accuracy on hard-only inputs")
    ax.legend(fontsize=8, frameon=True, loc="lower left")
    heading_over_seeds(figure, "scarce data: harmful below, benign above", rows, "means over {seeds}", _short(held, 80))
    return figure


def _boundaries(ax: Axes, cell: Any, sizes: Any, signals: Any, accuracy: Any) -> None:
    """Draw the line of the index at which accuracies pass 3/4, and the one from which data are abundant."""
    at = {"p_both": cell["p_both"], "sigma": cell["sigma"], "d": cell["d"]}
    index = theory.benign_index(sizes, nu=signals[:, None], **at)
    regime = theory.regime_index(sizes, nu=signals[:, None], **at)
    order = np.argsort(index[regime < 1], axis=None)
    seen, level = index[regime < 1][order], accuracy[regime < 1][order]
    if len(seen) and level.min() < 0.75 < level.max():
        crossing = float(np.exp(np.interp(0.75, np.maximum.accumulate(level), np.log(seen))))
        curve = (crossing * cell["d"] / (sizes * cell["p_both"] ** 2)) ** 0.25 * cell["sigma"]
        ax.plot(sizes, curve, color="#ffffff", linewidth=1.8, label=rf"$N p_b^2 \nu^4 / (\sigma^4 d)$ = {crossing:.2g}")
    edge = np.sqrt(cell["d"] / (sizes * cell["p_both"])) * cell["sigma"]
    ax.plot(sizes, edge, color="#ffffff", linewidth=1.2, linestyle="--", label=r"$N p_b \nu^2 / (\sigma^2 d)$ = 1")
    ax.legend().get_frame().set_facecolor("#555555")


def _short(held: str, width: int = 110) -> str:
    """Wrap what is held fixed into lines."""
    return "\n".join(textwrap.wrap(held, width))


def _edges(values: Any) -> Any:
    """Put edges of cells half-way between neighbours on a logarithmic axis."""
    logs = np.log(values)
    middle = (logs[1:] + logs[:-1]) / 2.0
    return np.exp(np.concatenate([[2 * logs[0] - middle[0]], middle, [2 * logs[-1] - middle[-1]]]))


FIGURES: tuple[Figure, ...] = (
    Figure(
        "steps",
        "Early correction, then overtraining",
        _draw_steps,
        ("labels_are_corrected", "nearly_perfect_early", "correction_is_forgotten", "overtraining_returns_to_the_teacher"),
    ),
    Figure(
        "map",
        "Accuracy on hard inputs over n and nu",
        _draw_map,
        ("benign_above_the_boundary", "harmful_below_the_boundary", "accuracy_rises_with_the_index"),
    ),
)
