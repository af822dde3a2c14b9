"""Burns et al. 2023, kinds of tasks: reward models with and without a generative stage, heads, and answers in words.

Cells, columns and everything that is computed are those of ``burns2023.text`` (arXiv 2312.09390, section 5.2 and the appendix);
what differs are the claims, which read several tasks together, and the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from w2s.studies.burns2023.reward.claims import CLAIMS
from w2s.studies.burns2023.reward.figures import FIGURES
from w2s.studies.burns2023.text.study import Text

__all__ = ["Reward"]


class Reward(Text):
    """Reward models beside classifiers, by head and by words."""

    name = "burns2023.reward"
    version = 1
    summary = "Burns et al. 2023: reward models with and without a generative stage, beside classes and classes as words"
    claims = CLAIMS
    figures = FIGURES
    example: ClassVar[Mapping[str, Any]] = {
        "task": "hh_harmless",
        "weak_model": "made:decoder-2x32",
        "student_model": "made:decoder-2x64",
        "method": ["naive", "generative"],
        "n_labeled": 400,
        "n_transfer": 400,
        "max_length": 96,
    }
