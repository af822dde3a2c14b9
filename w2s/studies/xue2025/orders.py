"""How scores order the weak models of one strong model: rank correlations, and two intervals that say different things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.claims.seed_intervals import over_means
from w2s.measure.ranking import rank_correlation
from w2s.measure.scales import CORRELATION
from w2s.summary import columns
from w2s.summary.text import value_text

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["MODEL", "SIZES", "Ladder", "digest", "ladders", "over_models", "table_name"]

Matrix = npt.NDArray[np.float64]

MODEL = ("weak_features", "d_weak", "n_labeled")
"""Cell fields that name a weak model: what it sees, and how many labels it had."""
SIZES = ("n_labeled", "n_transfer", "n_test")
"""Cell fields of a table that go with the table, where there are several."""


class Ladder(NamedTuple):
    """Weak models of one setting, all on the same seeds: ``values`` (seeds, models, columns).

    ``data`` is the name of its table, ``name`` what else tells it from other settings.
    """

    data: str
    name: str
    seeds: npt.NDArray[np.int64]
    values: Matrix

    @property
    def models(self) -> int:
        """Number of weak models."""
        return int(self.values.shape[1])

    def correlation(self, first: int, second: int) -> tuple[float, tuple[float, float], int]:
        """Compute the rank correlation over models of two columns' means over seeds, its 99 % interval and the seeds.

        The interval is about other seeds of these weak models.
        """
        return over_means(
            self.seeds, self.values, lambda means: rank_correlation(means[:, first], means[:, second]), scale=CORRELATION
        )


def ladders(table: DataFrame, model: Sequence[str], names: Sequence[str], least: int) -> list[Ladder]:
    """Cut a table into the settings that have ``least`` weak models or more; ``names`` are columns, ``model`` their fields.

    A setting is all that cells say but seed and ``model``. Settings in which a model lacks a seed are left out.
    """
    others = [name for name in columns.cell_fields(table) if name != "seed" and name not in model]
    setting, _ = columns.group_codes(table, others)
    place, _ = columns.group_codes(table, list(model))
    rows = table.assign(setting=setting, model=place).sort_values(["setting", "seed", "model"])
    shown = [name for name in others if table[name].nunique(dropna=False) > 1]
    found = []
    for _, part in rows.groupby("setting"):
        count, seeds = part["model"].nunique(), part["seed"].unique()
        if count < least or len(part) != count * len(seeds):
            continue
        values = part[list(names)].to_numpy(float).reshape(len(seeds), count, -1)
        data = table_name(part["data"].iloc[0]) if "data" in part else ""
        name = ", ".join(value_text(part[name].iloc[0]) for name in shown if name not in ("data", *SIZES))
        found.append(Ladder(data, name, seeds, values))
    return found


def table_name(data: object) -> str:
    """Write the name of a table without its folders' common part and its ending: ``sms_spam/test``, ``esol``."""
    name = value_text(data).removeprefix("data:").removeprefix("molecules/")
    return name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".csv")


def over_models(correlation: float, models: int, quantile: float = 1.959964) -> tuple[float, float]:
    """Compute an interval of 95 % for a rank correlation over weak models, as if these were drawn at random.

    Fisher's z with the standard error sqrt((1 + r^2/2) / (models - 3)); NaN for fewer than four. Layers of one network are no
    independent draws: for these the interval is too narrow.

    Source: D. G. Bonett and T. A. Wright, Psychometrika 65 (2000) 23-28.
    """
    if models < 4 or not np.isfinite(correlation):
        return float("nan"), float("nan")
    inside = np.clip(correlation, -1.0 + 1e-12, 1.0 - 1e-12)
    half = quantile * np.sqrt((1.0 + inside**2 / 2.0) / (models - 3.0))
    low, high = np.tanh(np.arctanh(inside) + np.array([-half, half]))
    return float(low), float(high)


_SCORES = {
    "pred_gap_theory": "formula",
    "pred_gap_full_theory": "formula, full kernels",
    "score_trace": "trace score",
    "score_operator": "operator score",
    "weak_error": "weak error",
}


def digest(table: DataFrame) -> DataFrame:
    """Return one row per setting and score: rank correlations over weak models with the student's error and with PredGap."""
    import pandas as pd

    names = ["student_error", "pred_gap", *_SCORES]
    lines = []
    for ladder in ladders(table, MODEL, names, 4):
        for place, (_, words) in enumerate(_SCORES.items(), 2):
            value, interval, _ = ladder.correlation(place, 0)
            low, high = over_models(value, ladder.models)
            gap, _, _ = ladder.correlation(place, 1)
            lines.append(
                {
                    "table": ", ".join(filter(None, [ladder.data, ladder.name])),
                    "weak models": ladder.models,
                    "score": words,
                    "student_error": f"{value:.2f}",
                    "over seeds": f"[{interval[0]:.2f}, {interval[1]:.2f}]",
                    "over models": f"[{low:.2f}, {high:.2f}]",
                    "pred_gap": f"{gap:.2f}",
                }
            )
    found = pd.DataFrame(lines, columns=[*_COLUMNS])
    caption = (
        "rank correlations over weak models with student_error and with pred_gap, means over seeds; over seeds: 99 %, other "
    )
    found.attrs["caption"] = f"{caption}splits, the same weak models; over models: 95 %, as if weak models were drawn at random"
    return found


_COLUMNS = ("table", "weak models", "score", "student_error", "over seeds", "over models", "pred_gap")
