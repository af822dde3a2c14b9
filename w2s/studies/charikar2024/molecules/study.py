"""Charikar, Pabbaraju and Shiragur 2024 on molecules: gain and misfit of probes, and choosing a weak model by their difference.

The paper's weak models are small language models of molecules with 8 to 96 hidden units. Here they are linear probes on
fingerprints folded to as many bits (``morgan:8`` to ``morgan:96``), and the strong representation is RDKit's descriptors; data,
published splits and linear heads are the paper's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.laws.molecules import BITS
from w2s.sharing.nominal import MOVED
from w2s.sharing.stage import Level, Stage
from w2s.studies.charikar2024.ladder import table_name
from w2s.studies.charikar2024.molecules.claims import CLAIMS
from w2s.studies.charikar2024.molecules.figures import FIGURES
from w2s.studies.probe.table.figures import at_end_note
from w2s.studies.probe.table.models import FEATURES, WEAK_FEATURES
from w2s.studies.probe.table.sizes import Sizes
from w2s.studies.probe.table.solve import STAGES
from w2s.studies.probe.table.study import ProbeTable
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Molecules"]


PASSES = 2.0
"""Passes over the bits of a fingerprint: padded to a multiple of the width, and the largest of each class of them."""


def _folding(side: str, whose: str) -> Stage:
    """Make the stage that counts the work of folding fingerprints of 2048 bits to the few that a model sees.

    The bits are read once for each file.
    """
    maps = WEAK_FEATURES if side == "weak" else FEATURES

    def rows(level: Level, sizes: Sizes) -> float:
        return float(sizes.rows(level) - (sizes.labeled - level["n_labeled"] if side == "weak" else 0))

    return Stage(
        f"folded fingerprints of {whose}",
        maps.over,
        kind="elementwise",
        flops=lambda level, sizes: PASSES * MOVED * BITS * rows(level, sizes),
        order=lambda _level, _sizes: BITS,
        times=lambda level, _sizes: level[f"{side}_features"].startswith("morgan:"),
        why="ridges and label rules see the same bits",
        sizes=maps.sizes,
        ask=maps.ask,
        weighed=maps.weighed,
    )


class Molecules(ProbeTable):
    """Probes on molecules: the ladder of weak models of figures 2d to 2f and the rule of Table 1."""

    name = "charikar2024.molecules"
    version = 2
    summary = "Charikar et al. 2024 on molecules: a ladder of weak fingerprints, and choosing among them by weak_error - misfit"
    columns: ClassVar[Mapping[str, str]] = {**ProbeTable.columns, "selection_score": "double"}
    figures = FIGURES
    claims = CLAIMS
    stages = STAGES.with_more(_folding("weak", "the weak models"), _folding("strong", "the students"))
    example: ClassVar[Mapping[str, Any]] = {
        "data": "digits",
        "weak_features": ["means:4", "means:8", "means:16"],
        "strong_features": "inputs",
        "n_labeled": [300],
        "n_transfer": [600],
        "n_validation": 200,
        "n_test": 400,
        "ridge": 0.01,
    }

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Add ``selection_score`` to the columns of :class:`ProbeTable`: weak_error - weak_distance on validation rows."""
        columns = super().solve(block, backend)
        weak, distance = columns["weak_validation_error"], columns["student_validation_weak_distance"]
        return columns | {"selection_score": np.asarray(weak - distance)}

    def digest(self, table: DataFrame) -> DataFrame:
        """Summarise as in Table 1: ``weak_error - misfit`` and ``student_error`` on test rows, mean and spread over splits."""
        import pandas as pd

        rows = table[table["evaluate"] == "fresh"]
        rows = rows.assign(**{"weak_error - misfit": rows["weak_error"] - rows["weak_distance"]})
        names = ["weak_error - misfit", "student_error", "gain", "misfit"]
        splits = rows.groupby(["data", "weak_features", "split"], dropna=False)[names].mean()
        grouped = splits.groupby(["data", "weak_features"])
        mean, spread = grouped.mean(), grouped.std(ddof=0)
        text = {name: [f"{m:.4f} +- {s:.4f}" for m, s in zip(mean[name], spread[name], strict=True)] for name in names}
        result = pd.DataFrame(text, index=mean.index).assign(score=mean["weak_error - misfit"])
        result = result.sort_values(["data", "score"]).drop(columns="score").reset_index()
        result["data"] = result["data"].map(table_name)
        caption = "means over splits +- their standard deviation; seeds averaged; sorted by weak_error - misfit"
        result.attrs["caption"] = "; ".join(filter(None, [caption, at_end_note(table)]))
        return result
