"""Many linear softmax students on soft labels of several supervisors, whose weights may be learned with the student by Adam.

A student has logits W x. Its targets are t = (1 - a) q + a h, q = sum_m w_m Y_m the weighted mean of the supervisors' labels
and h its own most probable class, one-hot. The weights w lie on the simplex: they stay, or they descend the student's own loss.
With CE_m the cross-entropy against supervisor m and means over a minibatch, dL/dw_m = CE_m - sum_k w_k CE_k. Source: RAVEN,
arXiv 2510.21332, section 2 as its released code has it; a for own opinion after Burns et al. 2023, and item by item after arXiv
2402.03749.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..backend import Array, Backend, resolve
from ..dispatch import operation
from .plain import Problem, raised_entropy

__all__ = ["Rules", "Taught", "raised_entropy", "teach"]

TRAINING = operation("softmax_students", "training", "numba")


@dataclass(frozen=True, eq=False)
class Rules:
    """How each of R students learns: numbers (R,), or one number for all.

    Attributes
    ----------
    rate : learning rate of the weights; 0 keeps them.
    decay : the rate falls linearly to (1 - decay) times itself at the end.
    easy : share of the steps in which only items count on whose class all supervisors agree, and in which weights stay.
    reset : steps after which the weights start again, over and over; 0 is never.
    floor : least entropy of the weights, as a share of log M: less is mixed with the uniform weights until it has it.
    own : weight of the student's own opinion among the targets, after a linear rise over the first fifth of the steps.
    adaptive : temperature of a weight of the own opinion for each item; 0 means that ``own`` decides.
    """

    rate: Array | float = 0.0
    decay: Array | float = 0.0
    easy: Array | float = 0.0
    reset: Array | float = 0.0
    floor: Array | float = 0.0
    own: Array | float = 0.0
    adaptive: Array | float = 0.0

    def table(self, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Stack the rules of ``count`` students, (count, 7) float64, in the order of the attributes."""
        columns = [np.broadcast_to(np.asarray(getattr(self, f.name), dtype=np.float64), (count,)) for f in fields(self)]
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class Taught:
    """Hold what `teach` returns: float64, in the order of the students.

    Attributes
    ----------
    students : (R, d, K), the students' W transposed.
    weights : (R, M), as they are at the end; each row sums to 1.
    history : (R, H, M), as they are after each of H equal parts of the steps.
    """

    students: Array
    weights: Array
    history: Array


def teach(
    inputs: Array,
    labels: Array,
    order: Array,
    which: tuple[Array, Array, Array],
    starts: Array,
    rules: Rules,
    *,
    learning_rate: float = 1e-2,
    parts: int = 10,
    backend: Backend | None = None,
) -> Taught:
    """Train R students by Adam (betas .9 and .999, epsilon 1e-8, bias-corrected) from zero, each with weights of M supervisors.

    Parameters
    ----------
    inputs : (S, n, d) sets of inputs.
    labels : (L, n, M, K) sets of soft labels; rows sum to 1.
    order : (O, T, b) whole numbers below n, the items of T minibatches of b.
    which : set of inputs, of labels and of minibatches of every student, three arrays (R,) of whole numbers.
    starts : (R, M) weights to start from, each row on the simplex.
    rules : how each student learns.
    learning_rate, parts : Adam's step size > 0; the number H >= 1 of moments at which weights are kept.
    backend : None means the reference in the library where the arrays live.

    Returns
    -------
    `Taught`. Where no item of a minibatch counts, neither student nor weights have a gradient; Adam moves on by its momentum.

    Raises
    ------
    ValueError : shapes that do not match, places outside their range, weights that are negative or do not sum to 1.

    Notes
    -----
    A student in a batch has the bits it has alone. Supervisors are summed in an order that their labels determine, so a
    permutation of them permutes the weights and changes no other bit (supervisors with equal labels have equal weights only up
    to rounding). Cost 4 T b d K + 2 T b M K flops a student, and T b d words moved.
    """
    chosen = resolve(backend, inputs, labels)
    inputs, labels = chosen.asarray(inputs), chosen.asarray(labels)
    order = chosen.asarray(order, np.int64)
    places = np.stack([np.asarray(chosen.to_numpy(w) if hasattr(w, "get") else w, dtype=np.int64) for w in which])
    starts = np.asarray(starts, dtype=np.float64)
    _check(inputs, labels, order, places, starts, learning_rate, parts)
    sorting = _sorting(labels, chosen)
    ordered = labels[chosen.xp.arange(len(labels))[:, None], :, chosen.asarray(sorting, np.int64)]  # (L, M, n, K)
    ordered = chosen.xp.ascontiguousarray(chosen.xp.moveaxis(ordered, 1, 2))
    own = sorting[places[1]]
    given = np.take_along_axis(starts, own, axis=1)
    problem = Problem(inputs, ordered, order, places, given, rules.table(len(starts)), learning_rate, parts)
    students, weights, history = TRAINING.on(chosen)(problem)
    back = chosen.asarray(np.argsort(own, axis=1), np.int64)
    runs = chosen.xp.arange(len(starts))[:, None]
    return Taught(students, weights[runs, back], chosen.xp.moveaxis(history[runs, :, back], 1, 2))


def _sorting(labels: Array, backend: Backend) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return an order of the supervisors of each set, (L, M), that depends on their labels and not on their places."""
    count, supervisors = labels.shape[0], labels.shape[2]
    size = labels.shape[1] * labels.shape[3]
    marks = backend.asarray(np.sin(1.0 + np.arange(size, dtype=np.float64)))
    sums = np.empty((count, supervisors))
    for s in range(count):
        for m in range(supervisors):
            flat = backend.xp.ascontiguousarray(labels[s, :, m]).reshape(-1)
            sums[s, m] = float(backend.to_numpy(backend.xp.sum(flat * marks)))
    return np.argsort(sums, axis=1, kind="stable")


def _check(inputs: Array, labels: Array, order: Array, places: Array, starts: Array, learning_rate: float, parts: int) -> None:
    if inputs.ndim != 3 or labels.ndim != 4 or order.ndim != 3 or starts.ndim != 2:
        raise ValueError("expected inputs (S, n, d), labels (L, n, M, K), order (O, T, b) and starts (R, M)")
    if labels.shape[1] != inputs.shape[1] or labels.shape[2] != starts.shape[1] or places.shape != (3, len(starts)):
        found = f"{inputs.shape}, {labels.shape}, {starts.shape}, {places.shape}"
        raise ValueError(f"inputs, labels, starts and places do not match: {found}")
    for name, row, size in zip(("inputs", "labels", "order"), places, (len(inputs), len(labels), len(order)), strict=True):
        if len(row) and not (row.min() >= 0 and row.max() < size):
            raise ValueError(f"places of {name} must lie in 0..{size - 1}")
    if order.size and not (int(order.min()) >= 0 and int(order.max()) < inputs.shape[1]):
        raise ValueError(f"items must lie in 0..{inputs.shape[1] - 1}")
    if not (np.all(starts >= 0) and np.allclose(starts.sum(axis=1), 1.0, rtol=0, atol=1e-9)):
        raise ValueError("weights to start from must lie on the simplex")
    if not 0 < learning_rate < np.inf or parts < 1 or order.shape[1] < 1:
        raise ValueError(f"expected learning_rate > 0, parts >= 1 and a minibatch, got {learning_rate}, {parts}, {order.shape}")
