"""Bootstrapped teachers and their students, for one seed: linear regression on the population, or heads on test items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2s.probes.softmax import fit_softmax, log_softmax
from w2s_kernels import Backend, normals, stream, uniforms
from w2s_kernels.backend import Array

__all__ = ["FRESH", "Teachers", "compare", "fitted", "students", "teach"]

FRESH = 16
"""Teachers that are never pooled, beside which a student is judged too."""

_PAPER = "xu2025"
_CLASSES = 2


@dataclass(frozen=True)
class Teachers:
    """What is known of one world and seed.

    Attributes
    ----------
    truth : (d,) coefficients, or (m, c) log-probabilities of the test items.
    pooled, fresh : (B, ...) and (FRESH, ...) teachers in the shape of the truth.
    heads : (B, d, c), of the pooled teachers; None in regression, where the teachers are their coefficients.
    weights : (d, c) of the true head; None in regression.

    """

    truth: Array
    pooled: Array
    fresh: Array
    heads: Array | None = None
    weights: Array | None = None


def teach(level: Mapping[str, Any], count: int, seed: int, backend: Backend) -> Teachers:
    """Fit ``count`` pooled teachers and ``FRESH`` others, each to a bootstrap sample of the labelled rows.

    x ~ N(0, I_d). The truth is linear with coefficients N(0, 1/d), or a head with logits of that law times ``logit_scale``. A
    teacher sees the first ``d_weak`` features, and penalises |w|^2 by ``ridge_weak`` / 2. Samples and teachers are nested.
    """
    xp, d, seen, n = backend.xp, level["d"], level["d_weak"], level["n_labeled"]
    rows = _normals("labeled", seed, n, d, backend)[:, :seen]
    samples = [uniforms(stream(_PAPER, role, seed=seed), t, n, backend) for role, t in (("pool", count), ("fresh", FRESH))]
    chosen = xp.floor(n * xp.concatenate(samples)).astype(np.int64)
    draws = (chosen[:, :, None] == xp.arange(n)).sum(axis=1).astype(np.float64)  # (B + FRESH, n)
    truth = _truth(level, seed, backend)
    if level["task"] == "regression":
        y = (
            xp.matmul(_normals("labeled", seed, n, d, backend), truth)
            + level["noise"] * _normals("noise", seed, n, 1, backend)[:, 0]
        )
        weighted = rows.T[None] * draws[:, None, :] / n
        gram = xp.matmul(weighted, rows) + level["ridge_weak"] * xp.eye(seen)
        found = xp.linalg.solve(gram, xp.matmul(weighted, y)[..., None])[..., 0]
        full = xp.concatenate([found, xp.zeros((len(found), d - seen))], axis=1)
        return Teachers(truth, full[:count], full[count:])
    logits = xp.matmul(_normals("labeled", seed, n, d, backend), truth)
    tipped = uniforms(stream(_PAPER, "labels", seed=seed), n, 1, backend) < xp.exp(log_softmax(logits, xp))[:, :1]
    hot = xp.concatenate([tipped, ~tipped], axis=1)
    logs = xp.broadcast_to(xp.where(hot, 0.0, -xp.inf), (len(draws), n, _CLASSES))
    weights, _ = fit_softmax(rows[None], logs, backend, ridge=level["ridge_weak"], weights=draws)
    test = _normals("test", seed, level["n_test"], d, backend)
    said = log_softmax(xp.matmul(test[None, :, :seen], weights), xp)
    return Teachers(log_softmax(xp.matmul(test, truth), xp), said[:count], said[count:], weights[:count], truth)


def students(level: Mapping[str, Any], how: Mapping[str, Any], known: Teachers, count: int, seed: int, backend: Backend) -> Any:
    """Return a student of the first ``count`` teachers, and their mean: coefficients, or log-probabilities of the test items.

    ``mean`` is the mean of the teachers, of classifiers the dual one, ``primal`` that of their probabilities. ``fitted`` is a
    ridge regression, or a softmax head by cross-entropy, on the first ``d_strong`` features and the mean label of each item.
    """
    xp, pool = backend.xp, known.pooled[:count]
    mean = pool.mean(axis=0)
    if known.heads is not None:
        mean = log_softmax(mean, xp)
    if how["student"] == "mean":
        return mean, mean
    if how["student"] == "primal":
        return xp.log(xp.exp(pool).mean(axis=0)), mean
    return fitted(level, how, known, pool if known.heads is None else known.heads[:count], seed, backend), mean


def fitted(
    level: Mapping[str, Any], how: Mapping[str, Any], known: Teachers, labellers: Array, seed: int, backend: Backend
) -> Array:
    """Fit the student's class to the mean of the labels that some coefficients or heads (k, ...) give the transfer items."""
    xp, d, seen, n = backend.xp, level["d"], how["d_strong"], how["n_transfer"]
    items = _normals("transfer", seed, n, d, backend)
    rows = items[:, :seen]
    if known.heads is None:
        labels = xp.matmul(items, labellers.mean(axis=0))
        gram = xp.matmul(rows.T, rows) / n + how["ridge"] * xp.eye(seen)
        found = xp.linalg.solve(gram, xp.matmul(rows.T, labels) / n)
        return xp.concatenate([found, xp.zeros(d - seen)])
    said = xp.exp(log_softmax(xp.matmul(items[None, :, : labellers.shape[1]], labellers), xp)).mean(axis=0)
    weights, _ = fit_softmax(rows[None], xp.log(said)[None], backend, ridge=how["ridge"])
    test = _normals("test", seed, level["n_test"], d, backend)
    return log_softmax(xp.matmul(test[:, :seen], weights[0]), xp)


def compare(known: Teachers, teachers: Array, student: Array, mean: Array, backend: Backend) -> dict[str, float]:
    """Compute errors against the truth, the misfit to ``teachers``, and the distance to the mean of the pool."""
    xp = backend.xp
    if known.heads is None:
        found = {
            "weak_error": ((teachers - known.truth) ** 2).sum(axis=1).mean(),
            "student_error": ((student - known.truth) ** 2).sum(),
            "misfit": ((teachers - student) ** 2).sum(axis=1).mean(),
            "distance_to_mean": ((student - mean) ** 2).sum(),
            "constant_error": (known.truth**2).sum(),
        }
        found["gain_theory"] = found["misfit"] + 2.0 * ((teachers.mean(axis=0) - student) * (student - known.truth)).sum()
    else:
        found = {
            "weak_error": _divergence(known.truth, teachers, xp),
            "student_error": _divergence(known.truth, student, xp),
            "misfit": _divergence(student, teachers, xp),
            "distance_to_mean": _divergence(mean, student, xp),
            "constant_error": _divergence(known.truth, xp.full_like(known.truth, -np.log(_CLASSES)), xp),
        }
        tilt = (xp.exp(known.truth) - xp.exp(student)) * (student - teachers.mean(axis=0))
        found["gain_theory"] = found["misfit"] + tilt.sum(axis=-1).mean()
    return {name: float(backend.to_numpy(value)) for name, value in found.items()}


def _divergence(first: Array, second: Array, xp: Any) -> Array:
    return (xp.exp(first) * (first - second)).sum(axis=-1).mean()


def _truth(level: Mapping[str, Any], seed: int, backend: Backend) -> Array:
    d = level["d"]
    drawn = _normals("truth", seed, d, 1, backend) / d**0.5
    if level["task"] == "regression":
        return drawn[:, 0]
    return backend.xp.concatenate([level["logit_scale"] * drawn, backend.xp.zeros((d, 1))], axis=1)


def _normals(role: str, seed: int, rows: int, columns: int, backend: Backend) -> Array:
    return normals(stream(_PAPER, role, seed=seed), rows, columns, backend)
