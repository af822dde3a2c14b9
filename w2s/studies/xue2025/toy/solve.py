"""The arithmetic of the toy: heads by Cholesky factors of kernels, errors exact over the population, predictions by kernels.

Tails have more columns than there are rows, so heads are fitted in the rows' space: (K + b I)^-1 y with K = H H'/n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.studies.xue2025.principal import Pair, Principal, predictions
from w2s.studies.xue2025.toy.world import Sample, Sight, centred, draw, target, weak_view
from w2s.theory import xue2025 as theory
from w2s_kernels import Backend, cholesky, factor_gram, factor_rows
from w2s_kernels.backend import Array

__all__ = ["solve_world"]

Matrix = npt.NDArray[np.float64]
Level = Mapping[str, Any]


class _Head(NamedTuple):
    """Heads of one model, m of them: weights of principal coordinates (p, m) and tail (D, m), intercepts (m,)."""

    principal: Array
    tail: Array
    offset: Array

    def minus(self, other: _Head) -> _Head:
        return _Head(*(a - b for a, b in zip(self, other, strict=True)))

    def one(self, place: int) -> _Head:
        return _Head(self.principal[:, [place]], self.tail[:, [place]], self.offset[[place]])


def solve_world(
    level: Level,
    seed: int,
    teachers: Sequence[Level],
    students: Sequence[Level],
    rules: Sequence[Level],
    backend: Backend,
) -> dict[str, Any]:
    """Compute the columns of one world and seed, arrays that broadcast to (teachers, students, rules)."""
    coefficients = target(level)
    labeled, transfer = (draw(level, role, seed, coefficients, backend) for role in ("labeled", "transfer"))
    world = _World(level, coefficients, labeled, transfer, rules, backend)
    fits = [world.teach(teacher) for teacher in teachers]
    parts = [world.learn(student["ridge"], fits) for student in students]
    columns = {name: np.stack([part[name] for part in parts], axis=1)[..., None] for name in parts[0]}
    ridges = np.array([student["ridge"] for student in students], dtype=np.float64)
    predicted = [[world.predict(fit, ridges, place) for place in range(len(rules))] for fit in fits]
    for name in predicted[0][0]:
        values = [[np.broadcast_to(found[name], len(students)) for found in row] for row in predicted]
        columns[name] = np.moveaxis(np.array(values), 1, 2)
    return columns


class _Teacher(NamedTuple):
    """A weak model: its head, its squared error, what it says of the transfer rows, and what its kernel there leaves out.

    ``twin`` and ``missed`` (n,) belong to the same head fitted on the transfer rows: its outputs, and y - P_w y.
    """

    level: Level
    head: _Head
    error: float
    outputs: Array
    twin: Array
    missed: Array
    condition: float


class _World:
    """The samples of one seed, with the strong kernel and what is shared by all teachers."""

    def __init__(
        self, level: Level, coefficients: Matrix, labeled: Sample, transfer: Sample, rules: Sequence[Level], backend: Backend
    ) -> None:
        self.level, self.rules, self.backend, self.xp = level, rules, backend, backend.xp
        self.coefficients = backend.asarray(coefficients)
        self.powers = coefficients**2
        self.samples = labeled, transfer
        self.tails = tuple(part.weak_tail - part.weak_tail.mean(axis=0) for part in self.samples)
        self.tail_kernels = tuple(tail @ tail.T / len(tail) for tail in self.tails)
        self.labels = transfer.labels - transfer.labels.mean()
        self.strong = centred(transfer.latent, transfer.strong_tail)
        self.kernel = self.strong.kernel()
        self.principal: dict[Any, list[tuple[Principal, Array]]] = {}
        self.density = level["tail_power"] / level["tail_width"]

    def teach(self, teacher: Level) -> _Teacher:
        """Fit a weak model to the labelled rows, and its twin to the transfer rows."""
        views = [weak_view(sample, teacher["d_weak"], teacher["cosine"]) for sample in self.samples]
        sights = [
            Sight(view - view.mean(axis=0), tail, (view.mean(axis=0), sample.weak_tail.mean(axis=0)))
            for view, tail, sample in zip(views, self.tails, self.samples, strict=True)
        ]
        kernels = [
            sight.principal @ sight.principal.T / len(sight.principal) + tail
            for sight, tail in zip(sights, self.tail_kernels, strict=True)
        ]
        key = teacher["d_weak"], teacher["cosine"]
        if key not in self.principal:
            self.principal[key] = [self._principal(rule, sights[1].principal, kernels[1]) for rule in self.rules]
        ridge, (labeled, transfer) = teacher["ridge_weak"], self.samples
        factor, dual = self._dual(kernels[0], ridge, (labeled.labels - labeled.labels.mean())[:, None])
        head = _intercept(sights[0], sights[0].weights(dual), labeled.labels.mean()[None])
        outputs = views[1] @ head.principal[:, 0] + transfer.weak_tail @ head.tail[:, 0] + head.offset[0]
        _, twin = self._dual(kernels[1], ridge, self.labels[:, None])
        found = sights[1].outputs(sights[1].weights(twin))[:, 0]
        condition = float(self.backend.to_numpy(cholesky.condition(factor, [len(factor)]))[0])
        error = self._weak_distance(head, self.coefficients, teacher)
        return _Teacher(teacher, head, error, outputs, found, ridge * twin[:, 0], condition)

    def learn(self, ridge: float, fits: Sequence[_Teacher]) -> dict[str, Matrix]:
        """Fit students of all teachers, and the ceiling: columns (teachers,)."""
        xp, count = self.xp, len(fits)
        given = xp.stack([*(fit.outputs for fit in fits), self.samples[1].labels], axis=1)
        means = given.mean(axis=0)
        more = xp.stack([side for fit in fits for side in (fit.twin, fit.missed)], axis=1)
        factor, dual = self._dual(self.kernel, ridge, xp.concatenate([given - means, more], axis=1))
        own, others = dual[:, : count + 1], dual[:, count + 1 :]
        heads = _intercept(self.strong, self.strong.weights(own), means)
        ceiling = heads.one(count)
        students = _Head(heads.principal[:, :count], heads.tail[:, :count], heads.offset[:count])
        twins = self.strong.outputs(self.strong.weights(others[:, 0::2] - own[:, count:]))
        copied = more[:, 1::2] - ridge * others[:, 1::2]
        rest = ridge * own[:, :count]
        weak = [self._weak_distance(fit.head, students, fit.level, place) for place, fit in enumerate(fits)]
        columns = {
            "student_error": self._distance(students, self._goal()),
            "ceiling_error": xp.broadcast_to(self._distance(ceiling, self._goal()), (count,)),
            "pred_gap": self._distance(students, ceiling),
            "student_fit_error": xp.mean(rest * rest, axis=0),
            "same_sample_gap": xp.mean(twins * twins, axis=0),
            "pred_gap_full_theory": xp.mean(copied * copied, axis=0),
        }
        found = {name: self.backend.to_numpy(values) for name, values in columns.items()}
        own_condition = float(self.backend.to_numpy(cholesky.condition(factor, [len(factor)]))[0])
        found["weak_error"] = np.array([fit.error for fit in fits])
        found["misfit"] = np.array(weak)
        found["condition"] = np.array([max(fit.condition, own_condition) for fit in fits])
        return found

    def predict(self, fit: _Teacher, ridges: Matrix, place: int) -> dict[str, Any]:
        """Compute what principal kernels say by one rule, and the limit of many rows: columns (students,)."""
        level, teacher = self.level, fit.level
        if None not in self.principal:
            self.principal[None] = [self._principal(rule, self.strong.principal, self.kernel) for rule in self.rules]
        found = self.principal[None][place], self.principal[teacher["d_weak"], teacher["cosine"]][place]
        (strong, basis), (weak, other) = found
        pair = Pair.of(basis, other, self.labels[:, None], self.backend)
        columns = predictions(pair, strong, weak, ridges, teacher["ridge_weak"], level["n_labeled"])
        gammas = [float(theory.effective_ridge(level["tail_power"], 0, 1, level[f"n_{role}"])) for role in _ROLES]
        seen = np.where(np.arange(level["latent"]) < teacher["d_weak"], teacher["cosine"], 0.0)
        kept, known = theory.shrinkage(1.0, ridges + gammas[1]), theory.shrinkage(1.0, teacher["ridge_weak"] + gammas[0])
        limit = [theory.aligned_pred_gap(self.powers, one, known, seen) for one in kept]
        return columns | {"pred_gap_limit_theory": np.array(limit, dtype=np.float64)}

    def _principal(self, rule: Level, known: Array, kernel: Array) -> tuple[Principal, Array]:
        """Find the principal part of a kernel, that of the latent coordinates or what a rule finds, with its basis (n, r)."""
        rows = len(kernel)
        if rule["principal"] == "latent":
            spectrum, left = factor_rows(known, self.backend)
            return Principal(self.backend.to_numpy(spectrum.values), float(self.level["tail_power"]), 0, rows), left
        spectrum = factor_gram(kernel, self.backend)
        values = self.backend.to_numpy(spectrum.values)
        chosen = Principal.chosen(values, rows, rule["principal"], rule["share"])
        return chosen, spectrum.vectors[:, : chosen.size]

    def _dual(self, kernel: Array, ridge: float, rhs: Array) -> tuple[Array, Array]:
        """Solve (K + ridge I) a = rhs (n, m); return the factor too."""
        factor, _ = cholesky.cholesky_gram(kernel, ridge, self.backend)
        return factor, cholesky.solve_factor(factor, rhs, self.backend)

    def _goal(self) -> _Head:
        """Return f* as a head of the strong model."""
        nothing = self.xp.zeros((self.level["tail_width"], 1))
        return _Head(self.coefficients[:, None], nothing, self.xp.zeros(1))

    def _distance(self, first: _Head, second: _Head) -> Array:
        """Compute E (f - g)^2 over the population, for heads of the strong model: (m,)."""
        principal, tail, offset = first.minus(second)
        xp = self.xp
        return xp.sum(principal**2, axis=0) + self.density * xp.sum(tail**2, axis=0) + offset**2

    def _weak_distance(self, weak: _Head, other: Any, teacher: Level, place: int = 0) -> float:
        """Compute E (f_w - g)^2 over the population; g is f*, given by its coefficients, or one of some strong heads."""
        xp, cosine, width = self.xp, teacher["cosine"], teacher["d_weak"]
        head = other.one(place) if isinstance(other, _Head) else _Head(other[:, None], xp.zeros((1, 1)), xp.zeros(1))
        seen, own = weak.principal[:, 0], head.principal[:, 0]
        apart = xp.sum((cosine * seen - own[:width]) ** 2) + (1.0 - cosine**2) * xp.sum(seen**2) + xp.sum(own[width:] ** 2)
        tails = self.density * (xp.sum(weak.tail**2) + xp.sum(head.tail**2))  # the tails are independent
        return float(self.backend.to_numpy(apart + tails + (weak.offset[0] - head.offset[0]) ** 2))


_ROLES = ("labeled", "transfer")


def _intercept(sight: Sight, weights: tuple[Array, Array], means: Array) -> _Head:
    """Add the intercepts of heads that were fitted to centred features and labels."""
    principal, tail = weights
    return _Head(principal, tail, means - sight.means[0] @ principal - sight.means[1] @ tail)
