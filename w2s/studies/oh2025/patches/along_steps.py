"""Curves of students along the steps of their training, and the step that someone would stop at.

A step is chosen on even seeds and reported on odd ones. Who chooses is said: the truth (an oracle, which no method has), or the
fit to the teacher's labels on held-out inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims import Interval, over_means
from w2s.claims.trends import Line, lines_along
from w2s.summary import columns

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
    """Keep ReLU students that see both signals together, have a regime index of at most ``most``, and are at their last step."""
    rows = table[_taught(table) & (table["regime_theory"] <= most)]
    found: DataFrame = rows[rows["step"] == rows["step"].max()]
    return found


def relu_lines(table: DataFrame, steps: int) -> list[Line]:
    """Cut a table into lines of `NAMES` along the step; only those of ``steps`` or more."""
    return lines_along(table, "step", NAMES, steps)


def at_stop(line: Line, chosen_by: str, statistic: Callable[[Means, int], float]) -> Found:
    """Compute a statistic on odd seeds at the step of the least mean of a column on even seeds.

    ``statistic`` gets means over odd seeds by name, (steps,) each, and the place of the step.
    """
    odd = np.asarray(line.seeds) % 2
    parts = np.stack([1 - odd, odd], axis=1).astype(float)
    flat = line.values.reshape(len(odd), -1)
    values = np.concatenate([parts[:, :, None] * flat[:, None, :], parts[:, :, None]], axis=2)

    def of_means(means: Matrix) -> float:
        if not means[:, -1].all():
            return float("nan")
        even, other = ((part[:-1] / part[-1]).reshape(line.values.shape[1:]) for part in means)
        place = int(np.argmin(even[:, NAMES.index(chosen_by)]))
        return statistic(dict(zip(NAMES, other.T, strict=True)), place)

    return over_means(line.seeds, values, of_means)


def at_last(line: Line, statistic: Callable[[Means], float]) -> Found:
    """Compute a statistic of means over all seeds at the last step."""
    return over_means(line.seeds, line.values[:, -1], lambda means: statistic(dict(zip(NAMES, means, strict=True))))


def by_setting(table: DataFrame, name: str) -> Iterator[tuple[dict[str, object], list[int], Matrix]]:
    """Yield for every setting its first cell, its seeds and a column: (seeds,)."""
    codes, _ = columns.group_codes(table, [field for field in columns.cell_fields(table) if field != "seed"])
    for code in np.unique(codes):
        rows = table.iloc[np.flatnonzero(codes == code)].sort_values("seed")
        yield {str(k): v for k, v in rows.iloc[0].items()}, rows["seed"].tolist(), rows[name].to_numpy(float)


def setting_text(cell: object) -> str:
    """Name a setting by what settings of this study mostly differ in."""
    get = cell.get  # type: ignore[attr-defined]
    return f"n = {get('n_transfer'):g}, nu = {get('nu'):g}, p_both = {get('p_both'):g}"


def _taught(table: DataFrame) -> npt.NDArray[np.bool_]:
    return np.asarray((table["student"] == "relu") & (table["p_both"] > 0))
