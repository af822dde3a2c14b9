"""Studies that give account of their work in ways a planner meets: a shared piece, a broken account, an unknown kind."""

from __future__ import annotations

import numpy as np

from w2s import Cell, Cost, Piece, Study, field


class AccountCell(Cell):
    x: float = field(description="any number")


class Shared(Study):
    """One expensive piece however many cells a block has."""

    name, version, Cell = "shared", 1, AccountCell

    def cost(self, block):
        return Cost(1e9, 64.0 * block.size)

    def pieces(self, block):
        return [
            Piece("the expensive piece", "eigh", 1.0, 0.9e9, ("seed", "x"), "all need it", 64.0),
            Piece("the expensive piece", "eigh", 2.0, 0.1e9, ("seed", "x"), "all need it", 32.0),
        ]

    def solve(self, block, backend):
        errors = block.column("x") + np.arange(3.0).reshape(3, *(1,) * len(block.axes))
        return dict(zip(("weak_error", "student_error", "ceiling_error"), errors, strict=True)) | {"misfit": errors[1]}


class Broken(Shared):
    """Its account raises."""

    name = "broken"

    def pieces(self, block):
        raise ZeroDivisionError("no account")


class Odd(Shared):
    """Its account has a kind of work that nobody knows."""

    name = "odd"

    def pieces(self, block):
        return [Piece("magic", "magic", 1.0, 1.0, (), "", 1.0)]
