"""The arithmetic of the tabular study: all seeds at once, weak texts once per alignment and decoding, then their students.

Rewards, divergences and misfits are exact means over texts, from the tables. Only what a student learns from is sampled, and
what a search writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.decoding.contrastive import contrastive
from w2s.decoding.rewards import sequence_reward, token_rewards
from w2s.decoding.search import Search, search, tilted
from w2s.studies.cong2025.tabular.students import Descent, fitted, prefer, regress
from w2s.studies.cong2025.tabular.world import World, texts, transitions
from w2s.theory import cong2025 as theory
from w2s_kernels import Backend
from w2s_kernels.backend import Array

__all__ = ["DECODING", "LEARNER", "NUMBERS", "WEAK", "Taught", "results"]

Matrix = npt.NDArray[np.float64]
Level = Mapping[str, Any]

DECODING = ("cd_lambda", "plausible", "temperature")
LEARNER = (
    *("method", "student", "prior", "beta", "gamma", "rate", "steps"),
    *("weight", "beams", "samples", "chunk"),
)
WEAK = ("weak_error", "weak_reward", "weak_implicit", "base_reward", "top_reward", "uniform_error")
NUMBERS = (
    *WEAK,
    *("student_error", "ceiling_error", "misfit", "weak_distance", "decoded_reward", "decoded_implicit", "decoded_divergence"),
    *("student_reward", "student_implicit", "student_divergence", "student_loss"),
)


class Taught:
    """A weak pair, the texts that it decodes, and the students of them, for S seeds.

    A decoding of nulls, that of methods without one, is sampling from the aligned model itself. Texts and fits are made when
    they are first asked for.
    """

    def __init__(self, world: World, alignment: str, decoding: Level, backend: Backend) -> None:
        self.world, self.backend, self.decoding = world, backend, decoding
        self.aligned = world.aligned(alignment, backend)
        self.rewards = token_rewards(self.aligned, world.base, xp=backend.xp)
        self._fits: dict[tuple[float, str], Array] = {}

    @cached_property
    def decoded(self) -> Array:
        """Log-probabilities (S, V, V) of the decoding."""
        if self.decoding["cd_lambda"] is None:
            return self.aligned
        lam, plausible, temperature = (float(self.decoding[name]) for name in DECODING)
        return contrastive(self.aligned, self.world.base, lam, plausible, temperature, self.backend.xp)

    @cached_property
    def chosen(self) -> Array:
        """Steps (S, n, T) of the decoded texts."""
        return self._written(self.decoded, "chosen")

    @cached_property
    def counts(self) -> Array:
        """How often each step (S, V, V) is in the decoded texts."""
        return self._counted(self.chosen)

    def fit(self, prior: float, student: str) -> Array:
        """Return the student that is fitted to the decoded texts."""
        if (prior, student) not in self._fits:
            self._fits[prior, student] = fitted(self.counts, self.world.base, prior, student, self.backend)
        return self._fits[prior, student]

    def student(self, learner: Level) -> dict[str, Matrix]:
        """Make the student of a method: its mean true reward per token, and what else is known of it, (S,) each."""
        loss = np.full(len(self.world.seeds), np.nan)
        method = learner["method"]
        if method == "search":
            return self._searched(Search(learner["beams"], learner["samples"], learner["chunk"])) | {"student_loss": loss}
        if method == "eft":
            policy = tilted(self.world.base, self.aligned, self.world.base, float(learner["weight"]), self.backend.xp)
        elif method == "wspo":
            policy, loss = self._regressed(learner)
        else:
            policy = self.fit(float(learner["prior"]), learner["student"])
            if method == "dpo":
                policy, loss = self._preferred(policy, learner)
        return self.measured(policy) | {"student_loss": loss}

    @property
    def length(self) -> int:
        """Tokens of a text."""
        return int(self.world.level["length"])

    def measured(self, policy: Array) -> dict[str, Matrix]:
        """Compute exact means per token of a policy: true and implicit reward, and divergences.

        ``divergence`` is that from the language; ``from_decoded`` and ``from_weak`` are those of the decoding and of the
        aligned weak model from the policy.
        """
        host = self.backend.to_numpy
        chances, base, decoded, weak = (np.exp(host(table)) for table in (policy, self.world.base, self.decoded, self.aligned))
        return {
            "reward": theory.per_token(chances, host(self.world.reward), self.length),
            "implicit": theory.per_token(chances, host(self.rewards), self.length),
            "divergence": theory.divergence(chances, base, self.length),
            "from_decoded": theory.divergence(decoded, chances, self.length),
            "from_weak": theory.divergence(weak, chances, self.length),
        }

    def _counted(self, steps: Array) -> Array:
        shape = self.world.base.shape
        return self.backend.xp.bincount(steps.reshape(-1), minlength=int(np.prod(shape))).reshape(shape) * 1.0

    def _written(self, policy: Array, role: str) -> Array:
        chances = self.world.chances(role, self.length, self.backend)
        written = texts(policy, self.world.prompts, chances, self.backend)
        return transitions(written, policy.shape[-1], self.backend)

    def _preferred(self, start: Array, learner: Level) -> tuple[Array, Matrix]:
        """Train a fitted student by DPO on decoded texts against texts of its own, behind the same prompts."""
        beta, descent = float(learner["beta"]), Descent(float(learner["rate"]), int(learner["steps"]))
        rejected = self._written(start, "rejected")
        policy, margins = prefer(start, self.chosen, rejected, beta, learner["student"], descent, self.backend)
        return policy, theory.dpo_loss(self.backend.to_numpy(margins) / beta, 0.0, beta).mean(axis=1)

    def _regressed(self, learner: Level) -> tuple[Array, Matrix]:
        """Train the language by WSPO on the tokens of the weak model's texts."""
        gamma, descent = float(learner["gamma"]), Descent(float(learner["rate"]), int(learner["steps"]))
        given = self.world.base, self.counts, self.rewards, gamma
        policy, ratios = regress(*given, learner["student"], descent, self.backend)
        host = self.backend.to_numpy
        losses, shares = theory.wspo_loss(host(ratios), host(self.rewards), gamma), host(self.counts)
        return policy, np.asarray((losses * shares).sum(axis=(1, 2)) / shares.sum(axis=(1, 2)))

    def _searched(self, sizes: Search) -> dict[str, Matrix]:
        """Find texts by search behind every prompt, seed by seed.

        Rewards are means over what was written. Divergences are those of a bigram model fitted to it, with one step of the
        language after each token, since a search is no bigram model itself.
        """
        xp, tokens, written, found = self.backend.xp, self.world.base.shape[-1], [], []
        chances = self.world.chances("search", sizes.width * self.length, self.backend)
        for s in range(len(self.world.seeds)):
            tables = (self.world.base[s], self.aligned[s], self.world.base[s])
            base, tuned, untuned = (lambda tokens, table=table: table[tokens[:, -1]] for table in tables)
            uniforms = chances[s].reshape(-1, sizes.width, self.length)
            best = search(self.world.prompts[s][:, None], base, tuned, untuned, uniforms, sizes, xp=xp)
            true = sequence_reward(self.world.reward[s, 0][best.tokens], per_token=True, xp=xp)
            found.append(xp.stack([xp.mean(true), xp.mean(best.reward) / self.length]))
            written.append(xp.concatenate([self.world.prompts[s][:, None], best.tokens], axis=1))
        steps = transitions(xp.stack(written), tokens, self.backend)
        policy = fitted(self._counted(steps), self.world.base, 1.0, "table", self.backend)
        reward, implicit = self.backend.to_numpy(xp.stack(found, axis=1))
        return self.measured(policy) | {"reward": reward, "implicit": implicit}


def results(taught: Taught, ceiling: Taught, learner: Level) -> dict[str, Matrix]:
    """Compute the columns of one student for S seeds, (S,) each.

    Errors are what a token lacks on average to the most rewarded one. The ceiling is the same student of an alignment without
    noise. The misfit is KL(decoding || student) and the distance KL(weak || student), both per token in nats.
    """
    world, host = taught.world, taught.backend.to_numpy
    reward = host(world.reward)[:, 0]
    top, length = reward.max(axis=1), float(taught.length)
    weak, decoded, student = taught.measured(taught.aligned), taught.measured(taught.decoded), taught.student(learner)
    best = ceiling.student(learner)
    return {
        "weak_error": top - weak["reward"],
        "student_error": top - student["reward"],
        "ceiling_error": top - best["reward"],
        "misfit": student["from_decoded"],
        "weak_distance": student["from_weak"],
        "weak_reward": length * weak["reward"],
        "weak_implicit": weak["implicit"],
        "base_reward": length * taught.measured(world.base)["reward"],
        "top_reward": top,
        "uniform_error": top - reward.mean(axis=1),
        "decoded_reward": length * decoded["reward"],
        "decoded_implicit": decoded["implicit"],
        "decoded_divergence": decoded["divergence"],
        "student_reward": length * student["reward"],
        "student_implicit": student["implicit"],
        "student_divergence": student["divergence"],
        "student_loss": student["student_loss"],
    }
