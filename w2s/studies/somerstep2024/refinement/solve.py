"""The arithmetic of the refinement study: counts of weak labels per context at every m, and what both students make of them.

With labels and classes of +-1, the log likelihood of a concept is half of log((1 - noise) / noise) times the sum over contexts
of its class and the net count of labels there. So all m and concepts are one product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_kernels import Backend, permutation, stream, uniforms

__all__ = ["NUMBERS", "WORLD", "World", "results"]

Matrix = npt.NDArray[np.float64]

WORLD = ("contexts", "concepts", "bias", "decoy", "apart", "noise")
NUMBERS = ("weak_error", "student_error", "ceiling_error", "misfit", "posterior", "posterior_decoy")
_NAME = "somerstep2024"


@dataclass(frozen=True)
class World:
    """Concepts (K, V) of classes +-1, the true one first and the decoy, if there is one, second; the weak rule (V,)."""

    concepts: Matrix
    weak: Matrix
    noise: float
    decoy: bool

    @classmethod
    def of(cls, level: Mapping[str, Any], seed: int, backend: Backend) -> World:
        """Draw concepts, and which contexts are biased and which set the decoy apart; larger parts hold smaller ones."""
        count, total = level["contexts"], level["concepts"]
        classes = uniforms(stream(_NAME, "concepts", seed=seed), total, count, backend)
        concepts = np.where(backend.to_numpy(classes) < 0.5, -1.0, 1.0)
        order = backend.to_numpy(permutation(stream(_NAME, "contexts", seed=seed), count, backend))
        biased, decoy = order[: round(level["bias"] * count)], level["decoy"] == "present"
        weak = concepts[0].copy()
        weak[biased] *= -1.0
        if decoy:
            concepts[1] = weak
            concepts[1, order[len(order) - round(level["apart"] * count) :]] *= -1.0
        return cls(concepts, weak, float(level["noise"]), decoy)


def results(world: World, seed: int, counts: Sequence[int], students: Sequence[str], backend: Backend) -> dict[str, Matrix]:
    """Compute the columns of M counts of demonstrations and S students; each broadcasts to (M, S)."""
    truth, most = world.concepts[0], counts[-1]
    drawn = (backend.to_numpy(uniforms(stream(_NAME, what, seed=seed), 1, most, backend))[0] for what in ("inputs", "flips"))
    inputs, flips = (next(drawn) * len(truth)).astype(np.int64), np.where(next(drawn) < world.noise, -1.0, 1.0)
    steps = np.array([_net(inputs[:m], flips[:m], len(truth)) for m in counts])  # (M, V): labels kept less labels flipped
    found: dict[str, list[Matrix]] = {"student_error": [], "ceiling_error": [], "misfit": []}
    of_weak, of_truth = (_posterior(world, steps * rule) for rule in (world.weak, truth))
    for kind in students:
        if kind == "naive":
            answers, best = steps * world.weak, steps * truth
        else:
            answers, best = of_weak @ world.concepts, of_truth @ world.concepts
        found["student_error"].append(_wrong(answers, truth))
        found["ceiling_error"].append(_wrong(best, truth))
        found["misfit"].append(_wrong(answers, world.weak))
    columns = {name: np.stack(values, axis=1) for name, values in found.items()}
    columns["weak_error"] = np.array(np.mean(world.weak != truth))
    columns["posterior"] = of_weak[:, :1]
    columns["posterior_decoy"] = of_weak[:, 1:2] if world.decoy else np.full((1, 1), np.nan)
    return columns


def _net(inputs: npt.NDArray[np.int64], flips: Matrix, contexts: int) -> Matrix:
    return np.bincount(inputs, weights=flips, minlength=contexts).astype(np.float64)


def _posterior(world: World, net: Matrix) -> Matrix:
    """Compute the posterior of the concepts from net counts of labels (M, V): (M, K), with equal priors."""
    logs = 0.5 * np.log((1.0 - world.noise) / world.noise) * (net @ world.concepts.T)
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _wrong(answers: Matrix, classes: Matrix) -> Matrix:
    """Compute the share of contexts (M,) whose answer has not the sign of the class; no answer is half wrong."""
    signs = np.where(np.abs(answers) < _TIE, 0.0, np.sign(answers))
    return np.asarray((1.0 - signs * classes).mean(axis=1) / 2.0)


_TIE = 1e-9
"""Answers below it are ties of equal posteriors, left by rounding."""
