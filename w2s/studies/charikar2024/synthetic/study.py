"""Charikar, Pabbaraju and Shiragur 2024: the gain of a student is its misfit (arXiv 2405.15116), on synthetic tasks.

A random network h* is the truth. A weak and a strong representation come from it by pretraining on its tasks or by perturbing
its weights; a cell is one finetuning task of one draw: a weak head fitted on true labels, a student head fitted on the weak
labels of other inputs, both measured on a third sample. There is no label noise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block, Group
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Piece, Rule, Study
from w2s.errors import FieldError
from w2s.sharing.results import Results
from w2s.studies.charikar2024.synthetic.claims import CLAIMS
from w2s.studies.charikar2024.synthetic.cost import HEAD, SIZES, block_bytes, block_pieces
from w2s.studies.charikar2024.synthetic.figures import FIGURES
from w2s.studies.charikar2024.synthetic.networks import NETWORKS, Networks, Representations
from w2s.studies.charikar2024.synthetic.solve import NUMBERS, Trial
from w2s.studies.fields import asked_levels, occurring
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend

__all__ = ["Synthetic", "SyntheticCell"]

TRAINED = ["realizable", "pretrained"]
MAX_SUBSETS = 20_000


class SyntheticCell(Cell):
    """One finetuning task of one draw of representations."""

    representation: Literal["realizable", "pretrained", "perturbed"] = field(
        "perturbed",
        description="strong = truth and weak pretrained; both pretrained; or both the truth with noise on its weights",
    )
    depth_truth: int = field(5, description="layers of the truth h*", unit="layers", ge=1, le=64)
    depth_weak: int = field(
        2, description="layers of the weak representation", unit="layers", when={"representation": TRAINED}, ge=1, le=64
    )
    depth_strong: int = field(
        8,
        description="layers of the strong representation",
        unit="layers",
        when={"representation": ["pretrained"]},
        ge=1,
        le=64,
    )
    width: int = field(16, description="units of every layer; size of a representation", unit="units", ge=1, le=1024)
    inputs: int = field(8, description="size of x", unit="features", ge=1, le=1024)
    input_scale: float = field(500.0, description="standard deviation of x", unit="input", gt=0)
    sigma_weak: float = field(
        0.05, description="noise on the weights, weak", unit="weights", when={"representation": ["perturbed"]}, ge=0
    )
    sigma_strong: float = field(
        0.01, description="noise on the weights, strong", unit="weights", when={"representation": ["perturbed"]}, ge=0
    )
    pretrain_tasks: int = field(
        10, description="tasks of the pretraining (T)", unit="tasks", when={"representation": TRAINED}, ge=1
    )
    pretrain_samples: int = field(
        2000,
        description="rows of each pretraining task (N_r)",
        unit="rows",
        when={"representation": TRAINED},
        ge=1,
        le=2**32 - 1,
    )
    epochs: int = field(300, description="passes over the pretraining rows", when={"representation": TRAINED}, ge=0)
    learning_rate: float = field(0.001, description="Adam's, in pretraining", when={"representation": TRAINED}, gt=0)
    batch: int = field(256, description="rows of a pretraining step", unit="rows", when={"representation": TRAINED}, ge=1)
    n_labeled: int = field(2000, description="rows with true labels, for the weak head", unit="rows", ge=2, le=2**32 - 1)
    n_transfer: int = field(2000, description="rows that the weak model labels", unit="rows", ge=2, le=2**32 - 1)
    n_test: int = field(2000, description="rows on which errors are measured", unit="rows", ge=2, le=2**32 - 1)
    n_validation: int = field(
        0, description="rows of their own for selection_score; 0: the rows of the errors", unit="rows", ge=0, le=2**32 - 1
    )
    sampling: Literal["per_task", "per_seed"] = field(
        "per_task", description="inputs drawn for every task, or once for all tasks of a seed, which costs one factorisation"
    )
    task: int = field(0, description="number of the finetuning task", ge=0, le=2**20)
    head: Literal["least_squares", "descent", "nonnegative", "sparse", "relu", "all_layers"] = field(
        "least_squares", description="class of the heads of weak model, student and truth, and how they are fitted"
    )
    steps: int = field(1000, description="steps of gradient descent", when={"head": ["descent"]}, ge=0)
    step_size: float = field(
        0.1, description="step size on standardised features", unit="1 / feature power", when={"head": ["descent"]}, gt=0
    )
    sparsity: int = field(4, description="nonzero coefficients of a head", unit="features", when={"head": ["sparse"]}, ge=1)
    head_epochs: int = field(20, description="passes when all layers are trained", when={"head": ["all_layers"]}, ge=0)
    head_learning_rate: float = field(
        1e-4, description="Adam's, when all layers are trained", when={"head": ["all_layers"]}, gt=0
    )
    head_batch: int = field(256, description="rows of a step over all layers", unit="rows", when={"head": ["all_layers"]}, ge=1)
    risk: Literal["excess"] = field("excess", description="errors are against f*; labels carry no noise")
    evaluate: Literal["fresh", "transfer"] = field("fresh", description="test rows, or the student's own training rows")
    ceiling: Literal["transfer"] = field("transfer", description="rows whose true labels the ceiling is trained on")
    ceiling_tuning: Literal["same"] = field("same", description="ceiling and student are fitted alike")


class Synthetic(Study):
    """Gain against misfit for tasks on representations that are realizable, pretrained or perturbed."""

    name = "charikar2024.synthetic"
    version = 1
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell = SyntheticCell
    summary = "Charikar et al. 2024: gain is misfit, for heads on random, pretrained and perturbed networks"
    shares = ("task", *SIZES, *HEAD, "evaluate", "depth_weak", "depth_strong", "sigma_weak", "sigma_strong")
    columns: ClassVar[Mapping[str, str]] = {
        "cross_term": "double",
        "epsilon": "double",
        "label_power": "double",
        "selection_score": "double",
        "weak_validation_error": "double",
        "weak_rank": "int64",
        "student_rank": "int64",
    }
    rules = (
        Rule(("sparsity", "width"), lambda k, width: ~(k > width), "sparsity must not exceed width"),
        Rule(
            ("n_labeled", "n_transfer", "width"),
            lambda n, transfer, width: np.minimum(n, transfer) > width + 1,
            "n_labeled and n_transfer must exceed width + 1: a head has that many coefficients",
        ),
        # The start is where the whole sample's gradient is zero: Adam would turn its rounding into steps of full length.
        Rule(
            ("head_batch", "n_labeled", "n_transfer"),
            lambda batch, n, transfer: ~(batch >= np.minimum(n, transfer)),
            "head_batch must be below n_labeled and n_transfer: training starts at the whole sample's optimum of the head",
        ),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"representation": "perturbed", "sampling": "per_seed", "task": [0, 1, 2, 3, 4]}

    def check(self, block: Block) -> None:
        """Refuse sparse heads with more subsets than can be tried."""
        for level in asked_levels(block, "sparsity", "width"):
            if level["sparsity"] is not None and math.comb(level["width"], level["sparsity"]) > MAX_SUBSETS:
                raise FieldError(
                    f"sparsity {level['sparsity']} of width {level['width']} has "
                    f"{math.comb(level['width'], level['sparsity']):,} subsets; all are tried, at most {MAX_SUBSETS:,}"
                )

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of one trial and of what every seed is pretrained on."""
        return Cost(sum(piece.flops for piece in self.pieces(block)), block_bytes(block))

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List networks once for each seed; inputs, features and factorisations once for each trial; heads for each task."""
        return block_pieces(block)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: networks of all seeds together, then for each seed the tasks that share inputs at once."""
        seeds, networks, sizes = block.group("seed"), block.group(*NETWORKS), block.group(*SIZES)
        heads, views, tasks = block.group(*HEAD), block.group("evaluate"), block.group("task")
        groups = (seeds, networks, sizes, heads, views, tasks)
        results = Results(block, groups, NUMBERS, whole=("status", "weak_rank", "student_rank"))
        wanted = occurring(block, networks, sizes, heads)
        made = Representations(seeds.values("seed"), backend)
        for n in np.flatnonzero(wanted.any(axis=(1, 2))):
            for place, found in _solved(
                made.of(networks.levels[n]), networks.levels[n], (seeds, sizes, heads, views, tasks), wanted[n], backend
            ):
                results.put((place[0], n, *place[1:]), found)
        columns = results.columns()
        columns["status"] = columns["status"].astype(np.int8)
        columns["solver"] = block.column("head")
        return columns


def _solved(
    drawn: Networks, level: Mapping[str, Any], groups: tuple[Group, ...], wanted: npt.NDArray[np.bool_], backend: Backend
) -> Iterator[tuple[tuple[Any, ...], dict[str, npt.NDArray[Any]]]]:
    """Yield the results under one set of networks, with their place: seed, sizes, head, view, slice of tasks."""
    seeds, sizes, heads, views, tasks = groups
    looks, numbers = views.values("evaluate"), tasks.values("task")
    for (s, seed), z in itertools.product(enumerate(seeds.values("seed")), np.flatnonzero(wanted.any(axis=1))):
        cell = {**level, **sizes.levels[z]}
        for part, trial in Trial.each(drawn.take(s), cell, seed, numbers, backend):
            for h in np.flatnonzero(wanted[z] & trial.finite):
                for v, found in enumerate(trial.solve(heads.levels[h], looks)):
                    yield (s, z, h, v, part), found
