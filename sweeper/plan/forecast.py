"""What a plan computes and how long that should take: the distinct pieces of work of a whole grid, and predicted seconds.

A forecast is for a person to read. It is made from a plan and a machine's rates and nothing is made from it: how a grid is cut
and how a block is solved do not depend on measured time, so the bits of a run do not either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args

from sweeper.errors import GridError
from sweeper.plan.artifacts import has_artifacts
from sweeper.plan.bundle import saved_pieces
from sweeper.plan.cut import Plan
from sweeper.plan.rates import Rates, load_rates
from w2s.contract.block import Block
from w2s.contract.study import Kind, Piece, Study
from w2s.user_files import told

__all__ = ["Forecast", "Line", "is_predicted", "make_forecast", "pieces_of"]


@dataclass
class Line:
    """All pieces of one name in a grid."""

    name: str
    serves: tuple[str, ...]
    why: str
    count: float = 0.0
    flops: float = 0.0
    seconds: float = 0.0
    orders: set[float] = field(default_factory=set)

    @property
    def size(self) -> str:
        """Order of the matrices, or their range."""
        low, high = min(self.orders, default=0.0), max(self.orders, default=0.0)
        return f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"


@dataclass(frozen=True)
class Forecast:
    """Pieces of a grid, and core seconds: ``solving`` is what the footers of parts hold, ``writing`` comes on top.

    ``remark`` says where the rates come from.
    """

    lines: tuple[Line, ...]
    rows: float
    writing: float
    remark: str

    @property
    def solving(self) -> float:
        """Core seconds of solving blocks and making their rows."""
        return sum(line.seconds for line in self.lines) + self.rows

    @property
    def seconds(self) -> float:
        """Core seconds of everything."""
        return self.solving + self.writing


def make_forecast(plan: Plan, rates: Rates | None = None) -> Forecast:
    """Add up the pieces of a plan's blocks, and their predicted seconds by this machine's rates (or those given).

    A bounded number of blocks of each sub-grid is examined, so a large grid costs no more than a small one.
    """
    known, remark = load_rates() if rates is None else (rates, "")
    lines: dict[tuple[str, tuple[str, ...], str], Line] = {}
    for weight, piece in _pieces(plan):
        line = lines.setdefault((piece.name, piece.serves, piece.why), Line(piece.name, piece.serves, piece.why))
        line.count += weight * piece.count
        line.flops += weight * piece.flops
        line.seconds += weight * known.seconds(piece)
        line.orders.add(piece.order)
    size = (plan.cells, plan.block_count)
    counted = tuple(line for line in lines.values() if round(line.count))  # what blocks share may leave nothing of a piece
    return Forecast(counted, known.rows.seconds(*size), known.files.seconds(*size), remark)


def _pieces(plan: Plan) -> Iterator[tuple[float, Piece]]:
    study = plan.grid.study()
    for cut in plan.cuts:
        for weight, block in cut.sample():
            for piece in pieces_of(study, block):
                yield weight, piece
    for piece in saved_pieces(plan):
        yield -1.0, piece


def pieces_of(study: Study, block: Block) -> list[Piece]:
    """List the pieces of a block. Raises :class:`sweeper.errors.GridError` where a study's account of its work is broken."""
    try:
        pieces = list(study.pieces(block))
    except Exception as error:
        raise GridError(f"{study.name}.pieces raised {told(error)}") from error
    for piece in pieces:
        if not isinstance(piece, Piece):
            raise GridError(f"{study.name}.pieces holds {type(piece).__name__}, not only Piece")
        if piece.kind not in get_args(Kind):
            raise GridError(f"{study.name}.pieces: {piece.kind!r} is not a kind of work; known: {', '.join(get_args(Kind))}")
    return pieces


def is_predicted(study: type[Study]) -> bool:
    """Tell whether seconds can be predicted: the cost of a study with artifacts and without pieces is a mere placeholder."""
    return study.pieces is not Study.pieces or not has_artifacts(study)
