"""What the sizes of a ladder are worth on text tasks: probes on frozen models, the smallest one labelling for the others.

Cells, artifacts and fits are those of ``burns2023.probes``; what differs are the claims, the pictures, and a column that says
how large the strong model is. The accuracy of a model is that of its ceiling: a probe on the true labels of transfer items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.finetune.models.weights import parameter_count
from w2s.studies.burns2023.probes.study import Probes
from w2s.studies.ladder.tasks.claims import CLAIMS
from w2s.studies.ladder.tasks.figures import FIGURES
from w2s_kernels import Backend

__all__ = ["Tasks"]


class Tasks(Probes):
    """Probes on the models of a ladder."""

    name = "ladder.tasks"
    version = 1
    summary = "ladders of pretrained models on text tasks: accuracy by size, the smallest model labelling for the others"
    columns: ClassVar[Mapping[str, str]] = {**Probes.columns, "weak_parameters": "int64", "student_parameters": "int64"}
    claims = CLAIMS
    figures = FIGURES
    example: ClassVar[Mapping[str, Any]] = {
        "task": "sentence_polarity",
        "weak_model": "minilm-l6:1",
        "student_model": ["minilm-l6:1", "minilm-l6"],
        "pooling": "mean",
        "n_labeled": 1000,
        "n_transfer": 2000,
    }

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Fit the students and compute every column; sizes are read from the headers of the models' files."""
        found = super().solve(block, backend)
        for side in ("weak", "student"):
            group = block.group(f"{side}_model")
            sizes = np.array([parameter_count(level[f"{side}_model"]) for level in group.levels])
            found[f"{side}_parameters"] = np.broadcast_to(sizes[group.codes], block.shape)
        return found
