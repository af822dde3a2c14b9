"""Ladders of language models: one corpus, one tokenizer, one recipe, several sizes.

A cell is one pretraining. There is no teacher: ``student_error`` is the cross-entropy of the model on held-out text, in nats a
byte, and weak error, ceiling, gain, misfit and PGR are null. A row's ``model`` is the key of the model's artifact, by which
other grids find it as ``run:FOLDER:SIZE``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Call
from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Rule, Study
from w2s.errors import FieldError
from w2s.files.datafile import DataFile
from w2s.finetune.pretraining.corpus import read_lines
from w2s.finetune.pretraining.tokenizer import LEAST_VOCABULARY
from w2s.finetune.seeds import LARGEST_SEED
from w2s.studies.burns2023.tasks import about, stacked
from w2s.studies.fields import asked_levels
from w2s.studies.ladder.pretraining.claims import CLAIMS
from w2s.studies.ladder.pretraining.figures import FIGURES
from w2s.studies.ladder.pretraining.solve import COLUMNS, ladder_graph, ladder_row
from w2s.summary.population import SeedsDraw
from w2s.summary.text import summary_lines
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Pretraining", "PretrainingCell"]


class PretrainingCell(Cell):
    """One pretraining."""

    corpus: DataFile = field(description="text to learn, a document a line, UTF-8, in gzip or not")
    splits: Literal["text", "smiles"] = field("text", description="what a token stays inside of: a word, or an atom of SMILES")
    held_out: DataFile | None = field(None, description="text that is scored; null: the last held_lines lines of the corpus")
    held_lines: int = field(0, description="lines at the corpus's end that are not learned", unit="lines", ge=0)
    other: DataFile | None = field(None, description="a second text that is scored")
    vocabulary: int = field(2048, description="most tokens of the tokenizer", unit="tokens", ge=LEAST_VOCABULARY, le=65536)
    layers: int = field(2, description="layers of the decoder", ge=1)
    hidden: int = field(description="width of its states", ge=2)
    heads: int = field(2, description="attention heads, of an even width each", ge=1)
    context: int = field(128, description="tokens of a window", unit="tokens", ge=2)
    tokens: int | None = field(None, description="tokens of the corpus, from its beginning; null: all", unit="tokens", ge=3)
    epochs: int = field(1, description="passes over them", ge=1)
    batch: int = field(16, description="windows a step", ge=1)
    learning_rate: float = field(3e-3, description="peak rate of AdamW", gt=0)
    schedule: Literal["cosine", "linear", "constant"] = field("cosine", description="rate over the steps")
    warmup: float = field(0.05, description="share of the steps in which the rate rises", ge=0, lt=1)
    weight_decay: float = field(0.1, description="of AdamW, on matrices", ge=0)
    clip: float | None = field(1.0, description="largest norm of a step's gradient; null: no limit", gt=0)


class Pretraining(Study):
    """Pretrained decoders of several sizes."""

    name = "ladder.pretraining"
    version = 1
    error_unit = "nats a byte"
    seeds_draw: ClassVar[SeedsDraw] = "test_part"
    Cell = PretrainingCell
    summary = "ladders of small language models, pretrained here on text or molecules: held-out bits per byte by size"
    columns: ClassVar[Mapping[str, str]] = COLUMNS
    finite = ("student_error",)
    rules = (
        Rule(
            ("hidden", "heads"),
            lambda hidden, heads: hidden % (2 * heads) == 0,
            "hidden must be a multiple of 2 x heads: rotary positions turn pairs of numbers",
        ),
        Rule(("seed",), lambda seed: seed <= LARGEST_SEED, f"seeds of this study go from 0 to {LARGEST_SEED}"),
    )
    claims = CLAIMS
    figures = FIGURES
    example: ClassVar[Mapping[str, Any]] = {
        "corpus": "data:english_novels/train.txt.gz",
        "held_out": "data:english_novels/valid.txt.gz",
        "hidden": [16, 32, 64],
        "tokens": 200_000,
    }

    def check(self, block: Block) -> None:
        """Refuse texts that cannot be read, nothing to score, and more held-out lines than there are."""
        for level in asked_levels(block, "corpus", "held_lines", "held_out"):
            with about("corpus"):
                count = len(read_lines(level["corpus"]))
            if level["held_out"] is None and not level["held_lines"]:
                raise FieldError("nothing is held out: name a text in held_out, or a number of lines in held_lines", "held_out")
            if level["held_out"] is not None and level["held_lines"]:
                raise FieldError("name held_out or held_lines, not both", "held_lines")
            if level["held_lines"] >= count:
                raise FieldError(f"{level['corpus'].name} has {count:,} lines; fewer must be held out", "held_lines")
        for name in ("held_out", "other"):
            for file in block.values(name):
                with about(name):
                    if file is not None:
                        read_lines(file)

    def reads(self, block: Block) -> Sequence[str]:
        """Say of every corpus how many lines it has, and how many of them are held out."""
        levels = asked_levels(block, "corpus", "held_lines")
        return [
            f"{level['corpus'].name}: {len(read_lines(level['corpus'])):,} lines, {level['held_lines']:,} of them held out"
            for level in levels
        ]

    def digest(self, table: DataFrame) -> DataFrame:
        """Summarise bits per byte by size."""
        metrics = [name for name in ("bits_per_byte", "other_bits_per_byte") if table[name].notna().any()]
        return summary_lines(table, metrics)

    def needs(self, block: Block) -> Sequence[Call]:
        """List tokenizer, tokens, model and scores of every wanted cell."""
        return [call for cell in block.cells() for call in ladder_graph(cell).needs]

    def unblind(self, block: Block) -> str:  # noqa: ARG002
        """Say nothing: there are no labels, and no model sees a held-out text."""
        return ""

    def cost(self, block: Block) -> Cost:
        """Count a nominal pretraining per cell, so that every cell is a block; ``plan`` counts the artifacts."""
        return Cost(flops=_PRETRAINING * block.size, bytes=64e6)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002
        """Read what the pretrainings and their scores say."""
        if self.store is None:
            raise RuntimeError("this study reads artifacts: build it with the store that holds them")
        wanted = np.ones(block.size, dtype=bool) if block.mask is None else block.mask.reshape(-1)
        cells = block.with_mask(None).cells()
        rows = [ladder_row(cell, self.store) if keep else None for cell, keep in zip(cells, wanted.tolist(), strict=True)]
        nothing = np.full(block.shape, np.nan)
        return dict.fromkeys(("weak_error", "ceiling_error", "misfit"), nothing) | stacked(rows, block)


_PRETRAINING = 1e12
