"""A strong model guided by a weak pair at decoding time, without training: tilted sampling and search by chunks.

Both look at the weak pair's implicit reward, log p_tuned - log p_untuned. ``tilted`` adds it to every token's log-probability
(emulated fine-tuning); ``search`` samples texts from the base model, a chunk of tokens at a time, and keeps those with the
largest reward (weak-to-strong search).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2s.decoding.rewards import token_rewards
from w2s.errors import FieldError

__all__ = ["Found", "Search", "draw_tokens", "search", "tilted"]

Next = Callable[[Any], Any]
"""From tokens (m, t) to log-probabilities (m, V) of the next one."""


@dataclass(frozen=True)
class Search:
    """Sizes of a search: ``beams`` texts are kept, ``samples`` continuations of each are looked at every ``chunk`` tokens."""

    beams: int = 2
    samples: int = 2
    chunk: int = 3

    def __post_init__(self) -> None:
        """Raise :class:`FieldError` for a size below 1."""
        for name in ("beams", "samples", "chunk"):
            if getattr(self, name) < 1:
                raise FieldError(f"search: {name} is a whole number from 1 on, not {getattr(self, name)!r}")

    @property
    def width(self) -> int:
        """How many texts of a prompt are extended at once."""
        return self.beams * self.samples


@dataclass(frozen=True)
class Found:
    """What a search found for each prompt: tokens behind it (n, T), and their implicit reward (n,)."""

    tokens: Any
    reward: Any


def tilted(log_base: Any, log_tuned: Any, log_untuned: Any, weight: float, xp: Any = np) -> Any:
    """Compute log-probabilities of base times (tuned / untuned) to the power ``weight``, normalised; (..., V), they broadcast.

    Weight 0 is the base model. A token without a probability in the base model keeps none. O(V) each. Source: emulated
    fine-tuning, as in arXiv 2405.19262.
    """
    rewards = token_rewards(log_tuned, log_untuned, weight, xp) if weight else xp.zeros_like(log_base)
    scores = xp.where(log_base > -np.inf, log_base + rewards, -np.inf)
    scores = scores - xp.max(scores, axis=-1, keepdims=True)
    return scores - xp.log(xp.sum(xp.exp(scores), axis=-1, keepdims=True))


def draw_tokens(log_p: Any, uniforms: Any, xp: Any = np) -> Any:
    """Draw tokens (m,) at ``uniforms`` (m,) in (0, 1) of the cumulative probabilities of log_p (m, V); int64, O(m V).

    A token of probability 0 is never drawn.
    """
    masses = xp.cumsum(xp.exp(log_p), axis=-1)
    # Below the whole mass, so that a product that rounds up to it takes the last token that has a probability.
    places = xp.minimum(uniforms[..., None] * masses[..., -1:], xp.nextafter(masses[..., -1:], 0.0))
    return xp.sum(masses <= places, axis=-1)


def search(
    prompts: Any,
    base: Next,
    tuned: Next,
    untuned: Next,
    uniforms: Any,
    sizes: Search,
    *,
    ends: Collection[int] = (),
    xp: Any = np,
) -> Found:
    """Continue prompts by the base model, keeping every few tokens the texts with the largest implicit reward.

    Parameters
    ----------
    prompts : tokens (n, t0), int64, t0 at least 1.
    base, tuned, untuned : from tokens (m, t) to log-probabilities (m, V) of the next one; base draws, the others judge.
    uniforms : (n, width, T) in (0, 1), with the ``width`` of ``sizes``: token t of the j-th text in the running uses the t-th
        of row j. With one beam and one sample this is sampling from the base model.
    sizes : beams, samples and chunk.
    ends : tokens that end a text; what follows repeats the end and is worth nothing.
    xp : the array namespace.

    Of texts with equal rewards the first is kept. Cost: T x n x width evaluations of each model on the whole text so far.
    Source: chunk-level beam search of arXiv 2405.19262.
    """
    n, width, length = uniforms.shape
    if width != sizes.width:
        raise ValueError(f"uniforms of {width} texts, and the search has {sizes.width}")
    texts = xp.repeat(prompts[:, None, :], sizes.beams, axis=1)
    values = xp.zeros((n, sizes.beams))
    for start in range(0, length, sizes.chunk):
        texts, values = xp.repeat(texts, sizes.samples, axis=1), xp.repeat(values, sizes.samples, axis=1)
        for step in range(start, min(start + sizes.chunk, length)):
            flat = texts.reshape(n * width, -1)
            chosen = draw_tokens(base(flat), uniforms[:, :, step].reshape(-1), xp)
            places = xp.arange(n * width), chosen
            rewards = token_rewards(tuned(flat)[places], untuned(flat)[places], xp=xp)
            if ends and step:
                over = xp.isin(flat[:, -1], xp.asarray(sorted(ends)))
                chosen, rewards = xp.where(over, flat[:, -1], chosen), xp.where(over, 0.0, rewards)
            texts = xp.concatenate([texts, chosen.reshape(n, width, 1)], axis=2)
            values = values + rewards.reshape(n, width)
        best = xp.argsort(-values, axis=1, kind="stable")[:, : sizes.beams]
        texts, values = xp.take_along_axis(texts, best[:, :, None], axis=1), xp.take_along_axis(values, best, axis=1)
    return Found(texts[:, 0, prompts.shape[1] :], values[:, 0])
