"""Contrastive Weak-to-Strong Generalization on bigram models with a known reward (Jiang et al. 2025, arXiv 2510.07884).

A weak language model is known before and after an alignment; the contrast of both decodes texts, on which a strong model is
trained. The language, the reward of each token and the noise of the alignment are known here, so every mean is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Kind, Piece, Study
from w2s.sharing.results import Results
from w2s.studies.cong2025.tabular import solve as solver
from w2s.studies.cong2025.tabular.claims import CLAIMS
from w2s.studies.cong2025.tabular.figures import FIGURES
from w2s.studies.cong2025.tabular.world import WORLD, World
from w2s.studies.fields import occurring
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend

__all__ = ["Tabular", "TabularCell"]

_TEXTS: tuple[str, Kind] = ("weak texts: contrast and sampling", "elementwise")
_STUDENTS: tuple[str, Kind] = ("students and their ceilings", "elementwise")
_ON_TEXTS = ("sft", "dpo")


class TabularCell(Cell):
    """One point of the tabular study. The ceiling is the same student of an alignment without noise."""

    vocabulary: int = field(30, description="tokens of the language", ge=2, le=500)
    length: int = field(12, description="tokens of a text behind its prompt of one token", ge=1, le=200)
    pull: float = field(0.5, description="what an alignment adds to a logit per unit of true reward", ge=0, le=20)
    noise: float = field(0.5, description="size of the noise that it adds to every logit", ge=0, le=20)
    alignment: Literal["aligned", "control"] = field(
        "aligned", description="an alignment to the reward with noise, or noise of the same size alone"
    )
    n_transfer: int = field(4000, description="prompts, each with one weak text", unit="texts", ge=10, le=100_000)
    method: Literal["sft", "dpo", "wspo", "eft", "search"] = field(
        "sft",
        description="fit to contrastive texts (ConG-S); that, then preferences against own texts (ConG); regression on weak "
        "log ratios; the language tilted by the weak pair; search guided by it",
    )
    cd_lambda: float = field(
        0.6, description="strength of the contrast; 0 samples the aligned model", when={"method": _ON_TEXTS}, ge=0, le=5
    )
    plausible: float = field(
        0.1,
        description="share of the largest probability that a token needs; 0 needs none",
        when={"method": _ON_TEXTS},
        ge=0,
        le=1,
    )
    temperature: float = field(1.0, description="scores are divided by it", when={"method": _ON_TEXTS}, gt=0, le=100)
    student: Literal["table", "shared"] = field(
        "table",
        description="the student's change of the language: a logit for each pair of tokens, or one for each token",
        when={"method": ("sft", "dpo", "wspo")},
    )
    prior: float = field(
        100.0,
        description="steps of the language that a fit counts after each token beside the texts'",
        unit="steps",
        when={"method": _ON_TEXTS},
        ge=1e-3,
        le=1e6,
    )
    beta: float = field(0.1, description="beta of DPO", when={"method": ["dpo"]}, gt=0, le=100)
    gamma: float = field(0.1, description="gamma of WSPO", when={"method": ["wspo"]}, gt=0, le=100)
    rate: float = field(
        1.0,
        description="step of gradient descent, in units of one over a bound of the curvature",
        when={"method": ("dpo", "wspo")},
        gt=0,
        le=10,
    )
    steps: int = field(16, description="steps of gradient descent", when={"method": ("dpo", "wspo")}, ge=0, le=10_000)
    weight: float = field(1.0, description="power of the weak pair's ratio", when={"method": ["eft"]}, ge=0, le=100)
    beams: int = field(2, description="texts that a search keeps", when={"method": ["search"]}, ge=1, le=64)
    samples: int = field(2, description="continuations of each of them", when={"method": ["search"]}, ge=1, le=64)
    chunk: int = field(3, description="tokens between two choices", when={"method": ["search"]}, ge=1, le=200)


class Tabular(Study):
    """Students of contrastive texts, and of other uses of a weak pair, with their true and their implicit reward."""

    name = "cong2025.tabular"
    version = 1
    error_unit = "reward a token"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = TabularCell
    summary = "Jiang et al. 2025: contrastive decoding of a weak pair, and students of its texts, where the reward is known"
    shares = ("seed", "student", "method")
    columns: ClassVar[Mapping[str, str]] = {
        name: "double"
        for name in solver.NUMBERS
        if name not in ("weak_error", "student_error", "ceiling_error", "misfit", "weak_distance")
    }
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"cd_lambda": [0, 0.3, 0.6, 0.9], "alignment": ["aligned", "control"]}

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of the seeds' texts and tables."""
        seeds, held = float(len(block.values("seed"))), 0.0
        for level in block.group(*WORLD).levels:
            tokens, texts = float(level["vocabulary"]), float(level["n_transfer"])
            held = max(held, seeds * (texts * (4.0 * tokens + 12.0 * level["length"]) + 60.0 * tokens**2))
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * (held + 20.0 * block.size))

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List the weak texts of each alignment and decoding once, and the students of them."""
        pieces, seeds = [], float(len(block.values("seed")))
        decodings, learners = block.group(*solver.DECODING), block.group(*solver.LEARNER).levels
        pairs = (len(block.values("alignment")) + 1.0) * len(decodings)
        for level in block.group(*WORLD).levels:
            tokens, steps = float(level["vocabulary"]), float(level["n_transfer"]) * level["length"]
            written = seeds * pairs * 6.0 * steps * tokens
            trained = sum(_work(learner, steps, tokens) for learner in learners)
            why = "they learn from the same texts"
            pieces.append(Piece(*_TEXTS, seeds * pairs, written, ("method", "student"), why, tokens))
            pieces.append(Piece(*_STUDENTS, seeds * pairs * len(learners), seeds * pairs * trained, (), "", tokens))
        return pieces

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: all seeds at once, and for each decoding the weak texts of every alignment once."""
        groups = [block.group(*names) for names in (("seed",), WORLD, solver.DECODING, ("alignment",), solver.LEARNER)]
        seeds, worlds, decodings, alignments, learners = groups
        asked = occurring(block, worlds, decodings, alignments, learners)
        results = Results(block, groups, solver.NUMBERS)
        for w in np.flatnonzero(asked.any(axis=(1, 2, 3))):
            world = World.of(worlds.levels[w], seeds.values("seed"), backend)
            for d in np.flatnonzero(asked[w].any(axis=(1, 2))):
                ceiling = solver.Taught(world, "true", decodings.levels[d], backend)
                for a in np.flatnonzero(asked[w, d].any(axis=1)):
                    taught = solver.Taught(world, alignments.levels[a]["alignment"], decodings.levels[d], backend)
                    for k in np.flatnonzero(asked[w, d, a]):
                        results.put((slice(None), w, d, a, k), solver.results(taught, ceiling, learners.levels[k]))
        columns = results.columns()
        columns["solver"] = np.array(["exact"], dtype=object)
        return columns


def _work(learner: Mapping[str, Any], steps: float, tokens: float) -> float:
    """Count the operations of one student beside its texts, for ``steps`` tokens of all texts."""
    fit, method = 40.0 * tokens**2, learner["method"]
    if method == "search":
        return 12.0 * steps * tokens * float(learner["beams"] * learner["samples"])
    if learner["student"] == "shared":
        fit += 30.0 * (2.0 * tokens**3 + 6.0 * tokens**2)
    if method == "dpo":
        return fit + 6.0 * steps * tokens + float(learner["steps"]) * (20.0 * steps + 20.0 * tokens**2)
    return fit + (float(learner["steps"]) * 20.0 * tokens**2 if method == "wspo" else 0.0)
