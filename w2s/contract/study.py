"""What a study is: a cell type, the arithmetic of a block, and what to draw.

A study of your own subclasses :class:`Study`, names its :class:`~w2s.contract.cells.Cell`, and fills ``solve``. See
``docs/studies.md`` for an example of forty lines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim
from w2s.contract.block import Block
from w2s.contract.cells import Cell
from w2s.contract.memo import Memo
from w2s.summary.population import SeedsDraw

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure as Canvas
    from pandas import DataFrame

    from w2s.artifacts import Call, Store
    from w2s_kernels import Backend

__all__ = ["Common", "Cost", "Figure", "Kind", "Piece", "Rule", "Study"]

Rows = Mapping[str, npt.NDArray[Any]]
Kind = Literal[
    "gemm", "syrk", "cholesky", "trsm", "eigh", "svd", "qr", "normals", "descent", "robust", "logistic", "elementwise", "other"
]
"""Kinds of work that a machine does at rates of their own."""
_ORDER = 128.0
"""Order assumed where a study says nothing."""


@dataclass(frozen=True)
class Cost:
    """Nominal work of a block: floating-point operations and bytes held at once. Never a measured time."""

    flops: float
    bytes: float


@dataclass(frozen=True)
class Piece:
    """Work that a block does once for many of its cells. A block lists a piece once per order; ``plan`` adds them by name.

    Attributes
    ----------
    name : what is computed, without sizes: "eigendecomposition of the student's Gram".
    kind : which of the machine's rates it runs at.
    count : how many of them the block computes.
    flops : nominal operations of all of them together, from :mod:`w2s_kernels.flops`.
    serves : fields whose values share one of them: one more value of such a field costs none more.
    why : the reason, in a few words: "every ridge and time is a filter of one spectrum".
    order : order d of the matrices (or length of the vectors), on which the rate depends.

    """

    name: str
    kind: Kind
    count: float
    flops: float
    serves: tuple[str, ...]
    why: str
    order: float


@dataclass(frozen=True)
class Common:
    """A value that other blocks of a grid may need too.

    ``key`` is its identity: values of one key are the same. ``pieces`` are its part of the block's account, under the names
    that they have there.
    """

    key: Hashable
    pieces: tuple[Piece, ...]

    @property
    def flops(self) -> float:
        """Nominal operations of computing it."""
        return sum(piece.flops for piece in self.pieces)


@dataclass(frozen=True)
class Rule:
    """A condition between fields that every cell must meet.

    ``test`` receives one array per field (they broadcast against each other; null is NaN) and returns True where all is well.
    """

    fields: tuple[str, ...]
    test: Callable[..., npt.NDArray[np.bool_]]
    says: str


@dataclass(frozen=True)
class Figure:
    """A picture drawn from a finished table: ``draw`` returns a matplotlib figure, or None when the table lacks the axes.

    The table that a report draws holds one row or more, and none that is ``failed`` or ``nonfinite``. ``claims`` are the ids of
    the study's claims that the picture bears on: a report links them.
    """

    id: str
    title: str
    draw: Callable[[DataFrame], Canvas | None]
    claims: tuple[str, ...] = ()


class Study(ABC):
    """A family of cells that can be solved.

    Attributes
    ----------
    name : the study's identity, never its path.
    version : raise it when the numbers change; rows of another version are set aside. Rows of a study in a file or in another
        package also carry a digest of its source, and a launch refuses to add rows of another source in silence.
    Cell : the cell type.
    shares : fields whose cells share work, most expensive to cut first.
    columns : extra result columns beyond the common ones, name -> Arrow type name.
    explains : what the columns of a study of your own mean, name -> a line; the built-in ones are in :mod:`w2s.glossary`.
    pgr : those of them that are the PGR of another student, name -> the column of its error: summaries take ratios of means.
    classifies : whether rows carry the 0-1 columns.
    error_unit : what errors, gain and misfit are measured in, in a few words; ``*_01`` columns are shares of wrong answers.
    finite : result columns that must be finite for a row to be ``ok``. A study without a teacher names those that it has; the
        others, which every row has, are null in its table.
    seeds_draw : what seeds draw anew, as intervals for the population have to know (:mod:`w2s.summary.population`): ``fresh``
        data from a law, the parts of one data set (``pool``), or training rows only (``test_part``); None says nothing.
    rules : conditions between fields, checked for the whole grid before anything runs.
    figures, claims : pictures of the finished table, and sentences about it that ``w2s-sweep verify`` tests.
    example : values for the grid that ``w2s-sweep new`` prints; a list becomes an axis.
    compiled_from : nominal operations of a whole launch from which compiled kernels pay. Below, operations with a twin in array
        code run that, with the same bits. Of a study that says a number Numba is started only where machine code of its loops
        is not kept yet. Only for studies whose usual operations all have twins and kept code.

    """

    name: ClassVar[str]
    version: ClassVar[int]
    Cell: ClassVar[type[Cell]]
    shares: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[Mapping[str, str]] = {}
    explains: ClassVar[Mapping[str, str]] = {}
    pgr: ClassVar[Mapping[str, str]] = {}
    classifies: ClassVar[bool] = False
    error_unit: ClassVar[str] = "squared error"
    finite: ClassVar[tuple[str, ...]] = ("weak_error", "student_error", "ceiling_error", "weak_distance")
    seeds_draw: ClassVar[SeedsDraw | None] = None
    rules: ClassVar[tuple[Rule, ...]] = ()
    figures: ClassVar[tuple[Figure, ...]] = ()
    claims: ClassVar[tuple[Claim, ...]] = ()
    example: ClassVar[Mapping[str, Any]] = {}
    summary: ClassVar[str] = ""
    compiled_from: ClassVar[float] = 0.0

    memo: Memo | None = None
    """Where values that :meth:`common` names are kept between blocks; given by the worker, None for a block alone."""

    def __init__(self, store: Store | None = None) -> None:
        """Build a solver; ``store`` holds the finished artifacts that :meth:`needs` names."""
        self.store = store

    def needs(self, block: Block) -> Sequence[Call]:  # noqa: ARG002
        """List the artifacts that must be finished before the block is solved: trainings, predictions, features.

        The default is none.
        """
        return ()

    def describe(self, call: Call, block: Block) -> str:
        """Name the making of an artifact that ``block`` needs, for a person who watches: what is done, to what, which seed.

        By default the function's name, the names of models and data among the arguments, and the seeds of the block. It is
        shown and decides nothing.
        """
        from w2s.files.datafile import Content

        named = [str(value) for value in call.arguments.values() if isinstance(value, Content)]
        words = [call.artifact.name.removeprefix("w2s.").replace("_", " "), *named]
        seeds = block.values("seed") if "seed" in block.names else []
        return " ".join(words + ([f"seed {seeds[0]}"] if len(seeds) == 1 else []))

    def parts(self, block: Block) -> Iterable[Any]:
        """Name functions and classes that the block's rows depend on and that a user may have written: a loss, a method.

        Rows carry a digest of the source of those that are not of this package. By default the functions of the artifacts.
        """
        from w2s.artifacts import in_order

        return {call.artifact.name: call.artifact.function for call in in_order(self.needs(block))}.values()

    def unblind(self, block: Block) -> str:  # noqa: ARG002
        """Say how truth that only the evaluator may read could reach a student; empty when it cannot. For ``--blind``.

        A study with artifacts must have a method of its own; without it, its grids are refused.
        """
        return ""

    def curves(self, block: Block) -> pa.Table | None:  # noqa: ARG002
        """Return diagnostics by step for the wanted cells, a long table with ``cell_id``; None by default."""
        return None

    def check(self, block: Block) -> None:  # noqa: ARG002
        """Check what a rule between fields cannot see, for instance inside data files.

        Called once per sub-grid with the whole sub-grid as one block, before anything runs. Raise
        :class:`w2s.errors.FieldError` with a message for the user.
        """
        return

    def reads(self, block: Block) -> Sequence[str]:  # noqa: ARG002
        """Say what a block takes from its files, a line each, for ``plan``: inputs, targets, what is left out and why.

        None by default. Called after :meth:`check`.
        """
        return ()

    def digest(self, table: DataFrame) -> DataFrame:
        """Return the few lines a person wants to see of a finished table: one per group of cells, seeds summarised."""
        from w2s.summary.text import summary_lines

        return summary_lines(table, ["weak_error", "student_error", "ceiling_error", "gain", "misfit", "pgr"])

    def words(self) -> Mapping[str, str]:
        """Explain the words that values of fields are made of, such as methods by name: word -> a sentence; none by default."""
        return {}

    @abstractmethod
    def cost(self, block: Block) -> Cost:
        """Estimate the nominal work of solving the block, which decides how a grid is cut."""

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List what the cells of the block share, for ``plan`` to show and to predict a time from; it decides nothing.

        The default is one piece of kind "other" with the operations of :meth:`cost`. A study that gives its pieces should
        make ``cost(block).flops`` their sum, so that there is one account of its work.
        """
        return (Piece("solving", "other", 1.0, self.cost(block).flops, (), "", _ORDER),)

    def common(self, block: Block) -> Iterable[Common]:  # noqa: ARG002
        """Yield values of the block that blocks of other sub-grids may need too; none by default.

        Blocks with such values in common are solved one after another by one worker, which gives them one :attr:`memo`.
        The values are derived from the block's cells alone, without its data.
        """
        return ()

    @abstractmethod
    def solve(self, block: Block, backend: Backend) -> Rows:
        """Solve every cell of the block.

        Returns arrays that broadcast to ``block.shape``: at least ``weak_error``, ``student_error``, ``ceiling_error`` and
        ``misfit``; ``strong_error``, ``gain`` (where a difference form is more exact), ``condition``, ``solver``, ``status``,
        ``message``, 0-1 columns and those of ``columns`` where there are any. :func:`w2s.contract.rows.rows_table` adds the
        rest. A numerical failure of one cell is a status of that cell, not an exception.
        """
