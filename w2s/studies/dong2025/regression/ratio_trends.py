"""Ratios of the four models along one axis of a grid: the paper's statements on counts, overlap and noise as tests.

Ratios are ratios of means over seeds. Which lines a statement is about is part of it: few labels, a small bias of the weak
features, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims import trends
from w2s.claims.claim import Thresholds, Verdict
from w2s.studies.dong2025.regression.formulas import MODELS, plain

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["log_lead", "log_opr", "pgr", "ratio_hump", "ratio_steps"]

Values = npt.NDArray[np.float64]
Means = Mapping[str, Values]
Test = Callable[["DataFrame", Thresholds], Verdict]


def pgr(means: Means) -> Values:
    """Compute (weak - student)/(weak - ceiling) of mean errors."""
    return _ratio(means["weak"] - means["student"], means["weak"] - means["ceiling"])


def log_opr(means: Means) -> Values:
    """Compute log(strong/student) of mean errors."""
    return np.asarray(np.log(_ratio(means["strong"], means["student"])))


def log_lead(means: Means) -> Values:
    """Compute log(weak/student) of mean errors: how far the student is ahead of its teacher."""
    return np.asarray(np.log(_ratio(means["weak"], means["student"])))


def _ratio(top: Values, bottom: Values) -> Values:
    """Divide; NaN where the divisor is zero, so that a verdict on it is open."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(bottom == 0, np.nan, top / bottom))


def ratio_steps(
    name: str, axis: str, of: Callable[[Means], Values], *, rises: bool, kept: str = "", say: str = "", ahead: bool = False
) -> Test:
    """Test that ``of`` rises (or falls) from each level of an axis to the next, in every line that ``kept`` names.

    With ``ahead`` the student has to be ahead of its teacher at the highest level: a PGR below zero rises towards it by itself
    where the gap grows.
    """

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        lines = _lines(table, axis, 2, kept, limits)
        what = f"{name} along {axis}, {'or log(weak/student) at the end, ' if ahead else ''}{len(lines)} lines{say}"
        threshold = limits["least" if rises else "most"]
        nothing = f"no line along {axis} has two levels{say}"
        lead = _at_the_end if ahead else None
        return trends.steps(lines, _of_models(of), what, rises=rises, threshold=threshold, nothing=nothing, lead=lead)

    return test


def ratio_hump(name: str, of: Callable[[Means], Values], kept: str, say: str) -> Test:
    """Test that ``of`` is higher at its inner peak along ``n_labeled`` than at both ends of every line that ``kept`` names.

    At the peak the student has to be ahead of its teacher too: strong/weak has such a hump without any student.
    """

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        lines = _lines(table, "n_labeled", 5, kept, limits)
        what = f"{name}, peak - higher end, or log(weak/student) there, {len(lines)} lines {say}"
        nothing = f"no line along n_labeled {say}"
        lead = _of_models(log_lead)
        return trends.hump(lines, _of_models(of), what, threshold=limits["least"], nothing=nothing, lead=lead)

    return test


def _of_models(of: Callable[[Means], Values]) -> trends.Along:
    return lambda means: of(dict(zip(MODELS, means.T, strict=True)))


def _at_the_end(means: Values) -> Values:
    return _of_models(log_lead)(means[-1:])


def _lines(table: DataFrame, axis: str, least: int, kept: str, limits: Thresholds) -> list[trends.Line]:
    """Return the lines of fresh risks of the four models along an axis, those that ``kept`` names."""
    rows = plain(table)
    rows = rows[(rows["evaluate"] == "fresh") & (rows["ceiling"] == "labeled+transfer")]
    lines = trends.lines_along(rows, axis, [f"{model}_error" for model in MODELS], least)
    return [line for line in lines if _KEPT[kept](line, limits)]


def _reaches(line: trends.Line, limits: Thresholds) -> bool:
    """Tell whether the labelled counts span from close to d_weak to far beyond, with some bias in the weak features."""
    fields = line.fields
    near, far = fields["d_weak"] * limits["near"], fields["d_weak"] * limits["far"]
    return bool(line.levels[0] <= near and line.levels[-1] >= far and fields["rho_weak"] * fields["signal"] > 0)


def _small_bias(line: trends.Line, limits: Thresholds) -> bool:
    """Tell whether a line reaches far enough and has a small weak bias.

    The bias is small below the variance of a ceiling of the transfer rows alone.
    """
    fields = line.fields
    bias = fields["rho_weak"] * fields["signal"]
    return _reaches(line, limits) and bool(bias < fields["noise"] ** 2 * fields["d_strong"] / fields["n_transfer"])


def _noisy(line: trends.Line, _limits: Thresholds) -> bool:
    """Tell whether the teacher's variance at the largest noise, sigma^2 d_w/(n - d_w - 1), is larger than its bias."""
    fields = line.fields
    freedom = fields["n_labeled"] - fields["d_weak"] - 1
    return bool(fields["rho_weak"] * fields["signal"] * freedom < line.levels[-1] ** 2 * fields["d_weak"])


def _variance_first(line: trends.Line, limits: Thresholds) -> bool:
    """Tell whether a line reaches far enough, and the weak bias is below sigma^2 d_sw/d_w.

    That is about the student's variance at n = 2 d_w; with a larger bias there is no rise.
    """
    fields = line.fields
    bias = fields["rho_weak"] * fields["signal"]
    return _reaches(line, limits) and bool(bias < fields["noise"] ** 2 * fields["d_overlap"] / fields["d_weak"])


_KEPT: Mapping[str, Callable[[trends.Line, Thresholds], bool]] = {
    "": lambda _line, _limits: True,
    "variance_first": _variance_first,
    "noisy": _noisy,
    "many_transfers": lambda line, limits: bool(line.fields["n_transfer"] >= limits["times"] * line.fields["d_strong"]),
    "small_bias": _small_bias,
    "few_labels": lambda line, limits: bool(line.fields["n_labeled"] <= limits["times"] * line.fields["d_weak"]),
    "many_labels": lambda line, limits: bool(line.fields["n_labeled"] >= limits["times"] * line.fields["d_weak"]),
}
