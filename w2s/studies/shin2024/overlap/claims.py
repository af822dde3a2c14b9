"""What the paper says of the overlap density, as tests on a table. Errors are shares of wrong answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s.claims import Claim, Verdict, above, lines_along, over_means, steps, within, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING
from w2s.measure.scales import CORRELATION

if TYPE_CHECKING:
    from pandas import DataFrame

    from w2s.claims.trends import Line

__all__ = ["CLAIMS"]


def _lines(table: DataFrame, least: int) -> list[Line]:
    """Cut ReLU students into lines of their gain along the overlap density."""
    return lines_along(table[table["student"] == "relu"], "p_both", ("gain",), least)


def _name(line: Line) -> str:
    return f"n = {line.fields['n_transfer']:g}, nu = {line.fields['nu']:g}, step {line.fields['step']}"


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


def _grows(table: DataFrame, limits: Any) -> Verdict:
    least = int(limits["levels"])
    return steps(
        _lines(table, least),
        lambda means: means[:, 0],
        "gain from one density to the next",
        rises=True,
        threshold=limits["least"],
        nothing=f"needs {least} densities",
    )


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
        "gain_grows_with_overlap",
        "the gain grows from each overlap density to the next",
        "overlap density, synthetic experiments",
        _grows,
        {"gain": 1, "p_both": 4},
        {"least": 0.0, "levels": 4, "seeds": 8},
        basis="the sentence is about a direction",
        overlooks=_ROOM | AVERAGED | NO_CEILING,
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
