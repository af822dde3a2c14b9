"""An evaluation: how predictions of one kind are read, and which columns of a row they make."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

__all__ = ["Evaluation", "Seen"]

Given = TypeVar("Given")


@dataclass(frozen=True)
class Seen(Generic[Given]):
    """Predictions of the same test items by the models of a cell.

    ``weak`` are those of every teacher; ``control`` those of the student that learned from the same errors at random items;
    ``labels`` what the student was trained on, for these items, None where nobody knows it.
    """

    weak: Sequence[Given]
    student: Given
    ceiling: Given
    strong: Given
    control: Given | None = None
    labels: Given | None = None


class Evaluation(ABC, Generic[Given]):
    """Predictions to columns.

    Attributes
    ----------
    columns : what :meth:`row` gives beyond the columns of every table, name -> Arrow type name.

    """

    columns: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def read(self, predictions: Path, ids: list[str]) -> Given:
        """Read the predictions of some items, in their order, from the folder of a finished artifact."""

    @abstractmethod
    def row(self, truth: Any, seen: Seen[Given]) -> dict[str, Any]:
        """Compute the columns of a row, including the errors that every table must have."""
