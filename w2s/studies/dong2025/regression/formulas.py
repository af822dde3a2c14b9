"""Agreement of simulated means with a formula, and disagreement with the nearest wrong one.

A formula agrees when, in every cell with enough seeds, the mean over seeds lies within some standard errors of it, the standard
error being small. That alone would also be said of a formula a little off, so each test names the nearest wrong formula, which
has to be rejected by the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Outcome, Thresholds, Verdict, untestable, within
from w2s.measure.closed_forms import t_tail
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["AGREEMENT", "CALIBRATION", "MODELS", "Formula", "agreement", "calibration", "cell_means", "plain"]

Values = npt.NDArray[np.float64]

MODELS = ("weak", "student", "strong", "ceiling")

SPARE = 5
"""Rows beyond d + 1 below which the mean over seeds has no usable standard error: its variance needs three."""

AGREEMENT: Mapping[str, float] = {"se": 4.0, "precision": 0.02, "seeds": 200, "apart": 8.0}
"""Within ``se`` standard errors, each at most ``precision`` of the formula, from ``seeds`` seeds or more; the wrong formula is
asked for where it is ``apart`` standard errors away or more."""

CALIBRATION: Mapping[str, float] = {"sd_least": 0.8, "sd_most": 1.25, "mean": 0.2, "seeds": 200, "draws": 60}
"""Bounds of standard deviation and mean of z-scores, each from ``seeds`` seeds, from ``draws`` independent draws or more."""


@dataclass(frozen=True)
class Formula:
    """Expected error of a model and the nearest wrong expectation: functions of a table to one number per row."""

    model: str
    right: Callable[[DataFrame], Values]
    wrong: Callable[[DataFrame], Values]


def plain(table: DataFrame) -> DataFrame:
    """Keep the rows that the closed forms are about: without regularisation, against the noiseless target."""
    chosen = (
        (table["student_filter"] == "ridge") & (table["ridge"] == 0) & (table["ridge_weak"] == 0) & (table["risk"] == "excess")
    )
    least = np.maximum(table["d_weak"], table["d_strong"])
    spare = (table["n_labeled"] > least + SPARE) & (table["n_transfer"] > table["d_strong"] + SPARE)
    found: DataFrame = table[chosen & spare]
    return found


def cell_means(table: DataFrame, model: str) -> DataFrame:
    """Make one row per cell: its fields, and of a model's error ``mean``, ``se`` over seeds and their number ``count``."""
    fields = columns.cell_fields(table)
    codes, keys = columns.group_codes(table, fields)
    values = table[f"{model}_error"].to_numpy(float)
    theory = table[f"{model}_error_theory"].to_numpy(float, na_value=np.nan)
    found = keys.assign(**_moments(codes, values, len(keys)))
    found["theory"] = np.bincount(codes, theory, len(keys)) / np.bincount(codes, minlength=len(keys))
    return found


def _moments(codes: npt.NDArray[np.integer[Any]], values: Values, groups: int) -> dict[str, Values]:
    count = np.bincount(codes, minlength=groups).astype(float)
    mean = np.bincount(codes, values, groups) / count
    squares = np.bincount(codes, (values - mean[codes]) ** 2, groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        se = np.sqrt(squares / (count - 1.0) / count)
    return {"count": count, "mean": mean, "se": se}


def agreement(name: str, table: DataFrame, formulas: list[Formula], limits: Thresholds) -> Verdict:
    """Test formulas on the cells of a table; the verdict's statistic is the largest distance in standard errors.

    Its chance is that of one right formula or more so far from its mean, over all cells, for normal errors.
    """
    found = [_distances(formula, table, limits) for formula in formulas]
    right, wrong, counts = (np.concatenate([part[k] for part in found]) for k in (0, 1, 2))
    if not len(right):
        return untestable(
            f"no cell has {limits['seeds']:g} seeds and a standard error of {limits['precision']:.0%} of the formula or less"
        )
    largest, bound = float(right.max()), limits["se"]
    least = float(wrong.min()) if len(wrong) else float("nan")
    says = (
        f"largest |{name} - formula| = {largest:.3g} se in {len(right)} cells (asked: at most {bound:g}); "
        f"wrong formula at least {least:.3g} se off in {len(wrong)} cells"
    )
    outcome: Outcome = "fails" if largest > bound or least <= bound else "holds" if len(wrong) else "unresolved"
    chance = min(1.0, float(t_tail(bound, counts).sum()))
    return Verdict(outcome, says, largest, (largest, largest), bound, int(table["seed"].nunique()), chance=chance)


def _distances(formula: Formula, table: DataFrame, limits: Thresholds) -> tuple[Values, Values, Values]:
    """Compute |mean - formula| / se of the usable cells, the same for the wrong formula where it is far enough, and seeds."""
    cells = cell_means(table, formula.model)
    right = formula.right(cells)
    usable = (cells["count"] >= limits["seeds"]) & (cells["se"] > 0) & (cells["se"] <= limits["precision"] * np.abs(right))
    cells, right = cells[usable], right[usable.to_numpy()]
    mean, se = cells["mean"].to_numpy(), cells["se"].to_numpy()
    wrong = formula.wrong(cells)
    far = np.abs(wrong - right) >= limits["apart"] * se
    return np.abs(mean - right) / se, (np.abs(mean - wrong) / se)[far], cells["count"].to_numpy()


def calibration(table: DataFrame, limits: Thresholds) -> tuple[Verdict, Verdict] | None:
    """Test standard deviation and mean of z-scores of all models; None where too few of them are independent.

    Cells of one seed share draws, whatever their counts and widths; only batches of seeds, and strong widths where the design
    is drawn directly, have draws of their own. Each such draw counts once, however many cells and models it has. The chances
    are those of as many normal scores of mean 0 and standard deviation 1.
    """
    from scipy.special import chdtr, chdtrc

    found = [_scores(table, model, int(limits["seeds"])) for model in MODELS]
    draws, scores = (np.concatenate([pair[k] for pair in found]) for k in (0, 1))
    _, codes, counts = np.unique(draws, return_inverse=True, return_counts=True)
    if len(counts) < limits["draws"]:
        return None
    mean, square = (float(np.mean(np.bincount(codes, scores**power) / counts)) for power in (1, 2))
    spread, seeds = float(np.sqrt(square - mean**2)), int(table["seed"].nunique())
    name, least, most = f"of {len(scores):,} z-scores from {len(counts):,} draws", limits["sd_least"], limits["sd_most"]
    of_spread = within(f"standard deviation {name}", spread, (spread, spread), (least, most), seeds)
    of_mean = within(f"mean {name}", mean, (mean, mean), (-limits["mean"], limits["mean"]), seeds)
    n = len(counts)
    beyond = chdtr(n - 1, n * least**2) + chdtrc(n - 1, n * most**2)
    return replace(of_spread, chance=float(beyond)), replace(of_mean, chance=math.erfc(limits["mean"] * math.sqrt(n / 2)))


def _scores(table: DataFrame, model: str, batch: int) -> tuple[Values, Values]:
    """Draw and z-score (mean - theory)/se of every cell with theory and every whole batch of seeds."""
    ranks = np.unique(table["seed"].to_numpy(), return_inverse=True)[1] // batch
    codes, keys = columns.group_codes(table.assign(batch=ranks), [*columns.cell_fields(table), "batch"])
    moments = _moments(codes, table[f"{model}_error"].to_numpy(float), len(keys))
    theory = np.bincount(codes, table[f"{model}_error_theory"].to_numpy(float, na_value=np.nan), len(keys)) / moments["count"]
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = (moments["mean"] - theory) / moments["se"]
    direct = keys["design"].eq("wishart") if "design" in keys else np.zeros(len(keys), dtype=bool)
    draws = keys["batch"].to_numpy() * 100_000 + np.where(direct, keys["d_strong"], 0)
    whole = (moments["count"] == batch) & np.isfinite(scores)
    return draws[whole], scores[whole]
