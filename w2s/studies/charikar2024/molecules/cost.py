"""What molecules cost beyond the probes on them: fingerprints of 2048 bits, folded to the few that a weak model sees.

The account of the probes stands in :mod:`w2s.studies.probe.table.cost`, and takes a table to have the rows that its cells
name. This one adds to it what takes most of the time of a small probe.
"""

from __future__ import annotations

from collections.abc import Iterator

from w2s.contract.block import Block
from w2s.contract.study import Piece
from w2s.laws.molecules import BITS
from w2s.sharing.workloads import MOVED
from w2s.studies.probe.table.cost import FILTER, HELD_OUT, STUDENT

__all__ = ["folding_pieces"]

PASSES = 2.0
"""Passes over the bits: padded to a multiple of the width, and the largest of each class of them."""

_WEAK = ("weak_features", "d_weak", "n_labeled")
_ROWS = ("n_transfer", "n_validation", "n_test")


def folding_pieces(block: Block) -> Iterator[Piece]:
    """Fingerprints folded for weak and strong models; kept bits are read once for each file and cost nothing here."""
    designs, shapes = len(block.group(*STUDENT)), block.group(*_ROWS).levels
    rows = sum(n["n_transfer"] + n["n_validation"] + (n["n_test"] or HELD_OUT) for n in shapes) / len(shapes)
    serves, why = ("ridge_weak", "labels", *FILTER), "ridges and label rules see the same bits"
    weak = [level["n_labeled"] + rows for level in block.group(*_WEAK).levels if _folded(level["weak_features"])]
    if weak:
        yield _piece("folded fingerprints of the weak models", designs, weak, serves, why)
    strong = block.group("strong_features").levels
    share = sum(_folded(level["strong_features"]) for level in strong) / len(strong)
    if share:
        whole = [max(block.values("n_labeled")) + rows]
        yield _piece("folded fingerprints of the students", share * designs, whole, (*_WEAK, *serves), why)


def _folded(features: str) -> bool:
    return features.startswith("morgan:")


def _piece(name: str, designs: float, rows: list[float], serves: tuple[str, ...], why: str) -> Piece:
    work = designs * PASSES * MOVED * sum(rows) * BITS
    return Piece(name, "elementwise", designs * len(rows), work, serves, why, BITS)
