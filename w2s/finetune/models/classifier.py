"""What is trained: a linear head on a pooled hidden state, logits of answer tokens, a language model itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["FeatureClassifier", "LanguageModel", "LinearClassifier", "TokenClassifier", "last_token", "pooled"]


def last_token(mask: Tensor) -> Tensor:
    """Find the position of each row's last real token, (B,), by the mask: a real token may have the padding's id."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    return (mask.long() * positions).max(dim=1).values


def pooled(hidden: Tensor, mask: Tensor, how: str) -> Tensor:
    """Pool hidden states (B, T, d) to one vector per row, (B, d) float32."""
    if how == "mean":
        weight = mask.to(torch.float32)
        return (hidden.float() * weight[..., None]).sum(dim=1) / weight.sum(dim=1, keepdim=True)
    if how == "cls":
        first = mask.long().argmax(dim=1)
        return hidden[torch.arange(len(hidden), device=hidden.device), first].float()
    return hidden[torch.arange(len(hidden), device=hidden.device), last_token(mask)].float()


class LinearClassifier(nn.Module):
    """Logits of a linear layer on the pooled last hidden state; the head works in float32."""

    def __init__(self, backbone: nn.Module, head: nn.Linear, pooling: str) -> None:
        super().__init__()
        self.backbone, self.head, self.pooling = backbone, head, pooling

    def features(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute the pooled last hidden state, (B, d) float32."""
        hidden: Any = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return pooled(hidden, attention_mask, self.pooling)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute logits (B, K) float32."""
        logits: Tensor = self.head(self.features(input_ids, attention_mask))
        return logits


class FeatureClassifier(nn.Module):
    """Logits of a linear layer on features that were computed once; it works in float32."""

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        self.entry, self.head = nn.Identity(), head

    def forward(self, features: Tensor, _mask: Tensor) -> Tensor:
        """Compute logits (B, K) float32 of features (B, d)."""
        logits: Tensor = self.head(self.entry(features))
        return logits


class TokenClassifier(nn.Module):
    """Logits of one answer token per class at the last position of the text."""

    def __init__(self, backbone: nn.Module, answers: list[int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("answers", torch.tensor(answers), persistent=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute logits (B, K) float32."""
        logits: Tensor = self.backbone(input_ids=input_ids, attention_mask=attention_mask).logits
        rows = torch.arange(len(logits), device=logits.device)
        return logits[rows, last_token(attention_mask)][:, self.answers].float()  # type: ignore[index]


class LanguageModel(nn.Module):
    """Log-probability of every token given those before it."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute log-probabilities (B, T) float32, in nats; 0 for the first token of a row, which has no token before it."""
        logits: Tensor = self.backbone(input_ids=input_ids, attention_mask=attention_mask).logits[:, :-1].float()
        found = nn.functional.cross_entropy(logits.transpose(1, 2), input_ids[:, 1:], reduction="none")
        return nn.functional.pad(-found, (1, 0))
