"""What the paper says of real features, as tests on a table: PGR is ordered as the part of d_w that is not shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, untestable
from w2s.claims.overlooks import ONE_FACTOR
from w2s.claims.seed_intervals import over_means
from w2s.measure.ranking import rank_correlation
from w2s.measure.scales import CORRELATION, Scale
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]


def _order(overlap: str, less: str = "") -> Any:
    """Test: mean over settings of the rank correlation, over weak models, of PGR with 1 - d_sw/d_w.

    Less that with another measure of the overlap, where one is named.
    """

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        arrays = _settings(table, [overlap, *filter(None, [less])], int(limits["models"]))
        if not arrays:
            return untestable(f"no setting has {limits['models']:g} weak models on the same seeds")
        seeds = arrays[0][0]

        def mean(numbers: npt.NDArray[np.float64]) -> float:
            return float(np.mean([_correlation(means, 2) - (_correlation(means, 3) if less else 0.0) for means in numbers]))

        together = np.stack([numbers for _, numbers in arrays], axis=1)
        value, interval, count = over_means(seeds, together, mean, scale=_DIFFERENCE if less else CORRELATION)
        name = f"rank correlation of PGR and 1 - d_sw/d_w over weak models, mean of {len(arrays)} settings"
        return above(f"{name}{', less that of projections' if less else ''}", value, interval, limits["least"], count)

    return test


def _settings(table: DataFrame, overlaps: list[str], least: int) -> list[tuple[Any, npt.NDArray[np.float64]]]:
    """Return for each setting its seeds and numbers (seeds, models, 2 + overlaps): gain, gap, 1 - d_sw/d_w by each overlap.

    Settings of other models, or other seeds, than the first are left out.
    """
    others = [name for name in columns.cell_fields(table) if name not in ("weak_features", "d_weak")]
    apart = {f"apart {name}": 1.0 - table[name] / table[_WIDTHS[name]] for name in overlaps}
    rows = table.assign(gap=table["weak_error"] - table["ceiling_error"], **apart)
    setting, _ = columns.group_codes(rows, others)
    model, _ = columns.group_codes(rows, ["weak_features", "d_weak"])
    rows = rows.assign(setting=setting, model=model).sort_values(["setting", "seed", "model"])
    found: list[tuple[Any, npt.NDArray[np.float64]]] = []
    for _, part in rows.groupby("setting"):
        count, seeds = part["model"].nunique(), part["seed"].unique()
        if count >= least and len(part) == count * len(seeds):
            found.append((seeds, part[["gain", "gap", *apart]].to_numpy(float).reshape(len(seeds), count, -1)))
    return [pair for pair in found if pair[1].shape == found[0][1].shape and list(pair[0]) == list(found[0][0])]


def _correlation(means: npt.NDArray[np.float64], column: int) -> float:
    """Compute Spearman's correlation over models of gain/gap and a column: means (models, columns)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return rank_correlation(means[:, 0] / means[:, 1], means[:, column])


_DIFFERENCE = Scale(-2.0, 2.0, lambda value: np.arctanh(value / 2.0), lambda moved: 2.0 * np.tanh(moved))
"""Where the difference of two correlations can lie."""

_WIDTHS = {"d_overlap_99_centred": "d_weak_99_centred", "d_overlap_99": "d_weak_99", "d_overlap_projected": "d_weak_99"}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "pgr_follows_overlap",
        "over weak models, PGR is ordered as 1 - d_sw/d_w of centred features",
        "ColoredMNIST, PGR against intrinsic dimensions",
        _order("d_overlap_99_centred"),
        {"d_overlap_99_centred": 4},
        {"least": 0.5, "models": 4, "seeds": 8},
        basis="least: half of a perfect order, as of gains that follow misfits; models: fewer have an order by accident",
        overlooks={"teacher_up": ONE_FACTOR["teacher_up"]},
    ),
    Claim(
        "overlap_of_rows_orders_better",
        "over weak models, PGR is ordered better by d_sw in the space of the rows than by that of features projected to one "
        "width, "
        "the recipe of the paper's code",
        "ColoredMNIST, how d_sw is estimated",
        _order("d_overlap_99", "d_overlap_projected"),
        {"d_overlap_99": 4, "d_overlap_projected": 4},
        {"least": 0.0, "models": 4, "seeds": 8},
        basis="the sentence is about a sign; models: as in pgr_follows_overlap",
        overlooks={"teacher_up": ONE_FACTOR["teacher_up"]},
    ),
)
