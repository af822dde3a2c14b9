"""Which networks the cells of a block need: teachers, students and ceilings, each trained once, side by side with its like.

Networks are trained in one call where they see the same patches: those of a seed and a number of examples. Sizes of signals and
noise, teachers, learning rates and starts may differ between them, and every step that a cell asks for is kept on the way.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from w2s.laws.signal_noise import SHARED

__all__ = [
    "DATA",
    "FIELDS",
    "TEACHER",
    "Batch",
    "batches",
    "filters_of",
    "fits_in_span",
    "student_of",
    "teacher_of",
    "values_of",
]

Level = Mapping[str, Any]
DATA = ("d", "p_hard", "p_both")
_SIZES = ("mu", "nu", "sigma")
TEACHER = ("n_labeled", "teacher_rate", "teacher_steps")
STUDENT = ("student", "per_class", "init", "rate")
FIELDS = (*DATA, *_SIZES, *TEACHER, "n_transfer", *STUDENT, "step", "n_test", "n_validation")
"""Every field of a cell but the seed."""


@dataclass(eq=False)
class Batch:
    """Networks on one set of patches: ``networks`` (their settings) and the ``steps`` at which they are kept, ascending.

    ``level`` has the fields of the data and what all networks have in common; ``own_patches`` is true there where no two
    examples share a patch.
    """

    level: Level
    n: int
    filters: int
    networks: list[Level] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    @property
    def rows(self) -> float:
        """Estimate the patches: signals, and two of noise in an example, one where it has both signals; or three of its own."""
        return 3.0 * self.n if self.level.get("own_patches") else SHARED + float(self.n * (2.0 - self.level["p_both"]))

    @property
    def span(self) -> bool:
        """Tell whether training goes through the span of the patches."""
        return fits_in_span(self.n, self.level["d"])

    @property
    def flops(self) -> float:
        """Count the operations of training for one seed."""
        rows, d, width = self.rows, float(self.level["d"]), float(self.filters * len(self.networks))
        last = float(self.steps[-1]) if self.steps else 0.0
        each = 2.0 * rows**2 if self.span else 4.0 * rows * d
        return width * (last * each + 2.0 * rows * d * (1 + len(self.steps))) + (rows**2 * d if self.span else 0.0)


def fits_in_span(n: int, d: int) -> bool:
    """Tell whether the span of n examples' patches is the cheaper place to train; a rule of sizes that no draw can change."""
    return n <= d


def batches(levels: Iterable[Level]) -> tuple[dict[Hashable, Batch], dict[Hashable, Batch]]:
    """Sort the networks of some cells into batches: of teachers, and of students with their ceilings."""
    teachers: dict[Hashable, Batch] = {}
    students: dict[Hashable, Batch] = {}
    for level in levels:
        key = (*values_of(level, DATA), level["n_labeled"])
        batch = teachers.setdefault(key, Batch(level, level["n_labeled"], 1))
        _join(batch, teacher_of(level), level["teacher_steps"])
        key = (*values_of(level, DATA), level["n_transfer"], level["student"], level["per_class"])
        batch = students.setdefault(key, Batch(level, level["n_transfer"], filters_of(level)))
        for told in ("weak", "truth"):
            _join(batch, student_of(level, told), level["step"])
    for batch in (*teachers.values(), *students.values()):
        batch.steps.sort()
    return teachers, students


def values_of(level: Level, names: Sequence[str]) -> tuple[Any, ...]:
    """Return the values of some fields."""
    return tuple(level[name] for name in names)


def filters_of(level: Level) -> int:
    """Count the filters of a cell's student."""
    return 2 * int(level["per_class"]) if level["student"] == "relu" else 1


def teacher_of(level: Level) -> Level:
    """Return what makes the teacher of a cell, besides its patches and its number of steps."""
    return {name: level[name] for name in (*_SIZES, "teacher_rate")}


def student_of(level: Level, told: str) -> Level:
    """Return what makes the student of a cell, or its ceiling, which is told the truth and knows no teacher."""
    names = (*_SIZES, "rate", "init", *(TEACHER if told == "weak" else ()))
    return {name: level[name] for name in names} | {"told": told}


def _join(batch: Batch, network: Level, step: int) -> None:
    if network not in batch.networks:
        batch.networks.append(network)
    if step not in batch.steps:
        batch.steps.append(step)
