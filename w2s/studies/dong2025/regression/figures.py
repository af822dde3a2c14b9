"""Figures of the regression study: PGR and OPR against counts and noise, bias and variance; dashed lines are closed forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import fullest, heading_over_seeds
from w2s.figures.symbols import axis_name, setting
from w2s.summary import summarize
from w2s.summary.text import value_text
from w2s.theory import dong2025 as theory

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_SHOWN = ("d_overlap", "rho_weak")
_MODELS = ("weak", "student", "strong", "ceiling")
_NAMES = {"pgr": "PGR", "opr": "OPR", "gain": "gain"}
_DASHED: Any = (0, (4, 3))
_OVER = "means, bands: 95 % over {seeds}, each with data of its own"


def _draw_labeled(table: DataFrame) -> Canvas | None:
    """Draw PGR and OPR against ``n_labeled``; a line per overlap, a column per ``rho_weak``."""
    return _draw(table, "n_labeled", ("pgr", "opr"))


def _draw_transfer(table: DataFrame) -> Canvas | None:
    """Draw PGR and OPR against ``n_transfer``; a line per overlap, a column per ``rho_weak``."""
    return _draw(table, "n_transfer", ("pgr", "opr"))


def _draw_noise(table: DataFrame) -> Canvas | None:
    """Draw gain, PGR and OPR against the label noise; a line per overlap, a column per ``rho_weak``."""
    found = table.assign(gain_theory=table["weak_error_theory"] - table["student_error_theory"])
    found.attrs = table.attrs
    return _draw(found[found["signal"] > 0], "noise", ("gain", "pgr", "opr"))


def _draw(table: DataFrame, axis: str, metrics: tuple[str, ...]) -> Canvas | None:
    rows, held = fullest(table, (*_SHOWN, axis))
    if not len(rows) or rows[axis].nunique() < 3:
        return None
    columns = sorted(rows["rho_weak"].unique())[:4]
    figure = figures.canvas(3.8 * len(columns) + 1.6, 3.1 * len(metrics) + 0.4)
    axes = figures.panels(figure, len(metrics), len(columns), sharex=True, sharey="row")
    for k, rho in enumerate(columns):
        axes[0, k].set_title(setting("rho_weak", rho), fontsize=10)
        for row, metric in enumerate(metrics):
            _draw_metric(axes[row, k], rows[rows["rho_weak"] == rho], axis, metric)
        axes[-1, k].set_xlabel(axis_name(axis), fontsize=9)
    for ax, metric in zip(axes[:, 0], metrics, strict=True):
        ax.set_ylabel(_NAMES[metric], fontsize=9)
    figures.beside(axes[0, -1])
    dashed = "; dashed: closed form" if rows[[f"{metric}_theory" for metric in metrics]].notna().any(axis=None) else ""
    title = f"{' and '.join(_NAMES[m] for m in metrics)} against {axis_name(axis)}{dashed}"
    heading_over_seeds(figure, title, rows, _OVER, held)
    return figure


def _draw_metric(ax: Any, part: DataFrame, axis: str, metric: str) -> None:
    figures.level(ax, 1 if metric == "opr" else 0)
    for color, overlap in zip(figures.COLORS, sorted(part["d_overlap"].unique()), strict=False):
        rows = part[part["d_overlap"] == overlap]
        summary = summarize(rows, by=[axis], metrics=[metric, f"{metric}_theory"])
        low, high = summary[f"{metric}_low"], summary[f"{metric}_high"]
        figures.band(ax, summary[axis], summary[metric], low, high, color=color, label=setting("d_overlap", overlap))
        ax.plot(summary[axis], summary[f"{metric}_theory"], color="#000000", linewidth=0.9, linestyle=_DASHED)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(lambda x, _: figures.few_digits(x))
    ax.tick_params(axis="x", which="minor", labelsize=8, labelcolor="#555555")


def _draw_parts(table: DataFrame) -> Canvas | None:
    """Draw the errors of the four models against ``n_labeled``: by noise alone, by the target alone, and by both."""
    table = table[table["evaluate"] == "fresh"]
    noisy, aimed = table["noise"] > 0, table["signal"] > 0
    parts = {"both": table[noisy & aimed], "noise alone": table[noisy & ~aimed], "target alone": table[~noisy & aimed]}
    if any(part["n_labeled"].nunique() < 3 for part in parts.values()):
        return None
    figure = figures.canvas(11.0, 3.6)
    axes = figures.panels(figure, 1, 4, sharex=True, sharey=True)[0]
    chosen = {name: fullest(part, ("n_labeled",)) for name, part in parts.items()}
    for ax, model in zip(axes, _MODELS, strict=True):
        for color, (name, (rows, _)) in zip(figures.COLORS, chosen.items(), strict=False):
            metric = f"{model}_error"
            line = summarize(rows, by=["n_labeled"], metrics=[metric, f"{metric}_theory"])
            figures.band(
                ax, line["n_labeled"], line[metric], line[f"{metric}_low"], line[f"{metric}_high"], color=color, label=name
            )
            ax.plot(line["n_labeled"], line[f"{metric}_theory"], color="#000000", linewidth=0.9, linestyle=_DASHED)
        ax.set(xscale="log", yscale="log")
        ax.set_title(model, fontsize=10)
        ax.set_xlabel(axis_name("n_labeled"), fontsize=9)
    axes[0].set_ylabel("excess risk, fresh inputs", fontsize=9)
    figures.beside(axes[-1])
    rows, held = chosen["both"]
    heading_over_seeds(figure, "bias and variance of the four models; dashed: closed form", rows, _OVER, held)
    return figure


def _draw_variances(table: DataFrame) -> Canvas | None:
    """Draw the student's variance divided by the in-sample formula, for every geometry and count.

    It is shown in the sample and on fresh inputs.
    """
    rows = table[(table["signal"] == 0) & (table["noise"] > 0)].dropna(subset="student_error_theory")
    if set(rows["evaluate"]) < {"fresh", "transfer"}:
        return None
    names = ["d_weak", "d_strong", "d_overlap", "n_labeled", "n_transfer", "noise"]
    places = rows[names].drop_duplicates().reset_index(drop=True)
    figure = figures.canvas(7.6, 1.6 + 0.42 * len(places))
    ax = figures.panels(figure, 1, 1)[0, 0]
    for k, evaluate in enumerate(("transfer", "fresh")):
        line = summarize(rows[rows["evaluate"] == evaluate], by=names, metrics=["student_error"])
        line = places.merge(line, on=names, how="left")
        inside = theory.in_sample_variance_student(*(line[name] for name in names))
        fresh = theory.fresh_variance_student(*(line[name] for name in names))
        at, value = np.arange(len(line)) + 0.24 * (k - 0.5), line["student_error"] / inside
        ends = [value - line["student_error_low"] / inside, line["student_error_high"] / inside - value]
        label = "own inputs" if evaluate == "transfer" else "fresh inputs"
        ax.errorbar(value, at, xerr=ends, fmt="o", markersize=4, color=figures.COLORS[k], label=f"simulated, {label}")
        formula = np.ones(len(line)) if evaluate == "transfer" else fresh / inside
        ax.plot(formula, at, "|", markersize=12, color="#000000", label="closed form" if k == 0 else None)
    labels = [", ".join(value_text(row[name]) for name in names) for _, row in places.iterrows()]
    ax.set_yticks(range(len(places)), labels, fontsize=8)
    ax.invert_yaxis()
    ax.set_ylabel(", ".join(map(axis_name, names)), fontsize=9)
    ax.set_xlabel("variance of the student / its in-sample formula", fontsize=9)
    figures.beside(ax)
    heading_over_seeds(figure, "variance of the student, on its own and on fresh inputs", rows, _OVER)
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "labeled",
        "PGR and OPR against the labelled count",
        _draw_labeled,
        ("opr_hump", "pgr_hump", "less_overlap_more_pgr", "less_overlap_more_opr"),
    ),
    Figure(
        "transfer",
        "PGR and OPR against the transfer count",
        _draw_transfer,
        (
            "opr_rises_with_transfer",
            "pgr_rises_with_transfer",
            "pgr_rises_with_transfer_at_many_labels",
            "less_overlap_more_pgr",
            "less_overlap_more_opr",
        ),
    ),
    Figure("noise", "Gain, PGR and OPR against the label noise", _draw_noise, ("noise_raises_pgr",)),
    Figure(
        "variances",
        "Variance of the student, on its own and on fresh inputs",
        _draw_variances,
        ("student_in_sample", "student_fresh"),
    ),
    Figure(
        "parts",
        "Bias and variance of the four models",
        _draw_parts,
        ("bias_weak", "bias_student", "bias_strong", "bias_ceiling", "baselines_in_sample", "baselines_fresh"),
    ),
)
