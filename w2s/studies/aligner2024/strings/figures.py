"""The figure of correctors: accuracy before corrections, of corrections, and of the student that learned them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds
from w2s.studies.aligner2024.strings.variants import Variant, variants
from w2s.summary.intervals import mean_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_WRITERS = {"aligner": "corrector", "weak": "weak model's own answers", "self": "own answers"}
_STEPS = ("upstream", "written for it", "student")


def _named(variant: Variant) -> str:
    own = variant.options
    parts = [_WRITERS[own["writer"]]]
    parts += ["no warm-up"] if own["writer"] == "aligner" and not own["warmup"] else []
    parts += ["DPO"] if own["mode"] == "dpo" else []
    parts += [f"{own['rounds']} rounds"] if own["rounds"] != 1 else []
    return ", ".join(parts)


def _accuracies(variant: Variant) -> Any:
    """Return accuracies by step and seed, (3, seeds)."""
    rows = variant.rows
    return np.stack([rows["upstream_accuracy"], rows["stacked_accuracy"], 1.0 - rows["student_error_01"]])


def _on_common_seeds(shown: list[Variant]) -> list[Variant]:
    """Keep the seeds that all variants have."""
    common = set.intersection(*(set(variant.rows["seed"]) for variant in shown))
    return [replace(variant, rows=variant.rows[variant.rows["seed"].isin(common)]) for variant in shown]


def _draw_accuracies(table: DataFrame) -> Canvas | None:
    """Draw three accuracies for each variant of the method in the setting with most of them; dashed: ceiling and weak model."""
    known = [variant for variant in variants(table) if variant.options["rounds"] > 0]
    if not known:
        return None
    places = [variant.place for variant in known]
    place = max(dict.fromkeys(places), key=places.count)
    shown = _on_common_seeds([variant for variant in known if variant.place == place])
    if not len(shown[0].rows):
        return None
    shown = sorted(shown, key=_named)
    figure = figures.canvas(8.4, 1.6 + 0.5 * len(shown))
    ax = figures.panels(figure, 1, 1)[0, 0]
    heights = np.arange(len(shown))[::-1]
    for step, (name, color) in enumerate(zip(_STEPS, figures.COLORS, strict=False)):
        found = mean_interval(np.stack([_accuracies(variant)[step] for variant in shown]))
        means = np.array([_accuracies(variant)[step].mean() for variant in shown])
        ends = np.abs(np.stack([means - found.low, found.high - means]))
        ax.errorbar(means, heights + 0.2 * (1 - step), xerr=ends, fmt="o", color=color, markersize=4, capsize=2, label=name)
    rows = shown[0].rows
    for model, style in (("weak", ":"), ("ceiling", "--")):
        ax.axvline(1.0 - float(rows[f"{model}_error_01"].mean()), color="#555555", linewidth=0.9, linestyle=style, label=model)
    ax.set_yticks(heights, [_named(variant) for variant in shown])
    ax.set(xlabel="accuracy on test prompts", xlim=(0, 1), ylim=(-0.6, len(shown) - 0.4))
    figures.beside(ax)
    heading_over_seeds(
        figure, "a corrector's answers and what a strong model learns of them", rows, "{seeds}", "bars: 95 % over seeds"
    )
    return figure


FIGURES: tuple[Figure, ...] = (
    Figure(
        "accuracies",
        "Accuracy of corrections and students",
        _draw_accuracies,
        (
            "corrections_gain",
            "student_keeps_the_gain",
            "dpo_keeps_the_gain",
            "accounting",
            "corrections_teach_more",
            "own_answers_teach_nothing",
            "warmup_breaks_less",
            "second_round_gains",
        ),
    ),
)
