"""Train and test the networks of a block: per seed the samples, then teachers, then students with their ceilings."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from w2s.laws.signal_noise import TYPES, Examples
from w2s.studies.oh2025.patches.networks import DATA, TEACHER, Batch, batches, student_of, teacher_of, values_of
from w2s.studies.oh2025.patches.tested import mixed
from w2s_kernels import Backend, normals, stream
from w2s_kernels.backend import Array
from w2s_kernels.patch_cnn import Task, Trained, descend

__all__ = ["MOST_KEPT", "World", "solve_levels"]

Level = Mapping[str, Any]
Values = npt.NDArray[np.float64]
Numbers = Mapping[str, npt.NDArray[np.float64]]
MOST_KEPT = 2.0**25
"""Weights that one call keeps, 256 MiB: more networks take more calls, which changes no bit."""
_STUDY = "oh2025"


class World(Protocol):
    """Where the examples and the new inputs of one seed come from."""

    def sample(self, role: str, n: int, level: Level) -> Examples:
        """Return n examples for the role ``labeled`` or ``transfer``, as patches of size 1."""

    def factors(self, examples: Examples, network: Level) -> Values:
        """Return the size of each patch, (rows,), for a network."""

    def errors(self, role: str, n: int, teacher: Array, filters: Array, level: Level) -> tuple[Array, Array, Array]:
        """Return the student's, the teacher's and the unequal shares on n new inputs of each type, (types,) each."""

    def extras(self, teacher: Array, filters: Array, level: Level) -> Mapping[str, float]:
        """Return columns of the world's own."""


def solve_levels(levels: Sequence[Level], seed: int, world: World, backend: Backend) -> Numbers:
    """Solve cells that differ in anything but the seed; every column has one number for each of them."""
    teachers, students = batches(levels)
    weak = {key: _Trainings(batch, seed, "labeled", world, backend) for key, batch in teachers.items()}
    for trained in weak.values():
        trained.train(lambda _network, examples: examples.labels)
    strong = {}
    for key, batch in students.items():
        strong[key] = _Trainings(batch, seed, "transfer", world, backend)
        strong[key].train(_labels(weak, batch.level, world, backend))
    rows = []
    for level in levels:
        teacher = _teacher(weak, level)
        own = strong[(*values_of(level, DATA), level["n_transfer"], level["student"], level["per_class"])]
        rows.append(_row(level, teacher, own, world, backend))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


class _Trainings:
    """Networks of a batch on the patches of one seed."""

    def __init__(self, batch: Batch, seed: int, role: str, world: World, backend: Backend) -> None:
        self.batch, self.seed, self.world, self.backend = batch, seed, world, backend
        self.examples = world.sample(role, batch.n, batch.level)
        self.labels: list[Any] = []
        self._found: list[Trained] = []
        self._sizes: list[int] = []

    def train(self, labels: Any) -> None:
        """Train all networks; ``labels`` gives those of a network on the examples."""
        batch, backend, level = self.batch, self.backend, self.batch.level
        relu = batch.filters > 1
        rate = "rate" if "rate" in batch.networks[0] else "teacher_rate"
        self.labels = [np.asarray(labels(network, self.examples), dtype=np.float64) for network in batch.networks]
        for part in _parts(batch):
            networks = batch.networks[part]
            scales = np.stack([self.world.factors(self.examples, network) for network in networks])
            task = Task(
                self.examples.rows,
                backend.asarray(self.examples.members, np.int64),
                backend.asarray(np.stack(self.labels[part])),
                self._starts(networks, level["d"], relu),
                backend.asarray(scales),
            )
            rates = backend.asarray(np.array([float(network[rate]) for network in networks]))
            form = "span" if batch.span else "weights"
            self._found += descend([task], batch.steps, rates, relu=relu, form=form, backend=backend)
            self._sizes.append(len(networks))

    def weights(self, network: Level, step: int) -> Array:
        """Return the filters (F, d) of a network at a step."""
        found, at = self._place(network)
        return found.weights[self.batch.steps.index(step), at]

    def outputs(self, network: Level, step: int) -> npt.NDArray[np.float64]:
        """Return what a network says on its examples at a step."""
        found, at = self._place(network)
        return self.backend.to_numpy(found.outputs[self.batch.steps.index(step), at])

    def told(self, network: Level) -> npt.NDArray[np.float64]:
        """Return the labels that a network was trained on."""
        found: npt.NDArray[np.float64] = self.labels[self.batch.networks.index(network)]
        return found

    def _place(self, network: Level) -> tuple[Trained, int]:
        at = self.batch.networks.index(network)
        for found, size in zip(self._found, self._sizes, strict=True):
            if at < size:
                return found, at
            at -= size
        raise KeyError(network)

    def _starts(self, networks: Sequence[Level], d: int, relu: bool) -> Array:
        xp = self.backend.xp
        if not relu:
            return xp.zeros((len(networks), 1, d))
        drawn = normals(stream(_STUDY, "filters", seed=self.seed), self.batch.filters, d, self.backend)
        unit = xp.concatenate([drawn[0::2], drawn[1::2]])  # nested in the number of filters of a class
        return xp.stack([float(network["init"]) * unit for network in networks])


def _parts(batch: Batch) -> Iterator[slice]:
    each = batch.filters * float(batch.level["d"]) * max(1, len(batch.steps))
    together = max(1, int(MOST_KEPT // each))
    for start in range(0, len(batch.networks), together):
        yield slice(start, start + together)


def _teacher(weak: Mapping[Hashable, _Trainings], level: Level) -> Array:
    trained = weak[(*values_of(level, DATA), level["n_labeled"])]
    return trained.weights(teacher_of(level), level["teacher_steps"])[0]


def _labels(weak: Mapping[Hashable, _Trainings], data: Level, world: World, backend: Backend) -> Any:
    """Make the rule that tells a student its labels: the teacher's hard ones, or the truth."""
    told: dict[Hashable, npt.NDArray[np.float64]] = {}

    def labels(network: Level, examples: Examples) -> npt.NDArray[np.float64]:
        if network["told"] == "truth":
            return examples.labels
        key = tuple(network[name] for name in (*TEACHER, "mu", "nu", "sigma"))
        if key not in told:
            teacher = _teacher(weak, {**data, **network})
            of_row = backend.to_numpy(examples.rows @ teacher) * world.factors(examples, network)
            told[key] = np.where(of_row[examples.members].sum(axis=1) >= 0, 1.0, -1.0)
        return told[key]

    return labels


def _row(level: Level, teacher: Array, trained: _Trainings, world: World, backend: Backend) -> dict[str, float]:
    p_hard, p_both, step = level["p_hard"], level["p_both"], level["step"]
    student, ceiling = student_of(level, "weak"), student_of(level, "truth")
    filters, best = trained.weights(student, step), trained.weights(ceiling, step)
    wrong, weak_wrong, unequal = map(backend.to_numpy, world.errors("test", level["n_test"], teacher, filters, level))
    truth = backend.to_numpy(world.errors("test", level["n_test"], teacher, best, level)[0])
    doubted = backend.to_numpy(world.errors("validation", level["n_validation"], teacher, filters, level)[2])
    found = {f"student_error_{name}": wrong[k] for k, name in enumerate(TYPES)}
    found |= {f"weak_error_{name}": weak_wrong[k] for k, name in enumerate(TYPES)}
    found |= {"ceiling_error_hard": truth[1]}
    overall = {"weak_error": weak_wrong, "student_error": wrong, "ceiling_error": truth, "misfit": unequal}
    overall |= {"student_validation_misfit": doubted}
    found |= {name: float(mixed(values, p_hard, p_both)) for name, values in overall.items()}
    fitted = _fit(trained.outputs(student, step), trained.told(student), trained.examples.labels)
    return found | fitted | dict(world.extras(teacher, filters, level))


def _fit(outputs: Any, told: Any, truth: Any) -> dict[str, float]:
    """Compute the fit to the weak labels, the accuracy on the truth, and that where the weak labels are wrong."""
    broken = 0.0 if np.isfinite(outputs).all() else np.nan
    says, flipped = np.where(outputs >= 0, 1.0, -1.0), told != truth
    correction = float((says == truth)[flipped].mean()) if flipped.any() else np.nan
    fit, right = float((says == told).mean()), float((says == truth).mean())
    return {
        "train_fit": fit + broken,
        "train_accuracy": right + broken,
        "label_correction": correction + broken,
        "weak_train_error": float(flipped.mean()),
    }
