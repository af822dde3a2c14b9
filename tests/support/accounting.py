"""For tests of studies: an account of a block's work is well formed and adds up to its cost."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest

from w2s.contract.block import Block
from w2s.contract.cells import cell_fields
from w2s.contract.study import Kind
from w2s.studies.registry import find_study

LIGHTER = ("probe.table", "charikar2024.molecules", "charikar2024.transformers", "dong2025.features", "dong2025.regression")
"""Studies whose cells share more than when the cut of grids was fixed: cuts count more than is computed."""


def check_account(name: str, block: Block) -> None:
    """Pieces of a known kind whose operations add up to the cost, and real fields that share them, for a reason."""
    study = find_study(name)
    pieces = study().pieces(block)
    cost = study().cost(block)
    total = sum(piece.flops for piece in pieces)
    if name in LIGHTER:
        assert total <= cost.flops * (1 + 1e-12)
    else:
        assert cost.flops == pytest.approx(total, rel=1e-12)
    assert cost.bytes > 0
    for piece in pieces:
        assert piece.kind in get_args(Kind)
        assert piece.count > 0
        assert piece.flops > 0
        assert math.isfinite(piece.flops)
        assert piece.order >= 1
        assert set(piece.serves) <= set(cell_fields(study.Cell)), piece.name
        assert bool(piece.serves) == bool(piece.why), piece.name
    by_name: dict[str, set[Any]] = {}
    for piece in pieces:
        by_name.setdefault(piece.name, set()).add((piece.serves, piece.why))
    assert all(len(told) == 1 for told in by_name.values())
