"""Burns et al. 2023, section 5.2.3: whether finetuning on weak labels makes the concept more salient (arXiv 2312.09390).

Five ways to use the strong model, on the same transfer items: a linear probe on its frozen features, of weak labels and of the
truth; the model finetuned on weak labels (the student); a probe of the truth on that student's features; the model finetuned
on the truth (the ceiling). A cell is one of :mod:`w2s.studies.burns2023.text`, with the same artifacts, and the strength of the
probes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy.typing as npt

from w2s.artifacts import Call
from w2s.contract.block import Block
from w2s.contract.cells import field
from w2s.contract.study import Figure, Rule
from w2s.errors import FieldError
from w2s.studies.burns2023.saliency.claims import CLAIMS
from w2s.studies.burns2023.saliency.figures import FIGURES
from w2s.studies.burns2023.saliency.solve import LADDER, ladder, ladder_row
from w2s.studies.burns2023.tasks import class_count, formatter_for, stacked
from w2s.studies.burns2023.text.study import Text, TextCell
from w2s.summary.text import summary_lines
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Saliency", "SaliencyCell"]


class SaliencyCell(TextCell):
    """One finetune, and probes before and after it."""

    c: float = field(0.01, description="scikit-learn's C of the probes: inverse L2 strength", gt=0)


class Saliency(Text):
    """Probes on the features of frozen and of finetuned models."""

    name = "burns2023.saliency"
    version = 1
    Cell = SaliencyCell
    summary = "Burns et al. 2023: linear probes before and after finetuning on weak labels: is the concept more salient"
    columns: ClassVar[Mapping[str, str]] = {**Text.columns, **LADDER}
    rules: ClassVar[tuple[Rule, ...]] = (
        *Text.rules,
        Rule(
            ("tuning",),
            lambda tuning: (tuning != "frozen") & (tuning != "head_only"),
            "features change only where the model is trained: tuning full, frozen_embeddings or lora",
        ),
        Rule(("method",), lambda method: method == "naive", "the ladder is that of method naive"),
    )
    claims = CLAIMS
    figures: ClassVar[tuple[Figure, ...]] = FIGURES
    example: ClassVar[Mapping[str, Any]] = {
        "task": "sentence_polarity",
        "weak_model": "minilm-l6:1",
        "student_model": "minilm-l6:3",
        "n_labeled": 500,
        "n_transfer": 500,
    }

    def check(self, block: Block) -> None:
        """Refuse what finetunes refuse, and tasks of pairs of replies and of prompts, whose items have no features."""
        for cell in block.group("task", "text_column", "pair_column", "label_column", "group_column").levels:
            formatter = formatter_for(cell)
            if formatter.pairs or formatter.prompts:
                raise FieldError(f"task {cell['task']}: a probe needs features of items with classes", "task")
        super().check(block)

    def needs(self, block: Block) -> Sequence[Call]:
        """List the calls of every wanted cell, those of its probes behind them."""
        probes = [call for cell in block.cells() for call in ladder(cell, self._graph(cell), class_count(cell)).needs]
        return [*super().needs(block), *probes]

    def digest(self, table: DataFrame) -> DataFrame:
        """Summarise the errors of the ladder, from the probe on weak labels to the model finetuned on the truth."""
        return summary_lines(table, ["weak_error_01", *LADDER, "student_error_01", "ceiling_error_01"], "test_part")

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Join predictions by item id and compute every column, those of the probes too."""
        wanted = [True] * block.size if block.mask is None else block.mask.reshape(-1).tolist()
        rows = [self._ladder(cell) if keep else None for cell, keep in zip(block.with_mask(None).cells(), wanted, strict=True)]
        return {**super().solve(block, backend), **stacked(rows, block)}

    def _ladder(self, cell: Mapping[str, Any]) -> dict[str, float]:
        graph = self._graph(cell)
        return ladder_row(ladder(cell, graph, class_count(cell)), graph, self._solver().store)
