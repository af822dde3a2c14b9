"""Burns et al. 2023, Fig. 9: few-shot prompts with weak and with true labels (arXiv 2312.09390).

The student is a causal language model that is not trained at all: it reads some items with the weak model's labels and answers
the test items. The ceiling reads the same kind of prompt with true labels. Beside both stand probes of the same model, trained
on all transfer items, so that prompting can be held against learning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Call
from w2s.contract.block import Block
from w2s.contract.cells import field
from w2s.contract.study import Cost, Figure, Rule, Study
from w2s.errors import FieldError
from w2s.finetune.models.check import check_causal, check_model
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.weights import layer_count
from w2s.finetune.prompting.examples import check_prompts
from w2s.studies.burns2023.prompting.claims import CLAIMS
from w2s.studies.burns2023.prompting.figures import FIGURES
from w2s.studies.burns2023.prompting.graph import class_words, prompt_graph
from w2s.studies.burns2023.prompting.solve import COLUMNS, PromptSolver
from w2s.studies.burns2023.tasks import (
    TASK_FIELDS,
    TaskCell,
    about,
    check_draws,
    formatter_for,
    has_pairs,
    stacked,
    task_lines,
)
from w2s.studies.fields import asked_levels
from w2s.summary.population import SeedsDraw
from w2s.summary.text import summary_lines
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Prompting", "PromptingCell"]

_NOMINAL = 1e12
_DIGEST = ("weak_error_01", "student_error_01", "ceiling_error_01", "probe_error_01", "pgr_01", "largest_class")


class PromptingCell(TaskCell):
    """One weak model, one causal model that is prompted, one number of examples."""

    weak_model: ModelFolder = field(
        description="weak model's encoder: packaged name, folder, data:FOLDER, or hub:NAME@REVISION"
    )
    weak_layer: int | None = field(None, description="its layer, 0 the embedding; null: the last one", unit="layers", ge=0)
    c_weak: float = field(0.01, description="inverse L2 strength C of the weak model's probe", gt=0)
    student_model: ModelFolder = field(description="causal language model that is prompted")
    shots: int = field(5, description="labelled transfer items in the prompt; 0: none", unit="items", ge=0, le=1000)
    draws: Literal["balanced", "random"] = field(
        "balanced", description="examples: the classes of the labels that are shown in turn, or as they come"
    )
    calibration: Literal["none", "content_free", "batch"] = field(
        "none", description="bias taken out: none, that of a text that says nothing, the mean over the test texts"
    )
    template: str = field("Text: {text} Label:", description="how a text is written; the class word comes behind it")
    max_words: int = field(40, description="longer texts are cut here, and counted", unit="words", ge=1)
    beside: Literal["probe", "none"] = field("probe", description="also probe the prompted model, on all transfer items")
    student_layer: int | None = field(None, description="layer of that probe; null: the last one", unit="layers", ge=0)
    c: float = field(0.01, description="inverse L2 strength C of that probe", gt=0)
    max_length: int = field(64, description="texts of probes are cut here", unit="tokens", ge=4)


class Prompting(Study):
    """Few-shot prompts with weak and with true labels."""

    name = "burns2023.prompting"
    version = 1
    error_unit = "nats"
    seeds_draw: ClassVar[SeedsDraw] = "test_part"
    Cell = PromptingCell
    summary = "Burns et al. 2023: few-shot prompts with weak and with true labels, beside probes of the same model"
    shares = ("calibration",)
    classifies = True
    columns: ClassVar[Mapping[str, str]] = COLUMNS
    rules = (
        Rule(
            ("shots", "n_transfer"),
            lambda shots, items: shots <= items,
            "shots is at most n_transfer: examples are transfer items",
        ),
    )
    claims = CLAIMS
    figures: ClassVar[tuple[Figure, ...]] = FIGURES
    example: ClassVar[Mapping[str, Any]] = {
        "task": "sentence_polarity",
        "weak_model": "minilm-l6",
        "student_model": "smollm2-135m",
        "shots": [0, 2, 5, 10],
        "template": "Review: {text} Sentiment:",
        "n_labeled": 500,
        "n_transfer": 128,
        "n_test": 100,
    }

    def check(self, block: Block) -> None:
        """Refuse models that cannot answer, templates without a place for the text, layers that are not there, and pairs."""
        for level in asked_levels(block, *TASK_FIELDS):
            kind = "pairs of replies" if has_pairs(level) else "prompts" if formatter_for(level).prompts else ""
            if kind:
                raise FieldError(f"task {level['task']}: its items are {kind}; burns2023.text takes them", "task")
        for name in ("weak", "student"):
            with about(f"{name}_model"):
                for model in block.values(f"{name}_model"):
                    check_model(model)
            for level in asked_levels(block, f"{name}_model", f"{name}_layer"):
                model, layer = level.values()
                if layer is not None and layer > (depth := layer_count(model)):
                    raise FieldError(f"model {model.name} has layers 0..{depth}, not {layer}", f"{name}_layer")
        with about("student_model"):
            for level in asked_levels(block, "student_model", "template", *TASK_FIELDS):
                check_causal(level["student_model"], "a prompt")
                check_prompts(level["student_model"], level["template"], class_words(level))
        check_draws(block)

    def reads(self, block: Block) -> Sequence[str]:
        """Say of every task what its classes are, and what is left out and why."""
        return task_lines(block)

    def digest(self, table: DataFrame) -> DataFrame:
        """Summarise errors with weak and with true labels, of the probe, and PGR, by setting, over seeds and test items."""
        return summary_lines(table, _DIGEST, "test_part")

    def needs(self, block: Block) -> Sequence[Call]:
        """List the calls of every wanted cell."""
        return list({call.key: call for cell in block.cells() for call in prompt_graph(cell).needs}.values())

    def parts(self, block: Block) -> Iterable[Any]:
        """Name the artifacts' functions and the formatters of the tasks."""
        return [*super().parts(block), *(formatter_for(level).read for level in asked_levels(block, *TASK_FIELDS))]

    def unblind(self, block: Block) -> str:  # noqa: ARG002
        """Say nothing: a student's prompt shows labels of the weak model, which reads the truth of labelled items only."""
        return ""

    def cost(self, block: Block) -> Cost:
        """Count a nominal prompt per cell, so that a failure or a kill concerns one cell; ``plan`` counts the artifacts."""
        return Cost(flops=_NOMINAL * block.size, bytes=64e6)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002
        """Join predictions by item id and compute every column."""
        if self.store is None:
            raise RuntimeError("this study reads artifacts: build it with the store that holds them")
        solver = PromptSolver(self.store)
        wanted = np.ones(block.size, dtype=bool) if block.mask is None else block.mask.reshape(-1)
        cells = zip(block.with_mask(None).cells(), wanted.tolist(), strict=True)
        return stacked([solver.row(cell, prompt_graph(cell)) if keep else None for cell, keep in cells], block)
