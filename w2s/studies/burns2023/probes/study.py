"""Burns et al. 2023 with frozen encoders: linear probes on hidden layers as weak and strong models (arXiv 2312.09390).

Teacher and student are probes on features that one forward pass over a task gives: a layer of an encoder, or its first
coordinates. The teacher's predictions are an artifact that all its students share; student, ceiling, strong baseline and
control are fitted when a block is solved, because that takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Call
from w2s.contract.block import Block
from w2s.contract.cells import field
from w2s.contract.study import Common, Cost, Piece, Study
from w2s.errors import FieldError
from w2s.finetune.methods.text import Method, parse_method
from w2s.finetune.models.check import check_model, layer_width
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.weights import layer_count
from w2s.measure.scores import SCORE_COLUMNS
from w2s.studies.burns2023.probes.claims import CLAIMS
from w2s.studies.burns2023.probes.cost import block_bytes, block_common, block_pieces
from w2s.studies.burns2023.probes.figures import FIGURES
from w2s.studies.burns2023.probes.solve import ProbeGraph, ProbeSolver, probe_graph
from w2s.studies.burns2023.tasks import (
    TASK_FIELDS,
    TaskCell,
    about,
    check_draws,
    class_count,
    formatter_for,
    has_pairs,
    stacked,
    task_lines,
)
from w2s.summary.population import SeedsDraw
from w2s.summary.text import summary_lines
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ProbeCell", "Probes"]


class ProbeCell(TaskCell):
    """One weak and one strong probe."""

    weak_model: ModelFolder = field(description="teacher's encoder: packaged name, folder, data:FOLDER, or hub:NAME@REVISION")
    weak_layer: int | None = field(
        None, description="teacher's layer, 0 the embedding; null: the last one, alone", unit="layers", ge=0
    )
    weak_dims: int | None = field(None, description="first coordinates the teacher sees; null: all", unit="features", ge=1)
    student_model: ModelFolder = field(description="encoder of student, ceiling and strong baseline")
    student_layer: int | None = field(None, description="their layer; null: the last one, alone", unit="layers", ge=0)
    student_dims: int | None = field(None, description="first coordinates they see; null: all", unit="features", ge=1)
    pooling: Literal["auto", "mean", "cls", "last"] = field("auto", description="auto: mean over tokens, last one if causal")
    max_length: int = field(128, description="longer texts are cut here, and counted", unit="tokens", ge=4)
    encoded: Literal["task", "cell"] = field(
        "task", description="what goes through the encoder: the whole task, once for all seeds, or the drawn items"
    )
    preprocess: Literal["center", "standardise"] = field(
        "standardise", description="what each fit does to features on its own training rows"
    )
    head: Literal["closed_form", "logistic"] = field("logistic", description="ridge on probabilities, or logistic regression")
    ridge_weak: float = field(
        1.0, description="ridge of the teacher", unit="feature power", when={"head": ["closed_form"]}, gt=0
    )
    ridge: float = field(
        0.1,
        description="ridge of student, ceiling, strong baseline",
        unit="feature power",
        when={"head": ["closed_form"]},
        gt=0,
    )
    c_weak: float = field(0.01, description="inverse L2 strength C of the teacher", when={"head": ["logistic"]}, gt=0)
    c: float = field(
        0.01, description="inverse L2 strength C of student, ceiling, strong baseline", when={"head": ["logistic"]}, gt=0
    )
    labels: Literal["soft", "hard"] = field("soft", description="weak probabilities, or one-hot at the most probable class")
    method: str = field("naive", description="naive or temper(T)")
    control: Literal["none", "flip"] = field("none", description="flip: fit also on the same errors at random items")


class Probes(Study):
    """Linear probes on frozen encoders, weak labelling for strong."""

    name = "burns2023.probes"
    version = 2
    error_unit = "nats"
    seeds_draw: ClassVar[SeedsDraw] = "test_part"
    Cell = ProbeCell
    compiled_from = 1.0  # all of its loops are kept
    summary = "Burns et al. 2023: linear probes on layers of frozen encoders, weak labelling for strong; controls, agreement"
    shares = (
        "c",
        "ridge",
        "method",
        "labels",
        "control",
        "head",
        "c_weak",
        "ridge_weak",
        "weak_dims",
        "weak_layer",
        "weak_model",
    )
    classifies = True
    columns: ClassVar[Mapping[str, str]] = {
        **SCORE_COLUMNS,
        "pgr_flip_01": "double",
        "student_flip_error_01": "double",
        "weak_width": "int64",
        "student_width": "int64",
        "student_iterations": "int64",
        "student_gradient_norm": "double",
        "cut_items": "int64",
        "dropped_items": "int64",
    }
    claims = CLAIMS
    figures = FIGURES
    example: ClassVar[Mapping[str, Any]] = {
        "task": "sentence_polarity",
        "weak_model": "minilm-l6",
        "weak_layer": 0,
        "student_model": "minilm-l6",
        "student_layer": 5,
        "n_labeled": 2000,
        "n_transfer": 2000,
        "c": [0.0001, 0.001, 0.01],
    }

    def check(self, block: Block) -> None:
        """Refuse methods that do not treat labels, layers and widths that a model does not have, and parts without items."""
        for text in block.values("method"):
            temperature = parse_method(text).temperature
            if temperature == "fit" or parse_method(text) != Method(temperature=temperature):
                raise FieldError(f"method {text!r}: a probe takes naive or temper(T)", "method")
        for side in ("weak", "student"):
            for level in block.group(f"{side}_model", f"{side}_layer", f"{side}_dims").levels:
                _check_side(side, *level.values())
        for level in block.group(*TASK_FIELDS).levels:
            kind = "pairs of replies" if has_pairs(level) else "prompts" if formatter_for(level).prompts else ""
            if kind:
                raise FieldError(f"task {level['task']}: its items are {kind}; burns2023.text takes them", "task")
        check_draws(block)

    def reads(self, block: Block) -> Sequence[str]:
        """Say of every task what its classes are, and what is left out and why."""
        return task_lines(block)

    def digest(self, table: DataFrame) -> DataFrame:
        """Summarise errors, PGR on accuracy and agreement by setting, with intervals over seeds and test items."""
        return summary_lines(table, _DIGEST, "test_part")

    def needs(self, block: Block) -> Sequence[Call]:
        """List items, truth, features and the teachers' predictions of every wanted cell."""
        graphs = {id(graph): graph for graph in self._graphs(block.cells())}
        return list({call.key: call for graph in graphs.values() for call in graph.needs}.values())

    def parts(self, block: Block) -> Iterable[Any]:
        """Name the artifacts' functions and the formatters of the tasks."""
        return [*super().parts(block), *(formatter_for(level).read for level in block.group(*TASK_FIELDS).levels)]

    def unblind(self, block: Block) -> str:
        """Say that the flip control permutes labels by the truth of transfer items.

        Teachers read the truth of labelled items only.
        """
        flips = any(cell["control"] == "flip" for cell in block.cells())
        return "control: flip permutes labels by the truth of the transfer items" if flips else ""

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of the features of one design.

        A stored grid is planned again where its models may be missing, so nothing here reads them.
        """
        return Cost(sum(piece.flops for piece in self.pieces(block)), block_bytes(block))

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List features and their decompositions once for each draw, anchors for each strength, a fit for each cell."""
        return block_pieces(block)

    def common(self, block: Block) -> Iterable[Common]:
        """Yield the prepared strong features of each draw: sub-grids with other heads, strengths and teachers need the same."""
        return block_common(block)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Fit the students, cells with the same features one after another, and compute every column."""
        if self.store is None:
            raise RuntimeError("this study reads artifacts: build it with the store that holds them")
        cells = list(block.with_mask(None).cells())
        wanted = np.ones(block.size, dtype=bool) if block.mask is None else block.mask.reshape(-1)
        asked = np.flatnonzero(wanted).tolist()
        some = [cells[k] for k in asked]
        found = ProbeSolver(self.store, backend, self.memo).solve(some, self._graphs(some))
        rows: list[dict[str, Any] | None] = [None] * block.size
        for k, row in zip(asked, found, strict=True):
            rows[k] = row
        return stacked(rows, block)

    def _graphs(self, cells: Iterable[Mapping[str, Any]]) -> list[ProbeGraph]:
        """Build the graph of every cell: one object for all that differ in the students' labels and strength alone."""
        known: dict[tuple[Any, ...], ProbeGraph] = {}
        found = []
        for cell in cells:
            key = tuple(value for name, value in cell.items() if name not in _OF_STUDENTS)
            if key not in known:
                known[key] = probe_graph(cell, class_count(cell))
            found.append(known[key])
        return found


_OF_STUDENTS = ("c", "ridge", "labels", "method", "control")
"""Fields that no artifact depends on."""

_DIGEST = ("weak_error_01", "student_error_01", "ceiling_error_01", "pgr_01", "agreement_right", "agreement_wrong")


def _check_side(side: str, model: ModelFolder, layer: int | None, dims: int | None) -> None:
    with about(f"{side}_model"):
        check_model(model)
        depth = layer_count(model)
    if layer is not None and layer > depth:
        raise FieldError(f"model {model.name} has layers 0..{depth}, not {layer}", f"{side}_layer")
    with about(f"{side}_dims"):
        chosen = depth if layer is None else layer
        if dims is not None and dims > (width := layer_width(model, chosen)):
            raise FieldError(f"model {model.name} has {width} features, not {dims}, after layer {chosen}")
