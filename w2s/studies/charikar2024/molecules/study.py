"""Charikar, Pabbaraju and Shiragur 2024 on molecules: gain and misfit of probes, and choosing a weak model by their difference.

The paper's weak models are small language models of molecules with 8 to 96 hidden units. Here they are linear probes on
fingerprints folded to as many bits (``morgan:8`` to ``morgan:96``), and the strong representation is RDKit's descriptors; data,
published splits and linear heads are the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, over_means, untestable, worst
from w2s.contract.block import Block
from w2s.contract.study import Figure
from w2s.figures import style as figures
from w2s.laws.molecules import BITS
from w2s.sharing.stage import Level, Stage
from w2s.sharing.workloads import MOVED
from w2s.studies.charikar2024.synthetic.figures import scatter_panel, selection_canvas
from w2s.studies.probe.table.models import FEATURES, WEAK_FEATURES
from w2s.studies.probe.table.sizes import Sizes
from w2s.studies.probe.table.solve import STAGES
from w2s.studies.probe.table.study import ProbeTable
from w2s.summary.selection import select
from w2s.summary.text import value_text
from w2s_kernels import Backend

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

__all__ = ["Molecules"]

Number = npt.NDArray[np.float64]

DRAW = ["data", "split", "seed"]
"""What makes a draw: a table, one of its published splits, and how its training rows are divided."""


def _per_model(table: DataFrame, by: list[str]) -> DataFrame:
    names = ["gain", "misfit", "student_error", "selection_score", "weak_error"]
    return table.groupby([*by, "weak_features"], as_index=False)[names].mean()


def _ladder(table: DataFrame) -> DataFrame:
    """Rows on test molecules, of the tables with eight weak models or more."""
    rows = table[table["evaluate"] == "fresh"]
    return rows[rows.groupby("data")["weak_features"].transform("nunique") >= 8]


Means = Mapping[str, Number]
"""Means over seeds and splits, by name: arrays with one entry for each weak model of a table."""
_MEANS = ("gain", "misfit", "student_error", "weak_error")


def _over_ladder(rows: DataFrame, statistic: Callable[[Means], float]) -> tuple[float, tuple[float, float], int]:
    """Value, interval and seeds of a statistic of the means of one table; a resample of seeds is a mean of rows."""
    wide = rows.pivot_table(index="seed", columns="weak_features", values=list(_MEANS))
    values = np.stack([wide[name].to_numpy(float) for name in _MEANS], axis=1)
    return over_means(wide.index, values, lambda means: statistic(dict(zip(_MEANS, means, strict=True))))


def _worst_table(
    table: DataFrame, name: str, statistic: Callable[[Means], float], decide: Callable[..., Verdict], threshold: float
) -> Verdict:
    """Test every table by itself, intervals over seeds; the worst one speaks for all."""
    verdicts: list[Verdict] = []
    for data, rows in _ladder(table).groupby("data"):
        value, interval, seeds = _over_ladder(rows, statistic)
        verdicts.append(decide(f"{name}, {_short(data)}", value, interval, threshold, seeds))
    return worst(verdicts, "no table has eight weak models")


def _distance(means: Means) -> float:
    return float(np.mean(np.abs(means["gain"] - means["misfit"]) / means["student_error"]))


def _correlation(means: Means) -> float:
    return float(np.corrcoef(means["gain"], means["misfit"])[0, 1])


def _excess(means: Means) -> float:
    return float(np.mean((means["misfit"] - means["gain"]) / means["weak_error"]))


def _near_the_line(table: DataFrame, frozen: Thresholds) -> Verdict:
    return _worst_table(table, "mean |gain - misfit| / student_error over weak models", _distance, below, frozen["distance"])


def _gains_follow(table: DataFrame, frozen: Thresholds) -> Verdict:
    return _worst_table(table, "correlation of gain and misfit over weak models", _correlation, above, frozen["correlation"])


def _table_1(table: DataFrame, frozen: Thresholds) -> Verdict:
    lipo = table[table["data"].astype(str).str.contains("lipo", case=False)]
    name = "mean of (student_error - (weak_error - misfit)) / weak_error"
    return _worst_table(lipo, name, _excess, above, frozen["excess"])


def _rule(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = _ladder(table)
    if not len(rows) or rows["selection_score"].isna().all():
        return untestable("no table has eight weak models and validation rows")
    chosen = select(rows, "weak_features", by=DRAW)
    if len(chosen) < frozen["draws"]:
        return untestable(f"the rule was tried on {len(chosen)} draws, {frozen['draws']:g} are asked for")
    hits = chosen.assign(value=(chosen["rank"] <= 2).astype(float)).groupby("seed")["value"].mean()
    value, interval, seeds = over_means(hits.index, hits, float)
    return above(
        f"share of {len(chosen)} draws with the best or second-best weak model", value, interval, frozen["chance"], seeds
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "gains_follow_misfits",
        "Over the ladder of weak models gains follow misfits, on every table.",
        "Fig. 2d, 2e, 2f",
        _gains_follow,
        needs={"weak_features": 8},
        thresholds={"correlation": 0.5},
    ),
    Claim(
        "points_near_the_line",
        "The points lie near the line gain = misfit, on average over the ladder nearer than the farthest row of Table 1.",
        "Fig. 2d, 2e, 2f",
        _near_the_line,
        needs={"weak_features": 8},
        thresholds={"distance": 0.163},  # (1.0713 - 0.8969) / 1.0713, hidden size 96
    ),
    Claim(
        "student_error_exceeds_score",
        "On lipophilicity student_error exceeds weak_error - misfit: the target is outside the student's class.",
        "Table 1",
        _table_1,
        needs={"weak_features": 8},
        thresholds={"excess": 0.0},
    ),
    Claim(
        "selection_rule",
        "The weak model with the least weak_error - misfit on validation rows gives the best or second-best student.",
        "Table 1 and its appendix",
        _rule,
        needs={"weak_features": 8, "selection_score": 1},
        thresholds={"draws": 40, "chance": 0.25},
    ),
)
"""Claims of :class:`Molecules`."""


def draw_gain(table: DataFrame) -> Canvas | None:
    """Gain against misfit, a panel for every table, a point for every weak model and split (means over seeds)."""
    rows = table[table["evaluate"] == "fresh"]
    if rows["weak_features"].nunique() < 3:
        return None
    names = sorted(rows["data"].unique())
    figure = figures.canvas(3.4 * len(names) + 1.6, 3.7)
    axes = figures.panels(figure, 1, len(names))[0]
    for ax, name in zip(axes, names, strict=True):
        points = _per_model(rows[rows["data"] == name], ["split"] if rows["split"].notna().any() else [])
        points = points.assign(seed=0, order=points["weak_features"].map(_bits)).sort_values("order", kind="stable")
        scatter_panel(ax, points, _short(name), groups="weak_features")
        ax.set_xlabel("misfit", fontsize=9)
    axes[0].set_ylabel("gain", fontsize=9)
    axes[-1].legend(fontsize=7.5, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    note = f"a point is one split, mean over {rows['seed'].nunique()} seeds; solid: gain = misfit; errors on test molecules"
    figure.suptitle(f"Gain against misfit on molecules\n{note}", fontsize=11, x=0.01, ha="left")
    return figure


def draw_selection(table: DataFrame) -> Canvas | None:
    """Table 1 as a picture, for lipophilicity where it is there: known and asked-for errors, and the rule's ranks."""
    rows = _ladder(table)
    if not len(rows) or rows["selection_score"].isna().all():
        return None
    lipo = rows[rows["data"].astype(str).str.contains("lipo", case=False)]
    shown = lipo if len(lipo) else rows[rows["data"] == rows["data"].iloc[0]]
    return selection_canvas(shown, select(rows, "weak_features", by=DRAW), "weak_features")


def _bits(name: str) -> int:
    argument = name.partition(":")[2]
    return int(argument) if argument.isdecimal() else 0


def _short(data: Any) -> str:
    return value_text(data).rpartition("/")[2].removesuffix(".csv")


PASSES = 2.0
"""Passes over the bits of a fingerprint: padded to a multiple of the width, and the largest of each class of them."""


def _folding(side: str, whose: str) -> Stage:
    """Account of fingerprints of 2048 bits, folded to the few that a model sees; the bits are read once for each file."""
    maps = WEAK_FEATURES if side == "weak" else FEATURES

    def rows(level: Level, sizes: Sizes) -> float:
        return float(sizes.rows(level) - (sizes.labeled - level["n_labeled"] if side == "weak" else 0))

    return Stage(
        f"folded fingerprints of {whose}",
        maps.over,
        kind="elementwise",
        flops=lambda level, sizes: PASSES * MOVED * BITS * rows(level, sizes),
        order=lambda _level, _sizes: BITS,
        times=lambda level, _sizes: level[f"{side}_features"].startswith("morgan:"),
        why="ridges and label rules see the same bits",
        sizes=maps.sizes,
        ask=maps.ask,
        weighed=maps.weighed,
    )


class Molecules(ProbeTable):
    """Probes on molecules: the ladder of weak models of figures 2d to 2f and the rule of Table 1."""

    name = "charikar2024.molecules"
    version = 1
    summary = "Charikar et al. 2024 on molecules: a ladder of weak fingerprints, and choosing among them by weak_error - misfit"
    columns: ClassVar[Mapping[str, str]] = {**ProbeTable.columns, "selection_score": "double"}
    figures = (
        Figure("gain_misfit", "Gain against misfit, figures 2d to 2f", draw_gain),
        Figure("selection", "Choosing a weak model by weak_error - misfit, Table 1", draw_selection),
    )
    claims = CLAIMS
    stages = STAGES.with_more(_folding("weak", "the weak models"), _folding("strong", "the students"))
    example: ClassVar[Mapping[str, Any]] = {
        "data": "digits",
        "weak_features": ["means:4", "means:8", "means:16"],
        "strong_features": "inputs",
        "n_labeled": [300],
        "n_transfer": [600],
        "n_validation": 200,
        "n_test": 400,
        "ridge": 0.01,
    }

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Add ``selection_score`` to the columns of :class:`ProbeTable`: weak_error - misfit on validation rows."""
        columns = super().solve(block, backend)
        weak, misfit = columns["weak_validation_error"], columns["student_validation_error"]
        return columns | {"selection_score": np.asarray(weak - misfit)}

    def digest(self, table: DataFrame) -> DataFrame:
        """Table 1: per weak model ``weak_error - misfit`` and ``student_error`` on test rows, mean and spread over splits."""
        import pandas as pd

        rows = table[table["evaluate"] == "fresh"]
        rows = rows.assign(**{"weak_error - misfit": rows["weak_error"] - rows["misfit"]})
        names = ["weak_error - misfit", "student_error", "gain", "misfit"]
        splits = rows.groupby(["data", "weak_features", "split"], dropna=False)[names].mean()
        grouped = splits.groupby(["data", "weak_features"])
        mean, spread = grouped.mean(), grouped.std(ddof=0)
        text = {name: [f"{m:.4f} +- {s:.4f}" for m, s in zip(mean[name], spread[name], strict=True)] for name in names}
        result = pd.DataFrame(text, index=mean.index).assign(score=mean["weak_error - misfit"])
        result = result.sort_values(["data", "score"]).drop(columns="score").reset_index()
        result["data"] = result["data"].map(_short)
        result.attrs["caption"] = "means over splits +- their standard deviation; seeds averaged; sorted by weak_error - misfit"
        return result
