"""Evidence from several supervisors and from the student itself (Bayesian weak-to-strong, arXiv 2406.03199)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s.finetune.objectives.base import objective
from w2s.finetune.objectives.losses import coefficient, concentration, dirichlet_divergence
from w2s.finetune.objectives.options import Number, OneOf
from w2s.finetune.objectives.several import SeveralLabels
from w2s.finetune.objectives.simplex import by_certainty, by_content

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Bayesian"]


@objective(
    "bayesian",
    gamma=Number(0.5, high=1),
    warmup=Number(0.2, high=1),
    weights=OneOf("uniform", "entropy"),
    evidence=OneOf("softplus", "relu"),
)
class Bayesian(SeveralLabels):
    """(1 - g) sum_m lambda_m sum_c q_mc L_c + g L_own, L_c the evidential loss of class c, own = argmax of the logits.

    g rises from 0 to ``gamma`` over the first share ``warmup`` of the training. Without that (``warmup`` 0, as in the source's
    code) a head of zeros, which gives every item the first class, may stay there.

    L_c = log S - log a_c + progress KL(Dir(e_c + (1 - e_c) a) || Dir(1)), a = evidence(logits) + 1, S = sum a (see the
    loss ``evidential``). Weights lambda sum to 1: uniform, or inverse to the mean entropies of the supervisors' labels. No
    gradient goes through the own class. Sums over supervisors follow an order of their labels' content, so permuting them
    changes no bit.
    """

    def __init__(
        self,
        *given: Any,
        gamma: float = 0.5,
        warmup: float = 0.2,
        weights: str = "uniform",
        evidence: str = "softplus",
        **more: Any,
    ) -> None:
        import torch

        super().__init__(*given, **more)
        self.separable, self.gamma, self.warmup, self.evidence = False, gamma, warmup, evidence
        count = self.targets.shape[1]
        found = torch.full((count,), 1.0 / count, dtype=torch.float64)
        order = by_content(self.targets)
        if weights == "entropy":
            found = by_certainty(self.targets)
            found = found / found[order].sum()
        self.shares = found
        self.targets = self.targets[:, order]
        self.lambdas = found[order].to(self.targets.dtype)

    def to(self, device: torch.device) -> Bayesian:
        """Move targets and weights to a device."""
        super().to(device)
        self.lambdas = self.lambdas.to(device)
        return self

    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:
        """Compute the loss, a scalar; the registered loss of the text is not used."""
        import torch

        each = self.by_class(outputs, progress, self.evidence)
        given = (self.lambdas[:, None] * self.targets[self._index(places)]).sum(dim=1)
        own = torch.nn.functional.one_hot(outputs.detach().argmax(dim=1), outputs.shape[1]).to(outputs.dtype)
        share = coefficient("paper", progress, self.gamma, self.warmup)
        return (((1.0 - share) * given + share * own) * each).sum(dim=1).mean()

    @staticmethod
    def by_class(logits: Tensor, progress: float, evidence: str = "softplus") -> Tensor:
        """Compute the evidential loss of every class, (b, K)."""
        import torch

        alpha = concentration(logits, evidence)
        fit = alpha.sum(dim=1, keepdim=True).log() - alpha.log()
        classes = torch.eye(logits.shape[1], dtype=logits.dtype, device=logits.device)
        kept = classes + (1.0 - classes) * alpha[:, None]  # (b, K, K): class c's own evidence is taken out
        return fit + progress * dirichlet_divergence(kept)
