"""The science: cells and studies, laws of data, theory, metrics, and the statistics of finished tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.fronts import on_demand

if TYPE_CHECKING:
    from w2s.claims.claim import Claim, Verdict
    from w2s.contract.block import Axis, Block, Group
    from w2s.contract.cells import Cell, field
    from w2s.contract.study import Cost, Figure, Piece, Rule, Study
    from w2s.errors import FieldError
    from w2s.files.datafile import DataFile
    from w2s.plotting import plot
    from w2s.summary import best, compare, contrast, summarize
    from w2s.tables.concat import concat
    from w2s.tables.describe import describe
    from w2s.tables.load import load
    from w2s.tables.scan import scan
    from w2s.tables.side_by_side import side_by_side
    from w2s.tabulate import table

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
    "compare",
    "concat",
    "contrast",
    "describe",
    "field",
    "load",
    "plot",
    "scan",
    "side_by_side",
    "summarize",
    "table",
]

_HOME = {
    "Axis": "w2s.contract.block",
    "Block": "w2s.contract.block",
    "Cell": "w2s.contract.cells",
    "Claim": "w2s.claims.claim",
    "Cost": "w2s.contract.study",
    "DataFile": "w2s.files.datafile",
    "FieldError": "w2s.errors",
    "Figure": "w2s.contract.study",
    "Group": "w2s.contract.block",
    "Piece": "w2s.contract.study",
    "Rule": "w2s.contract.study",
    "Study": "w2s.contract.study",
    "Verdict": "w2s.claims.claim",
    "best": "w2s.summary",
    "compare": "w2s.summary",
    "concat": "w2s.tables.concat",
    "contrast": "w2s.summary",
    "describe": "w2s.tables.describe",
    "field": "w2s.contract.cells",
    "load": "w2s.tables.load",
    "scan": "w2s.tables.scan",
    "plot": "w2s.plotting",
    "side_by_side": "w2s.tables.side_by_side",
    "summarize": "w2s.summary",
    "table": "w2s.tabulate",
}


__getattr__ = on_demand(__name__, _HOME)


def __dir__() -> list[str]:
    """List the public names, imported or not: completion in a shell or notebook shows the whole of the API."""
    return sorted(__all__)
