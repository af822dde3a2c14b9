"""Words that are no columns: verdicts of claims, statuses of numbers, keys of a grid."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["GRIDS", "STATUSES", "VERDICTS"]

VERDICTS: Mapping[str, str] = {
    "holds": "a verdict: the whole interval of 99 % over seeds lies on the side of the threshold that the claim names",
    "fails": "a verdict: the whole interval of 99 % over seeds lies on the other side of the claim's threshold; of some claims "
    "that is expected, and verify says why",
    "unresolved": "a verdict: the threshold of the claim lies in its interval, or there are fewer seeds than it asks for; more "
    "seeds decide it. Of a setting under seeds: until, one that was given up after max_unresolved seeds",
    "untestable": "a verdict: the rows lack what the claim's test needs, such as a second value of an axis; verify says what",
}
STATUSES: Mapping[str, str] = {
    "ok": "a status: the number can be used",
    "singular": "a status of a row: a fit without regularisation had no unique solution; the minimum-norm one was taken",
    "ill_conditioned": "a status of a row: condition above 1e12, so that numbers of another machine or backend may differ",
    "nonfinite": "a status: a result, or what goes into a ratio, was not a number; it is null",
    "failed": "a status of a row: the study raised an error; message says where, and the next launch tries again",
    "gap_nonpositive": "a status of a PGR: the ceiling is no better than the weak model, so there is no gap to recover; null",
    "gap_unresolved": "a status of a PGR over seeds: zero lies in the interval of the mean gap, so that the ratio is unbounded",
    "student_nonpositive": "a status of an OPR: the student's mean error is not above zero; null",
    "student_unresolved": "a status of an OPR over seeds: zero lies in the interval of the student's error, so it is unbounded",
    "tied": "a status of an interval: all seeds, or all differences of pairs, are one number and say nothing about other seeds",
    "one_seed": "a status of an interval: there is one seed, so that nothing is known about others",
    "no_seeds": "a status of a mean: no seed has the number",
    "few_seeds": "a status of a bootstrap: fewer than 100 seeds, so that its interval is too narrow",
    "no_item_noise": "a status of an interval for the population: the rows do not say how much the test items matter",
    "one_pair": "a status of a comparison: one seed has both sides, so that nothing is known about others",
    "no_pairs": "a status of a comparison: no seed has both sides",
}
GRIDS: Mapping[str, str] = {
    "axes": "a key of a grid: fields with their values; every combination is a cell",
    "fixed": "a key of a grid: fields with one value",
    "zip": "a key of a grid: fields whose values go together, the first with the first",
    "exclude": "a key of a grid: conditions; cells that one of them fits are left out",
    "seeds": "a key of a grid: how many seeds from 0 on, a list of them, or until: {...}",
    "until": "a key of seeds: more seeds for each setting until the interval of metric has half_width, or max seeds are done",
    "grids": "a key of a grid: several blocks of axes under one study",
    "compute": "a key of a grid: executor, workers, devices and limits; no number depends on it",
    "out": "a key of a grid: the run folder",
}
