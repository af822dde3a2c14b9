"""Lang, Huang and Li 2025: whether P(IK) generalises from task to task (arXiv 2511.14166, an analysis of its abstract).

A judge learns on labelled items of one task which of a frozen model's own answers are right, and is asked about test items of
another task. Errors are 1 - AUROC of right against wrong answers: of the answer's own confidence (``weak_error``), of the judge
from the other task (``student_error``) and of one from the task itself (``ceiling_error``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy.typing as npt

from w2s.artifacts import Call
from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Study
from w2s.errors import FieldError
from w2s.finetune.data.tasks import TaskData, formatter_of
from w2s.finetune.models.check import check_model
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.weights import layer_count
from w2s.studies.burns2023.tasks import about, stacked
from w2s.studies.selective2025.transfer.claims import CLAIMS
from w2s.studies.selective2025.transfer.figures import FIGURES
from w2s.studies.selective2025.transfer.solve import TransferSolver, watched
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend

__all__ = ["Transfer", "TransferCell"]


class TransferCell(Cell):
    """One judge and one task that it is asked about."""

    task: TaskData = field(description="known task on which the judge learns")
    asked_task: TaskData = field(description="known task about whose answers it is asked")
    model: ModelFolder = field(description="frozen model: packaged name, folder, or hub:NAME@REVISION")
    layer: int | None = field(None, description="its layer, 0 the embedding; null: the last one", unit="layers", ge=0)
    sees: Literal["both", "states", "certainty"] = field(
        "both", description="what a judge sees of an item: the model's states, how sure its answer is, or both"
    )
    n_labeled: int = field(400, description="items with true labels in each task", unit="items", ge=20)
    n_test: int = field(300, description="test items of each task", unit="items", ge=10)
    c: float = field(0.01, description="inverse L2 strength C of the probes that answer", gt=0)
    ridge: float = field(0.01, description="of the judge, in the mean loss on standardised features", gt=0)
    max_length: int = field(64, description="longer texts are cut here", unit="tokens", ge=4)


class Transfer(Study):
    """Judges of own answers, from task to task."""

    name = "selective2025.transfer"
    version = 1
    error_unit = "1 - AUROC"
    seeds_draw: ClassVar[SeedsDraw] = "test_part"
    Cell: ClassVar[type[Cell]] = TransferCell
    summary = "Lang et al. 2025: a judge of a model's own answers, trained on one text task and asked about another"
    shares = ("ridge", "sees", "asked_task", "task")
    columns: ClassVar[Mapping[str, str]] = {"own_accuracy": "double", "own_accuracy_labeled": "double"}
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        "task": ["sentence_polarity", "subjectivity"],
        "asked_task": ["sentence_polarity", "subjectivity"],
        "model": "minilm-l6",
    }

    def check(self, block: Block) -> None:
        """Refuse damaged models, layers that they do not have, and tasks without a test part or of pairs of replies."""
        for level in block.group("model", "layer").levels:
            with about("model"):
                check_model(level["model"])
            depth = layer_count(level["model"])
            if level["layer"] is not None and level["layer"] > depth:
                raise FieldError(f"model {level['model'].name} has layers 0..{depth}, not {level['layer']}", "layer")
        for name in ("task", "asked_task"):
            for task in block.values(name):
                if not task.has_test_part or formatter_of(task, "", "", None, None).pairs:
                    raise FieldError(f"task {task.name}: a known task of single texts or pairs of texts is needed", name)

    def needs(self, block: Block) -> Sequence[Call]:
        """List items, truth, states and own answers of both tasks of every wanted cell."""
        tasks = ("task", "asked_task")
        return list(
            {call.key: call for cell in block.cells() for name in tasks for call in watched(cell, cell[name]).needs}.values()
        )

    def cost(self, block: Block) -> Cost:
        """Count a judge for every task that one learns on or is asked about, and the scores of every cell.

        Texts are encoded by artifacts, which ``plan`` lists.
        """
        labelled, tested = (float(max(block.values(name))) for name in ("n_labeled", "n_test"))
        fields = [name for name in block.names if name not in ("task", "asked_task")]
        judges = float(len(block.group(*fields)) * max(len(block.values(name)) for name in ("task", "asked_task")))
        work = judges * _ROUNDS * (labelled + _WIDTH / 3.0) * _WIDTH**2 + block.size * 4.0 * tested * _WIDTH
        return Cost(flops=work, bytes=64.0 * (labelled + tested) * _WIDTH)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002
        """Fit the judges, once for each task, and score them on every task."""
        if self.store is None:
            raise RuntimeError("this study reads artifacts: build it with the store that holds them")
        solver = TransferSolver(self.store)
        wanted = [True] * block.size if block.mask is None else block.mask.reshape(-1).tolist()
        cells = block.with_mask(None).cells()
        return stacked([solver.row(cell) if keep else None for cell, keep in zip(cells, wanted, strict=True)], block)


_WIDTH, _ROUNDS = 400.0, 10.0
"""Features of a small encoder, and Newton steps of a judge."""
