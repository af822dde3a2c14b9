"""What the paper says of limits, calibration and overtraining, as tests on a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.claims.settings import each_setting, worst_mean
from w2s.claims.trends import hump, lines_along
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Means = npt.NDArray[np.float64]


def _most(name: str, excess: object, table: DataFrame, limits: Thresholds) -> Verdict:
    values = np.asarray(excess, dtype=np.float64)
    value = float(values.max())
    seeds = table["seed"].nunique()
    return below(f"largest {name} of {len(values):,} rows", value, (value, value), limits["most"], seeds)


def _error_bound(table: DataFrame, limits: Thresholds) -> Verdict:
    excess = (table["student_error_01"] - table["weak_error_01"]).abs() - table["disagreement"]
    return _most("|difference of errors| - disagreement", excess, table, limits)


def _variation_bound(table: DataFrame, limits: Thresholds) -> Verdict:
    first = (table["student_variation"] - table["weak_variation"]).abs() - table["variation_apart"]
    second = table["variation_apart"] - np.sqrt(np.maximum(table["misfit"], 0.0) / 2.0)
    found = [
        _most("|difference of variations| - variation between them", first, table, limits),
        _most("variation between them - sqrt(misfit / 2)", second, table, limits),
    ]
    return worst(found, "needs rows")


def _overtrained(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[(table["errors"] == "structured") & (table["error_scale"] > 0)]
    lines = lines_along(rows, "steps", ["student_error", "weak_error"], int(limits["steps"]))
    return hump(
        lines,
        lambda means: -means[:, 0] / means[:, 1],
        "fall of student_error / weak_error to its minimum, from both ends, steps selected by truth",
        threshold=limits["least"],
        nothing=f"needs structured errors at {limits['steps']:g} numbers of steps",
    )


def _last(table: DataFrame, errors: str, least: float) -> DataFrame:
    """Keep the rows of the longest training, if it is as long as ``least`` steps."""
    rows = table[(table["errors"] == errors) & (table["error_scale"] > 0)]
    found: DataFrame = rows[(rows["steps"] == rows["steps"].max()) & (rows["steps"] >= least)]
    return found


def _random(table: DataFrame, limits: Thresholds) -> Verdict:
    return worst_mean(
        _last(table, "random", limits["steps"]),
        lambda rows: np.asarray(rows["student_error"] / rows["weak_error"]),
        lambda name, value, interval, seeds: below(name, value, interval, limits["most"], seeds),
        "student_error / weak_error after the longest training",
        f"needs random errors and {limits['steps']:g} steps",
    )


def _taken_over(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for place, rows in each_setting(_last(table, "structured", limits["steps"])):
        value, interval, seeds = over_means(
            rows["seed"], rows[["student_error", "weak_error"]].to_numpy(float), lambda means: float(means[0] / means[1])
        )
        found.append(
            above(f"student_error / weak_error after the longest training at {place}", value, interval, limits["least"], seeds)
        )
    return worst(found, f"needs structured errors and {limits['steps']:g} steps")


def _bolder(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _last(table, "random", limits["steps"])
    found: list[Verdict] = []
    nothing = f"needs both losses, random errors and {limits['steps']:g} steps"
    others = [name for name in columns.cell_fields(rows) if name not in ("loss", "seed")]
    if not len(rows):
        return worst(found, nothing)
    for _, part in rows.groupby(columns.group_codes(rows, others)[0]):
        wide = part.pivot_table(index="seed", columns="loss", values=["confidence", "student_error"]).dropna()
        if wide.shape[1] < 4:
            continue
        for name, judge in (("confidence", above), ("student_error", below)):
            gaps = (wide[name]["reverse"] - wide[name]["forward"]).to_numpy(float)
            value, interval, seeds = over_means(wide.index, gaps, float)
            found.append(judge(f"{name} by reverse less that by forward loss", value, interval, limits["sign"], seeds))
    return worst(found, nothing)


_CEILING = {"ceiling_is_teacher": "no ceiling is in the sentence"}
_EITHER = {
    "student_is_teacher": "a copy of the teacher has its error",
    "flipped": "the bound is the same from both sides",
}
_VARIATION = dict.fromkeys(
    ("student_constant", "teacher_up", "teacher_down", "teacher_noisy", "student_noisy", "flipped"),
    "no error in nats is in the sentence, and a larger misfit is no smaller bound",
)
_ROOM = dict.fromkeys(("teacher_up", "teacher_down"), "a tenth of the teacher's error is less than the room to the threshold")
_OVER = dict.fromkeys(("student_constant", "flipped"), "one-sided: a student worse than its teacher is above the threshold")
_TEACHER = dict.fromkeys(("teacher_up", "teacher_down"), "no error of the teacher is in the sentence")
_TRUE = {"student_is_ceiling": "the ceiling has none of the teacher's errors either"}
_LEAST_LENGTH = "steps: after which these students no longer change much"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "error_bound",
        "the student's error differs from its teacher's by no more than the share of items on which their first choices differ",
        "upper and lower bounds; this elementary form is derived by us",
        _error_bound,
        {"disagreement": 1},
        {"most": 1e-12},
        basis="rounding",
        overlooks=_EITHER | _CEILING,
    ),
    Claim(
        "variation_bound",
        "the same of total variation: bounded by that between them, and so by the root of half the misfit",
        "upper and lower bounds; this elementary form is derived by us",
        _variation_bound,
        {"variation_apart": 1},
        {"most": 1e-12},
        basis="rounding",
        overlooks=_VARIATION | _CEILING,
    ),
    Claim(
        "overtraining",
        "errors that can be learnt: the student's error falls far below its teacher's, and comes back with further steps",
        "too much optimisation of weak labels",
        _overtrained,
        {"steps": 4},
        {"least": 0.3, "steps": 5, "seeds": 8},
        basis="least: a third of the teacher's error, from the minimum to either end",
        overlooks=ANY_ORDER | AVERAGED | _CEILING | _ROOM,
    ),
    Claim(
        "errors_taken_over",
        "errors that can be learnt are taken over: long training ends near the teacher",
        "too much optimisation of weak labels",
        _taken_over,
        {"steps": 1},
        {"least": 0.8, "steps": 2000, "seeds": 8},
        basis=f"least: four fifths of the teacher's error; {_LEAST_LENGTH}",
        overlooks=ANY_ORDER | AVERAGED | _CEILING | _ROOM | _OVER,
    ),
    Claim(
        "random_errors_stay_out",
        "errors that cannot be learnt are not taken over: long training stays far below the teacher's error",
        "negative control of ours",
        _random,
        {"steps": 1},
        {"most": 0.4, "steps": 2000, "seeds": 8},
        basis=f"most: two fifths of the teacher's error; {_LEAST_LENGTH}",
        overlooks=ANY_ORDER | AVERAGED | _CEILING | _ROOM | _TRUE,
    ),
    Claim(
        "reverse_is_bolder",
        "of labels with random errors the reverse divergence makes a student that is more confident and nearer to the truth",
        "comparison of losses; the paper's sibling argues for the reverse divergence",
        _bolder,
        {"confidence": 1, "loss": 2},
        {"sign": 0.0, "steps": 2000, "seeds": 8},
        basis=f"the sentence is about two signs; {_LEAST_LENGTH}",
        overlooks=AVERAGED | _CEILING | _TEACHER,
    ),
)
