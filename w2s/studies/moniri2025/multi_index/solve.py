"""The arithmetic of the multi-index study: per seed the teachers, each student's step on their labels, then all readouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block, Group
from w2s.sharing.results import Results
from w2s.studies.fields import occurring
from w2s.studies.moniri2025.multi_index import networks as nets
from w2s.studies.moniri2025.multi_index.networks import Layer, Target
from w2s.theory.moniri2025 import spikes as theory
from w2s_kernels import Backend, joint_risk
from w2s_kernels.backend import Array

__all__ = ["READOUTS", "STUDENT", "TEACHER", "WORLD", "groups_of", "solve_block"]

Matrix = npt.NDArray[np.float64]
Level = Mapping[str, Any]
Columns = dict[str, Any]

WORLD = ("d", "d_weak", "d_strong", "quadratic", "hard")
TEACHER = ("n_labeled", "noise_variance", "step_weak", "ridge_weak")
STUDENT = ("n_transfer", "step", "pretraining")
READOUTS = ("ridge", "head")


@dataclass(frozen=True)
class _Teacher:
    """A trained teacher: first layer (p, d), output layer (p,), second moments with the target, and its columns."""

    weights: Array
    head: Array
    joint: Array
    columns: Columns


def groups_of(block: Block) -> list[Group]:
    """Group a block's cells: seeds, worlds, teachers, students, readouts."""
    return [block.group(*names) for names in (("seed",), WORLD, TEACHER, STUDENT, READOUTS)]


def solve_block(block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
    """Solve every cell of a block."""
    groups = groups_of(block)
    seeds, worlds, teachers, students, _ = groups
    asked = occurring(block, worlds, teachers, students)
    results = Results(block, groups, ("weak_error", "student_error", "ceiling_error", "misfit"))
    for w in np.flatnonzero(asked.any(axis=(1, 2))):
        for s, seed in enumerate(seeds.values("seed")):
            run = _Run(worlds.levels[w], seed, teachers, students, groups[4].levels, backend)
            for t in np.flatnonzero(asked[w].any(axis=1)):
                teacher = run.teacher(teachers.levels[t])
                for k in np.flatnonzero(asked[w, t]):
                    found = run.student(teacher, teachers.levels[t]["noise_variance"], students.levels[k])
                    results.put((s, w, t, k), teacher.columns | found)
    return results.columns()


class _Run:
    """One seed of one world: its layers and samples, drawn once."""

    def __init__(
        self, world: Level, seed: int, teachers: Group, students: Group, readouts: Sequence[Level], backend: Backend
    ) -> None:
        self.d, self.target, self.backend, self.seed = world["d"], Target(world["quadratic"], world["hard"]), backend, seed
        self.layer = nets.unit_layer("teacher", seed, world["d_weak"], self.d, 0.0, backend)
        self.width, self.readouts = world["d_strong"], readouts
        self.ridges = sorted({level["ridge"] for level in readouts})
        self.samples = {}
        for part, group, name in (("labeled", teachers, "n_labeled"), ("transfer", students, "n_transfer")):
            for use in ("step", "fit"):
                rows = max(group.values(name))
                self.samples[part, use] = nets.sample(f"{part} {use}", seed, rows, self.d, backend)
        self._ceilings: dict[tuple[Any, ...], Matrix] = {}
        self._starts: dict[float, tuple[Layer, Columns]] = {}

    def _rows(self, part: str, use: str, rows: int, noise: float) -> tuple[Array, Array]:
        """Return inputs and noisy true labels."""
        x, e = (array[:rows] for array in self.samples[part, use])
        return x, self.target.labels(x) + float(np.sqrt(noise)) * e

    def teacher(self, level: Level) -> _Teacher:
        """Train a teacher: one step on the labelled sample, a readout on as many rows more."""
        backend, rows, noise = self.backend, level["n_labeled"], level["noise_variance"]
        step = self._rows("labeled", "step", rows, noise)
        weights = nets.gradient_step(self.layer, *step, level["step_weak"], backend)
        x, y = self._rows("labeled", "fit", rows, noise)
        head = nets.readout(nets.features(weights, x, backend.xp), y, [level["ridge_weak"]], backend)[0]
        joint = nets.joint_moments([weights], backend)
        easy, hard = nets.projections(weights, backend)
        columns: Columns = {"easy_weak": easy, "hard_weak": hard} | self._scores([head], joint, "_weak")
        columns["weak_error"] = columns.pop("error_weak")
        columns["easy_weak_theory"] = self._aligned(self.target.weights[0], 1.0 + noise, rows, level["step_weak"], len(weights))
        return _Teacher(weights, head, joint, columns)

    def student(self, teacher: _Teacher, noise: float, level: Level) -> Columns:
        """Train a student on a teacher's outputs and read it out in every way: columns that are numbers or (readouts,)."""
        backend, rows, xp = self.backend, level["n_transfer"], self.backend.xp
        start, columns = self._start(level["pretraining"])
        inputs = {use: self.samples["transfer", use][0][:rows] for use in ("step", "fit")}
        labels = {use: nets.features(teacher.weights, x, xp) @ teacher.head for use, x in inputs.items()}
        weights = nets.gradient_step(start, inputs["step"], labels["step"], level["step"], backend)
        heads = nets.readout(nets.features(weights, inputs["fit"], xp), labels["fit"], self.ridges, backend)
        before = nets.pretrained_head(start.weights, self.target.weights[2], self.ridges, backend)
        joint = nets.joint_moments([teacher.weights, weights, start.weights], backend)
        widths = (len(teacher.weights), len(weights), len(weights))
        found: list[Columns] = []
        for readout in self.readouts:
            at = self.ridges.index(readout["ridge"])
            kept = before[at] if readout["head"] == "kept" else xp.zeros(widths[2])
            parts = [xp.zeros(widths[0]), heads[at], kept]
            apart = xp.concatenate([-teacher.head, heads[at], kept, xp.zeros(3)])
            scores = self._scores(parts, joint, "")
            scores["misfit"] = float(backend.to_numpy(joint_risk(apart[:, None], joint))[0])
            found.append(scores)
        columns = columns | {name: np.array([scores[name] for scores in found]) for name in found[0]}
        columns["student_error"] = columns.pop("error")
        columns["ceiling_error"] = self._ceiling(start, noise, level)
        columns["easy_after"], columns["hard_after"] = nets.projections(weights, backend)
        return columns | {"easy_after_theory": self._expected(teacher, rows, level["step"])}

    def _start(self, pretraining: float) -> tuple[Layer, Columns]:
        """Return the student's first layer before its step, and where its top directions lie."""
        if pretraining not in self._starts:
            layer = nets.unit_layer("student", self.seed, self.width, self.d, pretraining, self.backend)
            easy, hard = nets.projections(layer.weights, self.backend)
            self._starts[pretraining] = layer, {"easy_before": easy, "hard_before": hard}
        return self._starts[pretraining]

    def _ceiling(self, start: Layer, noise: float, level: Level) -> Matrix:
        """Train the same student on true labels, step and readout, and return its error for every readout."""
        key = (noise, *level.values())
        if key not in self._ceilings:
            backend, rows = self.backend, level["n_transfer"]
            weights = nets.gradient_step(start, *self._rows("transfer", "step", rows, noise), level["step"], backend)
            x, y = self._rows("transfer", "fit", rows, noise)
            heads = nets.readout(nets.features(weights, x, backend.xp), y, self.ridges, backend)
            joint = nets.joint_moments([weights], backend)
            errors = [self._scores([head], joint, "")["error"] for head in heads]
            self._ceilings[key] = np.array([errors[self.ridges.index(readout["ridge"])] for readout in self.readouts])
        return self._ceilings[key]

    def _scores(self, heads: list[Array], joint: Array, end: str) -> Columns:
        """Compute the error of a network and the correlations of its outputs with both components, from second moments."""
        xp, goal = self.backend.xp, self.target.weights
        output = xp.concatenate([*heads, xp.zeros(3)])
        missed = xp.concatenate([*heads, xp.asarray(-goal)])
        error, power = self.backend.to_numpy(joint_risk(xp.stack([missed, output], axis=1), joint))
        cross = self.backend.to_numpy(joint[-3:] @ output)
        easy = goal * np.array([1.0, 1.0, 0.0])
        found: Columns = {f"error{end}": float(error)}
        for name, part in (("easy", easy), ("hard", goal - easy)):
            scale = np.sqrt(power * (part @ part))
            found[f"corr_{name}{end}"] = float(cross @ part / scale) if scale > 0 else np.nan
        return found

    def _expected(self, teacher: _Teacher, rows: int, step: float) -> float:
        """Predict the student's projection from the linear part and the power of its teacher's outputs."""
        linear = self.backend.to_numpy(teacher.head @ teacher.weights) / 2.0 / np.sqrt(len(teacher.head))
        count = len(teacher.head)
        power = float(self.backend.to_numpy(teacher.head @ teacher.joint[:count, :count] @ teacher.head))
        length = float(np.linalg.norm(linear))
        share = float(linear[0] / length) ** 2 if length > 0 else np.nan
        return share * self._aligned(length, power, rows, step, self.width)

    def _aligned(self, linear: float, power: float, rows: int, step: float, width: int) -> float:
        ratio = self.d / rows
        strength = theory.step_strength(step, linear, power, ratio, width)
        return float(theory.gradient_alignment(linear, power, ratio) * theory.spike_alignment(strength, width / self.d))
