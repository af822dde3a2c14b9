"""Train and test the networks of a block: per seed the samples, then teachers, then students with their ceilings."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.laws.signal_noise import SIGNALS, Examples, draw_examples, row_sizes
from w2s.studies.oh2025.patches.networks import DATA, TEACHER, Batch, batches, student_of, teacher_of, values_of
from w2s.studies.oh2025.patches.tested import draw_patches, mixed, type_errors
from w2s.theory import oh2025 as theory
from w2s_kernels import Backend, normals, stream
from w2s_kernels.backend import Array
from w2s_kernels.patch_cnn import Task, Trained, descend

__all__ = ["MOST_KEPT", "solve_levels"]

Level = Mapping[str, Any]
Numbers = Mapping[str, npt.NDArray[np.float64]]
MOST_KEPT = 2.0**25
"""Weights that one call keeps, 256 MiB: more networks take more calls, which changes no bit."""
_STUDY = "oh2025"


def solve_levels(levels: Sequence[Level], seed: int, backend: Backend) -> Numbers:
    """Solve cells that differ in anything but the seed; every column has one number for each of them."""
    teachers, students = batches(levels)
    weak = {key: _Trainings(batch, seed, "labeled", backend) for key, batch in teachers.items()}
    for trained in weak.values():
        trained.train(lambda _network, examples: examples.labels)
    strong = {}
    for key, batch in students.items():
        strong[key] = _Trainings(batch, seed, "transfer", backend)
        strong[key].train(_labels(weak, batch.level, backend))
    drawn = _Tests(seed, backend)
    rows = []
    for level in levels:
        teacher = _teacher(weak, level)
        own = strong[(*values_of(level, DATA), level["n_transfer"], level["student"], level["per_class"])]
        rows.append(_row(level, teacher, own, drawn, backend))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


class _Trainings:
    """Networks of a batch on the patches of one seed."""

    def __init__(self, batch: Batch, seed: int, role: str, backend: Backend) -> None:
        self.batch, self.seed, self.backend = batch, seed, backend
        level = batch.level
        role_ = (_STUDY, role)
        self.examples = draw_examples(role_, seed, batch.n, level["d"], level["p_hard"], level["p_both"], backend)
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
            scales = np.stack([row_sizes(len(self.examples.rows), network) for network in networks])
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


class _Tests:
    """Normals of the test and the validation inputs of a seed, drawn once for each size."""

    def __init__(self, seed: int, backend: Backend) -> None:
        self._seed, self._backend = seed, backend
        self._drawn: dict[Hashable, Array] = {}

    def of(self, role: str, n: int, filters: int) -> Array:
        key = (role, n, filters)
        if key not in self._drawn:
            self._drawn[key] = draw_patches((_STUDY, role), self._seed, n, filters + 1, self._backend)
        return self._drawn[key]


def _parts(batch: Batch) -> Iterator[slice]:
    each = batch.filters * float(batch.level["d"]) * max(1, len(batch.steps))
    together = max(1, int(MOST_KEPT // each))
    for start in range(0, len(batch.networks), together):
        yield slice(start, start + together)


def _teacher(weak: Mapping[Hashable, _Trainings], level: Level) -> Array:
    trained = weak[(*values_of(level, DATA), level["n_labeled"])]
    return trained.weights(teacher_of(level), level["teacher_steps"])[0]


def _labels(weak: Mapping[Hashable, _Trainings], data: Level, backend: Backend) -> Any:
    """Make the rule that tells a student its labels: the teacher's hard ones, or the truth."""
    told: dict[Hashable, npt.NDArray[np.float64]] = {}

    def labels(network: Level, examples: Examples) -> npt.NDArray[np.float64]:
        if network["told"] == "truth":
            return examples.labels
        key = tuple(network[name] for name in (*TEACHER, "mu", "nu", "sigma"))
        if key not in told:
            teacher = _teacher(weak, {**data, **network})
            of_row = backend.to_numpy(examples.rows @ teacher) * row_sizes(len(examples.rows), network)
            told[key] = np.where(of_row[examples.members].sum(axis=1) >= 0, 1.0, -1.0)
        return told[key]

    return labels


def _row(level: Level, teacher: Array, trained: _Trainings, drawn: _Tests, backend: Backend) -> dict[str, float]:
    p_hard, p_both, step = level["p_hard"], level["p_both"], level["step"]
    student, ceiling = student_of(level, "weak"), student_of(level, "truth")
    filters, relu = trained.weights(student, step), trained.batch.filters > 1
    count = trained.batch.filters
    test = drawn.of("test", level["n_test"], count)
    errors = type_errors(teacher, filters, level, test, backend, relu=relu)
    wrong, weak_wrong, unequal = (backend.to_numpy(found) for found in errors)
    truth = backend.to_numpy(type_errors(teacher, trained.weights(ceiling, step), level, test, backend, relu=relu)[0])
    held_out = drawn.of("validation", level["n_validation"], count)
    doubted = backend.to_numpy(type_errors(teacher, filters, level, held_out, backend, relu=relu)[2])
    found = {f"student_error_{name}": wrong[k] for k, name in enumerate(("easy", "hard", "both"))}
    found |= {f"weak_error_{name}": weak_wrong[k] for k, name in enumerate(("easy", "hard", "both"))}
    found |= {"ceiling_error_hard": truth[1]}
    overall = {"weak_error": weak_wrong, "student_error": wrong, "ceiling_error": truth, "misfit": unequal}
    overall |= {"student_validation_misfit": doubted}
    found |= {name: float(mixed(values, p_hard, p_both)) for name, values in overall.items()}
    fitted = _fit(trained.outputs(student, step), trained.told(student), trained.examples.labels)
    aligned = _alignments(backend.to_numpy(filters[:, :SIGNALS]), level, relu)
    return found | fitted | aligned | _teacher_columns(backend.to_numpy(teacher), level)


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


def _alignments(signals: Any, level: Level, relu: bool) -> dict[str, float]:
    """Compute how well the filters see the signals: the best filter of the right class, for the signal seen worst.

    ``signals`` (F, 4) are the filters on the axes of mu_1, mu_-1, nu_1, nu_-1. A linear filter is of the class +1, and its
    negative of the class -1.
    """
    half = len(signals) // 2
    of_class = (signals[:half], signals[half:]) if relu else (signals, -signals)
    easy = min(float((level["mu"] * of_class[y][:, y]).max()) for y in range(2))
    hard = min(float((s * level["nu"] * of_class[y][:, 2 + y]).max()) for y in range(2) for s in (1, -1))
    return {"aligned_easy": easy, "aligned_hard": hard}


def _teacher_columns(teacher: npt.NDArray[np.float64], level: Level) -> dict[str, float]:
    """Compute the closed form of the teacher's error, and its tilt.

    The tilt is its product with the hard signal over its noise on a hard-only input. Above 1 its answers there are no coins
    but a function of the signal, which the student can learn.
    """
    noise = float(level["sigma"] * np.linalg.norm(teacher[SIGNALS:]))
    sign = np.array([1.0, -1.0])
    easy, hard = level["mu"] * sign * teacher[:2], level["nu"] * sign * teacher[2:SIGNALS]
    error = float(theory.linear_error(easy, hard, noise, level["p_hard"], level["p_both"]).mean())
    tilt = float(np.abs(hard).max()) / (np.sqrt(2.0) * noise) if noise > 0 else np.nan
    return {"weak_error_theory": error, "weak_tilt": tilt}
