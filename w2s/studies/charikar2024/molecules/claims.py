"""What the paper says of its figures and table on molecules, as tests on a table.

Statistics are functions of means over seeds and splits of one table; the worst table speaks for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, untestable, worst
from w2s.claims.seed_intervals import over_means, over_share
from w2s.measure.scales import CORRELATION, REAL, Scale
from w2s.studies.charikar2024.molecules.ladder import DRAW, ladder, table_name
from w2s.summary.selection import select

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Number = npt.NDArray[np.float64]
Means = Mapping[str, Number]
"""Means over seeds and splits, by name: arrays with one entry for each weak model of a table."""
_MEANS = ("gain", "misfit", "student_error", "weak_error")


def _over_ladder(rows: DataFrame, statistic: Callable[[Means], float], scale: Scale) -> tuple[float, tuple[float, float], int]:
    """Value, interval and seeds of a statistic of the means of one table; a resample of seeds is a mean of rows."""
    wide = rows.pivot_table(index="seed", columns="weak_features", values=list(_MEANS))
    values = np.stack([wide[name].to_numpy(float) for name in _MEANS], axis=1)
    return over_means(wide.index, values, lambda means: statistic(dict(zip(_MEANS, means, strict=True))), scale=scale)


def _worst_table(
    table: DataFrame, name: str, statistic: Callable[[Means], float], decide: Callable[..., Verdict], threshold: float
) -> Verdict:
    """Test every table by itself, intervals over seeds; the worst one speaks for all."""
    verdicts: list[Verdict] = []
    for data, rows in ladder(table).groupby("data"):
        value, interval, seeds = _over_ladder(rows, statistic, CORRELATION if statistic is _correlation else REAL)
        verdicts.append(decide(f"{name}, {table_name(data)}", value, interval, threshold, seeds))
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
    rows = ladder(table)
    if not len(rows) or rows["selection_score"].isna().all():
        return untestable("no table has eight weak models and validation rows")
    chosen = select(rows, "weak_features", by=DRAW)
    if len(chosen) < frozen["draws"]:
        return untestable(f"the rule was tried on {len(chosen)} draws, {frozen['draws']:g} are asked for")
    hits = chosen.assign(value=(chosen["rank"] <= 2).astype(float)).groupby("seed")["value"].mean()
    value, interval, seeds = over_share(hits.index, hits)
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
"""Claims of :class:`w2s.studies.charikar2024.molecules.study.Molecules`."""
