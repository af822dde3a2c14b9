"""Somerstep et al. 2024: weak-to-strong generalization as transfer of a latent concept (arXiv 2405.16236).

A strong model knows K concepts and not which one is asked for. Weak labels are those of the true concept, opposite on a part
of the contexts. A naive student is finetuned on them and fits them; refinement uses them as demonstrations, infers the concept
and answers with it. Errors are exact given the labels: shares of contexts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Kind, Piece, Rule, Study
from w2s.sharing.results import Results
from w2s.studies.fields import occurring
from w2s.studies.somerstep2024.refinement import solve as solver
from w2s.studies.somerstep2024.refinement.claims import CLAIMS
from w2s.studies.somerstep2024.refinement.figures import FIGURES
from w2s.summary.population import SeedsDraw
from w2s.theory import somerstep2024 as theory
from w2s_kernels import Backend, flops

__all__ = ["Refinement", "RefinementCell"]

_DRAWS: tuple[str, Kind] = ("concepts, inputs and weak labels", "normals")
_POSTERIORS: tuple[str, Kind] = ("posteriors of concepts and answers", "gemm")


class RefinementCell(Cell):
    """One point of the refinement study. The ceiling is the same kind of student on labels without bias."""

    contexts: int = field(200, description="equally likely inputs", ge=2, le=100_000)
    concepts: int = field(
        8, description="concepts that the strong model knows, the true one and a decoy among them", ge=2, le=2000
    )
    bias: float = field(
        0.2, description="part of the contexts on which weak labels are those of the opposite class", ge=0, le=0.5
    )
    decoy: Literal["absent", "present"] = field(
        "absent", description="whether a concept follows the weak labels where they are biased; the others are random"
    )
    apart: float = field(
        0.3, description="part of the contexts, none of them biased, on which the decoy is wrong", when={"decoy": ["present"]},
        ge=0, le=0.5,
    )  # fmt: skip
    noise: float = field(0.1, description="chance of the other class in the labels of every concept", gt=0, lt=0.5)
    n_transfer: int = field(description="weakly labelled demonstrations", unit="rows", ge=1, le=1_000_000)
    student: Literal["naive", "refined"] = field(
        "refined", description="majority of the weak labels in each context, or posterior mean of the concepts"
    )


class Refinement(Study):
    """Naive and refined students of biased labels, with exact expectations beside the rows that have them."""

    name = "somerstep2024.refinement"
    version = 1
    error_unit = "share of wrong answers"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = RefinementCell
    summary = "Somerstep et al. 2024: a latent concept, naive finetuning on biased labels against refinement"
    shares = ("student", "n_transfer")
    columns: ClassVar[Mapping[str, str]] = {
        "posterior": "double",
        "posterior_decoy": "double",
        "student_error_theory": "double",
        "limit_error_theory": "double",
        "evidence_theory": "double",
        "chernoff_theory": "double",
    }
    rules = (
        Rule(
            ("bias", "apart"),
            lambda bias, apart: ~(bias + apart > 1.0),
            "biased contexts and those that set the decoy apart are different ones: bias + apart must not exceed 1",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"n_transfer": [10, 100, 1000, 10_000], "student": ["naive", "refined"]}

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of concepts, labels and counts of one seed."""
        contexts, concepts = float(max(block.values("contexts"))), float(max(block.values("concepts")))
        counts = len(block.values("n_transfer"))
        held = contexts * (3.0 * concepts + 8.0 * counts) + 4.0 * max(block.values("n_transfer")) + 14.0 * block.size
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * held)

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List per seed and world its draws, and one product of concepts and counts of labels for all m."""
        pieces, seeds, counts = [], float(len(block.values("seed"))), [float(m) for m in block.values("n_transfer")]
        for world in block.group(*solver.WORLD).levels:
            contexts, concepts = float(world["contexts"]), float(world["concepts"])
            drawn = 60.0 * (contexts * concepts + 2.0 * max(counts)) + 4.0 * sum(counts)
            shared = ("n_transfer", "student")
            pieces.append(Piece(*_DRAWS, seeds, seeds * drawn, shared, "demonstrations are nested", contexts))
            work = 4.0 * flops.gemm(float(len(counts)), contexts, concepts) + 40.0 * contexts * len(counts)
            pieces.append(
                Piece(*_POSTERIORS, seeds, seeds * work, ("student",), "both students read the same counts", concepts)
            )
        return pieces

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per seed and world the concepts and labels once, then all counts and both students."""
        groups = [block.group(*names) for names in (("seed",), solver.WORLD, ("n_transfer",), ("student",))]
        seeds, worlds, samples, students = groups
        asked = occurring(block, worlds, samples)
        results, kinds = Results(block, groups, solver.NUMBERS), students.values("student")
        for w in np.flatnonzero(asked.any(axis=1)):
            chosen = np.flatnonzero(asked[w])
            wanted = [samples.levels[k]["n_transfer"] for k in chosen]
            counts = sorted(set(wanted))
            places = [counts.index(m) for m in wanted]
            for s, seed in enumerate(seeds.values("seed")):
                world = solver.World.of(worlds.levels[w], seed, backend)
                found = solver.results(world, seed, counts, kinds, backend)
                spread = {
                    name: values[places] if np.ndim(values) and len(values) > 1 else values for name, values in found.items()
                }
                results.put((s, w, chosen), spread)
        return results.columns() | _expected(block, groups[1:]) | {"solver": np.array(["counts"], dtype=object)}


def _expected(block: Block, groups: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
    """Compute the closed forms, which know of no seed, once per world, count and student."""
    names = ("student_error_theory", "limit_error_theory", "evidence_theory", "chernoff_theory")
    found, asked = Results(block, groups, names), occurring(block, *groups)
    for w, k, s in np.argwhere(asked):
        level, m, kind = groups[0].levels[w], groups[1].levels[k]["n_transfer"], groups[2].levels[s]["student"]
        count, noise = level["contexts"], level["noise"]
        bias = round(level["bias"] * count) / count
        if kind == "naive":
            columns = {"student_error_theory": theory.naive_error(m, count, bias, noise), "limit_error_theory": np.array(bias)}
        elif level["decoy"] == "absent":
            columns = {"limit_error_theory": np.array(0.0)}
        else:
            apart = round(level["apart"] * count) / count
            columns = {
                "limit_error_theory": theory.limit_error(bias, apart),
                "evidence_theory": theory.evidence(bias, apart, noise),
                "chernoff_theory": theory.chernoff_bound(m, bias, apart, noise),
            }
            if level["concepts"] == 2:
                columns["student_error_theory"] = theory.refined_error(m, bias, apart, noise)
        found.put((w, k, s), columns)
    return found.columns()
