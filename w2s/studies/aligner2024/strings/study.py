"""Ji et al. 2024: a small corrector of a strong model's answers, on prompts whose answers are checked (arXiv 2402.02416).

Cells, columns and everything that is computed are those of ``burns2023.text`` on its tasks of prompts; what differs are the
claims and the pictures. The method ``aligner`` has the variants that they compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from w2s.contract.block import Block
from w2s.errors import FieldError
from w2s.studies.aligner2024.strings.claims import CLAIMS
from w2s.studies.aligner2024.strings.figures import FIGURES
from w2s.studies.burns2023.tasks import TASK_FIELDS, formatter_for
from w2s.studies.burns2023.text.study import Text
from w2s.studies.fields import asked_levels

__all__ = ["Strings"]


class Strings(Text):
    """Correctors of answers, and students that learn from corrections."""

    name = "aligner2024.strings"
    version = 1
    summary = (
        "Ji et al. 2024: a small model corrects a strong model's answers to checked prompts, and the strong one learns them"
    )
    claims = CLAIMS
    figures = FIGURES
    example: ClassVar[Mapping[str, Any]] = {
        "task": "struck_digits",
        "weak_model": "made:decoder-2x32",
        "student_model": "made:decoder-2x64",
        "method": ["naive", "aligner(rate=0.2)", "aligner(rate=0.2, writer=self)"],
        "n_labeled": 800,
        "n_transfer": 2000,
        "n_test": 500,
        "epochs": 5,
        "batch": 16,
        "max_length": 32,
        "answer_length": 7,
        "learning_rate": 0.005,
        "learning_rate_labeled": 0.005,
    }

    def check(self, block: Block) -> None:
        """Refuse tasks without prompts, and what ``burns2023.text`` refuses."""
        for level in asked_levels(block, *TASK_FIELDS):
            if not formatter_for(level).prompts:
                raise FieldError(
                    f"task {level['task']}: its items are no prompts with a check; burns2023.text takes them", "task"
                )
        super().check(block)
