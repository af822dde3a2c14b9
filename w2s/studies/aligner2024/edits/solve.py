"""Answers and corrections of one seed: every answer with its probability, every correction with its own, and one draw of each.

With pi (n, K) and mu (n, K, K) the corrected model is pi'(y'|x) = sum_y mu(y'|y, x) pi(y|x), so for every y
-log pi'(y'|x) <= -log mu(y'|y, x) - log pi(y|x): the loss of a corrector bounds that of the composition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2s.measure.edits import edits
from w2s_kernels import Backend, stream, uniforms
from w2s_kernels.backend import Array

__all__ = ["Upstream", "composed", "corrected", "draw_upstream"]

_PAPER = "aligner2024"


@dataclass(frozen=True)
class Upstream:
    """The upstream model of one seed, and what is drawn beside it.

    Attributes
    ----------
    pi : (n, K) probabilities of answers; answer 0 is the right one.
    others : (n, K) probabilities of what is written in place of an answer, 0 for the right one.
    seed : names the uniform numbers of answers and of corrections by round.

    """

    pi: Array
    others: Array
    seed: int


def draw_upstream(world: Mapping[str, Any], seed: int, backend: Backend) -> Upstream:
    """Draw an upstream model: the right answer has the mean probability ``accuracy``, uniform over prompts; others any mix.

    Prompts are nested in ``n_items``; the same numbers belong to every accuracy and spread. Cost: n (2 K - 1) uniforms.
    """
    xp, n, k = backend.xp, world["n_items"], world["answers"]
    sides = [-xp.log(uniforms(stream(_PAPER, role, seed=seed), n, k - 1, backend)) for role in ("wrong", "others")]
    wrong, others = (side / side.sum(axis=1, keepdims=True) for side in sides)
    room = world["spread"] * min(world["accuracy"], 1.0 - world["accuracy"])
    right = world["accuracy"] + room * (2.0 * uniforms(stream(_PAPER, "right", seed=seed), n, 1, backend) - 1.0)
    pi = xp.concatenate([right, (1.0 - right) * wrong], axis=1)
    return Upstream(pi, xp.concatenate([xp.zeros((n, 1)), others], axis=1), seed)


def composed(pi: Array, mu: Array) -> Array:
    """Compute the corrected model (n, K) of a model (n, K) and a corrector (n, K, K), whose rows are the first answers."""
    return (pi[:, :, None] * mu).sum(axis=1)


def corrected(upstream: Upstream, corrector: Mapping[str, Any], backend: Backend) -> dict[str, float]:
    """Run rounds of corrections; compute errors of drawn answers, the accounting of the last round and the bound's slack.

    ``bound_slack`` is the least of -log mu - log pi + log pi' over prompts, answers and corrections that can be, in nats;
    ``bound_excess`` its mean over drawn ones: how much larger the trained bound is than the loss it bounds. Both are those of
    the last round and NaN without one.
    """
    xp = backend.xp
    mu = _corrector(upstream, corrector, xp)
    pi, first = upstream.pi, _drawn(upstream.pi, "answers", 0, upstream.seed, backend)
    before = after = first
    slack = excess = float("nan")
    for number in range(corrector["rounds"]):
        before, then = after, composed(pi, mu)
        rows = mu[xp.arange(len(mu)), before]
        after = _drawn(rows, "corrections", number, upstream.seed, backend)
        if number == corrector["rounds"] - 1:
            joint = pi[:, :, None] * mu
            possible = joint > 0.0
            values = xp.log(xp.where(possible, then[:, None, :], 1.0)) - xp.log(xp.where(possible, joint, 1.0))
            slack = float(backend.to_numpy(xp.where(possible, values, xp.inf).min()))
            excess = float(backend.to_numpy((joint * values).sum(axis=(1, 2)).mean()))
        pi = then
    first, before, after = (backend.to_numpy(array) for array in (first, before, after))
    found = edits(before == 0, after == 0, before != after)
    return {
        "weak_error": float((first != 0).mean()),
        "student_error": float((after != 0).mean()),
        "misfit": float((after != first).mean()),
        "fix_rate": found.fixed,
        "break_rate": found.broken,
        "edit_rate": found.edited,
        "accounting_gap": abs(found.corrected - found.expected),
        "bound_slack": slack,
        "bound_excess": excess,
    }


def _corrector(upstream: Upstream, corrector: Mapping[str, Any], xp: Any) -> Array:
    """Write the probabilities (n, K, K) of all corrections of all answers."""
    n, k = upstream.pi.shape
    stays, left = corrector["copies"], 1.0 - corrector["fix"]
    wrong = left * (stays * xp.eye(k)[None] + (1.0 - stays) * upstream.others[:, None, :])
    wrong = xp.concatenate([xp.full((n, k, 1), corrector["fix"]), wrong[:, :, 1:]], axis=2)
    right = xp.concatenate([xp.full((n, 1), 1.0 - corrector["breaks"]), corrector["breaks"] * upstream.others[:, 1:]], axis=1)
    return xp.concatenate([right[:, None, :], wrong[:, 1:, :]], axis=1)


def _drawn(probabilities: Array, role: str, number: int, seed: int, backend: Backend) -> Array:
    """Draw one answer for each row of probabilities (n, K): its place, (n,)."""
    xp = backend.xp
    numbers = uniforms(stream(_PAPER, role, str(number), seed=seed), len(probabilities), 1, backend)
    below = (xp.cumsum(probabilities, axis=1) <= numbers).sum(axis=1)
    return xp.minimum(below, probabilities.shape[1] - 1)
