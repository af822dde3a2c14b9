"""Decoding from a model with another one held against it: the logits of both become those of their contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.decoding.contrastive import contrastive
from w2s.errors import FieldError

__all__ = ["Contrast"]

Logits = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Contrast:
    """A second causal model of the same tokens, the strength with which it counts, and the share that makes a token plausible.

    Without a strength the second model is not run.
    """

    model: Any
    cd_lambda: float
    plausible: float

    def __post_init__(self) -> None:
        """Raise :class:`FieldError` for numbers out of range."""
        if not (0.0 <= self.cd_lambda < float("inf") and 0.0 <= self.plausible <= 1.0):
            raise FieldError(f"contrast: cd_lambda {self.cd_lambda!r} is from 0 on, plausible {self.plausible!r} in [0, 1]")

    @property
    def others(self) -> list[Any]:
        """The models that are run beside the first."""
        return [self.model] if self.cd_lambda else []

    def logits(self, first: Logits, others: list[Logits]) -> npt.NDArray[np.float64]:
        """Return log-probabilities (V,) of the contrast, float64, -inf where a token is not plausible, from logits (V,)."""
        log_p = _log_softmax(first)
        log_q = _log_softmax(others[0]) if others else log_p
        return np.asarray(contrastive(log_p, log_q, self.cd_lambda, self.plausible), dtype=np.float64)


def _log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    values = np.asarray(logits, dtype=np.float64)
    values = values - values.max()
    return np.asarray(values - np.log(np.exp(values).sum()))
