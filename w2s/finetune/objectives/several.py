"""Items with the labels of several supervisors, (n, M, K): what objectives have in common that keep them apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from w2s.finetune.data.tables import read_table
from w2s.finetune.objectives.base import Source
from w2s.finetune.objectives.classification import Classification, LabelledItems

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SeveralLabels", "all_agree"]


def all_agree(labels: Tensor) -> Tensor:
    """Mark items (n,) on whose most probable class all supervisors of labels (n, M, K) agree."""
    classes = labels.argmax(dim=2)
    return (classes == classes[:, :1]).all(dim=1)


class SeveralLabels(Classification):
    """An objective on labels (n, M, K) of M supervisors; one table of labels for each."""

    @classmethod
    def read(cls, source: Source) -> Self:
        """Read texts, one table of labels per supervisor, and what :meth:`_read_more` reads beside them."""
        import torch

        tables, more = cls._read_more(source)
        given = [read_table(folder, "labels") for folder in tables]
        items = LabelledItems(source, given[0], cls.reader)
        targets, held_out = (torch.stack([items.targets(t, rows) for t in given], 1) for rows in (items.own, items.held_out))
        return cls(
            items.texts,
            items.own,
            targets,
            source.loss,
            source.options,
            validation=(items.held_out, held_out) if items.held_out else None,
            kept=items.kept,
            ids=items.ids,
            **(more(items.ids) if callable(more) else more),
            **cls.options.checked("the objective", source.settings),
        )

    @classmethod
    def _read_more(cls, source: Source) -> tuple[Any, Mapping[str, Any] | Any]:
        """Return the folders of labels, and further arguments: a mapping, or a function of the ids of all items."""
        return source.labels, {}

    def _wanted(self, labels: Tensor) -> Tensor:
        return labels.mean(dim=1)
