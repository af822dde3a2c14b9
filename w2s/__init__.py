"""The science: cells and studies, laws of data, theory, metrics, and the statistics of finished tables."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2s.block import Axis, Block, Group
    from w2s.cells import Cell, FieldError, field
    from w2s.claims import Claim, Verdict
    from w2s.datafile import DataFile
    from w2s.study import Cost, Figure, Piece, Rule, Study
    from w2s.summary import best, contrast, load, summarize

__all__ = [
    "Axis",
    "Block",
    "Cell",
    "Claim",
    "Cost",
    "DataFile",
    "FieldError",
    "Figure",
    "Group",
    "Piece",
    "Rule",
    "Study",
    "Verdict",
    "best",
    "contrast",
    "field",
    "load",
    "summarize",
]

_HOME = {
    "Axis": "w2s.block",
    "Block": "w2s.block",
    "Cell": "w2s.cells",
    "Claim": "w2s.claims",
    "Cost": "w2s.study",
    "DataFile": "w2s.datafile",
    "FieldError": "w2s.cells",
    "Figure": "w2s.study",
    "Group": "w2s.block",
    "Piece": "w2s.study",
    "Rule": "w2s.study",
    "Study": "w2s.study",
    "Verdict": "w2s.claims",
    "best": "w2s.summary",
    "contrast": "w2s.summary",
    "field": "w2s.cells",
    "load": "w2s.summary",
    "summarize": "w2s.summary",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'w2s' has no attribute {name!r}")
