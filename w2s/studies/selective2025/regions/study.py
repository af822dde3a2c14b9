"""Lang, Huang and Li 2025: selective weak-to-strong generalization, on features (arXiv 2511.14166).

The strong model answers well in a region of the inputs before any training. A judge on its features, trained on labelled items,
says where; there the student learns the strong model's own answers, elsewhere weak labels, smoothed along a graph of its
features. All errors are shares of wrong classes. The equations of the paper were not readable: this is a reconstruction.
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
from w2s.studies.fields import occurring
from w2s.studies.selective2025.regions import solve as solver
from w2s.studies.selective2025.regions.claims import CLAIMS
from w2s.studies.selective2025.regions.figures import FIGURES
from w2s.summary.population import SeedsDraw
from w2s.theory.selective2025 import labels as theory
from w2s_kernels import Backend, flops

__all__ = ["Regions", "RegionsCell"]

_MODELS: tuple[str, Kind] = ("weak models, judge and fixed students, by Newton steps", "logistic")
_GRAPHS: tuple[str, Kind] = ("graphs of the nearest neighbours", "gemm")
_STUDENTS: tuple[str, Kind] = ("students of chosen labels, by Newton steps", "logistic")
_ROUNDS, _STRONG = 8.0, 10.0


class RegionsCell(Cell):
    """One point of the regions study."""

    n_labeled: int = field(2000, description="items with true labels: weak model, judge", unit="items", ge=20, le=20_000)
    n_transfer: int = field(2000, description="items whose labels are chosen", unit="items", ge=20, le=20_000)
    n_test: int = field(4000, description="test items", unit="items", ge=10, le=100_000)
    d_weak: int = field(40, description="random ReLU features of the weak model", unit="features", ge=1, le=1000)
    noise: float = field(0.3, description="standard deviation of the noise on strong features", ge=0, le=100)
    known: float = field(0.5, description="share of the inputs in the region that the strong model knows", gt=0, lt=1)
    right_inside: float = field(0.95, description="accuracy of its own answers in the region", ge=0, le=1)
    right_outside: float = field(0.55, description="accuracy of its own answers elsewhere", ge=0, le=1)
    visible: float = field(1.0, description="how clearly its features show the region; 0: not at all", ge=0, le=100)
    overlap: float = field(0.0, description="how far its errors are the weak model's, its accuracies being held", ge=0, le=1)
    errors: Literal["structured", "shuffled"] = field(
        "structured", description="weak errors where the weak model makes them, or as many at random items of the same class"
    )
    rule: Literal["best", "not_worse", "fixed"] = field(
        "best",
        description="threshold of the judge: with the most accurate labels on labelled items, the lowest at which own answers "
        "are no worse than weak labels there, or fixed",
    )
    threshold: float = field(0.5, description="own answers where the judge says more", when={"rule": ["fixed"]}, ge=0, le=1)
    beta: float = field(0.5, description="part of a smoothed label that comes from its neighbours; 0: no smoothing", ge=0, lt=1)
    k: int = field(10, description="nearest neighbours in the graph", ge=1, le=1000)
    anchors: Literal["clamped", "left_out"] = field(
        "clamped", description="items with own answers: nodes that keep them, or not in the graph"
    )


class Regions(Study):
    """Students of labels that are own answers in a region and weak labels elsewhere."""

    name = "selective2025.regions"
    version = 1
    error_unit = "share of wrong answers"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = RegionsCell
    summary = "Lang et al. 2025: own answers where a judge says that the strong model knows, smoothed weak labels elsewhere"
    shares = (*solver.CHOICE,)
    columns: ClassVar[Mapping[str, str]] = {
        "naive_error": "double",
        "self_error": "double",
        "selected_share": "double",
        "judge_threshold": "double",
        "judge_auroc": "double",
        "error_overlap": "double",
        "own_accuracy": "double",
        "own_accuracy_selected": "double",
        "weak_label_accuracy": "double",
        "weak_accuracy_rest": "double",
        "smoothed_accuracy_rest": "double",
        "label_accuracy": "double",
        "label_accuracy_theory": "double",
        "judge_auroc_theory": "double",
    }
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"rule": ["fixed"], "threshold": [0, 0.25, 0.5, 0.75, 1], "beta": [0, 0.5]}

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of inputs, features and one piece of similarities."""
        seeds = float(len(block.values("seed")))
        items = sum(float(max(block.values(name))) for name in ("n_labeled", "n_transfer", "n_test"))
        held = seeds * items * (40.0 + 3.0 * max(block.values("d_weak"))) + 6e3 * max(block.values("n_transfer"))
        return Cost(sum(piece.flops for piece in self.pieces(block)), 8.0 * (held + 20.0 * block.size))

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List per seed and world the models and the graphs, and per choice a student."""
        pieces, seeds = [], float(len(block.values("seed")))
        choices = float(len(block.group(*solver.CHOICE)))
        graphs = float(len(block.values("k"))) if max(block.values("beta")) > 0 else 0.0
        for world in block.group(*solver.WORLD).levels:
            labelled, transfer = float(world["n_labeled"]), float(world["n_transfer"])
            width = float(world["d_weak"]) + 1.0
            weak = 3.0 * _ROUNDS * (flops.syrk(labelled, width) + flops.cholesky(width) + 40.0 * labelled * width)
            strong = _ROUNDS * (flops.syrk(transfer, _STRONG) + flops.cholesky(_STRONG) + 40.0 * transfer * _STRONG)
            near = flops.gemm(transfer, transfer, _STRONG) + 30.0 * transfer**2
            why = "choices share samples, models and scores"
            pieces.append(Piece(*_MODELS, seeds, seeds * (weak + 7.0 * strong), solver.CHOICE, why, width))
            if graphs:
                shared = tuple(name for name in solver.CHOICE if name != "k")
                pieces.append(Piece(*_GRAPHS, seeds * graphs, seeds * graphs * near, shared, "one graph for each k", transfer))
            pieces.append(Piece(*_STUDENTS, seeds * choices, seeds * choices * strong, (), "", _STRONG))
        return pieces

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per world all seeds at once, per number of neighbours the graphs, then one choice after another."""
        groups = [block.group(*names) for names in (("seed",), solver.WORLD, solver.CHOICE)]
        seeds, worlds, choices = groups
        asked, results = occurring(block, worlds, choices), Results(block, groups, solver.NUMBERS)
        for w in np.flatnonzero(asked.any(axis=1)):
            drawn = solver.World.of(worlds.levels[w], seeds.values("seed"), backend)
            graphs: dict[int, list[Any]] = {}
            for c in np.flatnonzero(asked[w]):
                choice = choices.levels[c]
                k = choice["k"] if choice["beta"] > 0 else 0
                if k not in graphs:
                    graphs[k] = drawn.graphs(k) if k else [None] * len(seeds)
                results.put((slice(None), w, c), drawn.results(choice, graphs[k]))
        columns = results.columns()
        parts = (columns[name] for name in ("selected_share", "own_accuracy_selected", "smoothed_accuracy_rest"))
        share, own, rest = parts
        own, rest = np.where(share > 0, own, 0.0), np.where(share < 1, rest, 0.0)
        columns["label_accuracy_theory"] = theory.label_accuracy(share, own, rest)
        given = (block.column(name) for name in ("known", "right_inside", "right_outside"))
        columns["judge_auroc_theory"] = np.broadcast_to(theory.region_auroc(*given), block.shape)
        columns["solver"] = np.array(["newton"], dtype=object)
        return columns
