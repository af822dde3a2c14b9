"""What is said of networks after one gradient step, as tests on a table.

Features are squared projections of the easy and the hard axis on the two top right singular vectors of a first layer, from 0 to
1; component correlations are those of a network's outputs with the easy and the hard part of the target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, within, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING, ONE_FACTOR
from w2s.claims.seed_intervals import over_least, over_means
from w2s.studies.moniri2025.limits import pivot
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Values = npt.NDArray[np.float64]
Cells = tuple[list[int], list[Values]]


def _settings(table: DataFrame, but: Sequence[str]) -> Iterator[DataFrame]:
    """Yield the rows of each setting of all fields other than seed and ``but``."""
    fields = [name for name in columns.cell_fields(table) if name not in ("seed", *but)]
    codes, keys = columns.group_codes(table, fields)
    for code in range(len(keys)):
        yield table.iloc[np.flatnonzero(codes == code)]


def _cells(table: DataFrame, *names: str) -> Cells:
    """Spread columns over seeds and cells, (seeds, cells) each."""
    fields = [name for name in columns.cell_fields(table) if name != "seed" and table[name].nunique(dropna=False) > 1]
    wide = [pivot(table.assign(whole="all"), fields or ["whole"], name) for name in names]
    return wide[0][0], [frame.to_numpy(float) for _, frame in wide]


def _trained(table: DataFrame, limits: Thresholds) -> DataFrame:
    """Keep teachers and students after a large step, students pretrained on the hard component."""
    steps = (table["step"] >= limits["step"]) & (table["step_weak"] >= limits["step"])
    return table[steps & (table["pretraining"] >= limits["pretraining"]) & (table["hard"] > 0)]


def _predicted(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    seeds, measured = _cells(table, "easy_weak", "easy_after", "easy_weak_theory", "easy_after_theory")
    for model, values, theory in zip(("teacher", "student"), measured[:2], measured[2:], strict=True):
        if seeds and values.shape[1]:
            both = np.stack([values - theory, theory - values])
            value, interval, count = over_least(seeds, np.moveaxis(both, 0, 1), lambda means: -means.reshape(-1))
            name = f"largest distance of the {model}'s easy feature from its limit in {values.shape[1]} cells"
            ends = -interval[1], -interval[0]
            found.append(below(name, -value, ends, limits["most"], count))
    return worst(found, "needs easy features of teacher and student")


def _both(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = _trained(table, limits)
    if not len(rows):
        return worst([], "needs teachers and pretrained students after a large step")
    seeds, (easy, before, hard, missing) = _cells(rows, "easy_after", "easy_before", "hard_after", "hard_weak")
    found = []
    pairs = (("easy feature of students less that before their step", easy - before),
             ("hard feature of students less that of their teachers", hard - missing))  # fmt: skip
    for name, part in pairs:
        value, interval, count = over_least(seeds, part, lambda means: means)
        found.append(above(f"least {name}", value, interval, limits["least"], count))
    return worst(found, "needs students")


def _gain_of(head: str, judge: Callable[..., Verdict], say: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        found = []
        rows = _trained(table, limits)
        for part in _settings(rows[rows["head"] == head], ()):
            seeds, (gain, weak) = _cells(part, "gain", "weak_error")
            if seeds:
                both = np.concatenate([gain, weak], axis=1)
                value, interval, count = over_means(seeds, both, lambda means: float(means[0] / means[1]))
                found.append(judge(f"gain over the teacher's error, {say}", value, interval, limits, count))
        return worst(found, f"needs pretrained students with head: {head} after a large step")

    return test


def _not_relearnt(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for part in _settings(_trained(table, limits), ("head",)):
        seeds, wide = pivot(part, ["head"], "corr_hard")
        if seeds and {"kept", "readout"} <= set(wide.columns):
            values = (wide["kept"] - wide["readout"]).to_numpy(float)
            value, interval, count = over_means(seeds, values, float)
            name = "hard correlation of a kept head less that of a readout on weak labels"
            found.append(above(name, value, interval, limits["least"], count))
    return worst(found, "needs pretrained students with both heads after a large step")


def _along(field: str, value_of: str, heads: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    """Make a test that a column is larger at the end of an axis than at its beginning."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        found = []
        for part in _settings(table[(table["head"] == heads) & (table["hard"] > 0)], (field,)):
            seeds, wide = pivot(part, [field], value_of)
            if seeds and wide.shape[1] >= 2:
                ends = wide.to_numpy(float)[:, [0, -1]]
                value, interval, count = over_means(seeds, ends, lambda means: float(means[1] - means[0]))
                levels = wide.columns
                name = f"{value_of} of a kept head at {field} = {levels[-1]:g} less that at {levels[0]:g}"
                found.append(above(name, value, interval, limits["least"], count))
        return worst(found, f"needs two values of {field} for kept heads")

    return test


def _above(name: str, value: float, interval: Any, limits: Thresholds, seeds: int) -> Verdict:
    return above(name, value, interval, limits["least"], seeds)


def _inside(name: str, value: float, interval: Any, limits: Thresholds, seeds: int) -> Verdict:
    return within(name, value, interval, (limits["least"], limits["most"]), seeds)


_LARGE = {"step": 5.0, "pretraining": 1.0, "seeds": 8}
_WHERE = "step, pretraining: steps far beyond the size at which a spike leaves the noise, a spike as long as a row"
_HEADS = {"head": 1}
_FEATURES = dict.fromkeys(
    ("student_is_ceiling", "student_constant", "teacher_up", "teacher_down", "teacher_noisy", "student_noisy"),
    "no error is in the sentence",
)
_CEILING = {"student_is_ceiling": "one-sided: the ceiling has both features too, and gains more"}
_EITHER = {"flipped": "where nothing is gained or lost the two may change places"}
_FAR = dict.fromkeys(("teacher_up", "teacher_down"), "it gains by more than a tenth more or less")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "features_as_predicted",
        "after a step of any size the easy features of teacher and student are those of a spike in noise",
        "derived: one gradient step as a spiked matrix",
        _predicted,
        {"easy_after_theory": 1, "easy_weak_theory": 1},
        {"most": 0.2, "seeds": 8},
        basis="most: of order 1/sqrt(d), twice a tenth at d = 100; beside the spike, a second singular vector meets the axis "
        "by chance and by the quadratic part",
        overlooks=ANY_ORDER | NO_CEILING | _FEATURES,
    ),
    Claim(
        "both_features",
        "a step on weak labels gives the student the easy feature beside the hard one, which its teacher has not",
        "multi-index, one gradient step",
        _both,
        _HEADS,
        {"least": 0.3, **_LARGE},
        basis=f"least: half of what a teacher has of the easy feature, .57; a random direction has 2/d; {_WHERE}",
        overlooks=ANY_ORDER | NO_CEILING | _FEATURES,
    ),
    Claim(
        "kept_head_gains",
        "a student that keeps its pretrained hard head and learns the rest from weak labels beats its teacher by far",
        "multi-index, combined features",
        _gain_of("kept", _above, "kept head"),
        _HEADS,
        {"least": 0.2, **_LARGE},
        basis=f"least: a fifth of the teacher's error; the hard component is half of it; {_WHERE}",
        overlooks=ANY_ORDER | NO_CEILING | AVERAGED | _CEILING | _FAR,
    ),
    Claim(
        "readout_does_not_gain",
        "a readout on weak labels alone gains next to nothing, although the first layer has the hard feature",
        "multi-index, what weak labels do not say",
        _gain_of("readout", _inside, "readout"),
        _HEADS,
        {"least": -0.15, "most": 0.08, **_LARGE},
        basis="most, least: small against the gain of a kept head, with room for what a ridge and finite rows cost; " + _WHERE,
        overlooks=ANY_ORDER | NO_CEILING | _EITHER,
    ),
    Claim(
        "hard_component_kept",
        "what such a readout has of the hard component is far less than what a kept head has",
        "multi-index, what weak labels do not say",
        _not_relearnt,
        {"head": 2},
        {"least": 0.3, **_LARGE},
        basis=f"least: outputs with the easy and the hard component in full have .58 with the hard one; {_WHERE}",
        overlooks=ANY_ORDER | NO_CEILING | _FEATURES,
    ),
    Claim(
        "gain_rises_with_step",
        "a kept head gains more after a large step on weak labels than without one",
        "multi-index, one gradient step",
        _along("step", "gain", "kept"),
        {"step": 2},
        {"least": 0.05, "seeds": 8},
        basis="least: a tenth of a teacher's error, nearly",
        overlooks=ANY_ORDER | NO_CEILING | AVERAGED | ONE_FACTOR | _CEILING,
    ),
    Claim(
        "gain_rises_with_pretraining",
        "a kept head gains more the stronger the student's pretraining on the hard direction",
        "multi-index, pretraining",
        _along("pretraining", "gain", "kept"),
        {"pretraining": 2},
        {"least": 0.05, "seeds": 8},
        basis="least: a tenth of a teacher's error, nearly",
        overlooks=ANY_ORDER | NO_CEILING | AVERAGED | ONE_FACTOR | _CEILING,
    ),
)
