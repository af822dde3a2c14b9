"""Shin, Cooper and Sala 2024: weak-to-strong generalization through the data-centric lens (arXiv 2412.03881).

The paper's overlap density is the share of inputs that hold both patterns that the weak model can read and patterns that it
cannot. The law of this study is that of Oh, Song and Yun 2025, in which both kinds are written into the inputs: `p_both` is the
overlap density, and the share of hard-only inputs, so the teacher's error, stays as it is while the density changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from w2s.studies.oh2025.patches.study import Patches
from w2s.studies.shin2024.overlap.claims import CLAIMS
from w2s.studies.shin2024.overlap.figures import FIGURES

__all__ = ["Overlap"]


class Overlap(Patches):
    """Gain against the density of inputs with both patterns."""

    name = "shin2024.overlap"
    version = 1
    summary = "Shin et al. 2024: the gain over the density of inputs with an easy and a hard pattern (0-1 errors)"
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        "d": 100,
        "p_both": [0, 0.1, 0.2, 0.4, 0.6],
        "mu": 3,
        "nu": 3,
        "sigma": 0.375,
        "n_labeled": 200,
        "teacher_rate": 0.05,
        "n_transfer": 800,
        "rate": 2,
        "step": [4, 8, 16],
    }
