"""From the logits of a causal model to a token: temperature, the K most probable, the most probable share, greedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError, nearest
from w2s_kernels import NUMPY, stream, uniforms

__all__ = ["Prompt", "Sampling", "choose", "draws"]

Vector = npt.NDArray[np.float64]


class Prompt(NamedTuple):
    """A prompt's tokens and what its random numbers come from: item id and number of the sample."""

    name: str
    sample: int
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    Attributes
    ----------
    temperature : logits are divided by it; 0 takes the most probable token (the first of equals).
    top_k : only the K most probable tokens; None: all.
    top_p : only the most probable tokens whose mass reaches this share, (0, 1]; 1: all.
    max_new_tokens : the longest continuation, in tokens.

    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    max_new_tokens: int = 64

    def __post_init__(self) -> None:
        """Raise :class:`FieldError` for a value that a field cannot have."""
        checks = {
            "temperature": (0.0 <= self.temperature < float("inf"), "a number from 0 on"),
            "top_k": (self.top_k is None or self.top_k >= 1, "a whole number from 1 on, or none"),
            "top_p": (0.0 < self.top_p <= 1.0, "a number above 0 and up to 1"),
            "max_new_tokens": (self.max_new_tokens >= 1, "a whole number from 1 on"),
        }
        for name, (holds, allowed) in checks.items():
            if not holds:
                raise FieldError(f"sampling: {name} {getattr(self, name)!r} is not {allowed}")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Sampling:
        """Build a sampling from a mapping; raise :class:`FieldError` with the nearest name for one that is not known."""
        known = tuple(cls.__dataclass_fields__)
        if strange := [name for name in given if name not in known]:
            raise FieldError(f"sampling has no {strange[0]!r}{nearest(strange[0], known)}; known: {', '.join(known)}")
        return cls(**given)


def draws(name: str, sample: int, seed: int, count: int) -> Vector:
    """Return the uniform numbers (count,) of one continuation: token t uses the t-th.

    A longer continuation therefore begins like a shorter one. The numbers depend on the item's id, the number of the sample and
    the seed, and on nothing else.
    """
    return np.asarray(uniforms(stream("generate", name, str(sample), seed=seed), 1, count, NUMPY)[0])


def choose(logits: npt.NDArray[np.floating[Any]], uniform: float, sampling: Sampling) -> int:
    """Return the token at ``uniform`` in (0, 1) of the cumulative probabilities, in float64.

    Where tokens are cut off, they are ordered from the most probable on, equals by number; otherwise by number. A rounding
    error of the logits changes the token only if ``uniform`` is within that error of a boundary. O(V), or
    O(V + n log n) with n tokens left by ``top_k``, O(V log V) with ``top_p`` alone.
    """
    values = np.asarray(logits, dtype=np.float64)
    if sampling.temperature == 0.0:
        return int(values.argmax())
    scaled = (values - values.max()) / sampling.temperature
    if sampling.top_k is None and sampling.top_p == 1.0:
        return _at(np.cumsum(np.exp(scaled)), uniform)
    kept = _most_probable(scaled, sampling.top_k)
    masses = np.cumsum(np.exp(scaled[kept]))
    masses = masses[: int(np.searchsorted(masses, sampling.top_p * masses[-1])) + 1]
    return int(kept[_at(masses, uniform)])


def _at(masses: Vector, uniform: float) -> int:
    return min(int(np.searchsorted(masses, uniform * masses[-1], side="right")), len(masses) - 1)


def _most_probable(values: Vector, count: int | None) -> npt.NDArray[np.int64]:
    """Return the places of the ``count`` largest values (None: all), largest first, equals by place."""
    if count is None or count >= len(values):
        return np.argsort(-values, kind="stable")
    places = np.flatnonzero(values >= np.partition(values, -count)[-count])
    return np.asarray(places[np.argsort(-values[places], kind="stable")][:count])
