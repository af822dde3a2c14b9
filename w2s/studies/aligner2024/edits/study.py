"""Ji et al. 2024: a corrector beside a finite set of answers, every one of which is listed (arXiv 2402.02416).

The upstream model pi answers each prompt with one of K answers, of which one is right. A corrector mu fixes wrong answers with
probability ``fix`` and breaks right ones with ``breaks``. In each round the model answers, is corrected, and answers as it was
corrected from then on. Errors are shares of wrong answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Rule, Study
from w2s.sharing.results import Results
from w2s.studies.aligner2024.edits import solve as solver
from w2s.studies.aligner2024.edits.claims import CLAIMS
from w2s.studies.aligner2024.edits.figures import FIGURES
from w2s.studies.fields import occurring
from w2s.summary.population import SeedsDraw
from w2s.theory import aligner2024 as theory
from w2s_kernels import Backend

__all__ = ["Edits", "EditsCell"]

_WORLD = ("answers", "n_items", "accuracy", "spread")
_CORRECTOR = ("fix", "breaks", "copies", "rounds")


class EditsCell(Cell):
    """One upstream model and one corrector."""

    accuracy: float = field(0.7, description="mean probability of the right answer under the upstream model", gt=0, lt=1)
    spread: float = field(
        0.5, description="how far that probability differs between prompts; 1: down to 0 or up to 1", ge=0, le=1
    )
    answers: int = field(6, description="answers to a prompt, one of them right", ge=3, le=100)
    n_items: int = field(2000, description="prompts", unit="items", ge=2, le=1_000_000)
    fix: float = field(0.5, description="probability that a wrong answer is corrected to the right one", ge=0, le=1)
    breaks: float = field(0.02, description="probability that a right answer is made a wrong one", ge=0, le=1)
    copies: float = field(0.9, description="probability that a wrong answer that is not fixed stays as it is", ge=0, le=1)
    rounds: int = field(1, description="corrections, after each of which the model answers as it was corrected", ge=0, le=50)


class Edits(Study):
    """Accuracy before and after corrections, by the model that is corrected and by how much is fixed and broken."""

    name = "aligner2024.edits"
    version = 1
    error_unit = "share of wrong answers"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = EditsCell
    summary = (
        "Ji et al. 2024: corrections of answers: accounting of fixed and broken ones, the bound on the composition, rounds"
    )
    shares = _CORRECTOR
    columns: ClassVar[Mapping[str, str]] = {
        "student_error_theory": "double",
        "fix_rate": "double",
        "break_rate": "double",
        "edit_rate": "double",
        "accounting_gap": "double",
        "bound_slack": "double",
        "bound_excess": "double",
    }
    rules = (
        Rule(
            ("n_items", "answers"),
            lambda items, answers: items * answers**2 <= 4e7,
            "n_items x answers^2 must not exceed 40 million: all corrections of all answers are listed",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"fix": [0.2, 0.5], "breaks": [0, 0.02, 0.1], "rounds": [0, 1, 2, 3]}

    def cost(self, block: Block) -> Cost:
        """Count the products of all answers with all corrections, for every cell, and the bytes of one cell's."""
        size = float(max(block.values("n_items"))) * float(max(block.values("answers"))) ** 2
        rounds = 2.0 + float(max(block.values("rounds")))
        return Cost(10.0 * size * rounds * block.size, 8.0 * 6.0 * size + 200.0 * block.size)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per seed and world the upstream model and the draws once."""
        groups = [block.group(*names) for names in (("seed",), _WORLD, _CORRECTOR)]
        seeds, worlds, correctors = groups
        asked = occurring(block, *groups)
        numbers = ("weak_error", "student_error", "misfit", *(n for n in self.columns if n != "student_error_theory"))
        results = Results(block, groups, numbers)
        for s, w in np.argwhere(asked.any(axis=2)):
            upstream = solver.draw_upstream(worlds.levels[w], seeds.values("seed")[s], backend)
            for c in np.flatnonzero(asked[s, w]):
                results.put((s, w, c), solver.corrected(upstream, correctors.levels[c], backend))
        columns = results.columns()
        shares = (block.column(name) for name in ("accuracy", "fix", "breaks", "rounds"))
        columns["student_error_theory"] = 1.0 - theory.accuracy_after(*shares)
        columns["ceiling_error"] = np.zeros(block.shape)
        columns["solver"] = np.full(block.shape, "listed", dtype=object)
        return columns
