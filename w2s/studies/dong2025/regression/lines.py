"""Ratios of the four models along one axis of a grid: do they rise, fall, or have a hump.

A line holds the cells that differ in one field only. Ratios are ratios of means over seeds, with intervals from whole seeds
resampled; a statement about several lines is about the worst of them. Where a peak is looked for, even seeds say where it
is and odd seeds how high.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Thresholds, Verdict, above, below, over_means, untestable
from w2s.studies.dong2025.regression.agreement import MODELS, plain
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["gain", "hump", "log_opr", "pgr", "steps"]

Values = npt.NDArray[np.float64]
Test = Callable[["DataFrame", Thresholds], Verdict]


class _Line:
    """Errors (seeds, levels, models) along one axis, everything else held."""

    def __init__(self, rows: DataFrame, axis: str) -> None:
        ordered = rows.sort_values(["seed", axis])
        self.levels = ordered[axis].unique()
        self.fields = ordered.iloc[0]
        self.whole = len(ordered) == len(self.levels) * ordered["seed"].nunique()
        self.seeds = tuple(ordered["seed"].unique())
        values = ordered[[f"{model}_error" for model in MODELS]].to_numpy(float)
        self.errors = values.reshape(len(self.seeds), -1, 4) if self.whole else values


def _lines(table: DataFrame, axis: str, least: int) -> list[_Line]:
    """Lines of fresh risks along an axis with ``least`` levels or more, all levels on the same seeds."""
    rows = plain(table)
    rows = rows[(rows["evaluate"] == "fresh") & (rows["ceiling"] == "labeled+transfer")]
    others = [name for name in columns.cell_fields(rows) if name != axis]
    codes, _ = columns.group_codes(rows, others)
    found = [_Line(rows.iloc[np.flatnonzero(codes == code)], axis) for code in np.unique(codes)]
    return [line for line in found if line.whole and len(line.levels) >= least and len(line.seeds) > 1]


Means = Mapping[str, Values]
Of = Callable[..., float]


def _named(means: Values) -> Means:
    return dict(zip(MODELS, means.T, strict=True))


def pgr(means: Means) -> Values:
    """(weak - student)/(weak - ceiling) of mean errors."""
    return np.asarray((means["weak"] - means["student"]) / (means["weak"] - means["ceiling"]))


def log_opr(means: Means) -> Values:
    """log(strong/student) of mean errors."""
    return np.asarray(np.log(means["strong"] / means["student"]))


def gain(means: Means) -> Values:
    """Weak minus student, mean errors."""
    return np.asarray(means["weak"] - means["student"])


def _least(lines: list[_Line], of: Of, *, halves: bool = False) -> list[tuple[float, tuple[float, float], int]]:
    """Least value over lines of a function of mean errors, with intervals; lines of one set of seeds go together.

    ``of`` takes the means (levels, models) over all seeds, or with ``halves`` those over even and those over odd seeds.
    """
    found = []
    for seeds in dict.fromkeys(line.seeds for line in lines):
        errors = [line.errors for line in lines if line.seeds == seeds]
        odd = np.asarray(seeds) % 2
        parts = np.stack([1 - odd, odd] if halves else [np.ones(len(seeds))], axis=1)
        found.append(over_means(seeds, _parted(errors, parts), functools.partial(_least_of, of, [e.shape[1] for e in errors])))
    return found


def _parted(errors: list[Values], parts: Values) -> Values:
    """Errors of all lines times indicators (seeds, parts) of some seeds, and these: (seeds, parts, all levels x models + 1)."""
    together = np.concatenate([line.reshape(len(line), -1) for line in errors], axis=1)
    return np.concatenate([parts[:, :, None] * together[:, None, :], parts[:, :, None]], axis=2)


def _least_of(of: Of, levels: list[int], means: Values) -> float:
    """Least value of ``of`` over lines, from the means of :func:`_parted`; NaN where a part has no seed."""
    share = means[:, -1:]
    if not (share > 0).all():
        return float("nan")
    by_line = np.split((means[:, :-1] / share).reshape(len(means), -1, len(MODELS)), np.cumsum(levels)[:-1], axis=1)
    return float(min(of(*(_named(part) for part in line)) for line in by_line))


def _worst(verdicts: list[Verdict], nothing: str) -> Verdict:
    """Verdict with the worst outcome, and of these the one nearest to its threshold."""
    ranks = ("fails", "unresolved", "holds")

    def order(verdict: Verdict) -> tuple[int, float]:
        return ranks.index(verdict.outcome), abs((verdict.statistic or 0.0) - verdict.threshold)

    return min(verdicts, key=order) if verdicts else untestable(nothing)


def steps(name: str, axis: str, of: Callable[[Means], Values], *, rises: bool, kept: str = "", say: str = "") -> Test:
    """Test that ``of`` rises (or falls) from each level of an axis to the next, in every line that ``kept`` names."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        lines = [line for line in _lines(table, axis, 2) if _KEPT[kept](line, limits)]
        sign = 1.0 if rises else -1.0
        found = _least(lines, lambda means: float(np.min(sign * np.diff(of(means)))))
        where = f"{len(lines)} lines{say}"
        verdicts = [
            above(f"least step of {name} along {axis}, {where}", value, interval, limits["least"], seeds)
            if rises
            else below(
                f"largest step of {name} along {axis}, {where}", -value, (-interval[1], -interval[0]), limits["most"], seeds
            )
            for value, interval, seeds in found
        ]
        return _worst(verdicts, f"no line along {axis} has two levels{say}")

    return test


def hump(name: str, of: Callable[[Means], Values], kept: str, say: str) -> Test:
    """Test that ``of`` is higher at its inner peak, chosen on even seeds, than at both ends of the line."""

    def over_both_ends(even: Means, odd: Means) -> float:
        peak, values = 1 + int(np.argmax(of(even)[1:-1])), of(odd)
        return float(values[peak] - max(values[0], values[-1]))

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        lines = [line for line in _lines(table, "n_labeled", 5) if _KEPT[kept](line, limits)]
        verdicts = [
            above(f"least {name}, peak - higher end, {len(lines)} lines {say}", value, interval, limits["least"], seeds)
            for value, interval, seeds in _least(lines, over_both_ends, halves=True)
        ]
        return _worst(verdicts, f"no line along n_labeled {say}")

    return test


def _reaches(line: _Line, limits: Thresholds) -> bool:
    """Whether the labelled counts span from close to d_weak to far beyond, with some bias in the weak features."""
    fields = line.fields
    near, far = fields["d_weak"] * limits["near"], fields["d_weak"] * limits["far"]
    return bool(line.levels[0] <= near and line.levels[-1] >= far and fields["rho_weak"] * fields["signal"] > 0)


def _small_bias(line: _Line, limits: Thresholds) -> bool:
    """Whether the weak bias is below the variance of a ceiling of the transfer rows alone."""
    fields = line.fields
    bias = fields["rho_weak"] * fields["signal"]
    return _reaches(line, limits) and bool(bias < fields["noise"] ** 2 * fields["d_strong"] / fields["n_transfer"])


def _variance_first(line: _Line, limits: Thresholds) -> bool:
    """Whether the weak bias is below sigma^2 d_sw/d_w, about the student's variance at n = 2 d_w: else there is no rise."""
    fields = line.fields
    bias = fields["rho_weak"] * fields["signal"]
    return _reaches(line, limits) and bool(bias < fields["noise"] ** 2 * fields["d_overlap"] / fields["d_weak"])


_KEPT: Mapping[str, Callable[[_Line, Thresholds], bool]] = {
    "": lambda _line, _limits: True,
    "variance_first": _variance_first,
    "many_transfers": lambda line, limits: bool(line.fields["n_transfer"] >= limits["times"] * line.fields["d_strong"]),
    "small_bias": _small_bias,
    "few_labels": lambda line, limits: bool(line.fields["n_labeled"] <= limits["times"] * line.fields["d_weak"]),
    "many_labels": lambda line, limits: bool(line.fields["n_labeled"] >= limits["times"] * line.fields["d_weak"]),
}
