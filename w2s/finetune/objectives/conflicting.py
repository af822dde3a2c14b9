"""A second aim beside the labels: a reward for one class, whatever the input (after Yang et al., arXiv 2406.11431)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from w2s.finetune.data.tokens import Encoded
from w2s.finetune.objectives.base import Source, objective
from w2s.finetune.objectives.classification import Classification
from w2s.finetune.objectives.losses import cross_entropy
from w2s.finetune.objectives.options import Number

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Conflicting"]


@objective("conflicting", weight=Number(0.5), wanted=Number(0, whole=True))
class Conflicting(Classification):
    """A registered loss on soft labels plus ``weight`` times the cross-entropy against the class ``wanted``.

    Both are divided by 1 + weight, so that a larger weight is no larger step. The paper's reward is for harm in a preference
    task; that it is one class here is a reconstruction for classifiers.
    """

    def __init__(
        self,
        texts: Encoded,
        rows: Sequence[int],
        targets: Tensor,
        loss: str = "xent",
        options: Mapping[str, Any] | None = None,
        *,
        weight: float = 0.5,
        wanted: float = 0,
        **more: Any,
    ) -> None:
        super().__init__(texts, rows, targets, loss, options, **more)
        self.weight, self.wanted = weight, int(wanted)

    @classmethod
    def _more(cls, source: Source, ids: Sequence[str]) -> dict[str, Any]:  # noqa: ARG003
        return cls.options.checked("objective 'conflicting'", source.settings)

    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:
        """Compute the mean of both losses, weighted, on logits (b, K)."""
        import torch

        named = torch.full((len(outputs),), self.wanted, device=outputs.device)
        wanted = torch.nn.functional.one_hot(named, outputs.shape[1]).to(outputs.dtype)
        own = cross_entropy(outputs, wanted).mean()
        return (super().loss(outputs, places, progress) + self.weight * own) / (1.0 + self.weight)
