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
from w2s.probes.probe import filters_of
from w2s.probes.solver_choice import choose_solver, count_filters, mixed_solver, solver_pair
from w2s.sharing.stage import Level, Values
from w2s.studies.dong2025.regression.moments import FACTORS, MOMENTS, REFINED, SPECTRUM, Moments
from w2s.studies.dong2025.regression.students import FactorStudent, MixedStudent, SpectralStudent, Student, quadratic
from w2s.studies.dong2025.regression.teachers import Fit, Teachers
from w2s_kernels import nested, ridge

__all__ = ["RESULTS", "Family", "Nested", "families"]

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
        self.targets = np.stack([self._spread(geometry) for geometry in nest.geometries])
        self.labels = self.targets.copy()
        self.labels[:, -1] = nest.noises
        cosines = max(nest.geometries, key=lambda geometry: geometry.d_weak).cosines
        self.cosines = np.pad(cosines, (0, self.d_weak - len(cosines)))
        self._unique_labels, self._label_of = np.unique(self.labels, axis=0, return_inverse=True)
        self._students: dict[tuple[str, int, int], Student] = {}
        self._baselines: dict[tuple[int, float], Matrix] = {}

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
        self._fit_baselines(teachers)
        weak = np.stack([vectors for vectors, _, _ in fits], axis=2)
        conditions = np.stack([fit.condition for _, fit, _ in fits], axis=2)[..., None]
        for n, count in enumerate(transfers):
            student = self._student("transfer", 0, count, len(self.widths) * len(teachers))
            condition: Matrix | None = None
            for v, view in enumerate(views):
                results = self._errors(student, weak, teachers, count, view)
                if condition is None:  # only now, as a factor that did not converge has been replaced
                    condition = np.maximum(conditions, student.condition(self.filters)[:, None, None, :])
                results["condition"] = condition
                results["solver"] = self._names(fits, student, results.pop("steps"))
                yield (n, v), results

    def _errors(
        self, student: Student, weak: Matrix, teachers: Sequence[Level], n_transfer: int, view: Level
    ) -> dict[str, Matrix]:
        """Results but for the condition, (seeds, members, teachers, filters) or with a last axis of one."""
        goals = self.targets if view["risk"] == "excess" else self.labels
        parts = []
        for places in self._alike(teachers, view):
            level = teachers[places[0]]
            second = self._evaluation(view["evaluate"], level["n_labeled"], student)
            chosen = np.ascontiguousarray(weak[:, :, places])
            seeds, members, count, size = chosen.shape
            flat = chosen.reshape(seeds, members * count, size)
            errors = student.errors(self.filters, flat, np.repeat(goals, count, axis=0), second)
            part = {name: values.reshape(seeds, members, count, -1) for name, values in errors.items()}
            # A copy: the ceiling may be fitted by the same student.
            part["steps"] = np.tile(student.steps[:, None, None, :], (1, members, count, 1))
            part["weak_error"] = quadratic(flat - np.repeat(goals, count, axis=0), second).reshape(seeds, members, count, 1)
            strong = [quadratic(self._strong(teachers[t]) - goals, second) for t in places]
            part["strong_error"] = np.stack(strong, axis=2)[..., None]
            joined = view["ceiling"] == "labeled+transfer"
            ceiling = self._student("joined", level["n_labeled"], n_transfer, members) if joined else student
            above = ceiling.errors(self.filters, self._labels_of(student), goals, second)["student_error"]
            part["ceiling_error"] = np.repeat(above[:, :, None], count, axis=2)
            parts.append((places, part))
        order = np.argsort(np.concatenate([places for places, _ in parts]))
        return {name: np.concatenate([part[name] for _, part in parts], axis=2)[:, :, order] for name in parts[0][1]}

    def _names(self, fits: Sequence[tuple[Matrix, Fit, str]], student: Student, steps: Matrix) -> npt.NDArray[Any]:
        """Names of the solvers of teacher and student, broadcasting to (seeds, members, teachers, filters)."""
        if not self.mixed:
            return np.array([solver_pair(name, student.solver) for _, _, name in fits], dtype=object)[:, None]
        both = np.maximum(steps, np.stack([fit.steps for _, fit, _ in fits], axis=2)[..., None])  # nan where either failed
        codes = np.where(np.isnan(both), -1, both).astype(np.int64)
        names = [*(mixed_solver(step, None) for step in range(codes.max(initial=0) + 1)), mixed_solver(0, "cholesky")]
        return np.array(names, dtype=object)[codes]

    def _alike(self, teachers: Sequence[Level], view: Level) -> list[list[int]]:
        """Teachers that are evaluated on the same moments and have the same ceiling, by position."""
        if view["evaluate"] != "labeled" and view["ceiling"] == "transfer":
            return [list(range(len(teachers)))]
        groups: dict[int, list[int]] = {}
        for place, level in enumerate(teachers):
            groups.setdefault(level["n_labeled"], []).append(place)
        return list(groups.values())

    def _labels_of(self, student: Student) -> Matrix:
        return np.broadcast_to(self.labels, (len(student.second), *self.labels.shape))

    def _evaluation(self, evaluate: str, n_labeled: int, student: Student) -> Matrix | None:
        """Second moments of the inputs that errors are measured on; None for the population."""
        if evaluate == "fresh":
            return None
        return student.second if evaluate == "transfer" else self._sums("labeled", n_labeled) / n_labeled

    def _sums(self, role: str, count: int) -> Matrix:
        return self.moments(role, count, self.d_strong, self.d_weak)

    def _weak_rows(self, sums: Matrix, count: int) -> Matrix:
        """A_w M / count for the weak map A_w, M (..., D, m): (..., d_weak, m). A weak feature is c s_i + sqrt(1 - c^2) e_i."""
        c = self.cosines[:, None]
        shared = np.count_nonzero(self.cosines)  # they descend
        rows = (np.sqrt(1.0 - c**2) / count) * sums[..., self.d_strong : self.d_strong + self.d_weak, :]
        rows[..., :shared, :] += (c[:shared] / count) * sums[..., :shared, :]
        return np.asarray(rows)

    def _weak_columns(self, rows: Matrix) -> Matrix:
        """M A_w' of M (..., m, D): (..., m, d_weak)."""
        c, shared = self.cosines, np.count_nonzero(self.cosines)
        columns = rows[..., self.d_strong : self.d_strong + self.d_weak] * np.sqrt(1.0 - c**2)
        columns[..., :shared] += rows[..., :shared] * c[:shared]
        return np.asarray(columns)

    def _weak_vectors(self, theta: Matrix) -> Matrix:
        """A_w' theta: coefficients (..., d_weak) to vectors over z (..., D)."""
        pairs = min(self.d_weak, self.d_strong)
        vectors = np.zeros((*theta.shape[:-1], self.d_strong + self.d_weak + 2))
        vectors[..., :pairs] = (theta * self.cosines)[..., :pairs]
        vectors[..., self.d_strong : self.d_strong + self.d_weak] = theta * np.sqrt(1.0 - self.cosines**2)
        return vectors

    def _teachers(self, teachers: Sequence[Level]) -> list[tuple[Matrix, Fit, str]]:
        """Weak models of all members for each teacher: vectors over z (seeds, members, D), their fit, and its solver."""
        widths, place = np.unique(self.widths, return_inverse=True)
        place, column = place.reshape(-1), self._label_of.reshape(-1)
        found: dict[int, tuple[Matrix, Fit, str]] = {}
        for count in dict.fromkeys(level["n_labeled"] for level in teachers):
            mine = {at: level["ridge_weak"] for at, level in enumerate(teachers) if level["n_labeled"] == count}
            rows = self._weak_rows(self._sums("labeled", count), count)
            gram = self._weak_columns(rows)
            rhs = np.ascontiguousarray(rows @ self._unique_labels.T)
            shared = Teachers(gram, rhs, count, widths.tolist(), list(mine.values()), self.mixed, self.backend)
            for at, strength in mine.items():
                fit = shared.fit(strength)
                vectors = self._weak_vectors(fit.theta[:, place, :, column].swapaxes(0, 1))
                found[at] = vectors, Fit(fit.theta, fit.condition[:, place], fit.steps[:, place]), shared.solver
        return [found[at] for at in range(len(teachers))]

    def _strong(self, level: Level) -> Matrix:
        """Strong features fitted on the labelled rows of a teacher: vectors over z (seeds, members, D)."""
        return self._baselines[level["n_labeled"], level["ridge_weak"]]

    def _fit_baselines(self, teachers: Sequence[Level]) -> None:
        """Fit strong features on the labelled rows of every teacher.

        The minimum-norm fit where there are no more rows than features and no ridge.
        """
        keys = list(dict.fromkeys((level["n_labeled"], level["ridge_weak"]) for level in teachers))
        for key in keys:
            if key[0] <= self.d_strong:
                baseline = SpectralStudent(self._sums("labeled", key[0]) / key[0], self.d_strong, self.backend)
                self._baselines[key] = baseline.fit(ridge([key[1]]), self._labels_of(baseline))
        left = [key for key in keys if key[0] > self.d_strong]
        together = max(1, _TOGETHER // (len(self.moments.seeds) * self.d_strong**2))
        for first in range(0, len(left), together):
            self._factored_baselines(left[first : first + together])

    def _factored_baselines(self, keys: list[tuple[int, float]]) -> None:
        """Fit some labelled samples and ridge strengths by Cholesky factors, all in one call."""
        rows = [self._sums("labeled", count)[:, : self.d_strong] / count for count, _ in keys]
        gram = np.stack([part[..., : self.d_strong] for part in rows])
        rhs = np.stack([part @ self.labels.T for part in rows])
        strengths = np.broadcast_to(np.array([strength for _, strength in keys])[:, None], gram.shape[:2])
        factor, _ = nested.cholesky_gram(gram, strengths, self.backend)
        z = nested.forward(factor, rhs, self.backend)
        theta = self.backend.to_numpy(nested.coefficients(factor, z, [self.d_strong], self.backend))[:, :, 0]
        vectors = np.zeros((*theta.shape[:2], *self.labels.shape))
        vectors[..., : self.d_strong] = theta.swapaxes(-1, -2)
        self._baselines |= dict(zip(keys, vectors, strict=True))

    def _student(self, role: str, n_labeled: int, n_transfer: int, fits: int) -> Student:
        """Strong features on the transfer rows, or on labelled and transfer rows (``joined``), for ``fits`` labels; kept."""
        key = (role, n_labeled, n_transfer)
        if key not in self._students:
            sums = self._sums("transfer", n_transfer)
            if role == "joined":
                sums = sums + self._sums("labeled", n_labeled)
            sample = {**self.draw, "n_labeled": n_labeled, "n_transfer": n_transfer}
            self._students[key] = self._made(sums / (n_labeled + n_transfer), sample, fits)
        return self._students[key]

    def _made(self, second: Matrix, sample: Level, fits: int) -> Student:
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
