"""What the paper says of the overlap density, as tests on a table. Errors are shares of wrong answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.claims import Claim, Verdict, above, lines_along, over_means, within, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING
from w2s.measure.scales import CORRELATION
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

    from w2s.claims.trends import Line

__all__ = ["CLAIMS"]


def _lines(table: DataFrame, least: int) -> list[Line]:
    """Cut ReLU students into lines of their gain along the overlap density, at one step of each setting.

    It is the step of the greatest mean gain over seeds and densities, so it is selected by the truth.
    """
    rows = table[table["student"] == "relu"]
    others = [name for name in columns.cell_fields(table) if name not in ("seed", "step", "p_both")]
    codes, _ = columns.group_codes(rows, others)
    found = []
    for code in np.unique(codes):
        part = rows[codes == code]
        kept = part[part["step"] == part.groupby("step")["gain"].mean().idxmax()]
        kept.attrs = table.attrs
        found += lines_along(kept, "p_both", ("gain",), least)
    return found


def _name(line: Line) -> str:
    return f"n = {line.fields['n_transfer']:g}, nu = {line.fields['nu']:g}, step {line.fields['step']}, selected by truth"


def _nothing_without(table: DataFrame, limits: Any) -> Verdict:
    found, bounds = [], (-limits["most"], limits["most"])
    for line in _lines(table, 1):
        if line.levels[0] == 0:
            value, interval, seeds = over_means(line.seeds, line.values[:, 0, 0], float, scale=CORRELATION)
            found.append(within(f"gain without overlap, {_name(line)}", value, interval, bounds, seeds))
    return worst(found, "needs students without inputs of both patterns")


def _much_with(table: DataFrame, limits: Any) -> Verdict:
    found = []
    for line in _lines(table, 2):
        if line.levels[-1] >= limits["dense"] and line.levels[0] == 0:
            gains = line.values[:, -1, 0] - line.values[:, 0, 0]
            value, interval, seeds = over_means(line.seeds, gains, float, scale=CORRELATION)
            name = f"gain at density {line.levels[-1]:g} less that at 0, {_name(line)}"
            found.append(above(name, value, interval, limits["least"], seeds))
    return worst(found, f"needs densities 0 and {limits['dense']:g} or more")


def _follows(table: DataFrame, limits: Any) -> Verdict:
    found = []
    for line in _lines(table, int(limits["levels"])):
        levels = line.levels.astype(float)

        def correlation(means: Any, levels: Any = levels) -> float:
            return float(np.corrcoef(levels, means[:, 0])[0, 1]) if np.ptp(means) > 0 else float("nan")

        value, interval, seeds = over_means(line.seeds, line.values, correlation)
        found.append(above(f"correlation of gain and density, {_name(line)}", value, interval, limits["least"], seeds))
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
        "a dense overlap gains at least half of what there is to gain",
        "overlap density, synthetic experiments",
        _much_with,
        {"gain": 1, "p_both": 2},
        {"least": 0.075, "dense": 0.6, "seeds": 8},
        basis="half of a teacher's error of 0.15",
        overlooks=_ROOM | AVERAGED | NO_CEILING | ANY_ORDER,
    ),
)
