"""Methods in one table: the finetunes of :mod:`w2s.studies.burns2023.text`, read as a comparison of methods with naive.

A cell is that of ``burns2023.text``; its artifacts are the same too, so that a method which both studies train is trained once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from w2s.studies.burns2023.text.study import Text
from w2s.studies.methods.compare.claims import CLAIMS
from w2s.studies.methods.compare.figures import FIGURES
from w2s.studies.methods.compare.table import against_naive

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Compare"]


class Compare(Text):
    """Methods of several papers on the same tasks, models and seeds."""

    name = "methods.compare"
    version = 1
    summary = "Methods of ten papers on one ladder of models: paired comparisons with naive, corrected over the table"
    claims = CLAIMS
    figures = FIGURES
    example: ClassVar[Mapping[str, Any]] = {
        "task": "sentence_polarity",
        "weak_model": "minilm-l6:0",
        "student_model": "minilm-l6:5",
        "tuning": "frozen",
        "method": ["naive", "confidence", "self_labels"],
        "n_labeled": 500,
        "n_transfer": 1000,
    }

    def digest(self, table: DataFrame) -> DataFrame:
        """Show the error of every method and its difference to naive, and say what follows, with Holm's correction."""
        return against_naive(table)
