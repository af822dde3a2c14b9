"""The arithmetic of the regression study: what the cells of a block share, and one pass over what they do not.

Latent coordinates z = [s, e, t, noise] (see :mod:`w2s.laws.gaussian`); every model and every goal is a vector over z. What is
shared: second moments of z per seed and sample count; one Cholesky factor of the weak Gram for all nested weak widths; one
eigendecomposition of the student's Gram for all teachers and filters, or a Cholesky factor for each where filters are few
ridges (:mod:`w2s.probes.solver_choice`). What is left for a cell is a sum over d_strong numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.laws.gaussian import GEOMETRY, Geometry
from w2s.probes.filters import filters_of
from w2s.probes.solver_choice import choose_solver, count_filters, mixed_solver, solver_pair
from w2s.sharing.stage import Level, Values
from w2s.studies.dong2025.regression.moments import FACTORS, MOMENTS, REFINED, SPECTRUM, Moments
from w2s.studies.dong2025.regression.students import FactorStudent, MixedStudent, SpectralStudent, Student, quadratic
from w2s.studies.dong2025.regression.teachers import Fit, Teachers
from w2s_kernels import nested
from w2s_kernels.backend import Array, namespace
from w2s_kernels.items import matmul

__all__ = ["RESULTS", "Family", "Nested", "baseline_by_factors", "families"]

Matrix = npt.NDArray[np.float64]

_TOGETHER = 2**22  # numbers in Grams that are factored in one call: 32 MiB
RESULTS = ("weak_error", "student_error", "strong_error", "ceiling_error", "misfit", "gain", "condition")


@dataclass(frozen=True)
class Nested:
    """Geometries with one strong width and the same canonical cosines: a narrower weak model is a prefix of a wider one."""

    design: str
    d_strong: int
    places: list[int] = field(default_factory=list)
    geometries: list[Geometry] = field(default_factory=list)
    noises: list[float] = field(default_factory=list)

    @property
    def d_weak(self) -> int:
        """Widest weak width."""
        return max(geometry.d_weak for geometry in self.geometries)


def families(levels: Sequence[Level], asked: npt.NDArray[np.bool_] | None = None) -> list[Nested]:
    """Group the geometries that are asked for by what they share. ``places`` are positions in ``levels``."""
    found: dict[tuple[Any, ...], Nested] = {}
    for place, level in enumerate(levels):
        if asked is not None and not asked[place]:
            continue
        geometry = Geometry(**{name: level[name] for name in GEOMETRY})
        cosines = geometry.cosines
        key = (level["design"], geometry.d_strong, tuple(cosines[cosines > 0]))
        group = found.setdefault(key, Nested(level["design"], geometry.d_strong))
        group.places.append(place)
        group.geometries.append(geometry)
        group.noises.append(float(level["noise"]))
    return list(found.values())


class Family:
    """All cells of some geometries with nested weak features. D = d_strong + d_weak + 2 is the length of z."""

    def __init__(self, nest: Nested, draw: Level, values: Values, filters: Sequence[Level], precision: str = "float64") -> None:
        self.draw, self.values, self.backend, self.filters = draw, values, values.backend, filters_of(filters)
        self.moments: Moments = values(MOMENTS, draw)
        self.levels, self.mixed = filters, precision == "mixed"
        self.d_strong, self.d_weak = nest.d_strong, nest.d_weak
        self.widths = [geometry.d_weak for geometry in nest.geometries]
        targets = np.stack([self._spread(geometry) for geometry in nest.geometries])
        labels = targets.copy()
        labels[:, -1] = nest.noises
        cosines = max(nest.geometries, key=lambda geometry: geometry.d_weak).cosines
        unique_labels, label_of = np.unique(labels, axis=0, return_inverse=True)
        unique_widths, width_of = np.unique(self.widths, return_inverse=True)
        self._shared, self._unique_widths, self._width_of = (
            np.count_nonzero(cosines),
            unique_widths.tolist(),
            width_of.reshape(-1),
        )
        # All that the host knows and the device needs, sent once.
        self.xp, send = self.backend.xp, self.backend.asarray
        self.targets, self.labels, self._unique_labels = send(targets), send(labels), send(unique_labels)
        self.cosines = send(np.pad(cosines, (0, self.d_weak - len(cosines))))
        self._place, self._column = send(self._width_of, np.int64), send(label_of.reshape(-1), np.int64)
        self._students: dict[tuple[str, int, int], Student] = {}
        self._baselines: dict[int, Student | list[Array]] = {}
        self._baseline_errors: dict[tuple[int, str, str], Array] = {}

    def _spread(self, geometry: Geometry) -> Matrix:
        """Write a geometry's target over the family's latents, which have room for the widest weak features."""
        own, target = geometry.target(), np.zeros(self.d_strong + self.d_weak + 2)
        target[: self.d_strong + geometry.d_weak] = own[:-1]
        target[-2] = own[-1]
        return target

    def solve(
        self, teachers: Sequence[Level], transfers: Sequence[int], views: Sequence[Level]
    ) -> Iterator[tuple[tuple[int, int], dict[str, Matrix]]]:
        """Yield, for every transfer count and view, results (seeds, members, teachers, filters) by name."""
        fits = self._teachers(teachers)
        self._fit_baselines(list(dict.fromkeys(level["n_labeled"] for level in teachers)))
        xp, fetch = self.xp, self.backend.to_numpy
        weak = xp.stack([vectors for vectors, _, _ in fits], axis=2)
        conditions = xp.stack([fit.condition for _, fit, _ in fits], axis=2)[..., None]
        for n, count in enumerate(transfers):
            student = self._student("transfer", 0, count, len(self.widths) * len(teachers))
            condition: Array | None = None
            for v, view in enumerate(views):
                results = self._errors(student, weak, teachers, count, view)
                if condition is None:  # only now, as a factor that did not converge has been replaced
                    condition = fetch(xp.maximum(conditions, student.condition(self.filters)[:, None, None, :]))
                names = self._names(fits, student, results.pop("steps"))
                found = {name: fetch(values) for name, values in results.items()}
                yield (n, v), found | {"condition": condition, "solver": names}

    def _errors(
        self, student: Student, weak: Array, teachers: Sequence[Level], n_transfer: int, view: Level
    ) -> dict[str, Array]:
        """Compute all results but the condition, (seeds, members, teachers, filters) or with a last axis of one."""
        xp, goals = self.xp, self.targets if view["risk"] == "excess" else self.labels
        parts = []
        for places in self._alike(teachers, view):
            level = teachers[places[0]]
            second = self._evaluation(view["evaluate"], level["n_labeled"], student)
            chosen = xp.stack([weak[:, :, place] for place in places], axis=2)
            seeds, members, count, size = chosen.shape
            flat = chosen.reshape(seeds, members * count, size)
            errors = student.errors(self.filters, flat, xp.repeat(goals, count, axis=0), second)
            part = {name: values.reshape(seeds, members, count, -1) for name, values in errors.items()}
            # A copy: the ceiling may be fitted by the same student.
            part["steps"] = np.tile(student.steps[:, None, None, :], (1, members, count, 1))
            part["weak_error"] = quadratic(flat - xp.repeat(goals, count, axis=0), second).reshape(seeds, members, count, 1)
            strong = [self._strong_errors(teachers[t]["n_labeled"], goals, second, view) for t in places]
            part["strong_error"] = xp.stack(strong, axis=2)
            joined = view["ceiling"] == "labeled+transfer"
            ceiling = self._student("joined", level["n_labeled"], n_transfer, members) if joined else student
            above = ceiling.errors(self.filters, self._labels_of(student), goals, second)["student_error"]
            part["ceiling_error"] = xp.repeat(above[:, :, None], count, axis=2)
            parts.append((places, part))
        return {name: _in_order([(places, part[name]) for places, part in parts]) for name in parts[0][1]}

    def _names(self, fits: Sequence[tuple[Array, Fit, str]], student: Student, steps: Matrix) -> npt.NDArray[Any]:
        """Name the solvers of teacher and student, broadcasting to (seeds, members, teachers, filters)."""
        if not self.mixed:
            return np.array([solver_pair(name, student.solver) for _, _, name in fits], dtype=object)[:, None]
        both = np.maximum(steps, np.stack([fit.steps for _, fit, _ in fits], axis=2)[..., None])  # nan where either failed
        codes = np.where(np.isnan(both), -1, both).astype(np.int64)
        names = [*(mixed_solver(step, None) for step in range(codes.max(initial=0) + 1)), mixed_solver(0, "cholesky")]
        return np.array(names, dtype=object)[codes]

    def _alike(self, teachers: Sequence[Level], view: Level) -> list[list[int]]:
        """Group the teachers, by position, that are evaluated on the same moments and have the same ceiling."""
        if view["evaluate"] != "labeled" and view["ceiling"] == "transfer":
            return [list(range(len(teachers)))]
        groups: dict[int, list[int]] = {}
        for place, level in enumerate(teachers):
            groups.setdefault(level["n_labeled"], []).append(place)
        return list(groups.values())

    def _labels_of(self, student: Student) -> Array:
        return self.xp.broadcast_to(self.labels, (len(student.second), *self.labels.shape))

    def _evaluation(self, evaluate: str, n_labeled: int, student: Student) -> Array | None:
        """Return the second moments of the inputs that errors are measured on; None for the population."""
        if evaluate == "fresh":
            return None
        return student.second if evaluate == "transfer" else self._sums("labeled", n_labeled) / n_labeled

    def _sums(self, role: str, count: int) -> Array:
        return self.moments(role, count, self.d_strong, self.d_weak)

    def _weak_rows(self, sums: Array, count: int) -> Array:
        """Compute A_w M / count for the weak map A_w, M (..., D, m): (..., d_weak, m).

        A weak feature is c s_i + sqrt(1 - c^2) e_i.
        """
        c, shared = self.cosines[:, None], self._shared  # they descend
        rows = (self.xp.sqrt(1.0 - c**2) / count) * sums[..., self.d_strong : self.d_strong + self.d_weak, :]
        rows[..., :shared, :] += (c[:shared] / count) * sums[..., :shared, :]
        return rows

    def _weak_columns(self, rows: Array) -> Array:
        """Compute M A_w' of M (..., m, D): (..., m, d_weak)."""
        c, shared = self.cosines, self._shared
        columns = rows[..., self.d_strong : self.d_strong + self.d_weak] * self.xp.sqrt(1.0 - c**2)
        columns[..., :shared] += rows[..., :shared] * c[:shared]
        return columns

    def _weak_vectors(self, theta: Array) -> Array:
        """Compute A_w' theta: coefficients (..., d_weak) to vectors over z (..., D)."""
        pairs = min(self.d_weak, self.d_strong)
        vectors = self.xp.zeros((*theta.shape[:-1], self.d_strong + self.d_weak + 2))
        vectors[..., :pairs] = (theta * self.cosines)[..., :pairs]
        vectors[..., self.d_strong : self.d_strong + self.d_weak] = theta * self.xp.sqrt(1.0 - self.cosines**2)
        return vectors

    def _teachers(self, teachers: Sequence[Level]) -> list[tuple[Array, Fit, str]]:
        """Fit the weak models of all members for each teacher.

        Returns vectors over z (seeds, members, D), their fit, and its solver.
        """
        place, column, xp = self._place, self._column, self.xp
        found: dict[int, tuple[Array, Fit, str]] = {}
        for count in dict.fromkeys(level["n_labeled"] for level in teachers):
            mine = {at: level["ridge_weak"] for at, level in enumerate(teachers) if level["n_labeled"] == count}
            rows = self._weak_rows(self._sums("labeled", count), count)
            gram = self._weak_columns(rows)
            rhs = xp.ascontiguousarray(matmul(rows, self._unique_labels.T, xp))
            shared = Teachers(gram, rhs, count, self._unique_widths, list(mine.values()), self.mixed, self.backend)
            for at, strength in mine.items():
                fit = shared.fit(strength)
                vectors = self._weak_vectors(fit.theta[:, place, :, column].swapaxes(0, 1))
                found[at] = vectors, Fit(fit.theta, fit.condition[:, place], fit.steps[:, self._width_of]), shared.solver
        return [found[at] for at in range(len(teachers))]

    def _strong_errors(self, count: int, goals: Array, second: Array | None, view: Level) -> Array:
        """Compute errors of strong features fitted on labelled rows under the students' filters: (seeds, members, filters).

        Kept where they are not measured on the rows of one student.
        """
        key = (count, view["evaluate"], view["risk"])
        if key in self._baseline_errors:
            return self._baseline_errors[key]
        baseline = self._baselines[count]
        if isinstance(baseline, Student):
            errors = baseline.errors(self.filters, self._labels_of(baseline), goals, second)["student_error"]
        else:
            errors = self.xp.stack([quadratic(vectors - goals, second) for vectors in baseline], axis=-1)
        if view["evaluate"] != "transfer":
            self._baseline_errors[key] = errors
        return errors

    def _fit_baselines(self, counts: Sequence[int]) -> None:
        """Fit strong features on labelled samples of these sizes, in float64, with the students' filters."""
        factored = [n for n in counts if baseline_by_factors(self.levels, self.d_strong, n, len(self.widths))]
        for count in set(counts) - set(factored):
            self._baselines[count] = SpectralStudent(self._sums("labeled", count) / count, self.d_strong, self.backend)
        keys = [(count, float(strength)) for count in factored for strength in self.filters.value]
        together = max(1, _TOGETHER // (len(self.moments.seeds) * self.d_strong**2))
        for first in range(0, len(keys), together):
            part = keys[first : first + together]
            for (count, _), vectors in zip(part, self._factored_baselines(part), strict=True):
                found = self._baselines.setdefault(count, [])
                assert isinstance(found, list)
                found.append(vectors)

    def _factored_baselines(self, keys: list[tuple[int, float]]) -> Array:
        """Fit some labelled samples and ridge strengths by Cholesky factors, all in one call: (keys, seeds, members, D)."""
        xp = self.xp
        rows = [self._sums("labeled", count)[:, : self.d_strong] / count for count, _ in keys]
        gram = xp.stack([part[..., : self.d_strong] for part in rows])
        rhs = xp.stack([matmul(part, self.labels.T, xp) for part in rows])
        strengths = xp.stack([xp.full(len(part), strength) for part, (_, strength) in zip(rows, keys, strict=True)])
        factor, _ = nested.cholesky_gram(gram, strengths, self.backend)
        z = nested.forward(factor, rhs, self.backend)
        theta = nested.coefficients(factor, z, [self.d_strong], self.backend)[:, :, 0]
        vectors = xp.zeros((*theta.shape[:2], *self.labels.shape))
        vectors[..., : self.d_strong] = theta.swapaxes(-1, -2)
        return vectors

    def _student(self, role: str, n_labeled: int, n_transfer: int, fits: int) -> Student:
        """Return the strong features on the transfer rows, or on labelled and transfer rows (``joined``), for ``fits`` labels.

        Each is made once and kept.
        """
        key = (role, n_labeled, n_transfer)
        if key not in self._students:
            sums = self._sums("transfer", n_transfer)
            if role == "joined":
                sums = sums + self._sums("labeled", n_labeled)
            sample = {**self.draw, "n_labeled": n_labeled, "n_transfer": n_transfer}
            self._students[key] = self._made(sums / (n_labeled + n_transfer), sample, fits)
        return self._students[key]

    def _made(self, second: Array, sample: Level, fits: int) -> Student:
        n = sample["n_labeled"] + sample["n_transfer"]
        sample = {**sample, "ridges": tuple(self.filters.value.tolist())}
        if self.mixed:
            return MixedStudent(second, self.d_strong, self.filters, self.backend, self.values(REFINED, sample))
        factors, spectral = count_filters(self.levels, self.d_strong, n)
        chosen = choose_solver(self.d_strong, n, strengths=factors, spectral=spectral, rhs=fits)
        if chosen.name == "cholesky":
            student = FactorStudent(second, self.d_strong, self.filters, self.backend, self.values(FACTORS, sample))
            if student.complete:
                return student
        return SpectralStudent(second, self.d_strong, self.backend, self.values(SPECTRUM, sample))


def baseline_by_factors(levels: Sequence[Level], d: int, n: int, members: int) -> bool:
    """Tell whether Cholesky factors solve a strong baseline on n rows under the students' filters; else one spectrum does."""
    factors, spectral = count_filters(levels, d, n)
    if spectral or factors == 1:
        return not spectral
    return choose_solver(d, n, strengths=factors, rhs=members).name == "cholesky"


def _in_order(parts: Sequence[tuple[list[int], Array]]) -> Array:
    """Join results (seeds, members, teachers, ...) of groups of teachers, in the order of the teachers."""
    if len(parts) == 1:
        return parts[0][1]
    columns = {place: values[:, :, at] for places, values in parts for at, place in enumerate(places)}
    return namespace(parts[0][1]).stack([columns[place] for place in sorted(columns)], axis=2)
