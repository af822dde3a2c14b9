"""Bigram models of many seeds at once: the language, its true reward, a weak model before and after alignment.

Everything is a table (S, V, V) of log-probabilities of the next token (columns) after each (rows), a table for each seed. The
language has Gaussian logits, each token a Gaussian reward. Alignment adds ``pull`` times the reward to the logits, and noise;
the control adds noise of the same size alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from w2s.decoding.search import draw_tokens
from w2s_kernels import Backend, normals, stream, uniforms
from w2s_kernels.backend import Array

__all__ = ["WORLD", "World", "log_softmax", "texts", "transitions"]

WORLD = ("vocabulary", "length", "pull", "noise", "n_transfer")
_NAME = "cong2025"


@dataclass(frozen=True)
class World:
    """What S seeds draw.

    Attributes
    ----------
    level : the fields of the world.
    seeds : (S,).
    base : log-probabilities (S, V, V) of the language, which weak and strong model know.
    reward : true reward (S, 1, V) of each token.
    noise : standard normal (S, V, V), the part of an alignment that means nothing.
    prompts : the token (S, n) behind which each text begins.

    """

    level: Mapping[str, Any]
    seeds: Sequence[int]
    base: Array
    reward: Array
    noise: Array
    prompts: Array

    @classmethod
    def of(cls, level: Mapping[str, Any], seeds: Sequence[int], backend: Backend) -> World:
        """Draw the world of each seed."""
        xp, tokens, count = backend.xp, level["vocabulary"], level["n_transfer"]

        def table(role: str, rows: int) -> Array:
            return xp.stack([normals(stream(_NAME, role, seed=seed), rows, tokens, backend) for seed in seeds])

        chances = xp.stack([uniforms(stream(_NAME, "prompts", seed=seed), 1, count, backend)[0] for seed in seeds])
        prompts = xp.floor(chances * tokens).astype("int64")
        base = log_softmax(table("language", tokens), backend)
        return cls(level, seeds, base, table("reward", 1), table("noise", tokens), prompts)

    def aligned(self, alignment: str, backend: Backend) -> Array:
        """Return log-probabilities (S, V, V) after an alignment: ``aligned``, ``control`` or the noiseless ``true``."""
        pull, noise = float(self.level["pull"]), float(self.level["noise"])
        change = {
            "aligned": pull * self.reward + noise * self.noise,
            "control": (pull**2 + noise**2) ** 0.5 * self.noise,
            "true": pull * self.reward,
        }[alignment]
        return log_softmax(self.base + change, backend)

    def chances(self, role: str, width: int, backend: Backend) -> Array:
        """Draw uniform numbers (S, n, width) of a role."""
        count = self.level["n_transfer"]
        return backend.xp.stack([uniforms(stream(_NAME, role, seed=seed), count, width, backend) for seed in self.seeds])


def log_softmax(logits: Array, backend: Backend) -> Array:
    """Return normalised log-probabilities of logits, along the last axis."""
    xp = backend.xp
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


def texts(policy: Array, prompts: Array, chances: Array, backend: Backend) -> Array:
    """Write a text behind each prompt: log-probabilities (S, V, V), prompts (S, n) and uniforms (S, n, T) to (S, n, T + 1)."""
    xp = backend.xp
    seeds, found = xp.arange(len(prompts))[:, None], [prompts]
    for step in range(chances.shape[2]):
        found.append(draw_tokens(policy[seeds, found[-1]], chances[:, :, step], xp))
    return xp.stack(found, axis=2)


def transitions(written: Array, tokens: int, backend: Backend) -> Array:
    """Number the steps of texts (S, n, T + 1) as entries of tables (S, V, V), read row by row: int64 (S, n, T)."""
    seeds = backend.xp.arange(len(written))[:, None, None]
    return (seeds * tokens + written[:, :, :-1]) * tokens + written[:, :, 1:]
