"""Burns et al. 2023, chess: the best first move of a puzzle (arXiv 2312.09390, section 4 and the appendix on easy to hard).

A model's answer is the most probable legal move. Models are conditional logits that differ in what they see: the text of
position and move, what a move does by the rules, what stands there when the other side is to answer. What the strong one sees
is what it knows before any puzzle; what moves are good is learned, from true or from weak labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Call
from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Study
from w2s.errors import FieldError
from w2s.finetune.data.tasks import TaskData, formatter_of, read_rows
from w2s.laws.chess_moves import need_chess
from w2s.studies.burns2023.chess.claims import CLAIMS
from w2s.studies.burns2023.chess.figures import FIGURES
from w2s.studies.burns2023.chess.positions import Sight
from w2s.studies.burns2023.chess.solve import COLUMNS, ChessSolver, calls
from w2s.studies.burns2023.tasks import about, stacked
from w2s.summary.population import SeedsDraw
from w2s.summary.text import summary_lines
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Chess", "ChessCell"]

Ratings = Literal["all", "easy", "hard"]


class ChessCell(Cell):
    """One weak and one strong model of best moves."""

    task: TaskData = field(description="chess_puzzles, in a folder of W2S_DATA")
    weak_sight: Sight = field(
        "text", description="what the teacher sees: texts alone, what a move does, what may be answered too"
    )
    student_sight: Sight = field("replies", description="what student, ceiling and strong baseline see")
    between: Literal["none", "text", "rules", "replies"] = field(
        "none", description="what a model between them sees, which learns the teacher's labels and labels for the student"
    )
    labels: Literal["soft", "hard"] = field("hard", description="weak probabilities, or one-hot at the most probable move")
    rating: int = field(1200, description="puzzles below are easy, others hard", ge=0, le=5000)
    labeled_ratings: Ratings = field("all", description="puzzles with true labels, for the teacher and the strong baseline")
    transfer_ratings: Ratings = field("all", description="puzzles that the teacher labels, for student and ceiling")
    test_ratings: Ratings = field("all", description="puzzles of the test")
    n_puzzles: int = field(6000, description="puzzles from which seeds draw", unit="items", ge=4)
    n_tested: int = field(2000, description="test puzzles, before those of other ratings are left out", unit="items", ge=2)
    n_labeled: int = field(500, description="puzzles with true labels", unit="items", ge=2)
    n_transfer: int = field(1500, description="puzzles that the teacher labels", unit="items", ge=2)
    ridge_weak: float = field(0.003, description="of the teacher, in the mean loss", gt=0)
    ridge: float = field(0.001, description="of all other models", gt=0)


class Chess(Study):
    """Best moves of chess puzzles, weak models labelling for strong ones."""

    name = "burns2023.chess"
    version = 1
    error_unit = "nats"
    seeds_draw: ClassVar[SeedsDraw] = "test_part"
    Cell: ClassVar[type[Cell]] = ChessCell
    summary = "Burns et al. 2023: best moves of chess puzzles by what models see of the game; a model between; easy to hard"
    shares = ("test_ratings", "between", "labels", "student_sight", "weak_sight", "ridge", "ridge_weak")
    classifies = True
    columns: ClassVar[Mapping[str, str]] = COLUMNS
    claims = CLAIMS
    figures = FIGURES
    example: ClassVar[Mapping[str, Any]] = {
        "task": "chess_puzzles",
        "student_sight": ["rules", "replies"],
        "labels": ["hard", "soft"],
    }

    def check(self, block: Block) -> None:
        """Refuse other tasks, a machine without the package ``chess``, and files with too few puzzles."""
        with about("task"):
            need_chess()
            for task in block.values("task"):
                if task.name != "chess_puzzles":
                    raise FieldError(f"task {task.name}: this study takes chess_puzzles")
                formatter = formatter_of(task, "", "", None, None)
                for split, name in (("train", "n_puzzles"), ("test", "n_tested")):
                    there, asked = sum(1 for _ in read_rows(task, split, formatter)), max(block.values(name))
                    if there < asked:
                        raise FieldError(f"{asked} puzzles of the {split} file are asked for, it has {there}", name)
        for level in block.group("n_puzzles", "n_labeled", "n_transfer").levels:
            if level["n_labeled"] + level["n_transfer"] > level["n_puzzles"]:
                raise FieldError("n_labeled and n_transfer are more than n_puzzles", "n_puzzles")

    def digest(self, table: DataFrame) -> DataFrame:
        """Summarise shares of wrong moves, PGR on them, and agreement where the teacher is wrong, by setting."""
        return summary_lines(table, _DIGEST, "test_part")

    def needs(self, block: Block) -> Sequence[Call]:
        """List the described puzzles of every wanted cell: those to train on, those to test."""
        return list({call.key: call for cell in block.cells() for call in calls(cell)}.values())

    def unblind(self, block: Block) -> str:  # noqa: ARG002
        """Say nothing: teachers read the truth of labelled puzzles, students the labels of teachers alone."""
        return ""

    def cost(self, block: Block) -> Cost:
        """Count the rounds of four fits a cell."""
        moves = _MOVES * float(max(block.values("n_labeled")) + max(block.values("n_transfer")))
        return Cost(
            block.size * 4.0 * _ROUNDS * 4.0 * moves * _WIDTH, 8.0 * _WIDTH * _MOVES * float(max(block.values("n_puzzles")))
        )

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002
        """Fit the models, those of true labels once for all cells that share them, and compute every column."""
        if self.store is None:
            raise RuntimeError("this study reads artifacts: build it with the store that holds them")
        solver = ChessSolver(self.store)
        wanted = np.ones(block.size, dtype=bool) if block.mask is None else block.mask.reshape(-1)
        cells = block.with_mask(None).cells()
        return stacked([solver.row(cell) if keep else None for cell, keep in zip(cells, wanted, strict=True)], block)


_MOVES, _ROUNDS, _WIDTH = 31.0, 100.0, 20.0
"""Legal moves of a position, rounds of a fit, features of a move."""
_DIGEST = ("weak_error_01", "student_error_01", "strong_error_01", "ceiling_error_01", "pgr_01", "agreement_wrong")
