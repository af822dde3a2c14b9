"""Labels of several supervisors, averaged with weights that are learned together with the student (arXiv 2510.21332).

The weights lie on the simplex and are uniform at first. A student's own gradient raises those of the supervisors whose labels
it fits best: with CE_m the cross-entropy against supervisor m, dL/dw_m = CE_m - sum_k w_k CE_k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from w2s.finetune.data.tables import read_table
from w2s.finetune.data.tokens import Encoded
from w2s.finetune.objectives.base import Source, objective
from w2s.finetune.objectives.classification import Classification, LabelledItems
from w2s.finetune.objectives.options import Number

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["LearnedWeights"]

_LEAST = 1e-6
"""A weight below this is raised to it before the weights are normalised, so that no supervisor is lost for good."""


@objective("learned_weights", rate=Number(0.05), easy=Number(0.3, high=1))
class LearnedWeights(Classification):
    """A registered loss against the weighted mean of the labels (n, M, K) of M supervisors.

    ``easy`` is the share of the training in which only items count on whose class all supervisors agree (the mean is still over
    the whole batch, so a batch without any gives zero), and in which the weights stay uniform. After that the weights take
    steps of plain gradient descent at ``rate``, are cut at 1e-6 from below and normalised. ``rate`` 0 and ``easy`` 0 is the
    uniform ensemble; one supervisor is plain classification, bit for bit.
    """

    def __init__(
        self,
        texts: Encoded,
        rows: Sequence[int],
        targets: Tensor,
        loss: str = "xent",
        options: Mapping[str, Any] | None = None,
        *,
        rate: float = 0.05,
        easy: float = 0.3,
        **more: Any,
    ) -> None:
        import torch

        super().__init__(texts, rows, targets, loss, options, **more)
        self.separable = False
        self.rate, self.easy = rate, easy
        count = targets.shape[1]
        self.weights = torch.full((count,), 1.0 / count, dtype=torch.float64, requires_grad=True)
        classes = targets.argmax(dim=2)
        self.agreed = (classes == classes[:, :1]).all(dim=1)

    @classmethod
    def read(cls, source: Source) -> Self:
        """Read texts and one table of labels per supervisor."""
        import torch

        given = [read_table(folder, "labels") for folder in source.labels]
        items = LabelledItems(source, given[0])
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
            **cls.options.checked("objective 'learned_weights'", source.settings),
        )

    def to(self, device: torch.device) -> Self:
        """Move targets and weights to a device."""
        super().to(device)
        self.agreed = self.agreed.to(device)
        self.weights = self.weights.detach().to(device).requires_grad_()
        return self

    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:
        """Compute the loss against the weighted labels, on the easy items alone in the first share of the training."""
        index = self._index(places)
        targets, share = self._mean(self.targets[index]), 1.0
        if progress < self.easy:
            easy = self.agreed[index]
            count = int(easy.sum())
            if not count:
                return 0.0 * outputs.sum() + 0.0 * targets.sum()  # zero with zero gradients, and no NaN
            if count < len(easy):
                outputs, targets, share = outputs[easy], targets[easy], count / len(easy)
        return share * self.function(outputs, targets, progress)

    def learned(self) -> Mapping[str, Tensor]:
        """Return the weights (M,) float64."""
        return {"weights": self.weights}

    def update(self, progress: float) -> None:
        """Take a step down the gradient, then clip and normalise the weights; do nothing while only easy items count."""
        import torch

        if progress < self.easy or self.rate == 0.0 or self.weights.grad is None:
            return
        with torch.no_grad():
            moved = (self.weights - self.rate * self.weights.grad).clamp_min(_LEAST)
            self.weights.copy_(moved / moved.sum())

    def traced(self) -> Tensor:
        """Return the weights (M,), which the curve shows by step."""
        return self.weights.detach()

    def said(self) -> Mapping[str, Any]:
        """Return the weights, and the share of items on whose class all supervisors agree."""
        return {"weights": self.weights.detach().tolist(), "agreed": float(self.agreed.double().mean())}

    def _wanted(self, labels: Tensor) -> Tensor:
        return self._mean(labels.to(self.weights.device)).detach().cpu()

    def _mean(self, labels: Tensor) -> Tensor:
        """Average labels (b, M, K) by the weights, (b, K); the division by the sum of the weights makes rows sum to 1."""
        weights = (self.weights / self.weights.sum()).to(labels.dtype)
        return (weights[:, None] * labels).sum(dim=1)
