"""What the paper says of the overlap density, as tests on a table. Errors are shares of wrong answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.claims import Claim, Interval, Verdict, above, over_means, within, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING
from w2s.measure.scales import CORRELATION, Scale
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Values = npt.NDArray[np.float64]


class _Gains(NamedTuple):
    """Gains of ReLU students in one setting, (seeds, steps, densities), densities ascending."""

    name: str
    seeds: npt.NDArray[np.int64]
    densities: Values
    values: Values

    def at_best(self, statistic: Callable[[Values], float], scale: Scale) -> tuple[float, Interval, int]:
        """Compute a statistic of the mean gains (densities,) at the step of the greatest mean; every resample chooses its own.

        So the step is selected by the truth, on the seeds that are reported.
        """
        return over_means(self.seeds, self.values, lambda means: statistic(means[_best(means)]), scale=scale)


def _best(means: Values) -> int:
    return int(np.argmax(means.mean(axis=1)))


def _gains(table: DataFrame, least: int) -> list[_Gains]:
    """Collect the settings with ``least`` densities or more, of the seeds that have every density at every step."""
    rows = table[table["student"] == "relu"]
    others = [name for name in columns.cell_fields(table) if name not in ("seed", "step", "p_both")]
    codes, _ = columns.group_codes(rows, others)
    found = []
    for code in np.unique(codes):
        part = rows[codes == code]
        wide = part.pivot_table(index="seed", columns=["step", "p_both"], values="gain").dropna()
        steps, densities = wide.columns.levels
        if len(densities) >= least and len(wide) > 1 and wide.shape[1] == len(steps) * len(densities):
            values = wide.to_numpy(float).reshape(len(wide), len(steps), len(densities))
            first, step = part.iloc[0], steps[_best(values.mean(axis=0))]
            name = f"n = {first['n_transfer']:g}, nu = {first['nu']:g}, step {step}, selected by truth"
            found.append(_Gains(name, wide.index.to_numpy(), densities.to_numpy(float), values))
    return found


def _nothing_without(table: DataFrame, limits: Any) -> Verdict:
    found, bounds = [], (-limits["most"], limits["most"])
    for gains in _gains(table, 1):
        if gains.densities[0] == 0:
            value, interval, seeds = gains.at_best(lambda means: float(means[0]), CORRELATION)
            found.append(within(f"gain without overlap, {gains.name}", value, interval, bounds, seeds))
    return worst(found, "needs students without inputs of both patterns")


def _much_with(table: DataFrame, limits: Any) -> Verdict:
    found = []
    for gains in _gains(table, 2):
        if gains.densities[-1] >= limits["dense"] and gains.densities[0] == 0:
            value, interval, seeds = gains.at_best(lambda means: float(means[-1] - means[0]), CORRELATION)
            name = f"gain at density {gains.densities[-1]:g} less that at 0, {gains.name}"
            found.append(above(name, value, interval, limits["least"], seeds))
    return worst(found, f"needs densities 0 and {limits['dense']:g} or more")


def _follows(table: DataFrame, limits: Any) -> Verdict:
    found = []
    for gains in _gains(table, int(limits["levels"])):

        def correlation(means: Values, levels: Values = gains.densities) -> float:
            return float(np.corrcoef(levels, means)[0, 1]) if np.ptp(means) > 0 else float("nan")

        value, interval, seeds = gains.at_best(correlation, CORRELATION)
        found.append(above(f"correlation of gain and density, {gains.name}", value, interval, limits["least"], seeds))
    return worst(found, f"needs {limits['levels']:g} densities")


_ROOM = dict.fromkeys(
    ("teacher_up", "teacher_down"), "a tenth of the teacher's error is less than the room that the bound leaves"
)
_MIRRORED = {"flipped": "the bound has two sides: a loss of nothing is a gain of nothing"}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "no_overlap_no_gain",
        "without inputs that hold both patterns the student gains nothing",
        "overlap density, definition and synthetic experiments",
        _nothing_without,
        {"gain": 1, "p_both": 1},
        {"most": 0.05, "seeds": 8},
        basis="a third of a teacher's error of 0.15: students move hard inputs a little, for better or for worse",
        overlooks=_ROOM | _MIRRORED | AVERAGED | NO_CEILING | ANY_ORDER,
    ),
    Claim(
        "gain_follows_overlap",
        "the gain follows the overlap density",
        "overlap density, synthetic experiments",
        _follows,
        {"gain": 1, "p_both": 4},
        {"least": 0.8, "levels": 4, "seeds": 8},
        basis="a strong correlation; the gain ends where nothing is left to gain",
        overlooks=_ROOM | AVERAGED | NO_CEILING | ANY_ORDER,
    ),
    Claim(
        "dense_overlap_gains",
        "a dense overlap gains at least 0.075 more than no overlap: half of the teacher's error of 0.15",
        "overlap density, synthetic experiments",
        _much_with,
        {"gain": 1, "p_both": 2},
        {"least": 0.075, "dense": 0.6, "seeds": 8},
        basis="half of what there is to gain in the grids",
        overlooks=_ROOM | AVERAGED | NO_CEILING | ANY_ORDER,
    ),
)
