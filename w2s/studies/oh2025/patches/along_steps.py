"""Curves of students along the steps of their training, and the step that someone would stop at.

Who chooses is said: the truth (an oracle, which no method has), or the fit to the teacher's labels on held-out inputs. A step
is chosen by means over the seeds that are then reported: it is one of a few, and the same for all seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims import Interval, each_setting, over_means
from w2s.claims.trends import Line, lines_along
from w2s.measure.scales import Scale

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["NAMES", "abundant", "at_last", "at_stop", "by_setting", "relu_lines", "scarce", "setting_text"]

Matrix = npt.NDArray[np.float64]
Means = dict[str, Matrix]
Found = tuple[float, Interval, int]
NAMES = ("student_error", "weak_error", "ceiling_error", "label_correction", "train_fit", "student_validation_misfit")
"""Columns of a line, by name in the means that statistics get."""


def abundant(table: DataFrame, least: float) -> DataFrame:
    """Keep ReLU students that see both signals together and have a regime index of at least ``least``."""
    found: DataFrame = table[_taught(table) & (table["regime_theory"] >= least)]
    return found


def scarce(table: DataFrame, most: float) -> DataFrame:
    """Keep ReLU students that see both signals together and have a regime index of at most ``most``, at the last step."""
    rows = table[_taught(table) & (table["regime_theory"] <= most)]
    found: DataFrame = rows[rows["step"] == rows["step"].max()]
    return found


def relu_lines(table: DataFrame, steps: int) -> list[Line]:
    """Cut a table into lines of `NAMES` along the step; only those of ``steps`` or more."""
    return lines_along(table, "step", NAMES, steps)


def at_stop(line: Line, chosen_by: str, statistic: Callable[[Means, int], float], scale: Scale) -> Found:
    """Compute a statistic at the step of the least mean of a column; every resample chooses its own step.

    ``statistic`` gets means over seeds by name, (steps,) each, and the place of the step.
    """

    def of_means(means: Matrix) -> float:
        place = int(np.argmin(means[:, NAMES.index(chosen_by)]))
        return statistic(dict(zip(NAMES, means.T, strict=True)), place)

    return over_means(line.seeds, line.values, of_means, scale=scale)


def at_last(line: Line, statistic: Callable[[Means], float]) -> Found:
    """Compute a statistic of means over all seeds at the last step."""
    return over_means(line.seeds, line.values[:, -1], lambda means: statistic(dict(zip(NAMES, means, strict=True))))


def by_setting(table: DataFrame, name: str) -> Iterator[tuple[dict[str, Any], list[int], Matrix]]:
    """Yield for every setting its first cell, its seeds and a column: (seeds,)."""
    for _, rows in each_setting(table):
        yield {str(k): v for k, v in rows.iloc[0].items()}, rows["seed"].tolist(), rows[name].to_numpy(float)


def setting_text(cell: Mapping[str, Any]) -> str:
    """Name a setting by what settings of this study mostly differ in."""
    return f"n = {cell['n_transfer']:g}, nu = {cell['nu']:g}, p_both = {cell['p_both']:g}"


def _taught(table: DataFrame) -> npt.NDArray[np.bool_]:
    return np.asarray((table["student"] == "relu") & (table["p_both"] > 0))
