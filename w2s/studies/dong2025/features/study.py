"""Dong et al. 2025 on real features: linear probes on a table, with the intrinsic dimensions of what they see.

The probe study (:mod:`w2s.studies.probe.table.study`) with more columns: how many directions hold 99 % of the energy of the
weak and the strong features, and in how many they agree (:mod:`w2s.measure.dimensions`), over all rows of the table, labels
unseen.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.laws.feature_maps import feature_matrix
from w2s.laws.table import load_table
from w2s.measure import metrics
from w2s.measure.dimensions import Overlap, Principal, projected_overlap, sample_overlap
from w2s.studies.dong2025.features.claims import CLAIMS
from w2s.studies.dong2025.features.figures import FIGURES
from w2s.studies.fields import occurring
from w2s.studies.probe.table.study import ProbeTable
from w2s_kernels import Backend

__all__ = ["Features"]

_PAIR = ("data", "target", "task", "strong_features", "d_strong", "weak_features", "d_weak", "seed")
_DIMENSIONS: Mapping[str, str] = (
    {f"d_{side}_99{suffix}": "int64" for suffix in ("", "_centred") for side in ("weak", "strong")}
    | {f"d_overlap_99{suffix}": "double" for suffix in ("", "_centred")}
    | {"d_overlap_projected": "double", "d_overlap_projected_sd": "double"}
)


def _dimensions(level: Mapping[str, Any], backend: Backend) -> dict[str, float]:
    """Measure the dimensions of one pair of feature sets."""
    found: dict[str, float] = {}
    for suffix, centred in (("", False), ("_centred", True)):
        weak, strong = (_principal(_feature_set(level, role), centred, backend) for role in ("weak", "strong"))
        found |= _named(sample_overlap(weak, strong), suffix)
        if not centred:
            projected = projected_overlap(weak, strong)
            found |= {"d_overlap_projected": projected.mean, "d_overlap_projected_sd": projected.spread}
    return found


def _feature_set(level: Mapping[str, Any], role: str) -> tuple[Any, ...]:
    """Return what decides a feature set: strong features too where the weak ones are a map of them, the seed where random."""
    names = ["data", "target", "task", f"{role}_features", f"d_{role}"]
    own = level[f"{role}_features"] == "of_strong"
    names += ["strong_features", "d_strong"] if own else []
    random = any(level[name] is not None for name in names if name.startswith("d_"))
    return (role, level["seed"] if random else 0, own, *(level[name] for name in names))


@functools.lru_cache(maxsize=16)
def _principal(feature_set: tuple[Any, ...], centred: bool, backend: Backend) -> Principal:
    """Compute the principal subspace of a feature set over all rows, and keep it, as one strong set meets many weak ones."""
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
    version = 2
    summary = "Dong et al. 2025 on real features: linear probes on a table, with intrinsic dimensions at 99 % of the energy"
    columns: ClassVar[Mapping[str, str]] = {**ProbeTable.columns, "opr": "double", **_DIMENSIONS}
    figures = FIGURES
    claims = CLAIMS

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
