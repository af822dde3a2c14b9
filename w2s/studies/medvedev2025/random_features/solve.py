"""The arithmetic of the random feature study: teachers once per world and seed, then all filters of each student.

A filter phi makes the student sum_i phi(s_i) p_i psi_i of a teacher with coordinates p_i = <f_w, psi_i>, so one pass over sums
of differences serves finite and infinite students alike (see :mod:`w2s.studies.medvedev2025.random_features.students`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.laws.relu_features import degree_weights
from w2s.studies.medvedev2025.random_features.students import Student, Teachers, World, least_squares
from w2s_kernels import Backend, Filters, condition, filter_products, nested

__all__ = ["fit_teachers", "results", "student_errors", "student_of"]

Matrix = npt.NDArray[np.float64]
Level = Mapping[str, Any]


def fit_teachers(world: World, seed: int, levels: Sequence[Level], backend: Backend) -> Teachers:
    """Find the population optimum for each ``d_weak`` and target: one Cholesky factor of the widest Gram serves every width."""
    widths = sorted({level["d_weak"] for level in levels})
    targets = [degree_weights(level["quadratic"] or 0.0, level["quartic"] or 0.0) for level in levels]
    distinct = [dict(items) for items in dict.fromkeys(tuple(target.items()) for target in targets)]
    units = world.rows("teacher", seed, widths[-1])
    gram, xp = world.gram(units), backend.xp
    moments = xp.stack([world.moments(units, target) for target in distinct], axis=1)
    theta, power, factor = least_squares(gram, moments, widths, backend)
    at = [widths.index(level["d_weak"]) for level in levels], [distinct.index(target) for target in targets]
    cross = backend.to_numpy(xp.sum(theta * moments, axis=-2))
    conditions = backend.to_numpy(nested.condition(factor, widths))
    weights = xp.stack([theta[w, :, k] for w, k in zip(*at, strict=True)], axis=1)
    return Teachers(units, weights, targets, backend.to_numpy(power)[at], cross[at], conditions[at[0]])


def student_of(world: World, seed: int, d_strong: int | None, teachers: Teachers) -> Student:
    """Make the student of a width; None means the infinite one."""
    return world.infinite(teachers) if d_strong is None else world.finite(seed, d_strong, teachers)


def results(student: Student, teachers: Teachers, filters: Filters, backend: Backend) -> dict[str, Matrix]:
    """Compute the columns of one student for T teachers and L filters; each broadcasts to (T, L)."""
    columns = student_errors(student, filters, backend)
    columns["condition"] = np.maximum(columns["condition"], teachers.condition[:, None])
    columns["weak_error"], columns["projection"] = teachers.error[:, None], student.projection[:, None]
    columns["teacher_cross"] = (teachers.cross - teachers.power)[:, None]
    return columns | {"singular": np.array(float(student.singular))}


def student_errors(student: Student, filters: Filters, backend: Backend) -> dict[str, Matrix]:
    """Compute the errors of all filtered students: ``student_error``, ``misfit``, ``gain`` (T, L), ``ceiling_error`` (T, 1).

    Also returns ``condition`` (L,) of the student's system.
    """
    coords, goals, labels = student.spectrum.values * student.labels, student.goals, student.labels
    # In the student's coordinates, with p the fit: sums[0] = |p - goal|^2, sums[1] = |p - label|^2,
    # sums[2] = <label - p, p - goal>, each (T, L).
    sums = backend.to_numpy(filter_products(student.spectrum, filters, coords[None], goals[None], labels[None], backend))[:, 0]
    # What the coordinates leave out of E f_w^2, of E f_w f* and of E f*^2, in this order: the student is zero there.
    label, cross, goal = student.beyond[..., None]
    misfit = sums[1] + label
    return {
        "student_error": sums[0] + goal,
        "misfit": misfit,
        "gain": misfit + 2.0 * (sums[2] - cross),
        "ceiling_error": goal,
        "condition": np.ones(len(filters)) if student.given else backend.to_numpy(condition(student.spectrum, filters)),
    }
