"""The figure of pretrained ladders: bits per byte against the number of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.figures.held import heading_over_seeds
from w2s.summary.intervals import mean_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["FIGURES"]

_TEXTS = {"bits_per_byte": "held out", "other_bits_per_byte": "another text"}


def _draw_bits(table: DataFrame) -> Canvas | None:
    """Draw bits per byte by size for the corpus with most sizes; bars are over seeds, where a size has several."""
    counts = table.groupby("corpus")["parameters"].nunique()
    rows = table[table["corpus"] == counts.idxmax()]
    rows.attrs = table.attrs
    if counts.max() < 2:
        return None
    figure = figures.canvas(6.4, 3.8)
    ax = figures.panels(figure, 1, 1)[0, 0]
    for (name, label), color in zip(_TEXTS.items(), figures.COLORS, strict=False):
        shown = rows[rows[name].notna()]
        if not len(shown):
            continue
        sizes = np.sort(shown["parameters"].unique())
        groups = [shown.loc[shown["parameters"] == size, name].to_numpy(float) for size in sizes]
        means = np.array([values.mean() for values in groups])
        ax.plot(sizes, means, marker="o", color=color, label=label)
        found = [mean_interval(values[None]) for values in groups]
        ends = np.array([[mean - one.low[0], one.high[0] - mean] for mean, one in zip(means, found, strict=True)])
        ax.errorbar(sizes, means, yerr=np.nan_to_num(ends.T), fmt="none", color=color, capsize=2)
    ax.set(xscale="log", xlabel="parameters", ylabel="bits per byte")
    ax.legend()
    bars = "bars: 95 % over seeds" if rows["seed"].nunique() > 1 else "no intervals"
    heading_over_seeds(figure, "Held-out bits per byte of a pretrained ladder", rows, "{seeds}", bars)
    return figure


FIGURES: tuple[Figure, ...] = (Figure("bits_per_byte", "Bits per byte by size", _draw_bits, ("bits_fall_with_size",)),)
