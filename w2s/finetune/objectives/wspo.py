"""Weak-to-strong preference optimisation: the student's log ratio to its reference becomes a weak pair's (arXiv 2410.18640).

The loss of a batch is the mean over target tokens of (gamma (log pi - log pi_reference) - (log p - log q))^2, where p and q are
a weak model after and before its alignment. All log-probabilities but the student's are computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from w2s.finetune.inference.forward import logits_of, moved
from w2s.finetune.inference.target_logs import logs_of
from w2s.finetune.objectives.base import Predict, Source, objective
from w2s.finetune.objectives.options import Number
from w2s.finetune.objectives.sequence import Sequences

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["WSPO"]


@objective("wspo", gamma=Number(0.1, above=True))
class WSPO(Sequences):
    """Squared distances of log ratios on the tokens of answers.

    The four tables are the answers, and log-probabilities of their tokens under the student's reference, the aligned and the
    unaligned weak model. Raises ValueError where models cut an answer into unequal numbers of tokens.
    """

    wanted: list[Tensor]
    gamma: float

    @classmethod
    def read(cls, source: Source) -> Self:
        """Read answers, and what the student's gamma log pi has to become."""
        import torch

        found = super().read(replace(source, labels=source.labels[:1]))
        found.gamma = float(cls.options.checked("objective 'wspo'", source.settings)["gamma"])
        tables = (logs_of(folder, list(found.ids)) for folder in source.labels[1:])
        found.wanted = []
        for count, reference, aligned, unaligned in zip(found.texts.counts(), *tables, strict=True):
            if {len(reference), len(aligned), len(unaligned)} != {int(count)}:
                raise ValueError("student and weak models must have one tokenizer: an answer has unequal numbers of tokens")
            found.wanted.append(torch.from_numpy(np.asarray(found.gamma * reference + (aligned - unaligned), dtype=np.float32)))
        return found

    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:
        """Compute the mean squared distance over all target tokens of a batch, from its sums (b,)."""
        return -super().loss(outputs, places, progress)

    def validated(self, predict: Predict) -> Mapping[str, float]:
        """Score held-out answers by the mean squared distance, ``validation_loss``."""
        return {name: -value for name, value in super().validated(predict).items()}

    def _sums(self, module: nn.Module, rows: Any) -> Tensor:
        """Compute sums of squared distances over the tokens of answers, (b,) float32."""
        import torch

        device = self.counts.device
        logs, mask = logits_of(module, self.texts, rows, device).float(), moved(self.texts.targets(rows), device)
        wanted = torch.zeros_like(logs)
        wanted[mask] = moved(torch.cat([self.wanted[int(k)] for k in rows]), device)
        # First `where`, then the square: a prompt's token that the model finds impossible has log-probability -inf.
        return ((self.gamma * torch.where(mask, logs, 0.0) - wanted) ** 2).sum(dim=1)
