"""The arithmetic of the correction study: one factor per covered set, all teachers' labels as its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.studies.lang2024.correction.expansion import expansion, neighbours
from w2s.studies.lang2024.correction.sample import Sample, Teachers
from w2s_kernels import Backend, gram, normals, stream, uniforms
from w2s_kernels.backend import Array
from w2s_kernels.cholesky import cholesky_gram, solve_factor

__all__ = ["COVER", "MEASURED", "NUMBERS", "TEACHER", "WORLD", "Drawn", "results"]

Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Level = Mapping[str, Any]

WORLD = ("d", "distance", "spread", "n_transfer", "n_test", "d_strong", "bandwidth", "ridge", "radius")
COVER = ("abstains", "abstain")
TEACHER = ("teacher_error", "structured")
NUMBERS = (
    *("weak_error", "student_error", "ceiling_error", "misfit", "student_error_bad", "student_error_uncovered"),
    *("ceiling_error_uncovered", "coverage", "expansion_correction", "expansion_coverage"),
)
MEASURED = 800
"""Test points among which neighbours are looked for, the first ones."""


@dataclass(frozen=True)
class Drawn:
    """What a seed draws: samples for the student and for the test, random features of both, and who is near whom."""

    train: Sample
    test: Sample
    features: Array
    tested: Array
    points: Matrix
    classes: Matrix
    near: Mask

    @classmethod
    def of(cls, world: Level, seed: int, backend: Backend) -> Drawn:
        """Draw the samples, and frequencies and phases of the random Fourier features."""
        train, test = (Sample.of(role, seed, world[size], world, backend) for role, size in _ROLES.items())
        count, d = world["d_strong"], world["d"]
        frequencies = normals(stream("lang2024", "frequencies", seed=seed), count, d, backend) / world["bandwidth"]
        phases = 2.0 * np.pi * uniforms(stream("lang2024", "phases", seed=seed), count, 1, backend)[:, 0]

        def features(x: Array) -> Array:
            return backend.xp.cos(x @ frequencies.T + phases) * (2.0 / count) ** 0.5

        points = backend.to_numpy(test.x[:MEASURED])
        near = neighbours(points, world["radius"])
        classes = backend.to_numpy(test.y)[:, 0]
        return cls(train, test, features(train.x), features(test.x), points, classes, near)


_ROLES = {"train": "n_transfer", "test": "n_test"}


def results(drawn: Drawn, world: Level, cover: Level, teachers: Teachers, backend: Backend) -> dict[str, Matrix]:
    """Compute the columns of T teachers that abstain alike: (T,) each."""
    xp, where = backend.xp, (cover["abstains"], cover["abstain"])
    seen = drawn.train.covered(*where, backend)
    labels = xp.concatenate([drawn.train.labels(teachers, backend), drawn.train.y], axis=1)
    rows, count = drawn.features * seen, xp.sum(seen)
    factor, _ = cholesky_gram(gram(rows, backend=backend) / count, world["ridge"], backend)
    outputs = drawn.tested @ solve_factor(factor, rows.T @ labels / count, backend)
    signs = backend.to_numpy(xp.where(outputs > 0, 1.0, -1.0))
    given = backend.to_numpy(drawn.test.labels(teachers, backend))
    covered = backend.to_numpy(drawn.test.covered(*where, backend))[:, 0] > 0
    return _measured(drawn, signs, given, covered)


def _measured(drawn: Drawn, signs: Matrix, given: Matrix, covered: Mask) -> dict[str, Matrix]:
    """Count errors on covered, wrongly labelled and uncovered test points, and measure expansion among the first of them."""
    truth = drawn.classes[:, None]
    bad, students, best = given != truth, signs[:, :-1] != truth, signs[:, -1:] != truth
    found = {
        "weak_error": _share(bad, covered[:, None]),
        "student_error": _share(students, covered[:, None]),
        "ceiling_error": _share(best, covered[:, None]),
        "misfit": _share(signs[:, :-1] != given, covered[:, None]),
        "student_error_bad": _share(students, bad & covered[:, None]),
        "student_error_uncovered": _share(students, ~covered[:, None]),
        "ceiling_error_uncovered": _share(best, ~covered[:, None]),
        "coverage": np.array(covered.mean()),
    }
    first = slice(len(drawn.points))
    wrong, here, classes = bad[first], covered[first], drawn.classes[first]
    to_bad = [_worst_class(drawn, classes, here & ~wrong[:, t], here & wrong[:, t]) for t in range(wrong.shape[1])]
    to_gaps = [_worst_class(drawn, classes, here & ~wrong[:, t], ~here) for t in range(wrong.shape[1])]
    return found | {"expansion_correction": np.array(to_bad), "expansion_coverage": np.array(to_gaps)}


def _share(wrong: Mask, among: Mask) -> Matrix:
    """Compute the share of True in each column among some rows; NaN where there is none."""
    count = np.broadcast_to(among, wrong.shape).sum(axis=0)
    return np.asarray(np.where(count > 0, (wrong & among).sum(axis=0) / np.maximum(count, 1), np.nan))


def _worst_class(drawn: Drawn, classes: Matrix, a: Mask, b: Mask) -> float:
    """Return the smaller expansion of the two classes, each from its own part of A to its own part of B."""
    return float(np.min([expansion(drawn.points, drawn.near, a & (classes == y), b & (classes == y)) for y in (-1.0, 1.0)]))
