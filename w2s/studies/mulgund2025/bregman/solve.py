"""Worlds of the Bregman study, and fits of its three kinds of students, for all seeds at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from w2s.probes.softmax import fit_softmax, log_softmax
from w2s.studies.mulgund2025.bregman.mixtures import fit_mixture
from w2s_kernels import Backend, normals, stream, uniforms
from w2s_kernels.backend import Array

__all__ = ["Student", "World", "compare", "fit", "labels_of", "world_of"]

_PAPER = "mulgund2025"


@dataclass(frozen=True)
class World:
    """Items and their truth, for S seeds.

    Attributes
    ----------
    rows : (S, n, d). truth : (S, n, c) log-probabilities, or (S, n) numbers where the loss is the squared one.
    heads : (S, K, n, c) probabilities of the mixtures' components, else None.

    """

    rows: Array
    truth: Array
    heads: Array | None = None


@dataclass(frozen=True)
class Student:
    """Predictions in the shape of the truth, and how far each fit is from its best (S,)."""

    predictions: Array
    optimality: Array


def world_of(level: Mapping[str, Any], seeds: Sequence[int], backend: Backend) -> World:
    """Draw items x ~ N(0, I), and a truth inside the students' class or outside it.

    A linear head has weights N(0, logit_scale^2 / d). The truth in the class of linear heads is one of them, that outside it an
    equal mixture of two. The truth in the class of mixtures is one of them with weights that are uniform on the simplex, that
    outside it a head that is none of the components. Items, heads and components are nested in their numbers.
    """
    xp, n, d = backend.xp, level["n_items"], level["d"]
    rows = _stacked("items", seeds, n, d, backend)
    if level["head"] == "squared":
        return World(rows, xp.matmul(rows, _stacked("truth", seeds, d, 1, backend) / d**0.5)[..., 0])
    scale, inside, c = level["logit_scale"] / d**0.5, level["target"] == "in_class", level["classes"]

    def heads(role: str, count: int) -> Array:
        """Compute log-probabilities (S, count, n, c) of heads whose weights are drawn in rows of c."""
        drawn = scale * _stacked(role, seeds, count * d, c, backend).reshape(len(seeds), count, d, c)
        return log_softmax(xp.matmul(rows[:, None], drawn), xp)

    if level["head"] == "logistic":
        found = heads("truth", 1 if inside else 2)
        return World(rows, found[:, 0] if inside else xp.log(xp.exp(found).mean(axis=1)))
    count = level["components"]
    components = xp.exp(heads("components", count))
    if not inside:
        return World(rows, heads("truth", 1)[:, 0], components)
    drawn = [uniforms(stream(_PAPER, "shares", seed=seed), 1, count, backend) for seed in seeds]
    shares = -xp.log(xp.concatenate(drawn))
    return World(rows, xp.log(_mixed(shares / shares.sum(axis=-1, keepdims=True), components, backend)), components)


def labels_of(world: World, level: Mapping[str, Any], seeds: Sequence[int], backend: Backend) -> Array:
    """Make weak labels: the truth's logits (or numbers), plus a linear error ``bias`` and an error ``noise`` of every item."""
    if not (level["bias"] or level["noise"]):
        return world.truth  # to the bit: what is left of rounding has no PGR
    xp, (_, n, d) = backend.xp, world.rows.shape
    columns = 1 if world.truth.ndim == 2 else world.truth.shape[-1]
    tilt = xp.matmul(world.rows, _stacked("bias", seeds, d, columns, backend) / d**0.5)
    error = level["bias"] * tilt + level["noise"] * _stacked("noise", seeds, n, columns, backend)
    return world.truth + error[..., 0] if world.truth.ndim == 2 else log_softmax(world.truth + error, xp)


def fit(world: World, labels: Array, reverse: bool, backend: Backend) -> Student:
    """Fit the students of all seeds to labels: a projection, linear heads, or mixtures."""
    xp = backend.xp
    if world.truth.ndim == 2:
        basis = xp.linalg.qr(world.rows)[0]
        projected = xp.matmul(basis, xp.matmul(basis.swapaxes(-1, -2), labels[..., None]))[..., 0]
        left = xp.matmul(world.rows.swapaxes(-1, -2), (labels - projected)[..., None])[..., 0] / labels.shape[-1]
        return Student(projected, xp.sqrt((left**2).sum(axis=-1)))
    if world.heads is None:
        weights, gradient = fit_softmax(world.rows, labels, backend, reverse=reverse)
        return Student(log_softmax(xp.matmul(world.rows, weights), xp), gradient)
    shares, gap = fit_mixture(world.heads, labels, backend, reverse=reverse)
    return Student(xp.log(_mixed(shares, world.heads, backend)), gap)


def compare(truth: Array, weak: Array, student: Array, reverse: bool, xp: Any) -> dict[str, Array]:
    """Compute errors, gain, misfit and what the three-point identity adds to the misfit, each (S,).

    Errors are D(truth, .) and the misfit is D(student, weak); with ``reverse`` D(., truth) and D(weak, student).
    D is the mean squared distance of numbers, and E KL of log-probabilities.
    """
    first, last = (weak, truth) if reverse else (truth, weak)
    if truth.ndim == 2:
        product = 2.0 * (first - student) * (student - last)
    else:
        product = ((xp.exp(first) - xp.exp(student)) * (student - last)).sum(axis=-1)
    found = {
        "weak_error": _distance(first, last, xp),
        "student_error": _distance(student, last, xp) if reverse else _distance(first, student, xp),
        "misfit": _distance(first, student, xp) if reverse else _distance(student, last, xp),
    }
    found["gain_theory"] = found["misfit"] + product.mean(axis=-1)
    return found


def _distance(first: Array, second: Array, xp: Any) -> Array:
    if first.ndim == 2:
        return ((first - second) ** 2).mean(axis=-1)
    return (xp.exp(first) * (first - second)).sum(axis=-1).mean(axis=-1)


def _mixed(shares: Array, heads: Array, backend: Backend) -> Array:
    """Mix heads (S, K, n, c) with shares (S, K)."""
    flat = heads.reshape(*heads.shape[:2], -1)
    mixed = backend.xp.matmul(shares[:, None, :], flat)
    return mixed.reshape(heads.shape[0], *heads.shape[2:])


def _stacked(role: str, seeds: Sequence[int], rows: int, columns: int, backend: Backend) -> Array:
    return backend.xp.stack([normals(stream(_PAPER, role, seed=seed), rows, columns, backend) for seed in seeds])
