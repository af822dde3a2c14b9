"""Class probabilities as targets: the objective of every loss over logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.finetune.data.tables import WEIGHT, join, probabilities, read_table
from w2s.finetune.data.tokens import Encoded, read_texts
from w2s.finetune.inference.forward import logits_of, moved, probabilities_of
from w2s.finetune.objectives.base import Examples, Labelled, Objective, Predict, Source, objective
from w2s.finetune.objectives.losses import cross_entropy, find_loss
from w2s.labels.weights import repeated

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["Classification", "LabelledItems"]

Matrix = npt.NDArray[np.float64]


class LabelledItems:
    """The items of a training, found by their ids: those to learn from, those held out, those that are predicted.

    A column ``weight`` of the labels says how often each item to learn from occurs, on average once: items of weight 0 never
    do, others in their place, so that the number of steps and of items in a step stays (:func:`w2s.labels.weights.repeated`).
    Without the column every item occurs once; equal weights are the same, bit for bit.
    """

    def __init__(self, source: Source, given: pa.Table, read: Callable[..., Any] = read_texts) -> None:
        self.ids, self.texts, parts = source.inputs(read)
        named = set(given["item_id"].to_pylist())
        self.own = [k for k, name in enumerate(self.ids) if parts[k] == source.part and name in named]
        if len(self.own) != source.rows:
            known = f"{source.rows} labelled items of part {source.part!r} were announced, the labels have {len(self.own)}"
            raise ValueError(known)
        if WEIGHT in given.column_names:
            weights = join([self.ids[k] for k in self.own], given)[WEIGHT].to_numpy()
            self.own = [self.own[place] for place in repeated(weights)]
        self.held_out = [k for k, name in enumerate(parts) if name == "validation" and self.ids[k] in named]
        self.kept = [k for k, name in enumerate(parts) if name in ("validation", "test")]

    def targets(self, given: pa.Table, rows: Sequence[int]) -> Tensor:
        """Return class probabilities (n, K) float32 of some items."""
        import torch

        return torch.as_tensor(probabilities(join([self.ids[k] for k in rows], given)), dtype=torch.float32)


@objective("classification")
class Classification(Objective):
    """A registered loss on soft labels.

    ``rows`` (n,) of ``texts`` are learned with ``targets`` (n, K); ``validation`` pairs held-out rows with given labels (m, K).
    """

    examples: ClassVar[type[Examples]] = Labelled
    sees_rows_alone: ClassVar[bool] = True

    reader: ClassVar[Callable[..., Any]] = staticmethod(read_texts)

    def __init__(
        self,
        texts: Encoded,
        rows: Sequence[int],
        targets: Tensor,
        loss: str = "xent",
        options: Mapping[str, Any] | None = None,
        *,
        validation: tuple[Sequence[int], Tensor] | None = None,
        kept: Sequence[int] = (),
        ids: Sequence[str] = (),
    ) -> None:
        self.texts, self.rows, self.targets = texts, np.asarray(rows, dtype=np.int64), targets
        self.lengths, self.width = texts.lengths[self.rows], targets.shape[-1]
        self.validation, self.kept, self.ids = validation, kept, ids
        found = find_loss(loss)
        self.function, self.separable = found.with_options(options or {}), found.separable

    @classmethod
    def read(cls, source: Source) -> Self:
        """Read texts (or what :attr:`reader` reads in their place) and the one table of labels."""
        given = read_table(source.labels[0], "labels")
        items = LabelledItems(source, given, cls.reader)
        return cls(
            items.texts,
            items.own,
            items.targets(given, items.own),
            source.loss,
            source.options,
            validation=(items.held_out, items.targets(given, items.held_out)) if items.held_out else None,
            kept=items.kept,
            ids=items.ids,
            **cls._more(source, items.ids),
        )

    @classmethod
    def _more(cls, source: Source, ids: Sequence[str]) -> dict[str, Any]:  # noqa: ARG003
        """Return further arguments, from the options and the other tables."""
        return {}

    def to(self, device: torch.device) -> Self:
        """Move the targets to a device."""
        self.targets = self.targets.to(device)
        return self

    def outputs(self, module: nn.Module, places: Any) -> Tensor:
        """Compute logits (b, K) float32."""
        return logits_of(module, self.texts, self.rows[places], self.targets.device).float()

    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:
        """Compute the registered loss on logits (b, K)."""
        return self.function(outputs, self.targets[self._index(places)], progress)

    def predicted(self, module: nn.Module, rows: Any) -> Matrix:
        """Compute class probabilities (b, K) float64."""
        return probabilities_of(module, self.texts, rows)

    def validated(self, predict: Predict) -> Mapping[str, float]:
        """Score held-out items: the share whose most probable class is that of their given labels, and the cross-entropy."""
        import torch

        if self.validation is None:
            return {}
        rows, labels = self.validation
        found, wanted = torch.as_tensor(predict(rows)), self._wanted(labels)
        return {
            "validation_agreement": float((found.argmax(dim=1) == wanted.argmax(dim=1)).double().mean()),
            "validation_loss": float(cross_entropy(found.clamp_min(1e-30).log(), wanted.double()).mean()),
        }

    def _wanted(self, labels: Tensor) -> Tensor:
        """Return the given labels (m, K) of held-out items."""
        return labels

    def _index(self, places: Any) -> Tensor:
        import torch

        return moved(torch.as_tensor(places), self.targets.device)
