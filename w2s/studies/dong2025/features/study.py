"""Dong et al. 2025 on real features: linear probes on a table, with the intrinsic dimensions of what they see.

The probe study (:mod:`w2s.studies.probe.table.study`) with more columns: how many directions hold 99 % of the energy of the
weak and the strong features, and in how many they agree (:mod:`w2s.measure.dimensions`), over all rows of the table, labels
unseen.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, over_seeds, untestable
from w2s.contract.block import Block
from w2s.laws.feature_maps import feature_matrix
from w2s.laws.table import load_table
from w2s.measure import metrics
from w2s.measure.dimensions import Overlap, Principal, projected_overlap, sample_overlap
from w2s.studies.dong2025.features.figures import FIGURES
from w2s.studies.fields import occurring
from w2s.studies.probe.table.study import ProbeTable
from w2s.summary import columns
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Features"]

_PAIR = ("data", "target", "task", "strong_features", "d_strong", "weak_features", "d_weak", "seed")
_DIMENSIONS: Mapping[str, str] = (
    {f"d_{side}_99{suffix}": "int64" for suffix in ("", "_centred") for side in ("weak", "strong")}
    | {f"d_overlap_99{suffix}": "double" for suffix in ("", "_centred")}
    | {"d_overlap_projected": "double", "d_overlap_projected_sd": "double"}
)


def _dimensions(level: Mapping[str, Any], backend: Backend) -> dict[str, float]:
    """Dimensions of one pair of feature sets."""
    found: dict[str, float] = {}
    for suffix, centred in (("", False), ("_centred", True)):
        weak, strong = (_principal(_feature_set(level, role), centred, backend) for role in ("weak", "strong"))
        found |= _named(sample_overlap(weak, strong), suffix)
        if not centred:
            projected = projected_overlap(weak, strong)
            found |= {"d_overlap_projected": projected.mean, "d_overlap_projected_sd": projected.spread}
    return found


def _feature_set(level: Mapping[str, Any], role: str) -> tuple[Any, ...]:
    """Values that decide a feature set: strong features too where the weak ones are a map of them, the seed where random."""
    names = ["data", "target", "task", f"{role}_features", f"d_{role}"]
    own = level[f"{role}_features"] == "of_strong"
    names += ["strong_features", "d_strong"] if own else []
    random = any(level[name] is not None for name in names if name.startswith("d_"))
    return (role, level["seed"] if random else 0, own, *(level[name] for name in names))


@functools.lru_cache(maxsize=16)
def _principal(feature_set: tuple[Any, ...], centred: bool, backend: Backend) -> Principal:
    """Principal subspace of a feature set over all rows; kept, as one strong set meets many weak ones."""
    role, seed, own, data, target, task, *maps = feature_set
    table = load_table(data, target, task)
    strong = feature_matrix(maps[2], table, width=maps[3], role="strong", seed=seed, backend=backend) if own else None
    features = feature_matrix(maps[0], table, width=maps[1], role=role, seed=seed, backend=backend, strong=strong)
    return Principal(features, centred=centred)


def _named(overlap: Overlap, suffix: str) -> dict[str, float]:
    numbers = {"d_weak_99": overlap.d_weak, "d_strong_99": overlap.d_strong, "d_overlap_99": overlap.mean}
    return {f"{name}{suffix}": number for name, number in numbers.items()}


class Features(ProbeTable):
    """Linear probes on a table, with intrinsic and correlation dimensions of their features."""

    name = "dong2025.features"
    version = 1
    summary = "Dong et al. 2025 on real features: linear probes on a table, with intrinsic dimensions at 99 % of the energy"
    columns: ClassVar[Mapping[str, str]] = {**ProbeTable.columns, "opr": "double", **_DIMENSIONS}
    figures = FIGURES

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve the probes, then measure each pair of feature sets once."""
        found = super().solve(block, backend)
        pairs = block.group(*_PAIR)
        asked = occurring(block, pairs)
        values = {name: np.zeros(len(pairs), dtype=kind.replace("double", "float64")) for name, kind in _DIMENSIONS.items()}
        for place in np.flatnonzero(asked):
            for name, number in _dimensions(pairs.levels[place], backend).items():
                values[name][place] = number
        found |= {name: block.gather(numbers, pairs) for name, numbers in values.items()}
        return found | {"opr": metrics.opr(found["strong_error"], found["student_error"])}


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

        value, interval, count = over_seeds(pd.DataFrame({"seed": seeds, "at": np.arange(len(seeds))}), mean)
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

Features.claims = (
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
