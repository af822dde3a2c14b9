"""DPO on the preferences of several supervisors, with weights that are learned beside the policy (arXiv 2510.21332)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from w2s.finetune.data.pairs import read_pairs
from w2s.finetune.inference.preference import implicit_rewards, join_rewards, reply_log_probabilities
from w2s.finetune.objectives.base import Examples, Pair, Source, objective
from w2s.finetune.objectives.learned_weights import LearnedWeights
from w2s.finetune.objectives.options import Number
from w2s.finetune.objectives.preference import Reward
from w2s.finetune.objectives.simplex import SIMPLEX_OPTIONS

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["LearnedDPO"]

_SUREST = 1e-6


@objective("learned_dpo", beta=Number(0.1, above=True), **SIMPLEX_OPTIONS)
class LearnedDPO(LearnedWeights):
    """A registered loss on beta_i times the log-ratios, against the reply that the supervisors' mean reward prefers.

    With r_m = log p_m2 - log p_m1 the reward difference of supervisor m and e = sum_m w_m r_m, the chosen reply is the second
    one where e > 0; after the easy part beta_i = beta + tanh(|e| / 2), the difference of the two softmax entries of the mean
    rewards, through which the weights learn. In the easy part beta_i = beta, and only pairs count on which all supervisors
    agree.
    """

    examples: ClassVar[type[Examples]] = Pair
    shape: ClassVar[Mapping[str, Any]] = {"head": "lm"}
    reader: ClassVar[Callable[..., Any]] = staticmethod(read_pairs)
    predicted = Reward.predicted

    def __init__(self, *given: Any, reference: Tensor, beta: float = 0.1, **more: Any) -> None:
        super().__init__(*given, **more)
        self.reference, self.beta = reference, beta

    @classmethod
    def _read_more(cls, source: Source) -> tuple[Any, Any]:
        import torch

        folder = source.labels[-1]

        def reference(ids: Sequence[str]) -> dict[str, Any]:
            return {"reference": torch.as_tensor(join_rewards(folder, list(ids)))}

        return source.labels[:-1], reference

    def to(self, device: torch.device) -> Self:
        """Move targets, reference and weights to a device."""
        self.reference = self.reference.to(device)
        return super().to(device)

    def outputs(self, module: nn.Module, places: Any) -> Tensor:
        """Compute log-ratios log pi - log pi_reference (b, 2) float32 of both replies."""
        return self._ratios(module, self.rows[places], 1.0)

    def rewards(self, module: nn.Module, rows: Any) -> Tensor:
        """Compute implicit rewards (b, 2) float32 of rows of ``texts``, at beta."""
        return self._ratios(module, rows, self.beta)

    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:
        """Compute the loss of a batch, a scalar; a mean over the whole batch, pairs that do not count give zero."""
        import torch

        self.simplex.begin(progress)
        index = self._index(places)
        logs = self.targets[index].double().clamp(_SUREST, 1.0).log()
        difference = self.simplex.mean(logs[:, :, 1] - logs[:, :, 0], index)  # (b,)
        chosen = torch.nn.functional.one_hot((difference.detach() > 0).long(), 2).to(outputs.dtype)
        if progress >= self.simplex.easy:
            scale = self.beta + torch.tanh(0.5 * difference.abs())
            return self.function(scale.to(outputs.dtype)[:, None] * outputs, chosen, progress)
        easy = self.agreed[index]
        count = int(easy.sum())
        if not count:
            return 0.0 * outputs.sum() + 0.0 * difference.sum()
        found = self.function(self.beta * outputs[easy], chosen[easy], progress)
        return count / len(easy) * found + 0.0 * difference.sum()

    def _ratios(self, module: nn.Module, rows: Any, beta: float) -> Tensor:
        policy = reply_log_probabilities(module, self.texts, rows, self.targets.device)  # type: ignore[arg-type]
        return implicit_rewards(policy, self.reference[self._index(rows)], beta)
