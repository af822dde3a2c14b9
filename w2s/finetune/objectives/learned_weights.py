"""Labels of several supervisors, averaged with weights that are learned together with the student (arXiv 2510.21332).

The weights lie on the simplex and are uniform at first. A student's own gradient raises those of the supervisors whose labels
it fits best: with CE_m the cross-entropy against supervisor m, dL/dw_m = CE_m - sum_k w_k CE_k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from w2s.finetune.data.tokens import Encoded
from w2s.finetune.objectives.base import objective
from w2s.finetune.objectives.several import SeveralLabels, all_agree
from w2s.finetune.objectives.simplex import SIMPLEX_OPTIONS, SimplexWeights

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["LearnedWeights"]


@objective("learned_weights", **SIMPLEX_OPTIONS)
class LearnedWeights(SeveralLabels):
    """A registered loss against the weighted mean of the labels (n, M, K) of M supervisors.

    ``easy`` is the share of the training in which only items count on whose class all supervisors agree (the mean is still over
    the whole batch, so a batch without any gives zero), and in which the weights stay. After that the weights take steps of
    plain gradient descent at ``rate``, are cut at 1e-6 from below and normalised. ``rate`` 0 and ``easy`` 0 is the uniform
    ensemble; one supervisor is plain classification, bit for bit. The other options are those of
    :class:`w2s.finetune.objectives.simplex.SimplexWeights`.
    """

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
        rate: float = 0.05,
        easy: float = 0.3,
        **weights: Any,
    ) -> None:
        super().__init__(texts, rows, targets, loss, options, validation=validation, kept=kept, ids=ids)
        self.separable = False
        self.simplex = SimplexWeights.of(targets, rate=rate, easy=easy, **weights)
        self.agreed = all_agree(targets)

    @property
    def weights(self) -> Tensor:
        """The weights (M,), or (n, M) with a row for each item, with their gradient."""
        return self.simplex.values

    def to(self, device: torch.device) -> Self:
        """Move targets and weights to a device."""
        super().to(device)
        self.agreed = self.agreed.to(device)
        self.simplex.to(device)
        return self

    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:
        """Compute the loss against the weighted labels, on the easy items alone in the first share of the training."""
        self.simplex.begin(progress)
        index = self._index(places)
        targets, share = self.simplex.mean(self.targets[index], index), 1.0
        if progress < self.simplex.easy:
            easy = self.agreed[index]
            count = int(easy.sum())
            if not count:
                return 0.0 * outputs.sum() + 0.0 * targets.sum()  # zero with zero gradients, and no NaN
            if count < len(easy):
                outputs, targets, share = outputs[easy], targets[easy], count / len(easy)
        return share * self.function(outputs, targets, progress)

    def learned(self) -> Mapping[str, Tensor]:
        """Return the weights, float64."""
        return {"weights": self.simplex.values}

    def update(self, progress: float) -> None:
        """Take a step of the weights; none while only easy items count."""
        self.simplex.update(progress)

    def traced(self) -> Tensor:
        """Return the weights (M,), which the curve shows by step."""
        return self.simplex.shown()

    def said(self) -> Mapping[str, Any]:
        """Return the weights, and the share of items on whose class all supervisors agree."""
        return {"weights": self.simplex.shown().tolist(), "agreed": float(self.agreed.double().mean())}

    def _wanted(self, labels: Tensor) -> Tensor:
        return self.simplex.mean(labels.to(self.simplex.values.device)).detach().cpu()
