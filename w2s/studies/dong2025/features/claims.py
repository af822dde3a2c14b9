"""What the paper says of real features, as tests on a table: PGR is ordered as the part of d_w that is not shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, untestable
from w2s.claims.seed_intervals import over_seeds
from w2s.measure.scales import CORRELATION
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]


def _order(weak: str, overlap: str) -> Any:
    """Test: mean over settings of the rank correlation, over weak models, of PGR with 1 - d_sw/d_w."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        arrays = _settings(table, weak, overlap, int(limits["models"]))
        if not arrays:
            return untestable(f"no setting has {limits['models']:g} weak models on the same seeds")
        import pandas as pd

        seeds = arrays[0][0]

        def mean(part: DataFrame) -> float:
            at = part["at"].to_numpy()
            return float(np.mean([_correlation(numbers[:, at].mean(axis=1)) for _, numbers in arrays]))

        value, interval, count = over_seeds(pd.DataFrame({"seed": seeds, "at": np.arange(len(seeds))}), mean, scale=CORRELATION)
        name = f"rank correlation of PGR and 1 - d_sw/d_w over weak models, mean of {len(arrays)} settings"
        return above(name, value, interval, limits["least"], count)

    return test


def _settings(table: DataFrame, weak: str, overlap: str, least: int) -> list[tuple[Any, npt.NDArray[np.float64]]]:
    """Per setting: seeds, and numbers (models, seeds, 3): gain, gap, 1 - d_sw/d_w."""
    others = [name for name in columns.cell_fields(table) if name not in ("weak_features", "d_weak")]
    rows = table.assign(gap=table["weak_error"] - table["ceiling_error"], apart=1.0 - table[overlap] / table[weak])
    setting, _ = columns.group_codes(rows, others)
    model, _ = columns.group_codes(rows, ["weak_features", "d_weak"])
    rows = rows.assign(setting=setting, model=model).sort_values(["setting", "model", "seed"])
    found = []
    for _, part in rows.groupby("setting"):
        count, seeds = part["model"].nunique(), part["seed"].unique()
        if count >= least and len(part) == count * len(seeds):
            numbers = part[["gain", "gap", "apart"]].to_numpy(float).reshape(count, len(seeds), 3)
            found.append((seeds, numbers))
    return [pair for pair in found if len(pair[0]) == len(found[0][0])]


def _correlation(means: npt.NDArray[np.float64]) -> float:
    """Spearman's correlation over models of gain/gap and the third number: means (models, 3)."""
    from scipy.stats import rankdata

    with np.errstate(invalid="ignore", divide="ignore"):
        ranks = [rankdata(values) for values in (means[:, 0] / means[:, 1], means[:, 2])]
        return float(np.corrcoef(*ranks)[0, 1])


_LIMITS = {"least": 0.5, "models": 4}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "pgr_follows_overlap",
        "over weak models, PGR is ordered as 1 - d_sw/d_w of centred features",
        "ColoredMNIST, PGR against intrinsic dimensions",
        _order("d_weak_99_centred", "d_overlap_99_centred"),
        {"seed": 8, "d_overlap_99_centred": 4},
        _LIMITS,
    ),
    Claim(
        "pgr_follows_overlap_uncentred",
        "over weak models, PGR is ordered as 1 - d_sw/d_w of features with their means",
        "ColoredMNIST, PGR against intrinsic dimensions",
        _order("d_weak_99", "d_overlap_99"),
        {"seed": 8, "d_overlap_99": 4},
        _LIMITS,
    ),
)
