"""Preferences between two replies to one prompt: a reward model (Bradley and Terry 1952), and DPO (arXiv 2305.18290).

Both give an item two rewards, (b, 2), and the probability that the second reply is preferred is sigmoid(r_2 - r_1), which is
the softmax of the rewards. So a loss over the logits of two classes is a loss of preferences: with cross-entropy and one-hot
labels it is -log sigmoid(r_preferred - r_other), and soft labels are preference probabilities of a weaker reward model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from w2s.finetune.data.pairs import EncodedPairs, read_pairs
from w2s.finetune.inference.preference import implicit_rewards, join_rewards, reply_log_probabilities, scalar_rewards
from w2s.finetune.objectives.base import Examples, Pair, Source, objective
from w2s.finetune.objectives.classification import Classification
from w2s.finetune.objectives.options import Number

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["DPO", "Reward"]

Matrix = npt.NDArray[np.float64]


@objective("reward")
class Reward(Classification):
    """A registered loss on the rewards of the two replies; with ``xent`` that of Bradley and Terry."""

    examples: ClassVar[type[Examples]] = Pair
    shape: ClassVar[Mapping[str, Any]] = {"classes": 1}
    reader: ClassVar[Callable[..., Any]] = staticmethod(read_pairs)
    texts: EncodedPairs

    def outputs(self, module: nn.Module, places: Any) -> Tensor:
        """Compute rewards (b, 2) float32."""
        return self.rewards(module, self.rows[places])

    def rewards(self, module: nn.Module, rows: Any) -> Tensor:
        """Compute rewards (b, 2) float32 of rows of ``texts``."""
        return scalar_rewards(module, self.texts, rows, self.targets.device)

    def predicted(self, module: nn.Module, rows: Any) -> Matrix:
        """Compute preference probabilities (b, 2) float64, without dropout."""
        import torch

        training = module.training
        module.eval()
        with torch.no_grad():
            found: Matrix = self.rewards(module, rows).double().softmax(dim=1).cpu().numpy()
        module.train(training)
        return found


@objective("dpo", beta=Number(0.1, above=True))
class DPO(Reward):
    """A registered loss on the implicit rewards beta (log pi(reply | prompt) - log pi_reference(reply | prompt)).

    ``reference`` (items, 2) are the log-probabilities of the replies under the frozen reference, in nats, sums over tokens.
    """

    shape: ClassVar[Mapping[str, Any]] = {"head": "lm"}

    def __init__(self, *given: Any, reference: Tensor, beta: float = 0.1, **more: Any) -> None:
        super().__init__(*given, **more)
        self.reference, self.beta = reference, beta

    @classmethod
    def _more(cls, source: Source, ids: Sequence[str]) -> dict[str, Any]:
        import torch

        reference = torch.as_tensor(join_rewards(source.labels[1], list(ids)))
        return {"reference": reference, **cls.options.checked("objective 'dpo'", source.settings)}

    def to(self, device: torch.device) -> Self:
        """Move targets and reference to a device."""
        self.reference = self.reference.to(device)
        return super().to(device)

    def rewards(self, module: nn.Module, rows: Any) -> Tensor:
        """Compute implicit rewards (b, 2) float32 of rows of ``texts``."""
        policy = reply_log_probabilities(module, self.texts, rows, self.targets.device)
        return implicit_rewards(policy, self.reference[self._index(rows)], self.beta)
